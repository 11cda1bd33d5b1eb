#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of a release of the chart: upgrade, rollback, uninstallation, on a cluster where exports are at work."""
import json
import shutil

import e2e
from e2e import NAMESPACE, Failed, alone, check, equal, eventually, product, sha256, uid

KINDS = ("all", "secrets", "configmaps", "serviceaccounts", "roles", "rolebindings", "leases", "networkpolicies", "poddisruptionbudgets", "ingresses")
TESTS = "app.kubernetes.io/component=test"
CLUSTER_KINDS = ("clusterroles", "clusterrolebindings", "customresourcedefinitions")
OF_EVERY_NAMESPACE = {"configmaps/kube-root-ca.crt", "serviceaccounts/default"}


def names(node, *words):
    return {name for name in node.kubectl("get", *words, "--output", "name").split() if name}


def ours(node):
    """What there is in the product's namespace, and of the cluster's kinds under its name."""
    inside = set().union(*(names(node, kind, "--namespace", NAMESPACE) for kind in KINDS))
    outside = set().union(*(names(node, kind) for kind in CLUSTER_KINDS))
    return {n for n in inside if n.replace("configmap/", "configmaps/").replace("serviceaccount/", "serviceaccounts/") not in OF_EVERY_NAMESPACE} | {n for n in outside if "vmexport" in n or "virtualmachineexport" in n}


def older(tmp):
    """The chart as an earlier version of it."""
    chart = shutil.copytree(product.CHART, tmp + "/vmexport")
    with open(chart + "/Chart.yaml", encoding="utf-8") as f:
        text = f.read()
    [version] = [line for line in text.splitlines() if line.startswith("version:")]
    with open(chart + "/Chart.yaml", "w", encoding="utf-8") as f:
        f.write(text.replace(version, "version: 0.0.1"))
    return chart


def works(w, tmp, image):
    equal(sha256(w.fetch(w.formats(where="external")["raw"], tmp + "/disk.img")), sha256(image), "the disk")


def made(w, name):
    """A new export becomes Ready."""
    w.export(name)
    w.ready(name)
    w.delete("export", name)


def revision(node):
    return json.loads(product.helm(node, "list", "--output", "json"))[0]["revision"]


@alone
def test_an_upgrade_and_a_rollback_leave_exports_alone(w, node, tmp):
    image = w.disk()
    product.install(node, chart=older(tmp))
    before = revision(node)
    w.export()
    w.ready()
    pod = uid(w.pod())
    product.install(node)
    made(w, "after-upgrade")
    works(w, tmp, image)
    product.helm(node, "rollback", product.RELEASE, before, "--wait", "--timeout", "5m")
    made(w, "after-rollback")
    works(w, tmp, image)
    product.install(node)
    equal(uid(w.pod()), pod, "the pod of the export")


@alone
def test_helm_test_says_whether_it_works(node):
    for major in (3, 4):
        said = product.helm(node, "test", product.RELEASE, "--timeout", "3m", major=major)
        equal(said.count("Phase:          Succeeded"), 2, said)
    equal(names(node, "pods", "--namespace", NAMESPACE, "--selector", TESTS), set(), "pods that are left of it")
    node.kubectl("delete", "service", "vmexport-proxy", "--namespace", NAMESPACE)
    try:
        product.helm(node, "test", product.RELEASE, "--timeout", "3m")
        check(False, "it succeeds without the Service")
    except Failed as e:
        check("vmexport-test-proxy" in str(e), e)
        said = node.kubectl("logs", "vmexport-test-proxy", "--namespace", NAMESPACE)
        check(said.startswith(f"probe: https://vmexport-proxy.{NAMESPACE}.svc/healthz does not answer: "), said)
    finally:
        node.kubectl("delete", "pods", "--namespace", NAMESPACE, "--selector", TESTS)
        product.install(node)


@alone
def test_helm_3_takes_over_what_helm_4_has_installed(w, node, tmp):
    image = w.disk()
    w.export()
    w.ready()
    product.install(node, major=3)
    made(w, "another")
    works(w, tmp, image)


@alone
def test_nothing_is_left_but_the_crd_and_what_is_the_users(w, node, tmp):
    image = w.disk()
    w.export()
    w.ready()
    cert = w.links()["cert"]
    product.helm(node, "uninstall", product.RELEASE, "--wait")
    eventually(lambda: equal(ours(node), {"customresourcedefinition.apiextensions.k8s.io/virtualmachineexports." + w.group}, "what is left") is None, "all of it goes", e2e.READY)
    check(w.exp() and w.pod(), "the export, which is the user's, went")
    product.install(node)
    w.ready()
    eventually(lambda: w.links()["cert"] != cert, "links have the new CA", e2e.READY)
    eventually(lambda: w.curl(w.formats(where="external")["raw"], tmp + "/disk.img").returncode == 0, "the pod has a certificate of the new CA", e2e.READY)
    works(w, tmp, image)


e2e.main(globals())
