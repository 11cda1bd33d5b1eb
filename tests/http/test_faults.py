#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that fail, processes that die, clients that leave: never a clean end of a body that is not whole."""
import contextlib
import http.client
import os
import random
import re
import shutil
import signal
import subprocess
import time
import zlib

import harness
from harness import MIB, SLOW, Pod, check, equal, loop_device, throttled, wait_until

SIZE = 24 * MIB + 512
RAW, GZIP, TAR, FILE = "/volumes/disk/disk.img", "/volumes/disk/disk.img.gz", "/volumes/tree/disk.tar.gz", "/volumes/tree/dir/sub/data.bin"
POSITIONS = {"start": 0, "middle": 10 * MIB, "last block": 24 * MIB}


class Faulty:
    """A disk of noise that is also the file sub/data.bin of a tree, and another disk that is well."""

    def __init__(self, folder):
        self.image, self.tree, self.good = folder + "/disk.img", folder + "/tree", folder + "/good.img"
        self.data = random.Random(2).randbytes(SIZE)
        for path in (self.image, self.good):
            with open(path, "wb") as f:
                f.write(self.data)
        os.makedirs(self.tree + "/sub")
        os.link(self.image, self.tree + "/sub/data.bin")
        self.volumes = [("disk", "disk", "id", self.image), ("tree", "archive", "-", self.tree), ("good", "disk", "-", self.good)]

    def pod(self, kind, at=0, **kw):
        return Pod(self.volumes, fault={"FAULT_FILE": kw.pop("file", self.image), "FAULT_AT": str(at), "FAULT_KIND": kind}, **kw)


@contextlib.contextmanager
def failing(pod):
    """While it lasts, reads go wrong."""
    with open(pod.trigger, "wb"):
        pass
    try:
        yield
    finally:
        os.unlink(pod.trigger)


def unzip(data):
    """What the bytes of a gzip stream, whole or not, hold; and whether it is whole."""
    d = zlib.decompressobj(31)
    return d.decompress(data), d.eof


def gzip_test(data):
    return subprocess.run(["gzip", "-t"], input=data, capture_output=True, check=False).returncode


def expect_broken(pod, path, what):
    """The client sees that the transfer failed, and got no byte that is wrong."""
    r = pod.curl(path)
    check(r.returncode != 0, f"{what}: curl is content with {len(r.stdout)} bytes of {path}")
    if ".gz" in path:
        check(gzip_test(r.stdout) != 0, f"{what}: gzip is content with {len(r.stdout)} bytes of {path}")
    return r.stdout


def expect_whole(pod, path, data):
    r = pod.curl(path)
    equal(r.returncode, 0, f"curl {path}: {r.stderr}")
    if path.endswith("disk.img.gz"):
        equal(unzip(r.stdout)[1], True, "gzip's end")
        r.stdout = unzip(r.stdout)[0]
    if path.endswith("tar.gz"):
        equal(gzip_test(r.stdout), 0, "gzip -t")
        check(data in unzip(r.stdout)[0], "the archive has the file")
    else:
        check(r.stdout == data, f"{path} is right")


def start_streams(pod):
    """Other downloads, slow enough to still run after the failures."""
    streams = []
    for path in ("/volumes/good/disk.img", "/volumes/good/disk.img.gz"):
        streams.append(throttled(pod.open(path), 20 * MIB))
    return streams


def finish_streams(streams, length=SIZE):
    for stream in streams:
        stream.rate = 1 << 30
        stream.join(30 * SLOW)
        check(stream.error is None and stream.got >= length, f"a stream beside the failing one: {stream.got} bytes, {stream.error}")


def logged(pod, pattern, seconds=10):
    wait_until(lambda: re.search(pattern, pod.log_text()), f"a line of the log matches {pattern}", seconds)


# ---- a disk that fails ----

def check_read_error(pod, paths, at, patterns):
    streams = start_streams(pod)
    with failing(pod):
        for path in paths:
            got = expect_broken(pod, path, f"error at {at}")
            check(len(got) < SIZE + MIB and (path.endswith(".gz") or len(got) <= at), f"{path}: {len(got)} bytes before offset {at}")
    for pattern in patterns:
        logged(pod, pattern)
    finish_streams(streams)


def messages(at):
    """What the log says: handlers themselves, and lighttpd of what it sends."""
    return (rf"gzip\W.*cannot read the disk of volume 'disk' at offset {at}: Input/output error",
            rf"tar\W.*cannot read './sub/data.bin' of volume 'tree' at offset {at}: Input/output error",
            r'read\("[^"]*/disk.img"\): Input/output error', r'read\("[^"]*/tree/sub/data.bin"\): Input/output error')


