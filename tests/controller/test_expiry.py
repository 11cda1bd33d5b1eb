#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The end of an export: by its TTL in whatever phase, or deleted in whatever phase; nothing of it stays."""
import calendar
import time

import fixture
from fixture import World, alone, check, equal, eventually
from world import COLLECTED, owner, uid


# How an export gets into each phase. Each returns when it is there.

def pending(w, ttl=None):
    w.export(ttl=ttl)
    w.waits("PVCReady", "PVCNotFound")


def in_use(w, ttl=None):
    w.pvc()
    w.foreign_pod()
    w.export(ttl=ttl)
    w.waits("Ready", "InUse")


def skipped(w, ttl=None):
    w.vm()
    w.export_vm(ttl=ttl)
    w.waits("Ready", "VMNoVolumes", phase="Skipped")


def pod_pending(w, ttl=None):
    w.pvc()
    w.export(ttl=ttl)
    w.has_pod()
    w.shows("Ready", "False", "PodPending")


def ready(w, ttl=None):
    w.pvc()
    w.export(ttl=ttl)
    w.ready()


def paused(w, ttl=None):
    ready(w, ttl)
    w.foreign_pod()
    w.waits("Ready", "InUse")


def without_token(w, ttl=None):
    w.pvc()
    w.export(ttl=ttl, token="missing")
    w.says("missing")


def restoring(w, ttl=None):
    w.snapshot(disks=("disk", "data"))
    w.export_snapshot(ttl=ttl)
    eventually(lambda: len(w.children("pvc")) == 2, "claims are made")


def restored(w, ttl=None):
    w.snapshot(disks=("disk", "data"))
    w.export_snapshot(ttl=ttl)
    w.ready()


def expiring(w, reach):
    """Gets an export with a TTL there; with a longer one, in another namespace, where the machine is too busy for a short one.
    Returns its World, and when it is to end."""
    for ttl in (6, 30, 150):
        try:
            reach(w, f"{ttl}s")
        except AssertionError:
            if w.exp():                 # then the TTL is not why
                raise
        e = w.exp()
        end = e and calendar.timegm(time.strptime(e["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")) + ttl
        if e and time.time() < end:
            return w, end
        w = World(w.plane, w.controller)
    raise AssertionError("it always ended before it was there")


def expires(w, reach):
    """Not before its time, and soon after it. Returns its World."""
    w, end = expiring(w, reach)
    eventually(lambda: not w.exp(), "it goes", end - time.time() + 3)
    check(time.time() >= end - 0.1, f"it went {end - time.time():.1f} s too soon")
    w.gone()
    return w


def deleted(w, reach, policy="Background"):
    reach(w)
    w.plane.request("DELETE", w.path("export", "exp"), {"propagationPolicy": policy})
    w.gone(seconds=COLLECTED)


def test_ttl_while_its_claim_is_missing(w):
    expires(w, pending)


def test_ttl_while_its_claim_is_in_use(w):
    expires(w, in_use)


def test_ttl_while_it_is_skipped(w):
    expires(w, skipped)


def test_ttl_while_its_pod_starts(w):
    expires(w, pod_pending)


def test_ttl_while_it_is_ready(w):
    expires(w, ready)


def test_ttl_while_it_is_paused(w):
    expires(w, paused)


def test_ttl_while_its_token_is_missing(w):
    expires(w, without_token)


def test_ttl_while_claims_are_restored(w):
    w = expires(w, restoring)
    eventually(lambda: not w.list("pvc"), "the restored claims go", COLLECTED)


def test_deleted_while_its_claim_is_missing(w):
    deleted(w, pending)


def test_deleted_while_its_claim_is_in_use(w):
    deleted(w, in_use)


def test_deleted_while_it_is_skipped(w):
    deleted(w, skipped)


def test_deleted_while_its_pod_starts(w):
    deleted(w, pod_pending)


def test_deleted_while_it_is_ready(w):
    deleted(w, ready)
    check(w.get("pvc", "disk"), "the source stays")


def test_deleted_while_it_is_paused(w):
    deleted(w, paused)
    check(w.get("pod", "foreign"), "the foreign pod stays")


def test_deleted_as_soon_as_it_was_made(w):
    w.pvc()
    for i in range(10):
        w.export(f"exp{i}")
        w.plane.request("DELETE", w.path("export", f"exp{i}"))
    for i in range(10):
        w.gone(f"exp{i}", 30)


def test_deleted_in_the_foreground(w):
    deleted(w, ready, "Foreground")


def test_deleted_with_the_claims_that_were_restored(w):
    deleted(w, restored)
    eventually(lambda: not w.list("pvc"), "the restored claims go", COLLECTED)
    check(w.get("snapshot", "snap"), "the snapshot stays")


def test_while_it_goes_in_the_foreground_nothing_is_made_again(w):
    """The garbage collector deletes the children first; a controller that makes them anew holds their owner for ever."""
    w.pvc()
    w.export()
    w.ready()
    since = w.version("pod")
    w.plane.request("DELETE", w.path("export", "exp"), {"propagationPolicy": "Foreground"})
    w.gone(seconds=COLLECTED)
    equal([o["metadata"]["name"] for event, o in w.changes("pod", since) if event == "ADDED"], [])


def test_one_made_again_under_the_name_has_children_of_its_own(w):
    w.pvc()
    w.export()
    w.ready()
    token = w.token()
    w.plane.request("DELETE", w.path("export", "exp"))
    w.export()
    w.ready(seconds=COLLECTED)
    for kind, name in w.all_children():
        equal(owner(w.get(kind, name))["uid"], uid(w.exp()), f"{kind} {name}")
    check(w.token() != token, "the old token")


def test_a_namespace_with_exports_goes(w):
    w.pvc()
    w.export()
    w.ready()
    w.export("waiting", of="nothing")
    w.delete("namespace", w.ns)
    eventually(lambda: not w.get("namespace", w.ns), "the namespace goes", COLLECTED)


@alone
def test_ttl_that_ran_out_while_the_controller_was_away(w, controller):
    def ready_and_alone(w, ttl):
        if not controller.process:
            controller.start()
        ready(w, ttl)
        controller.kill()           # before its end, or it is tried once more
    w, end = expiring(w, ready_and_alone)
    time.sleep(max(0, end - time.time() + 0.5))
    check(w.exp(), "it is still there")
    controller.start()
    w.gone()


@alone
def test_deleted_while_the_controller_was_away(w, controller):
    ready(w)
    controller.kill()
    w.plane.request("DELETE", w.path("export", "exp"))
    controller.start()
    w.gone(seconds=COLLECTED)


fixture.main(globals())
