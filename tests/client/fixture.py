# SPDX-License-Identifier: Apache-2.0
"""What the tests of the client share: an API server of their own with the CRD of the chart, the words to say what a user, the
controller and the export server do, and TAP. The runner is that of the controller's tests (tests/controller/fixture.py).

A file of tests defines functions test_NAME(...) and ends with `fixture.main(globals())`. No controller runs: the tests write
the status. A test is given what its parameters name:

    w            a World: a namespace and a working folder of its own, the client, and who answers it
    plane        the ControlPlane
    pod          the real export server, one for the file: volumes disk, block (of a loop device), big and tree
    disk, big    what it serves, as Disk: 24 MiB and a sector; 48 MiB, half of it noise
    other        another disk of the size of big
    tmp          a folder of its own

VMEXPORT_BUILD names the build folder (build/release). Under a sanitizer all times are longer, and what it reports in the
client's output is a failure.
"""
import contextlib
import functools
import importlib.util
import os
import random
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE + "/../controller", HERE + "/../http"]
# pylint: disable=wrong-import-position
import harness
import neighbours
import world
from control_plane import Failed
from cutter import Cutter
from harness import BUILD, MIB, REPO, SLOW, TOKEN, Skip, check, equal        # pylint: disable=unused-import
from peer import Peer
from pki import LOOPBACK, certificate, services
from world import eventually


