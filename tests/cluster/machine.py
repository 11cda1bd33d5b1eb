# SPDX-License-Identifier: Apache-2.0
"""A machine of the node's own, made of namespaces: pids, mounts and network. What runs in it sees this machine's files and
devices, but its processes, mounts, addresses and packet filter are its own.

That is how nothing can be left over: when the first process of a pid namespace is killed, the kernel kills all others in it,
and with the last of them go the mounts, the bridges, the rules and the network namespaces of pods. What the kernel doesn't
take back are cgroups and loop devices; down() does that. It needs no notes of what was made, so that it works after a crash
at any point, and twice:

    the first process   is FOLDER/init: found by that
    the number N        is that of the link vmexport-N, whose alias is FOLDER; it ends with the machine
    cgroups             /vmexport-N; those without such a link are nobody's
    loop devices        whose file is below FOLDER, and those upon them

From here, one reaches the machine at 10.245.N.2 and its pods in 10.244.N.0/24; it reaches nothing but this machine. Several
machines don't disturb each other: the link is also what keeps a number from being taken twice.
"""
import fcntl
import glob
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "../controller"))
# pylint: disable=wrong-import-position
from control_plane import Failed

MACHINES = 16
LINK, ALIAS = "/sys/class/net/vmexport-{}", "/sys/class/net/vmexport-{}/ifalias"
# Where its programs write outside of the folder: the CNI library, the kubelet and what is run in it.
OWN_PLACES = ("/run", "/var/log", "/var/lib")
MARK = "vmexport-node.lock"
GONE_SECONDS = 120
LOOP_GET_STATUS64 = 0x4C05


def command(*words):
    """Runs it; its output, or Failed with what it said."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(words)}: {(done.stderr or done.stdout).strip() or done.returncode}")
    return done.stdout


def read(path):
    """What a file of the kernel's says, empty when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().strip()
    except OSError:
        return ""


