# SPDX-License-Identifier: Apache-2.0
"""The words in which the tests of the controller are written: a World is a namespace of one test, in which the test plays
everybody but the controller: the user, the kubelet, the volume binder, CDI, KubeVirt and the snapshot controller.

By default the export is named 'exp', the claim 'disk', the machine 'vm', the snapshot 'snap'.
"""
import base64
import itertools
import json
import threading
import time

from harness import SLOW, check, equal

PROMPT = 2          # seconds in which the controller has noticed what happened (ISSUE: within 2 s of the watch event)
WITHIN = 20         # and in which anything else has come
COLLECTED = 120     # but what nobody owns any more has gone: the garbage collector looks for new kinds every 30 s, and back later and later
CORE, KUBEVIRT, SNAPSHOT = "/api/v1", "/apis/kubevirt.io/v1", "/apis/snapshot.kubevirt.io/v1beta1"
KINDS = {           # our word: where it is, plural, kind, whether it is in a namespace
    "namespace": (CORE, "namespaces", "Namespace", False), "pv": (CORE, "persistentvolumes", "PersistentVolume", False),
    "serviceaccount": (CORE, "serviceaccounts", "ServiceAccount", True), "pod": (CORE, "pods", "Pod", True),
    "service": (CORE, "services", "Service", True), "secret": (CORE, "secrets", "Secret", True),
    "configmap": (CORE, "configmaps", "ConfigMap", True), "event": (CORE, "events", "Event", True),
    "quota": (CORE, "resourcequotas", "ResourceQuota", True), "pvc": (CORE, "persistentvolumeclaims", "PersistentVolumeClaim", True),
    "limitrange": (CORE, "limitranges", "LimitRange", True), "ingress": ("/apis/networking.k8s.io/v1", "ingresses", "Ingress", True),
    "lease": ("/apis/coordination.k8s.io/v1", "leases", "Lease", True),
    "policy": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False),
    "binding": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", False),
    "crd": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", False),
    "dv": ("/apis/cdi.kubevirt.io/v1beta1", "datavolumes", "DataVolume", True),
    "vm": (KUBEVIRT, "virtualmachines", "VirtualMachine", True), "vmi": (KUBEVIRT, "virtualmachineinstances", "VirtualMachineInstance", True),
    "kubevirt": (KUBEVIRT, "kubevirts", "KubeVirt", True),
    "snapshot": (SNAPSHOT, "virtualmachinesnapshots", "VirtualMachineSnapshot", True),
    "content": (SNAPSHOT, "virtualmachinesnapshotcontents", "VirtualMachineSnapshotContent", True),
    "volumesnapshot": ("/apis/snapshot.storage.k8s.io/v1", "volumesnapshots", "VolumeSnapshot", True),
    "route": ("/apis/route.openshift.io/v1", "routes", "Route", True),
}
SOURCES = {"PersistentVolumeClaim": "", "VirtualMachine": "kubevirt.io", "VirtualMachineSnapshot": "snapshot.kubevirt.io"}
CHILDREN = ("pod", "service", "secret", "configmap", "pvc", "ingress")
PREFIXES = {        # of the children's names (lib/export/names.h)
    "export.kubevirt.io": {"pod": "virt-export-", "service": "virt-export-", "ingress": "virt-export-", "token": "export-token-",
                           "tls": "virt-export-tls-", "manifest": "exporter-vm-manifest-", "restored": ""},
    "export.vmexport.io": {"pod": "vmexport-", "service": "vmexport-", "ingress": "vmexport-", "token": "vmexport-token-",
                           "tls": "vmexport-tls-", "manifest": "vmexport-manifest-", "restored": "vmexport-"},
}
NOT_OURS = ("kube-root-ca.crt",)         # of the controller-manager, in every namespace, and as late as it likes
MANAGED = "app.kubernetes.io/managed-by=vmexport-controller"
TOKEN = "a-token-of-the-user-0123456789"
NUMBERS = itertools.count(1)
LOCK = threading.Lock()


