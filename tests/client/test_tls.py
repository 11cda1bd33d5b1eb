#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whom the client trusts: the links' certificates and nobody else, unless it is told to; and proxies on the way."""
import json
import os
import shutil
import subprocess

import fixture
from connect_proxy import ConnectProxy
from fixture import DENIED, INTEGRITY, NOT_READY, TRANSFER, Skip, check, equal, gunzip, same
from pki import certificate

UNTRUSTED = r"certificate|tls|ssl"
QUICK = ("--retry=1", "--readiness-timeout=3s")


class Tap(fixture.Cutter):
    """`seen` is all that came from the client, as it was on the wire."""

    def __init__(self, target):
        super().__init__(target)
        self.seen = b""

    def _send(self, data, sink, way):
        if way is self.up_way:
            self.seen += data
        return super()._send(data, sink, way)

    def is_all_tls(self):
        """Also: there was something, or the rest says nothing."""
        return self.seen[:1] == b"\x16" and fixture.TOKEN.encode() not in self.seen and b"HTTP/1" not in self.seen


def tap(w, server):
    return w.stack.enter_context(Tap(server.port))


def is_refused(w, *args, left=()):
    run = w.run("download", "exp", *QUICK, "--output=d", *args).said(UNTRUSTED)
    check(run.code not in (0, INTEGRITY), f"exit code of {run}")
    equal(w.files(), list(left))
    return run


def test_a_certificate_of_others(w, pod, disk):
    other = w.peer()
    w.existing(pod, cert=other.cert)
    is_refused(w)
    w.be_ready(pod, cert=other.cert + pod.cert)         # of several, one is enough
    w.download("--output=d.gz")
    same(gunzip(w.read("d.gz")), disk.data)


def test_a_certificate_for_another_name(w, disk):
    peer = w.plain(disk, names=("DNS:elsewhere.example",))
    w.existing(peer)
    is_refused(w)
    equal(peer.requests, [], "requests, with the token")


def test_insecure_is_loud(w, disk):
    """Also when it is quiet."""
    peer = w.plain(disk, names=("DNS:elsewhere.example",))
    w.existing(peer, cert=w.peer().cert)
    for more in ((), ("--quiet",)):
        w.download("--insecure", "--output=d.gz", *more).said("warning", "insecure|not verified")
        same(gunzip(w.read("d.gz")), disk.data)


def test_an_empty_certificate_means_the_systems_trust(w, disk):
    peer = w.plain(disk)
    w.existing(peer, cert="")
    is_refused(w)
    w.download("--output=d.gz", env={"SSL_CERT_FILE": peer.cert_file})
    same(gunzip(w.read("d.gz")), disk.data)


def test_the_systems_trust_is_not_added_to_the_links(w, disk):
    peer = w.plain(disk)
    w.existing(peer, cert=w.peer().cert)
    run = w.run("download", "exp", *QUICK, "--output=d", env={"SSL_CERT_FILE": peer.cert_file}).said(UNTRUSTED)
    check(run.code != 0 and not w.files(), str(run))


def stranger(w):
    """Nobody's certificate, in a file. Its name is of its own: of two of one name, only the first might be looked at."""
    folder = w.home + "/stranger"
    os.mkdir(folder)
    certificate(folder, subject="stranger")
    return folder + "/tls.crt"


def system_trusts(w, folder, bundle):
    """A command to run the client by, for which the system's folder of certificates has one, and the system's bundle another."""
    trusted = w.home + "/trusted"
    os.mkdir(trusted)
    shutil.copy(folder, trusted + "/export.pem")
    subprocess.run(["openssl", "rehash", trusted], check=True, capture_output=True)
    shutil.copy(bundle, trusted + "/ca-certificates.crt")
    before = ("unshare", "--mount", "sh", "-c", f'mount --bind {trusted} /etc/ssl/certs && exec "$@"', "sh")
    if os.geteuid() != 0 or subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        raise Skip("mounting needs root")
    return before


def test_the_systems_folder_of_certificates(w, disk):
    """Trusted when the links give none; not in addition to what they give, nor to what SSL_CERT_FILE does."""
    peer, other = w.plain(disk), stranger(w)
    before = system_trusts(w, peer.cert_file, other)
    with open(other, encoding="ascii") as f:
        others = f.read()
    w.existing(peer, cert="")
    w.download("--output=d.gz", before=before)
    same(gunzip(w.read("d.gz")), disk.data)
    for cert, env in ((others, {}), (others, {"SSL_CERT_FILE": peer.cert_file}), ("", {"SSL_CERT_FILE": other})):
        w.be_ready(peer, cert=cert)
        run = w.run("download", "exp", *QUICK, "--output=d", before=before, env=env).said(UNTRUSTED)
        check(run.code != 0 and w.files() == ["d.gz"], f"{env}: {run}")


def test_a_cert_that_is_none(w, pod):
    w.existing(pod, cert="-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----\n")
    is_refused(w)


def test_service_url_takes_the_internal_links(w, pod, disk):
    """Verified by the name that the links have."""
    w.existing(pod, where=("internal",))
    w.download(f"--service-url=127.0.0.1:{pod.port}", "--output=d.gz")
    same(gunzip(w.read("d.gz")), disk.data)
    other = w.plain(disk)
    w.be_ready(pod, where=("internal",), cert=other.cert)
    is_refused(w, f"--service-url=127.0.0.1:{pod.port}", left=["d.gz"])


