#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong outside of the controller: a condition says what it is, and what to do about it."""
import time

import fixture
from fixture import alone, check, equal, eventually
from world import PROMPT


def waits_saying(w, *words, name="exp", seconds=10):
    """Ready is False, with these words in a message that is more than a word or two."""
    w.says(*words, name=name, seconds=seconds)
    condition = w.condition(name=name)
    equal((condition["status"], w.phase(name), w.links(name)), ("False", "Pending", {}))
    check(len(condition["message"]) > 30, f"cause and remedy: '{condition['message']}'")
    return condition["message"]


def quota(w, **hard):
    """Without what it forbids; underscores are dots."""
    hard = {k.replace("_", "."): v for k, v in hard.items()}
    w.create("quota", {"metadata": {"name": "tight"}, "spec": {"hard": hard}})
    probe = {"pods": ("pod", pod()), "secrets": ("secret", {}), "requests.storage": ("pvc", claim("2Gi"))}
    for what in hard:
        refused(w, *probe[what], "exceeded quota: tight")


def pod(**container):
    return {"spec": {"containers": [{"name": "c", "image": "i", **container}]}}


def claim(size):
    return {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}


def refused(w, kind, o, message):
    """Waits until the API server refuses such an object: it learns by watches of its own of what refuses it."""
    eventually(lambda: message in w.try_create(kind, {"metadata": {"name": "probe"}, **o}, dry=True)[1].get("message", ""), f"a {kind} is refused: {message}", 30)


