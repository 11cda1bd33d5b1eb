#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`vmexport serve`: what it serves, where it listens, what it says when it cannot, how it ends. What is in the bytes is for tests/http to judge, by
tools/run, which serves by it."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
# pylint: disable=wrong-import-position
import harness
from harness import BUILD, HEADER, MIB, SLOW, check, equal, wait_until

PROGRAM = BUILD + "/cli/vmexport"
LAST_LINE = "The same from a cluster"


def environment(tmp, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VMEXPORT_")}
    return dict(kept, TMPDIR=tmp, **variables)


class Serve:
    """A run of it that has said where it serves: `said`, `url`, `folder`. before: a command to run it by"""

    def __init__(self, tmp, *args, before=(), **variables):
        self.process = subprocess.Popen([*before, PROGRAM, "serve", *args], env=environment(tmp, **variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.said = ""
        while LAST_LINE not in self.said:
            line = self.process.stdout.readline()
            check(line, "it ended: " + self.said + (self.process.stderr.read() if not line else ""))
            self.said += line
        self.url, self.folder = re.match("Serving on (.*) until Ctrl-C. Log: (.*)/log", self.said).groups()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30 * SLOW)

    def curl(self, path, *options, url=None, header=True):
        with_token = ["-H", f"@{self.folder}/curl-header"] if header else []
        return ["curl", "-sS", "--cacert", self.folder + "/tls.crt", *with_token, *options, (url or self.url) + path]

    def status(self, path, *options, **kw):
        return subprocess.run([*self.curl(path, "-o", "/dev/null", "-w", "%{http_code}", **kw), *options], capture_output=True, text=True, check=True).stdout

    def end(self, signo=signal.SIGTERM):
        """(exit status, what it said on standard error)"""
        self.process.send_signal(signo)
        _, said = self.process.communicate(timeout=30 * SLOW)
        return self.process.returncode, said


def refused(tmp, *args, **variables):
    done = subprocess.run([PROGRAM, "serve", *args], env=environment(tmp, **variables), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60 * SLOW)
    equal((done.stdout, left(tmp)), ("", []), "nothing is served, nothing is left")
    return done.returncode, done.stderr


def left(tmp):
    return [name for name in os.listdir(tmp) if name.startswith("vmexport-")]


# ---- what it serves

def test_only_what_was_named(disk, tree, tmp):
    for args, there, not_there in ((("--disk", disk), "/volumes/disk/disk.img", "/volumes/tree/dir/"), (("--dir", tree), "/volumes/tree/dir/", "/volumes/disk/disk.img")):
        with Serve(tmp, *args, "--listen=127.0.0.1:0") as serve:
            equal((serve.status(there), serve.status(not_there)), ("200", "404"), serve.said)
            check(there in serve.said and not_there not in serve.said, serve.said)


def test_nobody_gets_in_without_the_token(disk, tmp):
    with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0") as serve:
        equal(serve.status("/volumes/disk/disk.img", header=False), "401")
        token = re.search(r"export TOKEN=(\S+)", serve.said)[1]
        equal(serve.status(f"/volumes/disk/disk.img?{HEADER}={token}", header=False), "200")


def test_its_folder_is_private(disk, tmp):
    with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0") as serve:
        equal(os.stat(serve.folder).st_mode & 0o7777, 0o700)
        for name in ("token", "curl-header", "tls.key", "log"):
            equal(os.stat(f"{serve.folder}/{name}").st_mode & 0o7777, 0o600, name)
        with open(serve.folder + "/log", encoding="utf-8") as f:
            check(re.search(r"export TOKEN=(\S+)", serve.said)[1] not in f.read(), "the token is in the log")


def test_each_run_has_a_token_and_tags_of_its_own(disk, tmp):
    seen = set()
    for _ in range(2):
        with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0") as serve:
            head = subprocess.run(serve.curl("/volumes/disk/disk.img", "-I"), capture_output=True, text=True, check=True).stdout
            seen.add((re.search(r"export TOKEN=(\S+)", serve.said)[1], re.search(r"(?i)etag: (\S+)", head)[1]))
    equal([len(set(values)) for values in zip(*seen)], [2, 2], seen)


def test_settings_of_another_pod_are_not_taken(disk, tmp):
    with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0", VMEXPORT_VOLUMES="other disk - /dev/null", VMEXPORT_PORT="1", VMEXPORT_HANDLERS="proxy", VMEXPORT_PREFIX="/x") as serve:
        equal(serve.status("/volumes/disk/disk.img"), "200")


# ---- where it listens

def test_addresses(disk, tmp):
    for listen, shown in (("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]"), (":0", "localhost"), ("0.0.0.0:0", "localhost")):
        with Serve(tmp, "--disk", disk, "--listen=" + listen) as serve:
            check(serve.url.startswith(f"https://{shown}:"), serve.url)
            equal(serve.status("/volumes/disk/disk.img"), "200", listen)


def test_the_certificate_is_for_this_host_too(disk, tmp):
    with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0") as serve:
        port = serve.url.rpartition(":")[2]
        for name in ("localhost", socket.gethostname()):
            equal(serve.status("/volumes/disk/disk.img", "--resolve", f"{name}:{port}:127.0.0.1", url=f"https://{name}:{port}"), "200", name)


def test_a_port_that_is_taken(disk, tmp):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with Serve(tmp, "--disk", disk, f"--listen=127.0.0.1:{port}") as serve:
            equal(serve.status("/volumes/disk/disk.img"), "200")
            _, said = serve.end()
            equal(said.splitlines()[0], f"port {port} is taken: using {serve.url.rpartition(':')[2]}")


# ---- what cannot be served

def test_what_is_wrong_is_said(disk, tree, tmp):
    os.mkfifo(tmp + "/fifo")
    for args, status, words in (((), 2, "--disk"), (("--disk", "/no/such"), 3, "cannot read --disk /no/such: No such file"), (("--dir", "/no/such"), 3, "cannot read --dir /no/such"),
                                (("--disk", tree), 2, f"did you mean --dir {tree}"), (("--dir", disk), 2, f"did you mean --disk {disk}"), (("--disk", tmp + "/fifo"), 2, "no disk image"),
                                (("--disk", disk, "--listen=nonsense"), 2, "nonsense"), (("--disk", disk, "--listen=192.0.2.1:0"), 1, "192.0.2.1")):
        got, said = refused(tmp, *args)
        check(got == status and words in said, f"{args}: {got}, {said}")


def test_without_a_web_server_it_says_what_to_install(disk, tmp):
    status, said = refused(tmp, "--disk", disk, VMEXPORT_LIGHTTPD="/no/lighttpd")
    check(status == 1 and "lighttpd-mod-openssl" in said and "/no/lighttpd" in said, said)


def test_a_pod_that_does_not_start_says_why(disk, tmp):
    status, said = refused(tmp, "--disk", disk, "--listen=127.0.0.1:0", VMEXPORT_LIGHTTPD_CONF="/no/conf")
    check(status == 1 and "did not start" in said and "/no/conf" in said, said)


# ---- the end

def pod_of(serve):
    with open(f"/proc/{serve.process.pid}/task/{serve.process.pid}/children", encoding="ascii") as f:
        (pid,) = f.read().split()
    return int(pid)


def is_there(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return f.read().rpartition(")")[2].split()[0] != "Z"
    return False


def test_signals_end_it_and_nothing_is_left(disk, tmp):
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0") as serve:
            pod = pod_of(serve)
            equal(serve.end(signo)[0], 0, signo)
            check(not is_there(pod), "the pod runs on")
        equal(left(tmp), [], signo)


def test_timeout_1_ends_it_in_order_too(disk, tmp):
    """It signals its child, and then the group of processes that it is in."""
    with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0", before=("timeout", "1h")) as serve:
        status, said = serve.end(signal.SIGALRM)            # its time is over
        equal(status, 124, said)
    wait_until(lambda: not left(tmp), "its folder is gone", 20)


def test_a_download_under_way_is_finished(tmp):
    with open(tmp + "/disk.img", "wb") as f:
        f.truncate(64 * MIB)
    with Serve(tmp, "--disk", tmp + "/disk.img", "--listen=127.0.0.1:0") as serve:
        with subprocess.Popen(serve.curl("/volumes/disk/disk.img", "--limit-rate", "32M"), stdout=subprocess.PIPE) as curl:
            first = curl.stdout.read(1)
            serve.process.terminate()
            equal(len(first + curl.stdout.read()), 64 * MIB, "bytes of the download")
            equal(curl.wait(), 0)
        equal(serve.process.wait(30 * SLOW), 0)


def test_a_pod_that_dies_ends_it(disk, tmp):
    with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0") as serve:
        os.kill(pod_of(serve), signal.SIGKILL)
        _, said = serve.process.communicate(timeout=30 * SLOW)
        check(serve.process.returncode == 1 and "has ended" in said, f"{serve.process.returncode}: {said}")
    equal(left(tmp), [])


def test_the_pod_ends_with_it_however_it_ends(disk, tmp):
    with Serve(tmp, "--disk", disk, "--listen=127.0.0.1:0") as serve:
        pod = pod_of(serve)
        serve.process.kill()
        serve.process.wait()
        wait_until(lambda: not is_there(pod), "the pod has ended", 20)


harness.main(globals())
