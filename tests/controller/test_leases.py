#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who leads, how a controller ends, and what it leaves in memory (stage.py)."""
import asyncio
import concurrent.futures
import contextlib
import os
import sys
import threading
import time

import fixture
from faultproxy import Action, answer, cut_after, cut_watch, delay, error_event
from fixture import NAMESPACE, Controller, alone, check, equal, eventually
from harness import SLOW
from lives import Life, claim
from stage import PATIENT, SEED, WRITES, Stage
from world import World

LEASE = ["--lease-duration=4s", "--lease-renew=3s", "--lease-retry=1s"]
LEASE_PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/vmexport-controller"


# ---- leases ----

@contextlib.contextmanager
def two(plane, flags=LEASE):
    """A leader behind a proxy, and one that stands by."""
    with Stage(plane, flags) as s:
        eventually(lambda: plane.request("GET", LEASE_PATH)[1]["spec"]["holderIdentity"] == "controller", "the first one leads")
        with Controller(plane, flags=flags, name="second") as second:
            yield s, second


def ends_in_failure(controller, seconds=15):
    code = controller.process.wait(seconds * SLOW)
    check(code > 0, f"the exit code of the one that has lost its lease is {code}")
    controller.kill()
    controller.check_sanitizers()


def in_mid_reconcile(s, once=True):
    """An export that is being worked on: the request that makes its pod is under way, and takes its time."""
    audit, wanted = s.judge
    life = Life(s.plane, claim, audit, wanted[claim])
    rule = s.enter_context(s.proxy.rule(delay(3), resource="pods", verbs="create patch"))
    job = concurrent.futures.Future()

    def live():
        try:
            job.set_result(life.live(60, once))
        except Exception as e:  # pylint: disable=broad-except
            job.set_exception(e)
    # A test that has failed does not wait for it: without a controller it would take minutes to give up.
    threading.Thread(target=live, daemon=True).start()
    eventually(lambda: rule.acted, "a pod is being made")
    return life, job


def continues(plane, life, job):
    job.result()
    life.end()
    equal(plane.request("GET", LEASE_PATH)[1]["spec"]["holderIdentity"], "second", "the holder")


@alone
def test_a_lease_that_is_stolen_in_mid_reconcile(plane):
    with two(plane) as (s, _):
        life, job = in_mid_reconcile(s)
        status, o = plane.request("PATCH", LEASE_PATH, {"spec": {"holderIdentity": "thief"}})
        equal(status, 200, o)
        ends_in_failure(s.controller)
        continues(plane, life, job)


@alone
def test_a_lease_that_cannot_be_renewed(plane):
    with two(plane) as (s, _):
        life, job = in_mid_reconcile(s)
        with s.proxy.rule(answer(500), resource="leases"):
            ends_in_failure(s.controller)
        continues(plane, life, job)


@alone
def test_a_leader_that_is_cut_off(plane):
    with two(plane) as (s, _):
        life, job = in_mid_reconcile(s)
        with s.proxy.nobody_there():
            ends_in_failure(s.controller)
            continues(plane, life, job)


@alone
def test_a_lease_that_is_deleted(plane):
    with two(plane) as (s, second):
        # With the lease goes what it says of the pods that were seen: volumes may count as written to, and pods be replaced.
        life, job = in_mid_reconcile(s, once=False)
        equal(plane.request("DELETE", LEASE_PATH)[0], 200, "deletion of the lease")
        job.result()
        life.end()
        # Whoever was the first to make a new one: one leads, and if that is the other, the first is gone.
        holder = plane.request("GET", LEASE_PATH)[1]["spec"]["holderIdentity"]
        check(holder in ("controller", "second"), holder)
        if holder == "second":
            ends_in_failure(s.controller)
        second.check()


@alone
def test_a_leader_that_ends_leaves_at_once(plane):
    with two(plane, PATIENT + ["--lease-retry=1s"]) as (s, second):
        equal(s.controller.stop(), 0, "exit code")
        eventually(lambda: plane.request("GET", LEASE_PATH)[1]["spec"]["holderIdentity"] == "second", "the other one leads, at its next try", 10)
        second.check()


@alone
def test_a_leader_notes_at_once_what_it_has_seen(plane):
    # Else leaders that are killed before they renew the lease leave one note to each other, until the server's history of it has ended.
    plane.request("DELETE", LEASE_PATH)
    with Controller(plane, flags=["--lease-duration=120s", "--lease-renew=100s", "--lease-retry=60s"]):
        eventually(lambda: plane.request("GET", LEASE_PATH)[1]["metadata"]["annotations"]["vmexport.io/pods-resource-version"], "the note")


