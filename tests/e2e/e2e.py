# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: a real cluster of one node with the product on it, installed by Helm, and the words of
tests/controller/world.py with everything real behind them.

A file of tests defines functions test_NAME(...) and ends with `e2e.main(globals())`. A test is given what its parameters name:

    w       a Space: a namespace of its own (Pod Security: restricted), volumes with real files, clients
    node    the Node (tests/cluster/node.py)
    tmp     a folder of its own

A function setup(node) of the module is called before them. Tests run beside one another, but those marked @alone, which stop
what all of them need. The node is the one in VMEXPORT_CLUSTER, which tests/e2e/run sets, else that of `make cluster`.
"""
import fcntl
import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE + "/../" + folder for folder in ("cluster", "controller", "http")]
# pylint: disable=wrong-import-position,unused-import
import fixture
import images
import product
import volumes
from control_plane import Failed
from fixture import alone
from harness import MIB, check, equal, make_disk, make_tree
from node import attached
from world import World, data, eventually, never, uid

FOLDER = os.environ.get("VMEXPORT_CLUSTER", "/var/tmp/vmexport-cluster")
GROUP, NAMESPACE = "export.kubevirt.io", product.NAMESPACE
READY = 180         # seconds, on a busy machine, in which an export is Ready that can be
DISK = {"annotations": {"cdi.kubevirt.io/storage.contentType": "kubevirt"}}
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
NUMBERS = itertools.count(1)


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def size(path):
    """0 when it isn't there."""
    return os.path.getsize(path) if os.path.exists(path) else 0


def users_of(node, path):
    """Mounts that pods of the node have of a volume."""
    return [line for line in node.machine.run("cat", "/proc/self/mountinfo").splitlines() if path in line and "/pods/" in line]


class Space(World):
    """A namespace. Its volumes' files are below the node's folder and so can be looked at."""

    def __init__(self, node, group=GROUP):
        name = f"e2e-{os.getpid()}-{next(NUMBERS)}"
        self.files = {}         # claim: the folder or device of its volume
        node.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
        super().__init__(node, namespace=name, group=group)

    @property
    def node(self):
        return self.plane

    def close(self):
        """Exports and pods go; the namespace with the node."""
        for kind in ("export", "pod"):
            self.plane.request("DELETE", self.path(kind) + "?gracePeriodSeconds=0")

    # ---- sources

    def disk(self, name="disk", block=False, size=24 * MIB + 512, owner=volumes.OWNER, mode=0o640):
        """A claim with a disk as KubeVirt and CDI leave it; the path of the image, or of the device's."""
        folder = volumes.folder(self.node, f"{self.ns}.{name}")
        image = make_disk(folder + "/disk.img", size if not block else size // MIB * MIB)
        os.chown(image, owner, owner)
        os.chmod(image, mode)
        self.files[name] = volumes.loop(image) if block else folder
        volumes.claim(self.node, self.ns, name, self.files[name], block, size="64Mi", **DISK)
        return image

    def tree(self, name="tree"):
        """A claim with files and directories; the folder."""
        folder = volumes.folder(self.node, f"{self.ns}.{name}")
        os.rmdir(folder)
        make_tree(folder)
        self.files[name] = folder
        volumes.claim(self.node, self.ns, name, folder, size="64Mi")
        return folder

    def is_block(self, claim):
        return self.files.get(claim, "").startswith("/dev/")

    def user(self, claim="disk", name="user", **spec):
        """A pod that uses a claim, until it is deleted."""
        return self.tools(name, claims=(claim,), **spec)

    # ---- pods of the test

    def tools(self, name, script="sleep 1000000", claims=(), mounts=(), user=1000, **spec):
        """A pod of the tools (images.TOOLS). claims are mounted at /NAME, of a block volume the device is there; mounts are
        (path, source of a volume)."""
        sources = [("/" + claim, {"persistentVolumeClaim": {"claimName": claim}}) for claim in claims] + list(mounts)
        devices = [{"name": f"v{i}", "devicePath": path} for i, (path, _) in enumerate(sources) if self.is_block(path[1:])]
        return self.create("pod", {"metadata": {"name": name}, "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": user, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": f"v{i}", **source} for i, (_, source) in enumerate(sources)],
            "containers": [{"name": "tools", "image": images.TOOLS, "imagePullPolicy": "Never", "command": ["/bin/sh", "-ec", script], "securityContext": RESTRICTED,
                            "volumeMounts": [{"name": f"v{i}", "mountPath": path} for i, (path, _) in enumerate(sources) if not self.is_block(path[1:])],
                            "volumeDevices": devices}], **spec}})

    def log(self, name):
        return self.node.kubectl("logs", "--namespace", self.ns, name)

    def done(self, name, seconds=READY):
        """Waits until a pod has ended well; its output."""
        def ended():
            phase = self.get("pod", name)["status"].get("phase")
            if phase == "Failed":
                raise Failed(f"pod {name} failed: {self.log(name)}")
            return phase == "Succeeded"
        eventually(ended, f"pod {name} ends", seconds)
        return self.log(name)

    # ---- exports: nothing is played here

    def ready(self, name="exp", seconds=READY):
        """With a pod that is (what the status says may still be of one that has just been told to go) and that the node leads to."""
        def is_ready():
            conditions = self.pod(name)["status"]["conditions"]
            return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) and self.phase(name) == "Ready" and self.exp(name)
        try:
            export = eventually(is_ready, f"{name} is Ready", seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.summary()}") from None
        eventually(lambda: self.leads(name), f"the node leads to {name}", seconds)
        return export

    def leads(self, name):
        """Whether the Service's address leads to the pod yet: kube-proxy learns of it later than who reads the status."""
        address = self.get("service", self.status(name)["serviceName"])["spec"]["clusterIP"]
        there = self.node.machine.inside("timeout", "2", "bash", "-c", f"</dev/tcp/{address}/443")
        return subprocess.run(there, capture_output=True, check=False).returncode == 0

    # ---- clients

    def inside(self, script, name="client", export="exp"):
        """Runs a script in a pod of the namespace that has what a user takes along: $TOKEN, and the CA at /ca/ca.pem; its output.
        `curl` is there, and `get URL` is it with both."""
        links, token = self.links(export), self.status(export)["tokenSecretRef"]
        self.create("configmap", {"metadata": {"name": name}, "data": {"ca.pem": links["cert"]}})
        begin = 'TOKEN=$(cat /token/token)\nget() { curl --silent --show-error --fail --cacert /ca/ca.pem --header "x-kubevirt-export-token: $TOKEN" "$@"; }\n'
        self.tools(name, begin + script, mounts=[("/ca", {"configMap": {"name": name}}), ("/token", {"secret": {"secretName": token}}), ("/tmp", {"emptyDir": {}})])
        return self.done(name)

    def curl(self, url, out, *flags, tmp=None, cert=None, export="exp", where="external", seconds=900):
        """Downloads to a file, on this machine, with the certificate of the links checked; the finished process."""
        folder = tmp or os.path.dirname(out)
        for file, text in (("ca.pem", cert or self.links(export, where)["cert"]), ("header", f"x-kubevirt-export-token: {self.token(export)}\n")):
            with open(f"{folder}/{file}", "w", encoding="ascii") as f:
                f.write(text)
        return subprocess.run(["curl", "--silent", "--show-error", "--fail", "--cacert", folder + "/ca.pem", "--header", f"@{folder}/header", "--output", out, *flags, url],
                              capture_output=True, text=True, timeout=seconds, check=False)

    def fetch(self, url, out, *flags, **options):
        """The same, which has to succeed; the file."""
        done = self.curl(url, out, *flags, **options)
        equal((done.returncode, done.stderr), (0, ""), f"curl {url}")
        return out


