#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manifests: what the files hold, as JSON and YAML, and the token's Secret."""
import json
import os
import shutil

import harness
from harness import HEADER, NOBODY, TOKEN, Pod, check, equal

ALL, EXTERNAL, SECRET = "/internal/manifests/all", "/external/manifests/all", "/internal/manifests/secret"
YAML = {"Accept": "application/yaml"}
CM = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "export-ca-cm-exp"}, "data": {"ca.pem": "-----BEGIN\nAAAA\n-----END\n"}}
VM = {"kind": "VirtualMachine", "apiVersion": "kubevirt.io/v1", "metadata": {"name": "vm"}, "spec": {"running": False}}

TRICKY = {"plain": "text", "yes": "yes", "No": "No", "null": "null", "tilde": "~", "float": "1e3", "hex": "0x1", "octal": "0o17", "zeros": "007",
          "date": "2001-01-01", "time": "12:30:00", "colon": "a: b", "port": "host:80", "hash": "a #b", "empty": "", "blank": " a ", "dash": "- a",
          "brace": "{a}", "quote": "\"'", "at": "@a", "percent": "%a", "star": "*a", "unicode": "gr\u00fcn \U0001f4be", "lines": "a\n  b\nc\n", "open": "a\nb",
          "tab": "a\tb", "bell": "\u0007", "separator": "a\u2028b", "break": "a\n\n", "marker": "---", "url": "https://h/x?y=z", "number": 5, "negative": -1,
          "fraction": 1.5, "true": True, "nothing": None, "list": ["a", {"b": "c"}, []], "map": {}}

TRICKY_YAML = """\
"No": "No"
at: "@a"
bell: "\\a"
blank: " a "
brace: "{a}"
break: "a\\n\\n"
colon: "a: b"
dash: "- a"
date: "2001-01-01"
empty: ""
float: "1e3"
fraction: 1.5
hash: "a #b"
hex: "0x1"
lines: |
  a
    b
  c
list:
- a
- b: c
- []
map: {}
marker: "---"
negative: -1
nothing: null
"null": "null"
number: 5
octal: "0o17"
open: |-
  a
  b
percent: "%a"
plain: text
port: host:80
quote: "\\"'"
separator: "a\\Lb"
star: "*a"
tab: "a\\tb"
tilde: "~"
time: "12:30:00"
"true": true
unicode: "gr\u00fcn \\U0001F4BE"
url: "https://h/x?y=z"
"yes": "yes"
zeros: "007"
"""


def manifests(pod, **files):
    """Makes these the pod's manifests: `internal_00={...}` is internal.00.json; bytes are written as they are."""
    for name in os.listdir(pod.manifest_dir):
        path = f"{pod.manifest_dir}/{name}"
        (shutil.rmtree if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)
    write_files(pod.manifest_dir, files)


def write_files(folder, files):
    for name, content in files.items():
        name = "export-name" if name == "export_name" else name.replace("_", ".") + ".json"
        with open(f"{folder}/{name}", "wb") as f:
            f.write(content if isinstance(content, bytes) else json.dumps(content).encode())


def items(pod, path=ALL, **kw):
    r = pod.get(path, **kw)
    equal((r.status, r.headers["Content-Type"]), (200, "application/json"), path)
    return json.loads(r.body)["items"]


# ---- the two forms ----

