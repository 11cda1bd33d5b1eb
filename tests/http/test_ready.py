#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/exportready: for probes, and for the controller, which is told what the pod's user cannot read."""
import json
import os
import time

import harness
from harness import SLOW, Pod, check, equal, loop_device, wait_until

USER = 107
JSON = {"Accept": "application/json"}


def file(path, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write("x")
    os.chmod(path, mode)
    return path


def told(pod, **kw):
    r = pod.get("/exportready", token=None, headers=JSON, **kw)
    equal((r.status, r.headers["Content-Type"], r.headers["Cache-Control"]), (200, "application/json", "no-store"))
    return json.loads(r.body)


def inspected(pod):
    """What it says when it is done."""
    wait_until(lambda: not told(pod)["inspecting"], "it has looked at all volumes", 120)      # in the time that nobody else wants
    return told(pod)


def state(folder):
    """Owner, mode and times of everything below."""
    found = {}
    for path, folders, files in os.walk(folder):
        for name in [path] + [f"{path}/{n}" for n in folders + files]:
            st = os.lstat(name)
            found[name] = (st.st_uid, st.st_gid, st.st_mode, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
    return found


def test_probes_get_the_short_text(pod):
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "text/plain"}, {"Accept": "application/*"}, {"Accept": "application/jsonx"}):
        r = pod.get("/exportready", token=None, headers=accept)
        equal((r.status, r.headers["Content-Type"], r.headers["Content-Length"], r.body), (200, "text/plain", "2", b"OK"), f"{accept}")
    r = pod.get("/exportready", token=None, method="HEAD")
    equal((r.status, r.headers["Content-Length"], r.body), (200, "2", b""))


def test_probes_are_not_logged(pod):
    pod.get("/exportready", token=None)
    pod.get("/", token=None)
    wait_until(lambda: '"path":"/","status":401' in pod.log_text(), "the next request is logged")
    check("exportready" not in pod.log_text(), pod.log_text())


def test_who_may_read_all_is_told_so(pod):
    equal(inspected(pod), {"uid": os.geteuid(), "gid": os.getegid(), "inspecting": False, "volumes": [
        {"name": n, "unreadable": 0, "more": False, "block": False} for n in ("disk", "tree")]})


def test_head_has_the_headers_of_json(pod):
    inspected(pod)
    r = pod.get("/exportready", token=None, headers=JSON, method="HEAD")
    whole = pod.get("/exportready", token=None, headers=JSON)
    equal((r.status, r.body, r.headers["Content-Type"], r.headers["Content-Length"]), (200, b"", "application/json", str(len(whole.body))))


def test_json_by_any_accept_that_names_it(pod):
    for accept in ("application/json", "text/html, application/json;q=0.5", "APPLICATION/JSON"):
        r = pod.get("/exportready", token=None, headers={"Accept": accept})
        equal(r.headers["Content-Type"], "application/json", accept)


def test_what_uid_107_cannot_read(tmp):
    good, bad = file(tmp + "/good/disk.img"), file(tmp + "/bad/disk.img", 0o600)
    os.makedirs(tmp + "/empty")
    for i in range(20):
        file(f"{tmp}/tree/sub/{i}", 0o600 if i % 4 == 0 else 0o644)
    file(tmp + "/tree/closed/in")
    os.chmod(tmp + "/tree/closed", 0o700)
    os.mkdir(tmp + "/tree/lost+found", 0o700)
    os.mkfifo(tmp + "/tree/fifo", 0o600)
    os.symlink("/etc/shadow", tmp + "/tree/link")
    with open(tmp + "/image", "wb") as f:
        f.truncate(1 << 20)
    before = state(tmp)
    with loop_device(tmp + "/image") as device:
        volumes = [("good", "disk", "-", os.path.dirname(good)), ("bad", "disk", "-", os.path.dirname(bad)), ("tree", "archive", "-", tmp + "/tree"),
                   ("block", "disk", "-", device), ("empty", "disk", "-", tmp + "/empty")]
        with Pod(volumes, uid=USER) as pod:
            got = inspected(pod)
            equal((got["uid"], got["gid"]), (USER, USER))
            equal([(v["name"], v["unreadable"], v["more"], v["block"]) for v in got["volumes"]],
                  [("good", 0, False, False), ("bad", 1, False, False), ("tree", 6, False, False), ("block", 1, False, True), ("empty", 0, False, False)])
            # The same as a download is told.
            equal([pod.get(f"/volumes/{n}/disk.img", method="HEAD").status for n in ("good", "bad", "block", "empty")], [200, 403, 403, 404])
    equal(state(tmp), before, "the volumes")


def test_readiness_does_not_wait_for_it(tmp):
    for i in range(200):
        os.makedirs(f"{tmp}/tree/{i}")
        for j in range(200):
            with open(f"{tmp}/tree/{i}/{j}", "w", encoding="ascii"):
                pass
    start = time.monotonic()
    with Pod([("tree", "archive", "-", tmp + "/tree")]) as pod:
        check(time.monotonic() - start < 5 * SLOW, "it was ready late")
        equal(inspected(pod)["volumes"][0], {"name": "tree", "unreadable": 0, "more": False, "block": False})


def test_it_is_stopped_while_it_looks(tmp):
    """SIGTERM is for the threads that answer: the end is in order all the same."""
    for i in range(100):
        os.makedirs(f"{tmp}/tree/{i}")
        for j in range(200):
            with open(f"{tmp}/tree/{i}/{j}", "w", encoding="ascii"):
                pass
    with Pod([("tree", "archive", "-", tmp + "/tree")]) as pod:
        equal(pod.end(), 0, "exit status")
        check("killed by signal" not in pod.log_text(), "a handler was killed")


harness.main(globals())
