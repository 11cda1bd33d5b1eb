#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Downloads through the API server. The API server is real, and says who may; the node, which there is none of, is played by the
proxy before it: it answers GET pods/NAME/portforward as a kubelet does, and leads to a server here. The user has the rights that
docs/client.md names, and no more."""
import asyncio
import base64
import contextlib
import hashlib
import os
import re
import struct
import subprocess

import fixture
from faultproxy import Cut, FaultProxy, Request
from fixture import DENIED, MIB, SLOW, TOKEN, check, equal, eventually, gunzip, same
from harness import HEADER

UNTRUSTED = r"certificate|tls|ssl"
PROTOCOL = "v4.channel.k8s.io"
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
FORWARD = re.compile(r"/api/v1/namespaces/[^/]+/pods/([^/]+)/portforward\?ports=(\d+)")
PORT = 8443
RIGHTS = [{"apiGroups": ["export.kubevirt.io"], "resources": ["virtualmachineexports"], "verbs": ["get", "list", "watch", "create", "delete"]},
          {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create"]},
          {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
          {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
FORWARD_RIGHTS = [{"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]}]


# ---- the node ----

def frame(opcode, data):
    """As servers send them: whole, without a mask."""
    length = bytes([len(data)]) if len(data) < 126 else struct.pack(">BH", 126, len(data))
    return bytes([0x80 | opcode]) + length + data


async def read_frame(reader):
    first, length = await reader.readexactly(2)
    check(first & 0x80 and length & 0x80, "a frame of the client's is not whole, or has no mask")
    length &= 0x7f
    if length > 125:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    key = await reader.readexactly(4)
    data = await reader.readexactly(length)
    key = (key * (length // 4 + 1))[:length]
    return first & 0x0f, (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")


class Node(FaultProxy):
    """ports: {pod: the port here that is its}      tunnels, open: how many there were in all, and are now
    down: bytes that went to the client; at those of `cuts` what connects client and API server breaks, and on_cut is called"""

    def __init__(self, plane):
        super().__init__(plane)
        self.ports, self.pods, self.cuts, self.on_cut = {}, [], [], lambda: None
        self.open = self.down = 0

    @property
    def tunnels(self):
        return len(self.pods)

    async def _exchange(self, head, reader, writer, server):
        (method, target, _), headers = head
        place = FORWARD.fullmatch(target)
        if not place:
            await super()._exchange(head, reader, writer, server)
            return
        request = Request(method, target, headers, b"")
        self.requests.append(request)
        said = request.answer = await self._pass_on(request, server)      # it has no node to ask, but knows who may
        if said.status in (401, 403, 404):
            writer.write(f"HTTP/1.1 {said.status} -\r\nContent-Length: {len(said.body)}\r\n\r\n".encode() + said.body)
            await writer.drain()
            return
        writer.write(self._handshake(dict(headers)))
        await self._forward(place[1], int(place[2]), reader, writer)
        raise Cut

    @staticmethod
    def _handshake(headers):
        equal((headers["Upgrade"], headers["Sec-WebSocket-Protocol"]), ("websocket", PROTOCOL))
        accept = base64.b64encode(hashlib.sha1((headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        return ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n").encode()

    async def _forward(self, pod, port, reader, writer):
        for channel in (0, 1):
            writer.write(frame(BINARY, bytes([channel]) + struct.pack("<H", port)))
        equal(port, PORT, "the port that is asked for")
        inside, outside = await asyncio.open_connection("127.0.0.1", self.ports[pod])
        self.pods.append(pod)
        self.open += 1
        ways = [asyncio.ensure_future(self._up(reader, writer, outside)), asyncio.ensure_future(self._down(inside, writer))]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
            writer.write(frame(CLOSE, b"\x03\xe8"))
            await writer.drain()
        finally:
            self.open -= 1
            for way in ways:
                way.cancel()
            outside.transport.abort()

    @staticmethod
    async def _up(reader, writer, outside):
        while True:
            opcode, data = await read_frame(reader)
            if opcode == CLOSE:
                return
            if opcode == PING:
                writer.write(frame(PONG, data))
            if opcode == BINARY:
                equal(data[0], 0, "the channel that the client sends on")
                outside.write(data[1:])
                await outside.drain()

    async def _down(self, inside, writer):
        while data := await inside.read(32768):
            data = data[:self.cuts[0] - self.down] if self.cuts else data
            writer.write(frame(BINARY, b"\0" + data))
            await writer.drain()
            self.down += len(data)
            if self.cuts and self.down >= self.cuts[0]:
                del self.cuts[0]
                self.on_cut()
                raise Cut


# ---- the words ----

class Way:
    """A user with these rights, and the way through `node` to the export."""

    def __init__(self, w, rights=(*RIGHTS, *FORWARD_RIGHTS)):
        self.w, self.node = w, w.stack.enter_context(Node(w.plane))
        w.create("serviceaccount", {"metadata": {"name": "user"}})
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{w.ns}"
        for path, o in (("/roles", {"metadata": {"name": "user"}, "rules": list(rights)}),
                        ("/rolebindings", {"metadata": {"name": "user"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "user"},
                                           "subjects": [{"kind": "ServiceAccount", "name": "user", "namespace": w.ns}]})):
            status, answer = w.plane.request("POST", base + path, o)
            equal(status, 201, str(answer))
        self.flags = ("--kubeconfig", w.plane.kubeconfig_for(w.ns, "user", server=self.node.server), "--namespace", w.ns)
        eventually(lambda: self.start("list").finish().code == 0, "the rights are there")

    def start(self, *args, **options):
        return self.w.start(*args, *self.flags, bare=True, **options)

    def begin(self, *args, **options):
        return self.start("download", "exp", *args, **options)

    def pod(self, name, server):
        """The export's pod, as it is when it serves."""
        self.node.ports[name] = server.port
        container = {"name": "c", "image": "i", "ports": [{"name": "https", "containerPort": PORT}]}
        self.w.create("pod", {"metadata": {"name": name, "labels": {"export": "exp"}}, "spec": {"containers": [container]}})
        self.w.pod_phase(name, "Running")

    def replace(self, old, new, server):
        self.w.delete("pod", old)
        del self.node.ports[old]
        self.pod(new, server)


