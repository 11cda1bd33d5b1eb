# SPDX-License-Identifier: Apache-2.0
"""What the tests of the chart share: Helm 3 and 4, the cases of ci/, renders as objects, and what values.yaml says."""
import atexit
import functools
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "../http"))
# pylint: disable=wrong-import-position,unused-import
from harness import BUILD, REPO, Skip, check, equal, main

CHART = REPO + "/helm/vmexport"
GOLDEN = HERE + "/golden"
MAJORS = (3, 4)
CASES = {os.path.basename(path)[:-len("-values.yaml")]: path for path in sorted(glob.glob(CHART + "/ci/*-values.yaml"))}
# What shows all that the chart can make.
GOLDEN_CASES = ("minimal", "ha", "openshift", "direct")
RELEASE, NAMESPACE = "release", "somewhere"
MONITORING = ["--api-versions", "monitoring.coreos.com/v1"]


class Loader(yaml.CSafeLoader):
    """YAML as the API server takes it: a key that comes twice is an error."""


def no_duplicates(loader, node):
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    twice = {key for key in keys if keys.count(key) > 1}
    check(not twice, f"twice in a map{node.start_mark}: {twice}")
    return loader.construct_mapping(node, deep=True)


Loader.add_constructor("tag:yaml.org,2002:map", no_duplicates)


def documents(text):
    return [d for d in yaml.load_all(text, Loader) if d]


def load(path):
    with open(path, encoding="utf-8") as f:
        return yaml.load(f, Loader)


@functools.cache
def program(major):
    return subprocess.run([HERE + "/helm", str(major)], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@functools.cache
def own_folder():
    """For what Helm keeps, which is nothing of the user's."""
    folder = tempfile.mkdtemp(prefix="vmexport-helm-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def helm(major, *args, kubeconfig=None):
    """(exit status, output, errors). Without a kubeconfig there is no cluster."""
    folder = own_folder()
    env = {"HELM_CACHE_HOME": folder + "/cache", "HELM_CONFIG_HOME": folder + "/config", "HELM_DATA_HOME": folder + "/data",
           "KUBECACHEDIR": folder + "/kube", "KUBECONFIG": kubeconfig or folder + "/none"}
    done = subprocess.run([program(major), *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
                          env=dict(os.environ, **env))
    return done.returncode, done.stdout, done.stderr


def helm_ok(major, *args, kubeconfig=None):
    status, out, errors = helm(major, *args, kubeconfig=kubeconfig)
    check(status == 0, f"helm {major} {' '.join(args)}: {errors or out}")
    return out


def values_of(case):
    return ["--values", CASES[case]] if case else []


@functools.cache
def render_text(case=None, *args, major=4):
    return helm_ok(major, "template", RELEASE, CHART, "--namespace", NAMESPACE, *values_of(case), *MONITORING, *args)


def render(case=None, *args, major=4):
    """The objects of a case, or of the defaults."""
    return documents(render_text(case, *args, major=major))


def pick(objects, kind, name=None):
    return [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]


def one(objects, kind, name):
    found = pick(objects, kind, name)
    equal(len(found), 1, f"how many {kind} {name}")
    return found[0]


def config(objects):
    """The controller's settings."""
    return yaml.load(one(objects, "ConfigMap", "vmexport-controller")["data"]["controller.yaml"], Loader)


# ---- what is documented ----

def schema():
    with open(CHART + "/values.schema.json", encoding="utf-8") as f:
        return json.load(f)


def leaves(values, of, path=""):
    """(path, default) of each setting: a map is one setting where the schema takes any key in it."""
    for key, value in values.items():
        below = of.get("properties", {}).get(key)
        check(below is not None, f"{path}{key} is not in the schema")
        if isinstance(value, dict) and "properties" in below:
            yield from leaves(value, below, f"{path}{key}.")
        else:
            yield path + key, value


def settings():
    return dict(leaves(load(CHART + "/values.yaml"), schema()))


def comments():
    """{path: its "# --" comment} of values.yaml."""
    found, above, where = {}, [], []
    with open(CHART + "/values.yaml", encoding="utf-8") as f:
        for line in f:
            text = line.strip()
            if text.startswith("# --"):
                above = [text[4:].strip()]
            elif text.startswith("#") and above:
                above.append(text[1:].strip())
            elif re.match(r" *[\w.]+:", line):
                depth = (len(line) - len(line.lstrip())) // 2
                where[depth:] = [text.split(":")[0]]
                if above:
                    found[".".join(where)] = " ".join(above)
                above = []
            else:
                above = []
    return found


def table():
    """README's table of values."""
    said, rows = comments(), ["| key | default | meaning |", "| --- | --- | --- |"]
    for path, default in settings().items():
        shown = "see values.yaml" if isinstance(default, dict) and len(json.dumps(default)) > 100 else f"`{json.dumps(default)}`"
        check(path in said, f"values.yaml: {path} has no comment that begins with '# --'")
        rows.append(f"| `{path}` | {shown} | {said[path]} |".replace("|` |", "\\|` |"))
    return "\n".join(rows) + "\n"


BEGIN, END = "<!-- values: made from values.yaml by `make helm-golden` -->\n", "<!-- end of values -->\n"


def readme_parts():
    """README before the table, the table, and after it."""
    with open(CHART + "/README.md", encoding="utf-8") as f:
        before, _, rest = f.read().partition(BEGIN)
    inside, _, after = rest.partition(END)
    return before, inside, after


def golden(case):
    """A render without the CRD, which is compared with its source elsewhere."""
    parts = render_text(case).split("\n---\n")
    return "\n---\n".join(part for part in parts if "\nkind: CustomResourceDefinition\n" not in part)
