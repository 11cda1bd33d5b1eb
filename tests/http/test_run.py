#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/run, which `make run` is: serves what it is told to, checks every format once, leaves nothing behind."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import harness
from harness import BUILD, MIB, REPO, SLOW, check, equal, loop_device, make_disk, make_tree, wait_until

COMMAND = [sys.executable, REPO + "/tools/run", BUILD]
ALL = [("raw", "yes"), ("gzip", "yes"), ("dir", "yes"), ("tar.gz", "yes")]


def environment(tmp, **variables):
    """For one run, with a folder for temporary files of its own."""
    os.makedirs(tmp + "/tmp", exist_ok=True)
    unset = {"DISK", "DIR", "PORT", "ONCE", "TMPDIR"}
    inherited = {name: value for name, value in os.environ.items() if name not in unset and not name.startswith("VMEXPORT_")}
    return dict(inherited, TMPDIR=tmp + "/tmp", **{"PORT": str(harness.free_port()), **variables})


def run_once(tmp, **variables):
    return subprocess.run(COMMAND, env=environment(tmp, ONCE="1", **variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, timeout=100 * SLOW)


def table(output):
    """[(format, verified)] as printed."""
    return re.findall(r"(?m)^(raw|gzip|dir|tar\.gz) +\d.* (yes|NO)$", output)


def processes_of(tmp):
    """The names of the processes that have the run's folder in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f, open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                if f"TMPDIR={tmp}/tmp\0".encode() in f.read():
                    found.append(comm.read().strip())
        except OSError:
            continue
    return found


def check_nothing_left(tmp):
    wait_until(lambda: not processes_of(tmp), f"processes are left: {processes_of(tmp)}", 5)
    equal(os.listdir(tmp + "/tmp"), [], "temporary files")


def check_run(tmp, want, **variables):
    r = run_once(tmp, **variables)
    equal((r.returncode, table(r.stdout)), (0, want), r.stdout + r.stderr)
    check_nothing_left(tmp)
    return r.stdout


def test_a_disk_and_a_directory_are_served_and_verified(disk, tree, tmp):
    check_run(tmp, ALL, DISK=disk, DIR=tree)


def test_a_disk_alone(disk, tmp):
    check_run(tmp, ALL[:2], DISK=disk)


def test_a_directory_alone(tree, tmp):
    check_run(tmp, ALL[2:], DIR=tree)


def test_a_block_device(disk, tmp):
    with loop_device(disk) as device:
        check_run(tmp, ALL[:2], DISK=device)


def test_a_port_that_is_taken(disk, tmp):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        taken = s.getsockname()[1]
        output = check_run(tmp, ALL[:2], DISK=disk, PORT=str(taken))
    check(re.search(rf"port {taken} is taken: using \d+", output), output)


def test_what_cannot_be_served_is_said(disk, tree, tmp):
    for variables, message in (({"DISK": "/no/such"}, "cannot read DISK=/no/such: no such file"), ({"DIR": "/no/such"}, "cannot read DIR=/no/such: no such file"),
                               ({"DISK": tree}, f"did you mean DIR={tree}?"), ({"DIR": disk}, f"DIR={disk} is no directory")):
        r = run_once(tmp, **variables)
        check(r.returncode not in (0, None) and message in r.stderr and "Traceback" not in r.stderr, f"{variables}: {r.returncode}, {r.stderr}")
        check_nothing_left(tmp)


# ---- a download that is not right: curl, but changed ----

CHANGE = 'LC_ALL=C sed "1s/start/Start/"'
WRONG = {
    "raw": ("*/disk.img", f'"$real" "$@" | {CHANGE}'),
    "gzip": ("*/disk.img.gz", f'"$real" "$@" && gzip -dc "$file" | {CHANGE} | gzip -1 >"$file.new" && mv "$file.new" "$file"'),
    "dir": ("*.curl", '"$real" "$@" && first=${*: -1} && printf X | dd of="${first%.curl}/0" conv=notrunc status=none'),
    "tar.gz": ("*/disk.tar.gz", '"$real" "$@" && mkdir "$file.d" && tar -xzpf "$file" -C "$file.d" && echo HELLO >"$file.d/hello.txt" && '
                                'touch -d @1600000000 "$file.d/hello.txt" && tar -czf "$file" -C "$file.d" . && rm -r "$file.d"'),
}


def changed_curl(tmp, name):
    """A folder with a curl that gets one byte of that format wrong."""
    pattern, commands = WRONG[name]
    os.mkdir(tmp + "/bin")
    with open(tmp + "/bin/curl", "w", encoding="utf-8") as f:
        f.write(f'#!/bin/bash\nreal={shutil.which("curl")} file=${{*: -2:1}}\ncase ${{*: -1}} in\n{pattern}) {commands} ;;\n*) exec "$real" "$@" ;;\nesac\n')
    os.chmod(tmp + "/bin/curl", 0o755)
    return tmp + "/bin"


def check_wrong(name, disk, tree, tmp):
    path = changed_curl(tmp, name) + ":" + os.environ["PATH"]
    r = run_once(tmp, DISK=disk, DIR=tree, PATH=path)
    equal((r.returncode, table(r.stdout)), (1, [(n, "NO" if n == name else yes) for n, yes in ALL]), r.stdout + r.stderr)
    check_nothing_left(tmp)


def test_a_wrong_byte_of_raw(disk, tree, tmp):
    check_wrong("raw", disk, tree, tmp)


def test_a_wrong_byte_of_gzip(disk, tree, tmp):
    check_wrong("gzip", disk, tree, tmp)


def test_a_wrong_byte_of_a_file(tmp):
    folder = tmp + "/tree"
    os.mkdir(folder)
    with open(folder + "/file", "wb") as f:
        f.write(bytes(MIB))
    check_wrong("dir", make_disk(tmp + "/disk.img"), folder, tmp)


def test_a_wrong_byte_of_an_archive(disk, tmp):
    check_wrong("tar.gz", disk, make_tree(tmp + "/tree"), tmp)


# ---- until a signal ----

def check_signal(tmp, disk, signo):
    with subprocess.Popen(COMMAND, env=environment(tmp, DISK=disk), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            check(any(line.startswith("Serving on https://") for line in run.stdout), "it serves")
            check({"pod", "lighttpd", "gzip"} <= set(processes_of(tmp)), f"it serves by {processes_of(tmp)}")
            run.send_signal(signo)
            equal(run.wait(20 * SLOW), 0, run.stdout.read())
        finally:
            run.kill()
    check_nothing_left(tmp)


def test_interrupt_ends_it(disk, tmp):
    check_signal(tmp, disk, signal.SIGINT)


def test_termination_ends_it(disk, tmp):
    check_signal(tmp, disk, signal.SIGTERM)


harness.main(globals())