def test_json_is_one_list_laid_out_as_go_does(pod):
    manifests(pod, internal_00=CM, internal_01={"a": [], "b": {}, "c": [1, "x"]})
    r = pod.get(ALL)
    equal((r.status, r.headers["Content-Type"], r.headers["Vary"]), (200, "application/json", "Accept"))
    want = {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": [CM, {"a": [], "b": {}, "c": [1, "x"]}]}
    equal(r.body.decode(), json.dumps(want, indent=4), "text")
    equal(int(r.headers["Content-Length"]), len(r.body), "length")


def test_yaml_has_a_line_of_dashes_after_each_object(pod):
    manifests(pod, internal_00=CM, internal_01=VM)
    r = pod.get(ALL, headers=YAML)
    equal((r.status, r.headers["Content-Type"], r.headers["Vary"]), (200, "application/yaml", "Accept"))
    equal(r.body.decode(), "apiVersion: v1\ndata:\n  ca.pem: |\n    -----BEGIN\n    AAAA\n    -----END\nkind: ConfigMap\nmetadata:\n  name: export-ca-cm-exp\n---\n"
                           "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata:\n  name: vm\nspec:\n  running: false\n---\n")


def test_yaml_strings_stay_strings_in_every_version(pod):
    manifests(pod, internal_00=TRICKY)
    equal(pod.get(ALL, headers=YAML).body.decode(), TRICKY_YAML + "---\n")


def test_json_says_what_the_file_said(pod):
    manifests(pod, internal_00=TRICKY)
    equal(items(pod), [TRICKY])


def test_accept_chooses_the_form(pod):
    manifests(pod, internal_00=VM)
    for accept, yaml in ((None, False), ("*/*", False), ("application/json", False), ("application/yaml", True), ("application/yaml, */*", True),
                         ("application/x-yaml", True), ("text/yaml;q=0.9", True), ("APPLICATION/YAML", True), ("text/html,application/yaml", True),
                         ("application/yamlx", False), ("", False)):
        for path in (ALL, SECRET.replace("secret", "all")):
            r = pod.get(path, headers={"Accept": accept} if accept is not None else {})
            equal((r.status, r.headers["Content-Type"]), (200, "application/yaml" if yaml else "application/json"), accept)


# ---- which files ----

def test_objects_come_in_the_order_of_their_names(pod):
    manifests(pod, **{f"internal_{i:02d}": {"n": i} for i in (3, 10, 0, 7)}, external_00={"n": "external"})
    equal(items(pod), [{"n": 0}, {"n": 3}, {"n": 7}, {"n": 10}])
    equal(items(pod, EXTERNAL), [{"n": "external"}])


def test_other_files_are_no_manifests(pod):
    manifests(pod, internal_00=VM, internalx_00=CM, x_internal_00=CM)
    for name in ("internal.01.json.bak", "internal", "README", ".internal.00.json"):
        with open(f"{pod.manifest_dir}/{name}", "wb") as f:
            f.write(b"{}")
    equal(items(pod), [VM])


def test_without_files_it_is_404_and_says_so(pod):
    manifests(pod, export_name=b"exp")
    for path in (ALL, EXTERNAL):
        r = pod.get(path)
        equal(r.status, 404, path)
        check(b"this export has no manifests" in r.body, r.body)


def test_without_a_folder_it_is_404(disk, tmp):
    with Pod([("disk", "disk", "-", disk)], env={"VMEXPORT_MANIFEST_DIR": tmp + "/none"}) as pod:
        equal([pod.get(path).status for path in (ALL, EXTERNAL)], [404, 404])
        equal(pod.get(SECRET).status, 500, "the controller always gives a name")


def test_without_an_external_host_it_says_why(pod):
    manifests(pod, internal_00=VM)
    r = pod.get(EXTERNAL)
    equal(r.status, 404)
    check(b"no external host" in r.body and ALL.encode() in r.body, r.body)
    manifests(pod, external_00=VM)
    equal((pod.get(EXTERNAL).status, pod.get(ALL).status), (200, 404), "the other way round")


def test_unknown_manifests_are_404(pod):
    manifests(pod, internal_00=VM, export_name=b"exp")
    for path in ("/internal/manifests/", "/internal/manifests/no", "/internal/manifests/all/", "/internal/manifests/ALL", "/internal/manifests",
                 "/external/manifests/internal.00.json", "/internal/manifests/../../etc/passwd", "/internal/manifests/..%2f..%2fetc",
                 "/elsewhere/manifests/all", "/internal/manifests/all%00"):
        check(pod.get(path).status in (400, 404), path)


# ---- changes and damage ----

def test_replaced_files_are_seen_at_once(pod):
    for i in range(5):
        manifests(pod, internal_00={"n": i}, export_name=b"exp%d" % i)
        equal(items(pod), [{"n": i}])
        equal(items(pod, SECRET)[0]["metadata"]["name"], f"header-secret-exp{i}")


def test_a_config_map_is_taken_in_one_version(pod):
    manifests(pod)
    for i in range(5):
        os.mkdir(f"{pod.manifest_dir}/..version{i}")
        write_files(f"{pod.manifest_dir}/..version{i}", {"internal_00": {"n": i}, "export_name": b"exp%d" % i})
        os.symlink(f"..version{i}", pod.manifest_dir + "/..data_tmp")
        os.rename(pod.manifest_dir + "/..data_tmp", pod.manifest_dir + "/..data")
        if i == 0:
            for name in ("internal.00.json", "export-name"):
                os.symlink("..data/" + name, f"{pod.manifest_dir}/{name}")
        equal(items(pod), [{"n": i}])
        equal(items(pod, SECRET)[0]["metadata"]["name"], f"header-secret-exp{i}")


def test_a_link_that_the_new_version_left_behind_is_no_manifest(pod):
    manifests(pod)
    os.mkdir(pod.manifest_dir + "/..version")
    write_files(pod.manifest_dir + "/..version", {"internal_00": VM})
    os.symlink("..version", pod.manifest_dir + "/..data")
    for name in ("internal.00.json", "internal.01.json"):
        os.symlink("..data/" + name, f"{pod.manifest_dir}/{name}")
    equal(items(pod), [VM])


def test_a_broken_file_is_500_and_named_and_not_shown(pod):
    for text in (b"", b"{", b'{"password": "hunter2", }', b"hunter2", b"[]", b'"hunter2"', b"null", b'{"a": 1} hunter2', b'{"a": "\xff"}', b'{"a": "\\ud800"}',
                 b'{"a": 1, "a": 2}', b"[" * 100000, b'{"a":' * 200 + b"1" + b"}" * 200, b'{"a": 123456789012345678901}', b"\x00", b'{"a": "\\u0000"}',
                 b"x" * (5 << 20)):
        manifests(pod, internal_00=VM, internal_07=text, external_00=VM)
        for headers in ({}, YAML):
            r = pod.get(ALL, headers=headers)
            equal((r.status, r.headers["Content-Type"]), (500, "text/plain; charset=utf-8"), text[:30])
            check(b"internal.07.json" in r.body and b"hunter2" not in r.body and b"VirtualMachine" not in r.body, f"{text[:30]}: {r.body}")
        equal(items(pod, EXTERNAL), [VM], "the other side")


def test_an_unreadable_file_is_500_and_named(pod):
    manifests(pod, internal_00=VM)
    os.mkdir(pod.manifest_dir + "/internal.01.json")
    r = pod.get(ALL)
    equal((r.status, b"internal.01.json" in r.body), (500, True), "a directory")
    os.rmdir(pod.manifest_dir + "/internal.01.json")
    os.symlink("nowhere", pod.manifest_dir + "/internal.01.json")
    equal(pod.get(ALL).status, 500, "a dangling link")


def test_a_file_without_permission_is_500(disk):
    with Pod([("disk", "disk", "-", disk)], uid=NOBODY) as pod:
        manifests(pod, internal_00=VM, export_name=b"exp")
        for name in ("internal.00.json", "export-name"):
            os.chmod(f"{pod.manifest_dir}/{name}", 0)
        equal((pod.get(ALL).status, pod.get(SECRET).status), (500, 500))


# ---- the secret ----

def test_secret_holds_the_header_with_the_token(pod):
    manifests(pod, export_name=b"exp")
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "header-secret-exp"}, "stringData": {"token": f"{HEADER}:{TOKEN}"}}
    for path in (SECRET, SECRET.replace("internal", "external")):
        equal(pod.get(path).body.decode(), json.dumps({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": [secret]}, indent=4), path)
        r = pod.get(path, headers=YAML)
        equal(r.body.decode(), f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: header-secret-exp\nstringData:\n  token: {HEADER}:{TOKEN}\n---\n", path)
        equal((r.headers["Content-Type"], r.headers["Cache-Control"]), ("application/yaml", "no-store"), path)


def test_secret_needs_no_manifests(pod):
    for name in (b"exp", b"exp\n", b"exp \r\n"):
        manifests(pod, export_name=name)
        equal(items(pod, SECRET)[0]["metadata"]["name"], "header-secret-exp", name)


def test_secret_without_a_name_is_500(pod):
    for files in ({}, {"export_name": b""}, {"export_name": b"\n"}, {"export_name": b"x" * 5000}):
        manifests(pod, **files)
        equal(pod.get(SECRET).status, 500, str(files)[:50])


def test_secret_has_the_token_of_now(pod):
    manifests(pod, export_name=b"exp")
    for token in ("\tnew:token \u00fc \"'\\\n", TOKEN):
        with open(pod.token_file + ".new", "w", encoding="utf-8") as f:
            f.write(token)
        os.rename(pod.token_file + ".new", pod.token_file)
        r = pod.get(SECRET, token=token.strip().encode())
        equal(json.loads(r.body)["items"][0]["stringData"]["token"], f"{HEADER}:{token.strip()}")


# ---- the rules of every handler ----

def test_head_has_the_headers_of_get(pod):
    manifests(pod, internal_00=VM, export_name=b"exp")
    for path in (ALL, SECRET, EXTERNAL):
        for headers in ({}, YAML):
            get, head = (pod.get(path, method=m, headers=headers) for m in ("GET", "HEAD"))
            equal((head.status, head.body), (get.status, b""), path)
            equal(*({k: v for k, v in r.headers.items() if k != "Date"} for r in (head, get)), path)


def test_other_methods_are_405(pod):
    manifests(pod, internal_00=VM, export_name=b"exp")
    for path in (ALL, SECRET, EXTERNAL):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            r = pod.get(path, method=method, headers={"Content-Length": "0"})
            equal((r.status, r.headers["Allow"], r.body), (405, "GET, HEAD", b""), f"{method} {path}")


def test_nobody_gets_in_without_the_token(pod):
    manifests(pod, internal_00=VM, export_name=b"exp")
    for path in (ALL, SECRET, EXTERNAL, SECRET.replace("internal", "external"), "/internal/manifests/no"):
        for token in (None, "", "wrong"):
            r = pod.get(path, token=token)
            equal((r.status, r.body), (401, b""), path)


if __name__ == "__main__":
    harness.main(globals())
