#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon: its flags, its log, /healthz, /readyz and /metrics, SIGTERM, and two replicas with one leader. Each test starts
the controllers that it needs."""
import contextlib
import http.client
import json
import subprocess
import threading
import time

import fixture
from fixture import Controller, World, alone, check, equal, eventually, never
from harness import SLOW

LEASE = ("--lease-duration", "4s", "--lease-renew", "3s", "--lease-retry", "1s")
PATIENT = ("--lease-duration", "120s", "--lease-renew", "100s", "--lease-retry", "1s")         # runs out within no test, however busy the machine


def works(plane, name="exp"):
    """An export gets ready: somebody leads."""
    w = World(plane)
    w.pvc()
    w.export(name)
    w.ready(name)
    return w


def lease(plane):
    return World(plane, namespace=fixture.NAMESPACE).get("lease", "vmexport-controller")["spec"]


def holder(plane):
    return lease(plane).get("holderIdentity") or ""


# ---- start and end

@alone
def test_sigterm_ends_it_in_order_and_gives_the_lease_back(plane):
    c = Controller(plane, flags=LEASE)
    works(plane)
    check("controller" in holder(plane), holder(plane))
    start = time.monotonic()
    equal(c.stop(), 0)
    check(time.monotonic() - start < 5 * SLOW, f"it took {time.monotonic() - start:.1f} s")
    equal(holder(plane), "")


@alone
def test_sigterm_while_it_starts(plane):
    for delay in (0, 0.02, 0.1, 0.3):
        c = Controller(plane, wait=None)
        time.sleep(delay)
        check(c.stop() in (0, -15), "exit code")


@alone
def test_metrics_may_be_asked_for_while_it_ends(plane):
    """Then they are numbers of what ends beside them: a sanitizer tells when it has gone already."""
    for _ in range(3):
        c, over = Controller(plane, flags=LEASE), threading.Event()
        works(plane).close()                    # there are events to be sent
        def ask(c=c, over=over):
            while not over.is_set():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    c.get("/metrics")
        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            equal(c.stop(), 0)
        finally:
            over.set()
            for asker in askers:
                asker.join()


@alone
def test_wrong_flags_are_named(plane):
    for words, told in ((["--no-such-flag"], "--no-such-flag"), (["--workers", "0"], "workers"), (["--api-group", "example.test"], "api-group"),
                        (["--default-ttl", "soon"], "default-ttl"), (["--external", "direct"], "external-host"), (["--config", "/no/such/file"], "/no/such/file"),
                        (["--health-address", "nonsense"], "nonsense"), (["--kubeconfig", "/no/such/file"], "/no/such/file"),
                        (["--certificate-duration", "60s"], "420"), (["--external-host", "https://a"], "--external-host: must be a host"),
                        (["--lease-duration", "1s"], "longer than lease-renew"), (["--pod-labels", "{a: 1}"], "--pod-labels: must be")):
        done = subprocess.run([fixture.PROGRAM, "--kubeconfig", plane.admin, *words], capture_output=True, text=True, timeout=30 * SLOW, check=False)
        wrong = 1 if words[0] == "--kubeconfig" else 2    # a file that is not there today may be there tomorrow
        check(done.returncode == wrong and told in done.stderr, f"{words}: exit {done.returncode}, '{done.stderr}'")


@alone
def test_help_and_version(tmp):
    del tmp
    for flag in ("--help", "--version"):
        done = subprocess.run([fixture.PROGRAM, flag], capture_output=True, text=True, timeout=30 * SLOW, check=False)
        equal(done.returncode, 0)
        check("vmexport-controller" in done.stdout, done.stdout)


@alone
def test_a_file_of_settings_is_as_good_as_flags(plane, tmp):
    with open(tmp + "/settings.yaml", "w", encoding="utf-8") as f:
        f.write("default-ttl: 3h\nimage: registry.example.test/vmexport:7\ntolerations:\n  - {key: a, operator: Exists}\nnode-selector: {disk: fast}\n"
                "resources:\n  limits: {cpu: '2', memory: 1Gi}\n  requests: {cpu: 50m, memory: 32Mi}\npod-labels: {team: x}\nimage-pull-secrets: [pull]\nrun-as: '1001:1002'\n")
    with Controller(plane, flags=["--config", tmp + "/settings.yaml", "--default-ttl", "4h"]):
        w = works(plane)
        spec, labels = w.pod()["spec"], w.pod()["metadata"]["labels"]
        equal(spec["containers"][0]["image"], "registry.example.test/vmexport:7")
        equal(spec["containers"][0]["resources"], {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "50m", "memory": "32Mi"}})
        check({"key": "a", "operator": "Exists"} in spec["tolerations"], spec["tolerations"])
        equal((spec["nodeSelector"], labels["team"], spec["imagePullSecrets"]), ({"disk": "fast"}, "x", [{"name": "pull"}]))
        context = {**spec["securityContext"], **spec["containers"][0]["securityContext"]}
        equal((context["runAsUser"], context["runAsGroup"]), (1001, 1002))
        created = time.mktime(time.strptime(w.exp()["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ"))
        expires = time.mktime(time.strptime(w.status()["ttlExpirationTime"], "%Y-%m-%dT%H:%M:%SZ"))
        equal(expires - created, 4 * 3600, "the flag beats the file")


@alone
def test_an_api_server_that_is_not_there_is_waited_for(plane):
    c = Controller(plane, server="https://127.0.0.1:1", wait="/healthz")
    never(lambda: c.get("/readyz")[0] == 200, 1.5, "ready without an API server")
    equal(c.get("/healthz")[0], 200)
    eventually(lambda: "127.0.0.1:1" in c.log, "the log names the address")
    c.stop()


# ---- what it tells

@alone
def test_health_and_metrics(plane):
    with Controller(plane) as c:
        w = works(plane)
        equal((c.get("/healthz")[0], c.get("/readyz")[0], c.get("/nothing")[0]), (200, 200, 404))
        w.export("waiting", of="nothing")
        w.waits("PVCReady", "PVCNotFound", "waiting")
        names = {name for name, _ in c.metrics()}
        for word in ("reconcile", "queue", "watch", "exports", "request"):
            check(any(word in name for name in names), f"no metric of '{word}' among {sorted(names)}")
        for phase in ("Ready", "Pending"):                  # the server has a status before the controller has the answer
            eventually(lambda phase=phase: any(value >= 1 for (_, labels), value in c.metrics().items() if ("phase", phase) in labels), f"an export is {phase}")
        check(c.metric("rest_client_requests_total", method="POST", code="201") >= 3, "API calls by verb and code")


@alone
def test_the_metrics_are_well_formed(plane):
    with Controller(plane) as c:
        works(plane)
        families, text = set(), c.get("/metrics")[1]
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name = line.split()[2]
                check(name not in families, f"two families {name}")
                families.add(name)
            elif line and not line.startswith("#"):
                name = line.split("{")[0].split(" ")[0]
                check(any(name == f or name in (f + "_bucket", f + "_sum", f + "_count") for f in families), f"no TYPE of {name}")
                float(line.rsplit(" ", 1)[1])
        check(text.endswith("\n"), "the last line ends")


@alone
def test_the_log_is_json_when_asked_for(plane):
    with Controller(plane, flags=["--log-format", "json"], name="json") as c:
        works(plane)
    for line in c.log.splitlines():
        o = json.loads(line)
        check(o, line)


def requests(c):
    return {labels: v for (name, labels), v in c.metrics().items() if name == "rest_client_requests_total"}


@alone
def test_it_does_nothing_when_nothing_happens(plane):
    with Controller(plane) as c:
        works(plane)
        time.sleep(2)
        before, calls, start = c.cpu(), requests(c), time.monotonic()
        time.sleep(5)
        more = {call: n - calls.get(call, 0) for call, n in requests(c).items() if n > calls.get(call, 0)}
        check(sum(more.values()) <= (time.monotonic() - start) / 2 + 1, more)               # the lease is renewed each 2 s
        check(c.cpu() - before <= 0.1 * SLOW, f"{c.cpu() - before} s of CPU in 5 s")


# ---- replicas

@alone
def test_one_of_two_leads_and_the_other_takes_over_at_once_after_sigterm(plane):
    first = Controller(plane, flags=PATIENT, name="first")
    works(plane)
    second = Controller(plane, flags=PATIENT, name="second", wait="/healthz")
    time.sleep(1)
    check("first" in holder(plane), holder(plane))
    equal(first.stop(), 0)
    eventually(lambda: "second" in holder(plane), "the second leads, at its next try", 10)
    works(plane)
    equal(second.stop(), 0)


@alone
def test_after_kill_the_other_takes_over_when_the_lease_has_run_out(plane):
    first = Controller(plane, flags=LEASE, name="first")
    w = works(plane)
    second = Controller(plane, flags=LEASE, name="second", wait="/healthz")
    first.kill()
    start = time.monotonic()
    # It may have seen the last renewal 2.2 s after that was made, waits 4 s, and tries again up to 2.2 s later.
    eventually(lambda: "second" in holder(plane), "the second leads", 15)
    check(time.monotonic() - start > 1.5, "it did not wait for the lease to run out")
    w.export("next")
    w.ready("next")
    equal(second.stop(), 0)


@alone
def test_the_one_that_stands_by_writes_nothing(plane):
    with Controller(plane, flags=PATIENT, name="first"), Controller(plane, flags=PATIENT, name="second", wait="/healthz") as second:
        w = works(plane)
        w.settled()
        writes = [labels for labels, v in requests(second).items() if v and dict(labels)["method"] in ("POST", "PATCH", "DELETE")]
        equal(writes, [])                   # the lease is asked for by GET, and taken by PUT


@alone
def test_one_whose_lease_was_taken_stops_working(plane):
    c = Controller(plane, flags=LEASE, name="first")
    works(plane)
    w = World(plane, namespace=fixture.NAMESPACE)
    w.patch("lease", "vmexport-controller", {"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 3600,
                                                      "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 60))}})
    time.sleep(4.5 * SLOW)
    other = World(plane)
    other.pvc()
    other.export()
    never(other.pod, 2, "it works without the lease")
    if c.process.poll() is None:
        c.stop()
    w.delete("lease", "vmexport-controller")


fixture.main(globals(), start=False, beside=())
