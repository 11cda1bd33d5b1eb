#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API server and the network at their worst, by a proxy between server and controller: whatever they do, exports come to be
as in an undisturbed run, nothing is made twice, the server isn't asked without end, and nothing leaks.

What is random comes from one seed, which is printed; VMEXPORT_SEED sets it.
"""
import concurrent.futures
import contextlib
import functools
import os
import random
import sys
import time

import fixture
from faultproxy import Action, FaultProxy, answer, cut_after, cut_before, cut_watch, delay, error_event, repeat_watch, split_watch
from fixture import NAMESPACE, Controller, alone, check, equal, eventually
from harness import SLOW
from lives import LIVES, Audit, Life, claim
from world import World

SEED = int(os.environ.get("VMEXPORT_SEED", random.randrange(1 << 32)))
WRITES = {"verbs": "create update patch delete", "resource": "(?!events|leases).*"}
EXPORTS = "/apis/export.kubevirt.io/v1/namespaces/{}/virtualmachineexports"
KINDS = 17                  # that the controller watches: each has its own watch, and its own back-off
REQUESTS = 40               # that a life may take, some of them once more
RATE = 20                   # requests a second that are bearable while all fails
PATIENT = ["--lease-duration=120s", "--lease-renew=100s"]          # longer than anything here lasts
LEASE = ["--lease-duration=4s", "--lease-renew=3s", "--lease-retry=1s"]
LEASE_PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/vmexport-controller"


@functools.cache
def judge(plane):
    """The Audit, and what each life is like undisturbed."""
    audit = Audit(plane)
    with Controller(plane, flags=[]), concurrent.futures.ThreadPoolExecutor() as pool:
        return audit, dict(zip(LIVES, pool.map(lambda life: Life(plane, life, audit).undisturbed(), LIVES)))


class Stage(contextlib.ExitStack):
    """A controller that reaches the API server through a proxy only."""

    def __init__(self, plane, flags=PATIENT, start=True):
        super().__init__()
        self.plane, self.judge = plane, judge(plane)
        self.proxy = self.enter_context(FaultProxy(plane))
        self.controller = self.enter_context(Controller(plane, flags=flags, server=self.proxy.server, start=start))

    def lives(self, lives=LIVES, seconds=60, **options):
        """Such lives at once, to their good ends."""
        audit, wanted = self.judge
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return list(pool.map(lambda life: Life(self.plane, life, audit, wanted[life]).live(seconds, **options).end(), lives))

    @contextlib.contextmanager
    def bounded(self, lives=0):
        """No more requests within the block than RATE a second, beyond those that so many lives take."""
        mark, start = len(self.proxy.requests), time.monotonic()
        yield
        count, seconds = len(self.proxy.requests) - mark, time.monotonic() - start
        print(f"# {count} requests in {seconds:.0f} s", flush=True)
        check(count <= RATE * seconds + 2 * KINDS + REQUESTS * lives, f"{count} requests in {seconds:.1f} s: {self.proxy.counts(mark)}")


# ---- watches ----

@alone
def test_watches_that_are_cut_at_random_bytes(plane):
    print(f"# seed {SEED}", flush=True)
    with Stage(plane) as s, s.bounded(6), s.proxy.rule(cut_watch(SEED, 30000), verbs="watch"):
        s.lives(LIVES * 2)


@alone
def test_connections_that_are_cut_every_few_seconds(plane):
    """As by a balancer with a short temper: a watch that went well for a while begins anew at once."""
    with Stage(plane) as s:
        for _ in range(7):
            time.sleep(4)
            s.proxy.cut_all()
        s.lives(seconds=10)


@alone
def test_watches_that_come_in_pieces_of_few_bytes(plane):
    with Stage(plane, start=False) as s, s.proxy.rule(split_watch(SEED), verbs="watch"):
        s.controller.start()
        s.lives()


@alone
def test_events_that_come_twice_and_again(plane):
    with Stage(plane) as s, s.proxy.rule(repeat_watch(SEED), verbs="watch"):
        s.proxy.cut_all()                           # those that have begun
        # A pod that was in use of a claim and is there again is in use of it again.
        s.lives(LIVES * 2, once=False)


@alone
def test_errors_within_watches(plane):
    with Stage(plane) as s:
        for code in (410, 429, 500):
            for after in (0, 2):
                with s.bounded(), s.proxy.rule(error_event(code, after), verbs="watch"):
                    s.proxy.cut_all()
                    time.sleep(3)
        s.lives(seconds=90)


@alone
def test_watches_that_are_refused(plane):
    with Stage(plane) as s:
        for code in (401, 403, 410, 429, 500, 503):
            with s.bounded(), s.proxy.rule(answer(code), verbs="watch"):
                s.proxy.cut_all()
                time.sleep(2)
        s.lives(seconds=90)


# ---- lists ----

def first_time(said):
    """That, for the first request of each kind to each path; the next passes."""
    seen = set()

    def before(request):
        what = request.verb, request.target, request.object.get("metadata", {}).get("name")
        known = what in seen
        seen.add(what)
        return None if known else said.before(request)
    return Action(before=before)


def no_initial_events(request):
    """As a server that doesn't know how to send the state by a watch."""
    return answer(422).before(request) if "sendInitialEvents" in request.query else None


@alone
def test_lists_that_expire(plane):
    with Stage(plane, start=False) as s, s.proxy.rule(Action(before=no_initial_events), verbs="watch"), s.proxy.rule(first_time(answer(410)), verbs="list"):
        s.controller.start()
        s.lives()
        check({r.resource for r in s.proxy.since(verbs="list")} >= {"pods", "persistentvolumeclaims", "virtualmachineexports"}, "there were no lists")


