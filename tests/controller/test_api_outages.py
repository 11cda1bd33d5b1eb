#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that is not there, or does nothing, for a while, by a proxy between server and controller (stage.py)."""
import sys
import time

import fixture
from faultproxy import answer
from fixture import alone, check, equal
from harness import SLOW
from stage import WRITES, Stage
from world import World


@alone
def test_a_server_that_fails_for_a_while(plane):
    with Stage(plane) as s:
        worlds = [World(plane) for _ in range(3)]
        with s.proxy.rule(answer(500)), s.bounded():
            s.proxy.cut_all()
            for w in worlds:                        # there is something that it would like to do
                w.pvc()
                w.export()
            time.sleep(60 if SLOW == 1 else 20)
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


if __name__ == "__main__":
    sys.exit(fixture.main(globals(), start=False, server_flags=["--min-request-timeout=300"]))
