#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs below and beside exports end, or are changed, in the middle of work."""
import json

import e2e
from e2e import Download, alone, equal, eventually

def pods_of(node, component):
    return json.loads(node.kubectl("get", "pods", "--namespace", e2e.NAMESPACE, "--selector", f"app.kubernetes.io/component={component}", "--output", "json"))["items"]


def kill(node, component):
    """Its pods, at once; returns when others stand."""
    old = {p["metadata"]["uid"] for p in pods_of(node, component)}
    node.kubectl("delete", "pods", "--namespace", e2e.NAMESPACE, "--selector", f"app.kubernetes.io/component={component}", "--grace-period=0", "--force", "--wait=false")

    def replaced():
        pods = [p for p in pods_of(node, component) if p["metadata"]["uid"] not in old]
        return pods and all(any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", [])) for p in pods)
    eventually(replaced, f"another {component}", e2e.READY)


@alone
def test_a_controller_that_is_killed_in_the_middle_makes_everything_once(w, node):
    names = [f"exp{i}" for i in range(6)]
    for name in names:
        w.disk(name)
    for name in names:
        w.export(name, of=name)
    kill(node, "controller")
    for name in names:
        w.ready(name)
        equal(len(w.children("pod", name)), 1, f"pods of {name}")
    equal(w.orphans(), [])


@alone
def test_a_download_does_not_need_the_controller(w, node, tmp):
    download = Download(w, tmp)
    kill(node, "controller")
    download.finish()


@alone
def test_a_download_goes_on_while_containerd_is_restarted(w, node, tmp):
    download = Download(w, tmp)
    node.restart_containerd()
    download.finish()
    w.ready()


@alone
def test_a_proxy_that_is_to_end_finishes_its_downloads(w, node, tmp):
    download = Download(w, tmp)
    node.kubectl("rollout", "restart", "deployment/vmexport-proxy", "--namespace", e2e.NAMESPACE)
    node.kubectl("rollout", "status", "deployment/vmexport-proxy", "--namespace", e2e.NAMESPACE, "--timeout=100s")
    download.finish()
    w.fetch(w.formats(where="external")["raw"], tmp + "/again.img")


e2e.main(globals())
