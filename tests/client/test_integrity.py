#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Never 'done' for a wrong file, never a part under the final name, never the loss of an older file. What is wrong comes from a
plain peer (peer.py); the real server says what is right."""
import gzip
import os
import re
import struct
import subprocess
import zlib

import fixture
from fixture import DENIED, FAILED, INTEGRITY, MIB, NOT_FOUND, TRANSFER, USAGE, Skip, check, equal, gunzip, same


def spoil(how):
    """A hook that changes gzip bodies."""
    def hook(request, reply):
        if request.path.endswith(".gz") and reply.status == 200:
            reply.body = how(bytes(reply.body))
    return hook


def trailer(crc=None, size=None):
    def change(body):
        was = struct.unpack("<II", body[-8:])
        return body[:-8] + struct.pack("<II", was[0] if crc is None else crc, was[1] if size is None else size)
    return change


def flipped(body):
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1:]


HALF, WRONG_CRC, WRONG_SIZE = spoil(lambda b: b[:len(b) // 2]), spoil(trailer(crc=1)), spoil(trailer(size=77))
FLIPPED, NO_GZIP, NOTHING = spoil(flipped), spoil(lambda b: b"<html>sign in first</html>"), spoil(lambda b: b"")
MORE = spoil(lambda b: b + b"and more that is no gzip")


def refuses(w, peer, hook, *args, codes=(INTEGRITY,)):
    """The download fails, and there is no file."""
    peer.hook = hook
    run = w.run("download", "exp", "--retry=1", "--output=d", *args)
    check(run.code in codes, f"exit code of {run}")
    check("d" not in w.files(), f"a file is left: {run}")
    return run


def test_spoiled_gzips(w, disk):
    """Unpacked as well as kept."""
    peer = w.plain(disk, ("gzip",))
    w.existing(peer, formats=("gzip",))
    for args in (("--format=raw",), ()):
        for name, hook in (("crc", WRONG_CRC), ("size", WRONG_SIZE), ("flipped", FLIPPED), ("no gzip", NO_GZIP), ("more", MORE)):
            run = refuses(w, peer, hook, *args)
            check(run.err.strip(), f"{name} {args}: says nothing")
        for hook in (HALF, NOTHING):
            refuses(w, peer, hook, *args, codes=(INTEGRITY, TRANSFER))
        equal(w.files(), [])


def test_a_half_gzip_with_a_clean_end(w, disk):
    """Every framing of HTTP."""
    peer = w.plain(disk, ("gzip",))
    w.existing(peer, formats=("gzip",))
    for framing in ("chunked", "close", "length"):
        peer.framing = framing
        for args in (("--format=raw",), ()):
            refuses(w, peer, HALF, *args, codes=(INTEGRITY, TRANSFER))


def test_a_valid_gzip_of_half_the_disk(w, disk):
    """What a server sends that took a read error for the end: only the raw link's length tells."""
    peer = w.plain(disk)
    w.existing(peer)
    for args in (("--format=raw",), ()):
        refuses(w, peer, spoil(lambda _: gzip.compress(disk.data[:12 * MIB], 1)), *args)
    equal(w.files(), [])


def test_what_nobody_said_is_not_called_verified(w, disk):
    """The length of the disk, by a server that has only a gzip; its CRC, by one that has only raw."""
    peer = w.plain(disk)
    w.existing(peer, formats=("gzip",))
    w.download("--format=raw", "--output=d").said(rf"size {len(disk.data)},", r"crc32 \w+ \(as the server says\)")
    w.be_ready(peer, formats=("raw",))
    w.download("--format=raw", "--output=d").said(rf"size {len(disk.data)} \(as the server says\)", r"crc32 \w+$")


def test_a_raw_body_that_is_too_short(w, disk):
    peer = w.plain(disk, ("raw",))
    w.existing(peer, formats=("raw",))

    def cut(_, reply):
        reply.cut = MIB
    refuses(w, peer, cut, "--format=raw", codes=(TRANSFER,))


