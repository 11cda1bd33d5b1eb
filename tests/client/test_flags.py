#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every flag of `virtctl vmexport`, and kubectl's: where each is tested, what excludes what, and how to reach the API server.

    --vm --snapshot --pvc --vmtemplate     test_create.py (each source has its group and kind; what the API server says is told)
    --ttl --labels --annotations           test_create.py
    --output --volume --format             test_download.py; --format=oci here: this server offers none, so it says so
    --keep-vme --delete-vme                test_download.py
    --insecure                             test_tls.py
    --manifest --include-secret --manifest-output-format     test_manifest.py
    --service-url                          test_tls.py, test_manifest.py; differs: verified by the name in the link, not the one given
    --port-forward                         here and test_wait.py as far as it goes without a node; differs: stays verified. tests/e2e has the rest
    --local-port                           here: its values; differs: only if asked for is a port opened
    --retry                                test_resume.py; differs: tries without progress, 10 unless set, for every break and not only for a status
    --readiness-timeout                    test_wait.py; differs: one for all of the waiting
    kubectl's                              here
"""
import base64
import json
import os
import socket
import time

import fixture
from connect_proxy import ConnectProxy
from fixture import DENIED, FAILED, NOT_FOUND, NOT_READY, SLOW, USAGE, check, equal, eventually

FLAGS = """vm snapshot pvc vmtemplate output volume format insecure keep-vme delete-vme ttl manifest manifest-output-format include-secret service-url
    port-forward local-port retry labels annotations readiness-timeout""".split()
COMMON = """kubeconfig namespace context cluster user server token as as-group as-uid certificate-authority client-certificate client-key
    insecure-skip-tls-verify tls-server-name request-timeout proxy-url username password""".split()


# ---- the command line

def test_help_has_every_flag(w):
    text = w.start("download", "--help", bare=True).done().out.decode()
    equal([flag for flag in FLAGS + COMMON if f"--{flag}" not in text], [])


def test_exclusions(w):
    for line, *words in (("create a --vm=v --pvc=p", "vm", "pvc"), ("create a --snapshot=s --vmtemplate=t", "snapshot", "vmtemplate"),
                         ("download a --output=o --vm=v --snapshot=s", "vm", "snapshot"), ("download a --output=o --keep-vme --delete-vme", "keep-vme", "delete-vme"),
                         ("download a --output=o --format=oci --volume=v", "--volume", "oci"), ("download a --output=o --format=oci --manifest", "--manifest", "oci"),
                         ("download a --output=o --format=oci --pvc=p", "--pvc", "oci"), ("download a --manifest --volume=v", "--volume", "--manifest"),
                         ("download a --manifest --pvc=p", "--pvc", "--manifest")):
        w.run(*line.split()).failed(USAGE, *words)
    equal(w.list("export"), [])


def test_values_that_make_no_sense(w):
    for flag, words in (("--format=zip", "gzip.*raw.*oci"), ("--retry=-1", "--retry"), ("--retry=x", "--retry"), ("--readiness-timeout=1", "--readiness-timeout"),
                        ("--ttl=x", "--ttl"),
                        ("--port-forward --local-port=70000", "--local-port"), ("--port-forward --local-port=x", "--local-port"), ("--connections=0", "--connections"),
                        ("--checksum=md5", "crc32.*sha256"), ("--manifest --manifest-output-format=xml", "json|yaml"), ("--insecure=maybe", "--insecure"),
                        ("--request-timeout=x", "--request-timeout"), ("--no-such-flag", "--no-such-flag"), ("--labels=1", "--labels")):
        w.run("download", "a", "--output=o", *flag.split()).failed(USAGE, words)
    equal((w.files(), w.list("export")), ([], []))


def test_arguments(w):
    for line, words in (("", "create"), ("create", "name"), ("create a b --pvc=p", "one|b"), ("frobnicate a", "frobnicate"), ("delete", "name")):
        w.run(*line.split(), bare=True).failed(USAGE, words)


def test_the_command_in_any_case_and_flags_anywhere(w):
    w.start("--pvc=p", "CREATE", "--ttl", "1h", "exp").done()
    check(w.exp()["spec"]["ttlDuration"].startswith("1h"), w.exp()["spec"])


def test_switches_may_have_a_value(w, pod):
    w.existing(pod)
    w.download("--delete-vme=false", "--insecure=false", "--output=d.gz")
    check(w.exp(), "it was deleted")
    w.download("--delete-vme=true", "--output=d.gz")
    check(not w.exp(), "it was kept")


def test_output_with_a_space_and_by_its_letter(w, pod):
    w.existing(pod)
    w.download("-o", "a.gz")
    w.download("--output", "b.gz")
    equal(w.files(), ["a.gz", "b.gz"])


def test_oci_is_not_offered(w, pod):
    w.existing(pod, kind="VirtualMachine")
    w.run("download", "exp", "--format=oci", "--output=o").failed(NOT_FOUND, "oci")
    w.existing(pod, name="of-claim")
    w.run("download", "of-claim", "--format=oci", "--output=o").failed(USAGE, "oci", "PersistentVolumeClaim")


def test_port_forward_without_a_pod(w, pod):
    w.existing(pod)
    w.has_service()
    w.run("download", "exp", "--port-forward", "--output=d").failed(NOT_READY, "pod")
    equal(w.files(), [])


def test_virtctls_flags_that_have_no_effect_are_taken(w):
    w.start("create", "exp", "--pvc=p", "--manifest", "--include-secret", "--manifest-output-format=json", "--readiness-timeout=1s").done()
    w.start("delete", "exp", "--ttl=1h", "--manifest", "--include-secret").done()


# ---- kubectl's

def listed(w, *flags, **options):
    """The names of the exports of the test's namespace, asked for by these flags only."""
    run = w.start("list", "--output=json", "--namespace", w.ns, *flags, bare=True, **options).done()
    return [e["metadata"]["name"] for e in json.loads(run.out)["items"]]


