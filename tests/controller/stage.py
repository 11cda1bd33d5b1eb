# SPDX-License-Identifier: Apache-2.0
"""A controller behind a proxy that plays the API server and the network at their worst: whatever they do, exports come to be as in
an undisturbed run, nothing is made twice, and the server isn't asked without end. Used by test_api_*.py and test_leases.py.

What is random comes from one seed, which is printed; VMEXPORT_SEED sets it.
"""
import concurrent.futures
import contextlib
import functools
import os
import random
import time

from faultproxy import Action, FaultProxy, answer
from fixture import Controller, check
from lives import LIVES, Audit, Life

KINDS = 17                  # that the controller watches: each has its own watch, and its own back-off
REQUESTS = 40               # that a life may take, some of them once more
RATE = 20                   # requests a second that are bearable while all fails
PATIENT = ["--lease-duration=120s", "--lease-renew=100s"]          # longer than anything here lasts
SEED = int(os.environ.get("VMEXPORT_SEED", random.randrange(1 << 32)))
WRITES = {"verbs": "create update patch delete", "resource": "(?!events|leases).*"}


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
            return list(pool.map(lambda life: Life(self.plane, life, audit, wanted[life]).live(seconds, told=True, **options).end(), lives))

    @contextlib.contextmanager
    def bounded(self, lives=0):
        """No more requests within the block than RATE a second, beyond those that so many lives take."""
        mark, start = len(self.proxy.requests), time.monotonic()
        yield
        count, seconds = len(self.proxy.requests) - mark, time.monotonic() - start
        print(f"# {count} requests in {seconds:.0f} s", flush=True)
        check(count <= RATE * seconds + 2 * KINDS + REQUESTS * lives, f"{count} requests in {seconds:.1f} s: {self.proxy.counts(mark)}")


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