# ---- parts of the disk that are not what was asked for ----

def part(data, first, last, total=None, body=None):
    """Content-Range and body of a 206."""
    return f"bytes {first}-{last}/{len(data) if total is None else total}", data[first:last + 1] if body is None else body


NOISE = os.urandom(4096)
# (disk, first and last byte asked for) -> Content-Range and body. Some are as RFC 9110 allows them (§14.2, §15.3.7): then all is asked for in the
# end. The others are never believed.
PARTS = {
    "shorter": lambda data, first, last: part(data, first, min(last, first + 3 * MIB)),
}
LIES = {
    "begins earlier": lambda data, first, last: part(data, first // 2, last),
    "begins a byte earlier": lambda data, first, last: part(data, first - 1 if first else 1, last),
    "begins later": lambda data, first, last: part(data, min(first + MIB, last), last),
    "no range": lambda data, first, last: ("", data[first:last + 1]),
    "another unit": lambda data, first, last: (f"pages {first}-{last}/{len(data)}", data[first:last + 1]),
    "empty": lambda data, first, last: part(data, first, last, body=b""),
    "a smaller disk": lambda data, first, last: part(data, first, last, len(data) - 1000),
    "a larger disk": lambda data, first, last: part(data, first, last, len(data) + 1000),
}
# What is said of all, and longer or shorter bodies than were said: it is an error, or all is right all the same.
LIES_OR_NOT = {
    "longer": lambda data, first, last: part(data, first, last, body=bytes(data[first:last + 1]) + NOISE),
    "longer and says so": lambda data, first, last: part(data, first, last + len(NOISE), body=bytes(data[first:last + 1]) + NOISE),
    "ends too early": lambda data, first, last: part(data, first, last, body=data[first:min(max(first + 2 * MIB, last - 5 * MIB), last + 1)]),
}
HUGE = {str(total): lambda data, first, last, total=total: part(data, first, last, total) for total in (2**64 - 2, 2**64 - 1, 2**64, 2**63, 2**63 - 1, 0, -1)}


def lies(w, big, kinds, connections, all_parts=False):
    """For each: (its name, the run, how often it was asked). all_parts: also of what tells whether the server does parts at all."""
    w.made()
    for name, how in kinds.items():
        peer = w.plain(big, ("raw",), ranges=True, tag='"disk-1"')

        def lie(request, reply, how=how):
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
            if reply.status == 200 and connections == 1:
                reply.cut = 10 * MIB                # so that it has to go on
            elif reply.status == 206 and (all_parts or asked[0] != "bytes=0-0"):
                text, reply.body = how(memoryview(big.data), int(asked[1]), int(asked[2] or len(big.data) - 1))
                reply.headers["Content-Range"] = text
        peer.hook = lie
        w.be_ready(peer, formats=("raw",))
        run = w.run("download", "exp", "--format=raw", f"--connections={connections}", "--retry=2", "--output=d", seconds=30)
        check(len(peer.requests) < 60, f"{name}: {len(peer.requests)} requests: {run}")
        if run.code == 0:
            same(w.read("d"), big.data, name)
            os.remove(w.file("d"))
        yield name, run
        check("d" not in w.files(), f"{name}: a file is left: {run}")
        w.clear()


def are_refused(w, big, kinds, connections, **options):
    for name, run in lies(w, big, kinds, connections, **options):
        check(run.code in (INTEGRITY, TRANSFER), f"{name}: exit code of {run}")


def are_not_believed(w, big, kinds, connections, **options):
    for name, run in lies(w, big, kinds, connections, **options):
        check(run.code in (0, FAILED, INTEGRITY, TRANSFER), f"{name}: exit code of {run}")


def test_the_rest_is_asked_for_when_a_part_is_shorter_than_asked(w, big):
    for _, run in lies(w, big, PARTS, 1):
        equal(run.code, 0, f"{run}")


def test_the_rest_of_a_piece_is_asked_for_by_several_connections(w, big):
    for _, run in lies(w, big, PARTS, 4):
        equal(run.code, 0, f"{run}")


def test_a_part_that_is_not_the_one_asked_for(w, big):
    """206 with other bytes than it was asked for, or with none, again and again."""
    are_refused(w, big, LIES, 1)


def test_a_piece_that_is_not_the_one_asked_for(w, big):
    are_refused(w, big, LIES, 4)


def test_a_part_of_another_length(w, big):
    are_not_believed(w, big, LIES_OR_NOT, 1)


def test_a_piece_of_another_length(w, big):
    are_not_believed(w, big, LIES_OR_NOT, 4)


def test_a_disk_of_absurd_size(w, big):
    """Never an empty file that is called whole."""
    are_not_believed(w, big, HUGE, 1)


def test_a_disk_of_absurd_size_in_pieces(w, big):
    are_not_believed(w, big, HUGE, 4, all_parts=True)


# ---- gzips ----

class Content:
    def __init__(self, data):
        self.data = data


def says_its_disk_is_smaller(w, content):
    """A peer whose raw link is of 1 MiB and whose gzip has that; counted by a cutter."""
    peer = w.plain(Content(content), ("gzip",), level=0)
    peer.files["/volumes/disk/disk.img"] = bytes(MIB)
    cutter = w.cutter(peer)
    w.be_ready(cutter, cert=peer.cert)
    return peer, cutter


def test_a_gzip_of_more_than_the_disk_is_left_early(w):
    """Not at its end: it may have none. Not more is taken than the raw link says that there is."""
    w.made()
    noise = os.urandom(MIB) * 64
    for args in (("--format=raw", "--output=d"), ("--output=d",), ("--format=raw", "--output=-")):
        _, cutter = says_its_disk_is_smaller(w, noise)
        run = w.run("download", "exp", "--retry=1", *args).failed(INTEGRITY)
        check(cutter.down < 24 * MIB, f"{cutter.down / MIB:.0f} of 64 MiB were taken: {run}")
        check(len(run.out) <= 2 * MIB, f"{len(run.out) / MIB:.0f} MiB were written: {run}")
        equal(w.files(), [])


def test_a_gzip_bomb(w):
    """2 MB that are 2 GiB: no large file is made of it, not even for a moment (the limit would be another error)."""
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = z.compress(b"a" * MIB) + z.flush(zlib.Z_FULL_FLUSH)
    again = z.compress(b"a" * MIB) + z.flush(zlib.Z_FULL_FLUSH)
    bomb = head + again * 2047 + b"\3\0" + bytes(8)
    check(len(bomb) < 4 * MIB, "no bomb")
    w.made()
    for args in (("--format=raw",), ()):
        peer, _ = says_its_disk_is_smaller(w, b"")
        peer.files["/volumes/disk/disk.img.gz"] = bomb
        run = w.run("download", "exp", "--retry=1", "--output=d", *args, before=("sh", "-c", 'ulimit -f 16000; exec "$@"', "sh"))
        equal(run.code, INTEGRITY, f"exit code of {run}")
        check(run.seconds < 10 * fixture.SLOW, f"it took {run.seconds:.1f} s: {run}")
        equal(w.files(), [])


def test_a_manifest_that_is_far_too_long(w):
    peer = w.peer()
    w.made(kind="VirtualMachine")
    w.be_ready(peer, manifests=True)
    text = b"kind: ConfigMap\napiVersion: v1\nmetadata: {name: long}\n" + b"# and what somebody had to say about it\n" * (17 * MIB // 39)
    for framing in ("length", "chunked", "close"):
        def answer(_, reply, framing=framing):
            reply.framing = framing
        peer.hook = answer
        peer.files["/external/manifests/all"] = text
        run = w.run("download", "exp", "--manifest", "--output=m", "--retry=1").said("longer")
        check(run.code != 0 and not w.files(), f"{framing}: {run}")
        peer.files["/external/manifests/all"] = text[:16 * MIB - 1] + b"\n"
        w.download("--manifest", "--output=m")
        equal(len(w.read("m")), 16 * MIB)
        os.remove(w.file("m"))


def test_no_sha256_of_what_is_gone(w, disk):
    """Standard output cannot be read again: that is said before anything is asked for."""
    peer = w.plain(disk)
    w.existing(peer)
    for args in ((), ("--format=raw",), ("--connections=2", "--format=raw")):
        run = w.run("download", "exp", *args, "--checksum=sha256", "--output=-").failed(USAGE, "sha256|checksum")
        equal((run.out, peer.requests), (b"", []), f"{args}")


def test_several_members(w, disk):
    """RFC 1952 §2.2: they belong together."""
    half = len(disk.data) // 2
    peer = w.peer({"/volumes/disk/disk.img.gz": gzip.compress(disk.data[:half], 1) + gzip.compress(disk.data[half:], 1)})
    w.existing(peer, formats=("gzip",))
    w.download("--format=raw", "--output=d")
    same(w.read("d"), disk.data)
    w.download("--output=d.gz")
    check(gzip.decompress(w.read("d.gz")) == disk.data, "another content")


def test_a_plain_server(w, disk):
    """All that it has: gzip and raw, in every framing of HTTP."""
    w.made()
    for formats in (("raw", "gzip"), ("gzip",), ("raw",)):
        for framing in ("chunked", "close", "length"):
            peer = w.plain(disk, formats, framing=framing)

            def framed(_, reply, framing=framing):
                reply.framing = framing if reply.status == 200 else reply.framing
            peer.hook = framed
            w.be_ready(peer, formats=formats)
            w.download("--format=raw", "--output=d")
            same(w.read("d"), disk.data, f"{formats} {framing}")
            check(w.allocated("d") <= disk.allocated * 1.1, f"{formats} {framing}: not sparse")
            if "gzip" in formats:
                w.download("--output=d.gz")
                same(gunzip(w.read("d.gz")), disk.data, f"{formats} {framing}, kept")


def test_connections_at_a_plain_server(w, disk):
    """With ranges but without an ETag, or without ranges: one connection is right, too."""
    w.made()
    for ranges in (True, False):
        peer = w.plain(disk, ("raw",), ranges=ranges)
        w.be_ready(peer, formats=("raw",))
        w.download("--format=raw", "--connections=4", "--output=d")
        same(w.read("d"), disk.data, f"ranges={ranges}")


def test_a_content_encoding_is_not_mistaken(w, disk):
    """A disk.img.gz that is labelled Content-Encoding: gzip is still saved as a gzip."""
    peer = w.plain(disk, ("gzip",))

    def labelled(_, reply):
        reply.headers["Content-Encoding"] = "gzip"
    peer.hook = labelled
    w.existing(peer, formats=("gzip",))
    run = w.run("download", "exp", "--output=d.gz", "--retry=1")
    if run.code == 0:
        same(gunzip(w.read("d.gz")), disk.data)
    w.download("--format=raw", "--output=d")
    same(w.read("d"), disk.data)


def test_statuses(w, disk):
    peer = w.plain(disk)
    w.existing(peer)
    for status, code, words in ((401, DENIED, "token"), (403, DENIED, "403|denied|refused|forbidden"), (404, NOT_FOUND, "404|not found|not there|isn't there"),
                                (500, TRANSFER, "500")):
        def answer(_, reply, status=status):
            reply.update(status=status, body=b"told by the server\n", framing="length")
        refuses(w, peer, answer, "--format=raw", codes=(code,) if status != 404 else (NOT_FOUND, TRANSFER)).said(words)
    equal(w.files(), [])


def test_a_503_is_tried_again(w, disk):
    peer = w.plain(disk)
    tries = []

    def busy(_, reply):
        tries.append(1)
        if len(tries) < 4:
            reply.update(status=503, body=b"starting\n", framing="length")
    peer.hook = busy
    w.existing(peer, formats=("gzip",))
    w.download("--format=raw", "--output=d")
    same(w.read("d"), disk.data)


def test_what_a_server_says_cannot_write_to_the_terminal(w, disk):
    peer = w.plain(disk)

    def evil(_, reply):
        reply.update(status=404, body=b"\x1b]0;owned\x07\x1b[2J\n", framing="length")
    w.existing(peer)
    run = refuses(w, peer, evil, codes=(NOT_FOUND, TRANSFER))
    check("\x1b" not in run.err and "\x07" not in run.err, repr(run.err))


def tmpfs(w, size):
    """A folder of its own on so small a disk."""
    folder = w.file("small")
    os.mkdir(folder)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False).returncode:
        raise Skip("mounting needs root")
    w.stack.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
    return folder


def test_a_full_disk(w, pod, big):
    folder = tmpfs(w, 8 * MIB)
    w.existing(pod, volumes=("big",))
    with open(folder + "/older.img", "wb") as f:
        f.write(b"my only copy")
    for args in (("--format=raw",), (), ("--format=raw", "--connections=3")):
        for name in ("d.img", "older.img"):
            w.run("download", "exp", *args, f"--output={folder}/{name}").failed(FAILED, "space", name)
            check("d.img" not in os.listdir(folder), "a part under the final name")
            with open(folder + "/older.img", "rb") as f:
                equal(f.read(), b"my only copy")
    check(len(big.data) > 8 * MIB, "it would fit")


def test_a_limit_of_the_file_size(w, pod):
    w.existing(pod, volumes=("big",))
    w.run("download", "exp", "--format=raw", "--output=d.img", before=("sh", "-c", 'ulimit -f 20000; exec "$@"', "sh")).failed(FAILED, "large|limit|space|d.img")
    check("d.img" not in w.files(), "a part under the final name")


def test_a_full_device(w, pod):
    w.existing(pod)
    os.symlink("/dev/full", w.file("full"))
    w.run("download", "exp", "--format=raw", "--output=full").failed(FAILED, "space")
    check(os.path.islink(w.file("full")), "the link was replaced")
    with open("/dev/full", "wb") as full:
        check(w.run("download", "exp", "--format=raw", "--output=-", stdout=full).code == FAILED, "exit code")


def failures(w, disk):
    """Downloads that fail, each for another reason."""
    peer = w.plain(disk)
    w.existing(peer, volumes=("disk", "b"))
    yield "unknown volume", w.run("download", "exp", "--volume=x", "--output=out")
    yield "bad ttl", w.run("download", "exp", "--volume=disk", "--ttl=soon", "--output=out")
    w.be_ready(peer, cert=w.peer().cert)
    yield "wrong CA", w.run("download", "exp", "--retry=1", "--readiness-timeout=3s", "--output=out")
    w.be_ready(peer, formats=("gzip",))
    peer.hook = WRONG_CRC
    yield "wrong CRC", w.run("download", "exp", "--format=raw", "--output=out")
    peer.hook = lambda _, reply: reply.update(status=401, body=b"")
    yield "401", w.run("download", "exp", "--output=out")
    w.be("Terminated", "PodFailed", "gone")
    yield "terminated", w.run("download", "exp", "--output=out")


def test_a_failure_leaves_nothing(w, disk):
    for what, run in failures(w, disk):
        check(run.code != 0, f"{what}: {run}")
        equal(w.files(), [], what)


def test_a_failure_leaves_an_older_file_alone(w, disk):
    w.write("out", b"my only copy")
    for what, run in failures(w, disk):
        check(run.code != 0, f"{what}: {run}")
        equal((w.files(), w.read("out")), (["out"], b"my only copy"), what)


def test_the_checksum_of_the_real_server_is_verified(w, pod, big):
    w.existing(pod, volumes=("big",))
    for args in ((), ("--format=raw",)):
        w.download(*args, "--output=d").said(f"{zlib.crc32(big.data):08x}", r"crc32 \w+ \(as the server says\)", r"size \d+ \(as the server says\)")


if __name__ == "__main__":
    fixture.main(globals())
