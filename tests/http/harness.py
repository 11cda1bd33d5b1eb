# SPDX-License-Identifier: Apache-2.0
"""What the HTTP tests share: a pod of real processes on a free port, clients, and TAP.

A test file defines functions test_NAME(...) and ends with harness.main(globals()). Each test gets what it names
as parameters: `pod` (the file's shared pod, over `volumes`), `tmp` (a directory of its own), `disk`, `tree`.
VMEXPORT_BUILD names the build folder (build/release).
"""
import atexit
import contextlib
import fcntl
import functools
import glob
import http.client
import inspect
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import weakref

MIB = 1 << 20
REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(REPO, os.environ.get("VMEXPORT_BUILD", "build/release"))
VARIANT = os.path.basename(BUILD)
SLOW = 8 if VARIANT in ("asan", "tsan") else 1        # factor for time limits under a sanitizer
TOKEN = "s3cret-Token-0123456789"
HEADER = "x-kubevirt-export-token"
NOBODY = 65534


class Skip(Exception):
    """Raised by a test that cannot run here; the runner counts it and CI fails on it."""


def check(condition, what="condition"):
    if not condition:
        raise AssertionError(what)


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {got!r:.300}, want {want!r:.300}")


def wait_until(condition, what, seconds=20):
    end = time.monotonic() + seconds * SLOW
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


RESERVED = []                # sockets


def free_port():
    """A port for a server that listens with SO_REUSEADDR, as ours do. It stays bound to this process, so that the kernel gives it to no test beside."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    RESERVED.append(s)
    return s.getsockname()[1]


def certificate(folder, name="localhost", days=30):
    """A self-signed pair tls.crt, tls.key in `folder`; the key is written last."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", str(days), "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-out", f"{folder}/tls.crt", "-keyout", f"{folder}/tls.key"], check=True, capture_output=True)


