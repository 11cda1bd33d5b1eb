# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy before an export server, for what networks do: it breaks connections at given bytes, stands still, is not
there for a while, and counts what passes. It sees TLS from outside, so its bytes are those of the wire.

    with Cutter(pod.port) as cutter:
        links(cutter.port)
        cutter.cut_at(5 * MIB, 9 * MIB)         # totals of all connections, from the server to the client
        cutter.cut_up_at(100)                   # and from the client to the server
        ...
        cutter.down, cutter.up                  # bytes that were passed on
        cutter.connections, cutter.most         # how many there were in all, and at most at once

What a connection had passed on before it was cut has arrived: the end is a FIN (a RST as well arrives behind the data, but
takes with it what waits to be sent).
"""
import contextlib
import socket
import threading

PIECE = 16384
WAITING = 16384             # bytes that wait to be sent, at most: what is counted has all but arrived


class Way:
    """One direction: how many bytes have passed, and at which totals to cut."""

    def __init__(self):
        self.count, self.cuts = 0, []

    def take(self, length, most):
        """(how many of these bytes may pass, whether the connection is to be cut then)."""
        room = (self.cuts[0] if self.cuts else self.count + length) - self.count
        if most is not None:
            length = min(length, max(most - self.count, 0))
        taken = min(length, max(room, 0))
        self.count += taken
        if self.cuts and self.count >= self.cuts[0]:
            del self.cuts[0]
            return taken, True
        return taken, False


class Cutter:
    def __init__(self, target):
        """target: the server's port; may be changed at any time."""
        self.target, self.port, self.listener, self.kept = target, 0, None, None
        self.changed = threading.Condition()
        self.down_way, self.up_way, self.limit = Way(), Way(), None
        self.open, self.connections, self.most, self.cut = set(), 0, 0, 0
        self.on_cut = lambda: None

    def __enter__(self):
        self.come()
        return self

    def __exit__(self, *_):
        self.go()
        self.release()
        self.kept.close()

    # ---- for the test

    @property
    def down(self):
        return self.down_way.count

    @property
    def up(self):
        return self.up_way.count

    def cut_at(self, *totals):
        with self.changed:
            self.down_way.cuts += sorted(totals)

    def cut_up_at(self, *totals):
        with self.changed:
            self.up_way.cuts += sorted(totals)

    def uncut(self):
        """How many cuts have not come."""
        return len(self.down_way.cuts) + len(self.up_way.cuts)

    def hold_at(self, total):
        """No more bytes to the client than these, until release()."""
        with self.changed:
            self.limit = total

    def held(self):
        return self.limit is not None and self.down >= self.limit

    def taken(self):
        """Held, and the client has read all that was passed on."""
        ours = set()
        with self.changed:
            for client, _ in self.open:
                with contextlib.suppress(OSError):          # it has left
                    ours.add(client.getpeername()[1])
        with open("/proc/net/tcp", encoding="ascii") as f:
            sockets = [line.split() for line in f.readlines()[1:]]
        waiting = sum(int(s[4].split(":")[1], 16) for s in sockets if int(s[1].split(":")[1], 16) in ours and int(s[2].split(":")[1], 16) == self.port)
        return self.held() and not waiting

    def release(self):
        with self.changed:
            self.limit = None
            self.changed.notify_all()

    def cut_all(self):
        """Cuts what is open."""
        with self.changed:
            pairs = list(self.open)
        for pair in pairs:
            self._end(pair)

    def go(self):
        """Connections are refused from now on, and those that were are cut."""
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.cut_all()

    def come(self):
        """Takes connections, at the port of before."""
        if not self.kept:           # a socket that never listens keeps the port from others meanwhile
            self.kept = self._bound()
            self.port = self.kept.getsockname()[1]
        self.listener = self._bound()
        self.listener.listen(64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _bound(self):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", self.port))
        return s

    # ---- connections

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client, listener), daemon=True).start()

    def _connect(self, client, listener):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WAITING)
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=60)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        pair = (client, server)
        with self.changed:
            self.open.add(pair)
            self.connections += 1
            self.most = max(self.most, len(self.open))
        if self.listener is not listener:           # it has gone, and cut what it knew of
            self._end(pair)
            return
        threading.Thread(target=self._pass, args=(client, server, self.up_way, pair), daemon=True).start()
        self._pass(server, client, self.down_way, pair)

    def _pass(self, source, sink, way, pair):
        try:
            while data := source.recv(PIECE):
                if not self._send(data, sink, way):
                    self.cut += 1
                    self.on_cut()           # before the client knows of the cut, and comes again
                    self._end(pair)
                    return
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(pair)
        finally:
            if way is self.down_way:           # nothing more can come
                self._end(pair)

    def _send(self, data, sink, way):
        """False: the connection is to be cut."""
        while data:
            with self.changed:
                limited = way is self.down_way
                self.changed.wait_for(lambda: not limited or self.limit is None or way.count < self.limit)
                length, cut = way.take(len(data), self.limit if limited else None)
            sink.sendall(data[:length])
            if cut:
                return False
            data = data[length:]
        return True

    def _end(self, pair):
        with self.changed:
            if pair not in self.open:
                return
            self.open.remove(pair)
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
