# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinitions of what stands beside the controller (KubeVirt, CDI, snapshots, OpenShift's Routes), with open
schemas: what they take is not the tests' matter. install() and remove() them at any time."""
import http.server
import json
import ssl
import threading
import time

KUBEVIRT = ("virtualmachines.kubevirt.io", "virtualmachineinstances.kubevirt.io", "kubevirts.kubevirt.io")
CDI = ("datavolumes.cdi.kubevirt.io",)
SNAPSHOTS = ("virtualmachinesnapshots.snapshot.kubevirt.io", "virtualmachinesnapshotcontents.snapshot.kubevirt.io",
             "volumesnapshots.snapshot.storage.k8s.io")
ROUTES = ("routes.route.openshift.io",)
ALL = KUBEVIRT + CDI + SNAPSHOTS + ROUTES
# name: version, kind, whether it has a status subresource; as the real ones have it.
KINDS = {
    "virtualmachines.kubevirt.io": ("v1", "VirtualMachine", True),
    "virtualmachineinstances.kubevirt.io": ("v1", "VirtualMachineInstance", False),
    "kubevirts.kubevirt.io": ("v1", "KubeVirt", True),
    "datavolumes.cdi.kubevirt.io": ("v1beta1", "DataVolume", True),
    "virtualmachinesnapshots.snapshot.kubevirt.io": ("v1beta1", "VirtualMachineSnapshot", True),
    "virtualmachinesnapshotcontents.snapshot.kubevirt.io": ("v1beta1", "VirtualMachineSnapshotContent", True),
    "volumesnapshots.snapshot.storage.k8s.io": ("v1", "VolumeSnapshot", True),
    "routes.route.openshift.io": ("v1", "Route", True),
}
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


def definition(name):
    version, kind, status = KINDS[name]
    plural, group = name.split(".", 1)
    served = {"name": version, "served": True, "storage": True, "subresources": {"status": {}} if status else {},
              "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, open schema of a test"}},
            "spec": {"group": group, "scope": "Namespaced", "versions": [served],
                     "names": {"kind": kind, "listKind": kind + "List", "plural": plural, "singular": kind.lower()}}}


def served(plane, name):
    plural, group = name.split(".", 1)
    return plane.request("GET", f"/apis/{group}/{KINDS[name][0]}/{plural}?limit=1")[0] == 200


def install(plane, *names):
    """Returns when all of them are served."""
    for name in names:
        status, answer = plane.request("POST", PATH, definition(name))
        if status not in (201, 409):
            raise AssertionError(f"CRD {name}: {answer}")
    end = time.monotonic() + 60
    while not all(served(plane, name) for name in names):
        if time.monotonic() > end:
            raise AssertionError(f"not served within 60 s: {' '.join(names)}")
        time.sleep(0.05)


def remove(plane, *names):
    """Returns when they and all objects of theirs are gone."""
    for name in names:
        plane.request("DELETE", f"{PATH}/{name}")
    end = time.monotonic() + 60
    while any(plane.request("GET", f"{PATH}/{name}")[0] != 404 for name in names):
        if time.monotonic() > end:
            raise AssertionError(f"not gone within 60 s: {' '.join(names)}")
        time.sleep(0.05)


class Subresources:
    """KubeVirt's own API server as far as `expand-spec` goes, behind the API server by an APIService: gives the machine with
    its instancetype written out as so many cores. asked: the paths that were asked for."""

    def __init__(self, plane, cores=4, namespace="default"):
        self.plane, self.namespace, self.asked = plane, namespace, []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):           # pylint: disable=invalid-name
                body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "subresources.kubevirt.io/v1", "resources": []}
                if self.path.endswith("/expand-spec"):
                    asked.append(self.path)
                    words = self.path.split("/")
                    vm = plane.request("GET", f"/apis/kubevirt.io/v1/namespaces/{words[5]}/virtualmachines/{words[7]}")[1]
                    vm["spec"].pop("instancetype", None)
                    vm["spec"]["template"]["spec"]["domain"]["cpu"] = {"cores": cores}
                    body = vm
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plane.cert.path("server.crt"), plane.cert.path("server.key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.plane.request("POST", f"/api/v1/namespaces/{self.namespace}/services",
                           {"metadata": {"name": "virt-api"}, "spec": {"type": "ExternalName", "externalName": "localhost"}})
        status, answer = self.plane.request("POST", SERVICES, {"metadata": {"name": "v1.subresources.kubevirt.io"}, "spec": {
            "group": "subresources.kubevirt.io", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15, "insecureSkipTLSVerify": True,
            "service": {"namespace": self.namespace, "name": "virt-api", "port": self.server.server_address[1]}}})
        if status != 201:
            raise AssertionError(f"APIService: {answer}")
        end = time.monotonic() + 60
        while self.plane.request("GET", "/apis/subresources.kubevirt.io/v1")[0] != 200:
            if time.monotonic() > end:
                raise AssertionError("not served within 60 s: subresources.kubevirt.io")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.plane.request("DELETE", SERVICES + "/v1.subresources.kubevirt.io")
        self.plane.request("DELETE", f"/api/v1/namespaces/{self.namespace}/services/virt-api")
        self.server.shutdown()
        self.server.server_close()
