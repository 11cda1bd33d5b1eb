#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Waiting until an export is Ready: what is said meanwhile, when waiting ends, and what then helps."""
import time

import fixture
from fixture import DENIED, NOT_FOUND, NOT_READY, SLOW, USAGE, check, equal, same
from fixture import gunzip
from world import never

AT_ONCE = 15            # seconds, the start of the client on a busy machine included; a missing source has three of them
LONG = f"--readiness-timeout={10 * AT_ONCE * SLOW}s"         # far from at once


def test_ready_is_noticed_at_once(w, pod, disk):
    w.made()
    w.be("Pending", "PodPending", "the pod starts")
    run = w.begin("--output=d.gz").says("the pod starts")
    when = time.monotonic()
    w.be_ready(pod)
    run.done()
    check(time.monotonic() - when < 4.5 * SLOW, f"{time.monotonic() - when:.1f} s from Ready to the end of a small download")
    same(gunzip(w.read("d.gz")), disk.data)


def test_each_reason_is_said_once(w, pod):
    w.made()
    w.be("Pending", "InUse", "PersistentVolumeClaim disk is in use by pod abc")
    run = w.begin("--output=d.gz").says("is in use by pod abc")
    for n in range(3):
        w.be("Pending", "InUse", "PersistentVolumeClaim disk is in use by pod abc", observedGeneration=n)
    w.be("Pending", "PodPending", "the image is pulled")
    run.says("the image is pulled")
    w.be_ready(pod)
    run.done()
    equal((run.times("in use by pod abc"), run.times("the image is pulled")), (1, 1), str(run))


def test_an_export_that_no_controller_looks_at(w, pod):
    """As where none runs, or only one for the other group."""
    w.made()
    run = w.begin("--readiness-timeout=4s", "--output=d")
    run.failed(NOT_READY, "waiting for .*no controller has looked at it yet\n", "exp' is not ready after .*no controller has looked")
    equal(run.times("^waiting for .*no controller"), 1, str(run))
    w.be_ready(pod)
    run = w.begin("--output=d.gz").done()
    equal(run.times("no controller"), 0, str(run))


def test_quiet_says_nothing(w, pod):
    w.made()
    w.be("Pending", "InUse", "PersistentVolumeClaim disk is in use")
    run = w.begin("--output=d.gz", "--quiet")
    time.sleep(1)
    w.be_ready(pod)
    equal(run.done().err, "")


def test_what_cannot_succeed_ends_at_once(w):
    w.made()
    for phase, reason, message in (("Skipped", "NoVolumes", "the machine web7 has no volume"), ("Terminated", "PodCompleted", "its server has ended")):
        w.be(phase, reason, message)
        run = w.run("download", "exp", LONG, "--output=d").failed(NOT_READY, message)
        check(run.seconds < AT_ONCE * SLOW, f"{run.seconds:.1f} s")
    equal(w.files(), [])


def test_terminated_while_it_waits(w):
    w.made()
    w.be("Pending", "PodPending", "the pod starts")
    run = w.begin(LONG, "--output=d").says("the pod starts")
    w.be("Terminated", "PodFailed", "its server has failed")
    run.failed(NOT_READY, "has failed", within=AT_ONCE)


def test_a_source_that_is_missing(w):
    w.made(of="disk9")
    w.be("Pending", "PVCNotFound", "PersistentVolumeClaim disk9 not found", condition="PVCReady")
    run, when = w.begin(LONG, "--output=d").says("disk9 not found"), time.monotonic()
    run.failed(NOT_FOUND, "disk9 not found", "--wait-for-source")
    check(2.5 < run.seconds and time.monotonic() - when < 3 + 4 * SLOW, f"{run.seconds:.1f} s")


def test_a_source_that_comes_within_the_three_seconds(w, pod):
    w.made()
    w.be("Pending", "PVCNotFound", "PersistentVolumeClaim disk not found", condition="PVCReady")
    run = w.begin("--output=d.gz").says("not found")
    w.be("Pending", "Bound", "", condition="PVCReady")
    never(lambda: run.process.poll() is not None, 3, "it gave up")
    w.be_ready(pod)
    run.done()


def test_wait_for_source_waits_on(w, pod):
    w.made()
    w.be("Pending", "PVCNotFound", "PersistentVolumeClaim disk not found", condition="PVCReady")
    run = w.begin("--wait-for-source", "--output=d.gz").says("not found")
    never(lambda: run.process.poll() is not None, 4, "it gave up")
    w.be_ready(pod)
    run.done()


def test_readiness_timeout(w):
    w.made()
    w.be("Pending", "PodPending", "the pod starts")
    run, when = w.begin("--readiness-timeout=2s", "--output=d").says("the pod starts"), time.monotonic()
    run.failed(NOT_READY, "the pod starts", "2 s|readiness-timeout")
    check(1 < run.seconds and time.monotonic() - when < 2 + 4 * SLOW, f"{run.seconds:.1f} s")
    w.run("download", "exp", "--readiness-timeout=soon", "--output=d").failed(USAGE, "readiness-timeout")
    equal(w.files(), [])


