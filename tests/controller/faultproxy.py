# SPDX-License-Identifier: Apache-2.0
"""A proxy between a client and the API server of a ControlPlane that does on demand what a real server and its network do
seldom: wrong answers, lost answers, cut and disturbed watches, nobody there.

    with FaultProxy(plane) as proxy:
        controller(plane.kubeconfig_for("a", "controller", server=proxy.server))
        with proxy.rule(answer(409), verbs="create", resource="pods", times=2):
            ...
        proxy.requests                                  # all that was asked, in order

It ends TLS by the control plane's own server certificate and passes on whatever else the client sent, its token above
all; a client that has a certificate has nobody to show it to. HTTP/1.1, one connection to the server for each of the
client's. It has an event loop in a thread of its own: rules may come and go at any time, and as an action runs within the
loop, nothing else passes meanwhile.

An action has three places to act at, each of which may be left out:
    before(request)             before it is passed on: None, or an Answer instead of the server's, or CUT
    after(request, answer)      when the server has answered (a watch: has begun): an Answer, or CUT
    stream(request)             for a watch: a function of one line, with its newline, that gives what is to be sent for it,
                                piece by piece, with CUT as the last one that is sent
Both of the first may be coroutines.
"""
import asyncio
import contextlib
import inspect
import json
import random
import re
import ssl
import threading
import time
import urllib.parse

CUT = object()
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired", 422: "Invalid", 429: "TooManyRequests",
           500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
OWN_HEADERS = ("connection", "transfer-encoding", "content-length", "accept-encoding", "expect")     # of the hop, or written anew
PLACE = re.compile(r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
                   r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>.+))?")
BUFFER = 64 << 20


class Request:
    """verb: get, list, watch, create, update, patch or delete     resource: "pods", "virtualmachineexports/status", "" for what is
    no object     answer: what the server said, None where it said nothing or wasn't asked     time: of time.monotonic()"""

    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.path, _, query = target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        place = PLACE.fullmatch(self.path)
        self.group, self.namespace, resource, self.name, sub = (place["group"] or "", place["namespace"], place["resource"], place["name"], place["sub"]) if place else (None,) * 5
        self.resource = "/".join(filter(None, (resource, sub)))
        self.verb = VERBS.get(method) or ("watch" if self.query.get("watch") in ("1", "true") else "get" if self.name or not place else "list")
        self.time, self.answer = time.monotonic(), None

    @property
    def is_write(self):
        return self.method in VERBS

    @property
    def object(self):
        """What was sent, read."""
        return json.loads(self.body) if self.body else {}

    def __repr__(self):
        where = "/".join(filter(None, (self.namespace, self.resource or self.path, self.name)))
        return f"{self.verb} {where} -> {self.answer.status if self.answer else 'no answer'}"


class Answer:
    def __init__(self, status, headers=(), body=b""):
        self.status, self.headers, self.body = status, list(headers), body

    @property
    def object(self):
        return json.loads(self.body)


class Rule:
    """verbs: one or more words, none: all     resource, path: regular expressions that must match all of it     namespace: the one
    nth: the first that it acts on, counted from 1     times: how many from there, None: all     acted: how many so far"""

    def __init__(self, action, verbs="", resource=None, path=None, namespace=None, nth=1, times=None):
        self.action, self.verbs, self.namespace, self.nth, self.times = action, verbs.split(), namespace, nth, times
        self.resource, self.path = resource and re.compile(resource), path and re.compile(path)
        self.seen = self.acted = 0

    def takes(self, request):
        if (self.verbs and request.verb not in self.verbs or self.resource and not self.resource.fullmatch(request.resource)
                or self.path and not self.path.fullmatch(request.path) or self.namespace and self.namespace != request.namespace):
            return False
        self.seen += 1
        if self.seen < self.nth or self.times is not None and self.acted >= self.times:
            return False
        self.acted += 1
        return True


# ---- actions ----

class Action:
    def __init__(self, before=None, after=None, stream=None):
        self.before, self.after, self.stream = before, after, stream


def status_object(code, message="by the test", reason=None):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason or REASONS[code], "code": code}


def answer(code, headers=None, **kw):
    """Answers by a Status, as the API server would; the server isn't asked."""
    body = json.dumps(status_object(code, **kw)).encode()
    return Action(before=lambda _: Answer(code, [("Content-Type", "application/json"), *(headers or {}).items()], body))


