#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page at "/", the routes with and without prefix, methods, and each handler as a CGI program."""
import gzip
import html.parser
import io
import json
import os
import subprocess
import tarfile

import harness
from harness import BUILD, HEADER, NOBODY, SLOW, TOKEN, Pod, Skip, check, equal

API = "/api/{}/namespaces/ns-1/virtualmachineexports/exp.1"
PREFIXES = (API.format("export.vmexport.io/v1"), API.format("export.kubevirt.io/v1beta1"))
ROUTES = ("/volumes/disk/disk.img", "/volumes/disk/disk.img.gz", "/volumes/tree/disk.tar.gz", "/volumes/tree/dir/", "/volumes/tree/dir/hello.txt",
          "/volumes/tree/hello.txt", "/volumes/tree/dir/latin-%E9", "/internal/manifests/all", "/internal/manifests/secret", "/exportready", "/")


def pod_options(fixtures):
    volumes = [("disk", "disk", "id-1", fixtures.get("disk")), ("tree", "archive", "-", fixtures.get("tree")),
               ("gone", "disk", "-", fixtures.tmp + "/no/such/disk"), ("lost", "archive", "-", fixtures.tmp + "/no/such/tree"),
               ("Weird_name.1-x", "archive", "-", fixtures.get("tree"))]
    return {"env": {"VMEXPORT_PREFIX": " ".join(PREFIXES)}, "volumes": volumes}


def write_manifests(folder):
    for name, text in (("internal.00.json", '{"kind": "VirtualMachine"}'), ("export-name", "exp")):
        with open(f"{folder}/{name}", "w", encoding="ascii") as f:
            f.write(text)


