#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The container image as images/build makes it: what is in it and what isn't, that its programs run with nothing else around them, as
a pod of Kubernetes would, and that the same inputs give the same bytes.

What is built is in build/image, for other tests and for the user. Needs root, for a chroot.
"""
import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../http"))
# pylint: disable=wrong-import-position
import harness
from harness import REPO, Skip, check, equal

OUT = REPO + "/build/image"
ROOTFS = OUT + "/rootfs"
LARGEST = 20 * harness.MIB
NONROOT = 65532
KUBEVIRT = 107                   # export pods' user
PROGRAMS = "/usr/libexec/vmexport"

# What an intruder would be glad of.
UNWANTED = re.compile(r"(sh|bash|dash|ash|ksh|zsh|busybox|perl[0-9.]*|python[0-9.]*|awk|gawk|mawk|apt.*|dpkg.*|curl|wget|nc|ssh|su|sudo|mount|env|gconv.*)")


def build(*args):
    """Runs images/build; returns what it printed."""
    if os.geteuid() != 0:
        raise Skip("a chroot needs root")
    run = subprocess.run([REPO + "/images/build", *args], capture_output=True, text=True, check=False)
    equal(run.returncode, 0, f"images/build {args}: {(run.stdout + run.stderr)[-2000:]}")
    return run.stdout


def one(folder, ending):
    """The one file of that kind that was built."""
    found = [name for name in os.listdir(folder) if name.startswith("vmexport-") and name.endswith(ending)]
    equal(len(found), 1, f"files *{ending} in {folder}: {found}")
    return os.path.join(folder, found[0])


def read(path):
    with open(path, "rb") as f:
        return f.read()


def inputs():
    """A digest of the sources that git knows or could know, and of the commit."""
    names = subprocess.run("git rev-parse HEAD; git ls-files -z --cached --others --exclude-standard | xargs -0 sha256sum 2>/dev/null", cwd=REPO,
                           shell=True, check=False, capture_output=True).stdout
    return hashlib.sha256(names).hexdigest()


@functools.cache
def built_from():
    return inputs()


@functools.cache
def image():
    """The layout's files by name, as they are in the archive."""
    built_from()
    build()
    with tarfile.open(one(OUT, ".oci.tar")) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar if info.isfile()}


def blob(descriptor):
    """The blob of a descriptor, verified."""
    data = image()["blobs/" + descriptor["digest"].replace(":", "/")]
    equal(len(data), descriptor["size"], "size of " + descriptor["digest"])
    equal("sha256:" + hashlib.sha256(data).hexdigest(), descriptor["digest"], "digest")
    return data


@functools.cache
def manifest():
    index = json.loads(image()["index.json"])
    equal(len(index["manifests"]), 1, "images in the archive")
    return index["manifests"][0], json.loads(blob(index["manifests"][0]))


@functools.cache
def files():
    """{path: member} of the layer."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(manifest()[1]["layers"][0])))) as tar:
        return {"/" + info.name: info for info in tar}


def run(*command):
    """Runs a program in the image's files, with no /proc, no /dev, as another user."""
    image()
    return subprocess.run([shutil.which("chroot"), f"--userspec={NONROOT}:{NONROOT}", ROOTFS, *command], env={}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)


def packages():
    """{name: version} of the status file."""
    text = read(ROOTFS + "/var/lib/dpkg/status").decode()
    return dict(re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", text, re.M | re.S))


# ---- the archive ----

def test_archive_is_a_layout_of_one_image():
    descriptor, content = manifest()
    equal(json.loads(image()["oci-layout"]), {"imageLayoutVersion": "1.0.0"})
    equal(read(one(OUT, ".digest")).decode().strip(), descriptor["digest"], "the digest that is told")
    version = run(PROGRAMS + "/vmexport-controller", "--version").stdout.split()[-1]
    equal(descriptor["annotations"]["org.opencontainers.image.ref.name"], version)
    config = json.loads(blob(content["config"]))
    equal(config["config"]["User"], f"{NONROOT}:{NONROOT}")
    check(config["config"]["Entrypoint"][0] in files(), "the entry point is in the image")
    labels = config["config"]["Labels"]
    for name in ("title", "version", "licenses", "created"):
        check(labels.get("org.opencontainers.image." + name), f"label {name}")
    if os.path.exists(REPO + "/.git"):
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPO, check=True, capture_output=True, text=True).stdout.strip()
        check(labels["org.opencontainers.image.revision"].startswith(head), "label revision")
    layers = content["layers"]
    equal([hashlib.sha256(gzip.decompress(blob(layer))).hexdigest() for layer in layers],
          [digest.removeprefix("sha256:") for digest in config["rootfs"]["diff_ids"]], "diff_ids")
    equal(sorted(image()), sorted(["index.json", "oci-layout"] + ["blobs/" + d["digest"].replace(":", "/")
                                                                  for d in [descriptor, content["config"], *layers]]), "files of the archive")