def test_no_way_in_names_the_ways(w, pod):
    """Without an external link it goes by port-forward, and here there is no pod for that."""
    w.made()
    w.has_service()
    w.be_ready(pod, where=("internal",))
    run = w.run("download", "exp", LONG, "--output=d").failed(NOT_READY, "external", "port-forward")
    check(run.seconds < 2 * AT_ONCE * SLOW, f"{run.seconds:.1f} s")
    equal(w.files(), [])


def test_an_export_that_is_made_later(w, pod, disk):
    run = w.begin("--output=d.gz").says("exp")
    w.existing(pod)
    run.done()
    same(gunzip(w.read("d.gz")), disk.data)


def test_an_export_that_never_comes(w):
    w.run("download", "exp", "--readiness-timeout=2s", "--output=d").failed(NOT_FOUND, "exp")
    equal(w.files(), [])


def test_an_export_that_is_deleted_meanwhile(w):
    w.made()
    w.be("Pending", "PodPending", "the pod starts")
    run = w.begin("--readiness-timeout=8s", "--output=d").says("the pod starts")
    w.delete("export", "exp")
    run.failed(NOT_FOUND, "exp", within=20)


def test_a_machine_that_runs_is_offered_a_snapshot(w):
    w.vm("web7", claims=("disk",))
    run = w.begin("--vm=web7", f"--readiness-timeout={5 * SLOW}s", "--output=d")       # the test's part has to come within it
    w.made_by(run)
    w.be("Pending", "InUse", "PersistentVolumeClaim disk is in use by VirtualMachine web7", condition="PVCReady")
    run.failed(NOT_READY, "in use", "--snapshot-first")


def test_snapshot_first(w, pod, disk):
    """The snapshot is made, exported, and gone in the end; the machine is left alone."""
    w.vm("web7", claims=("disk",))
    run = w.begin("--vm=web7", "--snapshot-first", "--output=d.gz")
    snapshot = fixture.eventually(lambda: w.list("snapshot") or run.process.poll() is not None and [None], f"the snapshot is made: {run}")[0]
    check(snapshot, str(run))
    name = snapshot["metadata"]["name"]
    equal((snapshot["spec"]["source"]["kind"], snapshot["spec"]["source"]["name"]), ("VirtualMachine", "web7"))
    never(w.exp, 0.5, "the export was made before the snapshot is ready")
    w.set_status("snapshot", name, {"readyToUse": True, "phase": "Succeeded"})
    server = w.serve([("disk", "disk", "id", disk.path)], token=w.made_by(run))
    equal((w.exp()["spec"]["source"]["kind"], w.exp()["spec"]["source"]["name"]), ("VirtualMachineSnapshot", name))
    w.be_ready(server)
    run.done()
    same(gunzip(w.read("d.gz")), disk.data)
    check(not w.exp() and not w.list("snapshot") and w.get("vm", "web7"), "something is left, or too little")


def may(w, rules):
    """A user 'half', who may do this in the namespace and no more."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{w.ns}"
    w.plane.request("POST", rbac + "/roles", {"metadata": {"name": "half"}, "rules": rules})
    w.plane.request("POST", rbac + "/rolebindings", {"metadata": {"name": "half"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "half"},
                                                     "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "half"}]})
    fixture.eventually(lambda: w.run("list", "--as=half").code == 0, "the role works")


def test_a_snapshot_whose_export_cannot_be_made_goes_again(w):
    w.vm("web7", claims=("disk",))
    may(w, [{"apiGroups": [w.group], "resources": ["virtualmachineexports"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["kubevirt.io"], "resources": ["virtualmachines"], "verbs": ["get"]},
            {"apiGroups": ["snapshot.kubevirt.io"], "resources": ["virtualmachinesnapshots"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]}])
    run = w.begin("--vm=web7", "--snapshot-first", "--output=d", "--as=half")
    [snapshot] = fixture.eventually(lambda: w.list("snapshot"), f"the snapshot is made: {run}")
    name = snapshot["metadata"]["name"]
    w.set_status("snapshot", name, {"readyToUse": True, "phase": "Succeeded"})
    run.failed(DENIED, "virtualmachineexports.*forbidden", f"{name}' deleted")
    equal((w.list("snapshot"), w.exp(), w.files()), ([], None, []))
    check(w.get("vm", "web7"), "the machine is gone")


def test_a_snapshot_that_fails_is_told(w):
    w.vm("web7", claims=("disk",))
    run = w.begin("--vm=web7", "--snapshot-first", "--output=d", "--readiness-timeout=20s")
    [snapshot] = fixture.eventually(lambda: w.list("snapshot"), f"the snapshot is made: {run}")
    w.set_status("snapshot", snapshot["metadata"]["name"],
                 {"readyToUse": False, "phase": "Failed", "error": {"message": "no class for snapshots", "time": "2026-01-01T00:00:00Z"}})
    run.finish(30).said("no class for snapshots|failed")
    check(run.code != 0 and not w.exp() and not w.list("snapshot"), str(run))


def test_who_may_not_read_exports(w):
    w.made()
    w.run("download", "exp", "--as=nobody", "--output=d", "--readiness-timeout=10s").failed(DENIED, "forbidden|not allowed|may not|denied")


if __name__ == "__main__":
    fixture.main(globals())
