# SPDX-License-Identifier: Apache-2.0
"""What the tests of the controller share: an API server of their own with the CRDs, the controller that is tested, and TAP.

A file of tests defines functions test_NAME(...) and ends with `fixture.main(globals())`. One control plane and one controller
run for the whole file. A test is given what its parameters name:

    w            a World: a namespace of its own and the words to say what happens there (world.py)
    plane        the ControlPlane (control_plane.py)
    controller   the Controller
    tmp          a folder of its own

Tests run beside one another, but those marked @alone, which stop the controller or change what all namespaces share: these
come last, one after the other. `python3 test_X.py WORD` runs those with WORD in their names; VMEXPORT_JOBS says how many at
once (6). VMEXPORT_BUILD names the build folder (build/release). Under a sanitizer all times are longer, and what it reports
in the controller's output is a failure.

Without main(), in a program of another kind:

    with fixture.control_plane(folder) as plane, fixture.Controller(plane) as controller:
        w = World(plane, controller)
        w.pvc(); w.export(); w.ready()
"""
import concurrent.futures
import glob
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../http"))
# pylint: disable=wrong-import-position
import neighbours
from control_plane import ControlPlane, Failed, Program, free_ports
from harness import BUILD, REPO, SLOW, Skip, check, equal        # pylint: disable=unused-import
from world import World, eventually, never                       # pylint: disable=unused-import

GROUP, GROUP_BESIDE_KUBEVIRT = "export.kubevirt.io", "export.vmexport.io"
NAMESPACE, ACCOUNT = "vmexport", "vmexport-controller"
FILES = REPO + "/helm/vmexport/files/"
PROGRAM = BUILD + "/controller/vmexport-controller"
SANITIZERS = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: |UndefinedBehaviorSanitizer")
SANITIZER_OPTIONS = {"ASAN_OPTIONS": "abort_on_error=0", "LSAN_OPTIONS": "suppressions=" + REPO + "/tests/lsan.supp",
                     "TSAN_OPTIONS": "atexit_sleep_ms=0:report_thread_leaks=0:second_deadlock_stack=1:suppressions=" + REPO + "/tests/tsan.supp", "UBSAN_OPTIONS": "print_stacktrace=1"}


def render(path, group, namespace, *files):
    """Writes files of the chart, for that group and namespace, to `path`; returns it."""
    with open(path, "w", encoding="utf-8") as out:
        subprocess.run([REPO + "/tools/render", "--api-group", group, "--namespace", namespace, *(FILES + f for f in files)], check=True, stdout=out)
    return path


def control_plane(folder, group=GROUP, beside=neighbours.ALL, **options):
    """A ControlPlane, not yet started (`with` does it), with the export CRD of the group and those of the neighbours."""
    os.makedirs(folder, exist_ok=True)
    crds = [render(f"{folder}/crd.yaml", group, NAMESPACE, "crd.yaml")]
    for name in beside:
        crds.append(f"{folder}/{name}.json")
        with open(crds[-1], "w", encoding="utf-8") as f:
            f.write(json.dumps(neighbours.definition(name)))
    return ControlPlane(folder, crds=crds, **options)


def grant(plane, group=GROUP, namespace=NAMESPACE):
    """The controller's namespace and its rights, the very ones of the chart; once for a control plane."""
    granted = plane.__dict__.setdefault("granted", set())
    if (group, namespace) not in granted:
        plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        plane.apply(render(f"{plane.dir}/rbac.{group}.yaml", group, namespace, "rbac.yaml"))
        user = f"system:serviceaccount:{namespace}:{ACCOUNT}"
        plane.until_allowed(user, group=group, resource="virtualmachineexports", verb="list")
        plane.until_allowed(user, group="coordination.k8s.io", resource="leases", name="vmexport-controller", verb="update", namespace=namespace)
        granted.add((group, namespace))


