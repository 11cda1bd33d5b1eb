#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The CA and the certificates of exports: rotation cuts nobody off, and the pod stays.

Time is made to pass by putting certificates with other dates into the Secrets, as the controller's own are valid for ten
minutes at least."""
import base64
import calendar
import os
import re
import ssl
import subprocess
import tempfile
import time

import fixture
from fixture import SLOW, alone, check, equal, eventually, never
from world import PROMPT, World, data, uid

PUBLISH = 5 if SLOW == 1 else 12         # long enough to look at the links meanwhile
FLAGS = ["--certificate-duration", "600s", "--ca-duration", "3600s", "--ca-publish", f"{PUBLISH}s"]
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
CONFIG = """
[ca]
default_ca = x
[x]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = e
[any]
commonName = supplied
[req]
distinguished_name = n
[n]
[e]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


def make_ca(name, begins, ends):
    """A CA's certificate and key, valid from and to so many seconds from now."""
    with tempfile.TemporaryDirectory() as folder:
        for file, text in (("c.cnf", CONFIG), ("index.txt", ""), ("serial", "01\n")):
            with open(f"{folder}/{file}", "w", encoding="ascii") as f:
                f.write(text)

        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

        def date(seconds):
            return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))
        openssl("req", "-new", "-config", "c.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", "key", "-out", "csr")
        openssl("ca", "-config", "c.cnf", "-selfsign", "-batch", "-notext", "-keyfile", "key", "-in", "csr", "-out", "crt",
                "-startdate", date(begins), "-enddate", date(ends))
        return [open(os.path.join(folder, n), encoding="ascii").read() for n in ("crt", "key")]


def ca_secret(w):
    """The controller's Secret with its CA."""
    secret = w.get("secret", "vmexport-ca", ns=fixture.NAMESPACE)
    check(secret, "there is no CA")
    return secret


def put_ca(w, **values):
    """Replaces the Secret's data: underscores are dots, and None takes a key away."""
    change = {k.replace("_", "."): v and base64.b64encode(v.encode()).decode() for k, v in values.items()}
    secret = ca_secret(w)
    w.patch("secret", secret["metadata"]["name"], {"data": {**{k: None for k in secret["data"]}, **change}}, ns=fixture.NAMESPACE)


def bundle(w, name="exp"):
    """The certificates in the export's links, each without blanks around it."""
    return CERTIFICATE.findall(w.links(name)["cert"])


def pem(text):
    return CERTIFICATE.findall(text)[0]


def leaf(w, name="exp"):
    return data(w.get("secret", w.child("tls", name)))


def handshake(w, name="exp"):
    """Fails unless a client with the link's certificates accepts the pod's for each of the Service's names."""
    service, ca, pair = w.status(name)["serviceName"], w.links(name)["cert"], leaf(w, name)
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(pair["tls.crt"] + pair["tls.key"])
        f.flush()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(f.name)
    for host in (f"{service}.{w.ns}.svc", f"{service}.{w.ns}.svc.cluster.local"):
        client = ssl.create_default_context(cadata=ca)
        a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides = [client.wrap_bio(a, b, server_hostname=host), server.wrap_bio(b, a, server_side=True)]
        for _ in range(10):
            for side in list(sides):
                try:
                    side.do_handshake()
                    sides.remove(side)
                except ssl.SSLWantReadError:
                    pass
        check(not sides, "no handshake")


def ready(w):
    w.pvc()
    w.export()
    w.ready()
    return uid(w.pod())


class Steady:
    """With it, the export must stay Ready with the pod it has."""

    def __init__(self, w):
        self.w = w

    def __enter__(self):
        self.pod, self.since = uid(self.w.pod()), (self.w.version("export"), self.w.version("pod"))

    def __exit__(self, kind, *_):
        if kind:
            return
        equal(uid(self.w.pod()), self.pod, "the pod was replaced")
        for event, o in self.w.changes("export", self.since[0]):
            equal((event, o["status"]["phase"]), ("MODIFIED", "Ready"))
        handshake(self.w)


def test_the_certificate_is_for_the_service_and_signed_by_the_links_ca(w):
    ready(w)
    handshake(w)
    check("PRIVATE" not in w.links()["cert"], "a key is in the links")
    equal(w.get("secret", w.child("tls"))["type"], "kubernetes.io/tls")


def test_the_cas_key_stays_with_the_controller(w):
    ready(w)
    key = data(ca_secret(w))["tls.key"]
    for secret in w.list("secret"):
        check(key not in data(secret).values(), secret["metadata"]["name"])


@alone
def test_a_successor_is_known_before_it_signs_and_the_former_stays_known(w):
    ready(w)
    old, key = make_ca("old", -3000, 700)
    put_ca(w, tls_crt=old, tls_key=key)
    eventually(lambda: pem(old) in bundle(w), "the CA that was put there is used")
    handshake(w)
    soon, key = make_ca("soon over", -3000, 600 + PUBLISH)       # shorter than a certificate and two PUBLISH: its successor is due
    with_old = leaf(w)
    put_ca(w, tls_crt=soon, tls_key=key, previous_crt=old)
    with Steady(w):
        eventually(lambda: len(bundle(w)) == 3 and bundle(w)[0] == pem(soon), "the successor is in the bundle beside the signer", PUBLISH + 2)
        check(pem(old) in bundle(w), "the former is known, too")
        [successor] = [c for c in bundle(w) if c not in (pem(old), pem(soon))]
        equal(pem(data(ca_secret(w))["tls.crt"]), pem(soon), "which signs still")
        handshake(w)
        eventually(lambda: pem(data(ca_secret(w))["tls.crt"]) == successor, "the successor signs", PUBLISH + 5)
        eventually(lambda: bundle(w)[0] == successor, "and comes first")
        check(pem(soon) in bundle(w), "the former signer is known")
        check(with_old, "there was a certificate")
    w.pvc("other")
    w.export("new", of="other")
    w.ready("new")
    handshake(w, "new")
    client = ssl.create_default_context(cadata=successor)
    check(client.get_ca_certs(), "the successor is a CA")


