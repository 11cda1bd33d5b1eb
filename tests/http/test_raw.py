#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""disk.img of a file and of a block device: the same contract, with ranges and validators."""
import email
import os
import subprocess

import harness
from harness import HEADER, MIB, TOKEN, Pod, check, equal

SIZE = 24 * MIB
FILE, BLOCK = "/volumes/file/disk.img", "/volumes/block/disk.img"


class Raw:
    """One disk as a file in a directory, as PVCs have it, and as a block device."""

    def __init__(self, tmp, stack):
        os.mkdir(tmp + "/volume")
        self.image = harness.make_disk(tmp + "/volume/disk.img", SIZE)
        with open(self.image, "rb") as f:
            self.data = f.read()
        self.device = stack.enter_context(harness.loop_device(self.image))
        self.pod = stack.enter_context(Pod([("file", "disk", "id", tmp + "/volume"), ("block", "disk", "id", self.device)]))


harness.Fixtures.make_raw = lambda self: Raw(self.get("tmp"), self.stack)


def both(raw, **kw):
    """The answers of file and block device to the same request."""
    return ((path, raw.pod.get(path, **kw)) for path in (FILE, BLOCK))


def test_the_whole_disk(raw):
    for path, r in both(raw):
        equal((r.status, r.headers["Content-Length"], r.headers["Accept-Ranges"], r.headers["Content-Type"]),
              (200, str(SIZE), "bytes", "application/octet-stream"), path)
        check(r.body == raw.data, path)


def test_single_ranges(raw):
    for spec, start, end in (("0-0", 0, 1), ("100-199", 100, 200), (f"{SIZE - 10}-", SIZE - 10, SIZE), ("-512", SIZE - 512, SIZE),
                             (f"{SIZE - 3}-{SIZE + 99}", SIZE - 3, SIZE), (f"-{SIZE + 5}", 0, SIZE), ("3000000-7000000", 3000000, 7000001)):
        for path, r in both(raw, headers={"Range": "bytes=" + spec}):
            equal((r.status, r.headers["Content-Range"]), (206, f"bytes {start}-{end - 1}/{SIZE}"), path + spec)
            check(r.body == raw.data[start:end], path + spec)


def parts_of(answer):
    message = email.message_from_bytes(b"Content-Type: " + answer.headers["Content-Type"].encode() + b"\r\n\r\n" + answer.body)
    check(message.is_multipart(), "multipart")
    return [(part["Content-Range"], part.get_payload(decode=True)) for part in message.get_payload()]


def test_several_ranges_however_many(raw):
    for count in (2, 11, 40, 200):
        starts = [i * 100000 for i in range(count)]
        for path, r in both(raw, headers={"Range": "bytes=" + ",".join(f"{s}-{s + 9}" for s in starts)}):
            equal((r.status, int(r.headers["Content-Length"])), (206, len(r.body)), f"{path} {count}")
            equal([p[0] for p in parts_of(r)], [f"bytes {s}-{s + 9}/{SIZE}" for s in starts], path)
            for start, (_, body) in zip(starts, parts_of(r)):
                check(body == raw.data[start:start + 10], f"{path}: part at {start}")


