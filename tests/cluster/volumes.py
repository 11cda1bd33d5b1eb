# SPDX-License-Identifier: Apache-2.0
"""Local volumes of the node, below its folder: PersistentVolumes as an administrator makes them by hand, with a claim for each.

    folder = volumes.folder(node, "disk0")                              # what is put there is what a pod sees
    volumes.claim(node, "default", "disk0", folder)                     # a PersistentVolumeClaim, bound to it
    volumes.claim(node, "default", "disk1", volumes.loop(file), block=True)

Classes: CLASS binds a claim at once, LATE when a pod wants it; neither makes volumes. Loop devices are detached when the
node ends, if their files are below its folder.
"""
import os

from machine import command

CLASS, LATE = "local", "local-late"
OWNER = 107         # of disks, as KubeVirt and CDI write them


def classes(node):
    """Makes both; node.start() does."""
    for name, mode in ((CLASS, "Immediate"), (LATE, "WaitForFirstConsumer")):
        node.create("/apis/storage.k8s.io/v1/storageclasses", {"metadata": {"name": name}, "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": mode})


def folder(node, name):
    """A new folder below the node's."""
    path = f"{node.dir}/volumes/{name}"
    os.makedirs(path)
    return path


def loop(file, read_only=False):
    """A loop device of a file; its path."""
    return command("losetup", "--find", "--show", *(["--read-only"] if read_only else []), file).strip()


def volume(node, name, path, block=False, storage_class=CLASS, size="1Gi", modes=("ReadWriteOnce",), **spec):
    """A PersistentVolume of a folder, or with `block` of a block device. `spec`: more of its spec, such as claimRef."""
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}]}
    return node.create("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": {
        "capacity": {"storage": size}, "accessModes": list(modes), "storageClassName": storage_class, "volumeMode": "Block" if block else "Filesystem",
        "persistentVolumeReclaimPolicy": "Retain", "local": {"path": path}, "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}}, **spec}})


def claim(node, namespace, name, path, block=False, storage_class=CLASS, size="1Gi", modes=("ReadWriteOnce",), **metadata):
    """A PersistentVolume NAMESPACE.NAME and the claim that is bound to it; returns when it is, of a LATE one at once."""
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name}
    volume(node, f"{namespace}.{name}", path, block, storage_class, size, modes, claimRef=reference)
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    node.create(claims, {"metadata": {"name": name, **metadata}, "spec": {
        "accessModes": list(modes), "storageClassName": storage_class, "volumeMode": "Block" if block else "Filesystem", "volumeName": f"{namespace}.{name}",
        "resources": {"requests": {"storage": size}}}})
    if storage_class == CLASS:
        node.wait(lambda: node.request("GET", f"{claims}/{name}")[1].get("status", {}).get("phase") == "Bound", f"the claim {namespace}/{name} is bound")
