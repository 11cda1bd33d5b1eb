#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports of a PersistentVolumeClaim: what is waited for, what is given, and who else uses the volume."""
import fixture
from fixture import check, equal, eventually, never
from world import COLLECTED, PROMPT, uid


# ---- what is given

def test_a_disk_is_given_as_raw_and_gzip(w):
    w.pvc()
    w.export()
    w.ready()
    base = f"https://{w.child('service')}.{w.ns}.svc/volumes/disk/disk.img"
    equal(w.formats(), {"raw": base, "gzip": base + ".gz"})
    equal(w.volumes()["disk"][0], "disk")


def test_other_content_is_given_as_dir_and_tar(w):
    w.pvc(content=None)
    w.export()
    w.ready()
    base = f"https://{w.child('service')}.{w.ns}.svc/volumes/disk/"
    equal(w.formats(), {"dir": base + "dir", "tar.gz": base + "disk.tar.gz"})
    equal(w.volumes()["disk"][0], "archive")


def test_an_archive_of_a_datavolume_is_no_disk(w):
    w.pvc(content=None, dv=w.datavolume(content="archive"))
    w.export()
    w.ready()
    equal(sorted(w.formats()), ["dir", "tar.gz"])


def test_a_disk_of_a_datavolume_is_known_by_it(w):
    w.pvc(content=None, dv=w.datavolume())
    w.export()
    w.ready()
    equal(sorted(w.formats()), ["gzip", "raw"])


def test_a_block_volume_is_a_device_in_the_pod(w):
    w.pvc(mode="Block", content=None)
    w.export()
    w.ready()
    equal(sorted(w.formats()), ["gzip", "raw"])
    [container] = w.pod()["spec"]["containers"]
    name = w.claims()["disk"]["name"]
    [device] = [d for d in container["volumeDevices"] if d["name"] == name]
    equal(device["devicePath"], w.volumes()["disk"][2])
    check(name not in [m["name"] for m in container["volumeMounts"]], "the device is also mounted")


def test_the_path_that_the_pod_is_told_is_where_the_volume_is_mounted(w):
    w.pvc("some.disk")
    w.export(of="some.disk")
    w.ready()
    [container] = w.pod()["spec"]["containers"]
    [mount] = [m for m in container["volumeMounts"] if m["name"] == w.claims()["some.disk"]["name"]]
    equal(mount["mountPath"], w.volumes()["some.disk"][2])


# ---- what is waited for

def test_a_missing_claim_is_waited_for_and_named(w):
    w.export()
    message = w.waits("PVCReady", "PVCNotFound")
    check(f"{w.ns}/disk" in message, message)
    w.pvc()
    w.has_pod(seconds=PROMPT)
    w.ready()
    w.shows("PVCReady", "True", "PVCBound")


def test_a_claim_that_waits_for_its_first_consumer_gets_the_pod(w):
    w.pvc(phase="Pending")
    w.export()
    w.shows("PVCReady", "False", "PVCPending")
    w.has_pod()
    w.bind()
    w.shows("PVCReady", "True", "PVCBound", seconds=PROMPT)
    w.ready()


def test_a_datavolume_is_waited_for_until_it_is_populated(w):
    w.pvc(dv=w.datavolume(phase="ImportInProgress"))
    w.export()
    w.says("ImportInProgress")
    w.waits("Ready", "PVCPending")
    w.set_status("dv", "disk", {"phase": "Succeeded"})
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_a_claim_that_is_deleted_while_it_is_exported_is_let_go(w):
    w.pvc()
    w.export()
    w.ready()
    w.delete("pvc", "disk")         # protected, while a pod uses it
    w.no_pod(seconds=PROMPT)
    eventually(lambda: not w.get("pvc", "disk"), "the claim goes")
    w.waits("PVCReady", "PVCNotFound")
    w.pvc()
    w.ready()


# ---- who else uses it

def test_a_pod_that_comes_ends_the_export_at_once_and_is_named(w):
    w.pvc()
    w.export()
    w.ready()
    w.foreign_pod("intruder")
    w.no_pod(seconds=PROMPT)
    w.shows("Ready", "False", "InUse", seconds=PROMPT)
    check("intruder" in w.message(), w.message())
    equal((w.phase(), w.links()), ("Pending", {}))


def test_a_pod_that_goes_frees_the_volume_at_once(w):
    w.pvc()
    w.foreign_pod()
    w.export()
    message = w.waits("Ready", "InUse")
    check("foreign" in message and f"{w.ns}/disk" in message, message)
    w.delete("pod", "foreign")
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_a_user_that_ends_frees_the_volume_at_once(w):
    w.pvc()
    w.foreign_pod()
    w.export()
    w.waits("Ready", "InUse")
    w.pod_phase("foreign", "Succeeded")
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_a_pod_that_waits_for_its_node_is_a_user(w):
    w.pvc()
    w.foreign_pod(phase="Pending")
    w.export()
    w.waits("Ready", "InUse")


def test_the_next_user_is_named_when_the_first_goes(w):
    w.pvc()
    w.foreign_pod("first")
    w.export()
    w.says("first")
    w.foreign_pod("second")
    w.delete("pod", "first")
    w.says("second", seconds=PROMPT)
    check("first" not in w.message(), w.message())


def test_a_pod_that_has_ended_is_no_user(w):
    w.pvc()
    w.foreign_pod("done", phase="Succeeded")
    w.foreign_pod("failed", phase="Failed")
    w.pods_seen()
    w.export()
    w.ready()
    w.foreign_pod("later", phase="Pending", claims=())
    w.foreign_pod("elsewhere", claims=("other",))
    w.pods_seen()
    never(lambda: w.phase() != "Ready", 1.5, "pods that don't use the volume end the export")


def test_a_claim_of_the_same_name_in_another_namespace_is_another(w, plane):
    other = fixture.World(plane, group=w.group)
    other.pvc()
    other.foreign_pod()
    w.pvc()
    w.export()
    w.ready()
    never(lambda: w.phase() != "Ready", 1, "a pod of another namespace ends the export")


def test_two_exports_of_a_claim_are_both_ready(w):
    w.pvc()
    w.export("one")
    w.ready("one")
    first = uid(w.pod("one"))
    w.export("two")
    w.ready("two")
    equal((uid(w.pod("one")), w.phase("one")), (first, "Ready"))


def test_where_only_one_pod_may_use_a_claim_the_second_export_waits(w):
    w.pvc(access="ReadWriteOncePod")
    w.export("one")
    w.ready("one")
    w.export("two")
    message = w.waits("Ready", "InUse", "two")
    check(w.child("pod", "one") in message, message)
    equal(w.phase("one"), "Ready")
    w.plane.request("DELETE", w.path("export", "one"))
    w.ready("two", seconds=COLLECTED)


def test_pausing_is_told_by_an_event(w):
    w.pvc()
    w.export()
    w.ready()
    eventually(lambda: "ExporterPodCreated" in w.events(), "an event ExporterPodCreated")
    w.foreign_pod()
    eventually(lambda: "ExportPaused" in w.events(), "an event ExportPaused")


fixture.main(globals())