def way_to(w, server, cert=None, where=("external", "internal"), **options):
    """An export that is Ready, served by `server` in its pod 'one'. Nothing is behind the external links."""
    way = Way(w, **options)
    w.made()
    w.has_service()
    w.be_ready(server, cert=cert, where=where, port=1)
    way.pod("one", server)
    return way


# ---- through it ----

def test_a_disk_comes_whole(w, pod, disk):
    way = way_to(w, pod)
    way.begin("--port-forward", "--output=d.gz").done()
    same(gunzip(w.read("d.gz")), disk.data)
    way.begin("--port-forward", "--format=raw", "--output=d").done()
    same(w.read("d"), disk.data)
    check(way.node.tunnels > 1 and set(way.node.pods) == {"one"}, f"tunnels to {way.node.pods}")
    eventually(lambda: way.node.open == 0, "no tunnel is left")         # the node notices it after the client's end


def test_several_connections(w, pod, big):
    cutter = w.cutter(pod)
    cutter.hold_at(2 * MIB)         # or one could be done before another begins
    way = way_to(w, cutter, cert=pod.cert)
    w.be_ready(cutter, volumes=("big",), cert=pod.cert, port=1)
    run = way.begin("--port-forward", "--format=raw", "--connections=4", "--output=d")
    eventually(lambda: way.node.open >= 4, f"four tunnels at once: {run}")
    cutter.release()
    run.done()
    same(w.read("d"), big.data)


def test_five_breaks_in_one_download(w, pod, big):
    way = way_to(w, pod)
    w.be_ready(pod, volumes=("big",), port=1)
    way.node.cuts = [n * 3 * MIB for n in range(1, 6)]
    run = way.begin("--port-forward", "--format=raw", "--output=d").done()
    equal(way.node.cuts, [], "breaks that did not come")
    same(w.read("d"), big.data)
    check(way.node.down < 1.5 * len(big.data), f"{way.node.down} bytes: it began anew")
    equal(run.times("through the API server has ended"), 5, str(run))


def test_a_pod_that_is_replaced_between_two_breaks(w, pod, big):
    way = way_to(w, pod)
    w.be_ready(pod, volumes=("big",), port=1)
    successors = iter(("two", "three"))

    def replaced():
        old, = way.node.ports
        way.replace(old, next(successors), pod)
    way.node.cuts, way.node.on_cut = [5 * MIB, 10 * MIB], replaced
    way.begin("--port-forward", "--format=raw", "--output=d").done()
    same(w.read("d"), big.data)
    equal(list(dict.fromkeys(way.node.pods)), ["one", "two", "three"], "the pods, in order")


# ---- whom it trusts ----

def is_refused(w, way, peer):
    run = way.begin("--port-forward", "--retry=1", "--readiness-timeout=3s", "--output=d").failed(DENIED, UNTRUSTED)
    equal([request.path for request in peer.requests], [], f"requests, with the token, of {run}")
    equal(w.files(), [])
    check(way.node.tunnels, "it was not asked at all")


