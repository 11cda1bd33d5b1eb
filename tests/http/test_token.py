#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who gets in, and where the token never shows."""
import contextlib
import http.client
import os
import signal
import socket

import harness
from harness import HEADER, NOBODY, SLOW, TOKEN, Pod, check, equal, wait_until

PATHS = ("/volumes/disk/disk.img", "/volumes/disk/disk.img.gz", "/volumes/tree/disk.tar.gz", "/volumes/tree/dir/", "/volumes/tree/dir/hello.txt",
         "/volumes/tree/hello.txt", "/internal/manifests/all", "/external/manifests/secret", "/", "/no/such/path", "/volumes/no/disk.img")
GZIP = "/volumes/disk/disk.img.gz"
BAD = "wr0ng"


def quoted(text):
    """Every byte percent-encoded."""
    return "".join("%%%02X" % byte for byte in text.encode())


@contextlib.contextmanager
def token_file(pod, text):
    """While it lasts, the file has this text."""
    write_token(pod, text)
    try:
        yield
    finally:
        write_token(pod, TOKEN)


def write_token(pod, text):
    with open(pod.token_file + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(pod.token_file + ".new", pod.token_file)


def send_raw(pod, request):
    """Sends bytes as they are; returns the answer's."""
    with pod.context.wrap_socket(socket.create_connection(("127.0.0.1", pod.port), 10 * SLOW), server_hostname="localhost") as s:
        s.sendall(request)
        answer = b""
        while part := s.recv(65536):
            answer += part
        return answer


# ---- who gets in ----

def test_without_token_every_path_says_401_with_an_empty_body(pod):
    for path in PATHS:
        for method in ("GET", "HEAD", "DELETE"):
            r = pod.get(path, token=None, method=method)
            equal((r.status, r.body, r.headers["Content-Length"]), (401, b"", "0"), f"{method} {path}")


def test_a_wrong_token_is_refused(pod):
    for token in (BAD, "", " ", TOKEN[:-1], TOKEN + "x", TOKEN.lower(), "x" + TOKEN, ",", TOKEN + "\tx", TOKEN * 50):
        equal(pod.get(GZIP, token=token, method="HEAD").status, 401, f"token {token!r}")


def test_readiness_needs_no_token(pod):
    equal(pod.get("/exportready", token=None).status, 200)


def test_blanks_around_the_token_sent_do_not_count(pod):
    equal(pod.get(GZIP, token=f" \t{TOKEN} ", method="HEAD").status, 200)


def test_query_and_header_in_all_combinations(pod):
    query = {None: "", "good": f"?{HEADER}={TOKEN}", "bad": f"?{HEADER}={BAD}", "empty": f"?{HEADER}="}
    header = {None: None, "good": TOKEN, "bad": BAD, "empty": ""}
    for q, text in query.items():
        for h, token in header.items():
            equal(pod.get(GZIP + text, token=token, method="HEAD").status, 200 if "good" in (q, h) else 401, f"query {q}, header {h}")


def test_the_header_may_come_twice(pod):
    for tokens, status in (((TOKEN, TOKEN), 200), ((BAD, TOKEN), 200), ((TOKEN, BAD), 200), ((BAD, BAD), 401), (("", ""), 401)):
        equal(pod.get(GZIP, token=None, method="HEAD", headers=[(HEADER, t) for t in tokens]).status, status, f"headers {tokens}")


def test_the_query_may_be_percent_encoded(pod):
    name = HEADER.replace("-", "%2D")
    for query, status in ((f"{HEADER}={quoted(TOKEN)}", 200), (f"{name}={TOKEN}", 200), (f"a=1&b&{HEADER}={TOKEN}&c=", 200),
                          (f"{HEADER}={TOKEN}%00", 401), (f"{HEADER}={quoted(BAD)}", 401), (f"{HEADER}%3D{TOKEN}", 401),
                          (f"x{HEADER}={TOKEN}", 401), (f"{HEADER.upper()}={TOKEN}", 401)):
        got = pod.get(f"{GZIP}?{query}", token=None, method="HEAD").status
        check(got == status or (status == 401 and got == 400), f"{query}: got {got}, want {status}")
    with token_file(pod, "a+b/c&d=e%41 f"):
        for value, status in ((quoted("a+b/c&d=e%41 f"), 200), ("a%2Bb/c%26d=e%2541+f", 200), ("a+b/c%26d=e%2541+f", 401),
                              ("a%2Bb/c%26d=e%41+f", 401)):
            equal(pod.get(f"{GZIP}?{HEADER}={value}", token=None, method="HEAD").status, status, value)


def test_an_empty_token_file_lets_nobody_in(pod):
    for text in ("", "\n", " \t\r\n"):
        with token_file(pod, text):
            for token in (None, "", " ", "\t", TOKEN):
                for path in PATHS:
                    r = pod.get(path, token=token)
                    equal((r.status, r.body), (503, b""), f"file {text!r}, token {token!r}, {path}")
            equal(pod.get(f"{GZIP}?{HEADER}=", token=None).status, 503, "empty query")
    check("the token file" in pod.log_text(), "the log says why")


def test_a_missing_token_file_lets_nobody_in(disk):
    with Pod([("disk", "disk", "-", disk)], token=None) as pod:
        for token in (None, "", TOKEN):
            equal(pod.get(GZIP, token=token).status, 503, f"token {token!r}")
        os.mkdir(pod.token_file)
        equal(pod.get(GZIP).status, 503, "a directory in its place")
        os.rmdir(pod.token_file)
        write_token(pod, TOKEN)
        equal(pod.get(GZIP).status, 200, "once it is there")


def test_an_unreadable_token_file_lets_nobody_in(disk):
    with Pod([("disk", "disk", "-", disk)], uid=NOBODY) as pod:
        equal(pod.get(GZIP).status, 200, "before")
        os.chmod(pod.token_file, 0)
        for token in (None, "", TOKEN):
            equal(pod.get(GZIP, token=token).status, 503, f"token {token!r}")


def test_a_token_file_that_is_too_long_lets_nobody_in(pod):
    for text in ("t" * 5000, TOKEN + " " * 5000):
        with token_file(pod, text):
            equal(pod.get(GZIP, token=text.strip()).status, 503, f"{len(text)} bytes")
    with token_file(pod, "t" * 4000):
        equal(pod.get(GZIP, token="t" * 4000, method="HEAD").status, 200, "4000 bytes")


def test_newlines_and_blanks_around_the_token_in_the_file_do_not_count(pod):
    for text in (TOKEN + "\n", TOKEN + "\r\n", f"\n \t{TOKEN} \n\n"):
        with token_file(pod, text):
            equal(pod.get(GZIP, method="HEAD").status, 200, f"header, file {text!r}")
            equal(pod.get(f"{GZIP}?{HEADER}={TOKEN}", token=None, method="HEAD").status, 200, f"query, file {text!r}")


def test_a_new_token_counts_at_once(pod):
    for token in ("second", "third"):
        with token_file(pod, token):
            equal(pod.get(GZIP, token=token, method="HEAD").status, 200, "the new one")
            equal(pod.get(GZIP, method="HEAD").status, 401, "the old one")
    equal(pod.get(GZIP, method="HEAD").status, 200, "the old one again")


# ---- where the token never shows ----

def kill_in_mid_stream(pod, query):
    """A handler that dies makes lighttpd log the request."""
    r = pod.open(f"/volumes/big/disk.img.gz?{query}", token=None)
    equal((r.status, len(r.read(100000))), (200, 100000), "the stream has begun")
    os.kill(pod.pid("gzip"), signal.SIGKILL)
    try:
        r.read()
    except (OSError, http.client.IncompleteRead):
        pass
    wait_until(lambda: "gzip" in pod.processes(), "the handler is started again")


def use_token_in_every_way(pod):
    query = f"{HEADER}={TOKEN}"
    for path in PATHS:
        for method in ("GET", "HEAD", "DELETE"):
            pod.get(f"{path}?{query}", token=None, method=method)
            pod.get(path, method=method)
    pod.get(f"{GZIP}?from=3&{query}", token=None, headers={"Referer": f"https://x/?{query}", "Cookie": TOKEN})
    pod.get(f"/volumes/disk/disk.img?{query}", token=None, headers={"Range": "bytes=0-0,99999999999-"})
    for line in (f"GET /volumes/disk/disk.img?{query}", f"GET /a%00?{query} HTTP/1.0", f"GET {GZIP}?a=?&{query}&b=? HTTP/1.0",
                 f'GET {GZIP}?a="&{query} HTTP/1.0', f"GET /'?'&{query} HTTP/1.0", f"GET /x?a b&{query} HTTP/1.0",
                 f"GET /x#?{query} HTTP/1.0", f"GET /x?{query} HTTP/9.9", f"BREW {GZIP}?{query} HTTP/1.0",
                 f"GET http://h/x?\x01&{query} HTTP/1.0", f"GET /x?{query}&{'y' * 40000} HTTP/1.0"):
        send_raw(pod, f"{line}\r\nHost: localhost\r\n{HEADER}: {TOKEN}\r\n\r\n".encode("latin-1"))
    send_raw(pod, f"GET /x HTTP/1.0\r\nHost: localhost\r\n{HEADER} : {TOKEN}\r\n\r\n".encode())
    for text in (query, f"{HEADER.replace('-', '%2D')}={TOKEN}", f"{HEADER}={quoted(TOKEN)}", f"a='&{query}"):
        kill_in_mid_stream(pod, text)


def test_the_token_is_in_no_log(disk, tree, tmp):
    with open(tmp + "/big.img", "wb") as f:
        f.write(os.urandom(16 << 20))
    volumes = [("disk", "disk", "-", disk), ("tree", "archive", "-", tree), ("big", "disk", "-", tmp + "/big.img")]
    for style in ("json", "text"):
        with Pod(volumes, env={"VMEXPORT_LOG": style}) as pod:
            use_token_in_every_way(pod)
            text = pod.log_text()
        check("was killed by signal 9" in text and '"path":"/volumes/disk/disk.img.gz"' in text, f"the {style} log has what happened")
        for form in (TOKEN, quoted(TOKEN), quoted(TOKEN).lower(), TOKEN[:12]):
            line = next((line for line in text.splitlines() if form in line), None)
            check(line is None, f"the {style} log has the token: {line}")


def test_the_token_is_in_no_argument_and_no_environment(pod):
    pod.get(f"{GZIP}?{HEADER}={TOKEN}", token=None)
    processes = [pid for pids in pod.processes().values() for pid in pids]
    check(len(processes) >= 9, "pod, lighttpd and seven handlers")
    for pid in processes:
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                check(TOKEN.encode() not in f.read(), f"{name} of {pid}")


def test_no_process_leaves_a_core_dump(disk, tmp):
    with Pod([("disk", "disk", "-", disk)], wrapper=("prlimit", "--core=unlimited", "env", "-C", tmp),
             env={"ASAN_OPTIONS": "handle_segv=0:detect_leaks=0"}) as pod:
        for name in ("gzip", "raw", "lighttpd"):
            pid = pod.pid(name)
            with open(f"/proc/{pid}/limits", encoding="utf-8") as f:
                check("Max core file size        0                    0 " in f.read(), f"core limit of {name}")
            equal(os.readlink(f"/proc/{pid}/cwd"), tmp, f"where a core dump of {name} would be")
            os.kill(pid, signal.SIGSEGV)
            wait_until(lambda: pod.processes().get(name, [pid]) != [pid], f"{name} is started again")
        wait_until(lambda: pod.is_ready() and pod.get(GZIP).status == 200, "all is well again")
        equal(os.listdir(tmp), [], "core dumps")


def test_handlers_cannot_be_looked_into_by_their_own_user(disk):
    with Pod([("disk", "disk", "-", disk)], uid=NOBODY) as pod:
        equal(os.stat(f"/proc/{pod.pid('lighttpd')}/environ").st_uid, NOBODY, "owner, when a process may be")
        for name in ("raw", "gzip", "dir", "tar", "manifest", "pod"):
            wait_until(lambda: os.stat(f"/proc/{pod.pid(name)}/environ").st_uid == 0, f"{name} belongs to root")


harness.main(globals())
