#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The way in from outside through the proxy: found from an Ingress or a Route to it, and shown at once in the links of exports
that run. These are everybody's, so the tests are one after the other."""
import json
import ssl

import fixture
from fixture import alone, equal, eventually, never
from outside import PROXY, base, certificate, hidden, ingress, ready, removed, route, shown, tls
from world import PROMPT, WITHIN, uid


@alone
def test_no_way_in_no_links(w):
    ready(w)
    hidden(w)


@alone
def test_an_ingress_that_comes_and_goes_is_seen_at_once_and_the_pod_stays(w):
    ready(w)
    pod = uid(w.pod())
    with ingress(w, "a.example.test"):
        shown(w, "a.example.test")
        eventually(lambda: w.links(where="external")["cert"] == "", "no certificate in the links")
        w.patch("ingress", "proxy", {"spec": {"rules": [{**w.get("ingress", "proxy", ns=fixture.NAMESPACE)["spec"]["rules"][0], "host": "b.example.test"}]}}, ns=fixture.NAMESPACE)
        shown(w, "b.example.test")
    hidden(w)
    equal((uid(w.pod()), w.phase()), (pod, "Ready"))


@alone
def test_an_ingress_that_was_there_before(w):
    with ingress(w, "a.example.test"):
        ready(w)
        shown(w, "a.example.test")
        w.pvc("root")
        w.vm(claims=["root"])
        w.export_vm("machine")
        w.ready("machine")
        equal(w.manifests("machine", "external"), {"all": base(w, "a.example.test", "machine") + "/external/manifests/all",
                                                   "auth-header-secret": base(w, "a.example.test", "machine") + "/external/manifests/secret"})


@alone
def test_an_ingress_to_another_service_is_none(w):
    ready(w)
    hidden(w)
    with ingress(w, "a.example.test", service="another"):
        never(lambda: w.links(where="external"), 1, "links.external")


@alone
def test_an_ingress_with_only_a_default_backend_does_no_harm(w):
    w.create("ingress", {"metadata": {"name": "default"}, "spec": {"defaultBackend": {"service": {"name": PROXY, "port": {"number": 443}}}}}, ns=fixture.NAMESPACE)
    with removed(w, "ingress", "default"):
        ready(w)
        hidden(w)


@alone
def test_an_ingress_of_another_namespace_is_none(w):
    ready(w)
    hidden(w)
    w.create("ingress", {"metadata": {"name": "mine"}, "spec": {"rules": [{"host": "evil.example.test", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": PROXY, "port": {"number": 443}}}}]}}]}})
    never(lambda: w.links(where="external"), 1, "links.external")


@alone
def test_the_ingress_certificate_is_in_the_links_and_follows_its_secret(w):
    ready(w)
    first, key = certificate("a.example.test")
    second, other_key = certificate("a.example.test", 60)
    with tls(w, first, key), ingress(w, "a.example.test", secret="front"):
        eventually(lambda: w.links(where="external")["cert"] == first.strip(), "the certificate", PROMPT)
        w.patch("secret", "front", {"stringData": {"tls.crt": second, "tls.key": other_key}}, ns=fixture.NAMESPACE)
        eventually(lambda: w.links(where="external")["cert"] == second.strip(), "the new one", PROMPT)
        ssl.create_default_context(cadata=w.links(where="external")["cert"])
    hidden(w)


@alone
def test_a_secret_that_comes_after_its_ingress(w):
    ready(w)
    crt, key = certificate("a.example.test")
    with ingress(w, "a.example.test", secret="front"):
        shown(w, "a.example.test")
        eventually(lambda: w.links(where="external")["cert"] == "", "no certificate in the links")
        with tls(w, crt, key):
            eventually(lambda: w.links(where="external")["cert"] == crt.strip(), "the certificate", PROMPT)


@alone
def test_a_secret_without_a_certificate_is_system_trust(w):
    w.create("secret", {"metadata": {"name": "front"}, "stringData": {"other": "x"}}, ns=fixture.NAMESPACE)
    with removed(w, "secret", "front"), ingress(w, "a.example.test", secret="front"):
        ready(w)
        shown(w, "a.example.test")
        eventually(lambda: w.links(where="external")["cert"] == "", "no certificate in the links")


@alone
def test_a_route_leads_in_too(w):
    ready(w)
    with route(w, "route.example.test"):
        shown(w, "route.example.test")
    hidden(w)


@alone
def test_an_ingress_comes_before_a_route(w):
    ready(w)
    with route(w, "route.example.test"):
        shown(w, "route.example.test")
        with ingress(w, "a.example.test"):
            shown(w, "a.example.test")
        shown(w, "route.example.test")


@alone
def test_a_route_to_another_service_is_none(w):
    ready(w)
    with route(w, "route.example.test", name="another", **{"kind": "Service"}):
        w.patch("route", "another", {"spec": {"to": {"name": "another"}}}, ns=fixture.NAMESPACE)
        hidden(w)


def outside(w):
    """What is given out to users outside, as one text; "" while there is no way in."""
    files = w.get("configmap", w.child("manifest"))["data"]
    return "".join(json.dumps(json.loads(files[f])) for f in sorted(files) if f.startswith("external."))


@alone
def test_the_manifests_follow_the_way_in(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.export_vm()
    w.ready()
    equal(outside(w), "")
    pod = uid(w.pod())
    crt, key = certificate("a.example.test")
    with tls(w, crt, key), ingress(w, "a.example.test", secret="front"):
        eventually(lambda: base(w, "a.example.test") + "/volumes/disk/disk.img.gz" in outside(w), "the host", PROMPT)
        eventually(lambda: json.dumps(crt.strip()).strip('"') in outside(w), "its certificate", PROMPT)
    eventually(lambda: not outside(w), "it goes", PROMPT)
    equal(uid(w.pod()), pod)


@alone
def test_an_ingress_that_came_while_the_controller_was_away(w, controller):
    ready(w)
    controller.kill()
    with ingress(w, "a.example.test"):
        controller.start()
        shown(w, "a.example.test", WITHIN)
        controller.kill()
    controller.start()
    hidden(w, WITHIN)


fixture.main(globals())