def test_a_certificate_of_others_is_refused(w, disk):
    peer = w.plain(disk)
    way = way_to(w, peer, cert=w.peer().cert)
    is_refused(w, way, peer)
    way.begin("--port-forward", "--insecure", "--output=d.gz").done().said("warning: --insecure")
    same(gunzip(w.read("d.gz")), disk.data)


def test_a_certificate_for_another_name_is_refused(w, disk):
    peer = w.plain(disk, names=("DNS:elsewhere.example",))
    way = way_to(w, peer)
    is_refused(w, way, peer)
    way.begin("--port-forward", "--insecure", "--output=d.gz").done()
    same(gunzip(w.read("d.gz")), disk.data)


def test_a_certificate_for_the_loopback_alone_is_refused(w, disk):
    """There is the user's end, and not the server."""
    peer = w.plain(disk, names=fixture.LOOPBACK)
    is_refused(w, way_to(w, peer), peer)


# ---- for others ----

def listening():
    """[(address, port, inode)] of what is listened on here."""
    found = []
    for table in ("tcp", "tcp6"):
        with open("/proc/net/" + table, encoding="ascii") as f:
            sockets = [line.split() for line in f.readlines()[1:]]
        found += [(*s[1].split(":"), s[9]) for s in sockets if s[3] == "0A"]
    return [(address, int(port, 16), inode) for address, port, inode in found]


def listeners(port):
    return [address for address, number, _ in listening() if number == port]


def sockets_of(process):
    """Their inodes."""
    folder, found = f"/proc/{process.pid}/fd/", []
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):            # closed meanwhile
            found.append(os.readlink(folder + fd))
    return {path[len("socket:["):-1] for path in found if path.startswith("socket:")}


def test_local_port_is_for_other_programs_meanwhile(w, pod, big, disk):
    way = way_to(w, pod)
    w.be_ready(pod, volumes=("disk", "big"), port=1)
    [port] = fixture.shared.free_ports(1)
    run = way.begin("--port-forward", f"--local-port={port}", "--volume=big", "--format=raw", "--output=-", stdout=subprocess.PIPE)      # held by who doesn't read
    run.says(f"Forwarding from 127.0.0.1:{port} -> {PORT}")
    equal(listeners(port), ["0100007F"], "what is listened on")
    host = f"{w.child('service')}.{w.ns}.svc"
    subprocess.run(["curl", "-sSf", "--cacert", pod.cert_file, "--resolve", f"{host}:{port}:127.0.0.1", "-H", f"{HEADER}: {TOKEN}", "-o", w.file("by-curl"),
                    f"https://{host}:{port}/volumes/disk/disk.img"], check=True, timeout=60 * SLOW)
    same(w.read("by-curl"), disk.data)
    run.says(f"Handling connection for {port}")
    check(run.process.poll() is None, f"the download has ended before: {run}")
    same(run.process.stdout.read(), big.data)
    run.done()
    equal(listeners(port), [], "what is listened on after it")


def test_without_local_port_none_is_opened(w, pod, big):
    way = way_to(w, pod)
    w.be_ready(pod, volumes=("big",), port=1)
    run = way.begin("--port-forward", "--format=raw", "--output=-", stdout=subprocess.PIPE)
    equal(run.process.stdout.read(1), big.data[:1])
    sockets = sockets_of(run.process)
    check(sockets, "it has no sockets")
    equal([port for _, port, inode in listening() if inode in sockets], [], "ports that it listens on")
    same(run.process.stdout.read(), big.data[1:])
    run.done()
    check("Forwarding" not in run.err, str(run))


# ---- when ----

def test_without_an_external_link_it_goes_this_way_by_itself(w, pod, disk):
    way = way_to(w, pod, where=("internal",))
    way.begin("--output=d.gz").done().said("no external link", "port-forward")
    same(gunzip(w.read("d.gz")), disk.data)
    check(way.node.tunnels, "by no tunnel")


def test_with_an_external_link_it_goes_that_way(w, pod, disk):
    way = way_to(w, pod)
    w.be_ready(pod)
    run = way.begin("--output=d.gz").done()
    same(gunzip(w.read("d.gz")), disk.data)
    equal((way.node.tunnels, run.times("port-forward")), (0, 0), str(run))


def test_who_lacks_the_rights_is_told_which(w, pod):
    way = way_to(w, pod, rights=RIGHTS)
    way.begin("--port-forward", "--output=d").failed(DENIED, "forbidden", "'get' and 'create' on pods/portforward")
    equal((way.node.tunnels, w.files()), (0, []))


if __name__ == "__main__":
    fixture.main(globals())