@functools.cache
def installed():
    """A copy of the programs and what they read, where every user can reach it: the checkout may be in a private folder."""
    folder = tempfile.mkdtemp(prefix="vmexport-programs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    programs = [BUILD + "/lighttpd/pod"] + [path for path in glob.glob(BUILD + "/fcgi/*") if os.path.isfile(path) and not path.endswith((".o", ".d"))]
    for path in programs + glob.glob(REPO + "/lighttpd/*.conf") + [REPO + "/tests/lsan.supp"]:
        shutil.copy(path, folder)
    return folder


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Pod:
    """The export pod's processes. `volumes` is a list of (name, content, identity, path); `fault` the variables of
    fault.c; `wrapper` a command to run it by; `uid` another user than root, without capabilities; `conf` what to
    replace in the configuration ({"server.max-write-idle": "3"})."""
    conf_name = "export.conf"
    asan_options = "fast_unwind_on_malloc=0"         # for the suppressions to see the whole stack; it makes all of it slow

    def __init__(self, volumes, token=TOKEN, env=None, fault=None, wrapper=(), uid=None, conf=None):
        self.dir = tempfile.mkdtemp(prefix="vmexport-", dir="/dev/shm")
        self.port = free_port()
        self.log = os.path.join(self.dir, "log")
        self.token_file = os.path.join(self.dir, "token")
        for folder in ("run", "cert", "manifests"):
            os.mkdir(os.path.join(self.dir, folder))
        self.cert_dir, self.manifest_dir = self.dir + "/cert", self.dir + "/manifests"
        if token is not None:
            with open(self.token_file, "w", encoding="utf-8") as f:
                f.write(token)
        certificate(self.cert_dir)
        self.env = dict(os.environ, VMEXPORT_VOLUMES="\n".join(" ".join(v) for v in volumes), VMEXPORT_TOKEN_FILE=self.token_file,
                        VMEXPORT_CERT_FILE=self.cert_dir + "/tls.crt", VMEXPORT_KEY_FILE=self.cert_dir + "/tls.key",
                        VMEXPORT_MANIFEST_DIR=self.manifest_dir, VMEXPORT_ADDRESS="127.0.0.1", VMEXPORT_PORT=str(self.port),
                        VMEXPORT_RUN_DIR=self.dir + "/run", VMEXPORT_LIGHTTPD_CONF=f"{REPO}/lighttpd/{self.conf_name}", TZ="UTC")
        self.env.setdefault("VMEXPORT_LIGHTTPD", "/usr/sbin/lighttpd")
        if VARIANT == "asan":
            self.add_option("LSAN_OPTIONS", f"suppressions={REPO}/tests/lsan.supp:print_suppressions=0")
            self.add_option("ASAN_OPTIONS", self.asan_options)
        if fault:
            self.trigger = os.path.join(self.dir, "trigger")
            self.env.update(fault, FAULT_TRIGGER=self.trigger, LD_PRELOAD=self._preload())
        if conf:
            self.env["VMEXPORT_LIGHTTPD_CONF"] = self._changed_conf(conf)
        self.env.update(env or {})
        self.context = ssl.create_default_context(cafile=self.cert_dir + "/tls.crt")
        self.program = BUILD + "/lighttpd/pod"
        self.wrapper = list(wrapper)
        if uid is not None:
            self._become(uid)
        self.process = None
        self.opened = []

    def add_option(self, name, option):
        """For a sanitizer."""
        self.env[name] = ":".join(filter(None, [self.env.get(name), option]))

    def _changed_conf(self, values):
        found = dict.fromkeys(values, 0)
        for path in glob.glob(REPO + "/lighttpd/*.conf"):
            with open(path, encoding="utf-8") as f:
                text = f.read()
            for name, value in values.items():
                text, count = re.subn(rf'(?m)^(\s*"?{re.escape(name)}"? *=>? *)[^,\s]+', rf"\g<1>{value}", text)
                found[name] += count
            with open(f"{self.dir}/{os.path.basename(path)}", "w", encoding="utf-8") as f:
                f.write(text)
        equal(found, dict.fromkeys(values, 1), "places in the configuration")
        return f"{self.dir}/{self.conf_name}"

    def _become(self, uid):
        if os.geteuid() != 0:
            raise Skip("another user needs root")
        for path, folders, files in os.walk(self.dir):
            for name in [""] + folders + files:
                os.chown(os.path.join(path, name), uid, uid)
        self.wrapper += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
                         "--no-new-privs"]
        self.program = installed() + "/pod"
        for name in self.env:
            for path in (f"{REPO}/lighttpd/{self.conf_name}", REPO + "/tests/lsan.supp"):
                self.env[name] = self.env[name].replace(path, installed() + "/" + os.path.basename(path))
        self.add_option("ASAN_OPTIONS", "detect_leaks=0")  # which would have to trace a process that must not be traced

    def _preload(self):
        # A sanitizer's runtime has to come first in a program that was built with it.
        first = {"asan": "libasan.so", "tsan": "libtsan.so"}.get(VARIANT)
        if first:
            first = subprocess.run(["gcc", f"-print-file-name={first}"], check=True, capture_output=True, text=True).stdout.strip()
        return " ".join(filter(None, [first, BUILD + "/tests/http/fault.so"]))

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.wrapper + [self.program], env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)

    def __enter__(self):
        self.start()
        wait_until(self.is_ready, "the pod answers /exportready", 30)
        return self

    def end(self, signo=signal.SIGTERM, seconds=20):
        """Sends the signal, unless it is None, and waits for the end; returns the exit status."""
        if signo is not None:
            self.process.send_signal(signo)
        return self.process.wait(seconds * SLOW)

    def __exit__(self, *exc):
        for r in filter(None, (ref() for ref in self.opened)):       # or the pod would wait for them
            r.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        text = self.log_text()
        shutil.rmtree(self.dir, ignore_errors=True)
        if exc[0] is None:
            found = re.search(r"(ERROR: AddressSanitizer|runtime error:|WARNING: ThreadSanitizer|ERROR: LeakSanitizer)[^\n]*", text)
            check(not found, "a sanitizer reports: " + text[found.start():found.start() + 4000] if found else "")
            check("Assertion" not in text, "an assertion failed: " + text[-2000:])

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the pod has ended: " + self.log_text()[-2000:])
        try:
            return self.get("/exportready", token=None).status == 200
        except OSError:
            return False

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def log_lines(self):
        """The log's JSON lines, without one that is just being written."""
        return [json.loads(line) for line in self.log_text().splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]

    def processes(self):
        """{name: [pid]} of all processes below the pod."""
        found, below = {}, {self.process.pid}
        stats = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                text = f.read()
                stats.append((int(pid), text[text.index("(") + 1:text.rindex(")")], int(text[text.rindex(")"):].split()[2])))
        for _ in range(4):
            below |= {pid for pid, _, parent in stats if parent in below}
        for pid, name, _ in stats:
            if pid in below:
                found.setdefault(name, []).append(pid)
        return found

    def pid(self, name):
        """The process of that name, of which there is one: a handler that has just been started is named pod for a moment."""
        pids = []

        def is_one():
            pids[:] = self.processes().get(name, [])
            return len(pids) == 1
        wait_until(is_one, f"one process is named {name}")
        return pids[0]

    # ---- clients ----

    def url(self, path):
        return f"https://127.0.0.1:{self.port}{path}"

    def open(self, path, method="GET", token=TOKEN, headers=(), timeout=60):
        """A response that is not yet read."""
        c = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=timeout * SLOW)
        c.putrequest(method, path, skip_accept_encoding=True)
        for name, value in ([(HEADER, token)] if token is not None else []) + list(dict(headers).items() if isinstance(headers, dict) else headers):
            c.putheader(name, value)
        c.endheaders()
        r = c.getresponse()
        self.opened.append(weakref.ref(r))
        return r

    def get(self, path, **kw):
        r = self.open(path, **kw)
        try:
            return Answer(r.status, r.headers, r.read())
        finally:
            r.close()

    def curl(self, path, *options, **kw):
        """Runs curl on the path; returns the finished process, stdout in bytes."""
        kw.setdefault("timeout", 120 * SLOW)
        return subprocess.run(self.curl_command(path, *options), capture_output=True, check=False, **kw)

    def curl_command(self, path, *options):
        return ["curl", "-sS", "--http1.1", "--cacert", self.cert_dir + "/tls.crt", "-H", f"{HEADER}: {TOKEN}", *options, self.url(path)]


# ---- things to export ----

def make_disk(path, size=24 * MIB + 512):
    """A sparse disk with text, noise, allocated zeros and an odd end; deterministic."""
    import random
    noise = random.Random(1)
    with open(path, "wb") as f:
        f.write(b"start of disk\n" * 5000)
        f.seek(3 * MIB + 4096)
        f.write(noise.randbytes(2 * MIB + 123))
        f.seek(8 * MIB)
        f.write(b"\0" * (2 * MIB))
        f.seek(12 * MIB - 5)
        f.write(b"".join(b"%d,%d\n" % (i, noise.randrange(99)) for i in range(200000)))
        f.truncate(size)
    return path


def make_tree(path):
    """A directory with what tar and listings stumble over."""
    os.makedirs(path + "/sub/deep")
    os.makedirs(path + "/sub/lost+found")
    os.makedirs(path + "/lost+found")
    for name, data in (("hello.txt", b"hello\n"), ("empty", b""), ("data.json", b"{}\n"), ("sub/x.bin", os.urandom(MIB + 17)),
                       ("we ird <&>\"'#?%.txt", b"weird\n"), (":colon", b"c\n"), ("sub/deep/" + "n" * 255, b"long\n"),
                       (os.fsdecode(b"latin-\xe9"), b"not utf-8\n"), ("ünïcode", b"u\n"), ("sub/lost+found/keep", b"k\n"),
                       ("lost+found/drop", b"d\n"), ("page.html", b"<script>1</script>\n")):
        with open(os.path.join(path, name), "wb") as f:
            f.write(data)
    with open(path + "/sub/sparse", "wb") as f:
        f.seek(64 * MIB)
        f.write(b"end")
    for name, target in (("link", "hello.txt"), ("dirlink", "sub"), ("sub/dangling", "nowhere"), ("sub/loop", "loop"),
                         ("sub/etc", "/etc/passwd"), ("sub/up", "../../outside")):
        os.symlink(target, os.path.join(path, name))
    os.link(path + "/hello.txt", path + "/sub/hard")
    os.mkfifo(path + "/sub/fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path + "/sub/sock")
    os.utime(path + "/hello.txt", (1600000000, 1600000000))
    return path


@contextlib.contextmanager
def attaching(lock):
    """Shared by who attaches a loop device; held alone by who needs that a detached one stays so: its number is the next to be taken."""
    if os.geteuid() != 0:
        raise Skip("loop devices need root")
    with open("/dev/loop-control", "rb") as control:
        fcntl.flock(control, lock)
        yield


def attach(path):
    return subprocess.run(["losetup", "--find", "--show", path], check=True, capture_output=True, text=True).stdout.strip()


def detach(device):
    subprocess.run(["losetup", "--detach", device], check=True)


@contextlib.contextmanager
def loop_device(path):
    """A block device over a file."""
    with attaching(fcntl.LOCK_SH):
        name = attach(path)
    try:
        yield name
    finally:
        detach(name)


@contextlib.contextmanager
def gone_device(path):
    """A block device that had the file below it and has nothing any more: it has no size."""
    with attaching(fcntl.LOCK_EX):
        name = attach(path)
        detach(name)
        with open(f"/sys/class/block/{os.path.basename(name)}/size", encoding="ascii") as size:
            wait_until(lambda: size.seek(0) == 0 and int(size.read()) == 0, "the device is gone")
        yield name


class throttled(threading.Thread):
    """A client that reads at most `rate` bytes a second, until stopped or at the end."""

    def __init__(self, response, rate):
        super().__init__(daemon=True)
        self.response, self.rate, self.got, self.error, self.stopped = response, rate, 0, None, False
        self.start()

    def run(self):
        try:
            while not self.stopped:
                data = self.response.read(max(self.rate // 20, 1))
                if not data:
                    return
                self.got += len(data)
                time.sleep(0.05)
        except (OSError, http.client.HTTPException) as e:
            self.error = e


def go_program(name):
    """Builds tests/http/go/NAME; returns the program's path."""
    path = f"{BUILD}/tests/http/{name}"
    try:
        subprocess.run(["go", "build", "-o", path, "./" + name], cwd=REPO + "/tests/http/go", check=True, timeout=300,
                       env=dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="", GOWORK="off", CGO_ENABLED="0"))
    except FileNotFoundError as e:
        raise Skip("needs go") from e
    return path


# ---- running ----

class Fixtures:
    """Makes what tests ask for by name, once a file: by the module's make_NAME(fixtures), or one of these."""

    def __init__(self, module, stack, tmp):
        self.module, self.stack, self.tmp, self.made = module, stack, tmp, {}

    def get(self, name):
        if name == "tmp":
            path = tempfile.mkdtemp(dir=self.tmp)
            os.chmod(path, 0o755)
            return path
        if name not in self.made:
            make = self.module.get("make_" + name)
            own = make and make.__module__ == self.module["__name__"]      # and not one of here that the file imports
            self.made[name] = make(self) if own else getattr(self, "make_" + name)()
        return self.made[name]

    def make_disk(self):
        return make_disk(self.tmp + "/disk.img")

    def make_tree(self):
        return make_tree(self.tmp + "/tree")

    def make_pod(self):
        options = self.module["pod_options"](self) if "pod_options" in self.module else {}
        volumes = [("disk", "disk", "id-1", self.get("disk")), ("tree", "archive", "-", self.get("tree"))]
        return self.stack.enter_context(Pod(options.pop("volumes", volumes), **options))


def run_one(test, fixtures):
    """Runs one test; returns the TAP directive and what went wrong."""
    try:
        test(**{name: fixtures.get(name) for name in inspect.signature(test).parameters})
    except Skip as e:
        return f" # SKIP {e}", None
    except Exception:  # pylint: disable=broad-except
        return "", traceback.format_exc()
    return "", None


def main(module):
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = [f for name, f in module.items() if name.startswith("test_") and only in name]
    failed = 0
    print(f"1..{len(tests)}")
    tmp = tempfile.mkdtemp(prefix="vmexport-test-", dir=os.environ.get("TMPDIR", "/tmp"))
    os.chmod(tmp, 0o755)                  # for pods of another user
    try:
        with contextlib.ExitStack() as stack:
            fixtures = Fixtures(module, stack, tmp)
            for number, test in enumerate(tests, 1):
                start = time.time()
                note, trouble = run_one(test, fixtures)
                failed += trouble is not None
                print(f"{'not ok' if trouble else 'ok'} {number} - {test.__name__[5:].replace('_', ' ')}{note} ({time.time() - start:.1f} s)" if not note
                      else f"ok {number} - {test.__name__[5:].replace('_', ' ')}{note}", flush=True)
                if trouble:
                    print("\n".join("# " + line for line in trouble.splitlines()), flush=True)
    except AssertionError as e:          # the pod's own end: a sanitizer's report, say
        print(f"# at the end: {e}")
        failed += 1
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    sys.exit(1 if failed else 0)
