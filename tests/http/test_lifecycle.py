#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How the pod starts, what it needs, what dies in it, and how it ends."""
import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import zlib

import harness
from harness import HEADER, MIB, NOBODY, SLOW, TOKEN, Pod, Skip, check, equal, loop_device, make_disk, wait_until

SIZE = 24 * MIB
RAW, GZIP, TAR, FILE = "/volumes/disk/disk.img", "/volumes/disk/disk.img.gz", "/volumes/tree/disk.tar.gz", "/volumes/tree/dir/data"


def noise_volumes(folder):
    """A disk and a tree of data that don't get smaller, readable for every user."""
    os.mkdir(folder + "/tree")
    data = os.urandom(SIZE)
    for path in ("/disk.img", "/tree/data"):
        with open(folder + path, "wb") as f:
            f.write(data)
    return [("disk", "disk", "id", folder + "/disk.img"), ("tree", "archive", "-", folder + "/tree")], data


def begin(pod, paths):
    """Downloads that have begun: {path: (response, first bytes)}."""
    answers = {}
    for path in paths:
        r = pod.open(path)
        answers[path] = r, r.read(100000)
    return answers


def finish(answers, data):
    for path, (r, first) in answers.items():
        body = first + r.read()
        if path.endswith(".gz"):
            d = zlib.decompressobj(31)
            body = d.decompress(body)
            check(d.eof, f"{path} has its end")
        check(data in body if path == TAR else data == body, f"{path} is right")


