#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""disk.img.gz: one gzip member for every reader, the same bytes every time, and a way to go on after a break."""
import hashlib
import http.client
import http.server
import os
import subprocess
import threading
import zlib

import harness
from harness import BUILD, MIB, SLOW, check, equal

READERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "readers")
GZ = "/volumes/disk/disk.img.gz"


def content(disk):
    with open(disk, "rb") as f:
        return f.read()


def gunzip(data):
    """The one member of a stream; more or less than one is an error."""
    d = zlib.decompressobj(31)
    out = d.decompress(data)
    check(d.eof, "the stream has no end")
    equal(d.unused_data, b"", "bytes after the member")
    return out


def unpack_with(command, data, **kw):
    r = subprocess.run(command, input=data, capture_output=True, check=False, timeout=120 * SLOW, **kw)
    equal(r.returncode, 0, f"{command[0]}: {r.stderr}")
    return r.stdout


def export(disk, **env):
    """The stream as the handler writes it as a CGI program."""
    r = subprocess.run([BUILD + "/fcgi/gzip"], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=120 * SLOW,
                       env=dict(os.environ, VMEXPORT_VOLUMES=f"disk disk id {disk}", REQUEST_METHOD="GET", PATH_INFO=GZ, **env))
    return r.stdout.partition(b"\r\n\r\n")[2]


def allocated_copy(disk, tmp):
    copy = tmp + "/allocated.img"
    subprocess.run(["cp", "--sparse=never", disk, copy], check=True)
    check(os.stat(copy).st_blocks * 512 >= os.stat(copy).st_size > os.stat(disk).st_blocks * 512, "one is sparse, the other is not")
    return copy


def test_the_stream_is_one_member_and_right(pod, disk):
    r = pod.get(GZ)
    equal((r.status, r.headers["Content-Type"], r.headers["Content-Encoding"]), (200, "application/gzip", None))
    check(gunzip(r.body) == content(disk), "bytes differ")


def test_gzip_and_pigz_unpack_it(pod, disk):
    data = pod.get(GZ).body
    for tool in ("gzip", "pigz"):
        check(unpack_with([tool, "-dc"], data) == content(disk), tool)


def test_go_unpacks_it(pod, disk):
    check(unpack_with(["go", "run", READERS + "/gunzip.go"], pod.get(GZ).body, env=dict(os.environ, GO111MODULE="off", GOFLAGS="")) == content(disk), "bytes differ")


def test_java_unpacks_it(pod, disk):
    check(unpack_with(["java", READERS + "/Gunzip.java"], pod.get(GZ).body) == content(disk), "bytes differ")


def test_nbdkits_gzip_filter_unpacks_it(pod, disk, tmp):
    with open(tmp + "/disk.img.gz", "wb") as f:
        f.write(pod.get(GZ).body)
    subprocess.run(["nbdkit", "-U", "-", "--filter=gzip", "file", tmp + "/disk.img.gz", "--run", f'nbdcopy "$uri" {tmp}/out'],
                   check=True, capture_output=True, timeout=120)
    check(content(tmp + "/out") == content(disk), "bytes differ")


def test_curl_unpacks_it_as_a_content_encoding(pod, disk):
    data = pod.get(GZ).body

    class Encoded(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Encoded) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        out = subprocess.run(["curl", "-sS", "--compressed", f"http://127.0.0.1:{server.server_port}/"], capture_output=True, check=True).stdout
    check(out == content(disk), "bytes differ")


def test_any_number_of_threads_and_holes_or_zeros_give_the_same_bytes(disk, tmp):
    copies = (disk, allocated_copy(disk, tmp))
    runs = [export(copy, VMEXPORT_THREADS=str(threads)) for _ in range(4) for threads in (1, 2, 4) for copy in copies]
    equal((len(runs), len({hashlib.sha256(run).hexdigest() for run in runs})), (24, 1), "24 runs, one result")


def test_the_portable_codec_keeps_the_same_contract(disk, tmp):
    runs = {export(copy, VMEXPORT_GZIP_CODEC="zlib", VMEXPORT_THREADS=threads) for copy in (disk, allocated_copy(disk, tmp)) for threads in "14"}
    equal(len(runs), 1, "results")
    check(gunzip(runs.pop()) == content(disk), "bytes differ")


def test_a_file_and_a_block_device_give_the_same_bytes(disk, tmp):
    padded = tmp + "/padded.img"
    with open(padded, "wb") as f:
        f.write(content(disk)[:24 * MIB])
    with harness.loop_device(padded) as device:
        check(export(device) == export(padded), "bytes differ")