def _shared_fixture():
    """That of the controller's tests, which has this file's name."""
    spec = importlib.util.spec_from_file_location("controller_fixture", HERE + "/../controller/fixture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shared = _shared_fixture()
alone, render = shared.alone, shared.render
PROGRAM = BUILD + "/cli/vmexport"
GROUP, KIND, PLURAL = shared.GROUP, "VirtualMachineExport", "virtualmachineexports"
NEIGHBOURS = tuple(n for n in neighbours.KUBEVIRT + neighbours.SNAPSHOTS if n != "kubevirts.kubevirt.io")
FILES = {"raw": "disk.img", "gzip": "disk.img.gz", "dir": "dir/", "tar.gz": "disk.tar.gz", "zstd": "disk.img.zst"}
MANIFESTS = {"all": "all", "auth-header-secret": "secret"}
# What the program ends with (cli/exit_code.h).
FAILED, USAGE, NOT_FOUND, NOT_READY, DENIED, TRANSFER, INTEGRITY, INTERRUPTED = 1, 2, 3, 4, 5, 6, 7, 130


# ---- disks ----

class Disk:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            self.data = f.read()
        self.allocated = os.stat(path).st_blocks * 512


def make_big_disk(path, seed):
    """Noise and holes by turns, some text, zeros that are allocated, an odd end; the seed changes all that is not zero."""
    numbers = random.Random(seed)
    with open(path, "wb") as f:
        for start in range(0, 48, 4):
            f.seek(start * MIB + numbers.randrange(4096))
            f.write(numbers.randbytes(2 * MIB))
        f.seek(15 * MIB)
        f.write(b"a line of disk %d\n" % seed * 20000)
        f.seek(19 * MIB)
        f.write(bytes(MIB // 2))
        f.seek(48 * MIB - 100)
        f.write(b"the end of disk %d" % seed)
        f.truncate(48 * MIB + 512)
    return Disk(path)


def gunzip(data):
    """The one member of a stream; more or less than one is an error."""
    d = zlib.decompressobj(31)
    out = d.decompress(data) + d.flush()
    check(d.eof, "the gzip has no end")
    equal(d.unused_data[:100], b"", "bytes after the gzip")
    return out


def same(got, want, what="the file"):
    """Like equal, for much."""
    equal(len(got), len(want), f"size of {what}")
    if got != want:
        at = next(i for i in range(0, len(want), 4096) if got[i:i + 4096] != want[i:i + 4096])
        raise AssertionError(f"{what} is another from byte {at} or soon after")


def compressed(data, level=1, each=None):
    """A gzip of one member; with a point to go on from after `each` so many bytes."""
    z, out = zlib.compressobj(level, zlib.DEFLATED, 31), []
    for start in range(0, len(data), each or len(data) or 1):
        out += [z.flush(zlib.Z_FULL_FLUSH)] if start else []
        out.append(z.compress(data[start:start + (each or len(data))]))
    return b"".join(out) + z.flush()


class Server(harness.Pod):
    """The real export server. names: what its certificate is for"""

    def __init__(self, volumes, token=TOKEN, names=LOOPBACK, **options):
        super().__init__(volumes, token, **options)
        certificate(self.cert_dir, names)
        self.context = ssl.create_default_context(cafile=self.cert_file)

    @property
    def cert_file(self):
        return self.cert_dir + "/tls.crt"

    @property
    def cert(self):
        with open(self.cert_file, encoding="ascii") as f:
            return f.read()


# ---- the client ----

class Run:
    """The client, from its start on."""

    def __init__(self, world_, args, bare=False, env=None, before=(), **options):
        """bare: without --kubeconfig and --namespace     before: a command to run it by     options: of Popen"""
        self.args, self.began, self.world = args, time.monotonic(), world_
        number = len(world_.runs)
        world_.runs.append(self)
        self.out_path, self.err_path = (f"{world_.logs}/{number}.{name}" for name in ("out", "err"))
        command = [*before, PROGRAM, *args] + ([] if bare else ["--kubeconfig", world_.plane.admin, "--namespace", world_.ns])
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(command, cwd=world_.dir, env={**world_.environment, **(env or {})}, stdin=subprocess.DEVNULL,
                                            stdout=options.pop("stdout", out), stderr=options.pop("stderr", err), **options)
        self.code = self.seconds = None

    @property
    def out(self):
        """Standard output up to now."""
        with open(self.out_path, "rb") as f:
            return f.read()

    @property
    def err(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def finish(self, seconds=60):
        """Waits for its end."""
        try:
            self.code = self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {seconds} s: {self}") from None
        self.seconds = time.monotonic() - self.began
        found = shared.SANITIZERS.search(self.err)
        check(not found, found and f"{self}: {self.err[max(0, found.start() - 300):found.start() + 5000]}")
        return self

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def interrupt(self, signo=signal.SIGINT):
        self.process.send_signal(signo)
        return self

    def done(self, seconds=60):
        """It ends well."""
        self.finish(seconds)
        equal(self.code, 0, f"exit code of {self}")
        return self

    def failed(self, code, *words, within=60):
        """It ends with that code and says these (regular expressions)."""
        self.finish(within)
        equal(self.code, code, f"exit code of {self}")
        return self.said(*words)

    def said(self, *words):
        for word in words:
            check(re.search(word, self.err, re.IGNORECASE), f"doesn't say {word!r}: {self}")
        return self

    def times(self, word):
        """In how many lines."""
        return sum(1 for line in self.err.splitlines() if re.search(word, line, re.IGNORECASE))

    def says(self, *words, seconds=20):
        """Waits until it has said them."""
        eventually(lambda: self.process.poll() is not None or all(re.search(word, self.err, re.IGNORECASE) for word in words), f"{words}: {self}", seconds)
        return self.said(*words)

    def __str__(self):
        return f"vmexport {' '.join(self.args)} -> {self.process.poll()}: {self.err[-1500:].strip()!r}"


class World(world.World):
    """A namespace, with the words for exports of the controller's tests, and:

    dir        the client's working folder      runs    what was run
    stack      what ends with the test
    """

    def __init__(self, plane, folder, **options):
        super().__init__(plane, **options)
        self.home = tempfile.mkdtemp(prefix=self.ns + "-", dir=folder)
        self.dir, self.logs = self.home + "/files", self.home + "/logs"
        os.mkdir(self.dir)
        os.mkdir(self.logs)
        self.runs, self.stack = [], contextlib.ExitStack()
        self.environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k not in ("KUBECONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR")}
        self.environment.update(shared.SANITIZER_OPTIONS, HOME=self.home, LC_ALL="C.UTF-8")

    def leave(self, *exc):
        """The end of what runs; a server that ends badly is a failure."""
        for run in self.runs:
            run.kill()
        self.stack.__exit__(*exc)

    def close(self):
        super().close()
        shutil.rmtree(self.home, ignore_errors=True)

    # ---- the client

    def start(self, *args, **options):
        return Run(self, args, **options)

    def run(self, *args, seconds=60, **options):
        return Run(self, args, **options).finish(seconds)

    def begin(self, *args, name="exp", **options):
        """A download that is under way."""
        return Run(self, ("download", name, *args), **options)

    def download(self, *args, name="exp", seconds=60, **options):
        """One that ends well."""
        return self.begin(*args, name=name, **options).done(seconds)

    def file(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.file(name), "rb") as f:
            return f.read()

    def write(self, name, data):
        with open(self.file(name), "wb") as f:
            f.write(data)
        return self.file(name)

    def files(self):
        return sorted(os.listdir(self.dir))

    def clear(self):
        """An empty working folder again."""
        for name in self.files():
            os.remove(self.file(name))

    def allocated(self, name):
        with open(self.file(name), "rb+") as f:
            os.fsync(f)
            return os.fstat(f.fileno()).st_blocks * 512

    # ---- the servers

    def serve(self, volumes, **options):
        """A real export server of the test's own; volumes as of harness.Pod."""
        return self.stack.enter_context(Server(volumes, **{"names": (*LOOPBACK, *services(self.ns)), **options}))

    def peer(self, files=None, **options):
        return self.stack.enter_context(Peer(self.home, files, **{"names": (*LOOPBACK, *services(self.ns)), **options}))

    def plain(self, disk, formats=("raw", "gzip"), level=1, each=None, goes_on=False, **options):
        """A plain peer that serves the disk as volume 'disk'. each: of compressed()     goes_on: it knows ?from="""
        peer = self.peer(**options)
        self.holds(peer, disk, formats, level, each, goes_on)
        return peer

    @staticmethod
    def holds(peer, disk, formats=("raw", "gzip"), level=1, each=None, goes_on=False, tag=None):
        """From now on it serves that disk, under that tag."""
        path = "/volumes/disk/"
        bodies = {"raw": lambda: disk.data, "gzip": lambda: compressed(disk.data, level, each)}
        files = {path + FILES[f]: bodies[f]() for f in formats}
        rest = {path + FILES["gzip"]: lambda start: compressed(memoryview(disk.data)[start:], level, each)} if goes_on else {}
        peer.files, peer.rest, peer.tag = files, rest, tag or peer.tag

    def cutter(self, server):
        return self.stack.enter_context(Cutter(server.port))

    # ---- the user's objects

    def made(self, name="exp", kind="PersistentVolumeClaim", token=TOKEN, of="disk"):
        """An export as a user makes it, with a token of their own."""
        self.secret("cred-" + name, token)
        return self.export(name, of, kind, token="cred-" + name)

    def made_by(self, run, name="exp"):
        """Waits until the client has made the export and its Secret; returns the token."""
        def ref():
            return (self.exp(name) or run.process.poll() is not None and {"spec": {}} or {}).get("spec")
        spec = eventually(ref, f"the export is made: {run}")
        check(spec, f"it ended before it made the export: {run}")
        secret = eventually(lambda: self.get("secret", spec["tokenSecretRef"]), f"the Secret is made: {run}")
        return world.data(secret)["token"]

    # ---- the controller

    def has_service(self, name="exp"):
        """The export's, which selects no pod that there is."""
        self.create("service", {"metadata": {"name": self.child("service", name)}, "spec": {"selector": {"export": name}, "ports": [{"port": 443, "targetPort": 8443}]}})

    def be(self, phase, reason="", message="", name="exp", condition="Ready", **more):
        """Writes a status."""
        kept = {c["type"]: c for c in self.status(name).get("conditions") or []} if condition != "Ready" else {}
        kept[condition] = {"type": condition, "status": "True" if phase == "Ready" else "False", "reason": reason or "PodReady", "message": message,
                           "lastTransitionTime": world.now()}
        self.set_status("export", name, {"phase": phase, "conditions": list(kept.values()), "serviceName": self.child("service", name),
                                         "tokenSecretRef": more.pop("token_ref", self.exp(name)["spec"].get("tokenSecretRef")), **more})

    def be_ready(self, server, volumes=("disk",), formats=("raw", "gzip"), where=("external", "internal"), cert=None, port=None, manifests=False, name="exp",
                 host="127.0.0.1", **more):
        """Ready, with links to the server (a Server, a Peer or a Cutter; then `cert` is needed). formats: of all, or {volume: formats}."""

        def link(side):
            base = f"https://{host}:{port or server.port}" if side == "external" else f"https://{self.child('service', name)}.{self.ns}.svc"
            formats_of = formats if isinstance(formats, dict) else dict.fromkeys(volumes, formats)
            links = {"cert": server.cert if cert is None else cert, "volumes": [
                {"name": v, "formats": [{"format": f, "url": f"{base}/volumes/{v}/{FILES[f]}"} for f in formats_of[v]]} for v in volumes]}
            if manifests:
                links["manifests"] = [{"type": t, "url": f"{base}/{side}/manifests/{f}"} for t, f in MANIFESTS.items()]
            return links
        self.be("Ready", name=name, links={side: link(side) for side in where}, **more)

    def existing(self, server, name="exp", kind="PersistentVolumeClaim", token=TOKEN, **links):
        """An export that is Ready."""
        self.made(name, kind, token)
        self.be_ready(server, name=name, **links)


# ---- running ----

class Things(dict):
    """What a file's tests share, made when it is first asked for."""

    def __init__(self, plane, folder, stack):
        super().__init__(plane=plane)
        self.folder, self.stack, self.lock = folder, stack, threading.RLock()

    def __missing__(self, name):
        with self.lock:
            if name not in self.keys():
                self[name] = getattr(self, "make_" + name)()
            return dict.__getitem__(self, name)

    def make_disk(self):
        return Disk(harness.make_disk(self.folder + "/disk.img"))

    def make_block(self):
        path = harness.make_disk(self.folder + "/block.img", 24 * MIB)
        return self.stack.enter_context(harness.loop_device(path))

    def make_big(self):
        return make_big_disk(self.folder + "/big.img", 1)

    def make_other(self):
        return make_big_disk(self.folder + "/other.img", 2)

    def make_tree(self):
        return harness.make_tree(self.folder + "/tree")

    def make_pod(self):
        volumes = [("disk", "disk", "id-1", self["disk"].path), ("block", "disk", "id-1", self["block"]), ("big", "disk", "id-1", self["big"].path),
                   ("tree", "archive", "-", self["tree"])]
        # For whatever namespace a test gets.
        return self.stack.enter_context(Server(volumes, names=(*LOOPBACK, *services(*(f"w{n}" for n in range(1, 100))))))


def closing(test):
    """What the test has started ends with it, and what ends badly fails it."""
    @functools.wraps(test)
    def run(**given):
        w = given.get("w")
        try:
            test(**given)
        except BaseException:
            if w:
                w.leave(*sys.exc_info())
            raise
        if w:
            w.leave(None, None, None)
    return run


def run_all(module, tests, folder, group, beside, options):
    with contextlib.ExitStack() as stack:
        plane = stack.enter_context(shared.control_plane(folder + "/plane", group, beside, **options))
        if "setup" in module:
            module["setup"](plane)
        things = Things(plane, folder, stack)
        return shared.Runner(folder, None, things, lambda: World(plane, folder, group=group)).all(list(map(closing, tests)))


def main(module, group=GROUP, beside=NEIGHBOURS, **options):
    """Runs the module's tests and ends the program. `beside`: CRDs of others that are there; `options` are those of ControlPlane.
    A function setup(plane) of the module is called first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)         # or the client would inherit one that is ignored
    tests = shared.tests_of(module)
    print(f"1..{len(tests)}", flush=True)
    folder = tempfile.mkdtemp(prefix="vmexport-client-", dir=os.environ.get("TMPDIR", "/tmp"))
    failed = 1
    try:
        if not os.access(PROGRAM, os.X_OK):
            raise Failed(f"there is no {PROGRAM}: make builds it")
        failed = run_all(module, tests, folder, group, beside, options)
    except (AssertionError, Failed) as e:
        print("\n".join("# " + line for line in f"at the end: {e}".splitlines()), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)