def test_a_range_beyond_the_end_is_416_with_the_size(raw):
    for spec in (f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"):
        for path, r in both(raw, headers={"Range": spec}):
            equal((r.status, r.headers["Content-Range"]), (416, f"bytes */{SIZE}"), path + spec)


def test_what_is_no_range_is_ignored(raw):
    for spec in ("lines=1-2", "bytes=9-5", "bytes=a-b", "bytes=", "bytes", "bytes=1-2x", "bytes=0-,0-,0-"):
        for path in (FILE, BLOCK):
            r = raw.pod.open(path, headers={"Range": spec})
            equal((r.status, r.headers["Content-Length"]), (200, str(SIZE)), path + spec)
            r.close()


def test_if_range_resumes_only_the_same_disk(raw):
    for path in (FILE, BLOCK):
        tag = raw.pod.get(path, method="HEAD").headers["ETag"]
        equal(raw.pod.get(path, headers={"Range": "bytes=5-9", "If-Range": tag}).body, raw.data[5:10], path)
        r = raw.pod.open(path, headers={"Range": "bytes=5-9", "If-Range": '"other"'})
        equal(r.status, 200, path)
        r.close()


def test_conditional_requests(raw):
    for path in (FILE, BLOCK):
        tag = raw.pod.get(path, method="HEAD").headers["ETag"]
        check(tag.startswith('"') and len(tag) > 16, f"a strong tag: {tag}")
        for header, value, status in (("If-None-Match", tag, 304), ("If-None-Match", f'"x", W/{tag}', 304), ("If-None-Match", '"x"', 200),
                                      ("If-Match", tag, 200), ("If-Match", "*", 200), ("If-Match", '"x"', 412), ("If-Match", "W/" + tag, 412)):
            equal(raw.pod.get(path, method="HEAD", headers={header: value}).status, status, f"{path} {header}: {value}")


def test_dates_of_a_file_count(raw):
    modified = raw.pod.get(FILE, method="HEAD").headers["Last-Modified"]
    old = "Thu, 01 Jan 1998 00:00:00 GMT"
    for header, value, status in (("If-Modified-Since", modified, 304), ("If-Modified-Since", old, 200),
                                  ("If-Unmodified-Since", modified, 200), ("If-Unmodified-Since", old, 412)):
        equal(raw.pod.get(FILE, method="HEAD", headers={header: value}).status, status, f"{header}: {value}")


def test_a_changed_file_has_another_tag(raw):
    before = raw.pod.get(FILE, method="HEAD").headers["ETag"]
    os.utime(raw.image, (1700000000, 1700000000))
    check(raw.pod.get(FILE, method="HEAD").headers["ETag"] != before, "the tag is the same")


def test_a_device_without_an_identity_has_no_tag(raw):
    with Pod([("block", "disk", "-", raw.device)]) as pod:
        equal(pod.get(BLOCK, method="HEAD").headers["ETag"], None)
        equal(pod.get(BLOCK, headers={"If-Match": '"x"'}).status, 412)
    with Pod([("block", "disk", "another", raw.device)]) as pod:
        check(pod.get(BLOCK, method="HEAD").headers["ETag"] != raw.pod.get(BLOCK, method="HEAD").headers["ETag"], "the identity does not count")


def test_head_has_the_headers_of_get(raw):
    for path, head in both(raw, method="HEAD"):
        get = raw.pod.get(path)
        equal(head.body, b"", path)
        for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Last-Modified"):
            equal(head.headers[name], get.headers[name], f"{path} {name}")


def test_other_methods_are_refused(raw):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path, r in both(raw, method=method, headers={"Content-Length": "0", "Range": "bytes=0-9"}):
            equal((r.status, r.headers["Allow"], r.body), (405, "GET, HEAD", b""), f"{method} {path}")


def test_the_type_does_not_depend_on_the_content(tmp):
    with open(tmp + "/text.img", "wb") as f:
        f.write(b"<html>looks like text\n" * 100)
    with Pod([("disk", "disk", "id", tmp + "/text.img")]) as pod:
        equal(pod.get("/volumes/disk/disk.img").headers["Content-Type"], "application/octet-stream")


def test_an_empty_disk_is_served(tmp):
    open(tmp + "/empty.img", "wb").close()
    with Pod([("disk", "disk", "id", tmp + "/empty.img")]) as pod:
        r = pod.get("/volumes/disk/disk.img")
        equal((r.status, r.body, r.headers["Content-Length"]), (200, b"", "0"))
        equal(pod.get("/volumes/disk/disk.img", headers={"Range": "bytes=0-"}).status, 200)


def test_a_device_that_is_gone_is_no_empty_disk(tmp):
    harness.make_disk(tmp + "/disk.img", MIB)
    with harness.gone_device(tmp + "/disk.img") as device, Pod([("disk", "disk", "id", device)]) as pod:
        for path in ("/volumes/disk/disk.img", "/volumes/disk/disk.img.gz"):
            equal(pod.get(path).status, 500, path)
        equal(pod.get("/volumes/disk/disk.img", headers={"Range": "bytes=100-"}).status, 500, "resumed")


def test_a_huge_number_in_a_range_is_clamped(raw):
    for path, r in both(raw, headers={"Range": "bytes=16777216-99999999999999999999999"}):
        equal((r.status, r.headers["Content-Range"]), (206, f"bytes 16777216-{SIZE - 1}/{SIZE}"), path)


def test_offsets_beyond_4_gib_and_2_tib_are_right(tmp):
    size, marks = 3 << 40, (4096 << 20, 2 << 40)
    with open(tmp + "/huge.img", "wb") as f:
        f.truncate(size)
        for mark in marks:
            f.seek(mark - 4)
            f.write(b"overedge")
    with Pod([("disk", "disk", "id", tmp + "/huge.img")]) as pod:
        equal(pod.get("/volumes/disk/disk.img", method="HEAD").headers["Content-Length"], str(size))
        for mark in marks:
            equal(pod.get("/volumes/disk/disk.img", headers={"Range": f"bytes={mark - 4}-{mark + 3}"}).body, b"overedge")
        r = pod.get("/volumes/disk/disk.img", headers={"Range": ",".join([f"bytes={marks[0] - 4}-{marks[0] + 3}", f"{marks[1] - 4}-{marks[1] + 3}"])})
        equal([p[1] for p in parts_of(r)], [b"overedge"] * 2)


def nbdcopy(raw, tmp, path):
    subprocess.run(["nbdkit", "-U", "-", "curl", raw.pod.url(path), f"cainfo={raw.pod.cert_dir}/tls.crt", f"header={HEADER}: {TOKEN}",
                    "--run", f'nbdcopy "$uri" {tmp}/out'], check=True, capture_output=True, timeout=120 * harness.SLOW)
    with open(tmp + "/out", "rb") as f:
        return f.read()


def test_nbdkit_reads_it(raw, tmp):
    for path in (FILE, BLOCK):
        check(nbdcopy(raw, tmp, path) == raw.data, path)


def test_qemu_img_converts_it_with_the_token_in_the_query(raw, tmp):
    for path in (FILE, BLOCK):
        source = f'json:{{"driver":"raw","file":{{"driver":"https","url":"{raw.pod.url(path)}?{HEADER}={TOKEN}","sslverify":"off"}}}}'
        # One request at a time: with more, qemu 7.2's curl driver may wait for ever for answers that it has.
        subprocess.run(["qemu-img", "convert", "-m", "1", "-O", "raw", source, tmp + "/out"], check=True, capture_output=True, timeout=120 * harness.SLOW)
        with open(tmp + "/out", "rb") as f:
            check(f.read() == raw.data, path)


harness.main(globals())
