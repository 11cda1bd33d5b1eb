#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each kind of failure has an exit code of its own (cli/exit_code.h), and the manual page has them all."""
import re
import signal
import subprocess

import fixture
from fixture import (BUILD, DENIED, FAILED, INTEGRITY, INTERRUPTED, MIB, NOT_FOUND, NOT_READY, PROGRAM, TRANSFER, USAGE, check, equal, eventually)

CODES = {0, FAILED, USAGE, NOT_FOUND, NOT_READY, DENIED, TRANSFER, INTEGRITY, INTERRUPTED}


def test_they_differ():
    equal(len(CODES), 9)


def test_usage(w):
    for line in ("", "frobnicate", "create", "create a b --pvc=p", "create a --pvc=p --no-such-flag", "download a --output=x --format=zip", "create a --pvc", "list a",
                 "create a --pvc=p --vm=v", "download a --output=x --retry=-1", "download a --output=x --retry=many", "download a --output=x --connections=0",
                 "download a --output=x --readiness-timeout=soon", "download a --output=x --keep-vme=perhaps", "completion csh"):
        run = w.run(*line.split(), bare=True).failed(USAGE)
        equal(run.out, b"", line)


def test_failed(w, pod):
    w.existing(pod)
    w.run("download", "exp", "--format=raw", "--output=/dev/full").failed(FAILED)
    w.run("list", "--server=https://127.0.0.1:1").failed(FAILED, "127.0.0.1:1")


def test_not_found(w, pod):
    w.run("status", "exp").failed(NOT_FOUND)
    w.existing(pod, volumes=("a", "b"))
    w.run("download", "exp", "--volume=c", "--output=d").failed(NOT_FOUND)


def test_not_ready(w):
    w.made()
    w.be("Pending", "PodPending", "starting")
    w.run("download", "exp", "--readiness-timeout=1s", "--output=d").failed(NOT_READY)


def test_denied(w, disk):
    """By either server."""
    w.run("list", "--as=nobody").failed(DENIED)
    w.existing(w.plain(disk, token="another"))
    w.run("download", "exp", "--output=d").failed(DENIED)


def test_transfer(w, pod):
    cutter = w.cutter(pod)
    cutter.go()
    w.existing(cutter, cert=pod.cert)
    w.run("download", "exp", "--retry=1", "--output=d").failed(TRANSFER)


def test_integrity(w, disk):
    peer = w.plain(disk, ("gzip",))

    def spoil(_, reply):
        reply.body = bytes(reply.body)[:-8] + bytes(8)
    peer.hook = spoil
    w.existing(peer, formats=("gzip",))
    w.run("download", "exp", "--output=d").failed(INTEGRITY)


def test_interrupted(w, pod):
    cutter = w.cutter(pod)
    cutter.hold_at(MIB)
    w.existing(cutter, cert=pod.cert, volumes=("big",))
    run = w.begin("--output=d")
    eventually(cutter.held, f"a MiB: {run}")
    run.interrupt(signal.SIGINT).failed(INTERRUPTED, within=20)


def test_a_second_interrupt_ends_it_at_once(w):
    w.made()
    w.be("Pending", "PodPending", "starting")
    run = w.begin("--output=d").says("starting")
    run.interrupt().interrupt().finish(20)
    check(run.code != 0, "exit code 0")


def test_the_manual_has_them_all():
    text = subprocess.run([PROGRAM, "man"], check=True, capture_output=True, text=True, env={"ASAN_OPTIONS": "", "PATH": "/usr/bin:/bin"}).stdout
    [section] = re.findall(r'(?ms)^\.SH "?EXIT STATUS"?\n(.*?)(?=^\.SH|\Z)', text)
    told = set(map(int, re.findall(r"\b\d+\b", section)))
    check(CODES <= told, f"{BUILD}: not told: {CODES - told}")


if __name__ == "__main__":
    fixture.main(globals())
