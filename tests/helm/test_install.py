#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The chart on a real API server, by both Helms: what it takes, what is told, what is there after an upgrade, a rollback and the
end, and that nobody's CustomResourceDefinition is taken over. There is no node: pods stay objects."""
import json
import os
import re
import sys

import chart
from chart import CASES, CHART, HERE, MAJORS, check, equal, helm, helm_ok, main

sys.path.append(os.path.join(HERE, "../controller"))
# pylint: disable=wrong-import-position
import neighbours
from control_plane import ControlPlane
from harness import wait_until

GROUP, BESIDE = "export.kubevirt.io", "export.vmexport.io"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
NAME = "vmexport"                       # of release and namespace
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"         # what Helm asks for: it comes last


def crd_name(group):
    return "virtualmachineexports." + group


def definition(group, version, kind, **metadata):
    """A CustomResourceDefinition of somebody else's."""
    plural = kind.lower() + "s"
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}", **metadata},
            "spec": {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                     "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": OPEN}}]}}


def make_plane(fixtures):
    files = []
    for crd in (neighbours.definition("routes.route.openshift.io"), definition("monitoring.coreos.com", "v1", "ServiceMonitor"),
                definition("monitoring.coreos.com", "v1", "PrometheusRule")):
        files.append(f"{fixtures.tmp}/{crd['metadata']['name']}.json")
        with open(files[-1], "w", encoding="utf-8") as out:
            json.dump(crd, out)
    plane = fixtures.stack.enter_context(ControlPlane(fixtures.tmp + "/plane", manager=False, crds=files))
    for name in (NAME, chart.NAMESPACE):
        plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        plane.request("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})       # a controller-manager's work
    return plane


def run(plane, major, *args, namespace=NAME, kubeconfig=None):
    """(exit status, what was said) of helm."""
    status, out, errors = helm(major, *args, "--namespace", namespace, kubeconfig=kubeconfig or plane.admin)
    return status, out + errors


def install(plane, major, *args, name=NAME, namespace=NAME, kubeconfig=None):
    status, said = run(plane, major, "install", name, CHART, *args, namespace=namespace, kubeconfig=kubeconfig)
    check(status == 0, f"Helm {major} install {' '.join(args)}: {said}")
    return said


def uninstall(plane, major, name=NAME, namespace=NAME):
    status, said = run(plane, major, "uninstall", name, namespace=namespace)
    check(status == 0, f"Helm {major} uninstall: {said}")


def crd_goes(plane, group=GROUP):
    wait_until(lambda: plane.request("GET", f"{CRDS}/{crd_name(group)}")[0] == 404, "the definition is gone", 30)


def remove_crd(plane, group=GROUP):
    plane.request("DELETE", f"{CRDS}/{crd_name(group)}")
    crd_goes(plane, group)


def refused(plane, *messages, **how):
    """Neither Helm installs it, and both say why; nothing is there afterwards."""
    for major in MAJORS:
        before = everything(plane)
        status, said = run(plane, major, "install", how.get("name", NAME), CHART, *how.get("args", ()), namespace=how.get("namespace", NAME))
        check(status != 0, f"Helm {major}: it was installed")
        for message in messages:
            check(message in said, f"Helm {major}: '{message}' is not in: {said}")
        equal(everything(plane) ^ before, set(), f"Helm {major}: what is there")


# ---- what there is ----

def resources(plane):
    """The paths of all that can be listed, but for what the server itself keeps writing."""
    groups = plane.request("GET", "/apis")[1]["groups"]
    for path in ["/api/v1"] + ["/apis/" + g["preferredVersion"]["groupVersion"] for g in groups]:
        status, answer = plane.request("GET", path)
        for r in answer["resources"] if status == 200 else []:      # else a group that has just gone
            if "list" in r["verbs"] and r["name"] not in ("events", "leases", "endpointslices", "endpoints", "apiservices", "ipaddresses"):
                yield f"{path}/{r['name']}"


def everything(plane):
    """{(resource, namespace, name)} of every object."""
    found = set()
    for path in resources(plane):
        status, answer = plane.request("GET", path)
        for o in answer.get("items", []) if status == 200 else []:
            found.add((path.rpartition("/")[2], o["metadata"].get("namespace", ""), o["metadata"]["name"]))
    check({("namespaces", "", NAME), ("clusterroles", "", "admin")} <= found, "nothing is seen")
    return found


def ours(plane, before):
    return {(kind, name) for kind, _, name in everything(plane) - before if not name.startswith("sh.helm.release")}


def rendered(plane, major):
    """What Helm says that the release has."""
    _, said = run(plane, major, "get", "manifest", NAME)
    return {(o["kind"].lower(), o["metadata"]["name"]) for o in chart.documents(said)}


def singular(objects):
    return {(re.sub("ies$", "y", kind) if kind.endswith("ies") else re.sub("(?<=s)es$|s$", "", kind), name) for kind, name in objects}


# ---- tests ----

def test_the_api_server_takes_each_case(plane, tmp):
    """Strictly: a field that it doesn't know is an error. Server-side, as Helm 4 does it."""
    for case in [None, *CASES]:
        path = tmp + "/render.yaml"
        with open(path, "w", encoding="utf-8") as out:
            out.write(chart.render_text(case))
        plane.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename", path)


def test_pods_are_admitted_where_only_restricted_ones_are(plane):
    space = "restricted"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": space, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    for account in ("vmexport-controller", "vmexport-proxy", "exporter", "default"):
        plane.request("POST", f"/api/v1/namespaces/{space}/serviceaccounts", {"metadata": {"name": account}})
    for case in CASES:
        objects = chart.render(case)
        for workload in chart.pick(objects, "Deployment") + chart.pick(objects, "Pod"):
            template = workload["spec"].get("template", workload)
            pod = {"metadata": {"name": workload["metadata"]["name"], "labels": template["metadata"]["labels"]}, "spec": template["spec"]}
            status, answer = plane.request("POST", f"/api/v1/namespaces/{space}/pods?dryRun=All&fieldValidation=Strict", pod)
            equal(status, 201, f"{case}: {answer.get('message')}")


def test_install_upgrade_rollback_uninstall(plane):
    for major in MAJORS:
        before = everything(plane)
        install(plane, major, "--values", CASES["minimal"])
        small = ours(plane, before)
        equal(singular(small), rendered(plane, major), f"Helm {major}: what was installed")
        status, said = run(plane, major, "upgrade", NAME, CHART, "--values", CASES["ha"])
        equal(status, 0, f"Helm {major} upgrade: {said}")
        check({("deployments", "vmexport-proxy"), ("poddisruptionbudgets", "vmexport-controller"), ("ingresses", "vmexport-proxy")} <= ours(plane, before), "the upgrade's")
        status, said = run(plane, major, "rollback", NAME, "1")
        equal(status, 0, f"Helm {major} rollback: {said}")
        equal(ours(plane, before), small, f"Helm {major}: after the rollback")
        replicas = plane.request("GET", f"/apis/apps/v1/namespaces/{NAME}/deployments/vmexport-controller")[1]["spec"]["replicas"]
        equal(replicas, 1, "replicas after the rollback")
        uninstall(plane, major)
        equal(everything(plane) - before, {("customresourcedefinitions", "", crd_name(GROUP))}, f"Helm {major}: left")
        # What was left is found again, and goes when it is told to.
        install(plane, major, "--set", "crds.keep=false")
        uninstall(plane, major)
        crd_goes(plane)
        equal(everything(plane) ^ before, set(), f"Helm {major}: left, without crds.keep")


def test_an_upgrade_with_reused_values(plane):
    for major in MAJORS:
        install(plane, major, "--values", CASES["nodeport"])
        status, said = run(plane, major, "upgrade", NAME, CHART, "--reuse-values", "--set", "proxy.replicas=4")
        equal(status, 0, said)
        equal(plane.request("GET", f"/api/v1/namespaces/{NAME}/services/vmexport-proxy")[1]["spec"]["ports"][0]["nodePort"], 30443)
        uninstall(plane, major)
    remove_crd(plane)


def test_notes(plane):
    says = {
        "minimal": ["no way in from outside", "device_ownership_from_security_context", "api.group=export.vmexport.io there"],
        None: ["There is no way in from outside yet", "rollout status deployment/vmexport-proxy"],
        "beside-kubevirt": ["virtualmachineexports.export.vmexport.io first", "beside KubeVirt's own"],
        "direct": ["an Ingress for the host exports.example.test"],
        "no-rbac": ["crds.install is off", "the ServiceAccount exporter needs the rights"],
        "nodeport": ["One proxy only"],
    }
    for major in MAJORS:
        told = {case: install(plane, major, "--dry-run=server", *chart.values_of(case)).partition("NOTES:\n")[2] for case in [None, *CASES]}
        for case, words in says.items():
            for word in words + [f"kubectl --namespace {NAME} rollout status deployment/vmexport-controller"]:
                check(word in told[case], f"Helm {major}, {case}: '{word}' is not in\n{told[case]}")
        for case in ("ha", "openshift", "direct", "nodeport"):
            check("no way in from outside" not in told[case], f"{case}: {told[case]}")
        check("fsGroup is set" in install(plane, major, "--dry-run=server", "--set", "exports.fsGroup=107"), "fsGroup")
        check("helm uninstall deletes" in install(plane, major, "--dry-run=server", "--set", "crds.keep=false"), "crds.keep")


def test_notes_when_monitoring_cannot_be(plane):
    name = "prometheusrules.monitoring.coreos.com", "servicemonitors.monitoring.coreos.com"
    for n in name:
        plane.request("DELETE", f"{CRDS}/{n}")
    wait_until(lambda: "monitoring.coreos.com" not in plane.request("GET", "/apis", headers={"Accept": DISCOVERY}, raw=True)[1], "the API is gone", 30)
    for major in MAJORS:
        said = install(plane, major, "--dry-run=server", "--values", CASES["monitoring"])
        check("monitoring.coreos.com/v1 is not there" in said and "kind: ServiceMonitor" not in said, said[-800:])


def test_a_namespaces_admin_installs_what_is_not_the_clusters(plane):
    """With crds.install and rbac.create off, nothing outside the namespace is touched, or even looked at."""
    space = "tenant"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": space}})
    plane.request("POST", f"/api/v1/namespaces/{space}/serviceaccounts", {"metadata": {"name": "admin"}})
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space}"
    rule = {"apiGroups": ["", "apps", "policy", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"]}
    plane.request("POST", rbac + "/roles", {"metadata": {"name": "all"}, "rules": [rule]})
    plane.request("POST", rbac + "/rolebindings", {"metadata": {"name": "all"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "all"},
                                                   "subjects": [{"kind": "ServiceAccount", "name": "admin", "namespace": space}]})
    plane.until_allowed(f"system:serviceaccount:{space}:admin", namespace=space, resource="secrets", verb="create")
    kubeconfig = plane.kubeconfig_for(space, "admin")
    for major in MAJORS:
        install(plane, major, "--values", CASES["no-rbac"], namespace=space, kubeconfig=kubeconfig)
        uninstall(plane, major, namespace=space)


# ---- whose definition it is ----

def test_kubevirts_definition_is_left_alone(plane):
    for labels in ({"kubevirt.io": ""}, {"app.kubernetes.io/managed-by": "virt-operator"}):
        plane.request("POST", CRDS, definition(GROUP, "v1", "VirtualMachineExport", labels=labels))
        was = plane.request("GET", f"{CRDS}/{crd_name(GROUP)}")[1]["spec"]
        refused(plane, "is KubeVirt's", "set api.group=export.vmexport.io")
        # Not by rights alone, either: the controller would not work.
        refused(plane, "set api.group=export.vmexport.io", args=("--set", "crds.install=false"))
        for major in MAJORS:
            install(plane, major, "--values", CASES["beside-kubevirt"])
            uninstall(plane, major)
        equal(plane.request("GET", f"{CRDS}/{crd_name(GROUP)}")[1]["spec"], was, "KubeVirt's definition")
        remove_crd(plane)
    remove_crd(plane, BESIDE)


def test_a_strangers_definition_is_not_taken_over(plane):
    plane.request("POST", CRDS, definition(GROUP, "v1", "VirtualMachineExport"))
    was = plane.request("GET", f"{CRDS}/{crd_name(GROUP)}")[1]["metadata"]["generation"]
    refused(plane, "is not vmexport's", "api.group=export.vmexport.io", "crds.install=false")
    install(plane, 4, "--set", "crds.install=false")
    uninstall(plane, 4)
    equal(plane.request("GET", f"{CRDS}/{crd_name(GROUP)}")[1]["metadata"]["generation"], was, "its generation")
    remove_crd(plane)


def given_over(plane, said):
    """Does what the message says."""
    commands = re.findall(r"kubectl ((?:label|annotate) --overwrite crd [^&\n]+)", said)
    equal(len(commands), 2, said)
    for command in commands:
        plane.kubectl(*command.split())


def test_a_definition_that_was_made_by_hand_can_be_given_over(plane, tmp):
    for major in MAJORS:
        path = tmp + "/crd.yaml"
        with open(path, "w", encoding="utf-8") as out:
            out.write(chart.subprocess.run([chart.REPO + "/tools/render", CHART + "/files/crd.yaml"], check=True, stdout=chart.subprocess.PIPE, text=True).stdout)
        plane.apply(path)
        refused(plane, "was not installed by Helm", "crds.install=false")
        _, said = run(plane, major, "install", NAME, CHART)
        given_over(plane, said)
        install(plane, major)
        uninstall(plane, major)
        remove_crd(plane)


def test_another_releases_definition_is_its_own(plane):
    for major in MAJORS:
        install(plane, major, name="first", namespace=chart.NAMESPACE)
        refused(plane, "is of the release first in the namespace somewhere", "crds.install=false")
        uninstall(plane, major, name="first", namespace=chart.NAMESPACE)
        # It was kept, and nobody else needs it any more.
        _, said = run(plane, major, "install", NAME, CHART)
        given_over(plane, said)
        install(plane, major)
        uninstall(plane, major)
        remove_crd(plane)


main(globals())