def denied(w, group, version, resource, message):
    """From now on nothing of that resource is created in the namespace, as a webhook would have it."""
    name = f"{w.ns}-{resource}"
    w.create("policy", {"metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [{"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE"], "resources": [resource]}]},
        "validations": [{"expression": "false", "message": message, "reason": "Forbidden" if resource == "pods" else "Invalid"}]}})
    w.create("binding", {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": w.ns}}}}})
    probe = {"pods": ("pod", pod()), "services": ("service", {"spec": {"ports": [{"port": 1}]}}), "persistentvolumeclaims": ("pvc", claim("1Gi"))}
    refused(w, *probe[resource], message)
    return name


def allowed(w, name):
    w.delete("binding", name)
    w.delete("policy", name)


# ---- refused by the API server

def test_a_quota_refuses_the_pod(w):
    quota(w, pods="0")
    w.pvc()
    w.export()
    message = waits_saying(w, "quota", "tight")
    check("pod" in message, message)
    w.delete("quota", "tight")
    w.ready(seconds=45)


def test_a_quota_refuses_the_secrets(w):
    quota(w, secrets="0")
    w.pvc()
    w.export()
    waits_saying(w, "quota", "tight")
    w.delete("quota", "tight")
    w.ready(seconds=45)


def test_a_quota_refuses_the_restored_claims(w):
    quota(w, requests_storage="1Gi")
    w.snapshot()
    w.export_snapshot()
    waits_saying(w, "quota", "tight")
    w.delete("quota", "tight")
    w.ready(seconds=45)


def test_a_webhook_denies_the_pod(w):
    policy = denied(w, "", "v1", "pods", "house rule: no pods here, ask the platform team")
    w.pvc()
    w.export()
    waits_saying(w, "ask the platform team")
    allowed(w, policy)
    w.ready(seconds=45)


def test_a_webhook_denies_the_service(w):
    policy = denied(w, "", "v1", "services", "house rule: no services here")
    w.pvc()
    w.export()
    waits_saying(w, "house rule: no services here")
    allowed(w, policy)
    w.ready(seconds=45)


def test_a_webhook_denies_the_restored_claims(w):
    policy = denied(w, "", "v1", "persistentvolumeclaims", "house rule: no claims here")
    w.snapshot()
    w.export_snapshot()
    waits_saying(w, "house rule: no claims here")
    allowed(w, policy)
    w.ready(seconds=45)


def test_a_namespace_that_forbids_what_the_pod_needs(w):
    w.create("limitrange", {"metadata": {"name": "small"}, "spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]}})
    refused(w, "pod", pod(resources={"limits": {"memory": "2Mi"}}), "maximum memory usage")
    w.pvc()
    w.export()
    waits_saying(w, "memory")


def test_one_refusal_is_not_tried_without_end(w, controller):
    """Only its own requests: the export's pod in a namespace that takes none."""
    quota(w, pods="0")
    w.pvc()
    w.export()
    waits_saying(w, "quota")
    before = w.version("export")
    time.sleep(5)
    check(len(w.changes("export", before)) <= 1, "the status is written again and again")
    controller.check()


# ---- the pod does not come up

def test_an_image_that_cannot_be_pulled(w):
    w.pvc()
    w.export()
    name = w.has_pod()["metadata"]["name"]
    w.pod_waits(name, "ErrImagePull", "failed to pull image \"registry.example.test/vmexport:1\": not found")
    waits_saying(w, "ErrImagePull", "registry.example.test/vmexport:1")
    w.pod_waits(name, "ImagePullBackOff", "Back-off pulling image")
    waits_saying(w, "ImagePullBackOff")
    w.ready()


def test_a_pod_that_no_node_takes(w):
    w.pvc()
    w.export()
    name = w.has_pod()["metadata"]["name"]
    w.set_status("pod", name, {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                               "message": "0/3 nodes are available: 3 Insufficient memory."}]})
    waits_saying(w, "Insufficient memory")
    w.set_status("pod", name, {"conditions": []})
    w.ready()


def test_a_container_that_cannot_be_configured(w):
    w.pvc()
    w.export()
    w.pod_waits(w.has_pod()["metadata"]["name"], "CreateContainerConfigError", "secret \"x\" not found")
    waits_saying(w, "CreateContainerConfigError")


def test_a_container_that_crashes(w):
    w.pvc()
    w.export()
    w.pod_waits(w.has_pod()["metadata"]["name"], "CrashLoopBackOff", "back-off 10s restarting failed container")
    waits_saying(w, "CrashLoopBackOff")


# ---- sources

def test_a_claim_that_has_lost_its_volume(w):
    w.pvc(phase="Lost")
    w.export()
    message = waits_saying(w, f"{w.ns}/disk", "lost")
    equal(w.condition("PVCReady")["status"], "False")
    check("restore" in message or "delete" in message, message)
    w.no_pod()
    w.bind()
    w.ready()


def test_a_claim_that_loses_its_volume_while_it_is_exported(w):
    w.pvc()
    w.export()
    w.ready()
    w.set_status("pvc", "disk", {"phase": "Lost"})
    w.no_pod(seconds=PROMPT)
    waits_saying(w, "lost")


def test_a_datavolume_that_has_failed(w):
    w.pvc(dv=w.datavolume(phase="Failed"))
    w.export()
    waits_saying(w, "DataVolume disk", "failed")
    w.set_status("dv", "disk", {"phase": "Succeeded"})
    w.ready()


def test_a_datavolume_of_a_machine_that_has_failed(w):
    w.pvc(dv=w.datavolume(phase="Failed"))
    w.vm(dvs=["disk"])
    w.export_vm()
    waits_saying(w, "DataVolume disk", "failed")
    equal(w.condition()["reason"], "VolumesNotPopulated")


def test_a_lost_claim_of_a_machine(w):
    w.pvc("good")
    w.pvc("bad", phase="Lost")
    w.vm(claims=["good", "bad"])
    w.export_vm()
    waits_saying(w, "bad", "lost")


def test_a_datavolume_that_waits_for_a_consumer(w):
    w.pvc(phase="Pending", dv=w.datavolume(phase="WaitForFirstConsumer"))
    w.export()
    waits_saying(w, "first consumer")


def test_a_snapshot_that_failed(w):
    w.snapshot(ready=False)
    w.set_status("snapshot", "snap", {"phase": "Failed", "readyToUse": False, "error": {"message": "the storage is full"}})
    w.export_snapshot()
    waits_saying(w, f"{w.ns}/snap", "not ready")


# ---- a namespace that goes

@alone
def test_a_namespace_that_goes_disturbs_no_other(w, plane, controller):
    other = fixture.World(plane, group=w.group)
    other.pvc()
    other.export()
    other.ready()
    other.delete("namespace", other.ns)
    w.pvc()
    w.export()
    w.ready()
    eventually(lambda: not other.get("namespace", other.ns), "it goes", 60)
    equal(w.phase(), "Ready")
    controller.check()


fixture.main(globals())
