#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completion in bash, zsh and fish, the manual page, and the plugin's name: made from the tables of commands and flags."""
import os
import re
import shutil
import subprocess

import fixture
from fixture import PROGRAM, SLOW, Skip, check, equal, eventually

# Asks zsh's completion for what Tab would list; zpty gives it a terminal.
ZSH = r"""
zmodload zsh/zpty || exit 9
zpty -b z zsh -f -i
send() { zpty -w z "$1"; }
send "PROMPT=READY; stty -echo; unset zle_bracketed_paste; setopt no_beep; autoload -Uz compinit; compinit -u -D; source $1; LISTMAX=1000; zstyle ':completion:*' menu no; bindkey '^I' list-choices; echo SET"
wait_for() { local text= piece; local -i n=0; while (( n++ < 500 )); do if zpty -r -t z piece; then text+=$piece; else sleep 0.05; fi; [[ $text == *$1* ]] && break; done; print -r -- $text; }
wait_for $'SET\r' >/dev/null
zpty -w -n z "$2"$'\t'
wait_for "$3"
"""


def script(w, shell):
    return w.write("completion." + shell, w.start("completion", shell, bare=True).done().out)


def needs(program):
    if not shutil.which(program):
        raise Skip(f"there is no {program}")


def tool(*command, **options):
    r = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * SLOW, **options)
    return r.returncode, r.stdout, r.stderr


def path_with_program():
    return dict(os.environ, PATH=os.path.dirname(PROGRAM) + ":" + os.environ["PATH"], **fixture.shared.SANITIZER_OPTIONS)


def words_of(line):
    """As bash splits it: "=" is a word."""
    return re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith((" ", "=")) else [])


def in_bash(path, line, env=None):
    """What bash would offer at the end of the line."""
    code = 'source "$1"; COMP_LINE=$2; shift 2; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_POINT=${#COMP_LINE}; ' \
           'f=$(complete -p "$1" | sed -n "s/.*-F \\([^ ]*\\).*/\\1/p"); "$f" "$1" "${@: -1}" "${@: -2:1}"; printf "%s\\n" "${COMPREPLY[@]}"'
    status, out, err = tool("bash", "-c", code, "bash", path, line, *words_of(line), env=env or path_with_program())
    equal((status, err), (0, ""), f"bash: {line}")
    return [word.strip().removesuffix("=") for word in out.splitlines() if word.strip()]


def test_bash(w):
    path = script(w, "bash")
    check({"create", "download", "delete", "list", "status"} <= set(in_bash(path, "vmexport ")), "commands")
    equal(in_bash(path, "vmexport down"), ["download"])
    equal(in_bash(path, "vmexport download exp --form"), ["--format"])
    equal(sorted(in_bash(path, "vmexport download exp --format ")), ["gzip", "oci", "raw"])
    equal(in_bash(path, "vmexport download exp --format=r"), ["raw"])
    check("--keep-vme" not in in_bash(path, "vmexport create exp --"), "a flag of another command")
    os.symlink(PROGRAM, w.file("kubectl-vmexport"))
    env = path_with_program()
    equal(in_bash(path, "kubectl-vmexport down", dict(env, PATH=f"{w.dir}:{env['PATH']}")), ["download"])


def test_bash_takes_the_script_twice_and_by_its_rules(w):
    path = script(w, "bash")
    equal(tool("bash", "-euc", f"source {path}; source {path}")[::2], (0, ""))
    needs("shellcheck")
    status, out, _ = tool("shellcheck", "-s", "bash", "-S", "warning", path)
    equal((status, out), (0, ""))


def in_zsh(path, line, until):
    status, out, err = tool("zsh", "-fc", ZSH, "zsh", path, line, until, env=path_with_program())
    equal(status, 0, f"zsh: {err}")
    return out


def test_zsh(w):
    needs("zsh")
    path = script(w, "zsh")
    equal(tool("zsh", "-n", path)[::2], (0, ""))
    check("--format" in in_zsh(path, "vmexport download exp --form", "--format"), "a flag")
    for word in ("gzip", "raw", "oci"):
        check(word in in_zsh(path, "vmexport download exp --format=", word), word)
    check("download" in in_zsh(path, "vmexport d", "download"), "a command")


def in_fish(path, line):
    status, out, err = tool("fish", "--no-config", "-c", f"source {path}; complete -C '{line}'", env=path_with_program())
    equal((status, err), (0, ""), f"fish: {line}")
    return [word.split("\t")[0] for word in out.splitlines()]


def test_fish(w):
    needs("fish")
    path = script(w, "fish")
    equal(tool("fish", "-n", path)[::2], (0, ""))
    check({"create", "download", "delete"} <= set(in_fish(path, "vmexport ")), "commands")
    check("--format" in [word.removesuffix("=") for word in in_fish(path, "vmexport download exp --form")], "a flag")
    equal(sorted(in_fish(path, "vmexport download exp --format ")), ["gzip", "oci", "raw"])
    check("--keep-vme" not in in_fish(path, "vmexport create exp --k"), "a flag of another command")


def test_names_of_the_cluster(w):
    """The exports that there are, by bash; a cluster that doesn't answer is no reason to say anything."""
    w.export("exp-one")
    path, env = script(w, "bash"), dict(path_with_program(), KUBECONFIG=w.plane.admin)
    # It gives a slow cluster two seconds.
    eventually(lambda: in_bash(path, f"vmexport -n {w.ns} status ", env) == ["exp-one"], "the name of the export")
    equal(in_bash(path, "vmexport status ", dict(env, KUBECONFIG="/dev/null")), [])


def test_the_manual_page_renders(w):
    needs("groff")
    page = w.write("vmexport.1", w.start("man", bare=True).done().out)
    status, out, err = tool("groff", "-man", "-Tascii", "-ww", "-K", "utf8", "-P-cbou", page)
    equal((status, err), (0, ""), "groff")
    for word in ("EXIT STATUS", "EXAMPLES", "download", "--readiness-timeout"):
        check(word in out, f"no {word!r}")


def test_help_of_each_command(w):
    for command in ("create", "download", "delete", "list", "status", "serve", "completion", "man"):
        run = w.start(command, "--help", bare=True).done()
        text = run.out.decode()
        check(command in text and "xample" in text, f"{command}: {text}")
        equal([line for line in text.splitlines() if len(line) > 100 and not line.startswith("  vmexport ")], [], command)
    text = w.start("--help", bare=True).done().out.decode()
    check("download" in text and "completion" in text, text)


def test_version(w):
    for args in (("--version",), ("download", "--version")):
        check(w.start(*args, bare=True).done().out.split()[0] == b"vmexport", "what is it?")


def test_as_kubectls_plugin(w):
    """kubectl finds it by its name, and it calls itself as the user does."""
    os.symlink(PROGRAM, w.file("kubectl-vmexport"))
    env = dict(w.environment, PATH=f"{w.dir}:{os.environ['PATH']}", KUBECONFIG=w.plane.admin)
    kubectl = w.plane.programs + "/kubectl"
    status, out, err = tool(kubectl, "vmexport", "create", "exp", "--pvc=src", "-n", w.ns, env=env)
    equal((status, out), (0, ""), err)
    check(w.exp(), "not made")
    status, out, err = tool(kubectl, "vmexport", "--help", env=env)
    check(status == 0 and "kubectl vmexport" in out, out + err)


if __name__ == "__main__":
    fixture.main(globals())
