#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The CustomResourceDefinition against a real API server: what it takes, what it refuses and says, in both API groups.

Most requests are dry runs: the API server judges them as any other, and nothing is left of them.
"""
import atexit
import contextlib
import functools
import os
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "../http")]
# pylint: disable=wrong-import-position
import harness
from control_plane import ControlPlane, Failed
from harness import REPO, check, equal, wait_until

GROUPS = ("export.kubevirt.io", "export.vmexport.io")
VERSIONS = ("v1alpha1", "v1beta1", "v1")
NAMESPACE = "crd"
FILES = REPO + "/helm/vmexport/files/"
PVC = {"kind": "PersistentVolumeClaim", "name": "disk"}

# As the user guide and the proposal write them.
WRITTEN = ("""
apiVersion: export.kubevirt.io/v1alpha1
kind: VirtualMachineExport
metadata:
    name: export-vm1
spec:
    source:
        apiGroup: kubevirt.io
        kind: VirtualMachine
        name: vm1
""", """
apiVersion: export.kubevirt.io/v1alpha1
kind: VirtualMachineExport
metadata:
    name: export-snap1
spec:
    source:
        apiGroup: snapshot.kubevirt.io
        kind: VirtualMachineSnapshot
        name: snap1
""", """
apiVersion: export.kubevirt.io/v1alpha1
kind: VirtualMachineExport
metadata:
    name: export-pvc1
spec:
    source:
        apiGroup: v1
        kind: PersistentVolumeClaim
        name: pvc1
""", """
apiVersion: export.kubevirt.io/v1alpha1
kind: VirtualMachineExport
metadata:
  name: example-vm
spec:
  tokenSecretRef: example-token
  source:
    apiGroup: "kubevirt.io"
    kind: VirtualMachine
    name: example-vm
""", """
apiVersion: export.kubevirt.io/v1alpha1
kind: VirtualMachineExport
metadata:
  name: example-vmsnapshot
spec:
  tokenSecretRef: example-token
  source:
    apiGroup: "snapshot.kubevirt.io"
    kind: VirtualMachineSnapshot
    name: example-vmsnapshot
""", """
apiVersion: export.kubevirt.io/v1alpha1
kind: VirtualMachineExport
metadata:
    name: example-ttl
spec:
    source:
        apiGroup: "kubevirt.io"
        kind: VirtualMachine
        name: example-vm
    tokenSecretRef: example-token
    ttlDuration: 1h
""", """
apiVersion: export.kubevirt.io/v1alpha1
kind: VirtualMachineExport
metadata:
  name: example-pvc
spec:
  source:
    apiGroup: ""
    kind: PersistentVolumeClaim
    name: example-pvc
  tokenSecretRef: example-token
status:
  conditions:
  - lastProbeTime: null
    lastTransitionTime: "2022-06-21T14:10:09Z"
    reason: podReady
    status: "True"
    type: Ready
  - lastProbeTime: null
    reason: pvcBound
    status: "True"
    type: PVCReady
  links:
    external:
      cert: |-
        -----BEGIN CERTIFICATE-----
        ...
        -----END CERTIFICATE-----
      volumes:
      - formats:
        - format: raw
          url: https://vmexport-proxy.test.net/api/export.kubevirt.io/v1alpha1/namespaces/example/virtualmachineexports/example-export/volumes/example-disk/disk.img
        - format: gzip
          url: https://vmexport-proxy.test.net/api/export.kubevirt.io/v1alpha1/namespaces/example/virtualmachineexports/example-export/volumes/example-disk/disk.img.gz
        name: example-disk
      manifests:
      - type: all
        url: https://vmexport-proxy.test.net/api/export.kubevirt.io/v1alpha1/namespaces/example/virtualmachineexports/example-export/external/manifests/all
  phase: Ready
  serviceName: virt-export-example-export
""")


# ---- the API server ----

def render(group, *files):
    return subprocess.run([REPO + "/tools/render", "--api-group", group, *(FILES + f for f in files)], check=True, capture_output=True, text=True).stdout


@functools.cache
def cluster():
    """An API server that serves both groups, until this program ends."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmexport-crd-"))
    crds = []
    for group in GROUPS:
        crds.append(f"{folder}/{group}.yaml")
        with open(crds[-1], "w", encoding="utf-8") as f:
            f.write(render(group, "crd.yaml"))
    c = stack.enter_context(ControlPlane(folder + "/cluster", crds=crds))
    c.kubectl("create", "namespace", NAMESPACE)
    return c


