#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Directories: listings, files, and nothing outside the volume."""
import contextlib
import datetime
import email.utils
import html.entities
import html.parser
import http.client
import json
import os
import re
import socket
import stat
import subprocess
import time
import urllib.parse

import harness
from harness import HEADER, NOBODY, SLOW, TOKEN, VARIANT, Pod, Skip, check, equal, go_program

DIR = "/volumes/tree/dir"
ODD = "/volumes/odd/dir/"
HEAD = b'<!doctype html>\n<meta name="viewport" content="width=device-width">\n'
SECRET = b"not to be had\n"
MANY = 5000 if VARIANT in ("asan", "tsan") else 100000

# What names a listing has to get right, as bytes: no locale has a say.
ODD_NAMES = [b"x%cy" % c for c in range(1, 256) if c != 47] + [bytes([c]) for c in b"*-+&#?%:;~\\'\" \x7f\xff"] + [
    b"a:b", b"http:x", b"&lt", b"&lt;", b"&amp;&quot;x&nosuch;", b"&#60;", b"&;", b"a&b=c;d", b"%41", b"%2e%2e", b"%2F", b"%00", b"%zz", b"...", b"..a",
    b".hidden", b" lead", b"trail ", b"-rf", b"$HOME", b"a\nb", b"a\r\nSet-Cookie: b", b"<script>alert(1)<script>", b"\xc0\xae\xc0\xae",
    b"\xe2\x80\xa8", b"e\xcc\x81", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x92\xbe", b"UPPER", b"upper", b"n" * 255, b"\xff" * 255]
BARE_ENTITIES = [name.encode() for name in html.entities.html5 if not name.endswith(";")]      # "&lt" is '<' even without a ';'
ODD_NAMES += [b"x&%s.txt" % name for name in BARE_ENTITIES]
ODD_DIRECTORIES = [b"d" + name for name in (b":", b"*", b"&lt;", b"\xff", b" ", b"%2F", b"ir")] + [b"c:d", b"*d", b"lost+found"]


def make_odd(path):
    os.mkdir(path)
    for name in ODD_NAMES:
        with open(os.path.join(os.fsencode(path), name), "wb") as f:
            f.write(b"this is " + name)
    for name in ODD_DIRECTORIES:
        os.mkdir(os.path.join(os.fsencode(path), name))
    return path


def make_many(path):
    os.mkdir(path)
    for i in range(MANY):
        os.mknod(f"{path}/file-{i:06d}.txt", 0o644)
    return path


def pod_options(fixtures):
    tree = fixtures.get("tree")
    for folder in (fixtures.tmp, fixtures.tmp + "/sub"):      # what climbing out of "tree" or "tree/sub" would reach
        os.makedirs(folder, exist_ok=True)
        with open(folder + "/outside", "wb") as f:
            f.write(SECRET)
    os.mkdir(tree + "/nothing")
    return {"volumes": [("disk", "disk", "-", fixtures.get("disk")), ("tree", "archive", "-", tree), ("file", "archive", "-", tree + "/hello.txt"),
                        ("odd", "archive", "-", make_odd(fixtures.tmp + "/odd")), ("many", "archive", "-", make_many(fixtures.tmp + "/many"))]}


class Links(html.parser.HTMLParser):
    """The (href, text) of a page's links, as a browser reads them."""

    def __init__(self, page):
        super().__init__()
        self.found, self.href = [], None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.href, self.text = dict(attrs)["href"], ""

    def handle_data(self, data):
        if self.href is not None:
            self.text += data

    def handle_endtag(self, tag):
        if tag == "a":
            self.found.append((self.href, self.text))
            self.href = None


def entries(pod, path):
    """The JSON listing as {name: entry}."""
    r = pod.get(path, headers={"Accept": "application/json"})
    equal((r.status, r.headers["Content-Type"]), (200, "application/json"), path)
    return {e["name"]: e for e in json.loads(r.body)}


def go_listing(root, path):
    """Go's listing, whose head came with Go 1.22, with the one documented deviation."""
    body = subprocess.run([go_program("listing"), root, path], check=True, capture_output=True, env={"LC_ALL": "C"}).stdout
    entity = rb"&(?=[a-zA-Z0-9]*;|(%s)(?![a-zA-Z0-9=]))" % b"|".join(BARE_ENTITIES)
    body = re.sub(rb'(?<=<a href=")[^"]*', lambda m: re.sub(entity, b"%26", m[0]), body)
    return HEAD + body[body.index(b"<pre>\n"):]


def same_as_go(pod, url, root, path):
    got, want = pod.get(url).body, go_listing(root, path)
    if got != want:
        lines = [(a, b) for a, b in zip(got.split(b"\n"), want.split(b"\n")) if a != b]
        raise AssertionError(f"{url}: {len(got)} bytes, {len(want)} wanted; first difference: {lines[:1]}")


# ---- listings ----

def test_listing_is_byte_for_byte_that_of_gos_file_server(pod, tree):
    for path in ("/", "/sub/", "/sub/deep/", "/nothing/", "/lost+found/", "/dirlink/"):
        same_as_go(pod, DIR + path, tree, path)


def test_listing_of_awkward_names_is_that_of_go_but_for_entities(pod, tree):
    same_as_go(pod, ODD, os.path.dirname(tree) + "/odd", "/")


def test_listing_of_very_many_files_is_that_of_go(pod, tree):
    same_as_go(pod, "/volumes/many/dir/", os.path.dirname(tree) + "/many", "/")


def test_json_listing_of_very_many_files_is_complete(pod):
    equal(sorted(entries(pod, "/volumes/many/dir/")), [f"file-{i:06d}.txt" for i in range(MANY)])


def test_listing_has_type_and_length(pod):
    r = pod.get(DIR + "/sub/")
    equal((r.status, r.headers["Content-Type"], r.headers["Vary"]), (200, "text/html; charset=utf-8", "Accept"))
    equal(int(r.headers["Content-Length"]), len(r.body), "length")


def test_every_link_leads_to_its_file_as_a_browser_reads_it(pod):
    links = Links(pod.get(ODD).body.decode("latin-1")).found
    equal(len(links), len(ODD_NAMES) + len(ODD_DIRECTORIES), "links")
    for href, text in links:
        if href.endswith("/"):
            equal(pod.get(ODD + href).status, 200, href)
        elif re.search("%0.|%1.|%7F", href):
            equal(pod.get(ODD + href).status, 400, f"{href}: a control character")
        else:
            name = urllib.parse.unquote_to_bytes(href.removeprefix("./"))
            equal(pod.get(ODD + href).body, b"this is " + name, href)
            equal(text.encode("latin-1"), name, "text of the link")


def test_json_names_every_entry_and_href_leads_to_it(pod):
    body = json.loads(pod.get(ODD, headers={"Accept": "application/json"}).body)
    equal([urllib.parse.unquote_to_bytes(e["href"]).removeprefix(b"./").removesuffix(b"/") for e in body], sorted(ODD_NAMES + ODD_DIRECTORIES), "names")
    for e in body:
        name = urllib.parse.unquote_to_bytes(e["href"]).removeprefix(b"./").removesuffix(b"/")
        with contextlib.suppress(UnicodeDecodeError):
            equal(e["name"], name.decode("utf-8"), "a name that is UTF-8")
        check("\ufffd" in e["name"] or e["name"].encode() == name, f"{name}: {e['name']}")
    equal(pod.get(ODD + "x%FFy").body, b"this is x\xffy", "by its bytes")


def test_json_listing_tells_type_size_time_and_target(pod, tree):
    top, sub = entries(pod, DIR + "/"), entries(pod, DIR + "/sub/")
    equal(top["hello.txt"], {"name": "hello.txt", "href": "hello.txt", "type": "file", "size": 6, "mtime": "2020-09-13T12:26:40Z"})
    for name, e in (("sub", top["sub"]), ("link", top["link"]), ("sub/sparse", sub["sparse"]), ("sub/fifo", sub["fifo"])):
        mtime = int(os.lstat(f"{tree}/{name}").st_mtime)
        equal(e["mtime"], datetime.datetime.fromtimestamp(mtime, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), name)
    types = {"sub": "directory", "link": "symlink", "dirlink": "symlink"}
    equal({name: top[name]["type"] for name in types}, types)
    types = {"fifo": "fifo", "sock": "socket", "sparse": "file", "dangling": "symlink", "lost+found": "directory"}
    equal({name: sub[name]["type"] for name in types}, types)
    equal((sub["sparse"]["size"], sub["up"]["target"], sub["etc"]["target"]), ((64 << 20) + 3, "../../outside", "/etc/passwd"))
    equal((top["sub"]["href"], top[":colon"]["href"]), ("sub/", "./:colon"))
    check("size" not in top["sub"] and "size" not in top["link"] and "target" not in top["hello.txt"], "fields only where they mean something")


def test_json_is_given_to_who_asks_for_it(pod):
    for accept, json_wanted in (("application/json", True), ("text/html, application/json;q=0.9", True), ("APPLICATION/JSON", True), ("*/*", False),
                                ("text/html", False), ("application/jsonx", False), ("x-application/json", False), ("", False)):
        r = pod.get(DIR + "/", headers={"Accept": accept})
        equal((r.status, r.headers["Content-Type"].startswith("application/json")), (200, json_wanted), accept)
        equal(r.headers["Vary"], "Accept", accept)
    equal(json.loads(pod.get(DIR + "/nothing/", headers={"Accept": "application/json"}).body), [])


def test_listing_answers_304_until_the_directory_changes(pod, tree):
    mtime = int(os.stat(tree + "/sub").st_mtime)
    date = email.utils.formatdate(mtime, usegmt=True)
    equal(pod.get(DIR + "/sub/").headers["Last-Modified"], date)
    for when, status in ((mtime, 304), (mtime + 1, 304), (mtime - 1, 200)):
        r = pod.get(DIR + "/sub/", headers={"If-Modified-Since": email.utils.formatdate(when, usegmt=True)})
        equal((r.status, len(r.body) > 0), (status, status == 200), f"{when - mtime} s")
    r = pod.get(DIR + "/sub/", headers={"If-Modified-Since": date, "Accept": "application/json"})
    equal((r.status, r.headers["Last-Modified"]), (200, None), "sizes change without the directory: no date in JSON")


def test_an_index_html_neither_hides_the_listing_nor_is_hidden(pod, tree):
    os.makedirs(tree + "/site", exist_ok=True)
    with open(tree + "/site/index.html", "wb") as f:
        f.write(b"<p>mine\n")
    equal(pod.get(DIR + "/site/").body, HEAD + b'<pre>\n<a href="index.html">index.html</a>\n</pre>\n')
    equal(pod.get(DIR + "/site/index.html").body, b"<p>mine\n")


# ---- redirects ----

def location(pod, path, **kw):
    r = pod.get(path, **kw)
    equal((r.status, r.body), (301, b""), path)
    return r.headers["Location"]


def test_directories_end_in_a_slash_and_files_do_not(pod):
    for path, want in (("/volumes/tree", "tree/dir/"), ("/volumes/tree/", "dir/"), (DIR, "dir/"), (DIR + "/sub", "sub/"), ("/volumes/tree/sub", "sub/"),
                       (DIR + "/dirlink", "dirlink/"), (DIR + "/sub/deep", "deep/"), (DIR + "/hello.txt/", "../hello.txt"),
                       ("/volumes/tree/sub/x.bin/", "../x.bin"), (DIR + "/:colon/", "../:colon"), (ODD + "c:d", "./c:d/"), (ODD + "d%FF", "d%FF/"),
                       (ODD + "d%252F", "d%252F/"), (ODD + "d%26lt;", "d&lt;/")):
        equal(location(pod, path), want, path)
        equal(pod.get(urllib.parse.urljoin(path, want)).status, 200, f"{want} from {path}")


def test_redirects_keep_the_query_and_the_token_in_it(pod):
    for path in ("/volumes/tree", DIR, DIR + "/sub", DIR + "/hello.txt/"):
        target = urllib.parse.urljoin(path, location(pod, f"{path}?a=%20%26&b&{HEADER}={TOKEN}", token=None))
        check(target.endswith(f"?a=%20%26&b&{HEADER}={TOKEN}"), target)
        equal(pod.get(target, token=None).status, 200, target)


def test_redirects_lead_nowhere_else(pod):
    for path in ("//example.com/..", "/volumes/tree/dir//example.com", "/volumes/tree//example.com/", "/volumes/tree/dir/%2Fexample.com/", "/%5Cexample.com",
                 "/volumes/tree/dir/sub%0D%0AX:%20y", "/volumes/tree/dir/sub?%0d%0aX: y".replace(" ", "%20")):
        r = pod.get(path)
        check(r.status >= 400 or not re.match(r"[/\\]|[a-z]+:", r.headers.get("Location", "")), f"{path}: {r.status} {r.headers['Location']}")
        equal(r.headers["X"], None, path)


# ---- files ----

def test_a_file_is_had_with_and_without_dir_in_the_path(pod, tree):
    with open(tree + "/sub/x.bin", "rb") as f:
        want = f.read()
    for path in ("hello.txt", "empty", "sub/x.bin", "sub/hard", "link", "dirlink/x.bin", "we%20ird%20%3C&%3E%22'%23%3F%25.txt", "%3Acolon", "latin-%E9",
                 "%C3%BCn%C3%AFcode", "sub/deep/" + "n" * 255, "sub/lost+found/keep", "lost+found/drop", "sub//x.bin", "./sub/./x.bin", "sub/deep/../x.bin"):
        a, b = pod.get("/volumes/tree/dir/" + path), pod.get("/volumes/tree/" + path)
        equal((a.status, b.status), (200, 200), path)
        check(a.body == b.body and (not path.endswith("x.bin") or a.body == want), f"{path}: bytes differ")


def test_a_file_named_as_a_format_of_disks_is_had_below_dir(pod, tree):
    for name in ("disk.img", "disk.img.gz", "disk.tar.gz", "dir"):
        with open(f"{tree}/{name}", "w", encoding="ascii") as f:
            f.write(name)
        equal(pod.get(f"{DIR}/{name}").body, name.encode(), name)
        os.unlink(f"{tree}/{name}")


def test_content_types_go_by_extension(pod, tree):
    os.mkdir(tree + "/types")
    for name, want in (("a.txt", "text/plain; charset=utf-8"), ("a.json", "application/json"), ("a.html", "text/html; charset=utf-8"),
                       ("A.HTM", "text/html; charset=utf-8"), ("a.csv", "text/csv; charset=utf-8"), ("a.png", "image/png"), ("a.svg", "image/svg+xml"),
                       ("a.tar.gz", "application/gzip"), ("a.pdf", "application/pdf"), ("a.qcow2", "application/octet-stream"),
                       ("html", "application/octet-stream"), (".html", "application/octet-stream"), ("a.", "application/octet-stream")):
        with open(f"{tree}/types/{name}", "wb") as f:
            f.write(b"<html>")
        equal(pod.get(f"{DIR}/types/{name}").headers["Content-Type"], want, name)


def test_a_guests_page_may_not_act_in_the_browser(pod):
    for kw in ({}, {"headers": {"Range": "bytes=0-3"}}, {"headers": {"Range": "bytes=0-0,2-2"}}, {"method": "HEAD"}):
        r = pod.get(DIR + "/page.html", **kw)
        equal((r.headers["X-Content-Type-Options"], r.headers["Content-Security-Policy"]), ("nosniff", "sandbox; default-src 'none'"), str(kw))


def test_files_have_ranges(pod, tree):
    with open(tree + "/sub/x.bin", "rb") as f:
        data = f.read()
    for text, start, end in (("0-0", 0, 1), ("5-9", 5, 10), (f"{len(data) - 3}-", len(data) - 3, len(data)), ("-7", len(data) - 7, len(data)),
                             ("100-99999999999", 100, len(data))):
        r = pod.get(DIR + "/sub/x.bin", headers={"Range": "bytes=" + text})
        equal((r.status, r.headers["Content-Range"]), (206, f"bytes {start}-{end - 1}/{len(data)}"), text)
        check(r.body == data[start:end], f"{text}: bytes differ")
    r = pod.get(DIR + "/hello.txt", headers={"Range": "bytes=0-0,2-3"})
    equal((r.status, r.headers["Content-Type"].split(";")[0], r.body.count(b"Content-Range")), (206, "multipart/byteranges", 2))
    r = pod.get(DIR + "/hello.txt", headers={"Range": "bytes=6-"})
    equal((r.status, r.headers["Content-Range"]), (416, "bytes */6"), "beyond the end")
    for path, text in (("hello.txt", "lines=0-1"), ("hello.txt", "bytes=2-1"), ("hello.txt", "bytes=x"), ("empty", "bytes=0-1")):
        equal(pod.get(f"{DIR}/{path}", headers={"Range": text}).status, 200, f"{path}, {text}: ignored")


def test_conditions_on_a_file(pod):
    path, date = DIR + "/hello.txt", email.utils.formatdate(1600000000, usegmt=True)
    before, after = (email.utils.formatdate(1600000000 + s, usegmt=True) for s in (-1, 1))
    r = pod.get(path)
    etag = r.headers["ETag"]
    check(re.fullmatch(r'"[^"]+"', etag), f"strong: {etag}")
    equal((r.headers["Last-Modified"], r.headers["Accept-Ranges"]), (date, "bytes"))
    for headers, status in (({"If-None-Match": etag}, 304), ({"If-None-Match": "W/" + etag}, 304), ({"If-None-Match": '"x", ' + etag}, 304),
                            ({"If-None-Match": "*"}, 304), ({"If-None-Match": '"x"'}, 200), ({"If-None-Match": '"x"', "If-Modified-Since": date}, 200),
                            ({"If-Modified-Since": date}, 304), ({"If-Modified-Since": before}, 200), ({"If-Modified-Since": "yesterday"}, 200),
                            ({"If-Match": etag}, 200), ({"If-Match": "*"}, 200), ({"If-Match": '"x"'}, 412), ({"If-Match": "W/" + etag}, 412),
                            ({"If-Unmodified-Since": before}, 412), ({"If-Unmodified-Since": date}, 200)):
        r = pod.get(path, headers=headers)
        equal((r.status, r.body == b"hello\n"), (status, status == 200), str(headers))
    for value, status in ((etag, 206), (date, 206), ('"x"', 200), ("W/" + etag, 200), (before, 200), (after, 200)):
        equal(pod.get(path, headers={"Range": "bytes=0-0", "If-Range": value}).status, status, f"If-Range: {value}")


def test_the_etag_changes_with_the_file(pod, tree):
    seen = set()
    for data in (b"one", b"two", b"three"):
        with open(tree + "/changing.new", "wb") as f:
            f.write(data)
        os.rename(tree + "/changing.new", tree + "/changing")
        os.utime(tree + "/changing", (1600000000, 1600000000))
        seen.add(pod.get(DIR + "/changing").headers["ETag"])
    equal(len(seen), 3, "tags of three files of one date")
    equal(len({pod.get(DIR + "/" + p).headers["ETag"] for p in ("hello.txt", "link", "sub/hard")}), 1, "tags of one file with three names")


def test_head_has_the_headers_of_get(pod):
    for path, accept in ((DIR + "/", "*/*"), (DIR + "/", "application/json"), (DIR + "/hello.txt", "*/*"), (DIR + "/latin-%E9", "*/*"), (DIR + "/empty", "*/*"),
                         (DIR + "/sub", "*/*"), (DIR + "/no", "*/*"), ("/volumes/many/dir/", "*/*"), ("/volumes/many/dir/", "application/json"),
                         (DIR + "/sub/fifo", "*/*")):
        get, head = (pod.get(path, method=m, headers={"Accept": accept}) for m in ("GET", "HEAD"))
        equal((head.status, head.body), (get.status, b""), path)
        headers = [{k: v for k, v in r.headers.items() if k not in ("Date", "Transfer-Encoding", "Connection")} for r in (head, get)]
        equal(headers[0], headers[1], f"{path}, Accept: {accept}")


# ---- what is not there, or may not be had ----

def test_paths_that_lead_out_are_not_followed(pod):
    up = ("..", "%2e%2e", ".%2E", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "..%00", "..;", "....", ". .".replace(" ", "%20"), "%uff0e%uff0e")
    slash = ("/", "%2f", "%252f", "%5c", "\\", "//", "/./", "%2f%2f", "%c0%af")
    for dots in up:
        for s in slash:
            for base in (DIR + "/", DIR + "/sub/", "/volumes/tree/", "/volumes/"):
                for target in (f"{dots}{s}outside", f"{dots}{s}{dots}{s}outside", f"nothing{s}{dots}{s}{dots}{s}outside"):
                    r = pod.get(base + target)
                    check(r.status >= 400 and SECRET not in r.body, f"{base}{target}: {r.status}")


def test_absolute_paths_are_below_the_volume(pod, tree):
    for path in ("//etc/passwd", "/%2fetc%2fpasswd", "/./etc/passwd", "//proc/self/environ", "/%2f%2fetc/passwd", f"/{tree}/hello.txt", f"{tree}/../outside"):
        for base in (DIR, "/volumes/tree"):
            r = pod.get(base + path)
            equal((r.status, b"root:" in r.body, SECRET in r.body), (404, False, False), base + path)


def test_links_that_lead_out_are_404(pod, tree):
    os.mkdir(tree + "/out")
    for name, target in (("absolute", "/etc/passwd"), ("relative", "../../outside"), ("far", "../" * 40 + "etc/passwd"), ("directory", "/etc"), ("root", "/"),
                         ("up", "../.."), ("magic", "/proc/self/root/etc/passwd"), ("fd", "/proc/self/fd/0"), ("chain", "relative"),
                         ("back", tree + "/hello.txt"), ("detour", "../../" + os.path.basename(tree) + "/hello.txt")):
        os.symlink(target, f"{tree}/out/{name}")
    for path in ("absolute", "relative", "far", "directory/", "directory/passwd", "root/etc/passwd", "up/outside", "magic", "fd", "chain", "back", "detour"):
        for base in (DIR, "/volumes/tree"):
            r = pod.get(f"{base}/out/{path}")
            equal((r.status, b"root:" in r.body, SECRET in r.body), (404, False, False), path)


def test_links_within_the_volume_are_followed(pod, tree):
    os.mkdir(tree + "/in")
    for name, target in (("up", "../hello.txt"), ("chain", "up"), ("folder", "../sub"), ("around", "../sub/../in/../hello.txt")):
        os.symlink(target, f"{tree}/in/{name}")
    for path in ("up", "chain", "folder/hard", "around"):
        equal(pod.get(f"{DIR}/in/{path}").body, b"hello\n", path)


def test_special_files_answer_at_once(pod, tree):
    if os.geteuid() != 0:
        raise Skip("device nodes need root")
    os.mknod(tree + "/sub/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(tree + "/sub/zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    os.mknod(tree + "/sub/block", 0o666 | stat.S_IFBLK, os.makedev(7, 250))
    for name, status in (("fifo", 403), ("sock", 403), ("null", 403), ("zero", 403), ("block", 403), ("dangling", 404), ("loop", 404)):
        for path in (f"{DIR}/sub/{name}", f"/volumes/tree/sub/{name}", f"{DIR}/sub/{name}/"):
            start = time.time()
            r = pod.get(path, timeout=10)
            check(r.status == status and time.time() - start < 3 * SLOW, f"{path}: {r.status} in {time.time() - start:.1f} s")
    equal({n: e["type"] for n, e in entries(pod, DIR + "/sub/").items() if n in ("null", "block")}, {"null": "character", "block": "block"})
    for name in ("null", "zero", "block"):
        os.unlink(f"{tree}/sub/{name}")


def test_what_is_not_there_is_404(pod):
    for path in ("/no", "/no/", "/hello.txt/below", "/hello.txt/../data.json%20", "/" + "n" * 256, "/sub/" + "%FF" * 256, "/" + "a/" * 400, "/" + "a/" * 200,
                 "/sub/nothing/x", "/" + "x" * 5000, "/%20", "/hello.txt%20", "/HELLO.TXT", "/.", "/no/../no"):
        r = pod.get(DIR + path)
        want = 200 if path == "/." else 404
        equal(r.status, want, path[:40])
        if want == 404:
            equal((r.headers["Content-Type"], r.headers["X-Content-Type-Options"]), ("text/plain; charset=utf-8", "nosniff"), path[:40])


def test_nul_in_a_path_is_400(pod):
    for path in ("/hello.txt%00", "/a%00b", "/%00", "/hello.txt%00.html"):
        equal(pod.get(DIR + path).status, 400, path)


def test_a_disk_has_no_files_and_says_what_it_has(pod):
    for path in ("/volumes/disk/dir/", "/volumes/disk/dir", "/volumes/disk", "/volumes/disk/", "/volumes/disk/hello.txt"):
        r = pod.get(path)
        equal(r.status, 404, path)
        check(b"/volumes/disk/disk.img" in r.body and b"disk.img.gz" in r.body, r.body)


def test_an_archive_that_is_no_directory_is_the_servers_fault(pod):
    equal(pod.get("/volumes/file/dir/").status, 500)
    check(any("volume 'file'" in line.get("msg", "") for line in pod.log_lines() if line["level"] == "error"), "the log says which")


def test_messages_do_not_tell_where_volumes_are(pod, tree):
    for path in ("/volumes/file/dir/", DIR + "/no", DIR + "/sub/fifo", DIR + "/out/absolute"):
        check(tree.encode() not in pod.get(path).body, path)


def test_what_may_not_be_read_is_403(tmp):
    os.makedirs(tmp + "/tree/closed")
    os.mkdir(tmp + "/tree/blind")
    for name in ("secret", "open", "closed/file", "blind/file"):
        with open(f"{tmp}/tree/{name}", "wb") as f:
            f.write(b"data\n")
        os.chmod(f"{tmp}/tree/{name}", 0o644)
    for name, mode in (("secret", 0o600), ("closed", 0o711), ("blind", 0o744), (".", 0o755)):
        os.chmod(f"{tmp}/tree/{name}", mode)
    with Pod([("tree", "archive", "-", tmp + "/tree")], uid=NOBODY) as pod:
        for path, status in (("/open", 200), ("/secret", 403), ("/closed/", 403), ("/closed/file", 200), ("/blind/", 200), ("/blind/file", 403), ("/", 200)):
            equal(pod.get(DIR + path).status, status, path)
        equal(entries(pod, DIR + "/blind/"), {"file": {"name": "file", "href": "file", "type": "file"}}, "what the directory tells")
        check(b'<a href="secret">' in pod.get(DIR + "/").body, "it is listed")


# ---- a client that does more than ask ----

def test_a_listing_that_nobody_reads_ends_with_its_client(pod):
    for _ in range(3):
        r = pod.open("/volumes/many/dir/")
        r.read(1000)
        r.close()
    start = time.time()
    equal(pod.get(DIR + "/hello.txt").body, b"hello\n")
    check(time.time() - start < 3 * SLOW, "the next request is not held up")


def test_a_directory_that_changes_while_it_is_listed(pod, tree):
    many = os.path.dirname(tree) + "/many"
    r = pod.open("/volumes/many/dir/", headers={"Accept": "application/json"})
    first = r.read(1000)
    for i in range(MANY - 50, MANY):
        os.unlink(f"{many}/file-{i:06d}.txt")
    names = [e["name"] for e in json.loads(first + r.read())]
    check(MANY - 50 <= len(names) <= MANY and names == sorted(names), f"{len(names)} names")
    for i in range(MANY - 50, MANY):
        os.mknod(f"{many}/file-{i:06d}.txt", 0o644)


if __name__ == "__main__":
    harness.main(globals())
