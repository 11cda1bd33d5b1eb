#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A cluster in which KubeVirt, CDI and snapshots come, go and change while the controller runs: only exports that need them
wait, and say for what. One after the other: each test begins without any of them and without the controller's restart."""
import contextlib
import time

import fixture
import neighbours
from fixture import alone, check, equal, eventually
from world import PROMPT, World

EXPORTS = "virtualmachineexports.export.kubevirt.io"
GATES = {"spec": {"configuration": {"developerConfiguration": {"featureGates": ["VMExport"]}}}}


@contextlib.contextmanager
def installed(w, *names):
    neighbours.install(w.plane, *names)
    try:
        yield
    finally:
        neighbours.remove(w.plane, *names)


@contextlib.contextmanager
def kubevirt(w, version, spec=None):
    """KubeVirt of that version, with its CR."""
    with installed(w, *neighbours.KUBEVIRT):
        w.create("kubevirt", {"metadata": {"name": "kubevirt"}, "spec": spec or {}})
        w.set_status("kubevirt", "kubevirt", {"observedKubeVirtVersion": version})
        yield


# ---- kinds that are not there

@alone
def test_a_claim_needs_none_of_them(w):
    w.pvc()
    w.export()
    w.ready()


@alone
def test_a_machine_waits_for_kubevirt_and_goes_on_when_it_comes(w):
    w.export_vm()
    message = w.waits("Ready", "KubeVirtNotInstalled")
    check("install KubeVirt" in message, message)
    w.pvc("other")
    w.export("claim", of="other")
    w.ready("claim")
    w.pvc()
    with installed(w, *neighbours.KUBEVIRT):
        w.shows("Ready", "False", "VMNotFound")
        w.vm(claims=["disk"])
        w.has_pod(seconds=PROMPT)
        w.ready()
    w.shows("Ready", "False", "KubeVirtNotInstalled")
    w.no_pod()
    equal(w.phase("claim"), "Ready")


@alone
def test_it_is_there_again_after_it_was_gone(w, controller):
    w.pvc()
    for _ in range(2):
        with installed(w, *neighbours.KUBEVIRT):
            w.vm(claims=["disk"])
            w.export_vm()
            w.ready()
            w.plane.request("DELETE", w.path("export", "exp"))
            w.gone()
        time.sleep(1)
    controller.check()


@alone
def test_a_snapshot_waits_for_its_kinds(w):
    w.export_snapshot()
    message = w.waits("Ready", "KubeVirtNotInstalled")
    check("install" in message, message)
    with installed(w, *neighbours.KUBEVIRT, *neighbours.SNAPSHOTS):
        w.snapshot()
        w.ready()


@alone
def test_a_claim_of_a_datavolume_waits_for_cdi(w):
    w.plane.stop_manager()      # its garbage collector would take the claim, whose owner was another DataVolume of that name
    try:
        claim_of_a_datavolume(w)
    finally:
        w.plane.start_manager()


def claim_of_a_datavolume(w):
    w.create("pvc", {"metadata": {"name": "disk", "ownerReferences": [{"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "name": "disk",
                                                                       "uid": "5e0f7f0c-0000-4000-8000-000000000001", "controller": True}]},
                     "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
    w.bind()
    w.export()
    message = w.waits("Ready", "PVCPending")
    check("CDI" in message, message)
    with installed(w, *neighbours.CDI):
        w.datavolume()
        w.ready()


@alone
def test_machines_without_cdi(w):
    with installed(w, *neighbours.KUBEVIRT):
        w.pvc()
        w.vm(claims=["disk"])
        w.export_vm()
        w.ready()


@alone
def test_the_controller_starts_where_they_are_already(w, controller):
    with installed(w, *neighbours.ALL):
        controller.restart()
        w.pvc()
        w.vm(claims=["disk"])
        w.export_vm()
        w.ready()


@alone
def test_routes_are_found_when_their_kind_comes(w):
    w.pvc()
    w.export()
    w.ready()
    with installed(w, *neighbours.ROUTES):
        w.create("route", {"metadata": {"name": "proxy"}, "spec": {"to": {"kind": "Service", "name": "vmexport-proxy"}}}, ns=fixture.NAMESPACE)
        w.set_status("route", "proxy", {"ingress": [{"host": "r.example.test"}]}, ns=fixture.NAMESPACE)
        eventually(lambda: "r.example.test" in w.formats(where="external")["raw"], "links through the Route")
    eventually(lambda: not w.links(where="external"), "they go with it")


# ---- the feature gate

@alone
def test_a_kubevirt_without_the_gate_has_no_exports_until_it_is_set(w):
    with kubevirt(w, "v1.5.2"):
        w.pvc()
        w.export()
        w.says("VMExport", "featureGates")
        equal((w.condition()["status"], w.phase(), w.pod()), ("False", "Pending", None))
        w.patch("kubevirt", "kubevirt", GATES)
        w.has_pod(seconds=PROMPT)
        w.ready()
        w.patch("kubevirt", "kubevirt", {"spec": {"configuration": None}})
        w.says("VMExport")
        w.no_pod()


@alone
def test_a_kubevirt_in_which_exports_need_no_gate(w):
    for version in ("v1.9.0", "v1.10.1", "v2.0.0"):
        with kubevirt(w, version):
            name = "exp" + version.replace(".", "-")
            w.pvc(name)
            w.export(name, of=name)
            w.ready(name)


@alone
def test_where_there_is_no_kubevirt_there_is_no_gate(w):
    with installed(w, *neighbours.KUBEVIRT):
        w.pvc()
        w.export()
        w.ready()


# ---- beside KubeVirt

def labelled(w, labels):
    status, o = w.plane.request("PATCH", f"{neighbours.PATH}/{EXPORTS}", {"metadata": {"labels": labels}})
    equal(status, 200, o)


@alone
def test_it_does_not_start_on_a_group_that_kubevirt_serves(w, controller):
    controller.stop()
    labelled(w, {"kubevirt.io": "", "app.kubernetes.io/managed-by": "virt-operator"})
    try:
        start = len(controller.log)
        check(controller.run() != 0, "exit code")
        said = controller.log[start:]
        for word in ("export.kubevirt.io", "--api-group", "export.vmexport.io"):
            check(word in said, f"no '{word}' in: {said}")
    finally:
        labelled(w, {"kubevirt.io": None, "app.kubernetes.io/managed-by": None})


@alone
def test_beside_kubevirt_it_serves_a_group_of_its_own(w, plane, controller):
    controller.stop()
    group = fixture.GROUP_BESIDE_KUBEVIRT
    labelled(w, {"kubevirt.io": ""})
    plane.apply_crds(fixture.render(f"{plane.dir}/beside.yaml", group, fixture.NAMESPACE, "crd.yaml"))
    try:
        with fixture.Controller(plane, group, name="beside") as beside:
            mine = World(plane, beside)
            mine.pvc()
            mine.export()
            mine.ready()
            equal(mine.status()["serviceName"], "vmexport-exp")
            equal(sorted(mine.all_children()), sorted([("pod", "vmexport-exp"), ("service", "vmexport-exp"), ("secret", "vmexport-token-exp"),
                                                       ("secret", "vmexport-tls-exp")]))
            w.pvc()
            w.export()
            time.sleep(1)
            equal(w.status(), {}, "KubeVirt's own exports are left alone")
    finally:
        labelled(w, {"kubevirt.io": None})
        plane.granted.discard((fixture.GROUP, fixture.NAMESPACE))
        fixture.grant(plane)


fixture.main(globals(), beside=())
