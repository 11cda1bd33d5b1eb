# SPDX-License-Identifier: Apache-2.0
"""A storage with snapshots, as far as claims can tell: what external-provisioner and a CSI driver do about a claim whose
dataSource is a VolumeSnapshot, played by a thread with local volumes.

    with Provisioner(node) as storage:
        storage.take(w, "snap-disk", "disk")    # what the disk of a claim is now, for the VolumeSnapshot snap-disk
        ...                                     # a claim with that dataSource is bound to a volume with a copy of it

As storage does, it makes the volume at once or, where the claim's class waits for a first consumer, when there is a pod with
the claim; and it removes the volume when its claim has gone.
"""
import os
import shutil
import threading

import volumes
from machine import command

PAUSE = 0.2         # seconds between two looks


class Provisioner:
    """See the head of the file. restored: {uid of a claim: the folder of its volume}, of those that there are."""

    def __init__(self, node):
        self.node, self.taken, self.restored, self.trouble = node, {}, {}, None
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ends.set()
        self.thread.join()
        if self.trouble and not kind:
            raise self.trouble

    def take(self, w, snapshot, claim):
        """The path of the copy."""
        path = f"{volumes.folder(self.node, f'{w.ns}.{snapshot}.snapshot')}/disk.img"
        source = w.files[claim]
        shutil.copyfile(source if not os.path.isdir(source) else source + "/disk.img", path)
        self.taken[w.ns, snapshot] = path
        return path

    def _work(self):
        try:
            while not self.ends.wait(PAUSE):
                for claim in self._list("/api/v1/persistentvolumeclaims"):
                    if self._is_wanted(claim):
                        self._restore(claim)
                for volume in self._list("/api/v1/persistentvolumes"):
                    uid = volume["spec"].get("claimRef", {}).get("uid")
                    if uid in self.restored and volume["status"].get("phase") == "Released":
                        self._remove(volume, uid)
        except Exception as e:      # pylint: disable=broad-except
            self.trouble = e

    def _list(self, path):
        return self.node.request("GET", path)[1]["items"]

    def _is_wanted(self, claim):
        meta, spec = claim["metadata"], claim["spec"]
        source = spec.get("dataSource") or {}
        if source.get("kind") != "VolumeSnapshot" or (meta["namespace"], source["name"]) not in self.taken or meta["uid"] in self.restored or meta.get("deletionTimestamp"):
            return False
        return spec["storageClassName"] != volumes.LATE or any(
            v.get("persistentVolumeClaim", {}).get("claimName") == meta["name"]
            for pod in self._list(f"/api/v1/namespaces/{meta['namespace']}/pods") for v in pod["spec"].get("volumes", []))

    def _restore(self, claim):
        meta, spec = claim["metadata"], claim["spec"]
        folder = volumes.folder(self.node, f"restored-{meta['uid']}")
        image, block = folder + "/disk.img", spec["volumeMode"] == "Block"
        shutil.copyfile(self.taken[meta["namespace"], spec["dataSource"]["name"]], image)
        os.chown(image, volumes.OWNER, volumes.OWNER)
        os.chmod(image, 0o640)
        self.restored[meta["uid"]] = folder
        volumes.volume(self.node, f"restored-{meta['uid']}", volumes.loop(image) if block else folder, block, spec["storageClassName"],
                       spec["resources"]["requests"]["storage"], spec["accessModes"],
                       claimRef={"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]})

    def _remove(self, volume, uid):
        self.node.request("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")
        if volume["spec"].get("volumeMode") == "Block":
            command("losetup", "--detach", volume["spec"]["local"]["path"])
        shutil.rmtree(self.restored.pop(uid))
