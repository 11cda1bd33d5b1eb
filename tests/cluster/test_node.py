#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The node that the end-to-end tests run on: that what they rely on works, and that it leaves nothing behind."""
import hashlib
import os
import signal
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE, HERE + "/../http"]
# pylint: disable=wrong-import-position
import images
import volumes
from harness import MIB, check, equal, main, make_disk, wait_until
from machine import LINK, MACHINES, Failed, Machine, loops, pids, read
from node import Node, attached

RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
# Where its programs would write on a machine that is theirs.
PLACES = ("/etc/cni", "/etc/kubernetes", "/opt/cni", "/run/containerd", "/run/netns", "/usr/libexec/kubernetes", "/var/lib/cni", "/var/lib/containerd",
          "/var/lib/kubelet", "/var/log/containers", "/var/log/pods")
SERVE = "echo hello >/tmp/index.html; echo serving; exec httpd -f -p 8080 -h /tmp"


def make_node(fixtures):
    begun = time.monotonic()
    node = fixtures.stack.enter_context(Node(fixtures.tmp + "/node"))
    print(f"# up after {time.monotonic() - begun:.1f} s")
    load_tools(node)
    return node


def load_tools(node):
    equal(node.load(images.tools(node.dir + "/tools.tar")), [images.TOOLS], "what an archive has")