@alone
def test_one_that_has_expired_leaves_the_bundle(w):
    ready(w)
    current = data(ca_secret(w))
    old, _ = make_ca("going", -3000, 8 if SLOW == 1 else 30)
    put_ca(w, tls_crt=current["tls.crt"], tls_key=current["tls.key"], previous_crt=old)
    with Steady(w):
        eventually(lambda: pem(old) in bundle(w), "it is known as long as it is valid", PROMPT)
        eventually(lambda: pem(old) not in bundle(w), "it goes")


def test_a_certificate_that_is_due_is_renewed_in_place(w):
    ready(w)
    before, secret = leaf(w), w.get("secret", w.child("tls"))
    life = int(secret["metadata"]["annotations"]["vmexport.io/renew-at"]) - calendar.timegm(time.strptime(secret["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ"))
    check(380 <= life <= 420, f"it is due {life} s after it was made, after two thirds of its life")
    with Steady(w):
        due = int(time.time()) + 3
        w.patch("secret", w.child("tls"), {"metadata": {"annotations": {"vmexport.io/renew-at": str(due)}}})
        eventually(lambda: leaf(w)["tls.crt"] != before["tls.crt"] and leaf(w)["tls.key"] != before["tls.key"], "another certificate and key", 8)
        check(time.time() >= due, "it is renewed before its time")
    equal(uid(w.get("secret", w.child("tls"))), uid(secret), "the Secret is another")


@alone
def test_a_certificate_of_a_ca_that_is_unknown_is_replaced_in_place(w):
    ready(w)
    before = leaf(w)
    secret = uid(w.get("secret", w.child("tls")))
    new, key = make_ca("another", -300, 3000)
    with Steady(w):
        put_ca(w, tls_crt=new, tls_key=key)
        eventually(lambda: leaf(w) != before and pem(new) in bundle(w), "it is signed by the CA that is known")
    equal(uid(w.get("secret", w.child("tls"))), secret, "the Secret is another")


@alone
def test_a_ca_that_is_deleted_is_made_anew_and_signs_all(w):
    ready(w)
    before = bundle(w)
    with Steady(w):
        w.delete("secret", ca_secret(w)["metadata"]["name"], ns=fixture.NAMESPACE)
        eventually(lambda: bundle(w) and bundle(w) != before, "the links have another")
        eventually(lambda: handshake(w) is None, "and the pod")


@alone
def test_a_ca_that_cannot_be_read_is_told(w, controller):
    ready(w)
    good = data(ca_secret(w))
    put_ca(w, tls_crt="x", tls_key="y")
    try:
        name = ca_secret(w)["metadata"]["name"]
        eventually(lambda: f"{fixture.NAMESPACE}/{name}" in controller.log and "delete the Secret" in controller.log, "the log says which Secret, and the remedy")
        never(lambda: w.phase() != "Ready", 1, "what works is cut off")
    finally:
        put_ca(w, tls_crt=good["tls.crt"], tls_key=good["tls.key"])
    w.pvc("other")
    w.export("new", of="other")
    w.ready("new")
    handshake(w, "new")


@alone
def test_the_ca_outlives_the_controller(w, controller):
    ready(w)
    before = (data(ca_secret(w)), leaf(w))
    controller.restart()
    w.pvc("other")
    w.export("new", of="other")
    w.ready("new")
    equal((data(ca_secret(w)), leaf(w)), before)


@alone
def test_a_rotation_that_was_due_while_the_controller_was_away(w, controller):
    ready(w)
    controller.kill()
    soon, key = make_ca("soon over", -3000, 600 + PUBLISH)
    put_ca(w, tls_crt=soon, tls_key=key)
    controller.start()
    with Steady(w):
        eventually(lambda: len(bundle(w)) == 2, "both are known")
        eventually(lambda: pem(data(ca_secret(w))["tls.crt"]) != pem(soon), "the successor signs")


@alone
def test_the_manifests_have_the_certificates_of_today(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.export_vm()
    w.ready()
    new, key = make_ca("another", -300, 3000)
    with Steady(w):
        put_ca(w, tls_crt=new, tls_key=key)
        eventually(lambda: pem(new).replace("\n", "\\n") in str(w.get("configmap", w.child("manifest"))["data"]).replace("\\\\n", "\\n"), "the ConfigMap for importers is fresh")
        eventually(lambda: leaf(w) and pem(new) in bundle(w), "the links, too")


def test_a_second_world_has_the_same_ca(w, plane):
    ready(w)
    other = World(plane, group=w.group)
    ready(other)
    equal(w.links()["cert"], other.links()["cert"])


fixture.main(globals(), flags=FLAGS)