def test_a_redirection_to_the_same_host_is_followed(w, disk):
    peer = w.plain(disk)

    def moved(request, reply):
        if not request.path.startswith("/moved"):
            reply.update(status=307, body=b"", framing="length")
            reply.headers["Location"] = "/moved" + request.path
    peer.hook = moved
    for path in list(peer.files):
        peer.files["/moved" + path] = peer.files[path]
    w.existing(peer)
    w.download("--output=d.gz")
    same(gunzip(w.read("d.gz")), disk.data)


def sends_to(peer, location):
    """Whatever is asked for is elsewhere: location(request)."""
    def moved(request, reply):
        reply.update(status=302, body=b"", framing="length")
        reply.headers["Location"] = location(request)
    peer.hook = moved


def test_redirections_in_a_circle_end(w, disk):
    peer = w.plain(disk)
    for circle in (lambda request: request.path, lambda request: request.path + "x"):
        sends_to(peer, circle)
        del peer.requests[:]
        peer.files = {path + "x" * n: peer.files[path] for path in list(peer.files) if not path.endswith("x") for n in range(99)}
        if not w.exp():
            w.made()
        w.be_ready(peer)
        run = w.run("download", "exp", *QUICK, "--output=d", seconds=20)
        check(run.code in (DENIED, TRANSFER) and not w.files(), str(run))
        of_one = sum(r.command == "GET" for r in peer.requests)
        check(2 <= of_one <= 2 * 11, f"{of_one} requests: {run}")


def test_the_token_goes_to_no_other_host(w, disk):
    """Another port is another server, too. Both would be believed: what they have is the disk."""
    for host in ("localhost", "127.0.0.1"):
        target, peer = w.plain(disk), w.plain(disk)
        target.token = None             # it serves who has none
        sends_to(peer, lambda request, host=host, target=target: f"https://{host}:{target.port}{request.path}")
        if not w.exp():
            w.made()
        w.be_ready(peer, cert=peer.cert + target.cert)
        run = w.run("download", "exp", *QUICK, "--output=d")
        check(all(fixture.TOKEN not in str(r.headers) for r in target.requests), f"it went to {host}: {run}")
        check(peer.requests and not w.files() and run.code != 0, str(run))


def test_a_redirection_to_plain_http_is_not_followed(w, disk):
    """To the port that the link has, as well: only the scheme is another."""
    peer, cleartext = w.plain(disk), w.plain(disk)
    way_in, beside = tap(w, peer), tap(w, cleartext)
    w.made()
    for to in (way_in, beside):
        sends_to(peer, lambda request, to=to: f"http://127.0.0.1:{to.port}{request.path}")
        w.be_ready(way_in, cert=peer.cert)
        run = w.run("download", "exp", *QUICK, "--output=d")
        check(run.code != 0 and not w.files(), str(run))
        check(peer.requests and way_in.is_all_tls() and not beside.seen, f"in clear: {run}")


def test_plain_http_is_refused(w, disk):
    """Nothing is sent to a link that is not https, and no token."""
    peer = w.plain(disk)
    listener = tap(w, peer)
    w.existing(listener, cert=peer.cert)
    links = json.dumps(w.exp()["status"]["links"])
    w.be("Ready", links=json.loads(links.replace("https://", "http://")))
    for args in ((), ("--format=raw",), ("--format=raw", "--connections=2"), ("--insecure",)):
        run = w.run("download", "exp", *QUICK, "--output=d", *args)
        check(run.code != 0 and not w.files(), str(run))
        equal((listener.seen, listener.connections), (b"", 0), f"sent by {run}")


def test_a_proxy_by_the_environment(w, pod, disk):
    with ConnectProxy() as proxy:
        w.existing(pod)
        for name in ("HTTPS_PROXY", "https_proxy"):
            proxy.targets.clear()
            w.download("--output=d.gz", env={name: proxy.url, "NO_PROXY": "", "no_proxy": ""})
            same(gunzip(w.read("d.gz")), disk.data)
            check(f"127.0.0.1:{pod.port}" in proxy.targets, f"{name}: {proxy.targets}")
        proxy.targets.clear()
        w.download("--output=d.gz", env={"HTTPS_PROXY": proxy.url, "NO_PROXY": "127.0.0.1"})
        equal(proxy.targets, [], "in spite of NO_PROXY")


def test_a_proxy_that_is_not_there(w, pod):
    w.existing(pod)
    [port] = fixture.shared.free_ports(1)
    run = w.run("download", "exp", *QUICK, "--output=d", env={"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    # Whichever needs it first: the API or the export.
    check(run.code in (fixture.FAILED, NOT_READY, TRANSFER) and run.err and not w.files(), str(run))


def test_a_server_that_speaks_no_tls(w):
    with fixture.Cutter(0) as cutter:
        with ConnectProxy() as proxy:
            cutter.target = proxy.port
            w.existing(cutter, cert=w.peer().cert)
            run = w.run("download", "exp", *QUICK, "--output=d")
            check(run.code == TRANSFER and not w.files(), str(run))


if __name__ == "__main__":
    fixture.main(globals())
