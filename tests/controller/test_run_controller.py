#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/run-controller, which `make run-controller` is: the controller can be tried, killed and ended, and nothing is left behind."""
import contextlib
import os
import re
import signal
import subprocess
import sys

import fixture
from fixture import BUILD, REPO, SLOW, check, equal, eventually
import harness

COMMAND = [sys.executable, REPO + "/tools/run-controller", BUILD]


def environment(tmp, **variables):
    os.makedirs(tmp + "/tmp", exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in ("API_GROUP", "FLAGS", "ONCE")}
    return dict(inherited, TMPDIR=tmp + "/tmp", **fixture.SANITIZER_OPTIONS, **variables)


def run_once(tmp, **variables):
    done = subprocess.run(COMMAND, env=environment(tmp, ONCE="1", **variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, timeout=100 * SLOW)
    equal(os.listdir(tmp + "/tmp"), [], "temporary files")
    return done


@contextlib.contextmanager
def running(tmp, **variables):
    """(the process, a function that gives its output up to now)."""
    with open(tmp + "/output", "w+", encoding="utf-8") as output:
        with subprocess.Popen(COMMAND, env=environment(tmp, **variables), stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
            def said():
                output.seek(0)
                return output.read()
            try:
                yield process, said
            finally:
                process.kill()


def test_an_export_becomes_pending_and_says_why(tmp):
    for group in (fixture.GROUP, fixture.GROUP_BESIDE_KUBEVIRT):
        done = run_once(tmp, API_GROUP=group)
        equal(done.returncode, 0, done.stdout + done.stderr)
        check(re.search(r"(?m)^sample +PersistentVolumeClaim +a-claim-that-is-not-there +Pending ", done.stdout), done.stdout)
        check("PVCReady=False, PVCNotFound: " in done.stdout, done.stdout)


def test_a_controller_that_cannot_run_fails_with_its_words(tmp):
    done = run_once(tmp, FLAGS="--workers 0")
    equal(done.returncode, 1, done.stdout)
    check("workers: must be from 1 to 256" in done.stderr, done.stderr)
    check(tmp not in done.stderr, f"a path that is gone: {done.stderr}")


def test_wrong_settings_are_refused(tmp):
    for variables, message in (({"API_GROUP": "export.example"}, "API_GROUP=export.example: must be"), ({"FLAGS": "--a 'b"}, "FLAGS=--a 'b: ")):
        done = run_once(tmp, **variables)
        equal(done.returncode, 1, done.stdout)
        check(message in done.stderr, done.stderr)


def test_hangup_kills_and_starts_and_interrupt_ends(tmp):
    with running(tmp) as (process, said):
        eventually(lambda: said().count("this replica leads") == 1, "the controller leads", 60)
        folder = re.search(r"All of it is in (\S+)", said())[1]
        with open(folder + "/pid", encoding="ascii") as f:
            equal(int(f.read()), process.pid, "pid in the file")
        process.send_signal(signal.SIGHUP)
        eventually(lambda: said().count("this replica leads") == 2, "another one leads")
        process.send_signal(signal.SIGINT)
        equal(process.wait(30 * SLOW), 0, said())
    equal(os.listdir(tmp + "/tmp"), [], "temporary files")


harness.main(globals())
