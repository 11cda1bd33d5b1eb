#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports of a VirtualMachine: its volumes, whether it runs, and the manifests to make it again."""
import json

import fixture
import neighbours
from fixture import alone, check, equal, eventually
from world import PROMPT, uid


def of_vm(w, *claims, **vm):
    """A machine with claims, and an export of it."""
    for claim in claims:
        w.pvc(claim)
    w.vm(claims=claims, **vm)
    w.export_vm()


def manifest(w, kind, side="internal", name="exp"):
    """The object of that kind among those that the pod gives out; of several the first."""
    files = w.get("configmap", w.child("manifest", name))["data"]
    return next(o for o in (json.loads(files[f]) for f in sorted(files) if f.startswith(side)) if o["kind"] == kind)


# ---- volumes

def test_all_disks_of_a_machine_that_is_off_are_given(w):
    w.pvc("root")
    w.pvc("data", content=None, dv=w.datavolume("data"))
    w.pvc("dump", content=None)
    w.vm(claims=["root"], dvs=["data"], dumps=["dump"])
    w.export_vm()
    w.ready()
    equal({n: sorted(w.formats(n)) for n in ("root", "data", "dump")},
          {"root": ["gzip", "raw"], "data": ["gzip", "raw"], "dump": ["dir", "tar.gz"]})
    equal(set(w.claims()), {"root", "data", "dump"})
    equal(w.status()["virtualMachineName"], "vm")
    equal(set(w.manifests()), {"all", "auth-header-secret"})


def test_the_claim_with_the_state_of_the_machine_is_given_too(w):
    w.pvc("root")
    w.pvc("persistent-state-for-vm-x", content=None, labels={"persistent-state-for": "vm"})
    w.vm(claims=["root"])
    w.patch("vm", "vm", {"spec": {"template": {"spec": {"domain": {"devices": {"tpm": {"persistent": True}}}}}}})
    w.export_vm()
    w.ready()
    equal(sorted(w.formats("persistent-state-for-vm-x")), ["dir", "tar.gz"])


def test_missing_state_of_the_machine_is_waited_for(w):
    w.pvc("root")
    w.vm(claims=["root"])
    w.patch("vm", "vm", {"spec": {"template": {"spec": {"domain": {"devices": {"tpm": {"persistent": True}}}}}}})
    w.export_vm()
    w.waits("Ready", "VolumesNotPopulated")
    w.pvc("state", content=None, labels={"persistent-state-for": "vm"})
    w.has_pod(seconds=PROMPT)


def test_a_machine_that_is_not_there_is_skipped_until_it_comes(w):
    w.pvc()
    w.export_vm()
    message = w.waits("Ready", "VMNotFound", phase="Skipped")
    check(f"{w.ns}/vm" in message, message)
    w.vm(claims=["disk"])
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_a_machine_without_disks_is_skipped_until_it_gets_one(w):
    w.vm()
    w.export_vm()
    w.waits("Ready", "VMNoVolumes", phase="Skipped")
    w.pvc()
    w.patch("vm", "vm", {"spec": {"template": {"spec": {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}]}}}})
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_a_missing_claim_is_waited_for_and_named(w):
    w.pvc("root")
    w.vm(claims=["root", "later"])
    w.export_vm()
    w.says("later")
    w.waits("Ready", "VolumesNotPopulated")
    w.pvc("later")
    w.ready()


def test_a_datavolume_without_its_claim_yet_is_waited_for(w):
    dv = w.datavolume(phase="Pending")
    w.vm(dvs=["disk"])
    w.export_vm()
    w.waits("Ready", "VolumesNotPopulated")
    w.pvc(dv=dv)
    w.waits("Ready", "VolumesNotPopulated")
    w.set_status("dv", "disk", {"phase": "Succeeded"})
    w.ready()


def test_a_volume_that_is_added_is_given_too(w):
    of_vm(w, "root")
    w.ready()
    old = uid(w.pod())
    w.pvc("more")
    volumes = w.get("vm", "vm")["spec"]["template"]["spec"]["volumes"]
    w.patch("vm", "vm", {"spec": {"template": {"spec": {"volumes": volumes + [{"name": "m", "persistentVolumeClaim": {"claimName": "more"}}]}}}})
    eventually(lambda: w.run_pod() and set(w.claims()) == {"root", "more"} and w.formats("more"), "the volume is given")
    check(uid(w.pod()) != old, "a pod cannot get another volume")


def test_a_machine_that_loses_its_last_volume_is_skipped(w):
    of_vm(w, "root")
    w.ready()
    w.patch("vm", "vm", {"spec": {"template": {"spec": {"volumes": []}}}})
    w.waits("Ready", "VMNoVolumes", phase="Skipped")


def test_a_machine_that_is_deleted_ends_its_export(w):
    of_vm(w, "root")
    w.ready()
    w.delete("vm", "vm")
    w.waits("Ready", "VMNotFound", phase="Skipped")


# ---- whether it runs

