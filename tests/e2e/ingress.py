# SPDX-License-Identifier: Apache-2.0
"""An Ingress controller for the tests, in the place of ingress-nginx: Debian's nginx in the node, configured from the Ingress
objects of its class as that one would.

    with ingress.Front(node) as front:
        front.sync()                                        # after Ingresses or the pods behind them have changed
        w.fetch(url, out, *front.flags(host))               # curl's flags by which the host is here

It takes from an Ingress what ingress-nginx takes: hosts, paths by type, the Secret with the certificate, and the annotations of
ANNOTATIONS; what none says is as ingress-nginx has it by default (DEFAULTS), timeouts of a minute among them. As there, requests
go to the ready endpoints of a Service, not to its ClusterIP, the certificate of a backend is not checked, and clients may speak
HTTP/2. Not there: port 80, and what no Ingress of this project uses.
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/configmap/
"""
import base64
import os
import shutil
import socket
import subprocess

from control_plane import Failed
from machine import until

PREFIX = "nginx.ingress.kubernetes.io/"
NAME, PORT = "ingress", 443
SECONDS = 120
SPEAKS = {"HTTP": "http", "HTTPS": "https"}
# annotation: nginx' directive, its default, the unit of a number
ANNOTATIONS = {
    "proxy-buffering": ("proxy_buffering", "off", ""),
    "proxy-request-buffering": ("proxy_request_buffering", "on", ""),
    "proxy-max-temp-file-size": ("proxy_max_temp_file_size", "1024m", ""),
    "proxy-buffer-size": ("proxy_buffer_size", "4k", ""),
    "proxy-connect-timeout": ("proxy_connect_timeout", "5", "s"),
    "proxy-read-timeout": ("proxy_read_timeout", "60", "s"),
    "proxy-send-timeout": ("proxy_send_timeout", "60", "s"),
    "proxy-body-size": ("client_max_body_size", "1m", ""),
}
UNDERSTOOD = {*ANNOTATIONS, "backend-protocol", "limit-rps"}

CONFIG = """daemon off;
master_process off;
user root;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    scgi_temp_path {dir}/scgi;
    uwsgi_temp_path {dir}/uwsgi;
    server_tokens off;
    gzip off;
    keepalive_timeout 75s;
    client_header_timeout 60s;
    client_body_timeout 60s;
    large_client_header_buffers 4 8k;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_buffer_size 4k;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' '';
    }}
{servers}}}
"""

SERVER = """    server {{
        listen {address}:{port} ssl http2;
        server_name {host};
        ssl_certificate {certificate}.crt;
        ssl_certificate_key {certificate}.key;
        add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;
{locations}    }}
"""

LOCATION = """        location {match} {{
            proxy_pass {scheme}://{upstream};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Request-ID $request_id;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Port $server_port;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Scheme $scheme;
            proxy_set_header X-Scheme $scheme;
            proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
            proxy_set_header Proxy "";
            proxy_redirect off;
            proxy_buffers 4 4k;
            proxy_next_upstream error timeout;
            proxy_next_upstream_tries 3;
{directives}        }}
"""