def make_web(fixtures):
    """A pod that serves, and its Service."""
    node = fixtures.get("node")
    pod(node, "web", SERVE, labels={"app": "web"}, container={"readinessProbe": {"httpGet": {"port": 8080, "path": "/index.html"}, "periodSeconds": 1}})
    node.create("/api/v1/namespaces/default/services", {"metadata": {"name": "web"}, "spec": {
        "type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}})
    node.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=100s")
    return "web"


def pod(node, name, script=None, container=None, labels=None, **spec):
    """A pod of the tools; sleeps without a script."""
    command = {"command": ["/bin/sh", "-c", script]} if script else {}
    node.create("/api/v1/namespaces/default/pods", {"metadata": {"name": name, "labels": labels or {}}, "spec": {
        "terminationGracePeriodSeconds": 0, "restartPolicy": "Never", **spec,
        "containers": [{"name": "tools", "image": images.TOOLS, "imagePullPolicy": "Never", **command, **(container or {})}]}})


def status(node, name):
    return node.request("GET", f"/api/v1/namespaces/default/pods/{name}")[1]["status"]


def ended(node, name):
    """What a pod has said when it has ended, in good order."""
    wait_until(lambda: status(node, name)["phase"] in ("Succeeded", "Failed"), f"the pod {name} has ended", 180)
    said = node.kubectl("logs", name)
    equal(status(node, name)["phase"], "Succeeded", f"the pod {name}, which said {said!r}")
    return said


def shell(node, name, script):
    return node.kubectl("exec", name, "--", "sh", "-c", script)


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def test_pod_runs_and_is_ready(node, web):
    equal(node.kubectl("logs", web), "serving\n", "its log")
    equal(shell(node, web, "echo $((6*7))"), "42\n", "exec")
    equal(fetch(f"http://{status(node, web)['podIP']}:8080/"), "hello\n", "from this machine")


def test_service_from_pods_and_node_port_from_here(node, web):      # pylint: disable=unused-argument
    wait_until(lambda: fetch_or_nothing(f"http://{node.address}:30080/") == "hello\n", "the NodePort answers", 60)
    pod(node, "client")
    node.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=100s")
    address = node.request("GET", "/api/v1/namespaces/default/services/web")[1]["spec"]["clusterIP"]
    for url in (f"http://{address}/", "http://web/", "http://web.default.svc.cluster.local/", f"http://{node.address}:30080/"):
        equal(shell(node, "client", f"wget -q -O - {url}"), "hello\n", f"{url} from a pod")
    equal(shell(node, "web", "wget -q -O - http://web.default.svc/"), "hello\n", "from the pod that serves it")
    check("10.96.0.1" in shell(node, "client", "nslookup kubernetes.default.svc.cluster.local"), "the API server has a name")
    check("NXDOMAIN" in node.kubectl("exec", "client", "--", "sh", "-c", "nslookup nothing.default.svc.cluster.local 2>&1 || true"), "others have none")
    equal(node.machine.run("busybox", "wget", "-q", "-O", "-", f"http://{address}/"), "hello\n", "from the node")


def fetch_or_nothing(url):
    try:
        return fetch(url)
    except OSError:
        return ""


def test_port_forward(node, web):
    with node.port_forward("default", "service/" + web, 80) as port:
        equal(fetch(f"http://127.0.0.1:{port}/"), "hello\n", "through port-forward")
    with node.port_forward("default", "pod/" + web, 8080) as port:
        equal(fetch(f"http://127.0.0.1:{port}/"), "hello\n", "to the pod")


def test_deployment(node):
    template = {"metadata": {"labels": {"app": "two"}}, "spec": {"terminationGracePeriodSeconds": 0,
                "containers": [{"name": "tools", "image": images.TOOLS, "imagePullPolicy": "Never"}]}}
    node.create("/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "two"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "two"}}, "template": template}})
    node.kubectl("rollout", "status", "deployment/two", "--timeout=100s")
    node.kubectl("delete", "deployment/two")


def test_local_volume_is_read_only_for_a_restricted_pod(node):
    folder = volumes.folder(node, "files")
    with open(folder + "/disk.img", "wb") as f:
        f.write(b"x" * 1000)
    os.chown(folder + "/disk.img", volumes.OWNER, volumes.OWNER)
    os.chmod(folder + "/disk.img", 0o600)
    before = os.stat(folder), os.stat(folder + "/disk.img")
    node.create("/api/v1/namespaces", {"metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    volumes.claim(node, "strict", "files", folder)
    node.wait(lambda: node.status_of("/api/v1/namespaces/strict/serviceaccounts/default") == 200, "the namespace has its account")
    node.create("/api/v1/namespaces/strict/pods", {"metadata": {"name": "reader"}, "spec": {
        "restartPolicy": "Never", "securityContext": {"runAsUser": volumes.OWNER, "runAsGroup": volumes.OWNER, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "tools", "image": images.TOOLS, "imagePullPolicy": "Never", "securityContext": RESTRICTED,
                        "command": ["/bin/sh", "-c", "wc -c </data/disk.img; touch /data/disk.img 2>&1; touch /x 2>&1; id -u"],
                        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "files", "readOnly": True}}]}})
    node.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/reader", "--namespace=strict", "--timeout=100s")
    said = node.kubectl("logs", "reader", "--namespace=strict").splitlines()
    equal(said[0], "1000", "what it reads")
    check("Read-only" in said[1] and "Read-only" in said[2], f"it can't write: {said}")
    equal(said[3], str(volumes.OWNER), "who it is")
    for was, now in zip(before, (os.stat(folder), os.stat(folder + "/disk.img"))):
        equal((now.st_uid, now.st_gid, now.st_mode, now.st_mtime_ns, now.st_ctime_ns), (was.st_uid, was.st_gid, was.st_mode, was.st_mtime_ns, was.st_ctime_ns), "the source")


def test_block_volume_belongs_to_who_runs_the_pod(node):
    disk = make_disk(node.dir + "/disk.img", 8 * MIB)
    volumes.claim(node, "default", "disk", volumes.loop(disk), block=True)
    pod(node, "block", "stat -c '%u %a' /dev/disk; sha256sum </dev/disk", container={"volumeDevices": [{"name": "disk", "devicePath": "/dev/disk"}], "securityContext": RESTRICTED},
        securityContext={"runAsUser": volumes.OWNER, "runAsGroup": volumes.OWNER, "runAsNonRoot": True},
        volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "disk", "readOnly": True}}])
    owner, digest = ended(node, "block").splitlines()
    equal(owner.split()[0], str(volumes.OWNER), "the device's owner")
    with open(disk, "rb") as f:
        equal(digest.split()[0], hashlib.sha256(f.read()).hexdigest(), "its bytes")


def test_limits_are_a_cgroup_below_the_machines(node):
    pod(node, "limited", container={"resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}})
    node.kubectl("wait", "--for=condition=Ready", "pod/limited", "--timeout=100s")
    # Those of pods that were deleted before may be about to end, and then have none.
    lines = list(filter(None, (read(f"/proc/{pid}/cgroup") for pid, words in node.machine.processes() if words[:1] == ["/bin/sleep"])))
    check(lines and all(f"/{node.machine.cgroup}/kubepods" in line for line in lines), f"cgroups of pods: {lines}")
    node.kubectl("delete", "pod/limited")


def says_still(node, web):
    """False while the kubelet is not connected to containerd again: it tries anew after up to 3 s."""
    try:
        return shell(node, web, "echo still") == "still\n"
    except Failed:
        return False


def test_containerd_restarts_under_running_pods(node, web):
    before = status(node, web)["containerStatuses"][0]
    node.restart_containerd()
    wait_until(lambda: says_still(node, web), "exec after the restart", 60)
    equal(fetch(f"http://{status(node, web)['podIP']}:8080/"), "hello\n", "the pod serves on")
    pod(node, "after", "echo new")
    equal(ended(node, "after"), "new\n", "a new pod")
    after = status(node, web)["containerStatuses"][0]
    equal((after["containerID"], after["restartCount"]), (before["containerID"], 0), "the container")


def test_others_can_take_it_up(node):
    equal(attached(node.dir).kubectl("get", "nodes", "--output=name"), "node/node1\n", "attached")
    memory, processes = node.machine.memory()
    print(f"# {processes} processes, {memory} MiB")
    check(processes > 8, "its processes are found")


def test_two_do_not_collide(node, tmp):
    other = Machine(tmp + "/other")
    other.start()
    try:
        check(other.number != node.machine.number, "another number")
        check(other.run("ip", "-brief", "address") != node.machine.run("ip", "-brief", "address"), "another network")
    finally:
        other.down()
    said = fails(Node(node.dir).start)
    check("is running in" in said and "cluster down" in said, f"twice in a folder: {said}")


def test_a_folder_of_others_is_left_alone(tmp):
    with open(tmp + "/mine", "w", encoding="utf-8"):
        pass
    for act in (Machine(tmp).start, Machine(tmp).down):
        said = fails(act)
        check("has other things in it" in said, f"said {said!r}")
    equal(os.listdir(tmp), ["mine"], "what is in it")
    check("can't be in" in fails(Machine("/run/vmexport-node").start), "a folder that it would not see")


def fails(act):
    try:
        act()
    except Failed as e:
        return str(e)
    raise AssertionError("it did not fail")


# ---- what is left ----

def cluster(word, folder, **more):
    return subprocess.run([HERE + "/cluster", "--dir", folder, word], capture_output=True, text=True, timeout=300, check=True, **more)


def traces(folder):
    """All that a node of that folder has on this machine."""
    found = [f"link {n}" for n in range(MACHINES) if read(f"/sys/class/net/vmexport-{n}/ifalias") == folder]
    found += [f"loop {device}" for device, file in loops().items() if file.startswith(folder + "/")]
    found += [f"process {pid}" for pid in pids() if folder in read(f"/proc/{pid}/cmdline") and pid != os.getpid()]
    unlinked = {f"vmexport-{n}" for n in range(MACHINES) if not os.path.exists(LINK.format(n))}
    found += [f"cgroup {path}" for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path) in unlinked]       # others come and go meanwhile
    found += [f"mount {line}" for line in read("/proc/self/mounts").splitlines() if folder in line]
    found += [f"rule {line}" for line in subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout.splitlines() if "KUBE" in line or "CNI" in line]
    return found + [folder for _ in [0] if os.path.exists(folder)]


def test_down_leaves_nothing(tmp):
    folder, before = os.path.realpath(tmp) + "/node", [os.path.exists(place) for place in PLACES]
    kubeconfig = cluster("up", folder).stdout.strip()
    check(os.path.exists(kubeconfig), "up prints where the kubeconfig is")
    node = attached(folder)
    load_tools(node)
    volumes.claim(node, "default", "disk", volumes.loop(make_disk(folder + "/disk.img", MIB)), block=True)
    pod(node, "holder", container={"volumeDevices": [{"name": "disk", "devicePath": "/dev/disk"}]}, volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}])
    node.kubectl("wait", "--for=condition=Ready", "pod/holder", "--timeout=100s")
    node.restart_containerd()
    check(len(traces(folder)) > 8, "there is something to be left")
    cluster("down", folder)
    equal(traces(folder), [], "what is left")
    equal([os.path.exists(place) for place in PLACES], before, f"which of {PLACES} there are")
    check("there is no node" in cluster("down", folder).stderr, "down again")