# ---- ends ----

@alone
def test_it_ends_soon_whatever_hangs(plane):
    hangs = delay(60)
    for what, rule in (("writes", WRITES), ("all but watches", {"verbs": "get list create update patch delete"}), ("all", {})):
        with Stage(plane) as s, s.proxy.rule(hangs, **rule):
            if not rule:
                s.proxy.cut_all()
            w = World(plane)
            w.pvc()
            w.export()
            time.sleep(0.5)
            start = time.monotonic()
            code = s.controller.stop()
            check(time.monotonic() - start < 8 * SLOW, f"with {what} hanging, it ended after {time.monotonic() - start:.1f} s")
            equal(code, 0, f"exit code, with {what} hanging")
            w.close()


def note(plane):
    return plane.request("GET", LEASE_PATH)[1]["metadata"]["annotations"]["vmexport.io/pods-resource-version"]


def ends_at_once(s, what):
    start = time.monotonic()
    equal(s.controller.stop(), 0, "exit code")
    check(time.monotonic() - start < 3 * SLOW, f"{what}, it ended after {time.monotonic() - start:.1f} s")


@alone
def test_it_ends_at_once_while_the_history_of_pods_hangs_and_leaves_it_to_the_next(plane):
    asked = []

    async def history(request):
        if "sendInitialEvents" not in request.query:        # no watch that begins with the state
            asked.append(request)
            await asyncio.sleep(60)
    with Stage(plane, start=False) as s:
        with Controller(plane, flags=PATIENT):
            w = World(plane)
            w.pvc()
            w.export()
            w.ready()
        before = note(plane)
        w.foreign_pod("user")                               # it came and went, and only the history tells
        w.delete("pod", "user")
        with s.proxy.rule(Action(before=history), verbs="watch", resource="pods"):
            s.controller.start(wait=None)
            eventually(lambda: asked, "it asks for the history", 60)
            ends_at_once(s, "while it reads the history")
    equal(note(plane), before, "up to where pods are accounted for")
    w.close()


@alone
def test_it_ends_at_once_while_it_waits_for_the_ca_and_writes_nothing_without(plane):
    with Stage(plane, start=False) as s, s.proxy.rule(delay(60), verbs="create", resource="secrets", namespace=NAMESPACE) as rule:
        with Controller(plane, flags=PATIENT):
            w = World(plane)
            w.pvc()
            w.export()
            w.ready()
        before = w.exp()["metadata"]["resourceVersion"], w.links()
        w.delete("secret", "vmexport-ca", ns=NAMESPACE)
        plane.request("DELETE", LEASE_PATH)                 # no note, and so no history to be read before
        s.controller.start(wait=None)
        eventually(lambda: rule.acted, "it makes a CA", 60)
        time.sleep(0.5)
        ends_at_once(s, "while it waits for the CA")
    equal((w.exp()["metadata"]["resourceVersion"], w.links()), before, "the export")
    w.close()


@alone
def test_nothing_leaks(plane):
    with Stage(plane) as s:
        def used():
            pid = s.controller.pid
            return s.controller.rss() >> 20, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))

        def trouble(seed):
            with s.proxy.rule(cut_watch(seed, 3000), verbs="watch", times=5), s.proxy.rule(answer(500), nth=3, times=3, **WRITES), \
                    s.proxy.rule(cut_after(), nth=8, times=2, **WRITES), s.proxy.rule(error_event(410, 1), verbs="watch", nth=6, times=5):
                s.proxy.cut_all()
                s.lives((claim,) * 6, 90, once=False)
        trouble(SEED)
        time.sleep(2)
        before = used()
        for round_ in range(3):
            trouble(SEED + round_)
        time.sleep(2)
        after = used()
        print(f"# MiB, descriptors and threads: {before} before, {after} after", flush=True)
        # A sanitizer keeps what was freed for a while; ASan's looks for leaks itself, at the end.
        check((SLOW > 1 or after[0] <= before[0] + 8) and after[1] <= before[1] + 5 and after[2] == before[2], f"before {before}, after {after}")


if __name__ == "__main__":
    sys.exit(fixture.main(globals(), start=False, server_flags=["--min-request-timeout=300"]))
