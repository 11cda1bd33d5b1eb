#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The client, as a user has it: on a machine outside of the cluster, with a kubeconfig."""
import contextlib
import os
import signal
import subprocess

import e2e
import definitions
from e2e import MIB, Space, alone, check, equal, eventually, product, sha256, size, uid
from harness import BUILD

CLI = BUILD + "/cli/vmexport"
LONG = 256 * MIB        # far more than all the buffers on the way hold (some 25 MiB)

setup = definitions.install     # pylint: disable=invalid-name


def start(w, *words, **options):
    return subprocess.Popen([CLI, "--kubeconfig", w.node.admin, "--namespace", w.ns, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finish(process, code=0, seconds=300):
    out, said = process.communicate(timeout=seconds)
    equal(process.returncode, code, said)
    return out, said


def vmexport(w, *words, code=0):
    """Runs it to its end; what it wrote to stdout, and what it said."""
    return finish(start(w, *words), code)


def machine(w):
    w.disk("root")
    w.disk("data", block=True)
    w.vm(claims=["root", "data"])


def content(w, claim):
    return sha256(w.files[claim] + ("" if w.is_block(claim) else "/disk.img"))


def gone(w, name="exp"):
    eventually(lambda: not w.get("export", name), "the export is deleted", e2e.READY)


def test_the_disk_of_a_machine_by_one_command(w, tmp):
    machine(w)
    _, said = vmexport(w, "download", "exp", "--vm=vm", "--volume=root", "--format=raw", f"--output={tmp}/root.img")
    equal(sha256(tmp + "/root.img"), content(w, "root"), said)
    check(os.stat(tmp + "/root.img").st_blocks <= os.stat(w.files["root"] + "/disk.img").st_blocks + 16, "more is allocated than at the source")
    gone(w)


def test_a_block_device_through_the_proxy_unpacked_and_by_ranges(w, tmp):
    machine(w)
    vmexport(w, "create", "exp", "--vm=vm")
    for name, flags in (("gzip", ()), ("ranges", ("--connections=4",))):
        vmexport(w, "download", "exp", "--volume=data", "--format=raw", f"--output={tmp}/{name}", *flags)
        equal(sha256(f"{tmp}/{name}"), content(w, "data"), name)
    vmexport(w, "delete", "exp")
    gone(w)


def test_through_the_api_server_with_tls_verified(w, tmp):
    w.disk()
    _, said = vmexport(w, "download", "exp", "--pvc=disk", "--port-forward", "--format=raw", f"--output={tmp}/disk.img")
    equal(sha256(tmp + "/disk.img"), content(w, "disk"), said)
    check("insecure" not in said, said)


def test_a_machine_is_cloned_into_another_namespace_by_kubectl(w, tmp):
    machine(w)
    with contextlib.closing(Space(w.node)) as other:
        text, _ = vmexport(w, "download", "exp", "--vm=vm", "--manifest", "--include-secret", f"--manifest-namespace={other.ns}")
        with open(tmp + "/manifest.yaml", "w", encoding="utf-8") as f:
            f.write(text)
        w.node.kubectl("apply", "-f", tmp + "/manifest.yaml", "--namespace", other.ns)
        check(other.get("vm", "vm"), "no machine")
        equal(sorted(o["metadata"]["name"] for o in other.list("dv")), ["data", "root"])
        check(w.exp(), "the export, which the importer needs, was deleted")


def test_a_download_survives_its_pod(w, tmp):
    w.disk(size=LONG)
    w.export()
    w.ready()
    old = uid(w.pod())
    out = tmp + "/disk.img"
    # A reader that takes its time: what is on the way is little.
    os.mkfifo(tmp + "/pipe")
    with subprocess.Popen(f"exec <{tmp}/pipe; dd bs=1M count=8 of={out} iflag=fullblock status=none; sleep 3; exec cat >>{out}", shell=True) as reader:
        process = start(w, "download", "exp", "--format=raw", f"--output={tmp}/pipe", "--connections=1", "--retry=30")
        eventually(lambda: size(out) == 8 * MIB, "it has begun")
        w.delete("pod", w.child("pod"))
        _, said = finish(process)
        equal(reader.wait(), 0)
    equal(sha256(out), content(w, "disk"), said)
    check(uid(w.pod()) != old, "the same pod")


def test_an_interrupted_download_goes_on(w, tmp):
    w.disk(size=8 * LONG)       # long enough to be interrupted
    w.export()
    w.ready()
    words = ("download", "exp", "--format=raw", f"--output={tmp}/disk.img", "--connections=2")
    process = start(w, *words)
    eventually(lambda: size(tmp + "/disk.img.part") > 0, "it has begun")
    process.send_signal(signal.SIGINT)
    finish(process, code=130)
    check(not os.path.exists(tmp + "/disk.img"), "it has its name already")
    _, said = vmexport(w, *words)
    check("going on after" in said, said)
    equal(sha256(tmp + "/disk.img"), content(w, "disk"))


def test_a_user_with_the_least_rights(w, tmp):
    """What docs/operations.md gives a user of the client: nothing else is asked for."""
    w.disk()
    rules = [{"apiGroups": ["export.kubevirt.io"], "resources": ["virtualmachineexports"], "verbs": ["get", "list", "watch", "create", "delete"]},
             {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create"]}]
    w.node.create(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{w.ns}/roles", {"metadata": {"name": "exporter"}, "rules": rules})
    w.node.create(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{w.ns}/rolebindings", {
        "metadata": {"name": "exporter"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "exporter"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]})
    w.node.until_allowed("jane", namespace=w.ns, group=w.group, resource="virtualmachineexports", verb="create")
    vmexport(w, "download", "exp", "--as=jane", "--pvc=disk", f"--output={tmp}/disk.img.gz")
    equal(subprocess.run(f"gzip -dc {tmp}/disk.img.gz | sha256sum", shell=True, capture_output=True, check=True, text=True).stdout.split()[0], content(w, "disk"))
    gone(w)


@alone
def test_without_an_external_link_it_goes_through_the_api_server_and_says_so(w, tmp):
    product.install(w.node, "--set", "external.mode=none")
    try:
        w.disk()
        _, said = vmexport(w, "download", "exp", "--pvc=disk", "--format=raw", f"--output={tmp}/disk.img")
        equal(sha256(tmp + "/disk.img"), content(w, "disk"), said)
        check("no external link" in said, said)
    finally:
        product.install(w.node)


e2e.main(globals())
