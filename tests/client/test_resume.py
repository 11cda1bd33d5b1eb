#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections that break, servers that go and come back as others: the file is right, and little is sent twice.

All goes through a Cutter (cutter.py) to the real export server, but for what is about servers that cannot be gone on with."""
import json
import os
import random
import re
import shutil
import signal
import time
import zlib

import fixture
from fixture import FAILED, INTEGRITY, INTERRUPTED, MIB, TRANSFER, check, equal, eventually, gunzip, same

CUTS = 20
HANDSHAKE = 16384                   # bytes from the server, with its certificate
GZ, PEERS_GZ = "/volumes/big/disk.img.gz", "/volumes/disk/disk.img.gz"
TAG, OTHER_TAG = '"disk-1"', '"disk-2"'


def through(w, pod, **links):
    """An export of the big disk whose links lead through a cutter."""
    cutter = w.cutter(pod)
    w.existing(cutter, **{"cert": pod.cert, "volumes": ("big",), **links})
    return cutter


def random_cuts(size, seed, least=256 << 10):
    """Totals at which to cut: anywhere, but so that each connection brings something."""
    numbers = random.Random(seed)
    free = sorted(numbers.randrange(size - CUTS * least) for _ in range(CUTS))
    return [at + (i + 1) * least for i, at in enumerate(free)]


def goes_on(run, cutter, size, seconds=120):
    """The download ends well, all cuts came, and no more than a MiB was sent again for each."""
    run.done(seconds)
    equal((cutter.uncut(), cutter.cut), (0, CUTS), "cuts that did not come, and that did")
    again = cutter.down - size * 1.005 - cutter.connections * HANDSHAKE
    check(again <= CUTS * MIB, f"{again / MIB:.1f} MiB sent again for {CUTS} cuts")


def test_raw(w, pod, big):
    for seed in (1, 2):
        cutter = through(w, pod, formats=("raw",)) if seed == 1 else w.cutter(pod)
        w.be_ready(cutter, cert=pod.cert, volumes=("big",), formats=("raw",))
        cutter.cut_at(*random_cuts(len(big.data), seed))
        goes_on(w.begin("--format=raw", "--output=d.img"), cutter, len(big.data))
        same(w.read("d.img"), big.data)
        check(w.allocated("d.img") <= big.allocated * 1.1, "not sparse any more")


def test_raw_by_several_connections(w, pod, big):
    cutter = through(w, pod, formats=("raw",))
    cutter.cut_at(*random_cuts(len(big.data), 3))
    goes_on(w.begin("--format=raw", "--connections=4", "--output=d.img"), cutter, len(big.data))
    same(w.read("d.img"), big.data)


def test_gzip_unpacked(w, pod, big):
    size = len(pod.get(GZ).body)
    cutter = through(w, pod, formats=("gzip",))
    cutter.cut_at(*random_cuts(size, 4))
    run = w.begin("--format=raw", "--output=d.img")
    goes_on(run, cutter, size)
    same(w.read("d.img"), big.data)
    run.said(f"{zlib.crc32(big.data):08x}")


def test_gzip_kept(w, pod, big):
    size = len(pod.get(GZ).body)
    cutter = through(w, pod)
    cutter.cut_at(*random_cuts(size, 5))
    run = w.begin("--output=d.gz")
    goes_on(run, cutter, size)
    same(gunzip(w.read("d.gz")), big.data)
    run.said(f"{zlib.crc32(big.data):08x}")


def test_stdout(w, pod, big):
    for formats, size in ((("raw",), len(big.data)), (("gzip",), len(pod.get(GZ).body))):
        cutter = w.cutter(pod)
        if not w.exp():
            w.made()
        w.be_ready(cutter, cert=pod.cert, volumes=("big",), formats=formats)
        cutter.cut_at(*random_cuts(size, 6))
        run = w.begin("--format=raw", "--output=-")
        goes_on(run, cutter, size)
        same(run.out, big.data)


def test_a_request_that_breaks(w, pod, big):
    """From the client to the server."""
    cutter = through(w, pod)
    cutter.cut_up_at(100, 700)
    cutter.cut_at(2 * MIB)
    w.download("--format=raw", "--output=d.img", seconds=90)
    equal(cutter.uncut(), 0)
    same(w.read("d.img"), big.data)


def test_a_server_that_is_away_for_seconds(w, pod, big):
    cutter = through(w, pod, formats=("raw",))
    cutter.hold_at(20 * MIB)
    run = w.begin("--format=raw", "--output=d.img")
    eventually(cutter.held, "20 MiB")
    cutter.go()
    cutter.release()
    time.sleep(4)
    cutter.come()
    run.done()
    same(w.read("d.img"), big.data)
    check(cutter.down < len(big.data) * 1.01 + MIB, "it began anew")


def test_a_connection_that_stands_still_is_not_given_up(w, pod, big):
    cutter = through(w, pod, formats=("raw",))
    cutter.hold_at(20 * MIB)
    run = w.begin("--format=raw", "--output=d.img")
    eventually(cutter.held, "20 MiB")
    time.sleep(5)
    cutter.release()
    run.done()
    same(w.read("d.img"), big.data)


def test_another_certificate(w, pod, big):
    """The pod is replaced by one with another key; the links say so."""
    for args, formats in ((("--format=raw",), ("raw",)), (("--format=raw",), ("gzip",)), (("--format=raw", "--connections=3"), ("raw",))):
        server = w.serve([("big", "disk", "id-1", big.path)])
        check(server.cert != pod.cert, "the same certificate")
        cutter = w.cutter(pod)
        if not w.exp():
            w.made()
        w.be_ready(cutter, cert=pod.cert, volumes=("big",), formats=formats)
        cutter.hold_at(10 * MIB)
        run = w.begin(*args, "--output=d.img")
        eventually(cutter.held, f"10 MiB: {run}")
        cutter.target = server.port
        cutter.cut_all()
        time.sleep(1)               # the controller takes a moment
        w.be_ready(cutter, cert=server.cert, volumes=("big",), formats=formats)
        cutter.release()
        run.done()
        same(w.read("d.img"), big.data)
        check(cutter.down < len(big.data) * 1.01 + 4 * MIB, f"it began anew: {run}")


def test_a_pod_that_is_restarted(w, big):
    """Killed, and after some seconds in which the export is Pending there is another behind the same address."""
    server = fixture.Server([("big", "disk", "id-1", big.path)])
    with server:
        cutter = through(w, server, formats=("gzip",))
        cutter.hold_at(10 * MIB)
        run = w.begin("--format=raw", "--output=d.img")
        eventually(cutter.held, f"10 MiB: {run}")
        w.be("Pending", "PodPending", "the pod is made again", links=None)
        cutter.cut_all()
        server.end(seconds=30)
    cutter.release()
    time.sleep(2)
    again = w.serve([("big", "disk", "id-1", big.path)])
    cutter.target = again.port          # its own may be another's by now
    w.be_ready(cutter, cert=again.cert, volumes=("big",), formats=("gzip",))
    run.done()
    same(w.read("d.img"), big.data)


def replaced(w, pod, other, formats, *args):
    """A download at whose middle the disk becomes another."""
    server = w.serve([("big", "disk", "id-2", other.path)])
    cutter = w.cutter(pod)
    if not w.exp():
        w.made()
    w.be_ready(cutter, cert=pod.cert + server.cert, volumes=("big",), formats=formats)
    cutter.hold_at(10 * MIB)
    run = w.begin(*args)
    eventually(cutter.held, f"10 MiB: {run}")
    cutter.target = server.port
    cutter.cut_all()
    cutter.release()
    return run


def test_a_disk_that_is_another_is_begun_anew_and_never_mixed(w, pod, other):
    for formats, args, unpack in ((("raw",), ("--format=raw",), bytes), (("gzip",), ("--format=raw",), bytes), (("raw", "gzip"), (), gunzip),
                                  (("raw",), ("--format=raw", "--connections=3"), bytes)):
        replaced(w, pod, other, formats, *args, "--output=d").done().said("changed|another|differ|replaced|no longer")
        same(unpack(w.read("d")), other.data, f"{formats} {args}")
        equal(w.files(), ["d"])


def test_a_disk_that_is_another_ends_a_stream(w, pod, other):
    """What was written can't be taken back."""
    for formats in (("raw",), ("gzip",)):
        run = replaced(w, pod, other, formats, "--format=raw", "--output=-").failed(INTEGRITY, "changed|another|differ|replaced|no longer")
        check(len(run.out) < len(other.data), "all of something was written")


