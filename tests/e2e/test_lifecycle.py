#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of an export while it lives: its volume is wanted by others, its pod goes, its time runs out."""
import e2e
from e2e import Download, check, equal, eventually, sha256, uid

NOTICED = 9         # seconds, the kubelet's part included, while others work on the same node; tests/controller has the controller's own


def exported(w, **options):
    image = w.disk()
    w.export(**options)
    w.ready()
    return image


def matches(w, tmp, image):
    equal(sha256(w.fetch(w.formats(where="external")["raw"], tmp + "/disk.img")), sha256(image), "the disk")


def test_a_pod_that_takes_the_volume_ends_the_export_and_gives_it_back(w, tmp):
    image = exported(w)
    old, identity = uid(w.pod()), w.identity()
    w.user("disk")
    message = w.waits("Ready", "InUse", seconds=NOTICED)
    check("user" in message, message)
    eventually(lambda: not w.list("pod", "?labelSelector=kubevirt.io%3Dvirt-exporter"), "the export's pod has left", e2e.READY)
    eventually(lambda: w.get("pod", "user")["status"]["phase"] == "Running", "the user runs", e2e.READY)
    w.delete("pod", "user")
    w.ready()
    check(uid(w.pod()) != old and w.identity() != identity, "the same pod, or the same state of the data")
    matches(w, tmp, image)


def test_a_download_is_cut_when_the_volume_is_taken(w, tmp):
    download = Download(w, tmp)
    w.user("disk")
    download.breaks()


def test_an_export_of_a_volume_in_use_waits_for_it(w):
    w.disk()
    w.user("disk")
    w.export()
    w.waits("Ready", "InUse", seconds=NOTICED)
    w.delete("pod", "user")
    w.ready()


def test_a_pod_that_is_killed_is_replaced_and_links_and_token_stay(w, tmp):
    image = exported(w)
    old, token, links, identity = uid(w.pod()), w.token(), w.links(where="external"), w.identity()
    w.delete("pod", w.child("pod"))
    eventually(lambda: w.pod() and uid(w.pod()) != old, "another pod", e2e.READY)
    w.ready()
    equal((w.token(), w.links(where="external"), w.identity()), (token, links, identity))
    matches(w, tmp, image)


def test_a_download_goes_on_where_it_broke_off_when_its_pod_was_killed(w, tmp):
    download = Download(w, tmp)
    old = uid(w.pod())
    w.delete("pod", w.child("pod"))
    download.breaks()
    eventually(lambda: w.pod() and uid(w.pod()) != old, "another pod", e2e.READY)
    w.ready()
    equal(sha256(w.fetch(w.formats(where="external")["raw"], download.out, "--continue-at", "-")), sha256(download.image), "the disk")


def test_an_export_ends_with_its_time_and_leaves_nothing(w):
    exported(w, ttl="150s")        # it has to be Ready within it
    w.gone(seconds=e2e.READY)
    eventually(lambda: not w.list("pod"), "no pod is left", e2e.READY)
    equal(e2e.users_of(w.node, w.files["disk"]), [], "mounts of the volume")


def test_a_deleted_export_leaves_nothing(w):
    exported(w)
    w.delete("export", "exp")
    w.gone()
    eventually(lambda: not w.list("pod"), "no pod is left", e2e.READY)


def test_a_token_that_is_deleted_ends_the_pod(w, tmp):
    w.disk()
    w.secret("mine")
    w.export(token="mine")
    w.ready()
    url = w.formats(where="external")["raw"]
    w.fetch(url, tmp + "/disk.img")
    cert = w.links(where="external")["cert"]
    w.delete("secret", "mine")
    eventually(lambda: not w.pod(), "the pod goes", NOTICED)
    w.secret("mine", token="another-token-0123456789")
    w.ready()
    w.fetch(url, tmp + "/again.img", cert=cert)


def test_many_exports_of_one_volume_are_served_at_once(w, tmp):
    image = w.disk()
    names = [f"exp{i}" for i in range(4)]
    for name in names:
        w.export(name)
    for name in names:
        w.ready(name)
        equal(sha256(w.fetch(w.formats(name=name, where="external")["raw"], f"{tmp}/{name}", export=name)), sha256(image), name)


def test_what_does_not_exist_or_is_not_ready_is_told_by_the_proxy(w, tmp):
    w.export("waiting", of="no-claim")
    w.waits("PVCReady", "PVCNotFound", "waiting")
    service = f"{w.child('service', 'waiting')}.{w.ns}.svc.cluster.local"
    known = w.node.machine.inside("busybox", "nslookup", service, w.node.address)
    eventually(lambda: e2e.subprocess.run(known, capture_output=True, check=False).returncode == 0, "its Service has a name", e2e.READY)
    host = e2e.product.outside(w.node)
    for name, code in (("nothing", "404"), ("waiting", "503")):
        url = f"https://{host}/api/{w.group}/v1/namespaces/{w.ns}/virtualmachineexports/{name}/volumes/disk/disk.img"
        out = e2e.subprocess.run(["curl", "--silent", "--insecure", "--output", tmp + "/answer", "--write-out", "%{http_code}", url], capture_output=True, text=True, check=True).stdout
        equal(out, code, name)


e2e.main(globals())
