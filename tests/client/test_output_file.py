#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What others do with the names, the part and the device that a download writes; a standard output that is closed."""
import os
import signal

import fixture
import harness
from fixture import FAILED, INTEGRITY, INTERRUPTED, MIB, NOT_READY, USAGE, check, equal, eventually, same

CLOSED = ("sh", "-c", 'exec "$@" >&-', "sh")


def held(w, pod, *args):
    """A download that stands still with 10 MiB there, and the cutter that holds it."""
    cutter = w.cutter(pod)
    w.existing(cutter, cert=pod.cert, volumes=("big",), formats=("raw",))
    cutter.hold_at(10 * MIB)
    run = w.begin("--format=raw", *args)
    eventually(cutter.taken, f"10 MiB: {run}")
    return run, cutter


# ---- names ----

def test_a_part_that_is_replaced_does_not_get_the_name(w, pod):
    run, cutter = held(w, pod, "--output=d")
    w.write("other", b"somebody's")
    os.replace(w.file("other"), w.file("d.part"))
    cutter.release()
    run.failed(INTEGRITY, "somebody replaced '.*d.part'")
    check("d" not in w.files(), f"{w.files()}")
    equal(w.read("d.part"), b"somebody's")


def test_the_part_of_a_run_is_no_output_of_another(w, pod, big):
    run, cutter = held(w, pod, "--output=d")
    for name in ("d.part", "d.part.json"):
        w.run("download", "exp", "--format=raw", f"--output={name}").failed(NOT_READY, "another run is writing")
    cutter.release()
    run.done()
    same(w.read("d"), big.data)
    equal(w.files(), ["d"])


def test_files_of_the_user_stay(w, pod):
    w.existing(pod, volumes=("big",))
    for name in ("d.part", "d.part.json", "d.part.json.new"):
        w.write(name, b"my only copy")
        w.run("download", "exp", "--output=d").failed(USAGE, "in the way", "move it away")
        equal((w.files(), w.read(name)), ([name], b"my only copy"))
        os.remove(w.file(name))


# ---- what an earlier run left ----

def test_what_a_killed_run_leaves_is_not_in_the_way(w, pod, big):
    run, cutter = held(w, pod, "--output=d")
    run.kill()
    check("d.part" in w.files(), f"{w.files()}")
    cutter.release()
    w.download("--format=raw", "--output=d")
    same(w.read("d"), big.data)
    equal(w.files(), ["d"])


def test_a_part_that_somebody_edited_is_not_believed(w, pod, big):
    """Its inode and size are what they were."""
    run, cutter = held(w, pod, "--output=d")
    run.interrupt(signal.SIGINT).failed(INTERRUPTED)
    cutter.release()
    with open(w.file("d.part"), "r+b") as f:
        f.seek(MIB)
        f.write(b"edited")
    w.download("--format=raw", "--output=d").said("d.part' was changed")
    same(w.read("d"), big.data)


# ---- a device ----

def test_a_device_that_is_too_small_is_left_alone(w, pod, big):
    with open(w.file("backing"), "wb") as f:
        f.write(b"\1" * (8 * MIB))
    w.existing(pod, volumes=("big",), formats=("raw", "gzip"))
    with harness.loop_device(w.file("backing")) as device:
        for formats in (("raw",), ("gzip", "raw")):
            w.be_ready(pod, volumes=("big",), formats=formats)
            for args in ((), ("--connections=3",)):
                w.run("download", "exp", "--format=raw", *args, f"--output={device}").failed(USAGE, f"{8 * MIB} bytes", f"{len(big.data)}")
                with open(device, "rb") as f:
                    same(f.read(), b"\1" * (8 * MIB), "the device")


# ---- standard output ----

def test_a_closed_standard_output(w, pod):
    w.existing(pod)
    w.run("download", "exp", "--format=raw", "--output=-", before=CLOSED).failed(FAILED, "standard output")
    for command in (("list",), ("status", "exp")):
        w.run(*command, before=CLOSED).failed(FAILED, "standard output")
    w.start("help", bare=True, before=CLOSED).failed(FAILED, "standard output")


if __name__ == "__main__":
    fixture.main(globals())