def check_file_errors(folder, at):
    faulty = Faulty(folder)
    with faulty.pod("eio", at) as pod:
        check_read_error(pod, (RAW, GZIP, TAR, FILE), at, messages(at))
        for path in (RAW, GZIP, TAR, FILE):
            expect_whole(pod, path, faulty.data)       # once the disk reads again


def test_read_error_at_the_start_of_a_file(tmp):
    check_file_errors(tmp, 0)


def test_read_error_in_the_middle_of_a_file(tmp):
    check_file_errors(tmp, 10 * MIB)


def test_read_error_in_the_last_block_of_a_file(tmp):
    check_file_errors(tmp, 24 * MIB)


def check_archive_errors(folder, at):
    """What asks for a list of what it may not read does not ask for what the disk cannot read."""
    with Faulty(folder).pod("eio", at) as pod, failing(pod):
        expect_broken(pod, TAR + "?unreadable=list", f"error at {at}")
        logged(pod, messages(at)[1])


def test_read_error_at_the_start_is_nothing_to_list_as_unreadable(tmp):
    check_archive_errors(tmp, 0)


def test_read_error_in_the_middle_is_nothing_to_list_as_unreadable(tmp):
    check_archive_errors(tmp, 10 * MIB)


class Sparse(Faulty):
    """The same with noise, a hole, noise and a hole."""

    def __init__(self, folder):
        super().__init__(folder)
        with open(self.image, "wb") as f:
            f.write(self.data[:MIB])
            f.seek(8 * MIB)
            f.write(self.data[:MIB])
            f.truncate(SIZE)
        with open(self.image, "rb") as f:
            self.data = f.read()
        check(os.stat(self.image).st_blocks * 512 < SIZE, "the file is sparse")


def check_map_error(folder, at):
    """tar needs to know where the data are; gzip can do without, but never makes zeros of what it does not know."""
    faulty = Sparse(folder)
    with faulty.pod("map", at) as pod:
        with failing(pod):
            for query in ("", "?unreadable=list"):
                expect_broken(pod, TAR + query, f"no map from {at} on")
            logged(pod, r'"tar".*\'\./sub/data\.bin\' of volume \'tree\': Input/output error')
            r = pod.curl(GZIP)
            check(r.returncode != 0 or unzip(r.stdout) == (faulty.data, True), "gzip fails or is right")
        for path in (GZIP, FILE):
            expect_whole(pod, path, faulty.data)
        equal(pod.curl(TAR).returncode, 0, "curl is content again")


def test_no_map_of_a_sparse_file(tmp):
    check_map_error(tmp, 0)


def test_no_map_of_a_sparse_file_after_its_first_data(tmp):
    check_map_error(tmp, 1)


def test_no_map_of_a_sparse_file_in_its_second_data(tmp):
    check_map_error(tmp, 4 * MIB)


def check_names_error(faulty, folder, listing):
    with faulty.pod("names", file=folder) as pod:
        with failing(pod):
            for query in ("", "?unreadable=list"):
                expect_broken(pod, TAR + query, f"no names of {folder}")
                for accept in ("text/html", "application/json"):
                    equal(pod.get(listing + query, headers={"Accept": accept}).status, 500, f"{listing}{query} as {accept}")
        for name in ("dir", "tar"):
            logged(pod, rf'"{name}".*cannot read the directory: Input/output error')
        equal((pod.get(listing).status, pod.curl(TAR).returncode), (200, 0), "once the disk reads again")


def test_read_error_of_a_directory(tmp):
    faulty = Faulty(tmp)
    for name in "abcdefgh":
        open(f"{faulty.tree}/sub/{name}", "wb").close()
    check_names_error(faulty, faulty.tree + "/sub", "/volumes/tree/dir/sub/")


def test_read_error_of_the_root_directory(tmp):
    faulty = Faulty(tmp)
    for name in "abcdefgh":
        open(f"{faulty.tree}/{name}", "wb").close()
    check_names_error(faulty, faulty.tree, "/volumes/tree/dir/")


def test_read_errors_of_a_block_device(tmp):
    faulty = Faulty(tmp)
    with loop_device(faulty.image) as device:
        faulty.volumes[0] = ("disk", "disk", "id", device)
        for at in POSITIONS.values():
            with faulty.pod("eio", at, file=device) as pod:
                check_read_error(pod, (RAW, GZIP), at,
                                 [rf'"{name}".*the disk of volume .disk. at offset {at}: Input/output' for name in ("raw", "gzip")])
                expect_whole(pod, RAW, faulty.data)
                expect_whole(pod, GZIP, faulty.data)


