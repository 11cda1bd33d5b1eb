# SPDX-License-Identifier: Apache-2.0
"""Crash torture: the controller is killed (SIGKILL) before and after its n-th write to the API server, for every n of the whole
life of an export, and started again. Every time all comes to be as in an undisturbed run, nothing is made twice, and nothing
is left when the export is deleted. test_torture_*.py: one kind of life each, as it takes minutes; test_torture.py: the rest.

The killing is done in the proxy between the two: "before" its server has never heard of the write, "after" it has done it
but the controller hasn't heard so. How many writes there are is found out by trying: the last n is the first that no life
came to. Events and leases are not counted.
"""
import contextlib
import queue
import threading
import time

from faultproxy import CUT, Action, FaultProxy
from fixture import Controller, check, eventually
from harness import SLOW
from lives import Audit, Life

FLAGS = ["--external=direct", "--external-host=exports.example.test"]
WRITES = {"verbs": "create update patch delete", "resource": "(?!events|leases).*"}
WRITES_LEAST = 8
STEP = 1 if SLOW == 1 else 4            # under a sanitizer, every fourth write will do


class Torture:
    """A controller behind a proxy, which kills it on demand; it is started again at once."""

    def __init__(self, plane):
        self.plane, self.audit, self.starts = plane, Audit(plane), queue.Queue()
        self.proxy = FaultProxy(plane)

    def __enter__(self):
        self.proxy.__enter__()
        self.controller = Controller(self.plane, flags=FLAGS, server=self.proxy.server, start=False)
        self.nurse = threading.Thread(target=self._nurse, daemon=True)      # it ends with the thread that started it
        self.nurse.start()
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.starts.join()
        self.controller.__exit__(kind)
        self.starts.put(False)
        self.nurse.join()
        self.proxy.__exit__()

    def start(self, wait="/readyz"):
        self.starts.put(True)
        self.starts.join()
        if wait:
            eventually(lambda: self.controller.check() or self.controller.get(wait)[0] == 200, f"the controller answers {wait}: {self.controller.log[-1000:]}")

    def _nurse(self):
        while self.starts.get():
            try:
                self.controller.start(wait=None)
            finally:
                self.starts.task_done()

    @contextlib.contextmanager
    def deadly(self, side, nth=1, **match):
        """A rule for the proxy: at the n-th such request the controller is killed, on that side of it. When the block is left
        it is not being killed any more: the test may have seen what that request did before the proxy had its answer."""
        killed = threading.Event()

        def kill(*_):
            """In the loop of the proxy, so nothing else passes from the kill to the last connection's end."""
            self.controller.kill()
            self.proxy.abort()
            self.starts.put(True)
            killed.set()
            return CUT

        with self.proxy.rule(Action(**{side: kill}), nth=nth, times=1, **{**WRITES, **match}) as rule:
            yield rule
        check(not rule.acted or killed.wait(30 * SLOW), f"the controller is killed {side} the request")

    def one(self, life, n, side):
        """One life, killed at that write; whether it came to that."""
        mark, trouble = len(self.proxy.requests), None
        with self.deadly(side, n) as rule:
            self.starts.join()
            self.controller.check()
            one = Life(self.plane, life, self.audit, self.wanted)
            try:
                one.live()
            except AssertionError as e:
                trouble = e
            one.end(wait=False)
        what = f"killed {side} write {n}, {self.proxy.since(mark, **WRITES)[n - 1]}" if rule.acted else f"not killed, there is no write {n}"
        if trouble:
            self.failures.append(f"{what}: {trouble}")
        else:
            self.lived.append((what, one))
        return rule.acted

    def all_of(self, life):
        start, self.failures, self.lived = time.monotonic(), [], []
        self.wanted = Life(self.plane, life, self.audit).undisturbed()
        n = 1
        while any([self.one(life, n, "before"), self.one(life, n, "after")]) and len(self.failures) < 5:
            n += STEP
        # The garbage collector had the time of all other lives for each.
        for what, one in self.lived:
            try:
                one.leaves_nothing()
            except AssertionError as e:
                self.failures.append(f"{what}: {e}")
        print(f"# {life.__name__}: {n - 1} writes, {time.monotonic() - start:.0f} s", flush=True)
        check(not self.failures, "\n".join(self.failures))
        check(n > WRITES_LEAST, f"there must be more writes than {n - 1}")


def torture(plane, life):
    with Torture(plane) as t:
        t.all_of(life)
