# SPDX-License-Identifier: Apache-2.0
"""Certificates of export servers."""
import subprocess

LOOPBACK = ("IP:127.0.0.1", "DNS:localhost")


def certificate(folder, names=LOOPBACK, days=30, subject="export"):
    """A self-signed pair tls.crt, tls.key in `folder`, for these subjectAltNames."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=" + subject,
                    "-addext", "subjectAltName=" + ",".join(names), "-out", f"{folder}/tls.crt", "-keyout", f"{folder}/tls.key"], check=True, capture_output=True)


def services(*namespaces):
    """The names of all Services of these namespaces."""
    return [f"DNS:*.{ns}.svc" for ns in namespaces]
