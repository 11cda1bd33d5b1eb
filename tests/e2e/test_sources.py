#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Virtual machines and their snapshots as sources, and the manifests of a machine in another namespace. KubeVirt, CDI and the
snapshots are there as definitions (definitions.py): the test plays who makes their objects."""
import gzip
import hashlib
import os
import re
import subprocess

import e2e
import definitions
from e2e import MIB, Failed, Space, check, data, equal, eventually, sha256, volumes
from provisioner import Provisioner
from test_tar import by_gnu_tar, same_tree
from world import reference

setup = definitions.install     # pylint: disable=invalid-name
CHANGES = "for disk in /root/disk.img /data; do echo changed | dd of=$disk bs=4096 seek=1 conv=notrunc; done; sync; sleep 1000000"


# ---- a machine ----

def machine(w):
    """One that is off: a disk of files, one of blocks, and the state of its TPM."""
    w.disk("root")
    w.disk("data", block=True)
    w.tree("state")
    w.patch("pvc", "state", {"metadata": {"labels": {"persistent-state-for": "vm"}}})
    w.vm(claims=["root", "data"])
    w.patch("vm", "vm", {"spec": {"template": {"spec": {"domain": {"devices": {"tpm": {"persistent": True}}}}}}})


def content(w, claim):
    """The SHA-256 of a disk as it is now."""
    return sha256(w.files[claim] + ("" if w.is_block(claim) else "/disk.img"))


def unzipped(path):
    """The SHA-256 of what is in a gzip file."""
    with gzip.open(path) as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def start(w):
    """The machine starts, and its guest has written something."""
    before = [content(w, claim) for claim in ("root", "data")]
    w.start_vm(launcher=False)
    w.tools("virt-launcher-vm", CHANGES, claims=("root", "data"), user=volumes.OWNER)
    eventually(lambda: all(content(w, claim) != old for claim, old in zip(("root", "data"), before)), "the machine runs, and has written to both disks", e2e.READY)


def arrives(w, tmp, volume, sha, wanted="raw"):
    """A disk, through the proxy, as it was at that SHA-256."""
    file = w.fetch(w.formats(volume, where="external")[wanted], f"{tmp}/{volume}.{wanted}")
    equal(unzipped(file) if wanted == "gzip" else sha256(file), sha, f"{volume}, {wanted}")


def test_all_disks_and_the_state_of_a_machine_that_is_off(w, tmp):
    machine(w)
    w.export_vm()
    w.ready()
    for volume in ("root", "data"):
        for wanted in ("raw", "gzip"):
            arrives(w, tmp, volume, content(w, volume), wanted)
    os.mkdir(tmp + "/copy")
    by_gnu_tar(w.fetch(w.formats("state", where="external")["tar.gz"], tmp + "/state.tar.gz"), tmp + "/copy")
    same_tree(w.files["state"], os.fsencode(tmp + "/copy"))


def test_a_machine_that_starts_gets_its_disks_and_gives_them_back_changed(w, tmp):
    machine(w)
    w.export_vm()
    w.ready()
    old = {volume: w.identity(volume) for volume in ("root", "data")}
    start(w)
    message = w.waits("Ready", "InUse")
    check("running" in message, message)
    w.stop_vm()
    w.ready()
    for volume in ("root", "data"):
        check(w.identity(volume) != old[volume], f"{volume} has the identity that it had before it was changed")
        arrives(w, tmp, volume, content(w, volume))


def test_a_machine_that_runs_is_waited_for(w):
    machine(w)
    start(w)
    w.export_vm()
    w.waits("Ready", "InUse")
    w.stop_vm()
    w.ready()


# ---- a snapshot of it ----

def snapshot(w, storage):
    """Of both disks, as KubeVirt makes it: with what the claims are. The one's class waits for a first consumer."""
    for claim in ("root", "data"):
        storage.take(w, "snap-" + claim, claim)
    w.snapshot(disks=("root", "data"), ready=False)
    spec = w.get("content", "snap-content")["spec"]
    for backup, storage_class in zip(spec["volumeBackups"], (volumes.CLASS, volumes.LATE)):
        claim = w.get("pvc", backup["volumeName"])
        backup["persistentVolumeClaim"] = {"metadata": {key: claim["metadata"][key] for key in ("name", "annotations")},
                                           "spec": dict(claim["spec"], storageClassName=storage_class)}
    w.patch("content", "snap-content", {"spec": spec})
    w.snapshot_done(disks=("root", "data"))


