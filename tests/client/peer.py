# SPDX-License-Identifier: Apache-2.0
"""A plain export server, as KubeVirt's is or as any could be: no framing in its gzip, no ETag, no length (unless it is told
to), and on demand what goes wrong in one. It is one of the two servers that the client is tested with; the other is the real
one.

    with Peer(folder, {"/volumes/disk/disk.img": image}) as peer:
        peer.files["/volumes/disk/disk.img.gz"] = gzip.compress(image)
        peer.hook = lambda request, reply: reply.update(cut=1000)

hook is called before each answer and may change it, and what the peer serves from then on. Requests that come at once are
judged one after the other. `requests` has all that was asked, in order.
"""
import contextlib
import email.utils
import functools
import http.server
import os
import re
import socket
import ssl
import threading

from harness import HEADER, TOKEN
from pki import LOOPBACK, certificate


class Reply:
    """status, headers, body. framing: length, chunked or close (its end is the end of the body). cut: the connection breaks after
    so many bytes of the body; None: it is whole."""

    def __init__(self, status, body=b"", framing="length", **headers):
        self.status, self.body, self.framing, self.cut = status, body, framing, None
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def update(self, **changes):
        for name, value in changes.items():
            setattr(self, name, value)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    error_content_type = "text/plain"

    def do_GET(self):           # pylint: disable=invalid-name
        peer, self.close_connection = self.server.peer, True
        path, _, self.query = self.path.partition("?")
        with peer.judging:          # no answer is of one disk with the tag of another, and each hook sees what the ones before have done
            reply = peer.reply(self, path)
            peer.requests.append(self)
            peer.hook(self, reply)
            self.status = reply.status
        self.send_response_only(reply.status)
        headers = {"Date": email.utils.formatdate(usegmt=True), **reply.headers, "Connection": "close"}
        if reply.framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        elif reply.framing == "length":
            headers["Content-Length"] = str(len(reply.body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(reply)

    do_HEAD = do_GET

    def send_body(self, reply):
        body = memoryview(reply.body)[:reply.cut]
        for start in range(0, len(body), 65536):
            piece = body[start:start + 65536]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if reply.framing == "chunked" else piece)
        if reply.cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)           # without TLS's own end
        elif reply.framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        elif reply.framing == "close":
            self.wfile.flush()
            with contextlib.suppress(OSError):
                self.connection.unwrap()                         # TLS's own end, by which it is told from a cut

    def log_message(self, *_):      # pylint: disable=arguments-differ
        pass


class Peer(http.server.ThreadingHTTPServer):
    """files: {path: bytes}     ranges: it takes a Range     framing: of gzip     token, cert: of the links
    names: what the certificate is for     tag: the ETag of all that it has, which If-Range and If-Match ask for
    careless: whatever they ask for     rest: {path: function(n) -> bytes}, what ?from=n is answered with"""
    daemon_threads, request_queue_size = True, 64

    def __init__(self, folder, files=None, ranges=False, framing="chunked", token=TOKEN, names=LOOPBACK, tag=None, careless=False, rest=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.peer, self.port = self, self.server_address[1]
        self.files, self.ranges, self.framing, self.token = dict(files or {}), ranges, framing, token
        self.tag, self.careless, self.rest = tag, careless, dict(rest or {})
        self.hook, self.requests, self.judging = lambda request, reply: None, [], threading.Lock()
        cert = f"{folder}/peer-{self.port}"
        os.mkdir(cert)
        certificate(cert, names)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert + "/tls.crt", cert + "/tls.key")
        self.cert_file = cert + "/tls.crt"
        with open(self.cert_file, encoding="ascii") as f:
            self.cert = f.read()

    def __enter__(self):
        threading.Thread(target=functools.partial(self.serve_forever, 0.05), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def get_request(self):
        connection, address = super().get_request()
        # The handshake is for the thread of the connection.
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, *_):     # pylint: disable=arguments-differ
        """The client went, or refused our certificate."""

    def reply(self, request, path):
        if request.headers[HEADER] != self.token:
            return Reply(401)
        if path not in self.files:
            return Reply(404, b"404 page not found\n")
        if request.headers.get("If-Match", self.tag) != self.tag and not self.careless:
            return Reply(412)
        reply = self.reply_gzip(request, path) if path.endswith("gz") else self.reply_disk(request, self.files[path])
        if self.tag:
            reply.headers["ETag"] = self.tag
        return reply

    def reply_gzip(self, request, path):
        if request.command == "HEAD":
            return Reply(400, b"only GET\n")
        start = re.fullmatch(r"from=(\d+)", request.query)
        body = self.rest[path](int(start[1])) if start and path in self.rest else self.files[path]
        return Reply(200, body, self.framing, Content_Type="application/gzip")

    def reply_disk(self, request, body):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        is_another = request.headers.get("If-Range", self.tag) != self.tag and not self.careless
        if not self.ranges or not wanted or is_another:
            return Reply(200, body, **({"Accept_Ranges": "bytes"} if self.ranges else {}))
        first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        if first > last:
            return Reply(416, Content_Range=f"bytes */{len(body)}")
        return Reply(206, memoryview(body)[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(body)}")
