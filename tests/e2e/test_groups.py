#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Beside KubeVirt, whose own controller works on export.kubevirt.io: the product serves export.vmexport.io, neither touches what
is the other's, and the product does not start on the group that is taken. KubeVirt's part is played by a thread."""
import contextlib
import json
import threading

import e2e
import neighbours
from e2e import GROUP, Failed, Space, World, alone, check, equal, eventually, product, sha256, uid
from world import owner

BESIDE = "export.vmexport.io"
MANAGER = "virt-controller"     # as KubeVirt's writes are marked
TAKEN = {"app.kubernetes.io/managed-by": "virt-operator", "app.kubernetes.io/component": "kubevirt", "kubevirt.io": ""}


def crd_path(group):
    return f"{neighbours.PATH}/virtualmachineexports.{group}"


class KubeVirt:
    """KubeVirt's export controller, as far as others can tell: it makes each export of its group Ready, with a Service and a
    token, and makes it so again when somebody has changed that. writes: the names of the exports whose status it wrote."""

    def __init__(self, node):
        self.node, self.writes, self.trouble = node, [], None
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self):
        version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                   "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
        self.node.create(neighbours.PATH, {"metadata": {"name": "virtualmachineexports." + GROUP, "labels": TAKEN}, "spec": {
            "group": GROUP, "scope": "Namespaced", "versions": [version],
            "names": {"kind": "VirtualMachineExport", "listKind": "VirtualMachineExportList", "plural": "virtualmachineexports", "singular": "virtualmachineexport",
                      "shortNames": ["vmexport", "vmexports"]}}})
        eventually(lambda: self.node.request("GET", f"/apis/{GROUP}/v1/virtualmachineexports")[0] == 200, "KubeVirt's exports are served", e2e.READY)
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ends.set()
        self.thread.join()
        if self.trouble and not kind:
            raise self.trouble

    def _work(self):
        try:
            while not self.ends.wait(0.2):
                for export in self.node.request("GET", f"/apis/{GROUP}/v1/virtualmachineexports")[1]["items"]:
                    self._reconcile(export)
        except Exception as e:      # pylint: disable=broad-except
            self.trouble = e

    def _reconcile(self, export):
        name, ns = export["metadata"]["name"], export["metadata"]["namespace"]
        status = {"phase": "Ready", "serviceName": "virt-export-" + name, "tokenSecretRef": "export-token-" + name,
                  "conditions": [{"type": "Ready", "status": "True", "reason": "PodReady"}]}
        if export.get("status") == status:
            return
        meta = {"ownerReferences": [{"apiVersion": GROUP + "/v1", "kind": "VirtualMachineExport", "name": name, "uid": uid(export), "controller": True}],
                "labels": {"kubevirt.io": "virt-exporter"}}
        self._apply(f"/api/v1/namespaces/{ns}/services/virt-export-{name}", "v1", "Service", meta, spec={"selector": {"kubevirt.io.virt-export-service": name}, "ports": [{"name": "https", "port": 443}]})
        self._apply(f"/api/v1/namespaces/{ns}/secrets/export-token-{name}", "v1", "Secret", meta, stringData={"token": "a-token-of-kubevirt"})
        self._apply(f"/apis/{GROUP}/v1/namespaces/{ns}/virtualmachineexports/{name}/status", GROUP + "/v1", "VirtualMachineExport", {}, status=status)
        self.writes.append(name)

    def _apply(self, path, version, kind, meta, **fields):
        name = path.removesuffix("/status").rpartition("/")[2]
        wanted = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **meta}, **fields}
        code, answer = self.node.request("PATCH", f"{path}?fieldManager={MANAGER}&force=true", wanted, patch="apply")
        if code not in (200, 201):
            raise AssertionError(f"KubeVirt writes {path}: {answer}")


# ---- the product, away and back ----

def remove(node, group):
    """The definition, and with it all exports of the group."""
    node.request("DELETE", crd_path(group))
    eventually(lambda: node.request("GET", crd_path(group))[0] == 404, f"the definition of {group} goes", e2e.READY)


def uninstall(node):
    """Until what the controller made for itself has gone, too: a proxy that is installed anew would begin with it."""
    product.helm(node, "uninstall", product.RELEASE, "--wait")
    own = World(node, namespace=e2e.NAMESPACE)
    made = (("secret", "vmexport-ca"), ("secret", "vmexport-proxy-tls"), ("configmap", "vmexport-ca"))
    eventually(lambda: not any(own.get(kind, name) for kind, name in made), "what the controller made goes", e2e.READY)


@contextlib.contextmanager
def kubevirt(node):
    """A cluster with KubeVirt and without the product; afterwards all is as it was."""
    uninstall(node)
    remove(node, GROUP)
    try:
        with KubeVirt(node) as there:
            yield there
    finally:
        with contextlib.suppress(Failed):       # it may not have come to that
            uninstall(node)
        remove(node, GROUP)
        remove(node, BESIDE)
        product.install(node)


def refuses(node):
    """The chart, on the group that KubeVirt serves."""
    try:
        product.install(node)
    except Failed as e:
        for word in ("KubeVirt", "api.group=" + BESIDE):
            check(word in str(e), f"no '{word}' in: {e}")
        return
    check(False, "the chart was installed on a group that is KubeVirt's")


# ---- what is whose ----

def managers(o):
    return {entry["manager"] for entry in o["metadata"].get("managedFields", [])}


def owned(w, export):
    """{(kind, name): resourceVersion} of what belongs to an export, itself among it."""
    found = {(kind, o["metadata"]["name"]): o for kind in ("pod", "service", "secret", "configmap", "pvc", "ingress") for o in w.list(kind)
             if owner(o).get("uid") == uid(export)}
    return {key: o["metadata"]["resourceVersion"] for key, o in found.items()} | {("export", "exp"): w.exp()["metadata"]["resourceVersion"]}


def endpoints(w, service):
    """The addresses that a Service leads to."""
    slices = w.node.request("GET", f"/apis/discovery.k8s.io/v1/namespaces/{w.ns}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{service}")[1]["items"]
    return [address for s in slices for e in s["endpoints"] or [] for address in e["addresses"]]


@alone
def test_both_serve_exports_of_one_name_in_one_namespace(node, tmp):
    with kubevirt(node) as other:
        refuses(node)
        product.install(node, *product.by_node_port(node), "--set", "api.group=" + BESIDE)
        ours = Space(node, group=BESIDE)
        theirs = World(node, namespace=ours.ns, group=GROUP)
        image = ours.disk()
        by = managers(theirs.export())
        eventually(lambda: theirs.phase() == "Ready", "KubeVirt's export is Ready", e2e.READY)
        before = owned(theirs, theirs.exp())
        equal(set(before), {("export", "exp"), ("service", "virt-export-exp"), ("secret", "export-token-exp")})

        ours.export()
        ours.ready()
        url = ours.formats(where="external")["raw"]
        equal(url, f"https://{product.outside(node)}/api/{BESIDE}/v1/namespaces/{ours.ns}/virtualmachineexports/exp/volumes/disk/disk.img")
        equal(sha256(ours.fetch(url, tmp + "/disk.img")), sha256(image), "the disk")
        check(ours.curl(url.replace(BESIDE, GROUP), tmp + "/other").stderr.endswith(" 400\n"), "the proxy has a way to KubeVirt's exports")
        equal({name.startswith("vmexport-") for kind, name in owned(ours, ours.exp()) if kind != "export"}, {True}, "names of ours")
        check(MANAGER not in managers(ours.exp()), "KubeVirt has written to an export of ours")
        equal((endpoints(ours, "virt-export-exp"), endpoints(ours, "vmexport-exp")), ([], [ours.pod()["status"]["podIP"]]), "pods of each Service")

        kept = ours.token(), ours.links(where="external")
        node.kubectl("rollout", "restart", "deployment/vmexport-controller", "--namespace", e2e.NAMESPACE)
        node.kubectl("rollout", "status", "deployment/vmexport-controller", "--namespace", e2e.NAMESPACE, "--timeout=120s", timeout=150)
        ours.ready()
        equal((ours.token(), ours.links(where="external")), kept, "after a restart of the controller")
        ours.delete("export", "exp")
        ours.gone()
        equal(owned(theirs, theirs.exp()), before, "what is KubeVirt's")
        equal((managers(theirs.exp()), other.writes), (by | {MANAGER}, ["exp"]), "who wrote to KubeVirt's export, and how often KubeVirt did")


# ---- a group that is taken ----

def controller_pod(node):
    pods = json.loads(node.kubectl("get", "pods", "--namespace", e2e.NAMESPACE, "--selector", "app.kubernetes.io/component=controller", "--output", "json"))["items"]
    left = [p for p in pods if "deletionTimestamp" not in p["metadata"]]        # one of before may be about to end
    equal(len(left), 1, "controllers")
    return left[0]


def has_ended(pod):
    """Its name, when its container has ended by itself twice: while it ran, and when it was started again."""
    [status] = pod["status"]["containerStatuses"]
    last = status["state"].get("terminated") or status["lastState"].get("terminated") or {}
    return last.get("exitCode", 0) != 0 and status["restartCount"] >= 1 and "running" not in status["state"] and pod["metadata"]["name"]


@alone
def test_a_controller_whose_group_kubevirt_takes_ends_and_says_what_to_set(w, node, tmp):
    image = w.disk()
    w.export()
    w.ready()
    before = node.request("GET", crd_path(GROUP))[1]["metadata"]["labels"]
    node.request("PATCH", crd_path(GROUP), {"metadata": {"labels": TAKEN}})
    try:
        name = eventually(lambda: has_ended(controller_pod(node)), "the controller ends, and again when it is restarted", e2e.READY)
        said = node.kubectl("logs", "--namespace", e2e.NAMESPACE, name)
        for word in (GROUP, "KubeVirt", "--api-group=" + BESIDE, "api.group"):
            check(word in said, f"no '{word}' in: {said}")
        refuses(node)
        equal(sha256(w.fetch(w.formats(where="external")["raw"], tmp + "/disk.img")), sha256(image), "an export that was Ready goes on being served")
    finally:
        node.request("PATCH", crd_path(GROUP), {"metadata": {"labels": {label: before.get(label) for label in TAKEN}}})
        node.kubectl("delete", "pods", "--namespace", e2e.NAMESPACE, "--selector", "app.kubernetes.io/component=controller")     # its next start would be late
        product.install(node)
    w.delete("export", "exp")
    w.gone()


e2e.main(globals())
