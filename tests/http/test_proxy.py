#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The export proxy in front of real export pods, and of servers that do what a pod never should."""
import concurrent.futures
import contextlib
import http.client
import itertools
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import harness
from harness import HEADER, MIB, REPO, SLOW, TOKEN, Pod, Skip, certificate, check, equal, free_port, wait_until

GROUP, DOMAIN = "export.kubevirt.io", "cluster.test"
RAW, GZIP, TAR, DIR = "/volumes/disk/disk.img", "/volumes/disk/disk.img.gz", "/volumes/tree/disk.tar.gz", "/volumes/tree/dir/"


def outside(path, name="good", version="v1", group=GROUP):
    return f"/api/{group}/{version}/namespaces/ns/virtualmachineexports/{name}{path}"


def service(name):
    return f"virt-export-{name}.ns.svc"


class Authority:
    """A CA of the tests' own: DIR/bundle."""

    def __init__(self, folder, name="ca"):
        self.dir = os.path.join(folder, name)
        os.mkdir(self.dir)
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj", f"/CN={name}",
                 "-keyout", "ca.key", "-out", "bundle")
        self.bundle = self.dir + "/bundle"

    def run(self, *command):
        subprocess.run(["openssl", *command], cwd=self.dir, check=True, capture_output=True)

    def issue(self, names, folder):
        """A pair tls.crt, tls.key for the names in `folder`."""
        with open(self.dir + "/extensions", "w", encoding="utf-8") as f:
            f.write("subjectAltName=" + ",".join("DNS:" + name for name in names))
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=export", "-keyout", folder + "/tls.key",
                 "-out", "request")
        self.run("x509", "-req", "-in", "request", "-CA", "bundle", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3", "-extfile", "extensions",
                 "-out", folder + "/tls.crt")


class Cluster:
    """The names that the proxy finds: an /etc/hosts of its own, each name with a loopback address of its own."""
    numbers = itertools.count(os.getpid() % 30000 * 256)

    def __init__(self, folder):
        if os.geteuid() != 0:
            raise Skip("names of one's own need a mount namespace")
        self.dir = folder
        self.authority = Authority(folder)
        self.addresses = {}
        self.write("hosts", "127.0.0.1 localhost\n")
        self.write("nsswitch.conf", "hosts: files\n")
        self.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")     # where nobody answers

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w", encoding="utf-8") as f:
            f.write(text)

    def address(self, name):
        """Of the Service of export `name`, which comes into being with it."""
        if name not in self.addresses:
            number = next(self.numbers)
            self.addresses[name] = f"127.{64 + number // 65536 % 128}.{number // 256 % 256}.{1 + number % 254}"
            with open(self.dir + "/hosts", "a", encoding="utf-8") as f:
                f.write(f"{self.addresses[name]} {service(name)}.{DOMAIN}.\n")
        return self.addresses[name]

    def remove(self, name):
        with open(self.dir + "/hosts", encoding="utf-8") as f:
            lines = [line for line in f if service(name) not in line]
        self.write("hosts", "".join(lines))

    def wrapper(self, more=""):
        mounts = "".join(f"mount --bind {self.dir}/{name} /etc/{name} && " for name in ("hosts", "nsswitch.conf", "resolv.conf"))
        return ["unshare", "--mount", "sh", "-ec", f"{mounts}{more} exec \"$@\"", "-"]


class Export(Pod):
    """A real export pod behind the Service of export `name`."""

    def __init__(self, cluster, name, volumes, names=None, authority=None, **options):
        super().__init__(volumes, env={"VMEXPORT_PREFIX": outside("", name)}, **options)
        self.address = cluster.address(name)
        self.env.update(VMEXPORT_ADDRESS=self.address, VMEXPORT_PORT="443")
        (authority or cluster.authority).issue(names or [f"{service(name)}.{DOMAIN}"], self.cert_dir)

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the pod has ended: " + self.log_text()[-2000:])
        try:
            socket.create_connection((self.address, 443), 5).close()
            return True
        except OSError:
            return False


