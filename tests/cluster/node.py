# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes of one node: what control_plane.py starts, and besides the scheduler, the kubelet, kube-proxy, CoreDNS and
containerd with runc, all of it in a machine made of namespaces (machine.py) and one folder.

    with Node(folder) as node:                       # ends with the thread that made it
        node.load("build/image/vmexport.oci.tar")
        node.kubectl("apply", "--filename", "pod.yaml")
        node.request("GET", "/api/v1/nodes/node1")   # everything that ControlPlane has
        with node.port_forward("default", "service/web", 80) as port: ...
        node.restart_containerd()

    node = attached(folder)                          # one that `tests/cluster/cluster up` has made

The API server, NodePorts and pods are reached from this machine, at node.address and at the pods' own addresses; Services'
ClusterIPs and names only in pods, and by node.machine.run(...), which runs a program in the node. It needs root.
"""
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess

import images
import volumes
from machine import HERE, Failed, Machine, command, until
from control_plane import Certificates, ControlPlane, Program

# What it needs of the machine: each is there when its package is.
NEEDED = {"etcd": "etcd-server", "containerd": "containerd", "ctr": "containerd", "runc": "runc", "/usr/lib/cni/ptp": "containernetworking-plugins",
          "iptables": "iptables", "ip": "iproute2", "losetup": "mount", "unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux",
          "openssl": "openssl", "cc": "gcc"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_FOLDER = 64         # the kubelet's sockets are below it, and a socket's path has 107 bytes
CONTAINERD = "/run/containerd/containerd.sock"
READY_SECONDS = 120

# Its OOM scores can't be lowered everywhere; AppArmor's profiles would be the whole machine's.
CONTAINERD_CONFIG = """version = 2
root = "{dir}/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  device_ownership_from_security_context = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{dir}/cni"
"""

COREDNS_CONFIG = """cluster.local {{
    bind {address}
    ready {address}:8181
    errors
    cache 5
    kubernetes cluster.local {{
        kubeconfig {kubeconfig}
        pods verified
        ttl 5
    }}
}}
"""


def check_needs():
    """Failed with all that is missing on this machine."""
    if os.geteuid() != 0:
        raise Failed("a node needs root: for namespaces, mounts, cgroups and the packet filter")
    missing = {package for what, package in NEEDED.items() if not any(os.access(os.path.join(folder, what), os.X_OK) for folder in PATH.split(":"))}
    if missing:
        raise Failed(f"a node needs {', '.join(sorted(missing))}: tools/deps run cluster node installs them")


class Node(ControlPlane):
    """See the head of the file. `lasting`: it goes on when the program ends that started it.

    name        of the node        address     of it, as seen from this machine
    machine     the Machine        admin       the path of a kubeconfig
    """
    name = "node1"
    clients = (("scheduler", "/CN=system:kube-scheduler"), ("proxy", "/CN=system:kube-proxy"), ("kubelet", "/O=system:nodes/CN=system:node:node1"))

    def __init__(self, folder, lasting=False):
        check_needs()
        folder = os.path.realpath(folder)
        super().__init__(folder, controllers=("*",), manager_flags=[f"--flex-volume-plugin-dir={folder}/kubelet/exec-plugins"])
        self.lasting, self.parts = lasting, {}
        self.machine = Machine(self.dir)

    # ---- life

    def start(self):
        if len(self.dir) > LONGEST_FOLDER:
            raise Failed(f"{self.dir} is too long a name for a node's folder: {LONGEST_FOLDER} bytes are the most")
        coredns = command(HERE + "/build", "coredns").strip() + "/coredns"
        self.machine.start(self.lasting)
        try:
            self._place()
            self.start_containerd()
            # Its image is there long before the first pod.
            with concurrent.futures.ThreadPoolExecutor() as others:
                pause = others.submit(self.load, images.pause(self.dir + "/pause.tar"))
                super().start()
                pause.result()
            self._start_coredns(coredns)
            volumes.classes(self)
            self.wait(self._ready, "the node is ready")
        except BaseException:
            self.machine.end()      # the logs are kept
            raise

    def attach(self):
        """Takes up the one that is running in its folder."""
        if not self.machine.init:
            raise Failed(f"no node is running in {self.dir}: tests/cluster/cluster up starts one")
        self._place()
        self.use_certificates(Certificates.kept(self.dir + "/pki"))
        self.use_ports()
        return self

    def stop(self):
        """Ends it."""
        self.forget()
        self.machine.end()

    def __exit__(self, *_):
        """Ends it, and leaves nothing behind."""
        self.forget()
        self.machine.down()

    def forget(self):
        self.etcd = self.apiserver = self.manager = None
        self.parts = {}

    def _place(self):
        self.address = self.machine.address
        self.server_flags = ["--authorization-mode=Node", "--enable-admission-plugins=NodeRestriction", "--endpoint-reconciler-type=lease",
                             f"--kubelet-client-certificate={self.dir}/pki/admin.crt", f"--kubelet-client-key={self.dir}/pki/admin.key",
                             # else logs, exec and port-forward look for the node's name in DNS
                             "--kubelet-preferred-address-types=InternalIP"]

    def choose_ports(self):
        self.port, self.etcd_port, self.peer_port = 6443, 2379, 2380

    def program(self, name, command):       # pylint: disable=redefined-outer-name
        """Starts one in the machine. It is killed when what entered the machine for it is: see Program.stop()."""
        env = {"PATH": PATH, "HOME": self.dir}
        self.parts[name] = Program(self.dir, name, command, env, self.machine.inside("setpriv", "--pdeathsig", "KILL"))
        return self.parts[name]

    def running(self):
        return list(self.parts.values())

    def write(self, name, content):
        """A file in its folder; its path."""
        path = f"{self.dir}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path

    # ---- its parts

    def start_containerd(self):
        """containerd; returns when it answers."""
        network = {"cniVersion": "0.4.0", "name": "pods", "plugins": [
            {"type": "ptp", "ipam": {"type": "host-local", "dataDir": self.dir + "/cni-addresses", "ranges": [[{"subnet": self.machine.pods}]], "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "portmap", "capabilities": {"portMappings": True}}]}
        self.write("cni/pods.conflist", network)
        config = self.write("containerd.toml", CONTAINERD_CONFIG.format(dir=self.dir, socket=CONTAINERD, pause=images.PAUSE))
        containerd = self.program("containerd", ["containerd", "--config", config])

        def answers():
            containerd.check()
            return subprocess.run(self.machine.inside("ctr", "version"), capture_output=True, check=False).returncode == 0
        until(answers, "containerd answers", READY_SECONDS)

    def start_manager(self):
        # The others need the API server, too, but not the manager.
        binding = {"metadata": {"name": "tests:node-proxier"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node-proxier"},
                   "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:kube-proxy"}]}
        self.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        self._start_kubelet()
        self.program("kube-scheduler", [self.programs + "/kube-scheduler", "--kubeconfig=" + self.kubeconfig_of("scheduler"), "--leader-elect=false"])
        self.program("kube-proxy", [self.programs + "/kube-proxy", "--kubeconfig=" + self.kubeconfig_of("proxy"), "--hostname-override=" + self.name,
                                    "--proxy-mode=iptables", "--oom-score-adj=0", "--cluster-cidr=" + self.machine.pods, "--nodeport-addresses=0.0.0.0/0",
                                    # the kernel's own limits are the whole machine's
                                    "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0"])
        super().start_manager()

    def _start_kubelet(self):
        config = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "containerRuntimeEndpoint": "unix://" + CONTAINERD,
                  "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": self.ca}, "webhook": {"enabled": True}}, "authorization": {"mode": "Webhook"},
                  "cgroupDriver": "cgroupfs", "cgroupRoot": "/" + self.machine.cgroup, "failCgroupV1": False, "failSwapOn": False, "oomScoreAdj": 0,
                  # a full disk of this machine is no reason to end pods
                  "imageGCHighThresholdPercent": 100, "evictionHard": {"memory.available": "100Mi"},
                  "clusterDNS": [self.address], "clusterDomain": "cluster.local", "resolvConf": self.write("resolv.conf", f"nameserver {self.address}\n"),
                  "volumePluginDir": self.dir + "/kubelet/exec-plugins"}
        self.program("kubelet", [self.programs + "/kubelet", "--config=" + self.write("kubelet.json", config), "--kubeconfig=" + self.kubeconfig_of("kubelet"),
                                 "--hostname-override=" + self.name, "--node-ip=" + self.address, "--root-dir=" + self.dir + "/kubelet", "--cert-dir=" + self.dir + "/kubelet-pki"])

    def _start_coredns(self, program):
        config = self.write("Corefile", COREDNS_CONFIG.format(address=self.address, kubeconfig=self.admin))
        self.program("coredns", [program, "-conf", config])

    def _ready(self):
        status, node = self.request("GET", "/api/v1/nodes/" + self.name)
        conditions = node.get("status", {}).get("conditions", []) if status == 200 else []
        return (any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) and self._answers(8181, "/ready") and self._answers(10256, "/healthz"))

    def _answers(self, port, path):
        """Whether a part of it says so over HTTP."""
        connection = http.client.HTTPConnection(self.address, port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    # ---- for tests

    def create(self, path, body):
        """POST; the object, or Failed."""
        status, answer = self.request("POST", path, body)
        if status not in (200, 201, 202):
            raise Failed(f"POST {path}: {status} {answer.get('message', answer) if isinstance(answer, dict) else answer}")
        return answer

    def load(self, archive, name=None):
        """Takes the images of an archive, OCI's or of `docker save`; their names. `name`: one that it gets besides."""
        out = self.ctr("images", "import", os.path.realpath(archive))
        names = re.findall(r"^unpacking (\S+) \(sha256:", out, re.MULTILINE)
        if not names:
            raise Failed(f"no image in {archive}: {out.strip()}")
        if name and name not in names:
            self.ctr("images", "tag", "--force", names[0], name)
            names.append(name)
        return names

    def ctr(self, *words):
        return self.machine.run("ctr", "--namespace", "k8s.io", *words)

    def restart_containerd(self):
        """As a node's administrator would: its pods go on running meanwhile."""
        pids = [pid for pid, words in self.machine.processes() if os.path.basename(words[0]) == "containerd"]
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
            until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), "containerd has ended")
        self.start_containerd()

    @contextlib.contextmanager
    def port_forward(self, namespace, what, port):
        """`kubectl port-forward` to a port of a pod or service; gives the port of the loopback that leads there."""
        forward = subprocess.Popen([self.programs + "/kubectl", "--kubeconfig", self.admin, "--namespace", namespace, "port-forward", what, f":{port}"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+)", forward.stdout.readline())
            if not found:
                raise Failed(f"no port-forward to {what}: {forward.communicate()[1].strip()}")
            yield int(found[1])
        finally:
            forward.kill()
            forward.communicate()


def attached(folder):
    """The Node that is running in a folder."""
    return Node(folder, lasting=True).attach()