def interrupted(w, cutter, *args, signo=signal.SIGINT):
    """A download that is interrupted with 10 MiB there."""
    cutter.hold_at(cutter.down + 10 * MIB)
    run = w.begin(*args)
    eventually(cutter.taken, f"10 MiB: {run}")
    run.interrupt(signo)
    return run


def test_the_next_run_goes_on_after_an_interrupt(w, pod, big):
    size = len(pod.get(GZ).body)
    for formats, args, whole, unpack in ((("raw",), ("--format=raw",), len(big.data), bytes), (("gzip",), ("--format=raw",), size, bytes), (("gzip",), (), size, gunzip)):
        cutter = w.cutter(pod)
        if not w.exp():
            w.made()
        w.be_ready(cutter, cert=pod.cert, volumes=("big",), formats=formats)
        run = interrupted(w, cutter, *args, "--output=d").failed(INTERRUPTED, "again|resume|go on|goes on|continue", within=20)
        check("d" not in w.files(), f"part of the disk under the final name: {run}")
        check("d.part" in w.files(), f"nothing was kept: {w.files()}")
        cutter.release()
        before = cutter.down
        w.download(*args, "--output=d").said("again|resum|go on|goes on|going on|continu")
        same(unpack(w.read("d")), big.data, f"{formats} {args}")
        check(cutter.down - before < whole - 7 * MIB, f"{formats} {args}: began anew")
        equal(w.files(), ["d"])
        os.remove(w.file("d"))