class Page(html.parser.HTMLParser):
    """The links and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.links, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.text += data


def page(pod, path="/", **kw):
    r = pod.get(path, **kw)
    equal((r.status, r.headers["Content-Type"]), (200, "text/html; charset=utf-8"), path)
    return Page(r.body.decode("utf-8"))


def json_volumes(pod, path="/"):
    r = pod.get(path, headers={"Accept": "application/json"})
    equal((r.status, r.headers["Content-Type"]), (200, "application/json"), path)
    return {v["name"]: v for v in json.loads(r.body)["volumes"]}


# ---- the page ----

def test_page_has_every_volume_with_formats_and_size(pod, disk):
    found = page(pod)
    size = os.path.getsize(disk)
    check(f"disk, {size / (1 << 20):.1f} MiB ({size} bytes)" in found.text, found.text)
    for link in ("volumes/disk/disk.img", "volumes/disk/disk.img.gz", "volumes/tree/dir/", "volumes/tree/disk.tar.gz", "volumes/Weird_name.1-x/dir/"):
        check(link in found.links, f"{link} is in {found.links}")
    check("volumes/disk/dir/" not in found.links and "volumes/tree/disk.img" not in found.links, "no formats that are not to be had")


def test_every_link_of_the_page_works_below_any_prefix(pod):
    for prefix in ("",) + PREFIXES:
        links = [link for link in page(pod, prefix + "/").links if "gone" not in link and "lost" not in link]
        check(len(links) >= 6 and not any(link.startswith(("/", "http")) for link in links), f"relative links: {links}")
        for link in links:
            equal(pod.get(f"{prefix}/{link}", method="HEAD").status, 200, prefix + "/" + link)


def test_commands_name_the_address_that_was_asked(pod):
    for prefix in ("",) + PREFIXES:
        check(f"URL=https://127.0.0.1:{pod.port}{prefix}\n" in page(pod, prefix + "/").text, prefix)
    check(b"URL=https://h.example:8443</pre>" in pod.curl("/", "-H", "Host: h.example:8443").stdout, "a proxy's name")


def test_commands_can_be_copied_without_harm(pod):
    for path in ("/?a=$(id)", "/?%3Cscript%3E", "//", "/./"):
        text = pod.get(path).body
        check(b"$(id)" not in text and b"<script" not in text and b"//\n" not in text, path)


def test_the_token_is_not_in_the_page(pod):
    for path in ("/", f"/?{HEADER}={TOKEN}", f"/?a=1&{HEADER}={TOKEN}"):
        for accept in ("text/html", "application/json"):
            r = pod.get(path, headers={"Accept": accept, "Referer": f"https://x/?{HEADER}={TOKEN}"})
            equal((r.status, TOKEN.encode() in r.body, TOKEN in str(r.headers)), (200, False, False), path)


def test_the_page_may_not_run_anything(pod):
    r = pod.get("/")
    equal((r.headers["Content-Security-Policy"], r.headers["X-Content-Type-Options"]), ("default-src 'none'; style-src 'unsafe-inline'", "nosniff"))
    check(b"<script" not in r.body and b"http://" not in r.body, "nothing from elsewhere")


def test_a_volume_that_cannot_be_read_is_shown_with_the_reason(pod):
    text = page(pod).text
    equal(text.count("It cannot be read now:"), 2, "broken volumes")
    check("'gone': No such file or directory" in text and "'lost': No such file or directory" in text, text)
    check("/no/such" not in text, "the page tells where volumes are")


def test_an_unreadable_disk_is_shown_with_the_reason(tmp):
    with open(tmp + "/disk.img", "wb") as f:
        f.truncate(512)
    os.chmod(tmp + "/disk.img", 0)
    with Pod([("disk", "disk", "-", tmp + "/disk.img")], uid=NOBODY) as pod:
        check("Permission denied" in page(pod).text, "reason")
        check("Permission denied" in json_volumes(pod)["disk"]["error"], "reason in JSON")


def test_json_has_the_same_for_programs(pod, disk):
    found = json_volumes(pod)
    equal(list(found), ["disk", "tree", "gone", "lost", "Weird_name.1-x"], "volumes in their order")
    equal(found["disk"], {"name": "disk", "content": "disk", "size": os.path.getsize(disk), "formats": [{"format": "raw", "url": "volumes/disk/disk.img"},
                                                                                                     {"format": "gzip", "url": "volumes/disk/disk.img.gz"}]})
    equal(found["tree"], {"name": "tree", "content": "archive",
                          "formats": [{"format": "dir", "url": "volumes/tree/dir/"}, {"format": "tar.gz", "url": "volumes/tree/disk.tar.gz"}]})
    check("No such file" in found["gone"]["error"] and "size" not in found["gone"], found["gone"])
    equal(pod.get("/", headers={"Accept": "application/json"}).headers["Vary"], "Accept")


def test_an_export_without_volumes_has_a_page():
    with Pod([]) as pod:
        check("no volumes" in page(pod).text, "it says so")
        equal(json_volumes(pod), {})
        equal(pod.get("/volumes/disk/disk.img").status, 404)


# ---- routes ----

def test_both_prefixes_route_every_format(pod):
    write_manifests(pod.manifest_dir)
    for path in ROUTES:
        want = pod.get(path)
        equal(want.status, 200, path)
        for prefix in PREFIXES:
            got = pod.get(prefix + path)
            equal(got.status, 200, prefix + path)
            check(got.body == want.body or path == "/", f"{prefix + path}: bytes differ")


def test_redirects_stay_below_the_prefix(pod):
    for prefix in ("",) + PREFIXES:
        for path, want in (("/volumes/tree", "tree/dir/"), ("/volumes/tree/dir", "dir/"), ("/volumes/tree/dir/sub", "sub/"),
                           ("/volumes/tree/dir/hello.txt/", "../hello.txt")):
            r = pod.get(prefix + path)
            equal((r.status, r.headers["Location"]), (301, want), prefix + path)


def test_the_prefix_itself_is_the_page(pod):
    for prefix in PREFIXES:
        equal(pod.get(prefix + "/").status, 200, prefix + "/")
        check(pod.get(prefix).status in (301, 404), "without the slash its links would lead elsewhere")


def test_other_prefixes_are_404(pod):
    one = PREFIXES[0]
    for prefix in (one.replace("ns-1", "ns-2"), one.replace("exp.1", "exp.2"), one.replace("exp.1", "exp.11"), one.replace("exp.1", "expx1"),
                   one.replace("/v1", "/v2"), one.upper(), one + one, one + "/x", "/x" + one, "/api", one.replace("/api", "/apis")):
        for path in ROUTES:
            equal(pod.get(prefix + path).status, 404, prefix + path)


def test_without_a_prefix_none_is_known(disk, tree):
    for value in ("", " "):
        with Pod([("disk", "disk", "-", disk), ("tree", "archive", "-", tree)], env={"VMEXPORT_PREFIX": value}) as pod:
            equal([pod.get(PREFIXES[0] + path).status for path in ROUTES], [404] * len(ROUTES))
            equal([pod.get(path, method="HEAD").status for path in ("/volumes/disk/disk.img", "/volumes/tree/dir/", "/")], [200] * 3)


def test_unknown_paths_are_404_with_a_reason(pod):
    for path in ("/no", "/no/", "/volumes", "/volumes/", "/volumes/no", "/volumes/no/", "/volumes/no/disk.img", "/volumes/no/disk.img.gz",
                 "/volumes/no/disk.tar.gz", "/volumes/no/dir/", "/volumes/DISK/disk.img", "/volumes/disk/disk.img/", "/volumes/disk/disk.img/x",
                 "/volumes/disk/disk.imgx", "/volumes/disk/xdisk.img", "/volumes/disk/disk.img.gz.gz", "/volumes/disk/disk.vmdk", "/volume/disk/disk.img",
                 "/xvolumes/disk/disk.img", "/volumes//disk.img", "/volumes/%2e/disk.img", "/exportready/", "/exportreadyx", "/index.html", "/favicon.ico",
                 "/volumes/tree/disk.img", "/volumes/tree/disk.img.gz", "/volumes/disk%FF/disk.img", "/%FF", "/export.oci.tar"):
        r = pod.get(path)
        equal((r.status, r.headers["Content-Type"]), (404, "text/plain; charset=utf-8"), path)
        check(len(r.body) > 10, f"{path}: no reason")


def test_other_methods_are_405_on_every_route(pod):
    write_manifests(pod.manifest_dir)
    for path in ROUTES + ("/no/such/path", PREFIXES[0] + "/volumes/disk/disk.img"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            r = pod.get(path, method=method, headers={"Content-Length": "0"})
            equal((r.status, r.headers["Allow"], r.body), (405, "GET, HEAD", b""), f"{method} {path}")


def test_a_body_is_not_taken(pod):
    for size in (10, 8000, 100000):
        result = pod.curl("/volumes/disk/disk.img", "-X", "POST", "--data-binary", "@-", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", input=b"x" * size)
        # The connection may be closed on a large one before all of it is sent, and the answer lost with it.
        refused = (b"405", b"413") if size < 100000 else (b"405", b"413", b"000")
        check(result.stdout in refused, f"{size} bytes: {result.stdout} {result.stderr}")


def test_head_has_the_headers_of_get_on_every_route(pod):
    write_manifests(pod.manifest_dir)
    for path in ROUTES + ("/no/such/path", "/volumes/gone/disk.img", "/volumes/lost/disk.tar.gz"):
        get, head = (pod.get(path, method=m) for m in ("GET", "HEAD"))
        equal((head.status, head.body), (get.status, b""), path)
        headers = [{k: v for k, v in r.headers.items() if k not in ("Date", "Transfer-Encoding", "Connection")} for r in (head, get)]
        equal(headers[0], headers[1], path)


# ---- CGI ----

def cgi(program, path, tree_and_disk, query="", method="GET", **env):
    """Runs a handler as CGI program; returns (status line, headers, body, exit status)."""
    tree, disk = tree_and_disk
    fixed = {"PATH": os.environ["PATH"], "VMEXPORT_VOLUMES": f"disk disk - {disk}\ntree archive - {tree}\n", "REQUEST_METHOD": method, "PATH_INFO": path,
             "QUERY_STRING": query}
    fixed.update((k, v) for k, v in os.environ.items() if k.endswith("SAN_OPTIONS"))
    result = subprocess.run([f"{BUILD}/fcgi/{program}"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60 * SLOW, env={**fixed, **env})
    head, _, body = result.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    check("Sanitizer" not in result.stderr.decode(errors="replace"), result.stderr)
    return lines[0], dict(line.split(": ", 1) for line in lines[1:]), body, result.returncode


def cgi_ok(*args, **kw):
    status, headers, body, rc = cgi(*args, **kw)
    equal((status, rc), ("Status: 200 OK", 0), str(args[:2]))
    return headers, body


def test_raw_and_gzip_run_from_a_shell(tree, disk):
    with open(disk, "rb") as f:
        want = f.read()
    headers, body = cgi_ok("raw", "/volumes/disk/disk.img", (tree, disk))
    check(body == want and int(headers["Content-Length"]) == len(want), "raw: bytes differ")
    check(gzip.decompress(cgi_ok("gzip", "/volumes/disk/disk.img.gz", (tree, disk))[1]) == want, "gzip: bytes differ")
    status, headers, body, rc = cgi("raw", "/volumes/disk/disk.img", (tree, disk), HTTP_RANGE="bytes=5-9")
    equal((status, headers["Content-Range"], body, rc), ("Status: 206 Partial Content", f"bytes 5-9/{len(want)}", want[5:10], 0))


def test_dir_and_tar_run_from_a_shell(tree, disk):
    equal(cgi_ok("dir", "/volumes/tree/dir/hello.txt", (tree, disk))[1], b"hello\n")
    check(b'<a href="hello.txt">hello.txt</a>\n' in cgi_ok("dir", "/volumes/tree/dir/", (tree, disk))[1], "listing")
    content = gzip.decompress(cgi_ok("tar", "/volumes/tree/disk.tar.gz", (tree, disk))[1])
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as t:
        check("./hello.txt" in t.getnames() or "./sub/hard" in t.getnames(), "archive")


def test_manifest_ready_and_index_run_from_a_shell(tree, disk, tmp):
    write_manifests(tmp)
    with open(tmp + "/token", "w", encoding="ascii") as f:
        f.write(TOKEN)
    env = {"VMEXPORT_MANIFEST_DIR": tmp, "VMEXPORT_TOKEN_FILE": tmp + "/token"}
    equal(json.loads(cgi_ok("manifest", "/internal/manifests/all", (tree, disk), **env)[1])["items"], [{"kind": "VirtualMachine"}])
    check(TOKEN.encode() in cgi_ok("manifest", "/internal/manifests/secret", (tree, disk), **env)[1], "secret")
    equal(cgi_ok("ready", "/exportready", (tree, disk))[1], b"OK")
    check(b"volumes/disk/disk.img.gz" in cgi_ok("index", "/", (tree, disk))[1], "page")


def test_a_hostile_address_gets_into_no_command(tree, disk):
    for host, uri in (("$(id)", "/"), ("h\" id", "/"), ("h<b>", "/"), ("h", "/$(id)/"), ("h", "/`id`"), ("h", "/;id"), ("h\nid", "/")):
        _, body = cgi_ok("index", "/", (tree, disk), HTTP_HOST=host, REQUEST_URI=uri, HTTPS="on")
        check(b"URL=https://HOST</pre>" in body, f"{host} {uri}: {body}")


def test_below_a_web_server_cgi_asks_for_the_token(tree, disk, tmp):
    with open(tmp + "/token", "w", encoding="ascii") as f:
        f.write(TOKEN)
    env = {"GATEWAY_INTERFACE": "CGI/1.1", "VMEXPORT_TOKEN_FILE": tmp + "/token", "VMEXPORT_MANIFEST_DIR": tmp}
    for program, path in (("raw", "/volumes/disk/disk.img"), ("gzip", "/volumes/disk/disk.img.gz"), ("dir", "/volumes/tree/dir/hello.txt"),
                          ("tar", "/volumes/tree/disk.tar.gz"), ("manifest", "/internal/manifests/all"), ("index", "/")):
        for more in ({}, {"HTTP_X_KUBEVIRT_EXPORT_TOKEN": "wrong"}, {"query": f"{HEADER}=wrong"}):
            status, _, body, _ = cgi(program, path, (tree, disk), **env, **more)
            equal((status, body), ("Status: 401 Unauthorized", b""), program)
        check(not cgi(program, path, (tree, disk), **env, query=f"{HEADER}={TOKEN}")[0].startswith("Status: 401"), program)
    equal(cgi("ready", "/exportready", (tree, disk), **env)[0], "Status: 200 OK", "readiness")


def test_cgi_says_what_is_wrong(tree, disk):
    for program, path, method, want in (("raw", "/volumes/no/disk.img", "GET", 404), ("dir", "/volumes/tree/dir/no", "GET", 404),
                                        ("dir", "/volumes/tree/dir/sub/fifo", "GET", 403), ("dir", "/volumes/tree/dir/../../etc/passwd", "GET", 404),
                                        ("tar", "/volumes/disk/disk.tar.gz", "GET", 404), ("index", "/no", "GET", 404),
                                        ("raw", "/volumes/disk/disk.img", "POST", 405), ("ready", "", "GET", 404),
                                        ("manifest", "/internal/manifests/no", "GET", 404)):
        status, _, _, rc = cgi(program, path, (tree, disk), method=method)
        equal((status.split()[1], rc), (str(want), 0), f"{program} {path}")
    status, headers, body, _ = cgi("raw", "/volumes/disk/disk.img", (tree, disk), method="HEAD")
    equal((status, int(headers["Content-Length"]), body), ("Status: 200 OK", os.path.getsize(disk), b""))


def test_cgi_exit_status_tells_that_a_body_is_broken(tree, disk):
    if not os.path.exists("/dev/full"):
        raise Skip("needs /dev/full")
    env = {"VMEXPORT_VOLUMES": f"disk disk - {disk}\ntree archive - {tree}\n", "REQUEST_METHOD": "GET"}
    for program, path in (("raw", "/volumes/disk/disk.img"), ("gzip", "/volumes/disk/disk.img.gz"), ("tar", "/volumes/tree/disk.tar.gz"),
                          ("dir", "/volumes/tree/dir/")):
        with open("/dev/full", "wb") as out:
            result = subprocess.run([f"{BUILD}/fcgi/{program}"], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, check=False, timeout=60 * SLOW,
                                    env={**env, "PATH_INFO": path})
        check(result.returncode != 0 and b"No space left" in result.stderr, f"{program}: {result.returncode} {result.stderr}")


if __name__ == "__main__":
    harness.main(globals())
