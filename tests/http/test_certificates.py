#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The certificate is replaced while the server runs: no download is cut, new connections see it soon."""
import os
import re
import shutil
import ssl
import subprocess
import time

import harness
from harness import MIB, SLOW, Pod, certificate, check, equal, throttled, wait_until

RAW, GZIP = "/volumes/disk/disk.img", "/volumes/disk/disk.img.gz"
SOON = 20                                  # seconds until a new certificate is seen


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def shown(pod):
    """The certificate that a new connection sees."""
    return ssl.get_server_certificate(("127.0.0.1", pod.port)).strip()


def wait_for_certificate(pod, folder):
    wanted = read(folder + "/tls.crt").strip()
    # For a second, both web servers take connections.
    wait_until(lambda: all(shown(pod) == wanted for _ in range(8)), "new connections see the new certificate", SOON)
    pod.context.load_verify_locations(folder + "/tls.crt")


def wait_for_one_server(pod):
    wait_until(lambda: len(pod.processes()["lighttpd"]) == 1, "the old web servers have ended")


def new_pair(tmp, name):
    os.mkdir(f"{tmp}/{name}")
    certificate(f"{tmp}/{name}")
    return f"{tmp}/{name}"


def overwrite(pod, folder):
    """As a person would do it: one file after the other."""
    for name in ("tls.crt", "tls.key"):
        shutil.copy(f"{folder}/{name}", f"{pod.cert_dir}/{name}")


def mount_as_kubernetes(pod, folder):
    """Points ..data to the folder, in one step; files are links to ..data/NAME."""
    data = pod.cert_dir + "/..data"
    os.symlink(folder, data + "_tmp")
    os.rename(data + "_tmp", data)
    for name in ("tls.crt", "tls.key"):
        if not os.path.islink(f"{pod.cert_dir}/{name}"):
            os.unlink(f"{pod.cert_dir}/{name}")
            os.symlink(f"..data/{name}", f"{pod.cert_dir}/{name}")


def big_disk(tmp, size=2 << 30):
    with open(tmp + "/big.img", "wb") as f:
        f.write(os.urandom(64 * MIB))
        f.truncate(size)
    return [("disk", "disk", "id", tmp + "/big.img")]


def check_replaced_under_downloads(tmp, replace):
    """A download of 2 GiB by lighttpd itself and one from a handler begin before and end after: both are slow until then."""
    with Pod(big_disk(tmp)) as pod:
        replace(pod, new_pair(tmp, "first"))
        wait_for_certificate(pod, tmp + "/first")
        wait_for_one_server(pod)
        raw, gzip = throttled(pod.open(RAW), 8 * MIB), throttled(pod.open(GZIP), MIB)
        time.sleep(0.3)
        replace(pod, new_pair(tmp, "second"))
        wait_for_certificate(pod, tmp + "/second")
        check(raw.is_alive() and gzip.is_alive(), "the downloads still run when the new certificate is seen")
        raw.rate = gzip.rate = 1 << 30
        raw.join(120 * SLOW)
        gzip.join(60 * SLOW)
        equal((raw.got, raw.error), (2 << 30, None), "bytes of the download")
        check(gzip.error is None and gzip.got > 64 * MIB, f"gzip: {gzip.got} bytes, {gzip.error}")
        wait_for_one_server(pod)


def test_replaced_in_the_way_of_kubernetes_under_downloads(tmp):
    check_replaced_under_downloads(tmp, mount_as_kubernetes)


def test_overwritten_under_downloads(tmp):
    check_replaced_under_downloads(tmp, overwrite)


def test_replaced_again_and_again(tmp):
    with Pod(big_disk(tmp, 128 * MIB)) as pod:
        streams = []
        for name in ("a", "b", "c"):
            streams.append(pod.open(RAW))
            equal(len(streams[-1].read(MIB)), MIB, "the download has begun")
            mount_as_kubernetes(pod, new_pair(tmp, name))
            wait_for_certificate(pod, f"{tmp}/{name}")
        for stream in streams:
            equal(len(stream.read()), 127 * MIB, "the rest of a download")
        wait_for_one_server(pod)


def test_replaced_three_times_in_a_second(tmp):
    with Pod(big_disk(tmp, MIB)) as pod:
        for name in ("a", "b", "c"):
            mount_as_kubernetes(pod, new_pair(tmp, name))
        wait_for_certificate(pod, tmp + "/c")
        equal(pod.get(RAW).status, 200, "a download")


def test_a_pair_that_does_not_fit_is_not_taken(tmp):
    with Pod(big_disk(tmp, MIB)) as pod:
        old, pids = shown(pod), pod.processes()["lighttpd"]
        shutil.copy(new_pair(tmp, "other") + "/tls.crt", pod.cert_dir + "/new")
        os.rename(pod.cert_dir + "/new", pod.cert_dir + "/tls.crt")              # of a file that is half written it would warn, too
        wait_until(lambda: "the new certificate is not taken: cannot use the key in" in pod.log_text(), "the log says so", SOON)
        check(re.search(r'"warning".*is not taken.*/tls.key\W.*key values mismatch', pod.log_text()), "the warning names the file and the cause")
        equal((shown(pod), pod.processes()["lighttpd"]), (old, pids), "certificate and web server")
        time.sleep(2.5)
        equal(pod.log_text().count("is not taken"), 1, "warnings")
        shutil.copy(tmp + "/other/tls.key", pod.cert_dir + "/tls.key")
        wait_for_certificate(pod, tmp + "/other")


def test_files_that_are_gone_or_garbage_are_not_taken(tmp):
    with Pod(big_disk(tmp, MIB)) as pod:
        old = shown(pod)
        for spoil in (lambda path: os.truncate(path, 0), os.unlink):
            count = pod.log_text().count("is not taken")
            spoil(pod.cert_dir + "/tls.crt")
            wait_until(lambda: pod.log_text().count("is not taken") > count, "the log says so", SOON)  # pylint: disable=cell-var-from-loop
            equal(shown(pod), old, "certificate")
        overwrite(pod, new_pair(tmp, "good"))
        wait_for_certificate(pod, tmp + "/good")


def test_a_pair_that_is_broken_at_the_start_ends_the_pod(tmp, disk):
    other = new_pair(tmp, "other")

    def encrypt(pod):
        subprocess.run(["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", other + "/tls.key", "-out", pod.cert_dir + "/tls.key"],
                       check=True, capture_output=True)

    for spoil, name in ((lambda pod: os.unlink(pod.cert_dir + "/tls.crt"), "tls.crt"), (lambda pod: os.unlink(pod.cert_dir + "/tls.key"), "tls.key"),
                        (lambda pod: os.truncate(pod.cert_dir + "/tls.crt", 100), "tls.crt"),
                        (lambda pod: shutil.copy(other + "/tls.key", pod.cert_dir), "tls.key"), (encrypt, "tls.key")):
        pod = Pod([("disk", "disk", "-", disk)])
        spoil(pod)
        pod.start()
        equal(pod.end(None), 1, "exit status")
        check(f"{pod.cert_dir}/{name}'" in pod.log_text(), f"the message names {name}: {pod.log_text()}")
        shutil.rmtree(pod.dir)


harness.main(globals())
