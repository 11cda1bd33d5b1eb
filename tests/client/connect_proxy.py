# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy that knows CONNECT only, as companies have them, and remembers where it led to and as whom."""
import http.server
import socket
import threading

PIECE = 65536


class ConnectProxy(http.server.ThreadingHTTPServer):
    """targets: ["HOST:PORT"] that were asked for     users: the Proxy-Authorization of each, or None"""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.targets, self.users = self.server_address[1], [], []
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self):           # pylint: disable=invalid-name
        self.server.targets.append(self.path)
        self.server.users.append(self.headers["Proxy-Authorization"])
        self.close_connection = True
        try:
            # Whatever the name: all are here.
            server = socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2])), timeout=60)
        except OSError:
            self.send_error(502)
            return
        self.send_response_only(200)
        self.end_headers()
        self.wfile.flush()
        back = threading.Thread(target=self.carry, args=(server, self.connection), daemon=True)
        back.start()
        self.carry(self.connection, server)
        back.join()

    @staticmethod
    def carry(source, sink):
        try:
            while data := source.recv(PIECE):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                end.close()

    def log_message(self, *_):      # pylint: disable=arguments-differ
        pass
