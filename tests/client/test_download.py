#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Downloads that nothing goes wrong with, from the real export server: every format, every kind of output."""
import contextlib
import io
import os
import pty
import re
import stat
import subprocess
import tarfile
import termios
import threading
import time
import zlib

import fixture
from fixture import FAILED, MIB, NOT_FOUND, USAGE, check, equal, eventually, gunzip, same

ALLOCATED = 1.1             # of the source's, at most: a file system may round


def sparse(w, name, disk):
    check(disk.allocated < 0.9 * len(disk.data), "files aren't sparse here")
    check(w.allocated(name) <= disk.allocated * ALLOCATED, f"{w.allocated(name)} bytes allocated, the source has {disk.allocated}")


def test_gzip_is_the_default(w, pod, disk):
    w.existing(pod)
    for args in ((), ("--format=gzip",)):
        w.download("--output=d.gz", *args)
        same(gunzip(w.read("d.gz")), disk.data)
    same(w.read("d.gz"), pod.get("/volumes/disk/disk.img.gz").body, "the stream")
    check(w.exp(), "an export that it didn't make was deleted")
    equal(w.files(), ["d.gz"])


def test_raw_from_gzip(w, pod, disk):
    w.existing(pod, formats=("gzip",))
    w.download("--format=raw", "--output=d.img")
    same(w.read("d.img"), disk.data)
    sparse(w, "d.img", disk)


def test_raw_from_raw(w, pod, disk):
    w.existing(pod, formats=("raw",))
    w.download("--format=raw", "--output=d.img")
    same(w.read("d.img"), disk.data)
    sparse(w, "d.img", disk)


def test_raw_where_both_are_offered(w, pod, big):
    w.existing(pod, volumes=("big",))
    w.download("--format=raw", "--output=d.img")
    same(w.read("d.img"), big.data)
    sparse(w, "d.img", big)


def test_only_raw_is_offered_and_gzip_is_asked_for(w, pod, disk):
    """What is saved is what its name says: a gzip, or it is refused."""
    w.existing(pod, formats=("raw",))
    run = w.run("download", "exp", "--output=d.gz")
    if run.code == 0:
        data = w.read("d.gz")
        same(gunzip(data) if data[:2] == b"\x1f\x8b" else data, disk.data)
        run.said("raw")
    else:
        run.failed(NOT_FOUND, "--format=raw")


def test_a_block_device_as_the_source(w, pod):
    w.existing(pod, volumes=("block",))
    with open(pod.env["VMEXPORT_VOLUMES"].split("block disk id-1 ")[1].split("\n")[0], "rb") as f:
        data = f.read()
    w.download("--output=d.gz")
    same(gunzip(w.read("d.gz")), data)
    for formats in (("raw",), ("gzip",)):
        w.be_ready(pod, volumes=("block",), formats=formats)
        w.download("--format=raw", "--output=d.img")
        same(w.read("d.img"), data)


def test_connections(w, pod, big):
    cutter = w.cutter(pod)
    cutter.hold_at(2 * MIB)
    w.existing(cutter, cert=pod.cert, volumes=("big",), formats=("raw",))
    run = w.begin("--format=raw", "--connections=4", "--output=d.img")
    eventually(lambda: len(cutter.open) >= 4, f"four connections at once: {run}")
    check(cutter.most <= 5, f"{cutter.most} at once, with the one that asked first")
    cutter.release()
    run.done()
    same(w.read("d.img"), big.data)
    sparse(w, "d.img", big)
    check(cutter.down < 1.02 * len(big.data), f"{cutter.down} bytes for {len(big.data)}")


def test_the_checksum_is_printed_and_right(w, pod, disk):
    w.existing(pod)
    for args in (("--output=d.gz",), ("--format=raw", "--output=d.img")):
        w.download(*args).said(f"{zlib.crc32(disk.data):08x}")
    w.be_ready(pod, formats=("raw",))
    w.download("--format=raw", "--output=e.img").said(f"{zlib.crc32(disk.data):08x}")
    w.download("--format=raw", "--connections=3", "--output=f.img").said(f"{zlib.crc32(disk.data):08x}")


def test_sha256(w, pod, disk):
    w.existing(pod)
    run = w.download("--format=raw", "--checksum=sha256", "--output=d.img")
    said = subprocess.run(["sha256sum", w.file("d.img")], check=True, capture_output=True, text=True).stdout.split()[0]
    run.said(said)