@alone
def test_lists_that_fail(plane):
    with Stage(plane, start=False) as s, s.proxy.rule(Action(before=no_initial_events), verbs="watch"), \
            s.proxy.rule(first_time(answer(500)), verbs="list"), s.bounded(3):
        s.controller.start()
        s.lives()


# ---- writes ----

@alone
def test_conflicts(plane):
    with Stage(plane) as s, s.bounded(3), s.proxy.rule(first_time(answer(409)), **WRITES):
        s.lives()


@alone
def test_writes_that_fail_at_first(plane):
    with Stage(plane) as s:
        for code in (500, 503, 504, 403):
            with s.bounded(3), s.proxy.rule(first_time(answer(code)), **WRITES):
                s.lives()


@alone
def test_requests_and_answers_that_are_lost(plane):
    with Stage(plane) as s, s.bounded(12):
        with s.proxy.rule(first_time(cut_before()), **WRITES):
            s.lives()
        for nth in (1, 2, 3):
            lost = [0]

            def every_third(*_, lost=lost, nth=nth):
                lost[0] += 1
                return cut_after().after() if lost[0] % 3 == nth % 3 else None
            with s.proxy.rule(Action(after=every_third), **WRITES):
                s.lives()


@alone
def test_slow_answers(plane):
    with Stage(plane, start=False) as s, s.proxy.rule(Action(before=no_initial_events), verbs="watch"), \
            s.proxy.rule(delay(0.7), verbs="get list create update patch delete"):
        s.controller.start()
        s.lives()


@alone
def test_too_many_requests_are_repeated_no_sooner_than_told(plane):
    with Stage(plane) as s, s.proxy.rule(answer(429, {"Retry-After": "2"}), times=40, **WRITES), s.bounded(3):
        mark = len(s.proxy.requests)
        s.lives(seconds=90)
        last = {}
        for r in s.proxy.since(mark, **WRITES):
            what = r.verb, r.target, r.body
            # `answer` is None where it was the proxy that answered.
            if what in last and last[what].answer is None:
                check(r.time - last[what].time > 1.9, f"{r} came again after {r.time - last[what].time:.1f} s, not 2 s")
            last[what] = r


# ---- nobody there ----

@alone
def test_a_server_that_fails_for_a_while(plane):
    with Stage(plane) as s:
        worlds = [World(plane) for _ in range(3)]
        with s.proxy.rule(answer(500)), s.bounded():
            s.proxy.cut_all()
            for w in worlds:                        # there is something that it would like to do
                w.pvc()
                w.export()
            time.sleep(20)
        for w in worlds:
            w.ready(seconds=60)
        s.lives()
        for w in worlds:
            w.close()


@alone
def test_writes_that_fail_for_a_while(plane):
    with Stage(plane) as s:
        worlds = [World(plane) for _ in range(10)]
        with s.proxy.rule(answer(500), **WRITES), s.bounded():
            for w in worlds:
                w.pvc()
                w.export()
            time.sleep(20)
        for w in worlds:
            w.ready(seconds=60)
            w.close()


@alone
def test_connections_that_are_refused_for_a_while(plane):
    with Stage(plane) as s:
        w = World(plane)
        with s.proxy.nobody_there():
            cpu = s.controller.cpu()
            w.pvc()
            w.export()
            time.sleep(10)
            check(s.controller.cpu() - cpu < 1 * SLOW, f"{s.controller.cpu() - cpu:.1f} s of CPU time within 10 s")
        w.ready(seconds=60)
        w.close()


@alone
def test_a_server_that_is_restarted(plane):
    with Stage(plane) as s:
        w = World(plane)
        w.pvc()
        w.export()
        w.ready()
        identity, token = w.identity(), w.token()
        with s.bounded():
            plane.stop_server()
            time.sleep(5)
            plane.start_server()
        w.settled()
        equal((w.identity(), w.token(), w.phase()), (identity, token, "Ready"), "the export")
        s.lives(seconds=90)
        w.close()


# ---- leases ----

@contextlib.contextmanager
def two(plane):
    """A leader behind a proxy, and one that stands by."""
    with Stage(plane, LEASE) as s:
        eventually(lambda: plane.request("GET", LEASE_PATH)[1]["spec"]["holderIdentity"] == "controller", "the first one leads")
        with Controller(plane, flags=LEASE, name="second") as second:
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
    pool = s.enter_context(concurrent.futures.ThreadPoolExecutor())
    rule = s.enter_context(s.proxy.rule(delay(3), resource="pods", verbs="create patch"))
    job = pool.submit(life.live, 60, once)
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
    with two(plane) as (s, second):
        equal(s.controller.stop(), 0, "exit code")
        eventually(lambda: plane.request("GET", LEASE_PATH)[1]["spec"]["holderIdentity"] == "second", "the other one leads", 3)
        second.check()


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
        for round_ in range(5):
            trouble(SEED + round_)
        time.sleep(2)
        after = used()
        print(f"# MiB, descriptors and threads: {before} before, {after} after", flush=True)
        check(after[0] <= before[0] + 8 and after[1] <= before[1] + 5 and after[2] == before[2], f"before {before}, after {after}")


if __name__ == "__main__":
    sys.exit(fixture.main(globals(), start=False, server_flags=["--min-request-timeout=300"]))
