#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Crash torture (torture.py) at moments that no whole life has: an expiry, the first start, a restart in peace."""
import sys
import time

import fixture
from fixture import NAMESPACE, alone, equal
from harness import SLOW
from lives import LIVES, Life, objects
from torture import WRITES, Torture
from world import World, now


@alone
def test_killed_at_the_deletion_of_an_export_that_has_expired(plane):
    with Torture(plane) as t:
        for side in ("before", "after"):
            w = World(plane)
            w.pvc()
            w.export()
            w.ready()
            with t.deadly(side, verbs="delete", resource="virtualmachineexports") as rule:
                w.set_status("export", "exp", {"ttlExpirationTime": now()})         # however long it took to be Ready
                w.gone()
            equal(rule.acted, 1, f"kills {side} the deletion")


@alone
def test_killed_while_there_is_no_authority_yet(plane):
    with Torture(plane) as t:
        for side in ("before", "after"):
            t.controller.kill()
            w = World(plane)
            for secret in w.list("secret", ns=NAMESPACE):
                w.delete("secret", secret["metadata"]["name"], ns=NAMESPACE)
            mark = len(t.proxy.requests)
            with t.deadly(side, namespace=NAMESPACE) as rule:
                t.start(wait=None)
                w.pvc()
                w.export()
                w.ready()
            equal(rule.acted, 1, f"kills {side} the write of the authority")
            written = [r for r in t.proxy.since(mark, WRITES["verbs"], "secrets", NAMESPACE) if r.answer]
            equal([r.answer.status for r in written], [201], f"authorities, killed {side} the write of one")
            w.close()


@alone
def test_a_restart_writes_nothing(plane):
    with Torture(plane) as t:
        worlds = [Life(plane, life, t.audit).begin() for life in LIVES]
        for w in worlds:
            w.settled()
        before = [objects(w) for w in worlds]
        for end in ("kill", "stop"):
            getattr(t.controller, end)()
            mark = len(t.proxy.requests)
            t.start()
            time.sleep(2 * SLOW)
            equal(t.proxy.since(mark, **WRITES), [], f"writes after {end}() and start()")
        equal([objects(w) for w in worlds], before, "what there is")
        for w in worlds:
            w.close()


if __name__ == "__main__":
    sys.exit(fixture.main(globals(), start=False))
