#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates are renewed while disks are downloaded. tests/e2e/run has them renewed after five minutes."""
import e2e
from e2e import Download, check, data, equal, eventually, product, sha256, uid

RENEWED = 280 + 180     # seconds: two thirds of its life, and what a kubelet may take
SLOWLY = 256 << 10      # bytes a second: it takes longer than all of this


def shown(w, address, name):
    """The certificate that a server of the cluster shows."""
    return w.node.machine.run("curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{certs}", "--connect-to", f"::{address}:8443", f"https://{name}/")


def proxy_certificate(w):
    return data(w.get("secret", "vmexport-proxy-tls", ns=product.NAMESPACE))["tls.crt"]


def test_certificates_are_renewed_under_a_running_download(w, tmp):
    download = Download(w, tmp, SLOWLY)
    pod, name = w.pod(), w.formats()["raw"].split("/")[2]
    before = shown(w, pod["status"]["podIP"], name)
    check("BEGIN CERTIFICATE" in before, before)
    of_proxy = {proxy_certificate(w)}
    eventually(lambda: shown(w, pod["status"]["podIP"], name) != before, "the pod shows another certificate", RENEWED)
    eventually(lambda: of_proxy.add(proxy_certificate(w)) or len(of_proxy) > 2, "the proxy's certificate is renewed, and once more", RENEWED)
    again = w.fetch(w.formats(where="external")["raw"], tmp + "/again.img")
    equal(sha256(again), sha256(download.image), "a download after it, the certificates verified")
    download.finish()
    equal(uid(w.pod()), uid(pod), "the pod")


e2e.main(globals())