def test_a_machine_that_runs_is_waited_for(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.start_vm()
    w.export_vm()
    w.says("running", "stop")
    w.waits("Ready", "InUse")
    w.stop_vm()
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_a_machine_that_starts_gets_its_disks_at_once(w):
    of_vm(w, "disk")
    w.ready()
    w.start_vm(launcher=False)
    w.no_pod(seconds=PROMPT)
    w.shows("Ready", "False", "InUse", seconds=PROMPT)
    equal((w.phase(), w.links()), ("Pending", {}))
    w.foreign_pod("virt-launcher-vm")
    w.stop_vm()
    w.ready()


def test_an_instance_that_has_ended_does_not_run(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.start_vm(launcher=False)
    w.set_status("vmi", "vm", {"phase": "Failed"})
    w.export_vm()
    w.ready()


def test_a_pod_at_any_of_its_disks_is_waited_for_and_named(w):
    of_vm(w, "root", "data")
    w.ready()
    w.foreign_pod("intruder", claims=("data",))
    w.no_pod(seconds=PROMPT)
    w.says("intruder", "data")
    w.waits("Ready", "InUse")
    w.delete("pod", "intruder")
    w.has_pod(seconds=PROMPT)
    w.ready()


# ---- manifests

def test_the_manifests_are_those_of_the_machine(w):
    of_vm(w, "root", annotations={"note": "seen"})
    w.ready()
    vm = manifest(w, "VirtualMachine")
    equal((vm["metadata"]["name"], vm["metadata"]["annotations"]["note"]), ("vm", "seen"))
    check("uid" not in vm["metadata"] and "resourceVersion" not in vm["metadata"], vm["metadata"])
    dv = manifest(w, "DataVolume")
    equal(dv["spec"]["storage"]["resources"]["requests"]["storage"], "1Gi")
    check("http" in dv["spec"]["source"], dv["spec"]["source"])
    ca = manifest(w, "ConfigMap")["data"]
    equal(ca["ca.pem"].strip(), w.links()["cert"].strip())
    equal(ca["tls.crt"], ca["ca.pem"])


def test_datavolume_templates_import_from_the_export(w):
    w.pvc("first", dv=w.datavolume("first"))
    w.pvc("second", dv=w.datavolume("second"))
    templates = [{"metadata": {"name": n}, "spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}}} for n in ("second", "first")]
    w.vm(dvs=["first", "second"], dataVolumeTemplates=templates)
    w.export_vm()
    w.ready()
    vm = manifest(w, "VirtualMachine")
    urls = {t["metadata"]["name"]: t["spec"]["source"]["http"]["url"] for t in vm["spec"]["dataVolumeTemplates"]}
    equal(urls, {n: f"https://{w.child('service')}.{w.ns}.svc/volumes/{n}/disk.img.gz" for n in ("first", "second")})
    check('"kind":"DataVolume"' not in "".join(w.get("configmap", w.child("manifest"))["data"].values()), "a template's volume is not imported twice")


def test_the_manifests_are_fresh_when_the_machine_changes(w):
    of_vm(w, "root", annotations={"note": "before"})
    w.ready()
    old = uid(w.pod())
    w.patch("vm", "vm", {"metadata": {"annotations": {"note": "after"}}})
    eventually(lambda: manifest(w, "VirtualMachine")["metadata"]["annotations"]["note"] == "after", "the manifest is fresh", PROMPT)
    equal((uid(w.pod()), w.phase()), (old, "Ready"), "the pod stays, the kubelet brings it the file")


def test_a_manifest_that_is_deleted_or_edited_comes_back(w):
    of_vm(w, "root")
    w.ready()
    name = w.child("manifest")
    before = w.get("configmap", name)["data"]
    w.delete("configmap", name)
    eventually(lambda: w.get("configmap", name)["data"] == before, "it is made again")
    w.patch("configmap", name, {"data": {"internal.00.json": "{}"}})
    eventually(lambda: w.get("configmap", name)["data"] == before, "it is as it was")


def test_a_claim_has_no_machine_to_show(w):
    w.pvc()
    w.export()
    w.ready()
    equal(set(w.manifests()), {"auth-header-secret"})
    check(not w.get("configmap", w.child("manifest")), "nothing to put into a ConfigMap")


def test_an_instancetype_that_cannot_be_expanded_is_left_and_told(w):
    of_vm(w, "root", instancetype={"name": "u1.small"})
    w.ready()
    equal(manifest(w, "VirtualMachine")["spec"]["instancetype"], {"name": "u1.small"})
    w.says("instancetype")


@alone
def test_an_instancetype_is_expanded_where_kubevirt_does_it(w, plane):
    with neighbours.Subresources(plane) as kubevirt:
        of_vm(w, "root", instancetype={"name": "u1.small"})
        w.ready()
        vm = manifest(w, "VirtualMachine")
        equal((vm["spec"].get("instancetype"), vm["spec"]["template"]["spec"]["domain"]["cpu"]), (None, {"cores": 4}))
        check("instancetype" not in w.message(), w.message())
        equal(len(kubevirt.asked), 1, "asked once for one machine")


fixture.main(globals())