def link_to(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent(pid):
    stat = read(f"/proc/{pid}/stat")
    return int(stat.rpartition(")")[2].split()[1]) if stat else 0


def pss(pid):
    """KiB of memory that it takes: of what it shares, its share."""
    line = next((line for line in read(f"/proc/{pid}/smaps_rollup").splitlines() if line.startswith("Pss:")), "Pss: 0")
    return int(line.split()[1])


def below(path, folder):
    return path == folder or path.startswith(folder + "/")


def until(condition, what, seconds=GONE_SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.02)


# ---- what the kernel doesn't take back


def loops():
    """{/dev/loopN: its file} of those that have one."""
    files = {"/dev/" + path.split("/")[3]: read(path).removesuffix(" (deleted)") for path in glob.glob("/sys/block/loop*/loop/backing_file")}
    return {device: file for device, file in files.items() if file}


def upon(device):
    """What a loop device is upon: (device, inode) of its file, and its number when that is a block device, which has no name when
    the node's mounts have gone. None: upon nothing."""
    try:
        with open(device, "rb") as f:
            status = fcntl.ioctl(f, LOOP_GET_STATUS64, bytes(232))
    except OSError:         # just detached
        return None
    return struct.unpack_from("3Q", status)     # lo_device, lo_inode, lo_rdevice


def detach_loops(folder):
    """Those of files below the folder, and the kubelet's, which it lays upon a block volume's own."""
    files = loops()
    before = {device: upon(device) for device in files}
    ours = {device: os.stat(device).st_rdev for device, file in files.items() if below(file, folder)}
    kubelets = [device for device, what in before.items() if device not in ours and what and what[2] in ours.values()]

    def is_there(device):       # and not another's by now, who took the number that had become free
        return device in loops() and upon(device) == before[device]
    for device in [*kubelets, *ours]:
        if is_there(device):        # one that was detached in vain before goes with what is upon it
            command("losetup", "--detach", device)
    until(lambda: not any(map(is_there, [*kubelets, *ours])), f"the loop devices of {folder} are detached")


def cgroup_roots():
    """The folder of each hierarchy of version 1, or the one of version 2."""
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return ["/sys/fs/cgroup"]
    return [os.path.dirname(path) for path in glob.glob("/sys/fs/cgroup/*/cgroup.procs")]


def remove_cgroups():
    """Those of machines that there aren't any more."""
    for number in range(MACHINES):
        if os.path.exists(LINK.format(number)):
            continue
        for root in cgroup_roots():
            for folder, _, _ in os.walk(f"{root}/vmexport-{number}", topdown=False):
                remove_cgroup(folder)


def remove_cgroup(folder):
    def done():
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError:     # the last of its processes is still on its way out
            return False
        return True
    until(done, f"the cgroup {folder} is empty")


def build_pause(path):
    command(os.environ.get("CC", "cc"), "-O2", "-static", "-s", "-o", path, HERE + "/pause.c")


class Machine:
    """See the head of the file. `folder` has everything of it; start() makes it.

    number      N; None while there is no such machine
    init        the pid of its first process, as seen from here
    address     where it is reached
    pods        the network of its pods
    """

    def __init__(self, folder):
        self.folder = os.path.realpath(folder)
        self.find()

    def find(self):
        own = self.folder + "/init"
        self.init = next((pid for pid in pids() if link_to(f"/proc/{pid}/exe").removesuffix(" (deleted)") == own), None)
        self._is(next((n for n in range(MACHINES) if read(ALIAS.format(n)) == self.folder), None))

    def _is(self, number):
        self.number = number
        if number is not None:
            self.address, self.gateway, self.pods = f"10.245.{number}.2", f"10.245.{number}.1", f"10.244.{number}.0/24"
            self.cgroup = f"vmexport-{number}"

    # ---- life

    def start(self, lasting=False):
        """Makes it. It ends with the thread that did, unless it is `lasting`."""
        if any(below(self.folder, place) for place in OWN_PLACES):
            raise Failed(f"a node can't be in {self.folder}: it has a {', '.join(OWN_PLACES)} of its own")
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        if os.stat(self.folder).st_uid != os.geteuid():
            raise Failed(f"{self.folder} belongs to another user, who could change what runs as root")
        self._content()
        with open(f"{self.folder}/{MARK}", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.find()
            if self.init:
                raise Failed(f"a node is running in {self.folder} already (its first process: {self.init}): end it first, with tests/cluster/cluster down, or choose another --dir")
            self._clear()
            self._start_init(lasting)
        try:
            self._connect()
            self._furnish()
        except BaseException:
            self.end()
            raise

    def _start_init(self, lasting):
        build_pause(self.folder + "/init")
        ends_with_us = [] if lasting else ["setpriv", "--pdeathsig", "KILL"]
        with open(self.folder + "/init.log", "ab") as log:
            # pylint: disable-next=consider-using-with
            self.parent = subprocess.Popen([*ends_with_us, "unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net",
                                            "--propagation", "slave", self.folder + "/init"],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
        until(lambda: self.find() or self.init or self.parent.poll() is not None, "the machine's first process runs")
        if not self.init:
            raise Failed(f"no namespaces for the node: {read(self.folder + '/init.log')}")

    def _connect(self):
        """The link to it, by which it gets its number."""
        for number in range(MACHINES):
            name = f"vmexport-{number}"
            if os.path.exists(LINK.format(number)):
                continue
            try:
                command("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(self.init))
            except Failed as e:
                if "File exists" in str(e):     # another one has just taken it
                    continue
                raise
            break
        else:
            raise Failed(f"there are {MACHINES} nodes on this machine already: {', '.join(read(ALIAS.format(n)) for n in range(MACHINES))}")
        self._is(number)
        command("ip", "link", "set", name, "alias", self.folder)
        command("ip", "address", "add", self.gateway + "/24", "dev", name)
        command("ip", "link", "set", name, "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", self.address + "/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", self.gateway)
        command("ip", "route", "add", self.pods, "via", self.address)

    def _furnish(self):
        """Own places for what its programs write outside of the folder, and a cgroup for its pods."""
        self.run("mount", "--make-rshared", "/")
        self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        for place in ("log", "lib"):
            upper, work = f"{self.folder}/var-{place}", f"{self.folder}/var-{place}.work"
            os.makedirs(upper)
            os.makedirs(work)
            self.run("mount", "-t", "overlay", "-o", f"lowerdir=/var/{place},upperdir={upper},workdir={work}", "overlay", "/var/" + place)
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        for root in cgroup_roots():
            os.makedirs(f"{root}/{self.cgroup}", exist_ok=True)

    def end(self):
        """Ends it and everything in it."""
        self.find()
        if self.init:
            os.kill(self.init, signal.SIGKILL)
            until(lambda: not os.path.exists(f"/proc/{self.init}"), "the node's processes have ended")
        if getattr(self, "parent", None):
            self.parent.wait()
        if self.number is not None:
            # It goes with the network namespace, which the kernel removes a little later.
            subprocess.run(["ip", "link", "delete", f"vmexport-{self.number}"], capture_output=True, check=False)
            until(lambda: not os.path.exists(LINK.format(self.number)), "the node's link has gone")

    def down(self):
        """Ends it and removes every trace. Does what there is to do: nothing, if there is no such machine."""
        self._content()
        self.end()
        self._clear()
        if os.path.isdir(self.folder):
            shutil.rmtree(self.folder)
        self.find()

    def _clear(self):
        """Removes what outlives the processes, all but the folder's mark; called when there are none."""
        detach_loops(self.folder)
        remove_cgroups()
        for path in self._content():
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def _content(self):
        """What is in the folder, but for the mark that says it is a node's: anything else's is not ours to clear."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        if names and MARK not in names:
            raise Failed(f"{self.folder} has other things in it: give --dir a folder that is new, or a node's")
        return [f"{self.folder}/{name}" for name in names if name != MARK]

    # ---- inside

    def inside(self, *words):
        """The command line that runs this one in the machine."""
        return ["nsenter", f"--target={self.init}", "--pid", "--mount", "--net", "--", *words]

    def run(self, *words):
        """Runs a command in it; its output, or Failed."""
        return command(*self.inside(*words))

    def processes(self):
        """(pid as seen from here, command line as a list) of all that run in it."""
        own = link_to(f"/proc/{self.init}/ns/pid") if self.init else None
        parents = {pid: parent(pid) for pid in pids()} if own else {}
        inside = {pid for pid in parents if link_to(f"/proc/{pid}/ns/pid") == own}
        for pid in parents:     # those of pods are in namespaces of their own, below a shim that is in ours
            line = [pid]
            while line[-1] in parents and line[-1] not in inside:
                line.append(parents[line[-1]])
            if line[-1] in inside:
                inside.update(line)
        return [(pid, read(f"/proc/{pid}/cmdline").rstrip("\0").split("\0")) for pid in sorted(inside)]

    def memory(self):
        """MiB that its processes take, shared pages counted once; and how many they are."""
        sizes = [pss(pid) for pid, _ in self.processes()]
        return sum(sizes) // 1024, len(sizes)
