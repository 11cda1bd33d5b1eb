# SPDX-License-Identifier: Apache-2.0
"""The disks and the tree that are exported: made once, kept, the same each time.

Their content is a sample of this machine's /usr: its files in the order of a hash of their names, so that
programs, libraries and documents are mixed as they are there, whatever the machine has installed.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import time

MIB = 1 << 20
GIB = 1 << 30
TREE_BYTES = 665 * MIB
SPARSE_BYTES = 8 * GIB
DENSE_BYTES = GIB
DEFAULT_FOLDER = "/var/tmp/vmexport-bench"
# One huge file would be the sample.
FILE_MAX = 32 * MIB
# A virtual machine's kernel gives freed memory back to the host in the background.
SETTLE_SECONDS = 3
SAMPLED = ("bin", "lib", "share")


def note(text):
    print(text, file=sys.stderr, flush=True)


def walk_files(top):
    for path, dirs, files in os.walk(top):
        dirs.sort()
        for name in files:
            yield os.path.join(path, name)


def sample(root="/usr"):
    """The readable files of root, relative, as (path, size), in the order of the hash of their paths."""
    found = []
    for part in SAMPLED:
        for path in walk_files(os.path.join(root, part)):
            info = os.lstat(path)
            plain = stat.S_ISREG(info.st_mode) and info.st_size <= FILE_MAX and os.access(path, os.R_OK)
            if plain or stat.S_ISLNK(info.st_mode):
                size = info.st_size if plain else 0
                found.append((os.path.relpath(path, root), size))
    return sorted(found, key=lambda file: hashlib.sha1(os.fsencode(file[0])).digest())


def make_tree(tree, _):
    left = TREE_BYTES
    for path, size in sample():
        if left <= 0:
            return
        copy = os.path.join(tree, path)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copy2(os.path.join("/usr", path), copy, follow_symlinks=False)
        left -= size
    note(f"note: /usr has only {(TREE_BYTES - left) // MIB} MiB to sample")


def make_sparse(image, folder):
    with open(image, "wb") as file:
        file.truncate(SPARSE_BYTES)
    mkfs = shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    subprocess.run([mkfs or "mkfs.ext4", "-q", "-F", "-d", os.path.join(folder, "tree"), image], check=True)


def make_dense(image, _):
    names = b"".join(os.fsencode(path) + b"\0" for path, _ in sample())
    command = ["tar", "-cf", "-", "-C", "/usr", "--no-recursion", "--null", "-T", "-"]
    with open(image, "wb") as file:
        while file.tell() < DENSE_BYTES:
            before = file.tell()
            copy_tar(command, names, file)
            if file.tell() == before:
                raise RuntimeError("tar of /usr gave nothing")


def copy_tar(command, names, file):
    """Appends what tar writes, as far as there is room in the image."""
    with open(file.name + ".names", "wb+") as listing:
        listing.write(names)
        listing.seek(0)
        with subprocess.Popen(command, stdin=listing, stdout=subprocess.PIPE) as tar:
            while data := tar.stdout.read(min(MIB, DENSE_BYTES - file.tell())):
                file.write(data)
            tar.stdout.close()  # it ends by SIGPIPE when the image is full
    os.unlink(file.name + ".names")


def make_random(image, _):
    with open(image, "wb") as file:
        for _ in range(DENSE_BYTES // MIB):
            file.write(os.urandom(MIB))


# In the order in which they need each other.
MAKERS = {"tree": make_tree, "sparse.img": make_sparse, "dense.img": make_dense, "random.img": make_random}


def sha256_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(MIB):
            digest.update(data)
    return digest.hexdigest()


def holes(descriptor):
    size, end = os.fstat(descriptor).st_size, 0
    while end < size:
        start = os.lseek(descriptor, end, os.SEEK_HOLE)
        if start >= size:
            return
        try:
            end = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            end = size  # nothing but the hole is left
        yield start, end


class Inputs:
    """The folder of inputs. What is there is used as it is: remove the folder to have them made again."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        for name, make in MAKERS.items():
            if not os.path.exists(self.path(name)):
                note(f"making {self.path(name)} ...")
                self._make(name, make)

    def path(self, name):
        return os.path.join(self.folder, name)

    def _make(self, name, make):
        """Under another name until it is whole."""
        partial = self.path(name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(partial)
        if name == "tree":
            os.mkdir(partial)
        make(partial, self.folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(name + ".sha256"))
        os.rename(partial, self.path(name))

    def sha256(self, name):
        kept = self.path(name + ".sha256")
        if not os.path.exists(kept):
            with open(kept + ".partial", "w", encoding="ascii") as file:
                file.write(sha256_file(self.path(name)))
            os.rename(kept + ".partial", kept)
        with open(kept, encoding="ascii") as file:
            return file.read()

    def tree_entries(self):
        """How many names an archive of the tree has, the root counted."""
        return sum(len(dirs) + len(files) for _, dirs, files in os.walk(self.path("tree"))) + 1

    def drop_holes(self, name):
        """Takes the holes of a file out of the page cache, where reading them has put pages of zeros."""
        with open(self.path(name), "rb") as file:
            for start, end in holes(file.fileno()):
                os.posix_fadvise(file.fileno(), start, end - start, os.POSIX_FADV_DONTNEED)
        time.sleep(SETTLE_SECONDS)

    def warm(self, name):
        """Reads it into the page cache, holes too."""
        paths = walk_files(self.path(name)) if name == "tree" else [self.path(name)]
        for path in paths:
            if not os.path.islink(path):
                with open(path, "rb", buffering=0) as file:
                    while file.read(MIB):
                        pass


@contextlib.contextmanager
def loop_device(path):
    """A read-only block device of the file; RuntimeError says why there is none."""
    losetup = shutil.which("losetup", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not losetup:
        raise RuntimeError("no losetup")
    made = subprocess.run([losetup, "-r", "-f", "--show", path], capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(made.stderr.strip())
    device = made.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run([losetup, "-d", device], check=False)
