#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whom the client trusts: the links' certificates and nobody else, unless it is told to; and proxies on the way."""
import json

import fixture
from connect_proxy import ConnectProxy
from fixture import INTEGRITY, NOT_READY, TRANSFER, check, equal, gunzip, same

UNTRUSTED = r"certificate|tls|ssl"
QUICK = ("--retry=1", "--readiness-timeout=3s")


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


def test_the_token_goes_to_no_other_host(w, disk):
    target, peer = w.plain(disk), w.plain(disk)

    def moved(request, reply):
        reply.update(status=302, body=b"", framing="length")
        reply.headers["Location"] = f"https://localhost:{target.port}{request.path}"
    peer.hook = moved
    w.existing(peer, cert=peer.cert + target.cert)
    run = w.run("download", "exp", *QUICK, "--output=d")
    told = [r for r in target.requests if r.headers[fixture.harness.HEADER]]
    check(not told, f"it went there: {run}")
    check(run.code != 0, f"exit code of {run}")


def test_plain_http_is_refused(w, pod):
    w.existing(pod)
    links = w.exp()["status"]["links"]
    text = json.dumps(links).replace("https://", "http://")
    w.be("Ready", links=json.loads(text))
    run = w.run("download", "exp", *QUICK, "--output=d")
    check(run.code != 0 and not w.files(), str(run))


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
