#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""disk.tar.gz: what is extracted is what was there, or the download fails."""
import contextlib
import filecmp
import io
import os
import shutil
import socket
import stat
import subprocess
import tarfile
import time
import zlib

import harness
from harness import MIB, NOBODY, VARIANT, Pod, Skip, check, equal, wait_until

TAR = "/volumes/tree/disk.tar.gz"
UTF8 = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC")
MANY = 2000 if VARIANT in ("asan", "tsan") else 20000


def unzip(data):
    """The content of the one gzip member that `data` is to be."""
    member = zlib.decompressobj(31)
    content = member.decompress(data) + member.flush()
    check(member.eof and not member.unused_data, "one gzip member, whole")
    return content


def opened(content):
    return tarfile.open(fileobj=io.BytesIO(content), mode="r:", encoding="utf-8", errors="surrogateescape")


def archive(pod, path=TAR):
    r = pod.get(path)
    equal((r.status, r.headers["Content-Type"]), (200, "application/gzip"), path)
    return opened(unzip(r.body))


def by_gnu_tar(file, folder):
    subprocess.run(["tar", "--xattrs", "--xattrs-include=user.*", "-xpzf", file, "-C", folder], check=True, capture_output=True, env=UTF8)


def by_bsdtar(file, folder):
    if not shutil.which("bsdtar"):
        raise Skip("needs bsdtar")
    subprocess.run(["bsdtar", "-S", "-xpzf", file, "-C", folder], check=True, capture_output=True, env=UTF8)


