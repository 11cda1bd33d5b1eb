#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Watches and lists at their worst, by a proxy between server and controller (stage.py)."""
import sys
import time

import fixture
from faultproxy import Action, answer, cut_watch, error_event, repeat_watch, split_watch
from fixture import alone, check
from lives import LIVES
from stage import SEED, Stage, first_time, no_initial_events


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


if __name__ == "__main__":
    sys.exit(fixture.main(globals(), start=False, server_flags=["--min-request-timeout=300"]))