def is_refused(pod):
    try:
        socket.create_connection(("127.0.0.1", pod.port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


# ---- the end ----

def test_downloads_finish_after_sigterm(tmp):
    volumes, data = noise_volumes(tmp)
    with loop_device(tmp + "/disk.img") as device, Pod(volumes + [("block", "disk", "-", device)]) as pod:
        answers = begin(pod, (RAW, GZIP, TAR, FILE, "/volumes/block/disk.img"))
        pod.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(pod), "new connections are refused")
        time.sleep(1)
        equal(pod.process.poll(), None, "the pod waits for the downloads")
        finish(answers, data)
        equal(pod.end(None, 10), 0, "exit status")
        check("stopping: no new connections" in pod.log_text() and '"msg":"stopped"' in pod.log_text(), "the log tells both ends")


def test_it_stays_until_the_last_byte_has_arrived(tmp):
    disk = make_disk(tmp + "/disk.img", MIB)
    with Pod([("disk", "disk", "-", disk)]) as pod, socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        plain.connect(("127.0.0.1", pod.port))
        with ssl._create_unverified_context().wrap_socket(plain) as client:
            client.sendall(f"GET /volumes/disk/disk.img HTTP/1.0\r\n{HEADER}: {TOKEN}\r\n\r\n".encode())
            got = len(client.recv(1))
            wait_until(lambda: '"status":200' in pod.log_text(), "the web server has nothing more to send")
            pod.process.send_signal(signal.SIGTERM)
            time.sleep(2)
            equal(pod.process.poll(), None, "its exit status before all has arrived")
            while data := client.recv(65536):
                got += len(data)
        equal(pod.process.wait(10 * SLOW), 0, "exit status")
    check(got > MIB, f"{got} bytes, its head included")


def test_more_signals_cut_nothing(tmp):
    volumes, data = noise_volumes(tmp)
    with Pod(volumes) as pod:
        answers = begin(pod, (RAW, GZIP, TAR))
        for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            pod.process.send_signal(signo)
            time.sleep(0.2)
        finish(answers, data)
        equal(pod.end(None, 10), 0, "exit status")


def test_the_grace_period_is_an_end(tmp):
    volumes, _ = noise_volumes(tmp)
    with Pod(volumes, env={"VMEXPORT_GRACE_SECONDS": "2"}) as pod:
        answers = begin(pod, (RAW, GZIP, TAR))
        start = time.time()
        equal(pod.end(), 1, "exit status")
        check(1.8 < time.time() - start < 5 * SLOW, f"it took {time.time() - start:.1f} seconds")
        for path, (r, _) in answers.items():
            try:
                r.read()
                raise AssertionError(f"{path}: a clean end")
            except (OSError, http.client.IncompleteRead):
                pass
        check("the grace period is over: downloads were cut" in pod.log_text(), "the log says so")


def test_an_idle_pod_ends_at_once(pod):
    processes = [pid for pids in pod.processes().values() for pid in pids]
    start = time.time()
    equal(pod.end(), 0, "exit status")
    check(time.time() - start < 4 * SLOW, f"it took {time.time() - start:.1f} seconds")      # and not the five after which it kills
    wait_until(lambda: all(is_gone(pid) for pid in processes), "no process is left")
    equal([name for name in os.listdir(pod.dir + "/run") if name.endswith(".sock")], [], "sockets left")


def takes_signals(pod):
    """Whether the pod has come to the place in its start from which it looks at signals."""
    return int(status_of(pod.process.pid)["SigBlk"], 16) >> (signal.SIGTERM - 1) & 1


def test_sigterm_in_the_middle_of_the_start(disk):
    for delay in (0, 10, 20, 30, 50, 100):
        pod = Pod([("disk", "disk", "-", disk)])
        pod.start()
        wait_until(lambda: takes_signals(pod), "the pod takes signals")  # pylint: disable=cell-var-from-loop
        time.sleep(delay / 1000)
        status, text = pod.end(), pod.log_text()
        check(status == 0 and "was killed" not in text, f"SIGTERM after {delay} ms: exit status {status}, {text}")
        shutil.rmtree(pod.dir)


def test_sigterm_while_a_new_certificate_is_taken(tmp):
    volumes, data = noise_volumes(tmp)
    pod = Pod(volumes)
    with open(tmp + "/slow", "w", encoding="utf-8") as f:        # as slow as it takes to be seen
        f.write(f'#!/bin/sh\nwhile [ -e {tmp}/hold ]; do sleep 0.1; done\nsleep 0.3\nexec {pod.env["VMEXPORT_LIGHTTPD"]} "$@"\n')
    os.chmod(tmp + "/slow", 0o755)
    pod.env["VMEXPORT_LIGHTTPD"] = tmp + "/slow"
    with pod:
        time.sleep(1.1)                        # the web server has to stand before there is another beside it
        answers = begin(pod, (RAW, GZIP))
        open(tmp + "/hold", "wb").close()
        harness.certificate(pod.cert_dir)
        wait_until(lambda: "slow" in pod.processes(), "the second web server")
        pod.process.send_signal(signal.SIGTERM)
        os.unlink(tmp + "/hold")
        finish(answers, data)
        equal((pod.end(None, 10), "was killed" in pod.log_text()), (0, False), "exit status, a complaint")


def test_no_process_survives_a_pod_that_is_killed(tmp):
    volumes, _ = noise_volumes(tmp)
    with Pod(volumes) as pod:
        begin(pod, (RAW, GZIP, TAR))
        processes = [pid for pids in pod.processes().values() for pid in pids]
        check(len(processes) >= 9, "pod, lighttpd and seven handlers")
        pod.end(signal.SIGKILL)
        wait_until(lambda: all(is_gone(pid) for pid in processes), "no process is left")


# ---- what dies is started again ----

def test_a_handler_that_dies_is_started_again_and_no_request_is_lost(tmp):
    volumes, _ = noise_volumes(tmp)
    with Pod(volumes) as pod:
        for name, path in (("raw", RAW), ("gzip", GZIP), ("tar", TAR), ("dir", FILE), ("index", "/")):
            for _ in range(2):                 # the second time it has just been started, and must wait
                old = pod.pid(name)
                os.kill(old, signal.SIGKILL)
                wait_until(lambda: not os.path.exists(f"/proc/{old}"), "it is dead")  # pylint: disable=cell-var-from-loop
                start = time.time()
                equal(pod.get(path, method="HEAD").status, 200, f"{path} after {name} was killed")
                check(time.time() - start < 3 * SLOW, f"{path} took {time.time() - start:.1f} seconds")
                check(pod.pid(name) != old, "a new process")


def test_a_web_server_that_dies_is_started_again(tmp):
    volumes, data = noise_volumes(tmp)
    with Pod(volumes) as pod:
        time.sleep(1.1)
        for _ in range(2):
            os.kill(pod.pid("lighttpd"), signal.SIGKILL)
            equal(pod.get(RAW, headers={"Range": "bytes=5-9"}).body, data[5:10], "the next download")
        check("the web server (pid" in pod.log_text(), "the log says so")


def test_sigint_to_a_handler_does_nothing(tmp):
    volumes, data = noise_volumes(tmp)
    with Pod(volumes) as pod:
        pod.pid("pod")                         # no handler is still on its way to be one
        before, answers = pod.processes(), begin(pod, (GZIP, TAR))
        for name in ("gzip", "tar", "raw"):
            os.kill(pod.pid(name), signal.SIGINT)
        finish(answers, data)
        equal(pod.processes(), before, "processes")


# ---- what it needs ----

# A mount of a test beside may be gone by then.
READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$VMEXPORT_RUN_DIR" "$VMEXPORT_RUN_DIR"
while read -r _ where _; do
    case $where in "$VMEXPORT_RUN_DIR" | /proc | /proc/* | /sys/*) ;; *) mount -o remount,bind,ro "$where" || [ ! -e "$where" ] ;; esac
done < /proc/self/mounts
if touch "$VMEXPORT_RUN_DIR/../probe" /tmp/vmexport-probe 2> /dev/null; then exit 99; fi
exec "$@"
"""


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test_it_needs_no_root_and_only_the_run_dir_to_write_to(tmp):
    volumes, data = noise_volumes(tmp)
    if os.geteuid() != 0:
        raise Skip("mount needs root")
    with Pod(volumes, uid=NOBODY, wrapper=("unshare", "--mount", "sh", "-c", READ_ONLY, "sh")) as pod:
        finish(begin(pod, (RAW, GZIP, TAR, FILE)), data)
        equal([pod.get(path).status for path in ("/", "/volumes/tree/dir/", "/exportready")], [200] * 3, "pages")
        for name, pids in pod.processes().items():
            for status in map(status_of, pids):
                equal((status["Uid"].split(), int(status["CapEff"], 16)), ([str(NOBODY)] * 4, 0), f"rights of {name}")
        equal(pod.end(), 0, "exit status")


def test_archives_may_be_deeper_than_the_soft_limit_of_descriptors(tmp):
    path = tmp + "/tree" + "/d" * 300
    os.makedirs(path)
    with open(path + "/end", "wb") as f:
        f.write(b"end")
    with Pod([("tree", "archive", "-", tmp + "/tree")], wrapper=("prlimit", "--nofile=256:4096")) as pod:
        check(b"end" in zlib.decompress(pod.get(TAR).body, 31), "the file at the bottom")


def test_handlers_are_found_beside_an_installed_pod(tmp, disk):
    for folder in ("/libexec/vmexport", "/libexec/fcgi"):
        os.makedirs(tmp + folder)
    for name in ("pod", "raw", "gzip", "dir", "tar", "manifest", "ready", "index"):
        shutil.copy(f"{harness.BUILD}/{'lighttpd' if name == 'pod' else 'fcgi'}/{name}", tmp + "/libexec/vmexport")
    pod = Pod([("disk", "disk", "-", disk)])
    pod.program = tmp + "/libexec/vmexport/pod"
    with pod:
        equal(pod.get(RAW, method="HEAD").status, 200, "status")


def test_addresses(disk):
    for address, reached in ((None, ("127.0.0.1", "[::1]")), ("[::]", ("127.0.0.1", "[::1]")), ("0.0.0.0", ("127.0.0.1",)),
                             ("[::1]", ("[::1]",)), ("127.0.0.2", ("127.0.0.2",))):
        pod = Pod([("disk", "disk", "-", disk)], env={"VMEXPORT_ADDRESS": address or ""})
        if not address:
            del pod.env["VMEXPORT_ADDRESS"]
        pod.start()
        wait_until(lambda: '"msg":"serving' in pod.log_text(), "the start")  # pylint: disable=cell-var-from-loop
        for host in reached:
            r = subprocess.run(["curl", "-sSk", f"https://{host}:{pod.port}/exportready"], capture_output=True, text=True, check=False)
            equal((r.returncode, r.stderr), (0, ""), f"address {address}, {host}")
        equal(pod.end(), 0, "exit status")
        shutil.rmtree(pod.dir)


def test_what_an_earlier_pod_left_does_not_disturb(tmp):
    volumes, data = noise_volumes(tmp)
    pod = Pod(volumes)
    os.mkdir(pod.dir + "/run/tmp")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(pod.dir + "/run/raw.sock")
    with open(pod.dir + "/run/tmp/lighttpd-upload-x", "wb") as f:
        f.write(bytes(1000))
    with pod:
        finish(begin(pod, (RAW,)), data)
        equal(os.listdir(pod.dir + "/run/tmp"), [], "old buffers")


# ---- settings that make no sense ----

def refusal(disk, env, volumes=None):
    """The exit status and the messages of a pod that does not start."""
    pod = Pod(volumes or [("disk", "disk", "-", disk)], env={k: v for k, v in env.items() if v is not None})
    pod.start()
    try:
        return pod.end(None), pod.log_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            pod.process.kill()
        shutil.rmtree(pod.dir)


def test_settings_that_make_no_sense_are_named(disk, tmp):
    os.mkdir(tmp + "/bad")
    for path in ("/file", "/bad/tmp"):
        with open(tmp + path, "wb"):
            pass
    for env, message in (({"VMEXPORT_PORT": "65536"}, "VMEXPORT_PORT must be a number from 0 to 65535, not '65536'"),
                         ({"VMEXPORT_PORT": "-1"}, "VMEXPORT_PORT must"), ({"VMEXPORT_PORT": "80x"}, "VMEXPORT_PORT must"),
                         ({"VMEXPORT_PORT": ""}, "VMEXPORT_PORT is set and empty"),
                         ({"VMEXPORT_GRACE_SECONDS": "soon"}, "VMEXPORT_GRACE_SECONDS must"),
                         ({"VMEXPORT_ADDRESS": "localhost"}, "VMEXPORT_ADDRESS is no numeric address: 'localhost'"),
                         ({"VMEXPORT_ADDRESS": "192.0.2.1"}, "cannot listen on VMEXPORT_ADDRESS 192.0.2.1"),
                         ({"VMEXPORT_RUN_DIR": tmp + "/none"}, "VMEXPORT_RUN_DIR must be a writable directory"),
                         ({"VMEXPORT_RUN_DIR": tmp + "/file"}, "VMEXPORT_RUN_DIR must be a writable directory"),
                         ({"VMEXPORT_RUN_DIR": tmp + "/bad"}, "VMEXPORT_RUN_DIR must be a writable directory"),
                         ({"VMEXPORT_RUN_DIR": "/proc"}, "VMEXPORT_RUN_DIR must be a writable directory"),
                         ({"VMEXPORT_LIGHTTPD": tmp + "/none"}, "VMEXPORT_LIGHTTPD is no program"),
                         ({"VMEXPORT_LIGHTTPD_CONF": tmp + "/none"}, "VMEXPORT_LIGHTTPD_CONF: cannot read"),
                         ({"VMEXPORT_HANDLER_DIR": tmp}, "VMEXPORT_HANDLER_DIR: cannot execute")):
        status, text = refusal(disk, env)
        check(status == 1 and message in text, f"{env}: exit status {status}, {text}")
        equal(len(text.splitlines()), 1, f"{env}: lines of the log")


def test_malformed_volumes_are_named_by_their_line(disk):
    good = f"disk disk - {disk}"
    for line, message in (("tree", "it needs four words"), ("tree archive -", "it has no PATH"), ("../x disk - /x", "'../x' is no volume name"),
                          ("tree tape - /x", "'tape' is no content"), (good, "'disk' is named twice")):
        status, text = refusal(disk, {"VMEXPORT_VOLUMES": f"{good}\n\n{line}"})
        check(status == 1 and re.search(f"VMEXPORT_VOLUMES, line 3: {re.escape(message)}", text), f"{line}: exit status {status}, {text}")


def test_a_port_that_is_taken_is_named(disk):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        status, text = refusal(disk, {"VMEXPORT_PORT": str(s.getsockname()[1])})
        check(status == 1 and f"VMEXPORT_PORT {s.getsockname()[1]}: Address already in use" in text, f"exit status {status}, {text}")


def test_a_web_server_that_cannot_start_ends_the_pod(disk, tmp):
    with open(tmp + "/bad.conf", "w", encoding="utf-8") as f:
        f.write('server.modules = ( "mod_none" )\n')
    status, text = refusal(disk, {"VMEXPORT_LIGHTTPD_CONF": tmp + "/bad.conf"})
    check(status == 1 and "the web server does not start" in text, f"exit status {status}, {text}")


harness.main(globals())