class Download(threading.Thread):
    """One of a disk, through the proxy, of which `rate` bytes a second are read: more than two minutes, and far more than all the
    buffers on the way hold (some 25 MiB). `finish()`: what is left of it is read at once, and it is whole; `breaks()`: curl says that
    it is not."""

    def __init__(self, w, tmp, rate=2 * MIB):
        super().__init__(daemon=True)           # a test that fails does not wait for its end
        self.w, self.image, self.out, self.pipe, self.rate, self.done = w, w.disk(size=256 * MIB), tmp + "/disk.img", tmp + "/pipe", rate, None
        self.hurries = threading.Event()
        w.export()
        w.ready()
        self.url = w.formats(where="external")["raw"]
        os.mkfifo(self.pipe)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.start()
        eventually(self.has_begun, "the download has begun")

    def has_begun(self):
        check(not self.done, self.done)
        return size(self.out) > 0

    def run(self):
        self.done = self.w.curl(self.url, self.pipe, seconds=1800)

    def read(self):
        with open(self.pipe, "rb", buffering=0) as pipe, open(self.out, "wb", buffering=0) as out:
            while data := pipe.read(65536):
                out.write(data)
                self.hurries.wait(len(data) / self.rate)

    def ended(self, seconds):
        self.join(seconds)
        self.reader.join(seconds)

    def breaks(self):
        self.ended(120)
        check(self.done and self.done.returncode != 0, f"curl ended well: {self.done}")
        check(size(self.out) < size(self.image), "all of it is there")

    def finish(self):
        check(self.is_alive(), "the download was over before the end of what it was to stand")
        self.hurries.set()
        self.ended(600)
        check(self.done, "it has not ended after ten minutes")
        equal((self.done.returncode, self.done.stderr), (0, ""), "the download")
        equal(sha256(self.out), sha256(self.image), "the disk")


def load_tools(node, tmp):
    """The image of tools, for all files of tests."""
    with open(FOLDER + "/tools.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if images.TOOLS not in node.ctr("images", "list", "--quiet").split():
            node.load(images.tools(tmp + "/tools.tar", "curl"))


def main(module):
    """Runs the module's tests and ends the program."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tests = fixture.tests_of(module)
    print(f"1..{len(tests)}", flush=True)
    node = attached(FOLDER)
    tmp = tempfile.mkdtemp(prefix="vmexport-e2e-", dir=os.environ.get("TMPDIR", "/tmp"))
    try:
        load_tools(node, tmp)
        if "setup" in module:
            module["setup"](node)
        failed = fixture.Runner(tmp, given={"node": node}, new_world=lambda: Space(node)).all(tests)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    sys.exit(1 if failed else 0)
