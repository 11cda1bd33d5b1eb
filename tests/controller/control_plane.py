# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API of the test's own: etcd, kube-apiserver and (unless told otherwise) kube-controller-manager, real
ones, on free ports of the loopback, with everything they keep in one folder. No node: pods are only objects, and
their status is what the test writes, as envtest's users do.

    with ControlPlane(folder, crds=["crd.yaml"]) as plane:
        plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "a"}})
        plane.kubectl("get", "pods", "--namespace", "a")
        controller(plane.kubeconfig_for("a", "controller"))        # the ServiceAccount's own rights, by RBAC

It takes three seconds to start and 480 MiB, and ends with the program that started it, however that ends. The programs
are those in VMEXPORT_KUBERNETES, or what tests/cluster/build makes; VMEXPORT_ETCD names another etcd.

In the foreground, until Ctrl-C or SIGTERM, with the path of a kubeconfig as its one line of output:

    python3 tests/controller/control_plane.py --dir FOLDER [--crd FILE]... [--apply FILE]... [--no-manager]
"""
import argparse
import base64
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_SECONDS = 120         # generous: another start, or a build, may have the processors
RESERVED = []               # sockets
SERVICE_CIDR, SERVICE_ADDRESS = "10.96.0.0/16", "10.96.0.1"
# What the tests rely on. Without the binder, a claim's phase is the test's to say; without the pod garbage collector,
# a pod may be on a node that there isn't.
CONTROLLERS = ("garbage-collector-controller", "namespace-controller", "serviceaccount-controller",
               "root-ca-certificate-publisher-controller", "clusterrole-aggregation-controller", "resourcequota-controller",
               "persistentvolumeclaim-protection-controller", "persistentvolume-protection-controller")
PATCHES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json",
           "strategic": "application/strategic-merge-patch+json", "apply": "application/apply-patch+yaml"}
NEVER_ANSWERED = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, http.client.RemoteDisconnected, http.client.CannotSendRequest)


class Failed(Exception):
    """A program of the control plane ended, didn't become ready, or kubectl refused."""


class Program:
    """One process, its output in FOLDER/NAME.log. It is killed when the thread that started it ends: start it in one that
    lives as long as it is needed. `starter`: what starts it otherwise."""

    def __init__(self, folder, name, command, env=None, starter=("setpriv", "--pdeathsig", "KILL")):
        self.name, self.log = name, os.path.join(folder, name + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*starter, *command], cwd=folder, env=dict(os.environ, **env or {}),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def check(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} has ended with {self.process.returncode}: {self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-5:]).strip() + f" (whole log: {self.log})"

    def stop(self):
        # Nothing of it is kept, so nothing needs the seconds of an orderly end.
        self.process.kill()
        self.process.wait()


def free_ports(count):
    """Ports for servers that listen with SO_REUSEADDR, as those of Go and ours do. They stay bound to this process, so that the
    kernel gives them neither to who asks for any port nor to a connection."""
    for _ in range(count):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)       # only now: nobody else may reserve it
        RESERVED.append(s)
    return [s.getsockname()[1] for s in RESERVED[-count:]]