class Proxy(Pod):
    conf_name = "proxy.conf"
    asan_options = ""                # there is nothing to suppress

    def __init__(self, cluster, env=None, more="", **options):
        self.metrics_port = free_port()
        super().__init__([], token=None, wrapper=cluster.wrapper(more), **options,
                         env={"VMEXPORT_HANDLERS": "proxy ready", "VMEXPORT_CA_FILE": cluster.authority.bundle, "VMEXPORT_CLUSTER_DOMAIN": DOMAIN,
                              "VMEXPORT_METRICS_ADDRESS": f"127.0.0.1:{self.metrics_port}", **(env or {})})

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the proxy has ended: " + self.log_text()[-2000:])
        try:
            return self.get("/healthz", token=None).status == 200 and bool(self.metrics())
        except OSError:
            return False

    def metrics(self):
        c = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=30)
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}


class Fake:
    """A TLS server in the place of a pod: `script(connection)` gets each connection, after its request was read."""

    def __init__(self, cluster, name, script, listens=True):
        self.folder = f"{cluster.dir}/fake-{name}"
        os.mkdir(self.folder)
        cluster.authority.issue([f"{service(name)}.{DOMAIN}"], self.folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.folder + "/tls.crt", self.folder + "/tls.key")
        self.script, self.requests, self.ended = script, [], threading.Event()
        self.address, self.listener = cluster.address(name), None
        if listens:
            self.listen()

    def listen(self):
        self.listener = socket.create_server((self.address, 443), backlog=256)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, plain):
        with contextlib.suppress(OSError), self.context.wrap_socket(plain, server_side=True) as s:
            text = b""
            while b"\r\n\r\n" not in text:
                data = s.recv(65536)
                if not data:
                    return
                text += data
            self.requests.append(text.decode("latin-1"))
            self.script(s)
        self.ended.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def says(text):
    """A script that gives an answer and ends the connection."""
    return lambda s: s.sendall(text.replace("\n", "\r\n").encode("latin-1"))


class World:
    def __init__(self, cluster, export, proxy):
        self.cluster, self.export, self.proxy = cluster, export, proxy

    def both(self, path, **kw):
        """The same request through the proxy, and to the pod."""
        direct = http.client.HTTPSConnection(self.export.address, 443, context=ssl._create_unverified_context(), timeout=60 * SLOW)
        headers = dict(kw.pop("headers", {}), **{HEADER: TOKEN})
        direct.request(kw.get("method", "GET"), path, headers=headers)
        r = direct.getresponse()
        want = harness.Answer(r.status, r.headers, r.read())
        direct.close()
        return self.proxy.get(outside(path), headers=headers, token=None, **kw), want


def make_world(self):
    cluster = Cluster(self.get("tmp"))
    volumes = [("disk", "disk", "id-1", self.get("disk")), ("tree", "archive", "-", self.get("tree"))]
    export = self.stack.enter_context(Export(cluster, "good", volumes))
    return World(cluster, export, self.stack.enter_context(Proxy(cluster)))


# ---- what passes ----

def test_every_format_comes_out_as_it_went_in(world):
    for path in (RAW, GZIP, TAR, DIR, DIR + "hello.txt", "/exportready", "/", "/internal/manifests/secret", "/volumes/nowhere/disk.img", "/nothing"):
        got, want = world.both(path)
        equal(got.status, want.status, f"status of {path}")
        equal(got.body == want.body or path == "/", True, f"body of {path}")
        for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified", "Accept-Ranges", "Content-Disposition", "Transfer-Encoding"):
            equal(got.headers[name] if path != "/" else None, want.headers[name] if path != "/" else None, f"{name} of {path}")


def test_the_same_in_all_versions(world):
    for version in ("v1", "v1beta1", "v1alpha1"):
        equal(world.proxy.get(outside(RAW, version=version), headers={"Range": "bytes=0-3"}).body, b"star", version)


