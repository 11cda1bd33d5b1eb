# SPDX-License-Identifier: Apache-2.0
"""Ways in from outside to the export proxy, for the tests: each is there for the length of a `with`."""
import contextlib
import subprocess
import tempfile

import fixture
from fixture import eventually
from world import PROMPT

PROXY = "vmexport-proxy"


def certificate(host, days=30):
    """A self-signed pair."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", f"/CN={host}",
                        "-addext", f"subjectAltName=DNS:{host}", "-out", d + "/crt", "-keyout", d + "/key"], check=True, capture_output=True)
        with open(d + "/crt", encoding="ascii") as crt, open(d + "/key", encoding="ascii") as key:
            return crt.read(), key.read()


@contextlib.contextmanager
def removed(w, kind, name):
    try:
        yield
    finally:
        w.delete(kind, name, ns=fixture.NAMESPACE)


def ingress(w, host, name="proxy", service=PROXY, secret=None):
    spec = {"rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 443}}}}]}}]}
    if secret:
        spec["tls"] = [{"hosts": [host], "secretName": secret}]
    w.create("ingress", {"metadata": {"name": name}, "spec": spec}, ns=fixture.NAMESPACE)
    return removed(w, "ingress", name)


def tls(w, crt, key, name="front"):
    w.create("secret", {"metadata": {"name": name}, "type": "kubernetes.io/tls", "stringData": {"tls.crt": crt, "tls.key": key}}, ns=fixture.NAMESPACE)
    return removed(w, "secret", name)


def route(w, host, name="proxy", tls_of=None, **to):
    spec = {"host": host, "to": {"kind": "Service", "name": PROXY, **to}}
    if tls_of:
        spec["tls"] = tls_of
    w.create("route", {"metadata": {"name": name}, "spec": spec}, ns=fixture.NAMESPACE)
    w.set_status("route", name, {"ingress": [{"host": host, "conditions": [{"type": "Admitted", "status": "True"}]}]}, ns=fixture.NAMESPACE)
    return removed(w, "route", name)


def ready(w):
    w.pvc()
    w.export()
    w.ready()


def base(w, host, name="exp"):
    return f"https://{host}/api/{w.group}/v1/namespaces/{w.ns}/virtualmachineexports/{name}"


def shown(w, host, seconds=PROMPT):
    eventually(lambda: w.formats(where="external").get("raw") == base(w, host) + "/volumes/disk/disk.img", f"links to {host}", seconds)


def hidden(w, seconds=PROMPT):
    eventually(lambda: "external" not in w.status()["links"], "no links.external", seconds)
