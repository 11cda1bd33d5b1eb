#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The status, the events, the shape of the children, and that nothing is written when nothing happens."""
import datetime
import time

import fixture
from fixture import alone, check, equal, eventually, never
from world import NOT_OURS, PROMPT, now, uid


def when(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def ready(w):
    w.pvc()
    w.export()
    w.ready()


# ---- what it says

def test_every_condition_has_all_of_its_fields(w):
    ready(w)
    w.export("waiting", of="nothing")
    w.waits("PVCReady", "PVCNotFound", "waiting")
    for name in ("exp", "waiting"):
        for c in w.status(name)["conditions"]:
            check(c["type"] and c["status"] in ("True", "False") and c["reason"] and when(c["lastTransitionTime"]), c)
            check(c["status"] == "True" or c["message"] or c["reason"] == "Initializing", c)


def test_the_expiry_is_told(w):
    w.pvc()
    w.export()
    w.export("short", ttl="30m")
    for name, seconds in (("exp", 7200), ("short", 1800)):
        w.ready(name)
        e = w.exp(name)
        equal((when(e["status"]["ttlExpirationTime"]) - when(e["metadata"]["creationTimestamp"])).total_seconds(), seconds, name)


def test_the_time_of_a_condition_changes_only_with_its_status(w):
    w.pvc()
    w.foreign_pod("first")
    w.export()
    w.says("first")
    before = w.condition()["lastTransitionTime"]
    time.sleep(1.1)
    w.foreign_pod("second")
    w.delete("pod", "first")
    w.says("second")
    equal(w.condition()["lastTransitionTime"], before)
    w.delete("pod", "second")
    w.ready()
    check(w.condition()["lastTransitionTime"] > before, "a new time with a new status")


def test_phase_and_links_follow_the_pod(w):
    w.pvc()
    w.export()
    name = w.has_pod()["metadata"]["name"]
    w.shows("Ready", "False", "PodPending")
    equal((w.phase(), w.links()), ("Pending", {}))
    w.pod_phase(name, "Running", ready=False)
    never(lambda: w.phase() == "Ready", 0.5, "ready before its pod is")
    w.pod_phase(name, "Running")
    w.shows("Ready", "True", "PodReady", seconds=PROMPT)
    equal(w.phase(), "Ready")
    check(w.links(), "no links")
    w.pod_phase(name, "Running", ready=False)
    w.shows("Ready", "False", "Unknown", seconds=PROMPT)
    equal((w.phase(), w.links()), ("Pending", {}))


def test_a_pod_that_has_ended_is_replaced(w):
    for name, phase in (("failed", "Failed"), ("ended", "Succeeded")):
        w.pvc(name)
        w.export(name, of=name)
        w.ready(name)
        old = w.pod(name)
        w.pod_phase(old["metadata"]["name"], phase)
        eventually(lambda name=name, old=old: uid(w.pod(name)) != uid(old), "a new pod")
        w.ready(name)
        eventually(lambda name=name: "ExporterPodFailedOrCompleted" in w.events(name), "an event")


def test_pods_that_fail_at_once_are_not_made_without_end(w):
    w.pvc()
    w.export()
    made = {}                   # {uid: when}

    def three_were_made():
        p = w.pod()
        if p and p["status"].get("phase") != "Failed":
            made[uid(p)] = when(p["metadata"]["creationTimestamp"])
            w.pod_phase(p["metadata"]["name"], "Failed")
        return len(made) == 3
    eventually(three_were_made, "pods are made again", 30)
    first, second, third = made.values()
    check(min(second - first, third - second).total_seconds() >= 5, f"pods were made at {first}, {second} and {third}")


def test_every_version_of_the_api_shows_it(w):
    ready(w)
    for version in ("v1alpha1", "v1beta1", "v1"):
        path = w.path("export", "exp").replace("/v1/", f"/{version}/")
        equal(w.plane.request("GET", path)[1]["status"]["phase"], "Ready", version)


def test_kubectl_can_wait_for_it(w):
    w.pvc()
    w.export()
    w.ready()
    eventually(lambda: "ExporterPodCreated" in w.events(), "an event")
    w.plane.kubectl("wait", "vmexport/exp", "--for", "condition=Ready", "--timeout", "5s", "--namespace", w.ns)
    check("ExporterPodCreated" in w.plane.kubectl("describe", "vmexport", "exp", "--namespace", w.ns), "kubectl describe shows the events")


def test_events_tell_what_was_made(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.export_vm()
    w.ready()
    eventually(lambda: {"ServiceCreated", "ExporterPodCreated"} <= set(w.events()), "the events")
    for e in w.list("event"):
        if e["involvedObject"]["kind"] == "VirtualMachineExport":
            check(e["message"] and e["source"].get("component") and e["involvedObject"]["uid"] == uid(w.exp()), e)


def test_children_that_go_are_made_again(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.export_vm()
    w.ready()
    for kind, what in (("service", "service"), ("secret", "tls"), ("configmap", "manifest")):
        name = w.child(what)
        old = uid(w.get(kind, name))
        w.delete(kind, name)
        eventually(lambda kind=kind, name=name, old=old: uid(w.get(kind, name)) != old, f"another {kind} {name}", PROMPT)
    w.ready()


def test_a_service_that_was_changed_is_mended(w):
    ready(w)
    name = w.child("service")
    before = w.get("service", name)["spec"]
    w.patch("service", name, {"spec": {"selector": {"app": "elsewhere", **{k: None for k in before["selector"]}}}})
    eventually(lambda: w.get("service", name)["spec"]["selector"] == before["selector"], "the selector is as it was")


def test_an_exports_children_are_its_own(w):
    ready(w)
    e = w.exp()
    for kind, name in w.all_children():
        [r] = w.get(kind, name)["metadata"]["ownerReferences"]
        equal((r["apiVersion"].split("/")[0], r["kind"], r["name"], r["controller"], r["blockOwnerDeletion"]),
              (w.group, "VirtualMachineExport", "exp", True, True), f"{kind} {name}")
        equal(r["uid"], uid(e))


# ---- the pod

def test_a_restricted_namespace_takes_the_pod(w):
    w.patch("namespace", w.ns, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"}}})
    ready(w)


def test_the_pod_can_do_little(w):
    ready(w)
    spec = w.pod()["spec"]
    [container] = spec["containers"]
    context = container["securityContext"]
    equal((context["allowPrivilegeEscalation"], context["capabilities"], context["readOnlyRootFilesystem"]), (False, {"drop": ["ALL"]}, True))
    pod_context = spec["securityContext"]
    merged = {**pod_context, **context}
    equal((merged["runAsUser"], merged["runAsGroup"], merged["runAsNonRoot"]), (107, 107, True))
    equal(merged["seccompProfile"], {"type": "RuntimeDefault"})
    equal(spec["automountServiceAccountToken"], False)
    equal(spec.get("enableServiceLinks"), False)


def test_the_source_is_never_changed(w):
    """Read only at the volume, where the kubelet sees it, and no fsGroup, for which it would change the files' owner."""
    w.pvc("block", mode="Block")
    w.pvc("files")
    w.vm(claims=["block", "files"])
    before = {name: w.get("pvc", name)["metadata"] for name in ("block", "files")}
    w.export_vm()
    w.ready()
    spec = w.pod()["spec"]
    check("fsGroup" not in spec["securityContext"], "fsGroup")
    for claim, volume in w.claims().items():
        equal(volume["persistentVolumeClaim"].get("readOnly"), True, claim)
    [mount] = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == w.claims()["files"]["name"]]
    equal(mount["readOnly"], True)
    for name, meta in before.items():
        after = w.get("pvc", name)["metadata"]
        equal((after.get("labels"), after.get("annotations"), after.get("ownerReferences")),
              (meta.get("labels"), meta.get("annotations"), meta.get("ownerReferences")), "the claim itself is not written to")


def test_the_pod_is_ready_when_it_serves(w):
    ready(w)
    spec = w.pod()["spec"]
    [container] = spec["containers"]
    probe = container["readinessProbe"]["httpGet"]
    equal((probe["path"], probe["scheme"], probe["port"]), ("/exportready", "HTTPS", 8443))
    equal([(p["port"], p["targetPort"]) for p in w.get("service", w.child("service"))["spec"]["ports"]], [(443, 8443)])
    for part in ("requests", "limits"):
        equal(set(container["resources"][part]), {"cpu", "memory"})
    mounts = {m["mountPath"] for m in container["volumeMounts"]}
    check({"/token", "/cert"} <= mounts, mounts)


def test_the_pod_goes_where_its_volume_is(w):
    """A volume for one node at a time, on a node where a pod that has finished had it."""
    w.pvc()
    o = w.create("pod", {"metadata": {"name": "done"}, "spec": {"nodeName": "node-7", "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}],
                         "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}]}})
    w.pod_phase(o["metadata"]["name"], "Succeeded")
    w.pods_seen()
    w.export()
    check("node-7" in str(w.has_pod()["spec"].get("affinity")), w.pod()["spec"].get("affinity"))


# ---- writes

def test_nothing_is_written_when_nothing_happens(w):
    ready(w)
    w.export("waiting", of="nothing")
    w.pvc("used")
    w.foreign_pod(claims=("used",))
    w.export("blocked", of="used")
    w.vm()
    w.export_vm("skipped")
    w.waits("PVCReady", "PVCNotFound", "waiting")
    w.waits("Ready", "InUse", "blocked")
    w.waits("Ready", "VMNoVolumes", "skipped", phase="Skipped")
    before = w.settled()
    time.sleep(4)
    equal(w.settled(0.1), before)


def test_what_does_not_matter_is_not_answered_by_a_write(w):
    ready(w)
    w.settled()
    before = w.exp()["metadata"]["resourceVersion"]
    pod = w.pod()
    w.patch("pvc", "disk", {"metadata": {"annotations": {"note": "x"}}})
    w.patch("pod", pod["metadata"]["name"], {"metadata": {"annotations": {"note": "x"}}})
    w.set_status("pod", pod["metadata"]["name"], {"startTime": now(), "hostIP": "10.0.0.1"})
    w.foreign_pod(claims=("elsewhere",))
    time.sleep(1)
    equal(w.exp()["metadata"]["resourceVersion"], before)


def test_an_export_costs_few_writes(w):
    w.pvc()
    # The claim is told of by another watch than the export, and its binding may come later: once a later claim is known, so is this one.
    other = fixture.World(w.plane, w.controller)
    ready(other)
    kinds = ("export", "service", "secret", "configmap", "pod", "event")
    since = {kind: w.version(kind) for kind in kinds}
    w.export()
    w.ready()
    w.settled()
    seen = []
    for kind in kinds:
        for event, o in w.changes(kind, since[kind]):
            if kind == "event" and o["involvedObject"]["kind"] != "VirtualMachineExport" or (kind, event) in (("export", "ADDED"), ("pod", "MODIFIED")):
                continue
            if o["metadata"]["name"] not in NOT_OURS:
                seen.append(f"{event} {kind}")
    check(len(seen) <= 8, seen)


@alone
def test_a_restart_writes_nothing(w, controller):
    ready(w)
    w.export("waiting", of="nothing")
    w.waits("PVCReady", "PVCNotFound", "waiting")
    before = w.settled(2)
    controller.restart()
    w.pvc("other")
    w.export("later", of="other")
    w.has_pod("later")                       # it works again
    w.plane.request("DELETE", w.path("export", "later"))
    w.gone("later")
    w.delete("pvc", "other")
    eventually(lambda: not w.get("pvc", "other"), "the claim goes")
    equal(w.settled(), before)


fixture.main(globals())