def noted(w):
    """How much of the disk the note beside the part says to be there."""
    return int(json.loads(w.read("d.part.json"))["position"])


def test_several_interrupts(w, pod, big):
    """Of pieces (of 16 MiB) that are fetched at once, what is there without a gap is gone on with."""
    cutter, there = through(w, pod, formats=("raw",)), 0
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # All but 16 MiB, and 4 MiB: so much of the first piece is there, however the connections share it. Or of the only one that is left.
        cutter.hold_at(cutter.down + int(max(len(big.data) - there - 12 * MIB, 4 * MIB) * 1.005))
        run = w.begin("--format=raw", "--connections=3", "--output=d")
        eventually(cutter.taken, f"all but 12 MiB, or 4 MiB: {run}")
        run.interrupt(signo).finish(15)
        check(run.code not in (0, -signo), f"exit code of {run}")
        cutter.release()
        before, there = there, noted(w)
        check(there >= before + 3 * MIB, f"of {before / MIB:.1f} MiB and at least 4 more, {there / MIB:.1f} are kept: {run}")
    before = cutter.down
    w.download("--format=raw", "--output=d")
    same(w.read("d"), big.data)
    check(cutter.down - before < (len(big.data) - there) * 1.005 + MIB, "it did not go on where it was")


def test_an_interrupt_while_it_waits(w):
    w.made()
    w.be("Pending", "PodPending", "the pod starts")
    run = w.begin("--output=d").says("the pod starts")
    run.interrupt().failed(INTERRUPTED, within=20)
    check(w.exp() and not w.files(), "something was deleted or left")