def cut_before():
    """The connection ends, and the server has never heard of the request."""
    return Action(before=lambda _: CUT)


def cut_after():
    """The connection ends, and the server has done what was asked."""
    return Action(after=lambda *_: CUT)


def delay(seconds):
    async def wait(_):
        await asyncio.sleep(seconds)
    return Action(before=wait)


def cut_watch(seed, most=20000):
    """Each watch ends after a random number of bytes, wherever in an event that is."""
    numbers = random.Random(seed)

    def stream(_):
        left = numbers.randrange(1, most)

        def line(data):
            nonlocal left
            pieces = [data[:left]] + ([CUT] if len(data) >= left else [])
            left -= len(data)
            return pieces
        return line
    return Action(stream=stream)


def split_watch(seed, most=3):
    """Each event comes in pieces of few bytes."""
    numbers = random.Random(seed)

    def line(data):
        while data:
            size = numbers.randint(1, most)
            yield data[:size]
            data = data[size:]
    return Action(stream=lambda _: line)


def repeat_watch(seed, kept=5):
    """After each event come the last ones of the same watch again, in their order, as from a server that lags behind."""
    numbers = random.Random(seed)

    def stream(_):
        past = []

        def line(data):
            if json.loads(data)["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                return [data]
            past[:] = past[-kept + 1:] + [data]
            return [data, *past[-numbers.randint(1, kept):]]
        return line
    return Action(stream=stream)


def error_event(code, after=0):
    """Watches begin well, and have an ERROR for their line number `after`, from 0; then they end."""
    event = json.dumps({"type": "ERROR", "object": status_object(code)}).encode() + b"\n"

    def stream(_):
        left = after

        def line(data):
            nonlocal left
            left -= 1
            return [event, CUT] if left < 0 else [data]
        line.first = [event, CUT] if after == 0 else []
        return line
    return Action(stream=stream)


# ---- the proxy ----

class Cut(Exception):
    """The connection is at its end."""


async def _head(reader):
    """(first line's words, headers as sent); None at the end of the connection."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, OSError):
        return None
    first, *lines = text[:-4].split("\r\n")
    return first.split(" ", 2), [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines]


def _get(headers, name, default=""):
    return next((v for k, v in headers if k.lower() == name), default)


async def _chunks(reader):
    while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()


async def _body(reader, headers):
    if _get(headers, "transfer-encoding") == "chunked":
        return b"".join([chunk async for chunk in _chunks(reader)])
    return await reader.readexactly(int(_get(headers, "content-length", "0")))


def _message(first, headers, *more):
    lines = [first] + [f"{k}: {v}" for k, v in [*((k, v) for k, v in headers if k.lower() not in OWN_HEADERS), *more]]
    return "\r\n".join(lines + ["", ""]).encode("latin-1")


class FaultProxy:
    """server: https://127.0.0.1:PORT     requests: every Request so far, in the order that they came in"""

    def __init__(self, plane):
        self.plane, self.requests, self.rules, self.connections = plane, [], [], set()
        self.loop, self.listener, self.port = asyncio.new_event_loop(), None, 0
        self.inside = ssl.create_default_context(cafile=plane.ca)
        self.outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.outside.load_cert_chain(plane.cert.path("server.crt"), plane.cert.path("server.key"))
        for context in (self.inside, self.outside):
            context.set_alpn_protocols(["http/1.1"])
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.loop.set_exception_handler(lambda *_: None)           # ends of connections, in the main
        self.thread.start()
        self._do(self._listen())
        self.server = f"https://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self._do(self._leave())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    # ---- for the test

    @contextlib.contextmanager
    def rule(self, action, **match):
        """This rule before all others, within the block."""
        rule = self.add(action, **match)
        try:
            yield rule
        finally:
            self.rules = [r for r in self.rules if r is not rule]

    def add(self, action, **match):
        rule = Rule(action, **match)
        self.rules = [rule] + self.rules
        return rule

    def clear(self):
        self.rules = []

    @contextlib.contextmanager
    def nobody_there(self):
        """Connections are refused within the block, and those that were are cut."""
        self._do(self._leave())
        try:
            yield
        finally:
            self._do(self._listen())

    def cut_all(self):
        """Cuts every connection, whatever it is used for."""
        self.loop.call_soon_threadsafe(self.abort)

    def abort(self):
        """The same from within an action: nothing that was sent by now is passed on."""
        for task, writer in list(self.connections):
            writer.transport.abort()
            if task is not asyncio.current_task(self.loop):
                task.cancel()

    def since(self, mark=0, verbs="", resource=None, namespace=None):
        """The requests from the mark (an earlier len(proxy.requests)) on that match as in a Rule."""
        rule = Rule(None, verbs, resource, namespace=namespace)
        return [r for r in self.requests[mark:] if rule.takes(r)]

    def counts(self, mark=0):
        """{(verb, resource): how many}, for messages."""
        found = {}
        for r in self.requests[mark:]:
            found[r.verb, r.resource] = found.get((r.verb, r.resource), 0) + 1
        return found

    # ---- connections

    async def _listen(self):
        self.listener = await asyncio.start_server(self._connection, "127.0.0.1", self.port, ssl=self.outside, limit=BUFFER, backlog=500)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def _leave(self):
        self.listener.close()
        self.abort()
        await asyncio.gather(*(task for task, _ in self.connections), return_exceptions=True)

    async def _connection(self, reader, writer):
        if not self.listener.is_serving():          # its handshake ended when nobody was there any more
            writer.transport.abort()
            return
        me = asyncio.current_task(), writer
        self.connections.add(me)
        server = []
        try:
            while (head := await _head(reader)) is not None:
                await self._exchange(head, reader, writer, server)
        except (Cut, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.connections.discard(me)
            for w in (writer, *(w for _, w in server)):
                w.transport.abort()

    async def _exchange(self, head, reader, writer, server):
        (method, target, _), headers = head
        if _get(headers, "expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request = Request(method, target, headers, await _body(reader, headers))
        self.requests.append(request)
        action = next((rule.action for rule in self.rules if rule.takes(request)), Action())
        said = await self._ask(action.before, request)
        if said is None:
            said = request.answer = await self._pass_on(request, server)
            if action.after:
                said = await self._ask(action.after, request, said)
        if request.verb == "watch" and request.answer is said and said.status == 200:
            stream = action.stream(request) if action.stream else None
            await self._watch(stream, said, reader, writer, server[0][0])
        else:
            writer.write(_message(f"HTTP/1.1 {said.status} -", said.headers, ("Content-Length", len(said.body))) + said.body)
            await writer.drain()

    @staticmethod
    async def _ask(function, *args):
        said = function(*args) if function else None
        if inspect.isawaitable(said):
            said = await said
        if said is CUT:
            raise Cut
        return said

    async def _pass_on(self, request, server):
        if not server:
            server.append(await asyncio.open_connection("127.0.0.1", self.plane.port, ssl=self.inside, limit=BUFFER))
        reader, writer = server[0]
        writer.write(_message(f"{request.method} {request.target} HTTP/1.1", request.headers, ("Content-Length", len(request.body))) + request.body)
        await writer.drain()
        head = await _head(reader)
        if head is None:
            raise Cut
        (_, status, *_), headers = head
        begun = request.verb == "watch" and status == "200"
        return Answer(int(status), headers, b"" if begun else await _body(reader, headers))

    async def _watch(self, stream, said, reader, writer, server):
        """Passes a watch on, line by line, until one of both ends it."""
        writer.write(_message("HTTP/1.1 200 OK", said.headers, ("Transfer-Encoding", "chunked")))
        await self._send(writer, getattr(stream, "first", []))
        passing = asyncio.ensure_future(self._lines(stream, writer, server))
        gone = asyncio.ensure_future(reader.read(1))                # nothing is sent while a watch lasts
        try:
            await asyncio.wait((passing, gone), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise Cut
            await passing
        finally:
            passing.cancel()
            gone.cancel()

    async def _lines(self, stream, writer, server):
        rest = b""
        async for data in _chunks(server):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                await self._send(writer, stream(line + b"\n") if stream else [line + b"\n"])
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    @staticmethod
    async def _send(writer, pieces):
        for piece in pieces:
            if piece is CUT:
                await asyncio.sleep(0)                              # for what was written to leave
                raise Cut
            if piece:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
