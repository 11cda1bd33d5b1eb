# SPDX-License-Identifier: Apache-2.0
"""Images for the node, made without a container engine: archives as `docker save` writes them, of files of this machine.

    images.pause(path)              what holds a pod's namespaces
    images.tools(path, "curl")      busybox with all its names, and programs of this machine with their libraries: named TOOLS

Pods name them in full and with imagePullPolicy Never: there is nowhere to pull from.
"""
import hashlib
import io
import json
import os
import re
import shutil
import tarfile

from machine import Failed, build_pause, command

PAUSE, TOOLS = "docker.io/vmexport/pause:test", "docker.io/vmexport/tools:test"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _entry(name, kind=tarfile.REGTYPE, mode=0o755, **more):
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.type, entry.mode = kind, mode
    for key, value in more.items():
        setattr(entry, key, value)
    return entry


def _layer(files, links):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(_entry("/tmp", tarfile.DIRTYPE, 0o1777))
        for name, source in files.items():
            with open(source, "rb") as f:
                tar.addfile(_entry(name, size=os.path.getsize(source)), f)
        for name, target in links.items():
            tar.addfile(_entry(name, tarfile.SYMTYPE, 0o777, linkname=target))
    return out.getvalue()


def write(path, name, files, entrypoint, links=None):
    """Writes the archive of an image called `name`: `files` are {its path in the image: the file here}, all of them executable,
    `links` {path: target}."""
    layer = _layer(files, links or {})
    config = {"architecture": ARCHITECTURES[os.uname().machine], "os": "linux", "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin:/usr/bin"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        for member, data in (("layer.tar", layer), ("config.json", json.dumps(config).encode()), ("manifest.json", json.dumps(manifest).encode())):
            tar.addfile(_entry(member, mode=0o644, size=len(data)), io.BytesIO(data))
    return path


def pause(path):
    program = path + ".program"
    build_pause(program)
    write(path, PAUSE, {"/pause": program}, ["/pause"])
    os.unlink(program)
    return path


def with_libraries(program):
    """{path in an image: file here} of a program of this machine and the libraries it is linked with."""
    found = shutil.which(program)
    if not found:
        raise Failed(f"there is no {program} to put into an image: tools/deps run cluster node installs what the tests need")
    files = {"/bin/" + os.path.basename(program): os.path.realpath(found)}
    try:
        libraries = command("ldd", files["/bin/" + os.path.basename(program)])
    except Failed:      # a static one
        return files
    for library in re.findall(r"(/\S+) \(0x", libraries):
        files[library] = os.path.realpath(library)
    return files


def tools(path, *programs):
    """The image TOOLS; its pods sleep until they are deleted unless they have a command."""
    files = {name: source for program in ("busybox", *programs) for name, source in with_libraries(program).items()}
    links = {"/bin/" + name: "busybox" for name in command("busybox", "--list").split() if name != "busybox"}
    return write(path, TOOLS, files, ["/bin/sleep", "2147483647"], {name: target for name, target in links.items() if name not in files})
