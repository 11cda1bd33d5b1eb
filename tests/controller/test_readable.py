#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an export pod cannot read is told in the export's status. The test plays the pod: an HTTPS server at an address of its
own (127.0.0.0/8, port 8443), which it writes into the pod's status."""
import contextlib
import json
import os
import random
import socket
import ssl
import subprocess
import threading
import time

import fixture
from fixture import SLOW, alone, check, equal, eventually, never
from world import PROMPT, data, uid

PORT = 8443
TRIES = 4           # of a pod that does not answer, or nothing of sense


def says(unreadable=0, inspecting=False, name="disk", more=False, block=False):
    """An answer of a pod."""
    return json.dumps({"uid": 107, "gid": 107, "inspecting": inspecting,
                       "volumes": [{"name": name, "unreadable": unreadable, "more": more, "block": block}]}).encode()


class Pod:
    """Answers each request by the next of the bodies, the last one again and again. A body may be a function of the connection."""

    def __init__(self, folder, secret, *bodies):
        """`secret`: the TLS Secret's data, {tls.crt, tls.key}."""
        self.bodies, self.requests, self.times, self.connections, self.open = list(bodies), [], [], 0, []
        for name in ("tls.crt", "tls.key"):
            with open(f"{folder}/{name}", "w", encoding="ascii") as f:
                f.write(secret[name])
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder + "/tls.crt", folder + "/tls.key")
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.address = self._bind()
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _bind(self):
        while True:
            address = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
            with contextlib.suppress(OSError):
                self.listener.bind((address, PORT))
                return address

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.listener.accept()
                self.connections += 1
                self.open.append(c)
                threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        with contextlib.suppress(OSError), self.context.wrap_socket(c, server_side=True) as s:
            text = b""
            while b"\r\n\r\n" not in text:
                part = s.recv(4096)
                if not part:
                    return
                text += part
            self.requests.append(text.decode())
            self.times.append(time.monotonic())
            body = self.bodies[min(len(self.requests), len(self.bodies)) - 1]
            if callable(body):
                body(s)
            else:
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)

    def close(self):
        for s in [self.listener] + self.open:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def certificate(w, name="exp"):
    return data(eventually(lambda: w.get("secret", w.child("tls", name)), "the certificate"))


def place(w, address, name="exp"):
    """The pod, which runs already, has this address."""
    pod = w.pod(name)["metadata"]["name"]
    eventually(lambda: w.plane.request("PATCH", w.path("pod", pod, "status"), {"status": {"podIP": address, "podIPs": [{"ip": address}]}})[0] == 200,
               f"{pod} has its address")


@contextlib.contextmanager
def exported(w, tmp, *bodies, name="exp", secret=None, **options):
    """An export that is Ready, whose pod gives these answers."""
    w.pvc(name + "-disk")
    w.export(name, of=name + "-disk", **options)
    w.ready(name)
    folder = f"{tmp}/{name}"
    os.mkdir(folder)
    with Pod(folder, secret or certificate(w, name), *bodies) as pod:
        place(w, pod.address, name)
        yield pod


def readable(w, name="exp"):
    return w.condition("Readable", name)


# ---- what is told

def test_unreadable_files_are_told_with_the_remedy(w, tmp):
    with exported(w, tmp, says(3, name="exp-disk")) as pod:
        message = w.shows("Readable", "False", "FilesUnreadable")
        for words in ("107:107", "3 files of volume 'exp-disk'", "vmexport.io/run-as=UID:GID", "vmexport.io/fs-group=GID"):
            check(words in message, message)
        equal(w.phase(), "Ready")
        check(w.links(), "it can be downloaded all the same")
        eventually(lambda: w.events().count("FilesUnreadable") == 1, "an event")
        request = pod.requests[0]
        check(request.startswith("GET /exportready HTTP/1.1\r\n") and "\r\nAccept: application/json\r\n" in request, request)
        check("oken" not in request and "uthorization" not in request, request)
        w.patch("export", "exp", {"metadata": {"annotations": {"a": "b"}}})     # more looks, no more questions
        w.settled()
        equal((len(pod.requests), w.events().count("FilesUnreadable")), (1, 1), "asked once, told once")


def test_a_block_device_has_a_remedy_of_its_own(w, tmp):
    with exported(w, tmp, says(1, name="exp-disk", block=True)):
        check("device_ownership_from_security_context" in w.shows("Readable", "False", "FilesUnreadable"), "the remedy")


def test_who_can_read_all_has_no_condition(w, tmp):
    with exported(w, tmp, says(name="exp-disk")) as pod:
        eventually(lambda: pod.requests, "the pod is asked")
        before = w.settled()
        never(lambda: readable(w), 1, "a condition")
        equal(w.settled(), before, "nothing is written")


def test_it_is_asked_again_while_it_looks(w, tmp):
    looking = says(7, inspecting=True, name="exp-disk")
    with exported(w, tmp, looking, looking, says(2, name="exp-disk")) as pod:
        check("2 files" in w.shows("Readable", "False", "FilesUnreadable"), "the last answer counts")
        equal(len(pod.requests), 3, "requests")
        first, second = pod.times[1] - pod.times[0], pod.times[2] - pod.times[1]
        # Each is longer than the last, and a busy machine makes any of them longer still.
        check(first > 0.95 and second > 1.95, f"pauses of {first:.1f} and {second:.1f} s")


