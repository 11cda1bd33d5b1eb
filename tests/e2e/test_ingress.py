#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Downloads through an Ingress (ingress.py plays its controller): to the export proxy, and straight to each export's pod.

Each way needs settings of its own, so that the tests run alone and put back what there was."""
import contextlib
import gzip
import os
import subprocess
import threading

import e2e
import ingress
import product
from e2e import MIB, alone, check, equal, eventually, sha256
from test_tar import by_gnu_tar, same_tree

HOST, SECRET = "exports.example.test", "front"
TO_THE_PROXY = f"proxy.replicas=1,proxy.ingress.enabled=true,proxy.ingress.host={HOST},proxy.ingress.className=nginx," \
               f"proxy.ingress.tls[0].secretName={SECRET},proxy.ingress.tls[0].hosts[0]={HOST}"
DIRECT = f"external.mode=direct,external.host={HOST},direct.ingressClass=nginx,direct.tlsSecret={SECRET}"
LARGE = 160 * MIB


@contextlib.contextmanager
def front(w, tmp, settings, namespace):
    """The product with these settings and an Ingress controller; the certificate for the host is in the namespace."""
    w.create("secret", {"metadata": {"name": SECRET}, "type": "kubernetes.io/tls", "stringData": ingress.certificate(tmp, HOST)}, ns=namespace)
    try:
        product.install(w.node, "--set", settings)
        with ingress.Front(w.node) as controller:
            yield controller
    finally:
        w.delete("secret", SECRET, ns=namespace)
        product.install(w.node)


def exported(w, controller):
    """Exports of a disk and of a tree; (the image, the tree's folder)."""
    image, tree = w.disk(size=LARGE), w.tree()
    for name in ("disk", "tree"):
        w.export(name, of=name)
    for name in ("disk", "tree"):
        w.ready(name)
    controller.sync()
    return image, tree


def all_formats(w, tmp, controller, cert=None):
    """Everything arrives whole, in parts, too, with a certificate that is verified."""
    image, tree = exported(w, controller)
    disk, files = w.formats("disk", "disk", "external"), w.formats("tree", "tree", "external")
    base = f"https://{HOST}/api/{w.group}/v1/namespaces/{w.ns}/virtualmachineexports/"
    equal((disk["raw"], files["dir"]), (base + "disk/volumes/disk/disk.img", base + "tree/volumes/tree/dir"), "links")
    equal(w.links("disk", "external")["cert"] == "", cert is not None, "whether the links have no certificate")

    def fetch(url, name, *flags, export="disk"):
        return w.fetch(url, f"{tmp}/{name}", *controller.flags(HOST), *flags, cert=cert, export=export)

    with gzip.open(fetch(disk["gzip"], "disk.img.gz")) as packed:
        equal(sha256_of(packed), sha256(image), "gzip")
    in_parts(fetch, disk["raw"], image, tmp)
    check("hello.txt" in read(fetch(files["dir"], "listing", "--location", export="tree")), "the listing")
    os.mkdir(tmp + "/copy")
    by_gnu_tar(fetch(files["tar.gz"], "tree.tar.gz", export="tree"), tmp + "/copy")
    same_tree(tree, os.fsencode(tmp + "/copy"))
    broken(w, tmp, disk["raw"], controller, cert)


def in_parts(fetch, url, image, tmp):
    """HEAD, a range, several, and what is missing of a file."""
    head = read(fetch(url, "head", "--head")).lower()
    check(f"content-length: {LARGE}" in head and "accept-ranges: bytes" in head and "etag: \"" in head, f"HEAD: {head}")
    with open(image, "rb") as f:
        whole = f.read(16 * MIB)
    with open(fetch(url, "range", "--range", f"{MIB}-{9 * MIB - 1}"), "rb") as f:
        check(f.read() == whole[MIB:9 * MIB], "a range")
    with open(fetch(url, "ranges", "--range", "0-99,4000000-4000099"), "rb") as f:
        several = f.read()
    check(whole[:100] in several and whole[4000000:4000100] in several and b"multipart" not in whole, "two ranges")
    with open(tmp + "/disk.img", "wb") as f:
        f.write(whole)
    equal(sha256(fetch(url, "disk.img", "--continue-at", "-")), sha256(image), "what was missing")


def broken(w, tmp, url, controller, cert):
    """A download whose server dies is none."""
    out, done = tmp + "/broken.img", []
    download = threading.Thread(target=lambda: done.append(w.curl(url, out, *controller.flags(HOST), "--limit-rate", "8M", cert=cert, export="disk")))
    download.start()
    eventually(lambda: os.path.getsize(out) > MIB if os.path.exists(out) else False, "the download has begun")
    container = w.pod("disk")["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    w.node.ctr("tasks", "kill", "--signal", "KILL", container)
    download.join(60)
    check(done and done[0].returncode != 0, f"curl ended well: {done}")


def sha256_of(stream):
    return subprocess.run(["sha256sum"], input=stream.read(), capture_output=True, check=True).stdout.decode().split()[0]


def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


@alone
def test_an_ingress_to_the_proxy(w, tmp):
    with front(w, tmp, TO_THE_PROXY, product.NAMESPACE) as controller:
        all_formats(w, tmp, controller)


@alone
def test_an_ingress_for_each_export(w, tmp):
    with front(w, tmp, DIRECT, w.ns) as controller:
        # The certificate is in the user's Secret, for clients that trust who signed it: the links have none.
        all_formats(w, tmp, controller, cert=read(tmp + "/ca.pem"))
    eventually(lambda: not w.list("ingress"), "the Ingresses go with the setting", e2e.READY)


e2e.main(globals())
