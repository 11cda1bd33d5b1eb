#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The way in from outside without a proxy: an Ingress for each export, straight to its Service."""
import fixture
from fixture import check, equal, eventually
from world import PROMPT, reference, uid

HOST = "direct.example.test"
FLAGS = ["--external", "direct", "--external-host", HOST, "--ingress-class", "nginx", "--ingress-tls-secret", "front",
         "--ingress-annotations", '{"nginx.ingress.kubernetes.io/backend-protocol": HTTPS}']


def ready(w, name="exp"):
    if not w.get("pvc", "disk"):
        w.pvc()
    w.export(name)
    w.ready(name)


def path_of(w, name="exp"):
    [rule] = w.get("ingress", w.child("ingress", name))["spec"]["rules"]
    [path] = rule["http"]["paths"]
    return rule["host"], path


def test_each_export_has_its_ingress(w):
    ready(w)
    host, path = path_of(w)
    prefix = f"/api/{w.group}/v1/namespaces/{w.ns}/virtualmachineexports/exp"
    equal((host, path["path"].rstrip("/"), path["pathType"]), (HOST, prefix, "Prefix"))
    equal(path["backend"]["service"], {"name": w.status()["serviceName"], "port": {"number": 443}})
    ingress = w.get("ingress", w.child("ingress"))
    equal((ingress["spec"]["ingressClassName"], ingress["spec"]["tls"]), ("nginx", [{"hosts": [HOST], "secretName": "front"}]))
    equal(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/backend-protocol"], "HTTPS")
    equal(w.formats(where="external")["raw"], f"https://{HOST}{prefix}/volumes/disk/disk.img")


def test_the_ingress_goes_with_its_export(w):
    ready(w)
    w.plane.request("DELETE", w.path("export", "exp"))
    w.gone()
    equal(w.list("ingress"), [])


def test_one_that_was_changed_is_mended(w):
    ready(w)
    name = w.child("ingress")
    w.patch("ingress", name, {"spec": {"ingressClassName": "other"}})
    eventually(lambda: w.get("ingress", name)["spec"]["ingressClassName"] == "nginx", "it is as it was")
    w.delete("ingress", name)
    eventually(lambda: w.get("ingress", name), "it is made again", PROMPT)


def test_exports_that_are_alike_have_one_each(w):
    for name in ("a.b", "a-b"):
        ready(w, name)
        check(path_of(w, name)[1]["backend"]["service"]["name"] == w.status(name)["serviceName"], name)


def test_a_strangers_ingress_is_left_alone_and_told(w):
    rule = {"host": "theirs.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "theirs", "port": {"number": 80}}}}]}}
    before = w.create("ingress", {"metadata": {"name": w.child("ingress")}, "spec": {"rules": [rule]}})
    w.pvc()
    w.export()
    w.says(w.child("ingress"))
    equal(w.get("ingress", w.child("ingress"))["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"])
    w.delete("ingress", w.child("ingress"))
    w.ready(seconds=45)
    eventually(lambda: path_of(w)[0] == HOST, "its own")


def test_another_exports_ingress_is_not_taken(w):
    ready(w, "first")
    rule = {"host": "x.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}
    w.create("ingress", {"metadata": {"name": w.child("ingress"), "ownerReferences": [reference(w.exp("first"))],
                                      "labels": {"app.kubernetes.io/managed-by": "vmexport-controller"}}, "spec": {"rules": [rule]}})
    old = uid(w.get("ingress", w.child("ingress")))
    w.export()
    w.says(w.child("ingress"))
    equal(uid(w.get("ingress", w.child("ingress"))), old)


def test_the_manifests_name_the_host(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.export_vm()
    w.ready()
    check(f"https://{HOST}/api/{w.group}/" in str(w.get("configmap", w.child("manifest"))["data"]), "the host")


fixture.main(globals(), flags=FLAGS)