def test_size():
    size = os.path.getsize(one(OUT, ".oci.tar")) if image() else 0
    check(size <= LARGEST, f"{size} bytes")
    print(f"# {size / harness.MIB:.1f} MiB")


def test_same_inputs_give_the_same_bytes(tmp):
    image()
    build("--as-is", tmp)
    if inputs() != built_from():
        raise Skip("the sources were changed meanwhile")
    for ending in (".oci.tar", ".digest", ".cdx.json"):
        equal(hashlib.sha256(read(one(tmp, ending))).hexdigest(), hashlib.sha256(read(one(OUT, ending))).hexdigest(), "sha256 of " + ending)


# ---- what is in it ----

def test_nothing_to_abuse():
    for path, info in files().items():
        name = os.path.basename(path)
        check(not (UNWANTED.fullmatch(name) and not info.isdir()), f"{path} is in the image")
        check(info.isdir() or info.isfile() or info.issym(), f"{path} is a special file")
        check(not info.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX), f"{path} has mode {info.mode:o}")
        check(info.issym() or not info.mode & (stat.S_IWGRP | stat.S_IWOTH), f"{path} can be written by others")
        equal((info.uid, info.gid), (0, 0), "owner of " + path)
        check(not path.startswith(("/usr/share/man", "/usr/share/locale", "/usr/share/info")), f"{path} is in the image")


def elf_files():
    image()
    for folder, _, names in os.walk(ROOTFS):
        for path in (os.path.join(folder, name) for name in names):
            if not os.path.islink(path) and read(path)[:4] == b"\x7fELF":
                yield path


def test_every_library_is_there_and_none_is_idle():
    needed, libraries = set(), {}
    for path in elf_files():
        text = subprocess.run(["readelf", "--dynamic", "--wide", path], check=True, capture_output=True, text=True).stdout
        mine = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
        check(mine or "(SONAME)" in text, f"{path} is linked with nothing")
        needed.update(mine)
        libraries.update((name, path) for name in re.findall(r"\(SONAME\).*\[(.*)\]", text))
    there = {os.path.basename(path) for path in files() if path.startswith(("/usr/lib/", "/usr/lib64/"))}
    equal(sorted(needed - there), [], "libraries that are not in the image")
    # libgcc_s is opened by the C library, when a thread ends by itself.
    idle = {name for name in libraries if ".so" in name and name not in needed} - {"libgcc_s.so.1"}
    equal(sorted(name for name in idle if "/lighttpd/" not in libraries[name]), [], "libraries that nothing needs")


def test_every_program_is_there_and_stripped():
    makefile = read(REPO + "/Makefile").decode()
    handlers = re.search(r"^HANDLERS := (.*)$", makefile, re.M)[1].split()
    for name in handlers + ["pod", "probe", "vmexport-controller"]:
        check(f"{PROGRAMS}/{name}" in files(), f"{name} is in the image")
    for path in elf_files():
        text = subprocess.run(["readelf", "--sections", "--notes", "--wide", path], check=True, capture_output=True, text=True).stdout
        check(".debug_info" not in text and " .symtab" not in text, f"{path} is not stripped")
        check("Build ID" in text, f"{path} has no build id")


def test_licences_and_packages():
    image()
    found = packages()
    for name in ("libc6", "lighttpd", "ca-certificates", "libssl3t64"):
        check(name in found, f"{name} is in the status file: {sorted(found)}")
    for name in [*found, "vmexport"]:
        check(f"/usr/share/doc/{name}/copyright" in files(), "licence of " + name)
    check(b"trixie" in read(ROOTFS + "/etc/os-release"), "os-release says what it is")
    for name in ("perl-base", "dpkg", "apt", "dash", "bash"):
        check(name not in found, name)


