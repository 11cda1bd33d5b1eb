#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections that break, servers that go and come back as others: the file is right, and little is sent twice.

All goes through a Cutter (cutter.py) to the real export server, but for what is about servers that cannot be gone on with."""
import os
import random
import shutil
import signal
import time
import zlib

import fixture
from fixture import INTEGRITY, INTERRUPTED, MIB, TRANSFER, check, equal, eventually, gunzip, same

CUTS = 20
HANDSHAKE = 16384                   # bytes from the server, with its certificate
GZ = "/volumes/big/disk.img.gz"


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
    """Killed, and after some seconds in which the export is Pending there is another at the same port."""
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
    again = w.serve([("big", "disk", "id-1", big.path)], port=server.port)
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
        run = interrupted(w, cutter, *args, "--output=d").failed(INTERRUPTED, "again|resume|go on|goes on|continue", within=10)
        check("d" not in w.files(), f"part of the disk under the final name: {run}")
        check("d.part" in w.files(), f"nothing was kept: {w.files()}")
        cutter.release()
        before = cutter.down
        w.download(*args, "--output=d").said("again|resum|go on|goes on|going on|continu")
        same(unpack(w.read("d")), big.data, f"{formats} {args}")
        check(cutter.down - before < whole - 7 * MIB, f"{formats} {args}: began anew")
        equal(w.files(), ["d"])
        os.remove(w.file("d"))


def test_several_interrupts(w, pod, big):
    cutter = through(w, pod, formats=("raw",))
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        run = interrupted(w, cutter, "--format=raw", "--connections=3", "--output=d", signo=signo).finish(15)
        check(run.code not in (0, -signo), f"exit code of {run}")
        cutter.release()
    w.download("--format=raw", "--output=d")
    same(w.read("d"), big.data)
    # Of pieces that were fetched at once, the first is gone on with.
    check(cutter.down < len(big.data) * 1.01 + 3 * 8 * MIB, "it began anew")


def test_an_interrupt_while_it_waits(w):
    w.made()
    w.be("Pending", "PodPending", "the pod starts")
    run = w.begin("--output=d").says("the pod starts")
    run.interrupt().failed(INTERRUPTED, within=5)
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
    peer = w.plain(disk)

    def tag(_, reply):
        reply.headers["ETag"] = '"disk-1"'
    peer.hook = tag
    w.made()
    for formats in (("raw", "gzip"), ("gzip",)):
        for args, unpack in ((("--format=raw",), bytes), ((), gunzip)):
            cutter = w.cutter(peer)
            cutter.cut_at(len(peer.files["/volumes/disk/disk.img.gz"]) * 3 // 4)
            w.be_ready(cutter, cert=peer.cert, formats=formats)
            w.download("--output=d", *args)
            equal(cutter.cut, 1)
            same(unpack(w.read("d")), disk.data)


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