def test_stdout_has_the_data_only(w, pod, disk):
    w.existing(pod)
    same(gunzip(w.download("--output=-").out), disk.data)
    for formats in (("gzip",), ("raw",)):
        w.be_ready(pod, formats=formats)
        same(w.download("--format=raw", "--output", "-").out, disk.data)
    equal(w.files(), [])


def test_stdout_stays_empty_when_output_is_a_file(w, pod):
    w.existing(pod)
    equal(w.download("--output=d.gz").out, b"")


def test_stdout_to_a_pipe(w, pod, disk):
    w.existing(pod)
    run = w.begin("--format=raw", "--output=-", stdout=subprocess.PIPE)
    data = run.process.stdout.read()
    run.process.stdout.close()
    run.done()
    same(data, disk.data)


def test_a_reader_that_leaves(w, pod):
    w.existing(pod, volumes=("big",))
    run = w.begin("--format=raw", "--output=-", stdout=subprocess.PIPE)
    run.process.stdout.read(1000)
    run.process.stdout.close()
    check(run.finish(20).code != 0, "exit code 0")


def test_without_output(w, pod):
    w.existing(pod)
    run = w.run("download", "exp").failed(USAGE, "--output")
    equal(run.out, b"")


def test_a_link_stays_one(w, pod, disk):
    w.existing(pod)
    w.write("target", b"old" * 1000)
    os.symlink("target", w.file("link"))
    os.symlink("not-there", w.file("dangling"))
    for link, target in (("link", "target"), ("dangling", "not-there")):
        w.download("--format=raw", "--output=" + link)
        check(os.path.islink(w.file(link)), "the link was replaced")
        same(w.read(target), disk.data)


def test_a_fifo_stays_one(w, pod, disk):
    w.existing(pod)
    os.mkfifo(w.file("fifo"))
    got = []
    reader = threading.Thread(target=lambda: got.append(w.read("fifo")), daemon=True)
    run = w.begin("--format=raw", "--output=fifo")
    reader.start()
    run.done()
    reader.join(60)
    check(stat.S_ISFIFO(os.stat(w.file("fifo")).st_mode), "the FIFO was replaced")
    same(got[0], disk.data)


def test_a_block_device_as_the_output(w, pod, disk):
    """In place, zeros too: what was there before is nowhere left."""
    size = 25 * MIB
    with fixture.harness.loop_device(w.write("old", b"\xee" * size)) as device:
        w.existing(pod)
        for formats in (("gzip",), ("raw",)):
            w.be_ready(pod, formats=formats)
            w.download("--format=raw", "--output=" + device)
            with open(device, "rb") as f:
                same(f.read(len(disk.data)), disk.data, device)
                check(f.read() == b"\xee" * (size - len(disk.data)), "something was written behind the disk")
        check(stat.S_ISBLK(os.stat(device).st_mode), "the device was replaced")


def test_a_device_that_is_too_small(w, pod):
    with fixture.harness.loop_device(w.write("small", bytes(8 * MIB))) as device:
        w.existing(pod)
        run = w.run("download", "exp", "--format=raw", "--output=" + device).said("space|small|fit|size")
        check(run.code in (USAGE, FAILED), f"exit code of {run}")


def test_the_file_has_the_umasks_mode(w, pod):
    w.existing(pod)
    w.download("--output=d.gz", before=("sh", "-c", 'umask 027; exec "$@"', "sh"))
    equal(stat.S_IMODE(os.stat(w.file("d.gz")).st_mode), 0o640)


def test_an_older_file_is_replaced_and_nothing_is_left_beside_it(w, pod, disk):
    w.existing(pod)
    w.write("d.img", b"old" * 20 * MIB)
    w.download("--format=raw", "--output=d.img")
    same(w.read("d.img"), disk.data)
    equal(w.files(), ["d.img"])


def test_an_older_file_stays_until_the_new_one_is_there(w, pod, big):
    cutter = w.cutter(pod)
    cutter.hold_at(10 * MIB)
    w.existing(cutter, cert=pod.cert, volumes=("big",))
    w.write("d.img", b"my only copy")
    run = w.begin("--format=raw", "--output=d.img")
    eventually(cutter.held, "ten MiB")
    equal(w.read("d.img"), b"my only copy")
    cutter.release()
    run.done()
    same(w.read("d.img"), big.data)


