#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients, slow clients, rude clients: bounded memory, no idle CPU, and nobody is cut who only waits."""
import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time

import harness
from harness import HEADER, MIB, REPO, SLOW, TOKEN, Pod, check, equal, wait_until

RAW, GZIP, TAR = "/volumes/disk/disk.img", "/volumes/disk/disk.img.gz", "/volumes/tree/disk.tar.gz"
SIZE = 32 * MIB
HOUR = 3600
CLIENT_MEMORY = 16 * MIB * (2 if SLOW > 1 else 1)          # a sanitizer's allocator keeps what was freed


class Fixture:
    """Noise as a disk and as a file of a tree."""

    def __init__(self, folder):
        os.mkdir(folder + "/tree")
        with open(folder + "/disk.img", "wb") as f:
            for _ in range(SIZE // MIB):
                f.write(os.urandom(MIB))
        os.link(folder + "/disk.img", folder + "/tree/data")
        self.volumes = [("disk", "disk", "id", folder + "/disk.img"), ("tree", "archive", "-", folder + "/tree")]


def processes(pod):
    return [pid for pids in pod.processes().values() for pid in pids]


def memory(pod):
    """Bytes of all processes, shared pages divided, and of lighttpd's buffers in the run directory."""
    total = 0
    for pid in processes(pod):
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
            total += int(re.search(r"(?m)^Pss: +(\d+) kB", f.read())[1]) * 1024
    for entry in os.scandir(pod.dir + "/run/tmp"):
        with contextlib.suppress(FileNotFoundError):
            total += entry.stat().st_blocks * 512
    return total


def cpu_seconds(pod):
    ticks = 0
    for pid in processes(pod):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            ticks += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of(pod, seconds):
    """Those that it takes from now on."""
    before = cpu_seconds(pod)
    time.sleep(seconds)
    return cpu_seconds(pod) - before


def setting(name):
    with open(REPO + "/lighttpd/common.conf", encoding="utf-8") as f:
        return int(re.search(rf'(?m)^\s*"?{re.escape(name)}"? *=>? *(\d+)', f.read())[1])


def is_cut(r):
    try:
        r.read()
    except (OSError, http.client.IncompleteRead):
        return True
    return False


# ---- many clients ----

def test_fifty_slow_clients_have_bounded_memory(tmp):
    with Pod(Fixture(tmp).volumes) as pod:
        pod.curl(GZIP, "-o", "/dev/null")
        base, answers = memory(pod), [pod.open(GZIP) for _ in range(50)]
        most = 0
        for _ in range(6):                     # slow, but each goes on
            for r in answers:
                equal(len(r.read(200000)), 200000, "what a client gets")
            most = max(most, memory(pod))
        time.sleep(3)                          # for all to gather that would be gathered
        most = max(most, memory(pod))
        check(most - base <= 50 * CLIENT_MEMORY, f"{most // MIB} MiB with 50 clients, {base // MIB} MiB before")
        for r in answers[5:]:
            r.close()
        for r in answers[:5]:
            check(len(r.read()) > SIZE - 2 * MIB, "the whole")


def test_slow_clients_of_tar_have_bounded_memory(tmp):
    with Pod(Fixture(tmp).volumes) as pod:
        base, answers = memory(pod), [pod.open(TAR) for _ in range(20)]
        for r in answers:
            equal(len(r.read(200000)), 200000, "what a client gets")
        time.sleep(0.5)
        check(memory(pod) - base <= 20 * CLIENT_MEMORY, f"{(memory(pod) - base) // MIB} MiB for 20 clients")


def test_more_clients_than_threads_are_all_served(tmp):
    with Pod(Fixture(tmp).volumes) as pod:
        waiting = [pod.open(TAR) for _ in range(32)]
        for r in waiting:
            r.read(1000)
        late = [subprocess.Popen(pod.curl_command(TAR, "-o", "/dev/null")) for _ in range(4)]
        time.sleep(0.5)
        equal([p.poll() for p in late], [None] * 4, "clients beyond the threads wait")
        equal(pod.get(RAW, headers={"Range": "bytes=0-9"}).status, 206, "other formats go on")
        for r in waiting:
            r.close()
        equal([p.wait(60 * SLOW) for p in late], [0] * 4, "and are served")


def test_a_hundred_small_requests_at_once(pod):
    answers = [pod.open(f"/volumes/tree/dir/?{i}") for i in range(100)]
    equal({(r.status, len(r.read())) for r in answers}, {(200, len(pod.get("/volumes/tree/dir/").body))}, "answers")


# ---- clients that wait ----

def test_a_paused_client_is_not_cut_and_costs_nothing(tmp):
    with Pod(Fixture(tmp).volumes) as pod:
        answers = {path: pod.open(path) for path in (RAW, GZIP, TAR)}
        for r in answers.values():
            r.read(1000)
        wait_until(lambda: cpu_seconds_of(pod, 1) < 0.02, "the buffers are full", 15)
        spent = cpu_seconds_of(pod, 5)
        check(spent < 0.1, f"{spent} CPU seconds in 5 seconds of pause")
        for path, r in answers.items():
            check(len(r.read()) >= SIZE - 1000, f"{path} is whole")


def test_how_long_a_client_may_pause(tmp):
    """That the settings count is seen with short ones; those that are shipped are an hour."""
    for name in ("server.max-write-idle", "read-timeout"):
        check(setting(name) >= HOUR, name)
    check(setting("read-timeout") >= setting("server.max-write-idle"), "a handler may be silent as long as a client")
    equal(setting("server.graceful-shutdown-timeout"), 0, "a graceful stop has no limit of its own")
    with Pod(Fixture(tmp).volumes, conf={"server.max-write-idle": "2"}) as pod:
        answers = {path: pod.open(path) for path in (RAW, GZIP, TAR)}
        for r in answers.values():
            r.read(1000)
        start = time.monotonic()
        for path in answers:
            wait_until(lambda: any(line.get("path") == path for line in pod.log_lines()), f"{path} is given up")  # pylint: disable=cell-var-from-loop
        check(time.monotonic() - start < 10 * SLOW, f"{time.monotonic() - start:.1f} s, not 2")
        equal({path: is_cut(r) for path, r in answers.items()}, {RAW: True, GZIP: True, TAR: True}, "cut after 2 seconds")


def test_short_pauses_between_reads_are_no_idling(tmp):
    with Pod(Fixture(tmp).volumes, conf={"server.max-write-idle": "3", "server.max-read-idle": "2", "server.max-keep-alive-idle": "1"}) as pod:
        answers = [pod.open(path) for path in (RAW, GZIP)]
        for _ in range(5):
            for r in answers:
                equal(len(r.read(2 * MIB)), 2 * MIB, "what a client gets")
            time.sleep(1)


# ---- rude clients ----

def connect(pod):
    return pod.context.wrap_socket(socket.create_connection(("127.0.0.1", pod.port), 30 * SLOW), server_hostname="localhost")


def test_clients_that_stop_before_their_request_are_given_up(disk):
    for name in ("server.max-read-idle", "server.max-keep-alive-idle"):
        check(5 <= setting(name) <= 120, f"the shipped {name}")
    with Pod([("disk", "disk", "-", disk)], conf={"server.max-read-idle": "2", "server.max-keep-alive-idle": "2"}) as pod:
        sent = (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"GET /exportready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        start = time.time()
        clients = {text: connect(pod) for text in sent}
        for text, s in clients.items():
            s.sendall(text)
        clients["not even TLS"] = socket.create_connection(("127.0.0.1", pod.port), 30 * SLOW)
        for text, s in clients.items():
            with s:
                while s.recv(65536):
                    pass
            check(1 < time.time() - start < 6 * SLOW, f"{text}: closed after {time.time() - start:.1f} seconds")


def test_large_headers_are_refused(pod):
    for size, status in ((12000, 206), (20000, 431)):
        equal(pod.get(RAW, headers={"x-padding": "x" * size, "Range": "bytes=0-0"}).status, status, f"a header of {size} bytes")
    for name in ("x-padding", HEADER):
        try:
            status = pod.get(RAW, token=TOKEN, headers=[(name, "x" * MIB)]).status
        except OSError:
            status = 431                       # closed while the client still sends
        check(status in (400, 413, 431), f"{name}: {status}")
    with connect(pod) as s:
        s.sendall(b"GET /" + b"x" * 40000 + b" HTTP/1.0\r\nHost: localhost\r\n\r\n")
        check(re.match(rb"HTTP/1.. (400|414|431) ", s.recv(100)), "a long path")
    equal(pod.get("/exportready", token=None).status, 200, "the next request")


def test_a_body_is_refused(pod):
    for method, size, status in (("POST", 3, b"405"), ("PUT", 100000, b"413")):
        with connect(pod) as s:
            s.sendall(f"{method} {RAW} HTTP/1.0\r\nHost: localhost\r\n{HEADER}: {TOKEN}\r\nContent-Length: {size}\r\n\r\nabc".encode())
            equal(s.recv(100).split()[1], status, f"{method} of {size} bytes")


def test_http2_is_off(pod):
    context = ssl.create_default_context(cafile=pod.cert_dir + "/tls.crt")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(socket.create_connection(("127.0.0.1", pod.port), 10), server_hostname="localhost") as s:
        check(s.selected_alpn_protocol() != "h2", "HTTP/2 was chosen")


def test_old_tls_is_off(pod):
    context = ssl.create_default_context(cafile=pod.cert_dir + "/tls.crt")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.wrap_socket(socket.create_connection(("127.0.0.1", pod.port), 10), server_hostname="localhost").close()
    equal(pod.curl("/exportready", "--tls-max", "1.1", "--tlsv1.0", "--ciphers", "DEFAULT:@SECLEVEL=0").returncode, 35, "TLS 1.1")


# ---- large directories ----

def test_a_directory_of_100000_files(tmp):
    for i in range(100000):
        os.close(os.open(f"{tmp}/file-{i:06}", os.O_CREAT | os.O_WRONLY, 0o644))
    with Pod([("tree", "archive", "-", tmp)]) as pod:
        start, base = time.time(), memory(pod)
        html = pod.get("/volumes/tree/dir/").body.decode()
        listing = json.loads(pod.get("/volumes/tree/dir/", headers={"Accept": "application/json"}).body)
        check(time.time() - start < 5 * SLOW, f"both listings took {time.time() - start:.1f} seconds")
        check(memory(pod) - base < 100 * MIB * SLOW, f"{(memory(pod) - base) // MIB} MiB")
        names = [f"file-{i:06}" for i in range(100000)]
        equal(re.findall(r'href="(file-\d+)"', html) == names, True, "the HTML listing is complete and in order")
        equal([entry["name"] for entry in listing] == names, True, "the JSON listing is complete and in order")
        equal(len(subprocess.run(["tar", "tz"], input=pod.curl(TAR).stdout, capture_output=True, check=True).stdout.splitlines()), 100001,
              "members of the archive")


harness.main(globals())
