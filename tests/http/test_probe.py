#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `helm test` asks with: the program probe."""
import socket
import subprocess
import threading
import time

import harness
from harness import BUILD, SLOW, Pod, check, equal

PROBE = BUILD + "/lighttpd/probe"


def probe(*args):
    return subprocess.run([PROBE, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60 * SLOW)


def url(pod, path="/exportready"):
    return f"https://localhost:{pod.port}{path}"


def refuses(says, *args, seconds=min(2 * SLOW, 8)):
    """So many that the last attempt, with less than its own ten, tells nothing new."""
    done = probe(seconds, *args)
    equal((done.returncode, done.stdout), (1, ""), says)
    check(says in done.stderr and args[0] in done.stderr, f"{says} is not in: {done.stderr}")


def test_who_answers_is_found(pod):
    done = probe(30, url(pod), pod.cert_dir + "/tls.crt")
    equal((done.returncode, done.stdout, done.stderr), (0, f"{url(pod)} answers\n", ""))


def test_another_status_is_a_failure(pod):
    refuses("answers 401, not 200", url(pod, "/nothing"), pod.cert_dir + "/tls.crt")


def test_a_certificate_that_nobody_vouches_for_is_a_failure(pod, tmp):
    refuses("certificate", url(pod))
    harness.certificate(tmp)
    refuses("certificate", url(pod), tmp + "/tls.crt")


def test_a_name_that_is_not_in_the_certificate_is_a_failure(pod):
    refuses("subject name", url(pod).replace("localhost", "other.localhost"), pod.cert_dir + "/tls.crt")


def test_nobody_there_is_a_failure():
    refuses("does not answer", f"http://127.0.0.1:{harness.free_port()}/readyz")


def test_no_answer_is_not_waited_for_any_longer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        refuses("does not answer", f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=1)
        check(time.monotonic() - start < 4 * SLOW, f"{time.monotonic() - start:.1f} s instead of one")


def test_the_end_does_not_hide_what_was_answered_before():
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer_once():
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        threading.Thread(target=answer_once, daemon=True).start()
        refuses("answers 404, not 200", f"http://127.0.0.1:{server.getsockname()[1]}/")


def test_who_comes_late_is_waited_for():
    pod, done = Pod([]), []
    waiting = threading.Thread(target=lambda: done.append(probe(30 * SLOW, url(pod), pod.cert_dir + "/tls.crt")))
    waiting.start()
    time.sleep(1)
    equal(done, [])
    with pod:
        waiting.join()
    equal(done[0].returncode, 0, done[0].stderr)


def test_calls_that_make_no_sense():
    for args in ([], [1], ["x", "http://h"], [0, "http://h"], [3601, "http://h"], [1, "http://h", "f", "more"]):
        done = probe(*args)
        equal((done.returncode, done.stdout), (2, ""), args)
        check(done.stderr.startswith("usage: probe"), done.stderr)


harness.main(globals())