def eventually(condition, what, seconds=WITHIN):
    """The condition's first true value. It may say more by an AssertionError of its own, and stumble over what isn't there yet."""
    end, last, pause = time.monotonic() + seconds * SLOW, "", 0.02
    while True:
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, KeyError, TypeError, IndexError, AttributeError) as e:
            last = f" ({type(e).__name__}: {e})"
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}{last}")
        time.sleep(pause)
        pause = min(pause * 1.3, 0.25)


def never(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check(not condition(), what)
        time.sleep(0.1)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def uid(o):
    return o["metadata"]["uid"]


def owner(o):
    """The controlling owner's reference, or {}."""
    return next((r for r in o["metadata"].get("ownerReferences", []) if r.get("controller")), {})


def reference(o):
    return {"apiVersion": o["apiVersion"], "kind": o["kind"], "name": o["metadata"]["name"], "uid": uid(o), "controller": True, "blockOwnerDeletion": True}


def data(o):
    """A Secret's data, decoded."""
    return {k: base64.b64decode(v).decode() for k, v in (o.get("data") or {}).items()}


class World:
    def __init__(self, plane, controller=None, namespace=None, group=None):
        """A new namespace, unless one is named."""
        self.plane, self.controller = plane, controller
        self.group = group or (controller.group if controller else "export.kubevirt.io")
        self.prefixes = PREFIXES[self.group]
        self.kinds = dict(KINDS, export=(f"/apis/{self.group}/v1", "virtualmachineexports", "VirtualMachineExport", True))
        with LOCK:
            self.ns = namespace or f"w{next(NUMBERS)}"
        if not namespace:
            self.create("namespace", {"metadata": {"name": self.ns}})
        eventually(lambda: self.get("serviceaccount", "default"), "the namespace has its ServiceAccount, without which there are no pods", 60)

    def close(self):
        """The exports go; the namespace goes with the whole API server."""
        self.plane.request("DELETE", self.path("export"))

    # ---- the API server, by our words for kinds

    def path(self, kind, name="", sub="", ns=None):
        base, plural, _, namespaced = self.kinds[kind]
        return base + (f"/namespaces/{ns or self.ns}" if namespaced else "") + "/" + plural + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")

    def get(self, kind, name, ns=None):
        """The object, or None."""
        status, o = self.plane.request("GET", self.path(kind, name, ns=ns))
        check(status in (200, 404), f"get {kind} {name}: {o}")
        return o if status == 200 else None

    def list(self, kind, query="", ns=None):
        """The objects; none when the kind isn't served."""
        status, o = self.plane.request("GET", self.path(kind, ns=ns) + query)
        return o["items"] if status == 200 else []

    def version(self, kind):
        """The resourceVersion of the kind's list: where a later changes() begins."""
        return self.plane.request("GET", self.path(kind))[1]["metadata"]["resourceVersion"]

    def changes(self, kind, since):
        """What has happened to objects of the kind since: [(ADDED|MODIFIED|DELETED, object)]. Takes a second."""
        text = self.plane.request("GET", self.path(kind) + f"?watch=1&timeoutSeconds=1&resourceVersion={since}", raw=True)[1]
        return [(e["type"], e["object"]) for e in map(json.loads, text.splitlines())]

    def try_create(self, kind, o, ns=None, dry=False):
        """(status, answer). dry: it is only judged."""
        base, _, name, _ = self.kinds[kind]
        return self.plane.request("POST", self.path(kind, ns=ns) + ("?dryRun=All" if dry else ""), {"apiVersion": base.split("/", 2)[2], "kind": name, **o})

    def create(self, kind, o, ns=None):
        status, answer = self.try_create(kind, o, ns)
        check(status == 201, f"create {kind} {o['metadata']['name']}: {status} {answer}")
        return answer

    def patch(self, kind, name, change, sub="", ns=None):
        """A merge patch."""
        status, o = self.plane.request("PATCH", self.path(kind, name, sub, ns), change)
        check(status == 200, f"patch {kind} {name}: {status} {o}")
        return o

    def set_status(self, kind, name, status, ns=None):
        """Through the subresource where there is one."""
        code, o = self.plane.request("PATCH", self.path(kind, name, "status", ns), {"status": status})
        return o if code == 200 else self.patch(kind, name, {"status": status}, ns=ns)

    def delete(self, kind, name, ns=None):
        """At once, without grace; fine when it isn't there."""
        status, o = self.plane.request("DELETE", self.path(kind, name, ns=ns), {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
        check(status in (200, 202, 404), f"delete {kind} {name}: {status} {o}")

    # ---- sources: claims

    def pvc(self, name="disk", mode="Filesystem", content="kubevirt", phase="Bound", dv=None, labels=None, access="ReadWriteOnce", size="1Gi"):
        """A claim. content: of CDI's annotation, None for none. dv: the DataVolume that owns it."""
        meta = {"name": name, "annotations": {"cdi.kubevirt.io/storage.contentType": content} if content else {}, "labels": labels or {},
                "ownerReferences": [reference(dv)] if dv else []}
        o = self.create("pvc", {"metadata": meta, "spec": {"accessModes": [access], "volumeMode": mode, "resources": {"requests": {"storage": size}}}})
        if phase == "Bound":
            return self.bind(name)
        return self.set_status("pvc", name, {"phase": phase}) if phase != "Pending" else o

    def bind(self, name="disk"):
        o = self.get("pvc", name)
        return self.set_status("pvc", name, {"phase": "Bound", "capacity": o["spec"]["resources"]["requests"], "accessModes": o["spec"]["accessModes"]})

    def datavolume(self, name="disk", phase="Succeeded", content="kubevirt"):
        self.create("dv", {"metadata": {"name": name}, "spec": {"contentType": content, "source": {"blank": {}}}})
        return self.set_status("dv", name, {"phase": phase})

    # ---- pods of others

    def foreign_pod(self, name="foreign", claims=("disk",), phase="Running", **meta):
        """Somebody else's pod that mounts the claims. In phase Pending it is as it was made."""
        volumes = [{"name": f"v{i}", "persistentVolumeClaim": {"claimName": c}} for i, c in enumerate(claims)]
        container = {"name": "c", "image": "i", "volumeMounts": [{"name": v["name"], "mountPath": "/" + v["name"]} for v in volumes]}
        o = self.create("pod", {"metadata": dict(meta, name=name), "spec": {"restartPolicy": "Never", "containers": [container], "volumes": volumes}})
        return self.pod_phase(name, phase) if phase != "Pending" else o

    def pod_phase(self, name, phase, ready=True):
        """What the kubelet reports. Returns the pod, or None when it has gone meanwhile."""
        pod = self.get("pod", name)
        if not pod:
            return None
        running = phase == "Running"
        if phase == "Pending":
            state = {"waiting": {"reason": "ContainerCreating"}}
        else:
            state = {"running": {"startedAt": now()}} if running else {"terminated": {"exitCode": int(phase == "Failed"), "finishedAt": now()}}
        statuses = [{"name": c["name"], "ready": running and ready, "started": running, "restartCount": 0, "image": "i", "imageID": "i", "state": state}
                    for c in pod["spec"]["containers"]]
        return self._pod_status(pod, {"phase": phase, "containerStatuses": statuses,
                                      "conditions": [{"type": t, "status": str(running and ready)} for t in ("Ready", "ContainersReady")]})

    def pod_waits(self, name, reason, message):
        """The kubelet can't start the pod's container: ErrImagePull, say."""
        pod = self.get("pod", name)
        statuses = [{"name": c["name"], "ready": False, "started": False, "restartCount": 0, "image": "i", "imageID": "",
                     "state": {"waiting": {"reason": reason, "message": message}}} for c in pod["spec"]["containers"]]
        return self._pod_status(pod, {"phase": "Pending", "containerStatuses": statuses})

    def _pod_status(self, pod, status):
        code, o = self.plane.request("PATCH", self.path("pod", pod["metadata"]["name"], "status"), {"metadata": {"uid": uid(pod)}, "status": status})
        check(code in (200, 404, 409), f"status of pod {pod['metadata']['name']}: {code} {o}")
        return o if code == 200 else None

    # ---- sources: machines and snapshots

    def vm(self, name="vm", claims=(), dvs=(), dumps=(), annotations=None, **spec):
        """A machine that is off. spec: more of its spec."""
        disks = [{"persistentVolumeClaim": {"claimName": c}} for c in claims] + [{"dataVolume": {"name": d}} for d in dvs] + \
                [{"memoryDump": {"claimName": d}} for d in dumps]
        volumes = [dict(d, name=f"v{i}") for i, d in enumerate(disks + [{"cloudInitNoCloud": {"userData": "x"}}])]
        return self.create("vm", {"metadata": {"name": name, "annotations": annotations or {}}, "spec": {
            "runStrategy": "Manual", "template": {"spec": {"domain": {"devices": {}}, "volumes": volumes}}, **spec}})

    def start_vm(self, name="vm", claims=("disk",), launcher=True):
        """An instance that runs, and its pod (or not yet)."""
        vmi = self.create("vmi", {"metadata": {"name": name, "ownerReferences": [reference(self.get("vm", name))]}, "spec": {"domain": {"devices": {}}},
                                  "status": {"phase": "Running"}})
        if launcher:
            self.foreign_pod("virt-launcher-" + name, claims, ownerReferences=[reference(vmi)], labels={"kubevirt.io": "virt-launcher"})
        return vmi

    def stop_vm(self, name="vm"):
        self.set_status("vmi", name, {"phase": "Succeeded"})
        self.delete("pod", "virt-launcher-" + name)
        self.delete("vmi", name)

    def snapshot(self, name="snap", disks=("disk",), vm="vm", ready=True, size="2Gi", annotations=None, missing=()):
        """A snapshot of a machine with these claims, its content, and a VolumeSnapshot for each that isn't missing."""
        for disk in (d for d in disks if d not in missing):
            self.create("volumesnapshot", {"metadata": {"name": f"{name}-{disk}"}, "spec": {"source": {"persistentVolumeClaimName": disk}}})
            self.set_status("volumesnapshot", f"{name}-{disk}", {"readyToUse": True, "creationTime": now(), "restoreSize": size})
        volumes = [{"name": d, "persistentVolumeClaim": {"claimName": d}} for d in disks]
        machine = {"metadata": {"name": vm, "annotations": annotations or {}},
                   "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}, "volumes": volumes}}}}
        claim = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "resources": {"requests": {"storage": "1Gi"}}}
        backups = [{"volumeName": d, "volumeSnapshotName": f"{name}-{d}", "persistentVolumeClaim": {"metadata": {"name": d}, "spec": claim}} for d in disks]
        self.create("content", {"metadata": {"name": name + "-content"}, "spec": {
            "virtualMachineSnapshotName": name, "source": {"virtualMachine": machine}, "volumeBackups": backups}})
        self.create("snapshot", {"metadata": {"name": name}, "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": vm}}})
        if ready:
            self.snapshot_done(name, disks)

    def snapshot_done(self, name="snap", disks=("disk",)):
        done = [{"volumeSnapshotName": f"{name}-{d}", "readyToUse": True, "creationTime": now()} for d in disks]
        self.set_status("content", name + "-content", {"readyToUse": True, "volumeSnapshotStatus": done})
        self.set_status("snapshot", name, {"readyToUse": True, "phase": "Succeeded", "virtualMachineSnapshotContentName": name + "-content"})

    # ---- exports

    def export(self, name="exp", of="disk", kind="PersistentVolumeClaim", ttl=None, token=None, labels=None, annotations=None):
        spec = {"source": {"apiGroup": SOURCES[kind], "kind": kind, "name": of}}
        if ttl:
            spec["ttlDuration"] = ttl
        if token:
            spec["tokenSecretRef"] = token
        return self.create("export", {"metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}}, "spec": spec})

    def export_vm(self, name="exp", of="vm", **options):
        return self.export(name, of, "VirtualMachine", **options)

    def export_snapshot(self, name="exp", of="snap", **options):
        return self.export(name, of, "VirtualMachineSnapshot", **options)

    def secret(self, name, token=TOKEN, key="token"):
        """A Secret of a user, with a token."""
        return self.create("secret", {"metadata": {"name": name}, "stringData": {key: token}})

    def child(self, what, name="exp"):
        """The name of a child: what = pod, service, ingress, token, tls or manifest."""
        return self.prefixes[what] + name

    # ---- what is to be seen of an export

    def exp(self, name="exp"):
        return self.get("export", name)

    def status(self, name="exp"):
        return (self.exp(name) or {}).get("status") or {}

    def phase(self, name="exp"):
        return self.status(name).get("phase", "")

    def condition(self, kind="Ready", name="exp"):
        return next((c for c in self.status(name).get("conditions") or [] if c["type"] == kind), {})

    def message(self, name="exp"):
        """Those of all conditions, in one text."""
        return " ".join(c.get("message") or "" for c in self.status(name).get("conditions") or [])

    def links(self, name="exp", where="internal"):
        return (self.status(name).get("links") or {}).get(where) or {}

    def formats(self, volume="disk", name="exp", where="internal"):
        """{format: url} of a volume."""
        return {f["format"]: f["url"] for v in self.links(name, where).get("volumes", []) if v["name"] == volume for f in v["formats"]}

    def manifests(self, name="exp", where="internal"):
        """{type: url}."""
        return {m["type"]: m["url"] for m in self.links(name, where).get("manifests", [])}

    def events(self, name="exp"):
        """The reasons of the events that there are about the export."""
        return [e["reason"] for e in self.list("event") if e["involvedObject"].get("name") == name and e["involvedObject"].get("kind") == "VirtualMachineExport"]

    def children(self, kind, name="exp"):
        """The objects of the kind that this very export owns."""
        e = self.exp(name)
        return [o for o in self.list(kind) if e and owner(o).get("uid") == uid(e)]

    def all_children(self, name="exp"):
        return [(kind, o["metadata"]["name"]) for kind in CHILDREN for o in self.children(kind, name)]

    def orphans(self):
        """The controller's objects in the namespace whose export isn't there."""
        alive = {uid(e) for e in self.list("export")}
        return [(kind, o["metadata"]["name"]) for kind in CHILDREN for o in self.list(kind, "?labelSelector=" + MANAGED.replace("/", "%2F").replace("=", "%3D"))
                if owner(o).get("uid") not in alive]

    def pod(self, name="exp"):
        """The export's pod, unless it is going; or None."""
        pods = self.children("pod", name)
        for p in pods:
            # The server marks a pod and deletes it in two steps, between which the end of who asked for it stops it. Where a
            # pod of no node stays so, the pod garbage collector of a whole cluster deletes it.
            if p["metadata"].get("deletionTimestamp") and not p["spec"].get("nodeName"):
                self.delete("pod", p["metadata"]["name"])
        return next((p for p in pods if not p["metadata"].get("deletionTimestamp")), None)

    def token(self, name="exp"):
        return data(self.get("secret", self.status(name)["tokenSecretRef"]))["token"]

    def env(self, name="exp", pod=None):
        """The environment that the pod's containers are given."""
        return {e["name"]: e.get("value", "") for c in (pod or self.pod(name))["spec"]["containers"] for e in c.get("env", [])}

    def volumes(self, name="exp", pod=None):
        """{volume: (content, identity, path)}, as the pod is told."""
        lines = [line.split(" ", 3) for line in self.env(name, pod)["VMEXPORT_VOLUMES"].splitlines() if line]
        return {line[0]: tuple(line[1:]) for line in lines}

    def identity(self, volume="disk", name="exp", pod=None):
        return self.volumes(name, pod)[volume][1]

    def claims(self, name="exp", pod=None):
        """{claim: the pod's volume} of the pod."""
        return {v["persistentVolumeClaim"]["claimName"]: v for v in (pod or self.pod(name))["spec"]["volumes"] if "persistentVolumeClaim" in v}

    # ---- waiting

    def has_pod(self, name="exp", seconds=WITHIN):
        return eventually(lambda: self.pod(name), f"{name} has a pod: {self.summary()}", seconds)

    def no_pod(self, name="exp", seconds=WITHIN):
        eventually(lambda: not self.pod(name), f"{name} has no pod", seconds)

    def run_pod(self, name="exp"):
        """Runs the export's pod if it has one that doesn't run yet; returns it."""
        p = self.pod(name)
        runs = p and p["status"].get("phase") == "Running" and all(s["ready"] for s in p["status"].get("containerStatuses", [{"ready": False}]))
        return self.pod_phase(p["metadata"]["name"], "Running") if p and not runs else p

    def ready(self, name="exp", seconds=WITHIN):
        """Plays kubelet and provisioner until the export is Ready, and all of its claims are known to be bound."""
        def step():
            # The pod is looked for first: its claims are there before it is, so that it doesn't run before they are all bound.
            p = self.pod(name)
            for claim in self.children("pvc", name):
                if claim["status"].get("phase") != "Bound":
                    self.bind(claim["metadata"]["name"])
            p = p and self.run_pod(name)
            e = self.exp(name)
            status = e.get("status") or {}
            # Claims are told of by another watch than pods: the pod may be Ready before they are known to be bound.
            unbound = [c for c in status.get("conditions") or [] if c["type"] in ("PVCReady", "VolumesCreated") and c["status"] != "True"]
            return e if p and status.get("phase") == "Ready" and not unbound else None
        try:
            return eventually(step, f"{name} is Ready", seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.summary()}") from None

    def shows(self, kind, status, reason, name="exp", seconds=WITHIN):
        """Waits for a condition of that type, status and reason; returns its message."""
        try:
            eventually(lambda: (self.condition(kind, name).get("status"), self.condition(kind, name).get("reason")) == (status, reason),
                       f"{name} has {kind}={status} {reason}", seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.summary()}") from None
        return self.condition(kind, name).get("message", "")

    def says(self, *words, name="exp", seconds=WITHIN):
        """Waits until the conditions' messages have all the words."""
        try:
            eventually(lambda: all(word in self.message(name) for word in words), f"{name} says {words}", seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.summary()}") from None

    def waits(self, kind, reason, name="exp", phase="Pending", seconds=WITHIN):
        """Waits for a condition that is False for this reason, while the export has the phase, no pod and no links; returns its message."""
        message = self.shows(kind, "False", reason, name, seconds)
        self.no_pod(name, seconds)
        eventually(lambda: self.phase(name) == phase, f"{name} is {phase}: {self.summary()}", seconds)
        equal((self.links(name), self.links(name, "external")), ({}, {}), "links")
        return message

    def gone(self, name="exp", seconds=WITHIN):
        """Waits until the export and all that the controller made are gone."""
        eventually(lambda: not self.exp(name), f"the export {name} goes", seconds)
        eventually(lambda: equal(self.orphans(), [], "still there") is None, "its children go", COLLECTED)

    def pods_seen(self):
        """Waits until the controller has seen what has become of pods up to now: it tells of another pod that came after."""
        with LOCK:
            name = f"seen{next(NUMBERS)}"
        self.pvc(name)
        self.foreign_pod(name, claims=(name,))
        self.export(name, of=name)
        self.says(f"by pod {name}", name=name)
        self.plane.request("DELETE", self.path("export", name))
        self.delete("pod", name)

    def settled(self, seconds=1.0, within=WITHIN):
        """Waits until no object of the controller in the namespace has changed for so long; returns their resourceVersions."""
        def state():
            return {(kind, o["metadata"]["name"]): o["metadata"]["resourceVersion"] for kind in ("export", *CHILDREN) for o in self.list(kind)
                    if o["metadata"]["name"] not in NOT_OURS}
        end, last, since = time.monotonic() + within * SLOW, state(), time.monotonic()
        while time.monotonic() - since < seconds:
            check(time.monotonic() < end, f"objects are still being written after {within} s")
            time.sleep(0.1)
            if (current := state()) != last:
                last, since = current, time.monotonic()
        return last

    def summary(self):
        """All exports with their conditions, for messages."""
        def told(e):
            status = e.get("status") or {}
            conditions = "; ".join(f"{c['type']}={c['status']} {c.get('reason')} '{c.get('message', '')}'" for c in status.get("conditions") or [])
            return f"{e['metadata']['name']}: {status.get('phase', 'no phase')}, {conditions}"
        return f"[{self.ns}: " + " | ".join(map(told, self.list("export"))) + "]"