def test_a_second_download_to_the_same_file_is_refused(w, pod, big):
    cutter = w.cutter(pod)
    cutter.hold_at(10 * MIB)
    w.existing(cutter, cert=pod.cert, volumes=("big",))
    run = w.begin("--format=raw", "--output=d.img")
    eventually(cutter.held, "ten MiB")
    second = w.run("download", "exp", "--format=raw", "--output=d.img").said("d.img")
    check(second.code not in (0, None), f"exit code of {second}")
    cutter.release()
    run.done()
    same(w.read("d.img"), big.data)


def test_a_folder_that_is_not_there(w, pod):
    w.existing(pod)
    run = w.run("download", "exp", "--output=no/such/d.gz").said("no/such")
    check(run.code not in (0, None), "exit code")
    run = w.run("download", "exp", "--output=.").said("directory")
    check(run.code not in (0, None), "exit code")


def test_an_archive(w, pod):
    w.existing(pod, volumes=("tree",), formats=("dir", "tar.gz"))
    run = w.download("--output=t.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(gunzip(w.read("t.tar.gz")))) as tar:
        equal(tar.extractfile(next(m for m in tar if m.name.endswith("hello.txt") and m.isreg())).read(), b"hello\n")
    check(w.files() == ["t.tar.gz"], f"{w.files()}: {run}")


def test_an_archive_is_no_disk(w, pod):
    """--format=raw of an archive: the archive unpacked, and said so; never a tar that is called a disk without a word."""
    w.existing(pod, volumes=("tree",), formats=("dir", "tar.gz"))
    run = w.run("download", "exp", "--format=raw", "--output=d.img").said("tar|archive")
    check(run.code != 0 or tarfile.is_tarfile(w.file("d.img")), f"neither refused nor a tar: {run}")


def test_one_of_several_volumes(w, pod, disk, big):
    w.existing(pod, volumes=("disk", "big"))
    for volume, wanted in (("big", big), ("disk", disk)):
        w.download("--volume=" + volume, "--output=d.gz")
        same(gunzip(w.read("d.gz")), wanted.data)
    for args in ((), ("--volume=c",)):
        w.run("download", "exp", "--output=e", *args).failed(NOT_FOUND, "disk", "big", "c" if args else "--volume")
    equal(w.files(), ["d.gz"])


def test_of_one_volume_the_name_does_not_matter(w, pod):
    w.existing(pod)
    w.download("--volume=whatever", "--output=d.gz")


def test_formats_in_any_order_and_unknown_ones(w, pod, disk):
    w.made()
    for formats in (("zstd", "raw", "gzip"), ("raw", "zstd", "dir"), ("gzip", "zstd")):
        w.be_ready(pod, formats=formats)
        w.download("--format=raw", "--output=d.img")
        same(w.read("d.img"), disk.data)
    w.be_ready(pod, formats=("zstd",))
    w.run("download", "exp", "--output=e").failed(NOT_FOUND, "zstd|format")


def made_server(w, run, disk):
    """The export server of an export that the client makes."""
    server = w.serve([("disk", "disk", "id", disk.path)], token=w.made_by(run))
    w.be_ready(server)


def test_with_a_source_it_makes_waits_downloads_and_deletes(w, disk):
    run = w.begin("--pvc=disk", "--ttl=10m", "--labels=a=b", "--output=d.gz")
    made_server(w, run, disk)
    equal(w.exp()["metadata"]["labels"], {"a": "b"})
    run.done()
    same(gunzip(w.read("d.gz")), disk.data)
    check(not w.exp(), "the export is still there")


def test_keep_vme_keeps_it(w, disk):
    run = w.begin("--pvc=disk", "--keep-vme", "--output=d.gz")
    made_server(w, run, disk)
    run.done()
    check(w.exp(), "the export is gone")


def test_one_that_was_there_is_kept_unless_delete_vme(w, pod):
    w.existing(pod)
    w.download("--pvc=disk", "--output=d.gz")
    check(w.exp(), "an export that it didn't make was deleted")
    w.download("--delete-vme", "--output=d.gz")
    check(not w.exp(), "the export is still there")
    w.run("download", "exp", "--keep-vme", "--delete-vme", "--output=d.gz").failed(USAGE, "keep-vme", "delete-vme")


def hold(w, big, token=fixture.TOKEN):
    """Serves `exp` and holds its download; returns the cutter."""
    server = w.serve([("big", "disk", "id", big.path)], token=token)
    cutter = w.cutter(server)
    cutter.hold_at(2 * MIB)
    w.be_ready(server, volumes=("big",), cert=server.cert, port=cutter.port)
    return cutter


def another_one_stays(w, run, cutter, big):
    """While the download is held, its export goes and another one of its name is made."""
    eventually(cutter.held, f"the download is under way: {run}")
    w.delete("export", "exp")
    eventually(lambda: not w.exp(), "the export is gone")
    another = w.export(of="other")
    cutter.release()
    run.done().said("another one by now: it stays")
    same(w.read("d"), big.data)
    equal((w.exp() or {}).get("metadata", {}).get("uid"), another["metadata"]["uid"], "the export that is there")


def test_another_one_of_the_name_is_not_deleted_for_the_one_that_it_made(w, big):
    run = w.begin("--pvc=big", "--format=raw", "--output=d")
    another_one_stays(w, run, hold(w, big, token=w.made_by(run)), big)


def test_another_one_of_the_name_is_not_deleted_for_the_one_that_was_there(w, big):
    w.made()
    cutter = hold(w, big)
    another_one_stays(w, w.begin("--delete-vme", "--format=raw", "--output=d"), cutter, big)


def test_one_that_it_made_is_kept_when_the_download_fails(w, disk):
    run = w.begin("--pvc=disk", "--output=d.gz")
    w.made_by(run)
    server = w.serve([("disk", "disk", "id", disk.path)], token="another-token-0123456789")
    w.be_ready(server)
    run.failed(fixture.DENIED, "exp", "token")
    check(w.exp(), "the export is gone")
    # And how to go on is true.
    server.end()
    made_server(w, run, disk)
    w.download("--output=d.gz")
    same(gunzip(w.read("d.gz")), disk.data)


def test_the_token_is_the_statuss(w, pod):
    w.secret("chosen", fixture.TOKEN)
    w.export()
    w.be_ready(pod, token_ref="chosen")
    w.download("--output=d.gz")


def test_the_token_goes_in_no_url(w, disk):
    peer = w.plain(disk)
    w.existing(peer)
    run = w.download("--output=d.gz")
    check(peer.requests and not any(fixture.TOKEN in r.path for r in peer.requests), "it was in a URL")
    check(fixture.TOKEN not in run.err, "it was said")


def test_progress_without_a_terminal_is_a_line_per_ten_seconds(w, pod, big):
    cutter = w.cutter(pod)
    cutter.hold_at(20 * MIB)
    w.existing(cutter, cert=pod.cert, volumes=("big",))
    run = w.begin("--format=raw", "--output=d.img")
    eventually(cutter.held, "20 MiB")
    time.sleep(12)
    cutter.release()
    run.done()
    check(re.search(r"\d+ ?%|\d+(\.\d+)? MiB", run.err), str(run))
    check("\r" not in run.err and "\x1b" not in run.err, "it draws where no terminal is")
    equal(cutter.cut, 0)


def terminal_output(w, *args):
    """Starts a download whose standard error is a terminal: the run, and what is seen, as it comes."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    seen = []

    def watch():
        with contextlib.suppress(OSError):          # its end
            while data := os.read(ours, 4096):
                seen.append(data.decode(errors="replace"))
    run = w.begin(*args, stderr=theirs)
    os.close(theirs)
    threading.Thread(target=watch, daemon=True).start()
    return run, seen


def test_progress_on_a_terminal(w, pod, big):
    cutter = w.cutter(pod)
    cutter.hold_at(20 * MIB)
    w.existing(cutter, cert=pod.cert, volumes=("big",))
    run, seen = terminal_output(w, "--format=raw", "--output=d.img")
    eventually(cutter.held, "20 MiB")
    eventually(lambda: re.search(r"[1-9]\d? ?%", "".join(seen)), f"a percentage: {seen}")
    cutter.release()
    run.done()
    # What came last may have to be read yet.
    eventually(lambda: "/s" in "".join(seen) and "\r" in "".join(seen), f"a rate, and that it is drawn anew: {seen}")


def test_quiet(w, pod):
    w.existing(pod)
    equal(w.download("--quiet", "--output=d.gz").err, "")


if __name__ == "__main__":
    fixture.main(globals())
