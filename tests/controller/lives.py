# SPDX-License-Identifier: Apache-2.0
"""Lives of exports, and whether one went as it should whatever was done to the controller meanwhile: the same objects with
the same contents at each of its points, none made twice, none left over.

    audit = Audit(plane)
    wanted = Life(plane, claim, audit).undisturbed()
    Life(plane, claim, audit, wanted).live().end()

Two runs of a life differ by what is random or of the time, so that is replaced by numbers: the first uid to be met is
<uid 1>, and so on through all points of the life. What stays the same from one point to the next, or doesn't, is thus compared
with the other run: an export's token, a pod that was replaced, a volume's identity.
"""
import contextlib
import http.client
import json
import re
import threading
import time

from harness import equal
from world import CHILDREN, COLLECTED, KINDS, NOT_OURS, WITHIN, World, eventually, owner, uid

VOLATILE = ("resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink")
# Secrets first, for what is in them.
RANDOM = (("secret", re.compile(r"<secret [^>]*>")),
          ("certificate", re.compile(r"-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----")),
          ("uid", re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")),
          ("access", re.compile(r"\bkube-api-access-[a-z0-9]{5}\b")),
          ("digest", re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{16,}\b")))
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\b[1-4]\d{9}\b")           # also in seconds since 1970
LABEL = "app.kubernetes.io/managed-by"


# ---- lives: each gives the name of a point when that is reached ----

def claim(w):
    w.pvc()
    w.export()
    w.ready(seconds=w.patience)
    yield "ready"
    w.foreign_pod()
    w.waits("Ready", "InUse", seconds=w.patience)
    yield "in use"
    w.delete("pod", "foreign")
    w.ready(seconds=w.patience)
    yield "ready again"


def machine(w):
    w.pvc("disk")
    w.pvc("data", content=None)
    w.vm(claims=("disk", "data"))
    w.export_vm()
    w.ready(seconds=w.patience)
    yield "ready"
    w.start_vm()
    w.waits("Ready", "InUse", seconds=w.patience)
    if w.told:
        # The pod is told of by another watch than the instance: a pod of ours that is made before it is known is replaced.
        launcher = uid(w.get("pod", "virt-launcher-vm"))
        eventually(lambda: launcher in w.status()["dataUsers"], "the machine's pod is known", w.patience)
    yield "runs"
    w.stop_vm()
    w.ready(seconds=w.patience)
    yield "ready again"


def snapshot(w):
    w.snapshot(disks=("disk", "data"))
    w.export_snapshot()
    w.ready(seconds=w.patience)
    w.shows("VolumesCreated", "True", "AllPVCsReady", seconds=w.patience)      # told of by another watch than the pod
    yield "ready"
    w.delete("pod", w.child("pod"))
    w.ready(seconds=w.patience)
    yield "ready again"


LIVES = (claim, machine, snapshot)


# ---- what there is ----

def objects(w):
    """{kind: {name: object}} of the namespace, without what changes by itself."""
    return {kind: {o["metadata"]["name"]: _kept(kind, o) for o in w.list(kind) if o["metadata"]["name"] not in NOT_OURS} for kind in ("export", *CHILDREN)}


def _kept(kind, o):
    o = dict(o, metadata={k: v for k, v in o["metadata"].items() if k not in VOLATILE})
    if kind == "export" and "status" in o:
        # It may rise once too often: then a download begins anew that need not have.
        o["status"] = {k: v for k, v in o["status"].items() if k not in ("dataGeneration", "dataUsers")}
    if kind == "pod":
        o["status"] = {"phase": o["status"].get("phase")}
    if kind == "service":
        o["spec"] = {k: v for k, v in o["spec"].items() if k not in ("clusterIP", "clusterIPs")}
    if kind == "secret":
        o["data"] = {k: f"<secret {v}>" for k, v in o.get("data", {}).items()}
    return o


def numbered(points, namespace):
    """The same points with numbers for what is random."""
    numbers = {}

    def number(kind, text):
        of_kind = numbers.setdefault(kind, {})
        return f"<{kind} {of_kind.setdefault(text, len(of_kind) + 1)}>"

    def text(value):
        for kind, pattern in RANDOM:
            value = pattern.sub(lambda m, kind=kind: number(kind, m[0]), value)
        return re.sub(rf"\b{namespace}\b", "<namespace>", TIME.sub("<time>", value))

    def walk(value):
        if isinstance(value, dict):
            return {text(k): walk(v) for k, v in sorted(value.items())}
        if isinstance(value, list):
            return [walk(v) for v in value]
        return text(value) if isinstance(value, str) else value
    return [walk(p) for p in points]


def difference(got, want, path=""):
    """Where two trees differ first, in words; "" where they don't."""
    if isinstance(got, dict) and isinstance(want, dict):
        for key in sorted({*got, *want}):
            if key not in got or key not in want:
                return f"{path}/{key} is missing" if key in want else f"{path}/{key} is too much: {json.dumps(got[key]):.300}"
        pairs = [(f"{path}/{k}", got[k], want[k]) for k in sorted(got)]
    elif isinstance(got, list) and isinstance(want, list) and len(got) == len(want):
        pairs = [(f"{path}/{i}", *both) for i, both in enumerate(zip(got, want))]
    else:
        return "" if got == want else f"{path} is {json.dumps(got):.300}, not {json.dumps(want):.300}"
    return next(filter(None, (difference(g, w, p) for p, g, w in pairs)), "")


# ---- what was ever made ----

class Audit:
    """Watches the children's kinds in all namespaces, straight at the API server, and remembers what there ever was."""

    def __init__(self, plane):
        self.plane, self.lock, self.seen = plane, threading.Lock(), {}
        begun = threading.Barrier(len(CHILDREN) + 1)
        for kind in CHILDREN:
            threading.Thread(target=self._keep_watching, args=(kind, begun), daemon=True).start()
        begun.wait(60)

    def made(self, namespace):
        """{"pod/x": how many there were one after the other, of a Secret also how many contents}."""
        with self.lock:
            return {what: {k: len(v) for k, v in found.items()} for what, found in self.seen.get(namespace, {}).items()}

    def knows(self, kind, o):
        meta = o["metadata"]
        with self.lock:
            return meta["name"] in NOT_OURS or meta["uid"] in self.seen[meta["namespace"]][f"{kind}/{meta['name']}"]["objects"]

    def _keep_watching(self, kind, begun):
        base, plural = KINDS[kind][:2]
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException, KeyError, ValueError):      # a server that is gone for a while
                listed = self.plane.request("GET", f"{base}/{plural}")[1]
                for o in listed["items"]:
                    self._note(kind, o)
                if begun:
                    begun.wait(60)
                    begun = None
                self._watch(kind, f"{base}/{plural}?watch=1&resourceVersion={listed['metadata']['resourceVersion']}")
            time.sleep(0.1)

    def _watch(self, kind, path):
        connection = http.client.HTTPSConnection("127.0.0.1", self.plane.port, context=self.plane.context)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            while line := answer.readline():
                self._note(kind, json.loads(line)["object"])

    def _note(self, kind, o):
        meta = o["metadata"]
        if meta["name"] in NOT_OURS:
            return
        with self.lock:
            found = self.seen.setdefault(meta["namespace"], {}).setdefault(f"{kind}/{meta['name']}", {})
            found.setdefault("objects", set()).add(meta["uid"])
            if kind == "secret":
                found.setdefault("contents", set()).add(json.dumps(o.get("data"), sort_keys=True))


# ---- a life, judged ----

class Wanted:
    def __init__(self, points, made):
        self.points, self.made = points, made


class Life:
    """In a namespace of its own. `wanted` is what undisturbed() gave for the same life."""

    def __init__(self, plane, life, audit, wanted=None):
        self.w, self.life, self.audit, self.wanted = World(plane), life, audit, wanted
        self.w.patience, self.w.told = WITHIN, False

    def begin(self):
        """Up to its first point; gives the World."""
        next(self.life(self.w))
        return self.w

    def undisturbed(self):
        points = []
        for _ in self.life(self.w):
            self.w.settled()
            points.append(objects(self.w))
        eventually(lambda: all(self.audit.knows(kind, o) for kind in CHILDREN for o in self.w.list(kind)), "the audit has seen all that there is")
        made = self.audit.made(self.w.ns)
        self.w.close()
        return Wanted(numbered(points, self.w.ns), made)

    def live(self, seconds=WITHIN, once=True, told=False):
        """All its points come to be as wanted, each within so long; unless told otherwise, nothing is made twice.
        told: the controller runs all the time, so that it knows of each pod some time."""
        points, self.w.patience, self.w.told = [], seconds, told
        for number, name in enumerate(self.life(self.w)):
            def as_wanted(number=number):
                points[number:] = [objects(self.w)]
                equal(difference(numbered(points, self.w.ns)[number], self.wanted.points[number]), "", "it differs")
                return True
            eventually(as_wanted, f"in {self.w.ns}, '{name}' is as in an undisturbed run", seconds)
        if once:
            eventually(self._none_twice, f"in {self.w.ns}, as many objects were made as in an undisturbed run", 5)
        return self

    def end(self, wait=True):
        """Deletes the export and, unless told otherwise, waits until nothing is left."""
        self.w.close()
        return self.leaves_nothing() if wait else self

    def leaves_nothing(self, seconds=COLLECTED):
        eventually(self._none_left, f"nothing of {self.w.ns} is left", seconds)
        return self

    def _none_twice(self):
        equal(difference(self.audit.made(self.w.ns), self.wanted.made), "", "how many")
        return True

    def _none_left(self):
        equal(self._left(), [], "still there")
        return True

    def _left(self):
        return [f"{kind}/{o['metadata']['name']}" for kind in ("export", *CHILDREN) for o in self.w.list(kind)
                if kind == "export" or owner(o).get("kind") == "VirtualMachineExport" or o["metadata"].get("labels", {}).get(LABEL)]