def certificate(folder, host):
    """A certificate for a host, and what it was signed by: folder/ca.pem, front.crt, front.key; a TLS Secret's data."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=an authority of the tests", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=" + host, "-keyout", "front.key", "-out", "front.csr")
    with open(folder + "/front.ext", "w", encoding="ascii") as f:
        f.write(f"subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "front.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "front.ext", "-out", "front.crt")
    texts = {}
    for name, files in (("tls.crt", ("front.crt", "ca.pem")), ("tls.key", ("front.key",))):
        texts[name] = ""
        for file in files:
            with open(f"{folder}/{file}", encoding="ascii") as f:
                texts[name] += f.read()
    return texts


class Front:
    """See the head of the file. Requests come to node.address:PORT."""

    def __init__(self, node, ingress_class="nginx"):
        self.node, self.ingress_class, self.program = node, ingress_class, None
        self.dir = node.dir + "/ingress"

    def __enter__(self):
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            raise Failed("an Ingress needs nginx: tools/deps node installs it")
        os.makedirs(self.dir, exist_ok=True)
        return self

    def __exit__(self, kind, *_):
        if kind:
            with open(self.dir + "/error.log", encoding="utf-8", errors="replace") as f:
                print("".join("# nginx: " + line for line in f.readlines()[-10:]), end="", flush=True)
        self.stop()
        shutil.rmtree(self.dir)

    def stop(self):
        if self.program:
            del self.node.parts[NAME]
            self.program.stop()
            self.program = None

    def flags(self, host):
        return "--connect-to", f"{host}:443:{self.node.address}:{PORT}"

    def sync(self):
        """Reads the Ingresses and serves them; waits until each of their Services has an endpoint."""
        config = self.node.write("ingress/nginx.conf", CONFIG.format(dir=self.dir, servers=self._servers()))
        self.stop()
        until(lambda: not self._listens(), "nginx has left its port", SECONDS)
        self.program = self.node.program(NAME, ["nginx", "-e", self.dir + "/error.log", "-c", config])

        def serves():
            self.program.check()
            return self._listens()
        until(serves, "nginx serves", SECONDS)

    def _listens(self):
        try:
            socket.create_connection((self.node.address, PORT), 5).close()
            return True
        except OSError:
            return False

    def _get(self, path):
        status, answer = self.node.request("GET", path)
        if status != 200:
            raise Failed(f"GET {path}: {status}")
        return answer

    # ---- Ingresses to nginx

    def _servers(self):
        hosts = {}
        for o in self._get("/apis/networking.k8s.io/v1/ingresses")["items"]:
            if o["spec"].get("ingressClassName") == self.ingress_class:
                for rule in o["spec"]["rules"]:
                    certificates, locations = hosts.setdefault(rule["host"], ([], []))
                    certificates.append(self._certificate(o, rule["host"]))
                    locations += self._locations(o, rule)
        return "".join(SERVER.format(address=self.node.address, port=PORT, host=host, certificate=certificates[0], locations="".join(locations))
                       for host, (certificates, locations) in hosts.items())

    def _certificate(self, o, host):
        """The files, but for their ending, of the certificate for a host."""
        namespace = o["metadata"]["namespace"]
        [secret] = {tls["secretName"] for tls in o["spec"]["tls"] if host in tls["hosts"]}
        data = self._get(f"/api/v1/namespaces/{namespace}/secrets/{secret}")["data"]
        for key, ending in (("tls.crt", "crt"), ("tls.key", "key")):
            self.node.write(f"ingress/{namespace}.{secret}.{ending}", base64.b64decode(data[key]).decode())
        return f"{self.dir}/{namespace}.{secret}"

    def _locations(self, o, rule):
        for path in rule["http"]["paths"]:
            upstream = self._endpoint(o["metadata"]["namespace"], path["backend"]["service"])
            directives, scheme = self._directives(o)
            text = path["path"].rstrip("/")
            matches = ["= " + path["path"]] if path["pathType"] == "Exact" else [text + "/"] + (["= " + text] if text else [])
            for match in matches:
                yield LOCATION.format(match=match, scheme=scheme, upstream=upstream, directives=directives)

    @staticmethod
    def _directives(o):
        """(what the annotations and the defaults make of a location, how the backend is spoken to)."""
        own = {key.removeprefix(PREFIX): value for key, value in o["metadata"].get("annotations", {}).items() if key.startswith(PREFIX)}
        if own.keys() - UNDERSTOOD:
            raise Failed(f"Ingress {o['metadata']['name']}: annotations that tests/e2e/ingress.py does not know: {sorted(own.keys() - UNDERSTOOD)}")
        lines = [f"            {directive} {own.get(name, default)}{unit};\n" for name, (directive, default, unit) in ANNOTATIONS.items()]
        return "".join(lines), SPEAKS[own.get("backend-protocol", "HTTP").upper()]

    def _endpoint(self, namespace, service):
        """ADDRESS:PORT of a ready endpoint of a Service's port."""
        found = []

        def there():
            o = self._get(f"/api/v1/namespaces/{namespace}/services/{service['name']}")
            [port] = [p for p in o["spec"]["ports"] if service["port"] in ({"number": p["port"]}, {"name": p.get("name")})]
            slices = self._get(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{service['name']}")["items"]
            found[:] = [f"{e['addresses'][0]}:{p['port']}" for s in slices if s["metadata"]["ownerReferences"][0]["uid"] == o["metadata"]["uid"]
                        for p in s["ports"] or [] if (p["name"] or "") == port.get("name", "") for e in s["endpoints"] or [] if e["conditions"]["ready"]]
            return found
        until(there, f"the Service {namespace}/{service['name']} has an endpoint", SECONDS)
        return found[0]