def test_after_an_interrupt_another_disk_is_not_mixed_in(w, pod, other):
    for formats, args, unpack in ((("raw",), ("--format=raw",), bytes), (("gzip",), ("--format=raw",), bytes), (("gzip",), (), gunzip)):
        cutter = w.cutter(pod)
        if not w.exp():
            w.made()
        w.be_ready(cutter, cert=pod.cert, volumes=("big",), formats=formats)
        interrupted(w, cutter, *args, "--output=d").failed(INTERRUPTED)
        server = w.serve([("big", "disk", "id-2", other.path)])
        w.be_ready(server, volumes=("big",), formats=formats)
        w.download(*args, "--output=d")
        same(unpack(w.read("d")), other.data, f"{formats} {args}")
        os.remove(w.file("d"))


def test_a_part_that_somebody_changed_is_not_believed(w, pod, big):
    """Its size is not what the run before left: nothing of it is used."""
    cutter = through(w, pod, formats=("raw",))
    interrupted(w, cutter, "--format=raw", "--output=d").failed(INTERRUPTED)
    cutter.release()
    with open(w.file("d.part"), "r+b") as f:
        f.truncate(MIB)
    w.download("--format=raw", "--output=d")
    same(w.read("d"), big.data)


def test_another_format_does_not_go_on_with_the_part(w, pod, big):
    cutter = through(w, pod)
    interrupted(w, cutter, "--output=d").failed(INTERRUPTED)
    cutter.release()
    w.download("--format=raw", "--output=d")
    same(w.read("d"), big.data)


def test_retry_bounds_the_tries_without_progress(w, pod):
    cutter = through(w, pod, formats=("raw",))
    cutter.cut_at(*range(1, 60))
    run = w.run("download", "exp", "--format=raw", "--retry=2", "--output=d").failed(TRANSFER)
    check(3 <= cutter.connections <= 4, f"{cutter.connections} connections: {run}")
    equal(w.files(), [])


def test_retry_does_not_bound_the_tries_with_progress(w, pod, big):
    cutter = through(w, pod, formats=("raw",))
    cutter.cut_at(*range(2 * MIB, 42 * MIB, 2 * MIB))
    w.download("--format=raw", "--retry=1", "--output=d", seconds=120)
    equal(cutter.cut, 20)
    same(w.read("d"), big.data)


def test_a_transfer_that_failed_can_be_gone_on_with(w, pod, big):
    cutter = through(w, pod, formats=("raw",))
    cutter.on_cut = cutter.go
    cutter.cut_at(20 * MIB)
    w.run("download", "exp", "--format=raw", "--retry=1", "--output=d").failed(TRANSFER, "d")
    check("d" not in w.files() and "d.part" in w.files(), f"{w.files()}")
    cutter.come()
    before = cutter.down
    w.download("--format=raw", "--output=d")
    same(w.read("d"), big.data)
    check(cutter.down - before < 30 * MIB, "it began anew")


def test_a_plain_server_is_begun_anew(w, disk):
    """No ETag: nobody knows whether it is still the same disk."""
    w.made()
    for formats in (("raw",), ("gzip",)):
        peer = w.plain(disk, formats, ranges=True)
        cutter = w.cutter(peer)
        cutter.cut_at(MIB)
        w.be_ready(cutter, cert=peer.cert, formats=formats)
        w.download("--format=raw", "--output=d")
        equal(cutter.cut, 1)
        same(w.read("d"), disk.data)
        check(not any("from=" in r.path for r in peer.requests), "?from= to a server that does not know it")