def kubeconfig(w, name="kubeconfig", **changes):
    """The admin's, with changes: context={...}, cluster={...}, user={...}; what is None goes."""
    with open(w.plane.admin, encoding="utf-8") as f:
        config = json.load(f)
    for part, change in changes.items():
        entry = config[part + "s"][0][part]
        entry.update({k: v for k, v in change.items() if v is not None})
        for key in (k for k, v in change.items() if v is None):
            entry.pop(key, None)
    return w.write(name, json.dumps(config).encode()), config


def certificates(w):
    return ("--certificate-authority", w.plane.ca, "--client-certificate", w.plane.cert.path("admin.crt"), "--client-key", w.plane.cert.path("admin.key"))


def test_kubeconfig_by_flag_and_environment(w):
    w.export()
    equal(listed(w, "--kubeconfig", w.plane.admin), ["exp"])
    equal(listed(w, env={"KUBECONFIG": w.plane.admin}), ["exp"])
    equal(listed(w, env={"KUBECONFIG": "/not/there:" + w.plane.admin}), ["exp"])
    os.mkdir(w.home + "/.kube")
    os.symlink(w.plane.admin, w.home + "/.kube/config")
    equal(listed(w), ["exp"])
    run = w.run("list", "--kubeconfig=/not/there", bare=True).said("/not/there")
    check(run.code != 0, "exit code 0")


def test_no_kubeconfig_says_what_to_do(w):
    w.run("list", bare=True).failed(NOT_FOUND, "kubeconfig")


def test_the_namespace_of_the_context(w):
    path, _ = kubeconfig(w, context={"namespace": w.ns})
    w.start("create", "exp", "--pvc=p", "--kubeconfig", path, bare=True).done()
    check(w.exp(), "made elsewhere")
    w.start("list", "-n", "default", "--kubeconfig", path, bare=True).done()