def programs():
    """The folder with Kubernetes' programs, built first if need be."""
    folder = os.environ.get("VMEXPORT_KUBERNETES")
    if not folder:
        folder = subprocess.run([REPO + "/tests/cluster/build"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return folder


class Certificates:
    """One authority and what it signed, as files NAME.crt and NAME.key in a folder: ECDSA P-256, a year. The server's is for
    `address`; `clients` are (NAME, subject) of more than the admin and the manager."""

    def __init__(self, folder, address, clients=()):
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.config = self.path("openssl.cnf")       # the machine's own would make every one an authority
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("[req]\ndistinguished_name = name\n[name]\n")
        self._finish(self._openssl("ca", "/CN=vmexport tests", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"))
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"]
        alternatives = ",".join(["DNS:" + n for n in names] + ["IP:" + address, "IP:" + SERVICE_ADDRESS])
        client = "extendedKeyUsage=clientAuth"
        pending = [self._signed("server", "/CN=kube-apiserver", "extendedKeyUsage=serverAuth", "subjectAltName=" + alternatives),
                   self._signed("admin", "/O=system:masters/CN=admin", client),
                   self._signed("manager", "/CN=system:kube-controller-manager", client),
                   *(self._signed(name, subject, client) for name, subject in clients),
                   self._start(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", self.path("sa.key")])]
        for process in pending:
            self._finish(process)

    @classmethod
    def kept(cls, folder):
        """Those that are in the folder already."""
        cert = cls.__new__(cls)
        cert.folder = folder
        return cert

    def path(self, name):
        return os.path.join(self.folder, name)

    def data(self, name):
        with open(self.path(name), "rb") as f:
            return base64.b64encode(f.read()).decode()

    def _signed(self, name, subject, *extensions):
        return self._openssl(name, subject, "basicConstraints=critical,CA:FALSE", *extensions, more=["-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key")])

    def _openssl(self, name, subject, *extensions, more=()):
        command = ["openssl", "req", "-x509", "-config", self.config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365",
                   "-subj", subject, "-out", self.path(name + ".crt"), "-keyout", self.path(name + ".key"), *more]
        for extension in extensions:
            command += ["-addext", extension]
        return self._start(command)

    @staticmethod
    def _start(command):
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def _finish(process):
        error = process.communicate()[1]
        if process.returncode != 0:
            raise Failed(f"openssl failed: {error.strip()}")


class ControlPlane:
    """See the head of the file. `crds` are files that are applied before the controller-manager starts: its garbage
    collector looks for new kinds only every 30 s (or call stop_manager() and start_manager() after apply_crds()). `server_flags`, `manager_flags`: more flags, which win over ours.

    Worth knowing for tests of clients: server_flags ["--min-request-timeout=2"] ends watches that ask for no timeoutSeconds
    after 2 to 4 s; after stop_server() and start_server() a watch from an older resourceVersion gets 410 Expired; with
    ["--etcd-compaction-interval=3s"] so does the continuation of a list after some 10 s, if there were writes meanwhile.
    A namespace takes 5 s to go.

    server: https://127.0.0.1:PORT     ca: path of its authority's certificate
    admin: path of a kubeconfig for everything     cert: certificates (cert.path("server.crt"), "server.key", "admin.crt", ...)
    programs: the folder with kubectl and the others

    A subclass can have it elsewhere: `address` says where it listens, `clients` whose certificates it makes besides, program()
    starts one, and choose_ports() chooses (tests/cluster/node.py).
    """
    address, clients = "127.0.0.1", ()

    def __init__(self, folder, manager=True, crds=(), controllers=CONTROLLERS, server_flags=(), manager_flags=()):
        self.dir, self.programs = os.path.abspath(folder), programs()
        self.with_manager, self.crds, self.controllers = manager, crds, controllers
        self.server_flags, self.manager_flags = list(server_flags), list(manager_flags)
        self.etcd = self.apiserver = self.manager = None
        self.local = threading.local()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- life

    def start(self):
        os.makedirs(self.dir, exist_ok=True)
        self.use_certificates(Certificates(os.path.join(self.dir, "pki"), self.address, self.clients))
        try:
            self._start_etcd_and_server()
            self.apply_crds(*self.crds)
            if self.with_manager:
                self.start_manager()
        except BaseException:
            self.stop()
            raise

    def use_certificates(self, cert):
        self.cert, self.ca = cert, cert.path("ca.crt")
        self.context = ssl.create_default_context(cafile=self.ca)
        self.context.load_cert_chain(cert.path("admin.crt"), cert.path("admin.key"))

    def program(self, name, command):
        return Program(self.dir, name, command)

    def choose_ports(self):
        self.port, self.etcd_port, self.peer_port = free_ports(3)

    def use_ports(self):
        self.choose_ports()
        self.server = f"https://{self.address}:{self.port}"
        self.admin = self.kubeconfig_of("admin")

    def stop(self):
        self.stop_manager()
        self.stop_server()
        if self.etcd:
            self.etcd.stop()
            self.etcd = None

    def _start_etcd_and_server(self, tries=3):
        # A port can be taken between its choice and its use.
        self.use_ports()
        try:
            self._start_etcd()
            self.start_server()
        except Failed as e:
            self.stop()
            if tries == 1 or "address already in use" not in str(e):
                raise
            self._start_etcd_and_server(tries - 1)

    def _start_etcd(self):
        program = shutil.which(os.environ.get("VMEXPORT_ETCD", "etcd"))
        if not program:
            raise Failed("there is no etcd: tools/deps cluster installs one, or name one in VMEXPORT_ETCD")
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        data = os.path.join(self.dir, "etcd")
        shutil.rmtree(data, ignore_errors=True)
        # The election among one is over at once with these times.
        self.etcd = self.program("etcd", [
            program, "--unsafe-no-fsync", f"--data-dir={data}", "--name=default", "--logger=zap", "--log-level=warn", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}", "--heartbeat-interval=20", "--election-timeout=200"])

    def start_server(self):
        """The API server, at the same port as before if it was there before; returns when it is ready."""
        path = self.cert.path
        self.apiserver = self.program("kube-apiserver", [
            self.programs + "/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}", f"--bind-address={self.address}", f"--advertise-address={self.address}",
            f"--secure-port={self.port}", f"--tls-cert-file={path('server.crt')}", f"--tls-private-key-file={path('server.key')}",
            f"--client-ca-file={self.ca}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local", f"--service-account-key-file={path('sa.key')}",
            f"--service-account-signing-key-file={path('sa.key')}", f"--service-cluster-ip-range={SERVICE_CIDR}", "--authorization-mode=RBAC",
            "--allow-privileged=true", "--endpoint-reconciler-type=none", "--profiling=false", *self.server_flags])
        self.wait(lambda: self.status_of("/readyz") == 200, "the API server is ready")

    def stop_server(self):
        """Away at once; what it had is in etcd."""
        if self.apiserver:
            self.apiserver.stop()
            self.apiserver = None
        self.local = threading.local()

    def start_manager(self):
        """The controller-manager; returns when it works."""
        kubeconfig = self.kubeconfig_of("manager")
        # It puts this back when it works: after a restart, too.
        self.request("DELETE", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt")
        # Each controller would be held to 20 requests a second: what the tests measure isn't Kubernetes' own patience.
        self.manager = self.program("kube-controller-manager", [
            self.programs + "/kube-controller-manager", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--use-service-account-credentials",
            "--secure-port=0", f"--root-ca-file={self.ca}", "--controllers=" + ",".join(self.controllers), "--kube-api-qps=500", "--kube-api-burst=1000", "--profiling=false",
            *self.manager_flags])
        self.wait(lambda: self.status_of("/api/v1/namespaces/default/serviceaccounts/default") == 200
                   and self.status_of("/api/v1/namespaces/default/configmaps/kube-root-ca.crt") == 200, "the controller-manager works")

    def stop_manager(self):
        if self.manager:
            self.manager.stop()
            self.manager = None

    def status_of(self, path):
        try:
            return self.request("GET", path)[0]
        except (OSError, http.client.HTTPException):
            return 0

    def running(self):
        return [p for p in (self.etcd, self.apiserver, self.manager) if p]

    def wait(self, condition, what):
        end = time.monotonic() + START_SECONDS
        while not condition():
            for program in self.running():
                program.check()
            if time.monotonic() > end:
                raise Failed(f"not within {START_SECONDS} s: {what} (logs: {self.dir}/*.log)")
            time.sleep(0.03)

    # ---- kubeconfigs

    def kubeconfig_of(self, client):
        """The path of one with that client's certificate."""
        return self._kubeconfig(client, {"client-certificate-data": self.cert.data(client + ".crt"), "client-key-data": self.cert.data(client + ".key")})

    def _kubeconfig(self, name, user, namespace="default", server=None):
        path = os.path.join(self.dir, name + ".kubeconfig")
        config = {"apiVersion": "v1", "kind": "Config", "current-context": name, "users": [{"name": name, "user": user}],
                  "clusters": [{"name": name, "cluster": {"server": server or self.server, "certificate-authority-data": self.cert.data("ca.crt")}}],
                  "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}]}
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            json.dump(config, f, indent=1)       # which is YAML, too
        return path

    def token(self, namespace, serviceaccount, seconds=3600):
        """A token of a ServiceAccount, as a pod of it would get. 600 s is the least that the server gives."""
        status, answer = self.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{serviceaccount}/token",
                                      {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}})
        if status != 201:
            raise Failed(f"no token for {namespace}/{serviceaccount}: {answer}")
        return answer["status"]["token"]

    def kubeconfig_for(self, namespace, serviceaccount, server=None, seconds=3600):
        """The path of a kubeconfig with such a token. `server`: another address, such as a proxy's that has server.crt, too."""
        name = f"{namespace}.{serviceaccount}" + (".proxied" if server else "")
        return self._kubeconfig(name, {"token": self.token(namespace, serviceaccount, seconds)}, namespace, server)

    # ---- clients

    def request(self, method, path, body=None, patch="merge", headers=None, timeout=60, raw=False):
        """(status, object) of a request as admin; a text where it isn't JSON, or with `raw` (a watch, until its timeoutSeconds
        are over). Each thread has a connection of its own.
        patch: merge, strategic, json, or apply (with ?fieldManager=NAME in the path)."""
        headers = {"Accept": "application/json", "Content-Type": PATCHES[patch] if method == "PATCH" else "application/json", **(headers or {})}
        data = None if body is None else json.dumps(body)
        while True:
            connection = getattr(self.local, "connection", None)
            reused = connection is not None
            if not reused:
                connection = self.local.connection = http.client.HTTPSConnection(self.address, self.port, context=self.context, timeout=timeout)
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                text = response.read()
                break
            except (OSError, http.client.HTTPException) as e:
                connection.close()
                self.local.connection = None
                if not reused or not isinstance(e, NEVER_ANSWERED):
                    raise
        is_json = not raw and (response.getheader("Content-Type") or "").startswith("application/json")
        return response.status, json.loads(text) if is_json else text.decode()

    def kubectl(self, *args, input=None, timeout=120):        # pylint: disable=redefined-builtin
        """kubectl as admin: its output, or Failed with what it said."""
        env = dict(os.environ, KUBECACHEDIR=os.path.join(self.dir, "kubectl"), KUBERC="off")
        done = subprocess.run([self.programs + "/kubectl", "--kubeconfig", self.admin, *args], input="" if input is None else input,
                              capture_output=True, text=True, timeout=timeout, env=env, check=False)
        if done.returncode != 0:
            raise Failed(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *files):
        """Server-side apply of files of objects."""
        self.kubectl("apply", "--server-side", "--force-conflicts", *[word for file in files for word in ("--filename", file)])

    def apply_crds(self, *files):
        """The same for CustomResourceDefinitions, until they are served."""
        if files:
            self.apply(*files)
            self.wait(self._established, "all CustomResourceDefinitions are established")

    def until_allowed(self, user, **what):
        """Waits for rights that were just given: the API server learns of them by watches of its own, and refuses until then.
        what: resourceAttributes of a SubjectAccessReview."""
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": user, "resourceAttributes": what}}
        self.wait(lambda: self.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)[1]["status"]["allowed"], f"{user} may {what}")

    def _established(self):
        _, crds = self.request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        return all(any(c["type"] == "Established" and c["status"] == "True" for c in crd.get("status", {}).get("conditions") or [])
                   for crd in crds["items"])


def main():
    parser = argparse.ArgumentParser(description="A Kubernetes API of its own, until Ctrl-C. Prints the path of its kubeconfig when it is ready.")
    parser.add_argument("--dir", help="where everything of it goes (default: a new folder, removed at the end)")
    parser.add_argument("--crd", action="append", default=[], metavar="FILE", help="CustomResourceDefinitions to apply first")
    parser.add_argument("--apply", action="append", default=[], metavar="FILE", help="objects to apply then")
    parser.add_argument("--no-manager", action="store_true", help="without the controller-manager: no garbage collection, no default ServiceAccounts")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    folder = args.dir or tempfile.mkdtemp(prefix="vmexport-control-plane-")
    try:
        with ControlPlane(folder, not args.no_manager, args.crd) as plane:
            if args.apply:
                plane.apply(*args.apply)
            print(f"{plane.server} is ready; kubectl and the others are in {plane.programs}", file=sys.stderr)
            print(plane.admin, flush=True)
            while True:
                signal.pause()
    except Failed as e:
        sys.exit(f"control_plane.py: {e}")
    finally:
        if not args.dir:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