def test_ranges_and_conditions(world):
    tag = world.both(RAW, method="HEAD")[1].headers["ETag"]
    for headers in ({"Range": "bytes=0-0"}, {"Range": "bytes=-512"}, {"Range": "bytes=100-200,5000000-5000100"}, {"Range": "bytes=999999999999-"},
                    {"If-None-Match": tag}, {"If-Match": '"x"'}, {"Range": "bytes=5-9", "If-Range": tag}, {"Range": "bytes=5-9", "If-Range": '"x"'}):
        got, want = world.both(RAW, headers=headers)
        equal((got.status, got.headers["Content-Range"], got.headers["Content-Length"]), (want.status, want.headers["Content-Range"], want.headers["Content-Length"]),
              f"{headers}")
        boundary = re.compile(rb"(?m)^--\S+")
        equal(boundary.sub(b"--", got.body) == boundary.sub(b"--", want.body), True, f"the body with {headers}")
    path = DIR + "hello.txt"                     # so small that lighttpd would cut ranges out of it itself
    got, want = world.both(path, headers={"Range": "bytes=1-2", "If-Range": '"x"'})
    equal((got.status, got.body), (want.status, want.body), "a range of a small file")


def test_head_of_a_large_disk(world, tmp):
    with open(tmp + "/large.img", "wb") as f:
        f.truncate(3 << 40)
    with Export(world.cluster, "large", [("disk", "disk", "-", tmp + "/large.img")]):
        r = world.proxy.get(outside(RAW, "large"), method="HEAD")
        equal((r.status, r.headers["Content-Length"], r.body), (200, str(3 << 40), b""), "HEAD")
        equal(world.proxy.get(outside(RAW, "large"), headers={"Range": f"bytes={(3 << 40) - 4}-"}).body, b"\0\0\0\0", "the end")


def test_the_token_is_for_the_pod_to_judge(world):
    equal(world.proxy.get(outside(RAW), token=None).status, 401, "no token")
    equal(world.proxy.get(outside(RAW), token="wrong").status, 401, "a wrong token")
    equal(world.proxy.get(outside(f"{RAW}?{HEADER}={TOKEN}"), token=None, headers={"Range": "bytes=0-4"}).body, b"start", "in the query")


def test_redirects_lead_to_the_outside_path(world):
    for version in ("v1", "v1beta1"):
        location = world.proxy.get(outside("/volumes/tree/dir", version=version)).headers["Location"]
        r = world.proxy.curl(outside("/volumes/tree/dir", version=version), "-L", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}")
        equal(r.stdout.decode(), "200 " + world.proxy.url(outside(DIR, version=version)), location)
    answers = {"/else": outside("/else", "moves", "v1beta1"), outside("/x?a=b", "moves"): outside("/x?a=b", "moves", "v1beta1"),
               f"https://{service('moves')}.{DOMAIN}/y": outside("/y", "moves", "v1beta1"), "https://elsewhere.test/z": "https://elsewhere.test/z",
               "relative/": "relative/", "//elsewhere.test/": "//elsewhere.test/"}
    queue = list(answers)
    with Fake(world.cluster, "moves", lambda s: says(f"HTTP/1.1 302 Found\nLocation: {queue[0]}\nContent-Length: 0\n\n")(s)):
        while queue:
            r = world.proxy.get(outside("/a", "moves", "v1beta1"))
            equal((r.status, r.headers["Location"]), (302, answers[queue.pop(0)]), "Location")