class Controller:
    """The controller, run as its ServiceAccount with the rights of the chart. Starts at once, and returns when it says that it is ready.

    plane    a ControlPlane that runs       group    --api-group
    flags    more flags, which win          server   another address of the API server, such as a cutting proxy's
    name     tells two of them apart: of the log, and the identity in the lease (so that the same one, killed and started
             again, needs not wait for its own lease to run out)
    wait     the path that has to answer 200 until start() returns: /readyz, or /healthz for one that stands by;
             None to return at once
    start    False: only start() starts it  env      more of the environment

    log      its output up to now           process  the subprocess.Popen that runs, or None
    pid      of it                          port     of /healthz, /readyz, /metrics

    It is killed when the thread that started it ends (PDEATHSIG): start it where it is needed as long.
    """

    def __init__(self, plane, group=GROUP, flags=(), server=None, name="controller", namespace=NAMESPACE, wait="/readyz", start=True, env=None):
        self.plane, self.group, self.flags, self.server, self.name, self.namespace = plane, group, list(flags), server, name, namespace
        self.wait, self.env = wait, env or {}
        self.folder = os.path.join(plane.dir, name)
        os.makedirs(self.folder, exist_ok=True)
        self.log_path = os.path.join(self.folder, name + ".log")
        self.program, self.port = None, 0
        grant(plane, group, namespace)
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process and kind is None:
            self.stop()
        elif self.process:
            self.kill()

    # ---- life

    def command(self):
        kubeconfig = self.plane.kubeconfig_for(self.namespace, ACCOUNT, self.server, seconds=24 * 3600)
        [self.port] = free_ports(1)
        # A flag that comes later wins.
        return [PROGRAM, "--kubeconfig", kubeconfig, "--namespace", self.namespace, "--health-address", f"127.0.0.1:{self.port}",
                "--log-format", "text", "--api-group", self.group, "--identity", self.name, *self.flags]

    def start(self, wait=""):
        check(not self.process, f"{self.name} runs already")
        if not os.access(PROGRAM, os.X_OK):
            raise Failed(f"there is no {PROGRAM}: make builds it")
        self.program = Program(self.folder, self.name, self.command(), dict(SANITIZER_OPTIONS, **self.env))
        wait = self.wait if wait == "" else wait
        if wait:
            try:
                eventually(lambda: self.program.check() or self.get(wait)[0] == 200, f"{self.name} answers {wait} by 200", 30)
            except AssertionError as e:
                self.kill()
                raise AssertionError(f"{e}; its log ends in: {self.log[-1500:]}") from None
        return self

    def run(self, seconds=20):
        """For one that has to end by itself: runs it, returns its exit code."""
        self.start(wait=None)
        return self._ended(seconds, "did not end by itself")

    def kill(self):
        """kill -9."""
        self.program.stop()
        self.program = None

    def stop(self, seconds=20):
        """SIGTERM; returns the exit code. Fails when it doesn't end in time, or when a sanitizer has told something."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended(seconds, "did not end after SIGTERM")

    def restart(self):
        """Stops it in order (it must exit with 0) and starts it again."""
        equal(self.stop(), 0, f"exit code of {self.name}")
        self.start()

    def _ended(self, seconds, what):
        try:
            return self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} {what} within {seconds} s; its log ends in: {self.log[-1500:]}") from None
        finally:
            self.kill()
            self.check_sanitizers()

    def check(self):
        """Fails when it has ended by itself."""
        check(self.process, f"{self.name} does not run")
        self.program.check()

    def check_sanitizers(self):
        log = self.log
        found = SANITIZERS.search(log)
        check(not found, found and f"{self.name}: {log[max(0, found.start() - 300):found.start() + 5000]}")

    # ---- what it tells

    @property
    def process(self):
        return self.program.process if self.program else None

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def get(self, path):
        """(status, text) of its own HTTP server; status 0 when it doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError:
            return 0, ""

    def metrics(self):
        """All samples: {(name, frozenset(labels.items())): value}."""
        status, text = self.get("/metrics")
        equal(status, 200, "/metrics")
        samples = {}
        for line in text.splitlines():
            m = re.fullmatch(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)', line)
            if m:
                samples[m[1], frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m[2] or ""))] = float(m[3])
        return samples

    def metric(self, name, **labels):
        """The sum of the samples of that name that have these labels; 0 when there is none."""
        return sum(value for (n, has), value in self.metrics().items() if n == name and labels.items() <= set(has))

    def rss(self):
        """Bytes of memory that it has now."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024

    def cpu(self):
        """Seconds of processor time that it has used."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- running ----

def alone(test):
    """For tests that can't be beside others."""
    test.alone = True
    return test


