# SPDX-License-Identifier: Apache-2.0
"""The product on a node: the image from `make image`, and the chart of the tree, installed by Helm as a user would.

    product.load_image(node)
    product.install(node)                                              # outside: the proxy's NodePort
    product.install(node, "--set", "external.mode=none", major=3)      # values are Helm's own flags; once more upgrades
    product.helm(node, "rollback", product.RELEASE)
"""
import glob
import os
import subprocess

from machine import Failed
from control_plane import REPO

RELEASE = NAMESPACE = "vmexport"
CHART = REPO + "/helm/vmexport"
MAJOR = 4           # of Helm
NODE_PORT = 30443


def image_archive():
    """The archive that `make image` wrote last; VMEXPORT_IMAGE names another."""
    archives = glob.glob(os.environ.get("VMEXPORT_IMAGE", REPO + "/build/image/vmexport-*.oci.tar"))
    if not archives:
        raise Failed("there is no image: make image builds it")
    return max(archives, key=os.path.getmtime)


def load_image(node):
    """Its names on the node: the first is what the chart's default values ask for."""
    return node.load(image_archive())


def helm(node, *words, major=MAJOR, namespace=NAMESPACE):
    """Runs Helm as admin; its output, or Failed."""
    folder = node.dir + "/helm"
    env = dict(os.environ, KUBECONFIG=node.admin, HELM_CACHE_HOME=folder, HELM_CONFIG_HOME=folder, HELM_DATA_HOME=folder, KUBECACHEDIR=folder)
    done = subprocess.run([REPO + "/tests/helm/helm", str(major), "--namespace", namespace, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"helm {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def install(node, *flags, major=MAJOR, chart=CHART, namespace=NAMESPACE):
    """Installs the chart, or upgrades to it, and waits until all of it works; what Helm says, the chart's notes included. Without
    flags, they are those of by_node_port()."""
    flags = flags or by_node_port(node)
    return helm(node, "upgrade", RELEASE, chart, "--install", "--create-namespace", "--wait", "--timeout", "5m", *flags, major=major, namespace=namespace)


def by_node_port(node):
    """Flags with which the way in from outside is a port of the node: outside()."""
    return ("--set", f"external.host={outside(node)},proxy.service.type=NodePort,proxy.service.nodePort={NODE_PORT},proxy.replicas=1")


def outside(node):
    return f"{node.address}:{NODE_PORT}"