def test_headers_that_pass_and_headers_that_do_not(world):
    answer = ("HTTP/1.1 103 Early Hints\nX-Early: 1\n\nHTTP/1.1 299 Whatever\nContent-Length: 2\nConnection: X-Mine, close\nX-Mine: secret\nX-Mine-Too: kept\n"
              "Keep-Alive: timeout=5\nLink: <a>\nLink: <b>\nSet-Cookie: a=1\nService-Worker-Allowed: /\nX-Sendfile: /etc/passwd\nX-LIGHTTPD-send-file: /etc/passwd\nStatus: 500\n"
              "X-Empty:\n\nok")
    with Fake(world.cluster, "headers", says(answer)) as fake:
        sent = [("Connection", "X-Hop"), ("X-Hop", "1"), ("TE", "trailers"), ("X-Forwarded-For", "10.1.1.1"), ("Range", "bytes=0-1"), ("If-Range", '"a"'),
                ("Accept", "x/y"), ("User-Agent", "agent/1"), ("Accept-Encoding", "br"), ("X-Kubevirt-Export-Token", "t")]
        r = world.proxy.get(outside("/a%20b/%c3%a9?q=1%20&r", "headers"), token=None, headers=sent)
        equal((r.status, r.body), (299, b"ok"), "the answer")
        equal((r.headers["X-Mine-Too"], r.headers.get_all("Link"), r.headers["X-Empty"] or ""), ("kept", ["<a>", "<b>"], ""), "headers that pass")
        for name in ("X-Mine", "Set-Cookie", "Service-Worker-Allowed", "Keep-Alive", "X-Sendfile", "X-LIGHTTPD-send-file", "Status", "X-Early"):
            equal(r.headers[name], None, name)
        lines = fake.requests[0].split("\r\n")
        equal(lines[0], "GET " + outside("/a%20b/%c3%a9?q=1%20&r", "headers") + " HTTP/1.1", "the request line")
        got = {line.split(":")[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:] if ":" in line}
        equal({name: got.get(name) for name in ("x-hop", "te", "connection", "x-forwarded-for", "range", "if-range", "accept", "user-agent",
                                                "accept-encoding", "x-kubevirt-export-token", "host")},
              {"x-hop": None, "te": None, "connection": None, "x-forwarded-for": "10.1.1.1, 127.0.0.1", "range": "bytes=0-1", "if-range": '"a"',
               "accept": "x/y", "user-agent": "agent/1", "accept-encoding": "br", "x-kubevirt-export-token": "t",
               "host": f"127.0.0.1:{world.proxy.port}"}, "request headers")
        world.proxy.get(outside("/", "headers"), token=None)
        check(not re.search("(?im)^(accept|user-agent|range):", fake.requests[1]), "none is made up: " + fake.requests[1])


# ---- what does not ----

def test_what_is_no_export(world):
    for path in ("/", "/metrics", "/api", "/exportready", outside(""), outside("", version="v2") + "/x", outside("/x", group="export.vmexport.io"),
                 outside("/x", "Upper"), outside("/x", "a_b"), outside("/x", "-a"), outside("/x", "a" * 254), outside("/x", "a..b"), outside("/x", "a.-b"), outside("/x", "%61"),
                 outside("/x").replace("/ns/", "/n.s/"), outside("/x").replace("/ns/", "/" + "n" * 64 + "/")):
        r = world.proxy.get(path, headers={"x": "y"})
        equal(r.status, 400, path)
        check(len(r.body) < 300 and r.body.endswith(b"\n"), "a short text")
    equal(world.proxy.get(outside("/../other" + RAW)).status, 404, "no path leads from one export to another")
    r = world.proxy.get("/healthz", token=None)
    equal((r.status, r.body), (200, b"OK"), "/healthz")
    equal(world.proxy.get(outside(RAW), method="DELETE").status, 405, "another method")


def test_no_such_export_and_one_that_is_not_ready(world):
    r = world.proxy.get(outside(RAW, "unknown"))
    equal((r.status, r.headers["Retry-After"]), (404, None), "no Service")
    world.cluster.address("pending")
    for _ in range(2):
        r = world.proxy.get(outside(RAW, "pending"))
        equal((r.status, r.headers["Retry-After"]), (503, "5"), "a Service without a pod")
    check(b"not ready" in r.body, r.body)