def test_the_remedy_makes_another_pod_which_is_asked(w, tmp):
    with exported(w, tmp, says(3, name="exp-disk")):
        w.shows("Readable", "False", "FilesUnreadable")
        old, since = uid(w.pod()), readable(w)["lastTransitionTime"]
        w.patch("export", "exp", {"metadata": {"annotations": {"vmexport.io/run-as": "1007:1008"}}})
        eventually(lambda: w.pod() and uid(w.pod()) != old, "another pod")
        security = w.pod()["spec"]["securityContext"]
        equal((security["runAsUser"], security["runAsGroup"]), (1007, 1008))
        time.sleep(1.1)
        w.ready()
        equal(readable(w)["status"], "False", "as long as the new one has not been asked")
    os.mkdir(tmp + "/next")
    with Pod(tmp + "/next", certificate(w), says(name="exp-disk")) as pod:
        place(w, pod.address)
        equal(w.shows("Readable", "True", "AllReadable"), "")
        check(readable(w)["lastTransitionTime"] > since, "a new time")
        equal(len(pod.requests), 1, "requests")


@alone
def test_a_controller_that_begins_asks_again_and_writes_nothing_new(w, tmp, controller):
    with exported(w, tmp, says(3, name="exp-disk")) as pod:
        w.shows("Readable", "False", "FilesUnreadable")
        before = w.settled()
        controller.restart()
        eventually(lambda: len(pod.requests) == 2, "it is asked again")
        equal(w.settled(), before, "nothing is written")


# ---- pods that tell nothing

def test_another_certificate_is_not_listened_to(w, tmp):
    """One of nobody, and that of another export."""
    host = f"{w.child('service')}.{w.ns}.svc"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-addext",
                    f"subjectAltName=DNS:{host}", "-out", tmp + "/c", "-keyout", tmp + "/k"], check=True, capture_output=True)
    with open(tmp + "/c", encoding="ascii") as c, open(tmp + "/k", encoding="ascii") as k:
        strange = {"tls.crt": c.read(), "tls.key": k.read()}
    with exported(w, tmp, says(9, name="exp-disk"), secret=strange) as pod, \
         exported(w, tmp, says(9, name="two-disk"), name="two", secret=certificate(w)) as other:
        eventually(lambda: pod.connections >= TRIES and other.connections >= TRIES, "both are tried some times")
        never(lambda: readable(w) or readable(w, "two"), 1, "a condition")
        equal(pod.requests + other.requests, [], "what was asked")


def test_answers_that_make_no_sense(w, tmp):
    def send(text):
        return lambda s: s.sendall(text)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    answers = {"text": b"OK", "page": b"<html>", "cut": says(3)[:-3], "number": b"7", "long": says(3) + b" " * 100000,
               "endless": lambda s: [s.sendall(head + b"\r\n")] + [s.sendall(b" " * 65536) for _ in range(10000)],
               "short": send(head + b"Content-Length: 1000\r\n\r\n" + says(3)),
               "error": send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
               "moved": send(b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
               "noise": send(os.urandom(5000))}
    with contextlib.ExitStack() as stack:
        pods = {name: stack.enter_context(exported(w, tmp, body, name=name)) for name, body in answers.items()}
        for name, pod in pods.items():
            eventually(lambda pod=pod: pod.connections >= TRIES, f"{name}: it is asked some times", 40)
        time.sleep(1)
        for name, pod in pods.items():
            equal((readable(w, name), w.phase(name), pod.connections), ({}, "Ready", TRIES), name)


def test_addresses_where_nobody_is(w, controller):
    """A port that refuses, in both families, and one that is no address of anything."""
    for name, address in (("four", "127.9.8.7"), ("six", "::1"), ("none", "192.0.2.1")):
        w.pvc(name)
        w.export(name, of=name)
        w.ready(name)
        place(w, address, name)
    time.sleep(3)
    for name in ("four", "six", "none"):
        equal((readable(w, name), w.phase(name)), ({}, "Ready"), name)
    controller.check()
    eventually(lambda: "cannot be asked what it cannot read" in controller.log, "the log says it")


def test_pods_that_hang_hold_nobody_up(w, tmp):
    release = threading.Event()
    with contextlib.ExitStack() as stack:
        stack.callback(release.set)
        names = [f"hang{i}" for i in range(6)]
        pods = [stack.enter_context(exported(w, tmp, lambda s: release.wait(60), name=name)) for name in names]
        eventually(lambda: any(pod.requests for pod in pods), "one hangs")
        for i in range(5):
            w.pvc(f"quick{i}")
            w.export(f"quick{i}", of=f"quick{i}")
            start = time.monotonic()
            w.ready(f"quick{i}")
            check(time.monotonic() - start < PROMPT * SLOW, "an export was held up")


fixture.main(globals())
