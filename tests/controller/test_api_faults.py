#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes and answers at their worst, by a proxy between server and controller (stage.py)."""
import sys
import time

import fixture
from faultproxy import Action, answer, cut_after, cut_before, delay
from fixture import alone, check, eventually
from stage import WRITES, Stage, first_time, no_initial_events
from world import World


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


def told_from_the_first_start_on(s, w):
    """The reasons that an export is told by a controller that finds neither a CA nor the proxy's files."""
    for kind, name in (("secret", "vmexport-ca"), ("secret", "vmexport-proxy-tls"), ("configmap", "vmexport-ca")):
        w.delete(kind, name, ns=fixture.NAMESPACE)
    w.pvc()
    w.export()
    since = w.version("export")
    s.controller.start()
    eventually(lambda: w.get("secret", "vmexport-ca", ns=fixture.NAMESPACE), "the CA")
    time.sleep(0.2)                 # the proxy's files are being written: what comes now must not be taken for the end of that
    w.patch("secret", "vmexport-ca", {"metadata": {"annotations": {"note": "x"}}}, ns=fixture.NAMESPACE)
    w.ready()
    return [c["reason"] for _, e in w.changes("export", since) for c in (e.get("status") or {}).get("conditions", ())]


@alone
def test_nobody_is_told_that_there_is_no_ca_while_the_first_one_is_made(plane):
    # All writes are slow; and those of the proxy's files are slower than an export waits for a CA.
    for seconds, what in ((0.5, {"verbs": "create update patch"}), (8, {"verbs": "create", "resource": "configmaps"})):
        with Stage(plane, start=False) as s, s.proxy.rule(delay(seconds), namespace=fixture.NAMESPACE, **what):
            w = World(plane)
            told = told_from_the_first_start_on(s, w)
            check("PodPending" in told and "NoCertificateAuthority" not in told, f"{what}: {told}")
            w.close()


if __name__ == "__main__":
    sys.exit(fixture.main(globals(), start=False, server_flags=["--min-request-timeout=300"]))