def test_sbom_lists_every_package():
    image()
    sbom = json.loads(read(one(OUT, ".cdx.json")))
    equal(sbom["bomFormat"], "CycloneDX")
    equal(sbom["metadata"]["component"]["name"], "vmexport")
    check(manifest()[0]["digest"] in json.dumps(sbom["metadata"]), "the SBOM names the image's digest")
    listed = {c["name"]: c["version"] for c in sbom["components"] if "arch=source" not in c["purl"]}
    equal(listed, packages(), "packages of the SBOM")


# ---- that it runs ----

def test_programs_run():
    for command, words in (((PROGRAMS + "/vmexport-controller", "--help"), "--api-group"), ((PROGRAMS + "/pod", "--help"), "VMEXPORT_VOLUMES"),
                           (("/usr/sbin/lighttpd", "-V"), "TLS support")):
        done = run(*command)
        equal(done.returncode, 0, f"{command}: {done.stderr}")
        check(words in done.stdout, f"{command}: {done.stdout}")
    for name in os.listdir(ROOTFS + PROGRAMS):
        done = run(f"{PROGRAMS}/{name}")
        check("error while loading" not in done.stderr, done.stderr)
        check(done.returncode not in (126, 127), f"{name} ends with {done.returncode}: {done.stderr}")


def test_certificates_of_the_public_authorities_are_there():
    check(files()["/etc/ssl/certs/ca-certificates.crt"].size > 100000, "ca-certificates.crt")
    text = subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-certfile", ROOTFS + "/etc/ssl/certs/ca-certificates.crt"], check=True,
                          capture_output=True).stdout
    check(len(text) > 100000, "certificates that OpenSSL reads")


# What Kubernetes does: the image read-only, mounts, an environment of its own, a user without rights.
CONTAINER = """
root=$1 pod=$2 disk=$3 port=$4 program=$5
mount --bind "$root" "$root"
for folder in cert token manifest_data export-volumes/disk; do mkdir -p "$root/$folder"; done
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/run/vmexport"
mount --bind "$pod/cert" "$root/cert"
mount --bind "$pod/token-volume" "$root/token"
mount --bind "$disk" "$root/export-volumes/disk"
mount -o remount,bind,ro "$root"
exec env -i VMEXPORT_VOLUMES="disk disk id-1 /export-volumes/disk" VMEXPORT_PORT="$port" VMEXPORT_GRACE_SECONDS=5 \\
    "$(command -v setpriv)" --no-new-privs "$(command -v chroot)" --userspec=107:107 --groups= "$root" "$program"
"""


@contextlib.contextmanager
def container(tmp, disk):
    """An export pod in the image's files, over a volume with one disk."""
    image()
    root = tmp + "/root"
    shutil.copytree(ROOTFS, root, symlinks=True)
    folder = tmp + "/volume"
    os.mkdir(folder)
    shutil.copy(disk, folder + "/disk.img")
    pod = harness.Pod([])
    pod.wrapper = ["unshare", "--mount", "--propagation", "private", "bash", "-euc", CONTAINER, "container", root, pod.dir, folder,
                   str(pod.port)]
    pod.program = PROGRAMS + "/pod"
    os.mkdir(pod.dir + "/token-volume")
    shutil.copy(pod.token_file, pod.dir + "/token-volume/token")
    for path in ("cert", "cert/tls.crt", "cert/tls.key"):
        os.chown(f"{pod.dir}/{path}", KUBEVIRT, KUBEVIRT)
    with pod:
        yield pod


def test_serves_a_disk_read_only_as_kubevirts_user(tmp, disk):
    with container(tmp, disk) as pod:
        equal(os.stat(f"/proc/{pod.pid('pod')}").st_uid, KUBEVIRT, "the pod's user")
        want = read(disk)
        equal(pod.get("/volumes/disk/disk.img").body == want, True, "raw")
        equal(gzip.decompress(pod.get("/volumes/disk/disk.img.gz").body) == want, True, "gzip")
        equal(pod.get("/volumes/disk/disk.img", token=None).status, 401, "without a token")


harness.main(globals())
