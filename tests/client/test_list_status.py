#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""list and status: what a user sees of exports, as a table and as JSON."""
import json

import fixture
from fixture import DENIED, NOT_FOUND, check, equal


def lines(run):
    return [line.split() for line in run.out.decode().splitlines()]


def row(run, name):
    [found] = [line for line in lines(run) if name in line]
    return found


def test_list(w, pod):
    w.existing(pod, name="one")
    w.made("two", kind="VirtualMachine", of="web7")
    w.be("Pending", "InUse", "disk is in use", name="two")
    w.export("three")                   # nobody has looked at it yet
    run = w.start("list").done()
    check("Ready" in row(run, "one") and "Pending" in row(run, "two"), run.out)
    check(any("web7" in word for word in row(run, "two")), run.out)
    check(row(run, "three"), run.out)
    equal(len(lines(run)), 4, "lines, with the head")


def test_an_empty_list(w):
    run = w.start("list").done()
    check(len(lines(run)) <= 1, run.out)
    equal(json.loads(w.start("list", "--output=json").done().out)["items"], [])


def test_list_as_json(w, pod):
    w.existing(pod, name="one")
    o = json.loads(w.start("list", "-o", "json").done().out)
    equal([(item["metadata"]["name"], item["status"]["phase"]) for item in o["items"]], [("one", "Ready")])


def test_list_of_all_namespaces(w, plane):
    other = fixture.World(plane, w.home)
    w.export("here-" + w.ns)
    other.export("there-" + w.ns)
    names = [word for line in lines(w.start("list", "--all-namespaces").done()) for word in line]
    check({"here-" + w.ns, "there-" + w.ns, w.ns, other.ns} <= set(names), names)
    names = [word for line in lines(w.start("list").done()) for word in line]
    check("there-" + w.ns not in names, names)
    check("there-" + w.ns in w.start("list", "-A", "-o", "json").done().out.decode(), "not in the JSON")


def test_status_of_one_that_is_ready(w, pod):
    w.existing(pod)
    w.be_ready(pod, ttlExpirationTime="2031-05-06T07:08:09Z")
    run = w.start("status", "exp").done()
    text = run.out.decode()
    for word in ("Ready", "PersistentVolumeClaim", "disk", f"https://127.0.0.1:{pod.port}/volumes/disk/disk.img", "2031-05-06"):
        check(word in text, f"no {word!r} in {text}")
    check(fixture.TOKEN not in text, "it shows the token")


def test_status_of_one_that_waits(w):
    w.made()
    w.be("Pending", "InUse", "disk is in use by pod abc: stop it", condition="PVCReady")
    text = w.start("status", "exp").done().out.decode()
    for word in ("Pending", "InUse", "disk is in use by pod abc: stop it"):
        check(word in text, f"no {word!r} in {text}")


def test_status_of_one_that_nobody_has_looked_at(w):
    w.export()
    check(b"exp" in w.start("status", "exp").done().out, "it isn't named")


def test_status_as_json(w, pod):
    w.existing(pod)
    o = json.loads(w.start("status", "exp", "--output=json").done().out)
    equal((o["metadata"]["name"], o["status"]["phase"]), ("exp", "Ready"))


def test_status_of_none(w):
    equal(w.run("status", "exp").failed(NOT_FOUND, "exp").out, b"")


def test_what_others_wrote_cannot_write_to_the_terminal(w):
    w.made()
    w.be("Pending", "InUse", "\x1b]0;owned\x07\x1b[2J")
    for command in (("status", "exp"), ("list",)):
        run = w.start(*command).done()
        check(b"\x1b" not in run.out and "\x1b" not in run.err, run.out)


def test_who_may_not_is_told_so(w):
    w.run("list", "--as=nobody").failed(DENIED, "forbidden|not allowed|may not|denied")
    w.run("status", "exp", "--as=nobody").failed(DENIED, "forbidden|not allowed|may not|denied")


if __name__ == "__main__":
    fixture.main(globals())