def test_an_export_comes_and_goes(world, disk):
    name = "passing"
    equal(world.proxy.get(outside(RAW, name)).status, 404, "before")
    with Export(world.cluster, name, [("disk", "disk", "-", disk)]):
        for _ in range(5):
            equal(world.proxy.get(outside(RAW, name), headers={"Range": "bytes=0-0"}).status, 206, "while it is there")
    equal(world.proxy.get(outside(RAW, name)).status, 503, "without its pod")
    world.cluster.remove(name)
    equal(world.proxy.get(outside(RAW, name)).status, 404, "without its Service")


def test_an_export_that_nodes_learn_of_a_moment_later(world):
    name, answers = "late", []
    fake = Fake(world.cluster, name, says("HTTP/1.1 200 OK\nContent-Length: 4\nConnection: close\n\nlate"), listens=False)
    asked = threading.Thread(target=lambda: answers.append(world.proxy.get(outside(RAW, name)).body))
    asked.start()
    time.sleep(1)
    fake.listen()
    with fake:
        asked.join(30 * SLOW)
        equal(answers, [b"late"], "the answer")
        equal(len(fake.requests), 1, "requests")


class Deaf(Fake):
    """The first connection gets no word of TLS, as if its packets were lost."""
    heard = False

    def serve(self, plain):
        if self.heard:
            super().serve(plain)
        self.heard = True
        time.sleep(30)


def test_a_connection_that_gets_lost_is_made_again(world):
    with Deaf(world.cluster, "lost", says("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nok")):
        start = time.monotonic()
        equal(world.proxy.get(outside(RAW, "lost")).body, b"ok", "the answer")
        check(time.monotonic() - start < 9, "it took as long as all attempts may")


