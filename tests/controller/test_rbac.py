#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rights of the controller's ServiceAccount against what the API server saw it do: nothing is refused, and nothing is
granted that it doesn't use. The test lives through all that the controller does, then reads the server's audit log."""
import json
import os
import tempfile
import time

import fixture
from fixture import GROUP, NAMESPACE, Controller, World, alone, check, eventually

FOLDER = tempfile.mkdtemp(prefix="vmexport-audit-")
POLICY, LOG = FOLDER + "/policy.yaml", FOLDER + "/audit.log"
USER = f"system:serviceaccount:{NAMESPACE}:{fixture.ACCOUNT}"
with open(POLICY, "w", encoding="utf-8") as policy:
    policy.write(f"""apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, Panic]
rules:
  - level: Metadata
    users: ["{USER}"]
  - level: None
""")

# Granted and not seen in use here, each with its reason.
UNSEEN = {
    # The right to block the deletion of an owner: asked for by an admission plugin of OpenShift, not by a request of ours.
    ("update", GROUP, "virtualmachineexports/finalizers"),
    # Whose a claim is that appeared between the look and the write.
    ("get", "", "persistentvolumeclaims"),
}


def strangers(w, direct):
    """Each child's name is taken, so that it is asked whose that is."""
    w.create("service", {"metadata": {"name": w.child("service", "one")}, "spec": {"ports": [{"port": 1}]}})
    w.create("secret", {"metadata": {"name": w.child("tls", "two")}})
    w.create("pod", {"metadata": {"name": w.child("pod", "three")}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    w.create("configmap", {"metadata": {"name": w.child("manifest", "four")}})
    names = ["one", "two", "three"]
    if direct:
        backend = {"service": {"name": "x", "port": {"number": 80}}}
        w.create("ingress", {"metadata": {"name": w.child("ingress", "five")}, "spec": {"defaultBackend": backend}})
        names.append("five")
    for name in names:
        w.export(name)
    w.export_vm("four")
    for name in names + ["four"]:
        w.says(w.child("manifest" if name == "four" else "tls" if name == "two" else "service", name), name=name)


def live(w, direct):
    """All that there is to do, but for the way in."""
    w.pvc()
    w.export()
    w.ready()
    w.pvc("root")
    w.vm(claims=["root"], instancetype={"name": "u1.small"})
    w.export_vm("machine")
    w.ready("machine")
    w.snapshot()
    w.export_snapshot("snapshot")
    w.ready("snapshot")
    w.secret("mine")
    w.export("token", token="mine")
    w.ready("token")
    w.foreign_pod("user")                       # pods are deleted, events counted
    w.no_pod()
    w.delete("pod", "user")
    w.ready()
    w.patch("vm", "vm", {"metadata": {"annotations": {"a": "b"}}})      # ConfigMaps are patched
    service = w.child("service")
    w.patch("service", service, {"spec": {"selector": {"app": "elsewhere"}}})
    w.patch("secret", w.child("tls"), {"metadata": {"annotations": {"vmexport.io/renew-at": "1"}}})
    if direct:
        w.patch("ingress", w.child("ingress"), {"spec": {"rules": [{"host": "other.test"}]}})
    time.sleep(2)
    strangers(w, direct)
    w.export("short", of="nothing", ttl="1s")
    eventually(lambda: not w.exp("short"), "an export expires")


def seen():
    """{(verb, group, resource): [codes]}."""
    uses = {}
    with open(LOG, encoding="utf-8") as f:
        for line in f:
            try:
                event = json.loads(line)
            except ValueError:                  # the last line, still being written
                continue
            where = event.get("objectRef")
            if event["user"]["username"] == USER and where and event["stage"] == "ResponseComplete":
                resource = where["resource"] + ("/" + where["subresource"] if where.get("subresource") else "")
                uses.setdefault((event["verb"], where.get("apiGroup", ""), resource), []).append((event["responseStatus"]["code"], event["requestURI"]))
    return uses


def granted(w):
    rights = set()
    for path in ("/apis/rbac.authorization.k8s.io/v1/clusterroles/vmexport-controller",
                 f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/vmexport-controller"):
        for rule in w.plane.request("GET", path)[1]["rules"]:
            rights |= {(verb, group, resource) for verb in rule["verbs"] for group in rule["apiGroups"] for resource in rule["resources"]}
    return rights


@alone
def test_what_is_granted_is_what_is_used(w, plane, controller):
    live(w, direct=False)
    controller.stop()
    # Once more where each export has an Ingress, in a world of its own.
    with Controller(plane, flags=["--external", "direct", "--external-host", "x.example.test"], name="direct") as direct:
        live(World(plane, direct), direct=True)
    controller.start()
    eventually(lambda: not w.list("ingress"), "the Ingresses of direct mode go")
    w.plane.request("DELETE", w.path("export", "exp"))
    w.gone()
    time.sleep(1)
    uses, rights = seen(), granted(w)
    refused = {use: [uri for code, uri in answers if code in (401, 403)] for use, answers in uses.items()}
    refused = {use: uris[:2] for use, uris in refused.items() if uris}
    check(not refused, f"refused: {refused}")
    known = {use for use in uses if use in rights}
    others = set(uses) - known - {use for use in uses if use[2] in ("selfsubjectreviews", "selfsubjectaccessreviews")}
    check(not others, f"used, not granted (by another role?): {sorted(others)}")
    unused = rights - known - UNSEEN
    check(not unused, f"granted, not used: {sorted(unused)}")
    check(not UNSEEN & known, f"no longer unseen: {sorted(UNSEEN & known)}")


def test_it_reads_no_secret_but_tokens_and_its_own(w):
    """A Secret of a user that no export names is never read."""
    w.secret("private")
    w.pvc()
    w.export()
    w.ready()
    time.sleep(0.5)
    with open(LOG, encoding="utf-8") as f:
        check(f"/namespaces/{w.ns}/secrets/private" not in f.read(), "it was read")


try:
    fixture.main(globals(), server_flags=["--audit-policy-file=" + POLICY, "--audit-log-path=" + LOG, "--audit-log-mode=blocking"])
finally:
    for name in (POLICY, LOG):
        if os.path.exists(name):
            os.unlink(name)
    os.rmdir(FOLDER)
