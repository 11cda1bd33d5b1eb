# SPDX-License-Identifier: Apache-2.0
"""Our export pod and the Go peer: started on a free port with the same volumes, token and certificate."""

import os
import re
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
START_SECONDS = 20
STOP_SECONDS = 20
TOKEN = "benchmark"


def run(*command, **options):
    """Runs a short command; its output, or CalledProcessError with the error output shown."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def build_peer(build_dir):
    program = os.path.join(os.path.abspath(build_dir), "tests", "bench", "peer")
    run("go", "build", "-o", program, ".", cwd=os.path.join(HERE, "peer"))
    return program


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """What the servers and the client share: a folder on a tmpfs with certificate, token, client's header."""

    def __init__(self, volumes):
        self.volumes = volumes  # name -> (content, path)
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="vmexport-bench-", dir=shm)
        self.cert, self.key, self.token, self.header = map(self.path, ("crt", "key", "token", "header"))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", self.key, "-out", self.cert, stderr=subprocess.DEVNULL)
        self._write(self.token, TOKEN)
        self._write(self.header, f"x-kubevirt-export-token: {TOKEN}\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def path(self, name):
        return os.path.join(self._folder.name, name)

    @staticmethod
    def _write(path, text):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def curl(self, url):
        # From one file of options: its command line shows no token.
        return ["curl", "-sS", "--http1.1", "--noproxy", "*", "--cacert", self.cert, "-H", f"@{self.header}", url]


class Server:
    """A running server. Both kinds are made anew for each row, so that one row's memory is not another's."""

    def __init__(self, name, site, command, environment, port, path="", address="127.0.0.1"):
        self.name = name
        self.url = f"https://{address}:{port}{path}"
        self._site = site
        self._log = open(site.path(f"{name}.log"), "ab+")
        self._process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                                         stdout=self._log, stderr=self._log)
        self.pid = self._process.pid

    def __enter__(self):
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        probe = [*self._site.curl(self.url + "/exportready"), "-f", "-o", "/dev/null"]
        while subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not serve:\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self):
        self._log.seek(0)
        return self._log.read()[-2000:].decode(errors="replace")

    def curl(self, path):
        return self._site.curl(self.url + path)

    def cipher(self):
        """Protocol and cipher that curl and this server agree on."""
        command = [*self.curl("/exportready"), "-v", "-o", "/dev/null"]
        output = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        found = re.search(r"SSL connection using (\S+ / [A-Za-z0-9_-]+)", output)
        return found.group(1).replace(" / ", " ") if found else "unknown"


def start_ours(site, build_dir):
    port = free_port()
    run_dir = tempfile.mkdtemp(prefix="run-", dir=site.path(""))
    lines = [f"{name} {content} {'-' if content == 'archive' else 'bench'} {path}"
             for name, (content, path) in site.volumes.items()]
    environment = {
        "VMEXPORT_VOLUMES": "\n".join(lines),
        "VMEXPORT_TOKEN_FILE": site.token,
        "VMEXPORT_CERT_FILE": site.cert,
        "VMEXPORT_KEY_FILE": site.key,
        "VMEXPORT_ADDRESS": "127.0.0.1",
        "VMEXPORT_PORT": str(port),
        "VMEXPORT_RUN_DIR": run_dir,
        "VMEXPORT_LIGHTTPD_CONF": os.path.join(ROOT, "lighttpd", "export.conf"),
    }
    return Server("ours", site, [os.path.join(os.path.abspath(build_dir), "lighttpd", "pod")], environment, port)


def start_peer(site, program):
    port = free_port()
    command = [program, "-listen", f"127.0.0.1:{port}", "-cert", site.cert, "-key", site.key,
               "-token-file", site.token]
    for name, (_, path) in site.volumes.items():
        command += ["-volume", f"{name}={path}"]
    return Server("peer", site, command, {}, port)


def machine_facts():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*:\s*(.*)", file.read())
    lighttpd = os.environ.get("VMEXPORT_LIGHTTPD", "/usr/sbin/lighttpd")
    return ", ".join([
        model.group(1) if model else os.uname().machine,
        f"{len(os.sched_getaffinity(0))} cores",
        f"Linux {os.uname().release}",
        run(lighttpd, "-v").split()[0],
        " ".join(run("openssl", "version").split()[:2]),
        run("go", "version").split()[2],
        " ".join(run("curl", "--version").split()[:2]),
    ])