def test_context_cluster_and_user(w):
    w.export()
    _, config = kubeconfig(w)
    [context], [cluster], [user] = config["contexts"], config["clusters"], config["users"]
    config["contexts"].append({"name": "broken", "context": {"cluster": "nowhere", "user": "nobody"}})
    config["clusters"].append({"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}})
    config["users"].append({"name": "nobody", "user": {"token": "none"}})
    config["current-context"] = "broken"
    path = w.write("kubeconfig", json.dumps(config).encode())
    w.run("list", "--kubeconfig", path, bare=True).failed(FAILED)
    equal(listed(w, "--kubeconfig", path, "--context", context["name"]), ["exp"])
    equal(listed(w, "--kubeconfig", path, "--cluster", cluster["name"], "--user", user["name"]), ["exp"])
    for flag in ("--context", "--cluster", "--user"):
        run = w.run("list", "--kubeconfig", path, flag, "no-such", bare=True).said("no-such")
        check(run.code != 0, "exit code 0")


def test_server_and_certificates_without_a_kubeconfig(w):
    w.export()
    equal(listed(w, "--server", w.plane.server, *certificates(w)), ["exp"])
    equal(listed(w, "-s", w.plane.server, *certificates(w)), ["exp"])
    run = w.run("list", "--server", w.plane.server, *certificates(w)[2:], bare=True).said("certificate|tls|ssl")
    check(run.code != 0, "without an authority it trusts whoever answers")


def test_token(w):
    w.export()
    flags = ("--server", w.plane.server, "--certificate-authority", w.plane.ca)
    token = w.plane.token(w.ns, "default")
    w.run("list", "-n", w.ns, *flags, "--token", token, bare=True).failed(DENIED, "system:serviceaccount|forbidden|not allowed|may not")
    w.run("list", "-n", w.ns, *flags, "--token", "none", bare=True).failed(DENIED)
    w.plane.kubectl("create", "rolebinding", "all", "--clusterrole=cluster-admin", f"--serviceaccount={w.ns}:default", "-n", w.ns)
    eventually(lambda: listed(w, *flags, "--token", token) == ["exp"], "the role works")


def test_as(w):
    w.export()
    w.run("list", "--as=nobody").failed(DENIED, "nobody")
    equal(listed(w, "--kubeconfig", w.plane.admin, "--as=somebody", "--as-group=system:masters", "--as-group=others"), ["exp"])
    equal(listed(w, "--kubeconfig", w.plane.admin, "--as=somebody", "--as-uid=42", "--as-group=system:masters"), ["exp"])


def test_tls_server_name_and_insecure_skip_tls_verify(w):
    w.export()
    flags = ("--kubeconfig", w.plane.admin)
    equal(listed(w, *flags, "--tls-server-name=kubernetes.default"), ["exp"])
    run = w.run("list", "--tls-server-name=elsewhere.example").said("certificate|tls|ssl|elsewhere")
    check(run.code != 0, "exit code 0")
    equal(listed(w, "--server", w.plane.server, *certificates(w)[2:], "--insecure-skip-tls-verify"), ["exp"])
    path, _ = kubeconfig(w, cluster={"certificate-authority-data": None, "insecure-skip-tls-verify": True})
    equal(listed(w, "--kubeconfig", path), ["exp"])


def test_request_timeout(w):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        for value in ("1s", "1"):
            run = w.run("list", "--server", f"https://127.0.0.1:{silent.getsockname()[1]}",
                        "--insecure-skip-tls-verify", f"--request-timeout={value}", bare=True, seconds=30)
            check(run.code == FAILED and run.err, str(run))
        check(time.monotonic() - start < 25 * SLOW, "longer than it was told to")
    w.start("list", "--request-timeout=20s").done()


def test_proxy_url(w):
    w.export()
    with ConnectProxy() as proxy:
        equal(listed(w, "--kubeconfig", w.plane.admin, "--proxy-url", proxy.url), ["exp"])
        equal(set(proxy.targets), {f"127.0.0.1:{w.plane.port}"})
        path, _ = kubeconfig(w, cluster={"proxy-url": proxy.url})
        proxy.targets.clear()
        equal(listed(w, "--kubeconfig", path), ["exp"])
        check(proxy.targets, "the kubeconfig's was not used")


def test_username_and_password(w):
    """Kubernetes has had no such authentication for long; what stands before it may."""
    peer = w.peer()
    seen = []

    def ask(request, reply):
        seen.append(request.headers["Authorization"])
        reply.update(status=401, body=b"", framing="length")
    peer.hook = ask
    w.run("list", "--server", f"https://127.0.0.1:{peer.port}", "--certificate-authority", peer.cert_file, "--username=u", "--password=p", bare=True).failed(DENIED)
    equal(set(seen), {"Basic " + base64.b64encode(b"u:p").decode()})


def test_kubectls_flags_without_effect_are_taken(w):
    w.start("list", "--disable-compression", "-v=3").done()


if __name__ == "__main__":
    fixture.main(globals())
