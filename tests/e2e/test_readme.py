#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What README.md says under "Install", and docs/client.md under "Without it", works: the commands are run, and say what is shown.

Not run are those that make an image and bring it into a registry, and install the client (ELSEWHERE): the node has the image by the
name that it would have there. The example's host is the node, by its address."""
import gzip
import hashlib
import os
import re
import subprocess

import e2e
import product
import volumes
from control_plane import REPO
from harness import BUILD
from e2e import alone, check, equal, make_disk, sha256

ELSEWHERE = re.compile(r"sudo make |skopeo ")
IMAGE, HOST = "registry.example/vmexport", "node.example.com"
HELM = f"""#!/bin/sh
exec {REPO}/tests/helm/helm {product.MAJOR} "$@"
"""
# What stands between the reader's terminal and the test's.
TERMINAL = """set -eu
curl() { command curl --silent --show-error "$@"; }
"""


def section(file, title):
    with open(f"{REPO}/{file}", encoding="utf-8") as f:
        return re.search(rf"^## {title}$(.*?)^## ", f.read(), re.MULTILINE | re.DOTALL)[1]


def commands(text):
    """[(command, the lines that it is shown to say)] of the indented blocks."""
    found = []
    for line in re.findall(r"^    (.*)$", text, re.MULTILINE):
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif found[-1][0].endswith("\\") or ("<<END" in found[-1][0] and not found[-1][0].endswith("\nEND")):
            found[-1][0] += "\n" + line
        else:
            found[-1][1].append(line)
    return found


# What is shown and is another each time, and what it may be.
VARIES = [(r"\.\.\.", ".*"), (r"crc32 [0-9a-f]{8}", "crc32 [0-9a-f]{8}"), (r"\d+(?:\.\d+)? [KMG]?i?B\b", r"[\d.]+ [KMG]?i?B"), (r"\d+(?:\.\d+)?", r"[\d.]+")]


def pattern_of(line):
    kinds = "|".join(f"({shown})" for shown, _ in VARIES)
    parts, at = [], 0
    for found in re.finditer(kinds, line):
        parts += [re.escape(line[at:found.start()]), VARIES[found.lastindex - 1][1]]
        at = found.end()
    return "".join(parts) + re.escape(line[at:]) + r"\n"


def matches(said, shown):
    """Whether it is what is shown: `...` are any lines, or the rest of one."""
    return re.fullmatch("".join(r"(?s:.*?)" if line == "..." else pattern_of(line) for line in shown) + r"\n*", said)


def run_all(node, tmp, todo):
    """Runs the commands one after the other in one shell; [what each has said]."""
    os.symlink(REPO + "/helm", tmp + "/helm")
    os.mkdir(tmp + "/bin")
    with open(tmp + "/bin/helm", "w", encoding="ascii") as f:
        f.write(HELM)
    os.chmod(tmp + "/bin/helm", 0o755)
    script = TERMINAL + "".join(f"echo '<next>'\n{command}\n" for command, _ in todo)
    env = dict(os.environ, KUBECONFIG=node.admin, PATH=f"{tmp}/bin:{BUILD}/cli:{node.programs}:{os.environ['PATH']}", HELM_CACHE_HOME=tmp, HELM_CONFIG_HOME=tmp, HELM_DATA_HOME=tmp)
    done = subprocess.run(["bash"], input=script, env=env, cwd=tmp, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
    said = done.stdout.split("<next>\n")[1:]
    equal(done.returncode, 0, f"{todo[len(said) - 1][0]}: {said[-1]}")
    return said


def clear(node):
    """As if nothing had ever been installed."""
    product.helm(node, "uninstall", product.RELEASE, "--wait")
    # Where pods are left in it, the namespace's controller looks again after half their grace: half an hour, the proxy's.
    node.kubectl("wait", "pods", "--all", "--for=delete", "--namespace", product.NAMESPACE, "--timeout=100s")
    node.kubectl("delete", "namespace", product.NAMESPACE)
    node.kubectl("delete", "crd", "virtualmachineexports." + e2e.GROUP)


@alone
def test_the_install_section_and_the_way_without_the_client(node, tmp):
    installed = commands(section("README.md", "Install").replace(HOST, node.address))
    alone_by_curl = commands(section("docs/client.md", "Without it").replace(HOST, node.address))
    last = next(i for i, (command, _) in enumerate(installed) if command.startswith("helm uninstall"))
    todo = [one for one in installed[:last] + alone_by_curl + installed[last:] if not ELSEWHERE.match(one[0])]
    check(len(todo) >= 15, f"the sections' commands: {todo}")
    node.ctr("images", "tag", "--force", product.load_image(node)[0], IMAGE + ":" + version())
    folder = volumes.folder(node, "readme")
    image = make_disk(folder + "/disk.img")
    os.chown(image, volumes.OWNER, volumes.OWNER)
    volumes.claim(node, "default", "disk0", folder, size="64Mi", **e2e.DISK)
    clear(node)
    try:
        for (command, shown), said in zip(todo, run_all(node, tmp, todo)):
            check(matches(said, shown), f"$ {command}\nsays\n{said}\nand what is written shows\n" + "\n".join(shown))
        for file in ("disk.img", "by-curl.img"):
            equal(sha256(f"{tmp}/{file}"), sha256(image), file)
        with gzip.open(tmp + "/disk.img.gz") as f:
            equal(hashlib.file_digest(f, "sha256").hexdigest(), sha256(image), "disk.img.gz")
    finally:
        product.install(node)


def version():
    with open(REPO + "/helm/vmexport/Chart.yaml", encoding="utf-8") as f:
        return re.search(r'^appVersion: "?([^"\n]+)', f.read(), re.MULTILINE)[1]


e2e.main(globals())