def url(group=GROUPS[0], version="v1", name="", query=""):
    return f"/apis/{group}/{version}/namespaces/{NAMESPACE}/virtualmachineexports" + (f"/{name}" if name else "") + query


def export(spec, group=GROUPS[0], version="v1", name="exp", status=None):
    o = {"apiVersion": f"{group}/{version}", "kind": "VirtualMachineExport", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
    return dict(o, status=status) if status else o


def try_to_create(spec, **kw):
    """Whether such an export could be created: the HTTP status, and the answer's JSON."""
    o = export(spec, **kw)
    group, version = o["apiVersion"].split("/")
    return cluster().request("POST", url(group, version, query="?dryRun=All&fieldValidation=Strict"), o)


def taken(spec, **kw):
    status, o = try_to_create(spec, **kw)
    equal(status, 201, f"{spec}: {o.get('message')}")
    return o


def refused(spec, field, *parts, **kw):
    """Refused for that field only, with a message that has these parts."""
    status, o = try_to_create(spec, **kw)
    equal(status, 422, f"{spec}: {o.get('message')}")
    # Where a field is missing or too long, the server says for no field that there may be more wrong.
    equal([c["field"] for c in o["details"]["causes"] if c["field"] != "<nil>"], [field], f"{spec}: {o['message']}")
    for part in parts:
        check(part in o["message"], f"{spec}: no '{part}' in: {o['message']}")


@contextlib.contextmanager
def created(spec=None, group=GROUPS[0], **kw):
    """An export that is really there; with the path of it."""
    o = export(spec or {"source": PVC}, group=group, **kw)
    status, o = cluster().request("POST", url(group, o["apiVersion"].split("/")[1]), o)
    equal(status, 201, o.get("message"))
    try:
        yield o
    finally:
        cluster().request("DELETE", url(group, name=o["metadata"]["name"]), None)


def path_of(o, subresource="", version=None):
    group, stored = o["apiVersion"].split("/")
    return url(group, version or stored, o["metadata"]["name"]) + ("/" + subresource if subresource else "")


def patch(o, change, subresource=""):
    """A merge patch of an export: the HTTP status, and the answer's JSON."""
    return cluster().request("PATCH", path_of(o, subresource), change)


# ---- what is taken ----

def test_what_the_seeds_write_is_taken_in_every_version_and_group():
    for text in WRITTEN:
        for group in GROUPS:
            for version in VERSIONS:
                written = text.replace("export.kubevirt.io/v1alpha1\nkind", f"{group}/{version}\nkind")
                said = cluster().kubectl("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-", input=written)
                check(f".{group}/" in said and said.strip().endswith("created (server dry run)"), said)


def test_plain_kubectl_apply_takes_the_file_again_and_again():
    for group in GROUPS:
        for _ in range(2):
            said = cluster().kubectl("apply", "--dry-run=server", "-f", "-", input=render(group, "crd.yaml"))
            check(f"virtualmachineexports.{group}" in said, said)


def test_each_kind_of_source_with_its_group():
    for group in GROUPS:
        for source in ({"kind": "PersistentVolumeClaim"}, {"kind": "PersistentVolumeClaim", "apiGroup": ""}, {"kind": "PersistentVolumeClaim", "apiGroup": "v1"},
                       {"kind": "PersistentVolumeClaim", "apiGroup": None},
                       {"kind": "VirtualMachine", "apiGroup": "kubevirt.io"}, {"kind": "VirtualMachineSnapshot", "apiGroup": "snapshot.kubevirt.io"}):
            taken({"source": dict(source, name="disk")}, group=group)


def test_a_group_that_does_not_fit_the_kind_is_refused_with_the_right_one():
    for kind, wrong, right in (("PersistentVolumeClaim", ("apps", "kubevirt.io", "core"), 'leave it out, or write ""'),
                               ("VirtualMachine", (None, "", "v1", "snapshot.kubevirt.io"), "write kubevirt.io"),
                               ("VirtualMachineSnapshot", (None, "", "kubevirt.io", "snapshot.storage.k8s.io"), "write snapshot.kubevirt.io")):
        for group in wrong:
            refused({"source": {"kind": kind, "name": "x", **({} if group is None else {"apiGroup": group})}}, "spec.source",
                    f"apiGroup does not fit kind {kind}", right)


def test_another_kind_is_refused():
    for kind in ("Pod", "VirtualMachineInstance", "virtualmachine", "DataVolume", "VirtualMachineBackup", ""):
        refused({"source": {"kind": kind, "name": "x", "apiGroup": "kubevirt.io"}}, "spec.source.kind", "this kind cannot be exported: name a PersistentVolumeClaim")


def test_names_of_sources():
    for name in ("disk", "a", "0", "my.disk.v1", "a-b.c-d", "d" * 253):
        taken({"source": dict(PVC, name=name)})
    for name in ("", "Disk", "a_b", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a/b", "../a", "a\n", "disk "):
        refused({"source": dict(PVC, name=name)}, "spec.source.name", "write the name of the source")
    refused({"source": dict(PVC, name="d" * 254)}, "spec.source.name", "253")


def test_what_has_to_be_there():
    refused({}, "spec.source", "Required value")
    refused({"source": {"name": "x"}}, "spec.source.kind", "Required value")
    refused({"source": {"kind": "PersistentVolumeClaim"}}, "spec.source.name", "Required value")


def test_names_of_token_secrets():
    for name in ("token", "secret-exp", "export.token", "t" * 253):
        taken({"source": PVC, "tokenSecretRef": name})
    for name in ("", "a b", "Token", "a/b"):
        refused({"source": PVC, "tokenSecretRef": name}, "spec.tokenSecretRef", 'key "token"', "leave tokenSecretRef out to have a token generated")


def test_durations():
    for ttl in ("2h", "1h30m", "1.5h", "90s", "2h0m0s", "8760h0m0s", "100000h", ".5h", "1.h", "+1h", "1m0.5s", "500ms", "1us", "1\u00b5s", "1ns", "0h1s"):
        taken({"source": PVC, "ttlDuration": ttl})
    for ttl in ("0s", "0", "0h0m0s", "-5m", "-1h", "", "2", "1 day", "2 days", "1d", "2w", "h", "1h30", "1h 30m", " 1h", "1h\n", "1,5h", "1e3s", "0x1h", "forever",
                "+-1h", ".h", "1..5h"):
        refused({"source": PVC, "ttlDuration": ttl}, "spec.ttlDuration", "not a duration greater than zero: write one such as 2h")
    for ttl in ("9999999h", "99999999999999999999h"):       # more than the 292 years that Go's durations hold
        refused({"source": PVC, "ttlDuration": ttl}, "spec.ttlDuration", "write one such as 2h")
    refused({"source": PVC, "ttlDuration": "0" * 64 + "1h"}, "spec.ttlDuration", "64")


def test_every_error_is_told_at_once():
    status, o = try_to_create({"source": {"kind": "VirtualMachine", "name": "A"}, "ttlDuration": "0s", "tokenSecretRef": ""})
    equal(status, 422)
    equal({c["field"] for c in o["details"]["causes"]}, {"spec.source", "spec.source.name", "spec.ttlDuration", "spec.tokenSecretRef"}, o["message"])


def test_fields_that_are_not_known_are_dropped_or_told():
    o = export(dict(source=dict(PVC, extra=1), more=2))
    status, answer = cluster().request("POST", url(query="?dryRun=All"), o)
    equal((status, answer["spec"]), (201, {"source": PVC}))
    status, answer = try_to_create(o["spec"])
    equal(status, 400)
    check('unknown field "spec.more"' in answer["message"] and 'unknown field "spec.source.extra"' in answer["message"], answer["message"])


# ---- what may change ----

CHANGES = ({"source": {"name": "other"}}, {"source": {"apiGroup": ""}}, {"source": {"kind": "VirtualMachine", "apiGroup": "kubevirt.io"}},
           {"ttlDuration": "3h"}, {"ttlDuration": None}, {"tokenSecretRef": "other"}, {"tokenSecretRef": None})
SPEC = {"source": PVC, "ttlDuration": "2h", "tokenSecretRef": "token"}


def test_a_changed_spec_is_refused():
    for group in GROUPS:
        with created(SPEC, group=group) as o:
            for change in CHANGES:
                status, answer = patch(o, {"spec": change})
                equal((status, [c["field"] for c in answer["details"]["causes"]]), (422, ["spec"]), f"{change}: {answer['message']}")
                check("an export cannot be changed after creation: delete it and create it again" in answer["message"], answer["message"])


def test_what_was_left_out_cannot_be_added():
    with created() as o:
        for change in ({"ttlDuration": "2h"}, {"tokenSecretRef": "token"}, {"source": {"apiGroup": ""}}):
            equal(patch(o, {"spec": change})[0], 422, f"{change}")
        equal(patch(o, {"spec": {"ttlDuration": None}})[0], 200, "leaving out what was left out")


def test_metadata_may_change():
    with created(SPEC) as o:
        for change in ({"labels": {"a": "b"}}, {"annotations": {"a": "b"}}, {"finalizers": ["example.com/keep"]}, {"finalizers": None}):
            equal(patch(o, {"metadata": change})[0], 200, f"{change}")
        equal(patch(o, {"spec": SPEC, "metadata": {"labels": {"c": "d"}}})[0], 200, "the same spec again")
        equal(patch(o, {})[1]["metadata"]["generation"], 1)


def test_the_same_again_by_kubectl_apply():
    text = WRITTEN[3]
    for said in ("created", "unchanged"):
        check(said in cluster().kubectl("apply", "-n", NAMESPACE, "-f", "-", input=text), said)
    check("configured" in cluster().kubectl("apply", "-n", NAMESPACE, "-f", "-", input=text.replace("name: example-vm\nspec", "name: example-vm\n  labels: {a: b}\nspec")), "labels")
    cluster().kubectl("delete", "-n", NAMESPACE, "-f", "-", input=text)


# ---- status ----

LINK = {"cert": "-----BEGIN CERTIFICATE-----\n", "volumes": [{"name": "disk", "formats": [{"format": "raw", "url": "https://a/"}, {"format": "gzip", "url": "https://b/"}]}],
        "manifests": [{"type": "all", "url": "https://c/"}, {"type": "auth-header-secret", "url": "https://d/"}],
        "backups": [{"name": "disk", "endpoints": [{"endpoint": "map", "url": "https://e/"}, {"endpoint": "data", "url": "https://f/"}]}]}
STATUS = {"phase": "Ready", "links": {"internal": LINK, "external": dict(LINK, cert="")}, "tokenSecretRef": "token", "ttlExpirationTime": "2100-01-02T03:04:05Z",
          "serviceName": "virt-export-exp", "virtualMachineName": "vm", "observedGeneration": 1,
          "conditions": [{"type": "Ready", "status": "True", "reason": "PodReady", "message": "", "lastProbeTime": None, "lastTransitionTime": "2026-01-02T03:04:05Z"},
                         {"type": "PVCReady", "status": "True", "lastProbeTime": None, "lastTransitionTime": None}]}


def test_every_field_comes_back_in_every_version():
    for group in GROUPS:
        with created(SPEC, group=group) as o:
            equal(patch(o, {"status": STATUS}, "status")[0], 200)
            for version in VERSIONS:
                status, got = cluster().request("GET", path_of(o, version=version))
                equal((status, got["apiVersion"], got["spec"]), (200, f"{group}/{version}", SPEC))
                # A merge patch takes null for "leave out": what is written whole is below.
                equal(got["status"]["links"], STATUS["links"], version)
            whole = dict(got, status=STATUS)
            status, got = cluster().request("PUT", path_of(o, "status", "v1beta1"), dict(whole, apiVersion=f"{group}/v1beta1"))
            equal((status, got["status"]), (200, STATUS), "put as v1beta1")
            equal(cluster().request("GET", path_of(o, version="v1alpha1"))[1]["status"], STATUS, "read as v1alpha1")


def test_what_is_created_in_one_version_is_there_in_the_others():
    for version in VERSIONS:
        with created(SPEC, version=version, name="made-as-" + version) as o:
            for other in VERSIONS:
                equal(cluster().request("GET", path_of(o, version=other))[1]["spec"], SPEC, f"{version} as {other}")


def test_no_version_warns():
    for version in VERSIONS:
        done = subprocess.run([cluster().programs + "/kubectl", "--kubeconfig", cluster().admin, "get", f"virtualmachineexports.{version}.{GROUPS[0]}"],
                              check=True, capture_output=True, text=True)
        check("Warning" not in done.stderr, done.stderr)


def test_v1_is_stored():
    for group in GROUPS:
        crd = cluster().request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/virtualmachineexports.{group}")[1]
        equal(crd["status"]["storedVersions"], ["v1"])
        equal({c["type"]: c["status"] for c in crd["status"]["conditions"]}.get("NonStructuralSchema"), None)
        equal({v["name"]: (v["schema"], v["additionalPrinterColumns"]) for v in crd["spec"]["versions"]},
              {v: (crd["spec"]["versions"][0]["schema"], crd["spec"]["versions"][0]["additionalPrinterColumns"]) for v in VERSIONS})
        check(not {"kubevirt.io", "app.kubernetes.io/managed-by"} & set(crd["metadata"]["labels"]), "a label that says that it is KubeVirt's")


def test_status_and_the_rest_are_written_apart():
    with created(SPEC) as o:
        status, answer = patch(o, {"spec": {"source": {"name": "other"}, "ttlDuration": "9h"}, "status": {"phase": "Pending"}}, "status")
        equal((status, answer["spec"], answer["status"]), (200, SPEC, {"phase": "Pending"}), "through /status")
        status, answer = patch(o, {"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Ready"}})
        equal((status, answer["status"]), (200, {"phase": "Pending"}), "through the export")
    status, answer = try_to_create(SPEC, status={"phase": "Ready"})
    equal((status, answer.get("status")), (201, None), "on creation")


def test_lists_that_are_maps_have_each_key_once():
    twice = {"cert": "", "volumes": [{"name": "a", "formats": []}, {"name": "a", "formats": []}]}
    with created() as o:
        status, answer = patch(o, {"status": {"links": {"internal": twice}}}, "status")
        equal(status, 422)
        check("Duplicate value" in answer["message"], answer["message"])


# ---- what people see ----

def test_columns():
    for group in GROUPS:
        with created({"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}}, group=group) as o:
            patch(o, {"status": STATUS}, "status")
            for version in VERSIONS:
                table = cluster().request("GET", path_of(o, version=version), headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})[1]
                equal([c["name"] for c in table["columnDefinitions"]], ["Name", "SourceKind", "SourceName", "Phase", "Age", "ExpiresAt"])
                cells = table["rows"][0]["cells"]
                equal(cells[:4] + cells[5:], ["exp", "VirtualMachine", "vm", "Ready", "2100-01-02T03:04:05Z"], version)
                check(cells[4].endswith("s"), f"age: {cells[4]}")


def test_short_names_and_the_category():
    with created() as o:
        for name in ("vmexport", "vmexports", "virtualmachineexport"):
            check("exp" in cluster().kubectl("get", f"{name}.{GROUPS[0]}", "-n", NAMESPACE), name)
        check(f"virtualmachineexport.{GROUPS[0]}/{o['metadata']['name']}" in cluster().kubectl("get", "all", "-n", NAMESPACE), "get all")


def explain(field, group):
    with contextlib.suppress(Failed):
        return cluster().kubectl("explain", field, "--api-version", group + "/v1")
    return ""


def test_kubectl_explains_every_field():
    for group in GROUPS:
        wait_until(lambda: explain("vmexport.spec", group), f"the description of {group} is published", 30)  # pylint: disable=cell-var-from-loop
        check("What to export, to whom and for how long" in explain("vmexport.spec", group), "spec")
        check("such as" in explain("vmexport.spec.ttlDuration", group), "ttlDuration")
        check("header" in explain("vmexport.status.links.external.manifests.type", group), "manifests")


def test_every_field_has_a_description():
    def walk(schema, path):
        check(schema.get("description") or path in ("", ".apiVersion", ".kind", ".metadata"), f"no description: {path}")
        for name, field in schema.get("properties", {}).items():
            walk(field, f"{path}.{name}")
        if "items" in schema:
            walk(schema["items"], path + "[]")
    crd = cluster().request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/virtualmachineexports." + GROUPS[0])[1]
    walk(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")


# ---- the other file ----

def may(verb, resource, user, *options):
    done = subprocess.run([cluster().programs + "/kubectl", "--kubeconfig", cluster().admin, "auth", "can-i", verb, resource, "--as", user, *options],
                          check=False, capture_output=True, text=True)
    return done.stdout.strip() == "yes"


def test_users_with_a_role_of_kubernetes_may_use_exports():
    cluster().kubectl("create", "namespace", "vmexport")
    cluster().kubectl("apply", "-f", "-", input=render(GROUPS[1], "rbac.yaml"))
    exports = "virtualmachineexports." + GROUPS[1]
    # Each by what the role below, which is part of it, doesn't have.
    for role, verb in (("admin", "deletecollection"), ("edit", "create"), ("view", "watch")):
        cluster().kubectl("create", "rolebinding", role, "--clusterrole", role, "--user", role, "-n", NAMESPACE)
        wait_until(lambda: may(verb, exports, role, "-n", NAMESPACE), f"{role} is aggregated", 30)  # pylint: disable=cell-var-from-loop
    equal([[v for v in ("create", "update", "delete", "deletecollection") if may(v, exports, role, "-n", NAMESPACE)] for role in ("admin", "edit", "view")],
          [["create", "update", "delete", "deletecollection"], ["create", "update", "delete"], []])
    check(not may("get", exports, "edit", "-n", "default"), "another namespace")


def test_the_controller_may_do_its_work_and_no_more():
    user = "system:serviceaccount:vmexport:vmexport-controller"
    for verb, resource, *options in (("delete", "virtualmachineexports." + GROUPS[1], "-A"), ("create", "pods", "-A"), ("create", "persistentvolumeclaims", "-A"),
                                     ("patch", "virtualmachineexports." + GROUPS[1], "--subresource=status", "-A"), ("create", "leases.coordination.k8s.io", "-n", "vmexport"),
                                     ("update", "leases.coordination.k8s.io/vmexport-controller", "-n", "vmexport")):
        check(may(verb, resource, user, *options), f"{verb} {resource}")
    for verb, resource, *options in (("patch", "virtualmachineexports." + GROUPS[1], "-A"), ("get", "virtualmachineexports." + GROUPS[0], "-A"), ("delete", "persistentvolumeclaims", "-A"),
                                     ("patch", "persistentvolumeclaims", "-A"), ("create", "pods", "--subresource=exec", "-A"), ("update", "leases.coordination.k8s.io/other", "-n", "vmexport"),
                                     ("create", "leases.coordination.k8s.io", "-n", "default"), ("update", "virtualmachines.kubevirt.io", "-A"), ("create", "clusterroles", "-A")):
        check(not may(verb, resource, user, *options), f"{verb} {resource} {options}")
    rules = [r for o in cluster().request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")[1]["items"] if o["metadata"]["name"].startswith("vmexport-") for r in o["rules"]]
    check(len(rules) > 10 and not any("*" in r["apiGroups"] + r["resources"] + r["verbs"] for r in rules), "a wildcard")


# ---- tools/render ----

def test_render_puts_in_the_group_and_the_namespace():
    text = subprocess.run([REPO + "/tools/render", "--api-group", "export.vmexport.io", "--namespace", "infra", FILES + "crd.yaml", FILES + "rbac.yaml"],
                          check=True, capture_output=True, text=True).stdout
    check("export.kubevirt.io" not in text and "namespace: vmexport" not in text and text.count("namespace: infra\n") == 5, text)
    for option, value in (("--namespace", "a/b"), ("--namespace", "A"), ("--api-group", ""), ("--api-group", "a.b\nx: y"), ("--api-group", "a.&")):
        done = subprocess.run([REPO + "/tools/render", option, value, FILES + "crd.yaml"], check=False, capture_output=True, text=True)
        check(done.returncode == 2 and not done.stdout and option in done.stderr, f"{option} {value}: {done.stderr}")


harness.main(globals())
