#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs a folder as a container image of one layer: an OCI image layout in a tar archive, the same bytes for the same input.

    images/oci.py --rootfs FOLDER --version V --revision COMMIT --arch ARCH ARCHIVE

The times of all files are SOURCE_DATE_EPOCH, their owner is root. Formats: OCI image specification 1.1, image-layout.md, manifest.md,
config.md and annotations.md. The archive can be read by skopeo, podman, buildah ("oci-archive:") and containerd ("ctr image import").
"""
import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import stat
import tarfile

ENTRYPOINT = ["/usr/libexec/vmexport/vmexport-controller"]
COMMAND = ["--help"]
USER = "65532:65532"
PATH = "/usr/libexec/vmexport:/usr/bin:/usr/sbin"
NAME = "org.opencontainers.image.ref.name"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def entry(name, epoch):
    """The head of a member of a tar archive, owned by root."""
    info = tarfile.TarInfo(name)
    info.mtime = epoch
    return info


def layer(rootfs, epoch):
    """The folder as a tar archive, in the order of the names. Hard links are written as files of their own."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder, folders, files in os.walk(rootfs):
            folders.sort()
            for name in sorted(folders + files):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                info = entry(os.path.relpath(path, rootfs), epoch)
                info.mode = stat.S_IMODE(status.st_mode)
                if stat.S_ISLNK(status.st_mode):
                    info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
                    tar.addfile(info)
                elif stat.S_ISDIR(status.st_mode):
                    info.type = tarfile.DIRTYPE
                    tar.addfile(info)
                elif stat.S_ISREG(status.st_mode):
                    info.size = status.st_size
                    with open(path, "rb") as f:
                        tar.addfile(info, f)
                else:
                    raise SystemExit(f"oci.py: '{path}' is no file, link or folder: an image has no use for it")
    return out.getvalue()


class Layout:
    """The files of an image layout."""

    def __init__(self):
        self.files = {"oci-layout": canonical({"imageLayoutVersion": "1.0.0"})}

    def add(self, media_type, data, **more):
        """Adds a blob and returns its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def write(self, path, epoch):
        with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for folder in ("blobs", "blobs/sha256"):
                info = entry(folder, epoch)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            for name, data in sorted(self.files.items()):
                info = entry(name, epoch)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def image(args, epoch):
    """The layout, and the digest of the image's manifest."""
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {f"org.opencontainers.image.{name}": value for name, value in (
        ("title", "vmexport"), ("description", "VM disk export for Kubernetes"), ("version", args.version),
        ("revision", args.revision), ("licenses", "Apache-2.0"), ("created", created), ("source", args.source)) if value}
    tar = layer(args.rootfs, epoch)
    layout = Layout()
    config = {"architecture": args.arch, "os": "linux", "created": created,
              "config": {"User": USER, "Entrypoint": ENTRYPOINT, "Cmd": COMMAND, "Env": ["PATH=" + PATH], "WorkingDir": "/", "Labels": labels},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]},
              "history": [{"created": created, "created_by": "images/build"}]}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layout.add(CONFIG, canonical(config)),
                "layers": [layout.add(LAYER, gzip.compress(tar, 9, mtime=0))], "annotations": labels}
    descriptor = layout.add(MANIFEST, canonical(manifest), platform={"architecture": args.arch, "os": "linux"},
                            annotations={NAME: args.version, "io.containerd.image.name": f"{args.name}:{args.version}"})
    layout.files["index.json"] = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]})
    return layout, descriptor["digest"]


def main():
    parser = argparse.ArgumentParser(description="Packs a folder as an OCI image.")
    parser.add_argument("--rootfs", required=True)
    parser.add_argument("--name", default="docker.io/library/vmexport", help="what containerd calls it")
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", default="", help="commit of the sources")
    parser.add_argument("--source", default="", help="address of the sources")
    parser.add_argument("--arch", required=True, help="as Go and Debian call it: amd64, arm64")
    parser.add_argument("archive")
    args = parser.parse_args()
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    layout, digest = image(args, epoch)
    layout.write(args.archive, epoch)
    print(digest)


if __name__ == "__main__":
    main()