def test_read_errors_of_a_real_block_device(tmp):
    faulty = Faulty(tmp)
    with loop_device(faulty.image) as device, Pod([("disk", "disk", "id", device)]) as pod:
        os.truncate(faulty.image, 10 * MIB)
        subprocess.run(["blockdev", "--flushbufs", device], check=True)
        for name, path in (("raw", RAW), ("gzip", GZIP)):
            expect_broken(pod, path, "a device with a bad part")
            logged(pod, rf'"{name}".*cannot read the disk of volume .disk. at offset 10\d{{6}}: Input/output error')


def test_read_error_within_ranges(tmp):
    with Faulty(tmp).pod("eio", 10 * MIB) as pod, failing(pod):
        for ranges in ("10000000-20000000", "0-9,10000000-20000000,30-40", "-9000000"):
            check(pod.curl(RAW, "-r", ranges).returncode != 0, f"curl is content with the ranges {ranges}")
        equal(len(pod.curl(RAW, "-r", "0-1000").stdout), 1001, "a range before the error")


def test_the_log_tells_the_offset_of_what_lighttpd_could_not_read(tmp):
    """Where the range began, and how many bytes of it were sent."""
    with Faulty(tmp).pod("eio", 10 * MIB) as pod:
        with failing(pod):
            pod.curl(RAW, "-r", "1000000-20000000")
        pod.end()
        line = next(line for line in pod.log_lines() if line.get("path") == RAW)
        equal((line["end"], line["range"]), ("X", "bytes=1000000-20000000"), "end and range")
        equal(1000000 + int(line["body"]), 10 * MIB, "offset")


def test_short_reads_give_the_right_bytes(tmp):
    faulty = Faulty(tmp)
    with faulty.pod("short") as pod, failing(pod):
        for path in (RAW, GZIP, TAR, FILE):
            expect_whole(pod, path, faulty.data)
    with loop_device(faulty.image) as device:
        faulty.volumes[0] = ("disk", "disk", "id", device)
        with faulty.pod("short", file=device) as pod, failing(pod):
            expect_whole(pod, RAW, faulty.data)
            expect_whole(pod, GZIP, faulty.data)


def test_a_file_that_shrinks_while_it_is_read(tmp):
    """Really cut, under downloads that wait for their client."""
    faulty = Faulty(tmp)
    with Pod(faulty.volumes) as pod:
        answers = {path: pod.open(path) for path in (RAW, GZIP, TAR, FILE)}
        for r in answers.values():
            r.read(MIB)
        os.truncate(faulty.image, 12 * MIB)
        for path, r in answers.items():
            try:
                got = r.read()
                raise AssertionError(f"{path}: a clean end after {MIB + len(got)} bytes")
            except http.client.IncompleteRead:
                pass
        for name in ("gzip", "tar"):
            logged(pod, rf'"{name}".*ends at offset \d+, before its size: it shrank while it was read')
        logged(pod, r'read\("[^"]*/disk.img"\)')


def test_a_sparse_file_that_is_cut_within_its_last_hole(tmp):
    """A hole is not read: that it is still there must be asked for."""
    faulty = Faulty(tmp)
    os.truncate(faulty.image, SIZE + 64 * MIB)
    with Pod(faulty.volumes) as pod:
        answers = {path: pod.open(path) for path in (GZIP, TAR)}
        for r in answers.values():
            r.read(MIB)
        os.truncate(faulty.image, SIZE + 10 * MIB)
        for path, r in answers.items():
            expect_cut(r, path)
        for name in ("gzip", "tar"):
            logged(pod, rf'"{name}".*ends at offset {SIZE + 10 * MIB}, before its size: it shrank while it was read')


def test_an_error_right_after_the_first_bytes(tmp):
    """lighttpd may find the head, the first bytes and the end of the connection all at once."""
    with Faulty(tmp).pod("eio", 0) as pod, failing(pod):
        for _ in range(20):
            for path in (GZIP, TAR):
                check(pod.curl(path).returncode != 0, f"curl is content with {path}")


# ---- processes that die, clients that leave ----

def expect_cut(r, what):
    try:
        r.read()
    except (OSError, http.client.IncompleteRead):
        return
    raise AssertionError(f"{what}: a clean end")