def test_a_server_with_etags_that_knows_no_from(w, disk):
    """It sends the whole gzip again, which must not be taken for the rest."""
    peer = w.plain(disk, tag=TAG)
    w.made()
    for formats in (("raw", "gzip"), ("gzip",)):
        for args, unpack in ((("--format=raw",), bytes), ((), gunzip)):
            cutter = w.cutter(peer)
            cutter.cut_at(len(peer.files[PEERS_GZ]) * 3 // 4)
            w.be_ready(cutter, cert=peer.cert, formats=formats)
            w.download("--output=d", *args)
            equal(cutter.cut, 1)
            same(unpack(w.read("d")), disk.data)


# How a disk is fetched from a peer: the formats of its links, the flags, and what of the answer's body is the disk.
WAYS = ((("raw",), ("--format=raw",), bytes), (("raw",), ("--format=raw", "--connections=2"), bytes), (("gzip",), ("--format=raw",), bytes), (("gzip",), (), gunzip))


def going_on(peer):
    """What it was asked for to go on: (the condition's header, the request)."""
    asked = [("If-Match", r) for r in peer.requests if "from=" in r.query]
    return asked + [("If-Range", r) for r in peer.requests if r.headers["Range"] not in (None, "bytes=0-0")]


def breaks(peer, length, how_often=1, then=lambda: None):
    """So many of the answers that bring something of the disk end after `length` bytes; `then` comes before the next."""
    left = [how_often]

    def hook(request, reply):
        if left[0] and request.command == "GET" and len(reply.body) > length:
            left[0] -= 1
            reply.cut = length
            if not left[0]:
                then()
    peer.hook = hook


def test_going_on_has_a_condition(w, big):
    """That it still is the same disk (RFC 9110 §13.1): If-Range for a part of it, If-Match for the rest of a gzip."""
    w.made()
    for formats, args, unpack in WAYS:
        peer = w.plain(big, formats, each=MIB, goes_on=True, tag=TAG, ranges=True)
        breaks(peer, 9 * MIB)
        w.be_ready(peer, formats=formats)
        w.download(*args, "--output=d")
        same(unpack(w.read("d")), big.data, f"{formats} {args}")
        asked = going_on(peer)
        check(asked, f"{formats} {args}: it began anew")
        for header, request in asked:
            equal(request.headers[header], TAG, f"{header} of {request.path} {request.headers['Range']}")


def test_a_condition_that_does_not_hold(w, big, other):
    """If-Range: the whole of what is there now, or 412 for If-Match. Neither is a failure, and no retry is used up."""
    w.made()
    for formats, args, unpack in WAYS:
        peer = w.plain(big, formats, each=MIB, goes_on=True, tag=TAG, ranges=True)
        breaks(peer, 9 * MIB, then=lambda peer=peer, formats=formats: w.holds(peer, other, formats, each=MIB, goes_on=True, tag=OTHER_TAG))
        w.be_ready(peer, formats=formats)
        w.download(*args, "--retry=1", "--output=d")
        same(unpack(w.read("d")), other.data, f"{formats} {args}")
        equal({r.status for header, r in going_on(peer) if r.headers[header] == TAG} - {206}, {412} if formats == ("gzip",) else {200}, "what the peer said")


def test_a_server_that_ignores_conditions(w, big, other):
    """Each answer says whose part it is: what is another disk's is not put together with what is there."""
    w.made()
    for formats, args, unpack in WAYS:
        peer = w.plain(big, formats, each=MIB, goes_on=True, tag=TAG, ranges=True, careless=True)
        breaks(peer, 9 * MIB, then=lambda peer=peer, formats=formats: w.holds(peer, other, formats, each=MIB, goes_on=True, tag=OTHER_TAG))
        w.be_ready(peer, formats=formats)
        w.download(*args, "--output=d")
        same(unpack(w.read("d")), other.data, f"{formats} {args}")


def test_a_disk_that_changes_between_pieces(w, big, other):
    """Without a break: some pieces are one disk's, the others another's, and the peer ignores If-Range."""
    w.made()
    for connections, firsts in ((2, 2), (2, 3), (4, 1)):
        peer, pieces = w.plain(big, ("raw",), tag=TAG, ranges=True, careless=True), []

        def change(request, _, peer=peer, pieces=pieces, firsts=firsts):
            if request.headers["Range"] not in (None, "bytes=0-0"):
                pieces.append(request)
            if len(pieces) == firsts:
                w.holds(peer, other, ("raw",), tag=OTHER_TAG)
        peer.hook = change
        w.be_ready(peer, formats=("raw",))
        w.download("--format=raw", f"--connections={connections}", "--output=d")
        same(w.read("d"), other.data, f"{connections} connections")
        check(len(pieces) > 4, f"{len(pieces)} pieces: it did not begin anew")


def fails_on_the_way(w, peer, *args, length=20 * MIB):
    """A run that gives up after so many bytes."""
    def hook(request, reply):
        if request.command == "GET" and any(r.command == "GET" and r.headers["Range"] != "bytes=0-0" for r in peer.requests[:-1]):
            reply.update(status=503, body=b"", framing="length")
        elif request.command == "GET":
            reply.cut = length
    peer.hook = hook
    run = w.run("download", "exp", *args, "--retry=1", "--output=d").failed(TRANSFER)
    peer.hook = lambda request, reply: None
    return run


def test_a_part_of_an_earlier_run_and_several_connections(w, big, other):
    """Gone on with when the tag is the same, thrown away when it is not; the peer ignores If-Range."""
    for disk, tag in ((big, TAG), (other, OTHER_TAG)):
        peer = w.plain(big, ("raw",), tag=TAG, ranges=True, careless=True)
        if not w.exp():
            w.made()
        w.be_ready(peer, formats=("raw",))
        fails_on_the_way(w, peer, "--format=raw")
        equal(w.files(), ["d.part", "d.part.json"])
        w.holds(peer, disk, ("raw",), tag=tag)
        del peer.requests[:]
        w.download("--format=raw", "--connections=4", "--output=d")
        same(w.read("d"), disk.data)
        first = min(int(r.headers["Range"][6:].split("-")[0]) for _, r in going_on(peer) if r.status == 206)
        equal(first > 0, disk is big, f"it went on; the first byte that it asked for was {first}")
        os.remove(w.file("d"))


def test_the_retries_count_anew_for_another_disk(w, big, other):
    """What it has of the other disk is progress, also where it had more of the first."""
    w.made()
    for formats, args, unpack in WAYS:
        peer = w.plain(big, formats, each=MIB, goes_on=True, tag=TAG, ranges=True)

        def change(peer=peer, formats=formats):
            w.holds(peer, other, formats, each=MIB, goes_on=True, tag=OTHER_TAG)
            breaks(peer, 3 * MIB, 9)
        # In several pieces, the first are whole.
        several = "--connections=2" in args
        breaks(peer, 15 * MIB if several else 20 * MIB, 3 if several else 1, change)
        w.be_ready(peer, formats=formats)
        w.download(*args, "--retry=2", "--output=d", seconds=90).said("another")
        same(unpack(w.read("d")), other.data, f"{formats} {args}")


def test_a_kept_gzip_without_points_is_begun_anew(w, big):
    """Nobody could put the rest to what is there, though the server would send it."""
    w.made()
    peer = w.plain(big, ("gzip",), goes_on=True, tag=TAG)
    w.be_ready(peer, formats=("gzip",))
    breaks(peer, 12 * MIB)
    w.download("--output=d").said("starting again")
    same(gunzip(w.read("d")), big.data)
    check(not going_on(peer), "it asked for the rest")
    fails_on_the_way(w, peer, length=12 * MIB)
    equal(w.files(), ["d"], "what nobody can go on with")


def test_a_damaged_stream_leaves_nothing_to_go_on_with(w, big):
    """Though the server has tags, and would send the rest; the damage is behind what is fine."""
    w.made()
    for args, unpack in ((("--format=raw",), bytes), ((), gunzip)):
        for each in (MIB, None):
            peer = w.plain(big, ("gzip",), each=each, goes_on=True, tag=TAG)
            w.be_ready(peer, formats=("gzip",))

            def damaged(_, reply):
                body = bytearray(reply.body)
                body[18 * MIB:18 * MIB + 64] = bytes(b ^ 0xff for b in body[18 * MIB:18 * MIB + 64])
                reply.body = bytes(body)
            peer.hook = damaged
            w.run("download", "exp", *args, "--retry=1", "--output=d").failed(INTEGRITY)
            equal(w.files(), [], f"{args} {each}")
            peer.hook = lambda _, reply: None
            w.download(*args, "--output=d")
            same(unpack(w.read("d")), big.data, f"{args} {each}")
            os.remove(w.file("d"))


def test_a_limit_of_the_file_size_and_then_none(w, pod, big):
    """What came before the disk was full is gone on with, if that was said, and said only if it can be."""
    size = len(pod.get(GZ).body)
    w.made()
    for formats, args, whole, unpack in ((("gzip",), ("--format=raw",), size, bytes), (("gzip",), (), size, gunzip), (("raw",), ("--format=raw",), len(big.data), bytes)):
        cutter = w.cutter(pod)
        w.be_ready(cutter, cert=pod.cert, volumes=("big",), formats=formats)
        run = w.run("download", "exp", *args, "--output=d", before=("sh", "-c", 'ulimit -f 24000; exec "$@"', "sh")).failed(FAILED)
        equal((w.files(), bool(re.search("go(es)? on with", run.err))), (["d.part", "d.part.json"], True), f"what is left and promised: {run}")
        check(os.path.getsize(w.file("d.part")) <= 24000 * 512, "the limit does not hold here")
        before = cutter.down
        w.download(*args, "--output=d").said("going on")
        same(unpack(w.read("d")), big.data, f"{formats} {args}")
        check(cutter.down - before < whole - 3 * MIB, f"{formats} {args}: began anew")
        os.remove(w.file("d"))


def test_an_archive_is_begun_anew(w, pod):
    cutter = w.cutter(pod)
    w.existing(cutter, cert=pod.cert, volumes=("tree",), formats=("dir", "tar.gz"))
    cutter.cut_at(MIB // 2)
    w.download("--output=t.tar.gz")
    equal(cutter.cut, 1)
    check(gunzip(w.read("t.tar.gz")) == gunzip(pod.get("/volumes/tree/disk.tar.gz").body), "another archive")


def test_the_api_server_may_be_away_meanwhile(w, pod, big):
    """A break of the transfer is mended without it: a link that is known is tried."""
    cutter = through(w, pod, formats=("raw",))
    cutter.hold_at(10 * MIB)
    kubeconfig = shutil.copy(w.plane.admin, w.home + "/kubeconfig")
    proxy = w.stack.enter_context(fixture.Cutter(w.plane.port))
    with open(kubeconfig, encoding="utf-8") as f:
        text = f.read()
    with open(kubeconfig, "w", encoding="utf-8") as f:
        f.write(text.replace(w.plane.server, f"https://127.0.0.1:{proxy.port}"))
    run = w.start("download", "exp", "--format=raw", "--output=d", "--kubeconfig", kubeconfig, "--namespace", w.ns, bare=True)
    eventually(cutter.held, f"10 MiB: {run}")
    proxy.go()
    cutter.cut_all()
    cutter.release()
    run.done()
    same(w.read("d"), big.data)


def test_an_export_that_is_deleted_in_mid_download(w, pod):
    cutter = through(w, pod, formats=("raw",))
    cutter.hold_at(10 * MIB)
    run = w.begin("--format=raw", "--output=d", "--retry=3", "--readiness-timeout=3s")
    eventually(cutter.held, f"10 MiB: {run}")
    w.delete("export", "exp")
    cutter.go()
    cutter.release()
    run.finish(60).said("exp")
    check(run.code in (fixture.NOT_FOUND, TRANSFER) and "d" not in w.files(), f"exit code of {run}")


if __name__ == "__main__":
    fixture.main(globals())
