#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--manifest: what recreates the machine elsewhere, as kubectl takes it."""
import json

import fixture
from fixture import NOT_FOUND, USAGE, check, equal
from fixture import TOKEN

CONFIG = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "of-the-manifest", "namespace": "where-it-was"}, "data": {"text": "a: b\nc"}}
VM = {"kind": "VirtualMachine", "apiVersion": "kubevirt.io/v1", "metadata": {"name": "vm", "namespace": "where-it-was"}, "spec": {"runStrategy": "Halted"}}


def served(w, disk, **links):
    """An export of a machine from the real server, with manifests as the controller has them made."""
    pod = w.serve([("disk", "disk", "id", disk.path)])
    with open(pod.manifest_dir + "/export-name", "w", encoding="utf-8") as f:
        f.write("exp")
    for side in ("internal", "external"):
        for number, o in enumerate((CONFIG, VM)):
            with open(f"{pod.manifest_dir}/{side}.{number:02}.json", "w", encoding="utf-8") as f:
                json.dump(o, f)
    w.existing(pod, kind="VirtualMachine", manifests=True, **links)
    return pod


def kinds(plane, text):
    """What kubectl reads in it."""
    out = plane.kubectl("apply", "--dry-run=client", "--validate=false", "--output", "json", "--filename", "-", input=text)
    o = json.loads(out)
    return sorted(item["kind"] for item in (o["items"] if o["kind"] == "List" else [o]))


def test_yaml_on_stdout(w, disk):
    served(w, disk)
    run = w.download("--manifest")
    equal(kinds(w.plane, run.out.decode()), ["ConfigMap", "VirtualMachine"])
    check(not run.out.startswith(b"{"), "it is JSON")
    check(w.exp(), "the export was deleted")


def test_what_is_on_stdout_can_be_applied(w, disk):
    """Into another namespace than it was in, by the server's own judgement."""
    served(w, disk)
    for more in ((), ("--include-secret",), ("--include-secret", "--manifest-output-format=json")):
        run = w.download("--manifest", "--manifest-namespace=" + w.ns, *more)
        said = w.plane.kubectl("apply", "--dry-run=server", "--namespace", w.ns, "--filename", "-", input=run.out.decode())
        check("configmap/of-the-manifest" in said and "virtualmachine.kubevirt.io/vm" in said, said)
        check(("secret/" in said) == bool(more), said)
        check("where-it-was" not in run.out.decode(), "of the old namespace")
    check("where-it-was" in w.download("--manifest").out.decode(), "changed without being asked to")


def test_json(w, disk):
    served(w, disk)
    for value in ("json", "JSON"):
        o = json.loads(w.download("--manifest", "--manifest-output-format=" + value).out)
        equal(sorted(item["kind"] for item in o["items"]), ["ConfigMap", "VirtualMachine"])


def test_to_a_file(w, disk):
    served(w, disk)
    w.write("m.yaml", b"older")
    for more, wanted in (((), ["ConfigMap", "VirtualMachine"]), (("--include-secret",), ["ConfigMap", "Secret", "VirtualMachine"])):
        run = w.download("--manifest", "--output=m.yaml", *more)
        equal((run.out, kinds(w.plane, w.read("m.yaml").decode()), w.files()), (b"", wanted, ["m.yaml"]))


def test_the_secret_has_the_token(w, disk):
    served(w, disk)
    check(TOKEN in w.download("--manifest", "--include-secret").out.decode(), "no token")
    check(TOKEN not in w.download("--manifest").out.decode(), "the token without being asked for")


def test_by_service_url(w, disk):
    pod = served(w, disk, where=("internal",))
    run = w.download("--manifest", f"--service-url=127.0.0.1:{pod.port}")
    equal(kinds(w.plane, run.out.decode()), ["ConfigMap", "VirtualMachine"])


def test_with_a_source_it_makes_the_export_and_keeps_it(w, disk):
    run = w.begin("--manifest", "--vm=vm")
    w.made_by(run)
    peer = w.plain(disk, token=w.made_by(run))
    peer.files["/external/manifests/all"] = json.dumps(CONFIG).encode()
    w.be_ready(peer, manifests=True)
    run.done()
    equal(kinds(w.plane, run.out.decode()), ["ConfigMap"])
    check(w.exp(), "the export was deleted, and with it what the manifest imports from")


def test_none_is_offered(w, pod):
    w.existing(pod)
    equal(w.run("download", "exp", "--manifest").failed(NOT_FOUND, "manifest").out, b"")


def test_a_cut_one_is_an_error_and_nothing_is_written(w, disk):
    peer = w.plain(disk)
    peer.files.update({f"/external/manifests/{f}": b"kind: List\napiVersion: v1\nitems: []\n---\n" for f in ("all", "secret")})
    w.existing(peer, manifests=True)

    def cut(request, reply):
        reply.cut = 10 if request.path.endswith("secret") else None
    peer.hook = cut
    for more in (("--output=m.yaml",), ()):
        run = w.run("download", "exp", "--manifest", "--include-secret", "--retry=1", *more)
        check(run.code != 0, "exit code 0")
        equal((run.out, w.files()), (b"", []))


def test_what_does_not_go_with_it(w):
    for flags, word in ((("--volume=v",), "--volume"), (("--pvc=p",), "--pvc"),
                        (("--manifest-output-format=xml",), "yaml"), (("--format=oci",), "--format"), (("--manifest-namespace=No_Name",), "--manifest-namespace")):
        w.run("download", "exp", "--manifest", *flags).failed(USAGE, word)


if __name__ == "__main__":
    fixture.main(globals())