def check_handler_killed(faulty, name, path):
    with Pod(faulty.volumes) as pod:
        other = throttled(pod.open("/volumes/good/disk.img"), 10 * MIB)
        time.sleep(1.1)                      # what dies sooner is started again only after a second
        r = pod.open(path)
        r.read(MIB)
        os.kill(pod.pid(name), signal.SIGKILL)
        expect_cut(r, f"{name} was killed")
        start = time.time()
        expect_whole(pod, path, faulty.data)
        check(time.time() - start < 5 * SLOW, "the next request is answered at once")
        logged(pod, rf"handler {name} .* was killed by signal 9")
        finish_streams([other])


def test_gzip_handler_killed_in_mid_stream(tmp):
    check_handler_killed(Faulty(tmp), "gzip", GZIP)


def test_tar_handler_killed_in_mid_stream(tmp):
    check_handler_killed(Faulty(tmp), "tar", TAR)


def test_raw_handler_killed_in_mid_stream(tmp):
    faulty = Faulty(tmp)
    with loop_device(faulty.image) as device:
        faulty.volumes[0] = ("disk", "disk", "id", device)
        check_handler_killed(faulty, "raw", RAW)


def test_web_server_killed_in_mid_stream(tmp):
    faulty = Faulty(tmp)
    with Pod(faulty.volumes) as pod:
        time.sleep(1.1)
        answers = [pod.open(path) for path in (RAW, GZIP, TAR)]
        for r in answers:
            r.read(MIB)
        os.kill(pod.pid("lighttpd"), signal.SIGKILL)
        for r in answers:
            expect_cut(r, "lighttpd was killed")
        expect_whole(pod, GZIP, faulty.data)
        wait_until(lambda: not open_files(pod, faulty), "no handler still has the disk open")


def open_files(pod, faulty, device=None):
    """The handlers' descriptors that are the disk, the device or a file of the tree."""
    found = []
    for name in ("raw", "gzip", "tar", "dir"):
        folder = f"/proc/{pod.pid(name)}/fd"
        for fd in os.listdir(folder):
            with contextlib.suppress(OSError):
                target = os.readlink(f"{folder}/{fd}")
                if target == device or target.startswith((faulty.image, faulty.tree)):
                    found.append((name, target))
    return found


def test_handlers_stop_when_the_client_leaves(tmp):
    faulty = Faulty(tmp)
    with loop_device(faulty.image) as device:
        faulty.volumes[0] = ("disk", "disk", "id", device)
        with Pod(faulty.volumes) as pod:
            for pause in (0, 1):
                for path in (RAW, GZIP, TAR):
                    r = pod.open(path)
                    r.read(100000)
                    time.sleep(pause)
                    check(open_files(pod, faulty, device), f"the handler of {path} is at work")
                    r.close()
                    wait_until(lambda: not open_files(pod, faulty, device), f"the handler of {path} has stopped")


def test_a_handler_that_has_nothing_to_send_stops_when_the_client_leaves(tmp):
    """Zeros of a slow disk become next to nothing for seconds."""
    faulty = Faulty(tmp)
    with open(faulty.image, "wb") as f:
        f.write(bytes(200 * MIB))
    with faulty.pod("slow", env={"VMEXPORT_THREADS": "1"}) as pod, failing(pod):
        for path, seconds in ((GZIP, 4), (TAR, 4)):        # all of it would take ten, and longer
            r = pod.open(path)
            time.sleep(0.3)
            check(open_files(pod, faulty), f"the handler of {path} is at work")
            r.close()
            wait_until(lambda: not open_files(pod, faulty), f"the handler of {path} has stopped", seconds)


@contextlib.contextmanager
def small_run_dir(pod):
    """A run directory with next to no space."""
    if os.geteuid() != 0:
        raise harness.Skip("mount needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", pod.dir + "/run"], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", pod.dir + "/run"], check=True)
        shutil.rmtree(pod.dir, ignore_errors=True)


def test_no_space_for_buffers_is_no_clean_short_end(tmp):
    faulty = Faulty(tmp)
    pod = Pod(faulty.volumes, conf={"server.max-keep-alive-idle": "1"})      # which is how long it then waits
    with small_run_dir(pod), pod:
        for path in (GZIP, TAR):
            r = pod.curl(path, "--limit-rate", "20M")
            if r.returncode == 0:
                equal(gzip_test(r.stdout), 0, f"curl is content with {len(r.stdout)} bytes of {path}: gzip -t")
        logged(pod, "No space left on device")


harness.main(globals())