def test_from_goes_on_where_a_break_was(pod, disk):
    whole = pod.get(GZ)
    for block in (0, 1, 7, 12, 24):
        r = pod.get(f"{GZ}?from={block * MIB}", headers={"If-Match": whole.headers["ETag"]})
        equal(r.status, 200, f"block {block}")
        check(gunzip(r.body) == content(disk)[block * MIB:], f"block {block}: bytes differ")


def test_a_stream_from_a_block_is_what_an_export_of_the_rest_would_be(pod, disk, tmp):
    for block in (1, 3, 12):
        rest = f"{tmp}/rest-{block}"
        with open(rest, "wb") as f:
            f.write(content(disk)[block * MIB:])
        check(pod.get(f"{GZ}?from={block * MIB}").body == export(rest), f"block {block}: bytes differ")


def test_from_takes_only_whole_blocks_of_the_disk(pod):
    for bad in ("1000", "-1048576", "x", "", "1048576x", "0x100000", str(1 << 60), str(1 << 64), "25165824.0", "%00", "1048576%001"):
        equal(pod.get(f"{GZ}?from={bad}").status, 400, f"from={bad}")


def test_another_state_of_the_disk_is_never_mixed_in(pod, disk):
    before = pod.get(GZ, method="HEAD").headers["ETag"]
    os.utime(disk)
    after = pod.get(GZ, method="HEAD").headers["ETag"]
    check(before and before != after, f"{before} and {after}")
    equal(pod.get(f"{GZ}?from={MIB}", headers={"If-Match": before}).status, 412)
    equal(pod.get(GZ, headers={"If-None-Match": after}).status, 304)


def test_raw_gzip_and_the_portable_codec_have_tags_of_their_own(pod, disk):
    with harness.Pod([("disk", "disk", "id-1", disk)], env={"VMEXPORT_GZIP_CODEC": "zlib"}) as other:
        tags = {pod.get(GZ, method="HEAD").headers["ETag"], pod.get(GZ[:-3], method="HEAD").headers["ETag"], other.get(GZ, method="HEAD").headers["ETag"]}
    equal(len(tags), 3, f"{tags}")


def test_head_is_get_without_a_body_and_without_a_length(pod):
    head, get = pod.get(GZ, method="HEAD"), pod.get(GZ)
    equal((head.status, head.body), (200, b""))
    for name in ("Content-Type", "ETag", "Accept-Ranges", "Content-Length"):
        equal(head.headers[name], get.headers[name], name)


def test_a_range_is_not_taken(pod):
    equal(pod.get(GZ, headers={"Range": "bytes=0-9"}).status, 200)


def test_an_empty_disk_is_an_empty_stream(tmp):
    open(tmp + "/empty.img", "wb").close()
    equal(gunzip(export(tmp + "/empty.img")), b"")


def test_a_terabyte_of_nothing_flows_at_once(tmp):
    with open(tmp + "/huge.img", "wb") as f:
        f.truncate(1 << 40)
    with harness.Pod([("disk", "disk", "id", tmp + "/huge.img")]) as pod:
        r = pod.open(GZ)
        d = zlib.decompressobj(31)
        equal(d.decompress(r.read(MIB)).strip(b"\0"), b"", "content")
        r.close()


def test_a_disk_that_is_written_to_meanwhile_is_no_whole_stream(tmp):
    path = harness.make_disk(tmp + "/disk.img", 64 * MIB)
    with open(path, "r+b") as f:
        f.write(os.urandom(60 * MIB))
    with harness.Pod([("disk", "disk", "id", path)]) as pod:
        r = pod.open(GZ)
        r.read(MIB)
        os.utime(path)
        try:
            rest = r.read()
        except (OSError, http.client.HTTPException):
            return
        raise AssertionError(f"a clean end after {len(rest)} bytes")


def test_a_disk_that_is_a_link_is_not_served(tmp):
    os.mkdir(tmp + "/volume")
    os.symlink("/etc/passwd", tmp + "/volume/disk.img")
    with harness.Pod([("disk", "disk", "id", tmp + "/volume")]) as pod:
        for path in (GZ, GZ[:-3]):
            check(pod.get(path).status in (403, 404), path)


def test_a_disk_that_is_a_link_within_its_volume_is_not_served(disk, tmp):
    os.mkdir(tmp + "/volume")
    os.link(disk, tmp + "/volume/other.img")
    os.symlink("other.img", tmp + "/volume/disk.img")
    with harness.Pod([("disk", "disk", "id", tmp + "/volume")]) as pod:
        for path in (GZ, GZ[:-3]):
            equal(pod.get(path).status, 404, path)


def test_a_volume_without_a_disk_is_404(tmp):
    os.mkdir(tmp + "/volume")
    with harness.Pod([("disk", "disk", "id", tmp + "/volume")]) as pod:
        equal(pod.get(GZ).status, 404)


harness.main(globals())