def test_down_after_its_processes_were_killed(tmp):
    folder = os.path.realpath(tmp) + "/node"
    cluster("up", folder)
    os.kill(Machine(folder).init, signal.SIGKILL)
    wait_until(lambda: not Machine(folder).init, "it has ended")
    cluster("down", folder)
    equal(traces(folder), [], "what is left")


def test_down_and_up_after_up_was_killed(tmp):
    for seconds, word in ((0.3, "down"), (1, "up")):
        folder = f"{os.path.realpath(tmp)}/node{word}"
        with subprocess.Popen([HERE + "/cluster", "--dir", folder, "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
            if word == "up":
                wait_until(lambda: Machine(folder).init, "it has begun", 60)        # pylint: disable=cell-var-from-loop
            time.sleep(seconds)     # somewhere in the middle
            up.kill()
        if word == "up":
            check("is running in" in fails(lambda: Node(folder, lasting=True).start()), "half a node is one, too")      # pylint: disable=cell-var-from-loop
        cluster("down", folder)
        equal(traces(folder), [], f"what is left of one killed before 'cluster {word}'")


def test_a_node_ends_with_the_program_that_made_it(tmp):
    folder = os.path.realpath(tmp) + "/node"
    script = f"import sys; sys.path.insert(0, {HERE!r})\nfrom machine import Machine\nm = Machine({folder!r}); m.start(); print(m.init, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        init = int(program.stdout.readline())
        program.kill()
    wait_until(lambda: not os.path.exists(f"/proc/{init}"), "its first process has ended")
    Machine(folder).down()
    equal(traces(folder), [], "what is left")


if __name__ == "__main__":
    main(globals())