class Runner:
    """Runs tests, six at once. `given`: what a test is given by name besides `tmp` and `w`, for which `new_world` makes a new one."""

    def __init__(self, folder, controller=None, given=None, new_world=None):
        self.folder, self.controller, self.given, self.new_world = folder, controller, given or {}, new_world

    def run(self, test):
        """(seconds, reason to skip, what went wrong)."""
        start, w = time.monotonic(), None
        try:
            given = {}
            for name in inspect.signature(test).parameters:
                if name == "w":
                    given[name] = w = self.new_world()
                elif name == "tmp":
                    given[name] = tempfile.mkdtemp(dir=self.folder)
                else:
                    given[name] = self.given[name]
            test(**given)
            trouble = None
        except Skip as e:
            return 0, str(e), None
        except Exception:  # pylint: disable=broad-except
            trouble = traceback.format_exc() + (w.summary() if w else "")
        finally:
            if w:
                w.close()
        return time.monotonic() - start, None, trouble

    def report(self, number, test, result):
        seconds, skipped, trouble = result
        name = test.__name__[5:].replace("_", " ")
        print(f"{'not ok' if trouble else 'ok'} {number} - {name}" + (f" # SKIP {skipped}" if skipped else f" ({seconds:.1f} s)"), flush=True)
        if trouble:
            print("\n".join("# " + line for line in trouble.splitlines()), flush=True)
        return trouble is not None

    def all(self, tests):
        """Runs and reports them; returns how many failed."""
        # The pool's threads live to its end, and with them what they started.
        with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("VMEXPORT_JOBS", "6"))) as pool:
            jobs = [None if hasattr(test, "alone") else pool.submit(self.run, test) for test in tests]
            concurrent.futures.wait([job for job in jobs if job])
            return sum(self.report(number, test, job.result() if job else self.run_alone(test))
                       for number, (test, job) in enumerate(zip(tests, jobs), 1))

    def run_alone(self, test):
        result = self.run(test)
        if self.controller and not self.controller.process:        # what it left behind is not for the next to find
            try:
                self.controller.start()
            except AssertionError as e:
                return result[0], None, (result[2] or "") + f"\nthe controller did not start again: {e}"
        return result


def run_all(module, tests, folder, group, flags, beside, start, options):
    failed = 0
    with control_plane(folder + "/plane", group, beside, **options) as plane:
        if "setup" in module:
            module["setup"](plane)
        controller = Controller(plane, group, flags, start=False)
        try:
            if start:
                controller.start()
            running = controller if start else None
            failed = Runner(folder, running, {"plane": plane, "controller": running}, lambda: World(plane, running)).all(tests)
            if controller.process:
                controller.check()
                equal(controller.stop(), 0, "the controller's exit code at the end")
        finally:
            if controller.process:
                controller.kill()
            if failed or os.environ.get("VMEXPORT_KEEP_LOGS"):
                keep_logs(module, plane)
    return failed


def keep_logs(module, plane):
    """Those of all controllers that ran, where the build is."""
    folder = f"{BUILD}/tests/controller/{os.path.basename(module['__file__'])}.logs"
    for path in glob.glob(plane.dir + "/*/*.log"):
        os.makedirs(folder, exist_ok=True)
        shutil.copy(path, folder)
        print(f"# a controller's log: {folder}/{os.path.basename(path)}")


def tests_of(module):
    """Those of the module whose names have the word of the command line; what can't be beside others comes last."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = [f for name, f in module.items() if name.startswith("test_") and only in name]
    return sorted(tests, key=lambda f: hasattr(f, "alone"))


def main(module, group=GROUP, flags=(), beside=neighbours.ALL, start=True, **options):
    """Runs the module's tests and ends the program. `flags` are the controller's, `beside` the neighbours' CRDs that are there,
    `options` those of ControlPlane. start=False: the tests start what controllers they need, `controller` is None.
    A function setup(plane) of the module is called before the controller starts."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tests = tests_of(module)
    print(f"1..{len(tests)}", flush=True)
    folder = tempfile.mkdtemp(prefix="vmexport-controller-", dir=os.environ.get("TMPDIR", "/tmp"))
    failed = 1
    try:
        failed = run_all(module, tests, folder, group, flags, beside, start, options)
    except (AssertionError, Failed) as e:
        print("\n".join("# " + line for line in f"at the end: {e}".splitlines()), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)