def test_the_disks_of_a_snapshot_are_as_they_were_when_it_was_taken(w, node, tmp):
    machine(w)
    then = {claim: content(w, claim) for claim in ("root", "data")}
    with Provisioner(node) as storage:
        snapshot(w, storage)
        start(w)
        w.export_snapshot()
        w.ready()
        w.shows("VolumesCreated", "True", "AllPVCsReady")
        equal({p["metadata"]["name"] for p in w.children("pvc")}, {"exp-root", "exp-data"})
        for wanted in ("raw", "gzip"):
            arrives(w, tmp, "root", then["root"], wanted)
            arrives(w, tmp, "data", then["data"], wanted)
        equal(w.get("pod", "virt-launcher-vm")["status"]["phase"], "Running", "the machine")
        w.delete("export", "exp")
        w.gone()
        eventually(lambda: not storage.restored, "the restored volumes go", e2e.READY)
    equal({p["metadata"]["name"] for p in w.list("pvc")}, {"root", "data", "state"})


# ---- its manifests, elsewhere ----

def importable(w):
    """A Ready export of a machine: of one disk it has a template, of the other it knows the claim."""
    w.disk("root")
    w.disk("data", block=True, size=16 * MIB)
    volume = w.datavolume("data")
    w.patch("pvc", "data", {"metadata": {"ownerReferences": [reference(volume)]}})
    template = {"metadata": {"name": "data"}, "spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "64Mi"}}}}}
    w.vm(claims=["root"], dvs=["data"], dataVolumeTemplates=[template])
    w.export_vm()
    w.ready()


def apply(node, other, text, *flags):
    """What kubectl says of each object. The machine and its DataVolumes name the namespace that they come from."""
    text = re.sub(r"^  namespace: .*$", f"  namespace: {other.ns}", text, flags=re.MULTILINE)
    return node.kubectl("apply", "--server-side", "--validate=strict", "--namespace", other.ns, "--filename", "-", *flags, input=text).splitlines()


def is_taken(node, other, manifests, secret):
    """All of it; and that a field of a wrong name would not be."""
    try:
        apply(node, other, manifests.replace("secretExtraHeaders", "secretExtraHeader"), "--dry-run=server")
        check(False, "a wrong field was taken: the definitions aren't strict")
    except Failed as e:
        check("secretExtraHeader: field not declared" in str(e), e)
    said = apply(node, other, manifests) + apply(node, other, secret)
    equal(sorted(said), [f"{what} serverside-applied" for what in ("configmap/export-ca-cm-exp", "datavolume.cdi.kubevirt.io/root", "secret/header-secret-exp",
                                                                  "virtualmachine.kubevirt.io/vm")])


def sources(other):
    """{disk: what CDI would import it from}, as the API server has it."""
    found = other.list("dv") + [t for vm in other.list("vm") for t in vm["spec"]["dataVolumeTemplates"]]
    return {o["metadata"]["name"]: o["spec"]["source"]["http"] for o in found}


def test_the_manifests_import_the_disks_in_another_namespace(w, node):
    importable(w)
    urls = w.manifests()
    fetched = w.inside(f'get --header "Accept: application/yaml" {urls["all"]}; echo =====; get --header "Accept: application/yaml" {urls["auth-header-secret"]}')
    other = Space(node)
    is_taken(node, other, *fetched.split("=====\n"))
    equal(sorted(sources(other)), ["data", "root"])
    for disk, http in sources(other).items():
        mounts = [("/certs", {"configMap": {"name": http["certConfigMap"]}})] + [("/headers", {"secret": {"secretName": name}}) for name in http["secretExtraHeaders"]]
        other.tools(disk, f"curl --silent --show-error --fail --cacert /certs/ca.pem --header @/headers/token {http['url']} | gunzip | sha256sum", mounts=mounts)
        equal(other.done(disk).split()[0], content(w, disk), f"{disk} from {http['url']}")


def test_the_manifests_import_the_disks_in_another_cluster(w, node, tmp):
    importable(w)
    texts = []
    for kind, url in sorted(w.manifests(where="external").items()):
        with open(w.fetch(url, f"{tmp}/{kind}", "--header", "Accept: application/yaml"), encoding="utf-8") as f:
            texts.append(f.read())
    other = Space(node)
    is_taken(node, other, *texts)
    equal(sorted(sources(other)), ["data", "root"])
    for disk, http in sources(other).items():
        with open(tmp + "/certs", "w", encoding="ascii") as certs, open(tmp + "/headers", "w", encoding="ascii") as headers:
            certs.write(other.get("configmap", http["certConfigMap"])["data"]["ca.pem"])
            headers.write("\n".join(line for name in http["secretExtraHeaders"] for line in data(other.get("secret", name)).values()))
        out = f"{tmp}/{disk}.gz"
        subprocess.run(["curl", "--silent", "--show-error", "--fail", "--cacert", tmp + "/certs", "--header", f"@{tmp}/headers", "--output", out, http["url"]], check=True)
        equal(unzipped(out), content(w, disk), f"{disk} from {http['url']}")


e2e.main(globals())
