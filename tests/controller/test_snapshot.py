#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports of a VirtualMachineSnapshot: claims restored from it, its own idea of the machine."""
import json

import fixture
from fixture import check, equal, eventually, never
from world import PROMPT, owner, uid


def restored(w, name="exp"):
    """{volume snapshot: claim} of the export's own claims."""
    return {p["spec"]["dataSource"]["name"]: p for p in w.children("pvc", name)}


def test_each_volume_is_restored_into_a_claim_of_the_export(w):
    w.snapshot(disks=("disk", "data"))
    w.export_snapshot()
    w.ready()
    claims = restored(w)
    equal(set(claims), {"snap-disk", "snap-data"})
    equal({p["metadata"]["name"] for p in claims.values()}, {"exp-disk", "exp-data"})
    equal(set(w.claims()), {"exp-disk", "exp-data"})
    for p in claims.values():
        equal(p["spec"]["resources"]["requests"]["storage"], "2Gi", "as large as the snapshot needs")
        equal(p["metadata"]["annotations"]["cdi.kubevirt.io/storage.contentType"], "kubevirt")
    equal({n: sorted(w.formats(n)) for n in ("disk", "data")}, {"disk": ["gzip", "raw"], "data": ["gzip", "raw"]})
    equal(w.status()["virtualMachineName"], "vm")
    w.shows("VolumesCreated", "True", "AllPVCsReady")


def test_claims_that_are_not_bound_yet_are_told(w):
    w.snapshot()
    w.export_snapshot()
    w.has_pod()
    w.shows("VolumesCreated", "False", "NotAllPVCsReady")
    equal(w.phase(), "Pending")


def test_claims_that_come_while_nobody_looks_are_bound_before_the_pod_runs(w):
    class Slow(type(w)):
        """Is held up, as on a busy machine, until the controller has done all that it can."""

        def children(self, kind, name="exp"):
            found = super().children(kind, name)
            if kind == "pvc" and not found:
                self.has_pod(name)
            return found

        def pod_phase(self, *args, **options):
            pod = super().pod_phase(*args, **options)
            eventually(lambda: self.phase() == "Ready", "the export is Ready")
            return pod

    w.snapshot(disks=("disk", "data"))
    w.export_snapshot()
    Slow(w.plane, w.controller, w.ns).ready()
    w.shows("VolumesCreated", "True", "AllPVCsReady")


def test_the_formats_links_work_in_the_pod(w):
    w.snapshot()
    w.export_snapshot()
    w.ready()
    volume = w.formats()["raw"].split("/volumes/")[1].split("/")[0]
    check(volume in w.volumes(), f"{volume} is none of {w.volumes()}")


def test_a_snapshot_that_is_not_there_is_skipped_until_it_comes(w):
    w.export_snapshot()
    message = w.waits("Ready", "VMSnapshotNotFound", phase="Skipped")
    check(f"{w.ns}/snap" in message, message)
    w.snapshot()
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_a_snapshot_that_is_not_ready_is_waited_for(w):
    w.snapshot(ready=False)
    w.export_snapshot()
    w.waits("VolumesCreated", "NotAllPVCsCreated")
    equal(w.children("pvc"), [])
    w.snapshot_done()
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_a_snapshot_without_volumes_is_skipped(w):
    w.snapshot(disks=())
    w.export_snapshot()
    w.waits("VolumesCreated", "VMSnapshotNoVolumes", phase="Skipped")


def test_a_missing_volume_snapshot_is_named(w):
    w.snapshot(missing=("disk",))
    w.export_snapshot()
    w.says("snap-disk")
    w.waits("VolumesCreated", "NotAllPVCsCreated")
    w.create("volumesnapshot", {"metadata": {"name": "snap-disk"}, "spec": {}})
    w.set_status("volumesnapshot", "snap-disk", {"readyToUse": True, "restoreSize": "2Gi"})
    w.ready()


def test_the_manifest_is_of_the_machine_as_it_was(w):
    w.pvc()
    w.vm(claims=["disk"], annotations={"note": "now"})
    w.snapshot(annotations={"note": "then"})
    w.export_snapshot()
    w.ready()
    files = [json.loads(text) for name, text in w.get("configmap", w.child("manifest"))["data"].items() if name.startswith("internal.")]
    [vm] = [o for o in files if o["kind"] == "VirtualMachine"]
    equal(vm["metadata"]["annotations"]["note"], "then")


def test_a_running_machine_does_not_matter_to_its_snapshot(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.start_vm()
    w.snapshot()
    w.export_snapshot()
    w.ready()


def test_a_pod_at_a_restored_claim_is_noticed(w):
    w.snapshot()
    w.export_snapshot()
    w.ready()
    w.foreign_pod("intruder", claims=("exp-disk",))
    w.says("intruder", seconds=PROMPT)
    w.no_pod()
    w.delete("pod", "intruder")
    w.ready()


def test_a_snapshot_that_is_deleted_ends_the_export(w):
    w.snapshot()
    w.export_snapshot()
    w.ready()
    w.delete("snapshot", "snap")
    w.waits("Ready", "VMSnapshotNotFound", phase="Skipped")


def test_a_restored_claim_that_was_deleted_is_restored_again(w):
    w.snapshot()
    w.export_snapshot()
    w.ready()
    old = uid(w.get("pvc", "exp-disk"))
    w.delete("pvc", "exp-disk")
    eventually(lambda: uid(w.get("pvc", "exp-disk")) != old, "it is made again")
    w.ready()


def test_two_exports_of_a_snapshot_have_claims_each(w):
    w.snapshot()
    w.export_snapshot("one")
    w.export_snapshot("two")
    w.ready("one")
    w.ready("two")
    equal({owner(p)["name"] for p in w.list("pvc")}, {"one", "two"})


def test_a_volume_is_restored_once_whatever_happens_meanwhile(w):
    w.snapshot()
    since = w.version("pvc")
    w.export_snapshot()
    w.ready()
    for note in "abc":
        w.patch("snapshot", "snap", {"metadata": {"annotations": {"note": note}}})
    never(lambda: w.phase() != "Ready", 1, "the export ends")
    equal([o["metadata"]["name"] for event, o in w.changes("pvc", since) if event == "ADDED"], ["exp-disk"])


fixture.main(globals())
