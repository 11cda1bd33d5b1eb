#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`make install` into a folder: what is there works from there, and finds what it needs beside it."""
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", room) for room in ("http", "controller")]
# pylint: disable=wrong-import-position
import control_plane
import harness
from harness import REPO, SLOW, VARIANT, check, equal


def make_installed(fixtures):
    """The prefix of an installation, in a folder of its own."""
    folder = fixtures.get("tmp")
    done = subprocess.run(["make", "--no-print-directory", "install", f"VARIANT={VARIANT}", f"DESTDIR={folder}", "PREFIX=/opt/some where"], cwd=REPO,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)
    return folder + "/opt/some where"


def make_folder(fixtures):
    """Something to serve that tar takes without a word."""
    path = fixtures.get("tmp") + "/folder"
    os.makedirs(path + "/sub")
    with open(path + "/sub/hello.txt", "w", encoding="ascii") as f:
        f.write("hello\n")
    return path


def run(*command, **options):
    """What a program prints; it must not complain."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60 * SLOW, **options)
    equal((done.returncode, done.stderr), (0, ""), f"{command}: {done.stdout}")
    return done.stdout


def tool(name):
    path = shutil.which(name)
    check(path, f"there is no {name}: tools/deps test installs it")
    return path


def environment(tmp, **variables):
    """As of a user who has nothing set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VMEXPORT_") and name != "KUBECONFIG"}
    return dict(kept, HOME=tmp, TMPDIR=tmp, **variables)


# ---- what is there

def test_the_servers_are_where_the_client_looks(installed):
    equal(sorted(os.listdir(installed)), ["bin", "libexec", "share"])
    programs = os.listdir(installed + "/libexec/vmexport")
    check({"pod", "raw", "gzip", "dir", "tar", "vmexport-controller"} <= set(programs), programs)
    check("vmexport" not in programs, "the client is no server")


def test_the_image_has_no_client(tmp):
    run("make", "--no-print-directory", "install-server", f"VARIANT={VARIANT}", f"DESTDIR={tmp}", "PREFIX=/usr", cwd=REPO)
    equal(sorted(os.listdir(tmp + "/usr")), ["libexec", "share"])
    equal(os.listdir(tmp + "/usr/share"), ["vmexport"])
    check("vmexport" not in os.listdir(tmp + "/usr/libexec/vmexport"), "the client is among the servers")


# ---- serve

def test_serve_works_from_there(installed, disk, folder, tmp):
    command = [installed + "/bin/vmexport", "serve", "--disk", disk, "--dir", folder, "--listen", f"127.0.0.1:{harness.free_port()}"]
    with subprocess.Popen(command, env=environment(tmp), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serve:
        try:
            said = ""
            while "An overview" not in said:
                line = serve.stdout.readline()
                check(line, "it ended: " + said)
                said += line
            downloads = tmp + "/downloads"
            os.mkdir(downloads)
            commands = re.findall(r"(?m)^  (curl .*)$", said)
            equal(len(commands), 4, said)
            for one in commands:        # as a user would, by a shell
                run("bash", "-o", "pipefail", "-ec", one.replace("curl ", "curl -sS ", 1), cwd=downloads)
            with open(disk, "rb") as want, open(downloads + "/disk.img", "rb") as got:
                check(want.read() == got.read(), "the disk is not the disk")
            equal(run("cat", downloads + "/sub/hello.txt"), "hello\n", "a file of the archive")
        finally:
            serve.send_signal(signal.SIGTERM)
            serve.wait(30 * SLOW)
        equal(serve.returncode, 0, "the exit status after a signal")
    equal([name for name in os.listdir(tmp) if name.startswith("vmexport-")], [], "what it left")


def test_serve_without_servers_says_what_is_missing(installed, disk, tmp):
    shutil.copy(installed + "/bin/vmexport", tmp + "/vmexport")
    done = subprocess.run([tmp + "/vmexport", "serve", "--disk", disk], env=environment(tmp), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=60 * SLOW)
    equal((done.returncode, done.stdout), (1, ""), done.stderr)
    check("VMEXPORT_LIBEXEC" in done.stderr, done.stderr)


def test_serve_finds_servers_that_are_named(installed, tmp):
    shutil.copy(installed + "/bin/vmexport", tmp + "/vmexport")
    done = subprocess.run([tmp + "/vmexport", "serve", "--dir", "/no/such"], env=environment(tmp, VMEXPORT_LIBEXEC=installed + "/libexec/vmexport"), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=60 * SLOW)
    check(done.returncode == 3 and "cannot read --dir /no/such" in done.stderr, done.stderr)


# ---- kubectl

def test_kubectl_finds_the_plugin(installed, tmp):
    kubectl = control_plane.programs() + "/kubectl"
    env = environment(tmp, PATH=installed + "/bin:/usr/bin:/bin")
    check(installed + "/bin/kubectl-vmexport" in run(kubectl, "plugin", "list", env=env).splitlines(), "kubectl plugin list names it")
    equal(run(kubectl, "vmexport", "--version", env=env), run(installed + "/bin/vmexport", "--version"))
    check("kubectl vmexport" in run(kubectl, "vmexport", "download", "--help", env=env), "its help calls it by kubectl's name")


def test_kubectl_completes_it(installed, tmp):
    kubectl = control_plane.programs() + "/kubectl"
    env = environment(tmp, PATH=installed + "/bin:" + os.environ["PATH"])
    done = subprocess.run([kubectl, "__complete", "vmexport", "down"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60 * SLOW)
    check(done.stdout.split()[:1] == ["download"], f"kubectl completes 'vmexport down' as {done.stdout!r}: {done.stderr}")


# ---- man pages

def render(installed, page):
    """The page as text; what groff warns of is a failure."""
    return run(tool("groff"), "-s", "-I", installed + "/share/man", "-man", "-Tutf8", "-P-cbou", "-ww", f"{installed}/share/man/man1/{page}.1")


def test_the_man_page_renders(installed):
    text = render(installed, "vmexport")
    for word in ("NAME", "SYNOPSIS", "EXIT STATUS", "download", "--snapshot-first"):
        check(word in text, f"the man page has no '{word}'")


def test_the_plugin_has_the_same_man_page(installed):
    equal(render(installed, "kubectl-vmexport"), render(installed, "vmexport"))


# ---- completions

def test_bash_takes_its_completion(installed):
    folder = installed + "/share/bash-completion/completions/"
    for name in ("vmexport", "kubectl-vmexport"):
        run("bash", "-n", folder + name)
        check(f" {name}" in run("bash", "--norc", "-c", f"source '{folder}{name}'; complete -p {name}"), f"{name} is completed")


def test_zsh_takes_its_completion(installed):
    path = installed + "/share/zsh/site-functions/_vmexport"
    run(tool("zsh"), "-n", path)
    with open(path, encoding="utf-8") as f:
        equal(f.readline().split(), ["#compdef", "vmexport", "kubectl-vmexport"], "what zsh's compinit looks for")


def test_fish_takes_its_completion(installed):
    folder = installed + "/share/fish/vendor_completions.d/"
    for name in ("vmexport", "kubectl-vmexport"):
        run(tool("fish"), "--no-execute", f"{folder}{name}.fish")


harness.main(globals())