def test_few_wait_for_an_export_that_is_not_ready(world):
    world.cluster.address("wanted")
    answers, start = [], time.monotonic()

    def ask():
        answers.append((world.proxy.get(outside(RAW, "wanted")).status, time.monotonic() - start))
    threads = [threading.Thread(target=ask) for _ in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal({status for status, _ in answers}, {503}, "answers")
    check(sum(seconds > 2.5 for _, seconds in answers) <= 20 * SLOW, sorted(answers))


def test_no_proxy_of_the_environment_is_used(world, tmp):
    env = {name: "http://127.0.0.1:9" for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")}
    with Proxy(world.cluster, env=env) as proxy:
        equal(proxy.get(outside(RAW), headers={"Range": "bytes=0-0"}).status, 206, tmp)


def test_names_that_cannot_be_looked_up(tmp):
    cluster = Cluster(tmp)
    cluster.write("nsswitch.conf", "hosts: files dns\n")
    with Proxy(cluster) as proxy:
        r = proxy.get(outside(RAW, "any"))
        equal(r.status, 502, r.body)
        check("looked up" in proxy.log_text(), "the log says so")


def test_certificates_that_do_not_fit(world, disk, tmp):
    other = Authority(tmp, "other")
    volumes = [("disk", "disk", "-", disk)]
    with Export(world.cluster, "foreign", volumes, authority=other), Export(world.cluster, "misnamed", volumes, names=["virt-export-good.ns.svc." + DOMAIN]):
        for name in ("foreign", "misnamed"):
            r = world.proxy.get(outside(RAW, name))
            equal(r.status, 502, name)
            check(b"certificate" in r.body and len(r.body) < 400, r.body)
    for name in ("foreign", "misnamed"):
        equal(world.proxy.get(outside(RAW, name)).status, 503, "afterwards")


def test_the_systems_cas_do_not_count(tmp, disk):
    cluster, other = Cluster(tmp), Authority(tmp, "other")
    os.mkdir(tmp + "/certs")
    name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", other.bundle], check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(other.bundle, f"{tmp}/certs/{name}.0")
    with Proxy(cluster, more=f"mount --bind {tmp}/certs /etc/ssl/certs &&") as proxy, Export(cluster, "foreign", [("disk", "disk", "-", disk)], authority=other):
        equal(proxy.get(outside(RAW, "foreign")).status, 502, "a CA of the system")


def test_the_ca_changes_while_it_runs(tmp, disk):
    cluster, new = Cluster(tmp), Authority(tmp, "new")
    for name, source in (("..1", cluster.authority), ("..2", new)):          # as Kubernetes does: a link that is swapped
        os.mkdir(f"{tmp}/{name}")
        shutil.copy(source.bundle, f"{tmp}/{name}/ca-bundle")
    os.mkdir(tmp + "/..3")
    with open(tmp + "/..3/ca-bundle", "w", encoding="utf-8") as f:
        f.write("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")

    def swap(name):
        os.symlink(name, tmp + "/next")
        os.rename(tmp + "/next", tmp + "/..data")

    os.symlink("..data/ca-bundle", tmp + "/ca-bundle")
    volumes = [("disk", "disk", "-", disk)]
    with Proxy(cluster, env={"VMEXPORT_CA_FILE": tmp + "/ca-bundle"}) as proxy, Export(cluster, "old", volumes), Export(cluster, "new", volumes, authority=new):
        def statuses():
            return [proxy.get(outside(RAW, name), method="HEAD").status for name in ("old", "new")]
        equal(statuses(), [503, 503], "no CA yet")
        swap("..1")
        equal(statuses(), [200, 502], "the old CA")
        swap("..2")
        equal(statuses(), [502, 200], "the new CA")
        swap("..3")
        equal(statuses(), [502, 200], "a broken file")
        os.remove(tmp + "/..data")
        equal(statuses(), [502, 200], "no file")
        check("the CA of before is used" in proxy.log_text(), "the log says so")


def test_answers_that_are_none(world):
    for name, text in (("garbage", "no HTTP at all\n\n"), ("nothing", ""), ("endless", "HTTP/1.1 200 OK\n" + "X-Filler: " + "x" * 1000 + "\n" * 1),
                       ("half", "HTTP/1.1 200 OK\nContent-Le")):
        if name == "endless":
            text = "HTTP/1.1 200 OK\n" + ("X-Filler: " + "x" * 1000 + "\n") * 40 + "\n"
        with Fake(world.cluster, name, says(text)):
            r = world.proxy.get(outside(RAW, name))
            equal(r.status, 502, f"{name}: {r.body}")


def test_a_silent_upstream(world):
    with Fake(world.cluster, "silent", lambda s: s.recv(1)):
        start = time.time()
        r = world.proxy.get(outside(RAW, "silent"), timeout=90)
        equal(r.status, 504, r.body)
        check(29 < time.time() - start < 35 * SLOW, f"{time.time() - start:.1f} seconds")


# ---- bodies that break, clients that leave ----

def is_cut(proxy, path, *options):
    """Whether curl sees a broken transfer; then what came is returned."""
    done = proxy.curl(path, *options)
    check(done.returncode in (18, 56, 92), f"curl's exit status {done.returncode} after {len(done.stdout)} bytes: {done.stderr}")
    return done.stdout


def test_a_broken_answer_is_never_a_clean_end(world):
    chunk = "5\nhello\n"
    for name, text, want in (("short", "HTTP/1.1 200 OK\nContent-Length: 10\n\nhello", b"hello"), ("chunks", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n" + chunk, b"hello"),
                             ("bad-chunk", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n" + chunk + "zz\n", b"hello"),
                             ("empty", "HTTP/1.1 200 OK\nContent-Length: 10\n\n", b""), ("no-end", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", b"")):
        with Fake(world.cluster, name, says(text)):
            equal(is_cut(world.proxy, outside(RAW, name)), want, name)
    check(world.proxy.metrics()['vmexport_proxy_upstream_errors_total{cause="cut"}'] >= 5, "counted")


def test_a_pod_that_is_killed_in_mid_body(world, tmp):
    with open(tmp + "/disk.img", "wb") as f:
        for _ in range(64):
            f.write(os.urandom(MIB))
    for path in (RAW, GZIP):
        with Export(world.cluster, "killed" + path[-2:], [("disk", "disk", "-", tmp + "/disk.img")]) as export:
            curl = subprocess.Popen(world.proxy.curl_command(outside(path, "killed" + path[-2:]), "--limit-rate", "4M"), stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL)
            check(curl.stdout.read(MIB), "it has begun")
            for pid in (export.pid("lighttpd"), export.pid("pod")):
                os.kill(pid, signal.SIGKILL)
            curl.communicate()
            check(curl.returncode in (18, 56), f"{path}: curl's exit status {curl.returncode}")


def test_the_first_byte_at_once(world):
    def script(s):
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na")
        s.recv(1)
    with Fake(world.cluster, "slow", script):
        start = time.time()
        r = world.proxy.open(outside(RAW, "slow"))
        equal(r.read(1), b"a", "the first byte")
        check(time.time() - start < 2 * SLOW, f"{time.time() - start:.1f} seconds")
        r.close()


def test_a_client_that_leaves_ends_the_upstream(world):
    def endless(s):
        s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        s.recv(1)
    def flood(s):
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        while True:
            s.sendall(b"x" * 65536)
    for name, script in (("quiet", endless), ("flood", flood)):
        with Fake(world.cluster, name, script) as fake:
            r = world.proxy.open(outside(RAW, name))
            r.read(1)
            check(not fake.ended.is_set(), "it goes on")
            r.close()
            check(fake.ended.wait(3 * SLOW), f"{name}: the upstream's connection has ended")
    wait_until(lambda: world.proxy.metrics()["vmexport_proxy_requests_in_flight"] == 0, "none is in flight")


def rss(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
            total += int(re.search(r"(?m)^Pss: +(\d+) kB", f.read())[1]) * 1024
    return total


def test_slow_readers_have_bounded_memory(world, tmp):
    with open(tmp + "/disk.img", "wb") as f:
        f.truncate(4 << 30)
    with Export(world.cluster, "slow-reader", [("disk", "disk", "-", tmp + "/disk.img")]):
        def memory():
            buffers = 0
            for entry in os.scandir(world.proxy.dir + "/run/tmp"):
                with contextlib.suppress(FileNotFoundError):
                    buffers += entry.stat().st_blocks * 512
            return buffers + rss([pid for pids in world.proxy.processes().values() for pid in pids])
        base = memory()
        clients = [world.proxy.open(outside(RAW, "slow-reader")) for _ in range(20)]
        for _ in range(3):
            for r in clients:
                equal(len(r.read(200000)), 200000, "what a client gets")
        time.sleep(1)
        check(memory() - base < 20 * 2 * MIB * (4 if SLOW > 1 else 1), f"{(memory() - base) // MIB} MiB for 20 clients")
        for r in clients:
            r.close()


def test_more_requests_than_threads_wait(world):
    gate = threading.Event()
    def script(s):
        says("HTTP/1.1 200 OK\nContent-Length: 2\n\n")(s)
        gate.wait(60 * SLOW)
        s.sendall(b"ok")
    with open(REPO + "/fcgi/proxy.c", encoding="utf-8") as f:
        threads = int(re.search(r"THREADS = (\d+)", f.read())[1])
    wait_until(lambda: world.proxy.metrics()["vmexport_proxy_requests_in_flight"] == 0, "the requests of before have ended")
    with Fake(world.cluster, "crowd", script) as fake, concurrent.futures.ThreadPoolExecutor(threads + 20) as pool:
        done = [pool.submit(world.proxy.get, outside(RAW, "crowd")) for _ in range(threads + 20)]
        wait_until(lambda: len(fake.requests) >= threads, "all threads work", 25)
        time.sleep(0.5)
        equal(len(fake.requests), threads, "requests at a time")
        equal(world.proxy.get("/healthz", token=None).status, 200, "/healthz meanwhile")
        equal(world.proxy.metrics()["vmexport_proxy_requests_in_flight"], threads, "in flight")
        gate.set()
        equal({d.result().status for d in done}, {200}, "all are answered")


# ---- the process ----

def test_who_connects_and_says_nothing_is_not_waited_for(world):
    with socket.create_connection(("127.0.0.1", world.proxy.port), 30 * SLOW) as silent:
        start = time.monotonic()
        equal(silent.recv(1), b"", "what a silent client gets")
        check(time.monotonic() - start < 20 * SLOW, "it held its place for long")


def test_metrics_are_not_public(world):
    equal(world.proxy.get("/metrics").status, 400, "on the port for everyone")
    wait_until(lambda: world.proxy.metrics()["vmexport_proxy_requests_in_flight"] == 0, "the requests of before have ended")
    before = world.proxy.metrics()
    world.proxy.get(outside(RAW), headers={"Range": "bytes=0-999"})
    world.proxy.get(outside(RAW, "unknown"))
    after = world.proxy.metrics()
    def grew(name):
        return after.get(name, 0) - before.get(name, 0)
    for name, by in (('vmexport_proxy_requests_total{code="206"}', 1), ('vmexport_proxy_requests_total{code="404"}', 1),
                     ("vmexport_proxy_response_bytes_total", 1000), ('vmexport_proxy_upstream_errors_total{cause="no_name"}', 1),
                     ("vmexport_proxy_first_byte_seconds_count", 2)):
        equal(grew(name), by, name)


def test_a_new_certificate_cuts_nothing(world, tmp):
    with open(tmp + "/disk.img", "wb") as f:
        f.truncate(256 * MIB)
    with Export(world.cluster, "long", [("disk", "disk", "-", tmp + "/disk.img")]), Proxy(world.cluster) as proxy:
        r = proxy.open(outside(RAW, "long"))
        r.read(MIB)
        old = ssl.get_server_certificate(("127.0.0.1", proxy.port))
        certificate(proxy.cert_dir)
        wait_until(lambda: ssl.get_server_certificate(("127.0.0.1", proxy.port)) != old, "the new certificate", 15)
        got = MIB
        while data := r.read(MIB):
            got += len(data)
        equal(got, 256 * MIB, "the download under way")


def test_settings_that_make_no_sense(tmp):
    cluster = Cluster(tmp)
    for name, value, word in (("VMEXPORT_API_GROUP", "nonsense.io", "nonsense.io"), ("VMEXPORT_CLUSTER_DOMAIN", "a b", "DNS name"),
                              ("VMEXPORT_METRICS_ADDRESS", "nowhere", "VMEXPORT_METRICS_ADDRESS")):
        done = subprocess.run([harness.BUILD + "/fcgi/proxy"], env=dict(os.environ, **{name: value}), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        check(done.returncode == 1 and word in done.stderr, f"{name}: {done.returncode} {done.stderr}")
    for value in ("", "Proxy", "proxy nothere", " ".join(["ready"] * 17), "../ready"):
        with contextlib.suppress(AssertionError):
            with Proxy(cluster, env={"VMEXPORT_HANDLERS": value}):
                raise ValueError(f"it started with '{value}'")


def test_no_token_in_any_log(world):
    secret = "t0ken-that-nobody-may-see"
    for name in ("good", "unknown", "pending", "foreign", "UPPER"):
        world.cluster.address("pending")
        world.proxy.get(outside(f"{RAW}?{HEADER}={secret}", name), token=secret)
    with Fake(world.cluster, "breaks", says("HTTP/1.1 200 OK\nContent-Length: 10\n\nhello")):
        world.proxy.curl(outside(f"{RAW}?{HEADER}={secret}", "breaks"))
    with Fake(world.cluster, "lies", says("no HTTP\n\n")):
        body = world.proxy.get(outside(f"{RAW}?{HEADER}={secret}", "lies"), token=secret).body
    check(secret.encode() not in body, body)
    wait_until(lambda: all(name in world.proxy.log_text() for name in ("breaks", "lies")), "the last requests are logged")
    time.sleep(0.5)
    for log in (world.proxy.log_text(), world.export.log_text()):
        check(secret not in log, "the token is in a log")
    check("breaks" in world.proxy.log_text(), "what was asked for is")


harness.main(globals())