def by_python(file, folder):
    with open(file, "rb") as f, opened(unzip(f.read())) as t:
        t.extractall(folder, **({"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}))


def extracted(pod, tmp, extract, path=TAR):
    """Downloads and extracts; returns the new folder, as bytes."""
    folder = f"{tmp}/{extract.__name__}"
    os.mkdir(folder)
    equal(pod.curl(path, "-f", "-o", folder + ".tar.gz").returncode, 0, "curl")
    extract(folder + ".tar.gz", folder)
    return os.fsencode(folder)


def walk(top):
    """{path: lstat} of all below `top` that an archive holds; all paths in bytes."""
    found = {b".": os.lstat(top)}
    for base, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(base, name)
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                found[os.path.relpath(path, top)] = os.lstat(path)
    return {path: st for path, st in found.items() if path.split(b"/")[0] != b"lost+found"}


def same_content(source, copy, path, st):
    a, b = os.path.join(source, path), os.path.join(copy, path)
    if stat.S_ISLNK(st.st_mode):
        equal(os.readlink(b), os.readlink(a), f"target of {path}")
    if stat.S_ISREG(st.st_mode):
        check(filecmp.cmp(a, b, shallow=False), f"{path}: bytes differ")


def time_is_restored(extract, path, st):
    """bsdtar leaves the folder itself as it is, Python symbolic links."""
    return (extract is not by_bsdtar or path != b".") and (extract is not by_python or not stat.S_ISLNK(st.st_mode))


def same_tree(source, copy, extract=by_gnu_tar):
    """Names, types, modes, times, targets, bytes, and which names are one file."""
    want, got = walk(os.fsencode(source)), walk(copy)
    equal(sorted(got), sorted(want), "names")
    for path, st in want.items():
        equal(got[path].st_mode, st.st_mode, f"mode of {path}")
        if time_is_restored(extract, path, st):
            equal(int(got[path].st_mtime), int(st.st_mtime), f"mtime of {path}")
        same_content(os.fsencode(source), copy, path, st)
    for a in (p for p, st in want.items() if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode)):
        for b in want:
            equal(got[a].st_ino == got[b].st_ino, want[a].st_ino == want[b].st_ino, f"{a} and {b} are one file")


def write(path, data=b"data\n", mode=0o644):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


@contextlib.contextmanager
def volume(path, **options):
    with Pod([("tree", "archive", "-", path)], **options) as pod:
        yield pod


def folder(tmp):
    os.mkdir(tmp + "/source")
    os.chmod(tmp + "/source", 0o755)
    return tmp + "/source"


# ---- whole trees ----

def test_gnu_tar_extracts_what_was_there(pod, tree, tmp):
    same_tree(tree, extracted(pod, tmp, by_gnu_tar))


def test_bsdtar_extracts_what_was_there(pod, tree, tmp):
    same_tree(tree, extracted(pod, tmp, by_bsdtar), by_bsdtar)


def test_python_extracts_what_was_there(pod, tree, tmp):
    same_tree(tree, extracted(pod, tmp, by_python), by_python)


def test_names_start_with_dot_slash_in_byte_order(pod):
    with archive(pod) as t:
        names = [m.name.encode("utf-8", "surrogateescape") for m in t]
    equal(names[0].rstrip(b"/"), b".", "the root comes first")
    check(all(name.startswith(b"./") for name in names[1:]), "a name without ./")
    top = [name for name in names[1:] if name.count(b"/") == 1]
    equal(top, sorted(top), "order")


def test_modes_owners_and_times_are_kept(tmp):
    source = folder(tmp)
    if os.geteuid() != 0:
        raise Skip("owners need root")
    for i, mode in enumerate((0o000, 0o400, 0o755, 0o777, 0o4755, 0o2755, 0o1777, 0o6711)):
        write(f"{source}/file{i}", mode=mode)
        os.mkdir(f"{source}/folder{i}")
        os.chmod(f"{source}/folder{i}", mode)
    for i, (owner, when) in enumerate(((0, 0), (107, 1), (1234567, 1 << 31), (4000000000, 1 << 33), (65534, -1))):
        os.chown(f"{source}/file{i}", owner, owner)
        os.chmod(f"{source}/file{i}", 0o600 + i)
        os.utime(f"{source}/file{i}", (when, when))
    with volume(source) as pod:
        copy = extracted(pod, tmp, by_gnu_tar)
        same_tree(source, copy)
        for path, st in walk(os.fsencode(source)).items():
            equal((walk(copy)[path].st_uid, walk(copy)[path].st_gid), (st.st_uid, st.st_gid), f"owner of {path}")


def test_long_names_and_targets(tmp):
    source = folder(tmp)
    deep = source
    for length in (100, 101, 155, 156, 255):
        write(f"{source}/{'f' * length}")
        os.symlink("t" * length, f"{source}/l{length}")
        deep += "/" + "d" * length
        os.mkdir(deep)
        write(deep + "/file")
    os.symlink("x/" * 2000 + "end", source + "/longest")
    os.symlink("y", deep + "/" + "l" * 255)
    os.link(deep + "/file", source + "/hard")
    with volume(source) as pod:
        for extract in (by_gnu_tar, by_bsdtar, by_python):
            same_tree(source, extracted(pod, tmp, extract), extract)


def test_names_are_bytes(tmp):
    source = os.fsencode(folder(tmp))
    names = [b"x%cy" % c for c in range(1, 256) if c != 47] + [b"\xff" * 255, b"\xc3\xa9" * 127, b" ", b"-rf", b"a\nb", b"\xed\xa0\x80", b"\\", b"*"]
    for i, name in enumerate(names):
        write(os.path.join(source, name), name)
        os.symlink(name, os.path.join(source, b"link%d" % i))
    os.mkdir(os.path.join(source, b"\xe9"))
    os.link(os.path.join(source, b"x\xffy"), os.path.join(source, b"\xe9", b"hard\xfe"))
    with volume(os.fsdecode(source)) as pod:
        for extract in (by_gnu_tar, by_python):
            same_tree(source, extracted(pod, tmp, extract), extract)


def test_very_many_small_files(tmp):
    source = folder(tmp)
    for i in range(MANY):
        if i % 1000 == 0:
            os.mkdir(f"{source}/{i // 1000}")
        write(f"{source}/{i // 1000}/file-{i}", b"content of %d\n" % i)
    with volume(source) as pod:
        same_tree(source, extracted(pod, tmp, by_gnu_tar))


def test_many_names_of_one_file(tmp):
    source = folder(tmp)
    write(source + "/a", os.urandom(MIB))
    for i in range(50):
        os.link(source + "/a", f"{source}/b{i}")
    with volume(source) as pod:
        copy = extracted(pod, tmp, by_gnu_tar)
        same_tree(source, copy)
        check(os.stat(tmp + "/by_gnu_tar.tar.gz").st_size < 2 * MIB, "its content is there once")


def test_an_empty_volume_is_an_archive_of_its_root(tmp):
    with volume(folder(tmp)) as pod:
        with archive(pod) as t:
            equal([m.name.rstrip("/") for m in t], ["."])
        same_tree(tmp + "/source", extracted(pod, tmp, by_gnu_tar))


def test_paths_longer_than_the_kernel_takes(tmp):
    source = folder(tmp)
    fd = os.open(source, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("deeper-and-deeper", dir_fd=fd)
        fd, old = os.open("deeper-and-deeper", os.O_RDONLY, dir_fd=fd), fd
        os.close(old)
    os.close(fd)
    with volume(source) as pod, archive(pod) as t:
        equal(max(m.name.count("/") for m in t), 300, "depth")


# ---- sparse files ----

def make_sparse(path, size, *extents):
    with open(path, "wb") as f:
        f.truncate(size)
        for offset, data in extents:
            f.seek(offset)
            f.write(data)
    if os.stat(path).st_blocks * 512 > size // 2:
        raise Skip("the file system has no sparse files")


def test_sparse_files_stay_sparse(tmp):
    source = folder(tmp)
    data = os.urandom(100000)
    make_sparse(source + "/middle", 32 * MIB + 7, (8 * MIB + 5, data), (20 * MIB, data))
    make_sparse(source + "/start", 32 * MIB, (0, data))
    make_sparse(source + "/end", 32 * MIB, (32 * MIB - len(data), data))
    make_sparse(source + "/hole", 32 * MIB)
    make_sparse(source + "/odd-hole", 32 * MIB + 1)
    make_sparse(source + "/extents", 64 * MIB, *((i * 65536, b"%d" % i) for i in range(0, 1024, 4)))
    with volume(source) as pod:
        for extract in (by_gnu_tar, by_bsdtar, by_python):
            copy = extracted(pod, tmp, extract)
            same_tree(source, copy, extract)
            for path, st in walk(os.fsencode(source)).items():
                blocks = os.lstat(os.path.join(copy, path)).st_blocks
                check(blocks <= st.st_blocks + 64, f"{extract.__name__}: {path} has {blocks} blocks, had {st.st_blocks}")
            shutil.rmtree(copy)


def test_a_sparse_file_costs_what_its_data_cost(tmp):
    source = folder(tmp)
    make_sparse(source + "/hole", 1 << 33)
    with volume(source) as pod:
        start = time.time()
        r = pod.get(TAR)
        check(len(r.body) < 10000 and len(unzip(r.body)) < 10240, f"{len(r.body)} bytes")
        check(time.time() - start < 5 * harness.SLOW, "it takes no time")


def test_files_beyond_8_gib(tmp):
    source = folder(tmp)
    size = (9 << 30) + 123
    make_sparse(source + "/big", size, (0, b"start"), (8 << 30, b"middle"), (size - 3, b"end"))
    with volume(source) as pod:
        for extract in (by_gnu_tar, by_bsdtar):
            with open(extracted(pod, tmp, extract) + b"/big", "rb") as f:
                st = os.fstat(f.fileno())
                equal(st.st_size, size, "size")
                check(st.st_blocks < 1000, f"{st.st_blocks} blocks")
                for offset, data in ((0, b"start"), (8 << 30, b"middle"), (size - 3, b"end")):
                    f.seek(offset)
                    equal(f.read(len(data)), data, f"at {offset}")


# ---- what tar can or cannot hold ----

def test_extended_attributes_are_kept(tmp):
    source = folder(tmp)
    write(source + "/file")
    os.mkdir(source + "/directory")
    values = {"user.note": b"text", "user.binary": bytes(range(256)), "user.empty": b""}
    try:
        for name, value in values.items():
            os.setxattr(source + "/file", name.encode(), value)
            os.setxattr(source + "/directory", name.encode(), value)
    except OSError as e:
        raise Skip("the file system has no attributes") from e
    with volume(source) as pod:
        for extract in (by_gnu_tar, by_bsdtar):
            copy = extracted(pod, tmp, extract)
            for path in (b"/file", b"/directory"):
                got = {name: os.getxattr(copy + path, name) for name in os.listxattr(copy + path) if name.startswith("user.")}
                want = {name: os.getxattr(source + os.fsdecode(path), name) for name in os.listxattr(source + os.fsdecode(path)) if name.startswith("user.")}
                equal(got, want, f"{extract.__name__}, {path}")


def test_fifos_and_device_nodes_are_kept_and_not_opened(tmp):
    source = folder(tmp)
    os.mkfifo(source + "/fifo", 0o640)
    if os.geteuid() == 0:
        os.mknod(source + "/null", 0o660 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(source + "/block", 0o660 | stat.S_IFBLK, os.makedev(7, 250))
    with volume(source) as pod:
        copy = extracted(pod, tmp, by_gnu_tar)
        same_tree(source, copy)
        for path, st in walk(os.fsencode(source)).items():
            equal(os.lstat(os.path.join(copy, path)).st_rdev, st.st_rdev, f"device of {path}")


def test_sockets_are_left_out_and_the_log_says_so(tmp):
    source = folder(tmp)
    for name in ("a", "b", "c"):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(f"{source}/{name}")
    write(source + "/file")
    with volume(source) as pod:
        with archive(pod) as t:
            equal([m.name.rstrip("/") for m in t], [".", "./file"])
        wait_until(lambda: any("3 sockets" in line["msg"] for line in pod.log_lines() if "msg" in line), "the log counts them")
        check(any("'./a'" in line.get("msg", "") and "socket" in line["msg"] for line in pod.log_lines()), "the log names the first")


def test_lost_and_found_is_left_out_at_the_root_only(pod, tree):
    with archive(pod) as t:
        names = [m.name.rstrip("/") for m in t]
    check(os.path.exists(tree + "/lost+found/drop"), "it is there")
    check(not any(name.startswith("./lost+found") for name in names), "at the root")
    check("./sub/lost+found/keep" in names, "below")


def test_a_file_named_lost_and_found_is_kept(tmp):
    source = folder(tmp)
    write(source + "/lost+found")
    with volume(source) as pod, archive(pod) as t:
        check("./lost+found" in t.getnames(), "a file of that name is somebody's")


def test_links_are_kept_and_never_followed(tmp):
    source = folder(tmp)
    write(tmp + "/outside", b"SECRET")
    for name, target in (("absolute", "/etc/passwd"), ("up", "../outside"), ("folder", "/etc"), ("loop", "loop"), ("dangling", "nowhere")):
        os.symlink(target, f"{source}/{name}")
    with volume(source) as pod:
        content = unzip(pod.get(TAR).body)
        with opened(content) as t:
            equal({m.name: m.linkname for m in t if m.issym()}, {"./" + n: os.readlink(f"{source}/{n}") for n in os.listdir(source)})
        check(b"SECRET" not in content and b"root:" not in content, "what they lead to")


# ---- the download ----

def test_two_downloads_are_byte_for_byte_the_same(pod):
    check(pod.get(TAR).body == pod.get(TAR).body, "bytes differ")


def test_head_has_the_headers_of_get(pod):
    get, head = pod.get(TAR), pod.get(TAR, method="HEAD")
    equal((head.status, head.body), (200, b""))
    headers = [{k: v for k, v in r.headers.items() if k not in ("Date", "Transfer-Encoding", "Connection")} for r in (head, get)]
    equal(headers[0], headers[1], "headers")


def test_the_archive_has_its_end(pod):
    """Two blocks of zeros, without which a reader cannot tell it from one that was cut between two entries."""
    content = unzip(pod.get(TAR).body)
    equal((len(content) % 512, content[-1024:].strip(b"\0"), content[-2048:-1024].strip(b"\0") != b""), (0, b"", True), "the last blocks")


def test_a_range_is_ignored(pod):
    r = pod.get(TAR, headers={"Range": "bytes=0-9"})
    equal((r.status, r.headers["Content-Range"], r.headers["Accept-Ranges"]), (200, None, "none"))
    unzip(r.body)


def test_a_disk_is_no_archive_and_says_what_it_has(pod):
    r = pod.get("/volumes/disk/disk.tar.gz")
    equal(r.status, 404)
    check(b"disk.img.gz" in r.body, r.body)


def test_an_unknown_word_for_unreadable_is_400(pod):
    for word in ("x", "LIST", "list,x", ""):
        equal(pod.get(f"{TAR}?unreadable={word}").status, 400, word)
    equal(pod.get(TAR + "?unreadable=list", method="HEAD").status, 200)


def test_a_slow_client_gets_all_of_it_though_files_grow(tmp):
    source = folder(tmp)
    for i in range(6):
        write(f"{source}/{i}", os.urandom(2 * MIB))
    with open(source + "/5", "rb") as f:
        want = f.read()
    with volume(source) as pod:
        r = pod.open(TAR)
        got = r.read(MIB)
        while part := r.read(MIB):
            with open(source + "/0", "ab") as f:
                f.write(b"more")
            got += part
            time.sleep(0.05)
        with opened(unzip(got)) as t:
            equal([m.size for m in t if m.isreg()], [2 * MIB] * 6, "sizes")
            check(t.extractfile("./5").read() == want, "bytes of the last file")


# ---- what cannot be read ----

def make_unreadable(source):
    for name in ("before", "secret", "after"):
        write(f"{source}/{name}")
    os.mkdir(source + "/closed")
    write(source + "/closed/file")
    os.chmod(source + "/secret", 0)
    os.chmod(source + "/closed", 0)


def test_an_unreadable_file_fails_the_download_and_the_log_names_it(tmp):
    source = folder(tmp)
    write(source + "/first", os.urandom(MIB))
    write(source + "/secret", mode=0)
    with volume(source, uid=NOBODY) as pod:
        result = pod.curl(TAR, "-f")
        check(result.returncode != 0, "curl succeeds")
        wait_until(lambda: any("'./secret'" in line.get("msg", "") and "volume 'tree'" in line["msg"] for line in pod.log_lines()), "the log names file and volume")
        with contextlib.suppress(zlib.error):
            member = zlib.decompressobj(31)
            member.decompress(result.stdout)
            check(not member.eof, "what came ends like a whole file")


def test_an_unreadable_directory_fails_the_download_and_the_log_names_it(tmp):
    source = folder(tmp)
    os.mkdir(source + "/closed")
    os.chmod(source + "/closed", 0o311)
    with volume(source, uid=NOBODY) as pod:
        check(pod.curl(TAR, "-f").returncode != 0, "curl succeeds")
        wait_until(lambda: any("'./closed'" in line.get("msg", "") for line in pod.log_lines()), "the log names it")


def test_unreadable_files_are_listed_when_that_is_asked_for(tmp):
    source = folder(tmp)
    make_unreadable(source)
    with volume(source, uid=NOBODY) as pod, archive(pod, TAR + "?unreadable=list") as t:
        names = [m.name.rstrip("/") for m in t]
        equal(sorted(set(names) - {"./closed"}), [".", "./UNREADABLE-FILES.txt", "./after", "./before"])
        equal(names[-1], "./UNREADABLE-FILES.txt", "the last")
        lines = t.extractfile("./UNREADABLE-FILES.txt").read().decode().splitlines()
        equal([line.split(":")[0] for line in lines], ["./closed", "./secret"])
        check(all("Permission denied" in line for line in lines), lines)
        wait_until(lambda: sum("as asked" in line.get("msg", "") for line in pod.log_lines()) == 2, "the log has them too")


def test_a_directory_that_cannot_be_searched_is_listed_file_by_file(tmp):
    source = folder(tmp)
    os.mkdir(source + "/blind")
    write(source + "/blind/a")
    write(source + "/blind/b")
    os.chmod(source + "/blind", 0o744)
    with volume(source, uid=NOBODY) as pod:
        check(pod.curl(TAR, "-f").returncode != 0, "curl succeeds")
        with archive(pod, TAR + "?unreadable=list") as t:
            equal([m.name.rstrip("/") for m in t], [".", "./blind", "./UNREADABLE-FILES.txt"])
            lines = t.extractfile("./UNREADABLE-FILES.txt").read().decode().splitlines()
        equal([line.split(":")[0] for line in lines], ["./blind/a", "./blind/b"])


def test_without_unreadable_files_there_is_no_list(pod):
    with archive(pod, TAR + "?unreadable=list") as t:
        check("./UNREADABLE-FILES.txt" not in t.getnames(), "a list of nothing")


def test_a_volume_whose_root_cannot_be_read_is_403(tmp):
    source = folder(tmp)
    os.chmod(source, 0)
    with volume(source, uid=NOBODY) as pod:
        for query in ("", "?unreadable=list"):
            equal(pod.get(TAR + query).status, 403, query)


if __name__ == "__main__":
    harness.main(globals())
