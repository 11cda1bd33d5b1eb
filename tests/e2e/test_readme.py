#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What README.md says under "Install" works: its commands are run, and say what it shows.

Not run are those that make an image and bring it into a registry (ELSEWHERE): the node has the image by the name that it would
have there. The example's host is the node."""
import os
import re
import subprocess

import e2e
import product
import volumes
from control_plane import REPO
from e2e import alone, check, equal, make_disk, sha256

ELSEWHERE = re.compile(r"sudo make image|skopeo ")
IMAGE, HOST, PORT = "registry.example/vmexport", "node.example.com", product.NODE_PORT
HELM = f"""#!/bin/sh
exec {REPO}/tests/helm/helm {product.MAJOR} "$@"
"""
# What stands between the reader's terminal and the test's.
TERMINAL = """set -eu
curl() {{ command curl --silent --show-error --resolve {host}:{port}:{address} "$@"; }}
"""


def section(title):
    with open(REPO + "/README.md", encoding="utf-8") as f:
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


def matches(said, shown):
    """Whether it is what is shown: `...` are any lines, or the rest of one."""
    pattern = "".join(r"(?s:.*?)" if line == "..." else re.escape(line).replace(re.escape("..."), ".*") + r"\n" for line in shown)
    return re.fullmatch(pattern + r"\n*", said)


def run_all(node, tmp, todo):
    """Runs the commands one after the other in one shell; [what each has said]."""
    os.symlink(REPO + "/helm", tmp + "/helm")
    os.mkdir(tmp + "/bin")
    with open(tmp + "/bin/helm", "w", encoding="ascii") as f:
        f.write(HELM)
    os.chmod(tmp + "/bin/helm", 0o755)
    script = TERMINAL.format(host=HOST, port=PORT, address=node.address) + "".join(f"echo '<next>'\n{command}\n" for command, _ in todo)
    env = dict(os.environ, KUBECONFIG=node.admin, PATH=f"{tmp}/bin:{node.programs}:{os.environ['PATH']}", HELM_CACHE_HOME=tmp, HELM_CONFIG_HOME=tmp, HELM_DATA_HOME=tmp)
    done = subprocess.run(["bash"], input=script, env=env, cwd=tmp, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    said = done.stdout.split("<next>\n")[1:]
    equal(done.returncode, 0, f"{todo[len(said) - 1][0]}: {said[-1]}")
    return said


def clear(node):
    """As if nothing had ever been installed."""
    product.helm(node, "uninstall", product.RELEASE)
    node.kubectl("delete", "namespace", product.NAMESPACE)
    node.kubectl("delete", "crd", "virtualmachineexports." + e2e.GROUP)


@alone
def test_the_install_section(node, tmp):
    todo = [one for one in commands(section("Install")) if not ELSEWHERE.match(one[0])]
    check(len(todo) >= 10, f"the section's commands: {todo}")
    node.ctr("images", "tag", "--force", product.load_image(node)[0], IMAGE + ":" + version())
    folder = volumes.folder(node, "readme")
    image = make_disk(folder + "/disk.img")
    os.chown(image, volumes.OWNER, volumes.OWNER)
    volumes.claim(node, "default", "disk0", folder, size="64Mi", **e2e.DISK)
    clear(node)
    try:
        for (command, shown), said in zip(todo, run_all(node, tmp, todo)):
            check(matches(said, shown), f"$ {command}\nsays\n{said}\nand README.md shows\n" + "\n".join(shown))
        equal(sha256(tmp + "/disk.img"), sha256(image), "the disk")
    finally:
        product.install(node)


def version():
    with open(REPO + "/helm/vmexport/Chart.yaml", encoding="utf-8") as f:
        return re.search(r'^appVersion: "?([^"\n]+)', f.read(), re.MULTILINE)[1]


e2e.main(globals())
