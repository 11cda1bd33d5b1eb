#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the controller keeps for the export proxy: the CAs by which it knows export pods, and the certificate that it shows."""
import base64
import os
import subprocess
import time

import fixture
from fixture import NAMESPACE, alone, check, equal, eventually, never
from outside import certificate, ready, removed, route, shown
from world import COLLECTED, PROMPT, uid

BUNDLE, SECRET = "vmexport-ca", "vmexport-proxy-tls"
ADDRESS = "[2001:db8:0::7]:30443"
NAMES = [f"vmexport-proxy.{NAMESPACE}.svc", f"vmexport-proxy.{NAMESPACE}.svc.cluster.local", f"vmexport-proxy.{NAMESPACE}", "vmexport-proxy"]


def bundle(w):
    return (w.get("configmap", BUNDLE, ns=NAMESPACE) or {}).get("data", {}).get("ca.pem")


def shown_certificate(w):
    secret = w.get("secret", SECRET, ns=NAMESPACE)
    return secret and base64.b64decode(secret["data"]["tls.crt"]).decode()


def openssl(tmp, crt, *args):
    path = os.path.join(tmp, "crt")
    with open(path, "w", encoding="ascii") as f:
        f.write(crt)
    return subprocess.run(["openssl", *args, path], capture_output=True, text=True, check=False)


def trusted_for(w, tmp, crt, *name):
    """Whether a client that has the bundle takes it for a server of that name."""
    ca = os.path.join(tmp, "ca")
    with open(ca, "w", encoding="ascii") as f:
        f.write(bundle(w))
    return openssl(tmp, crt, "verify", "-CAfile", ca, "-purpose", "sslserver", *name).returncode == 0


def there(w):
    eventually(lambda: bundle(w) and shown_certificate(w), "the proxy's ConfigMap and Secret")


@alone
def test_the_certificate_is_of_the_ca_for_the_service_and_for_no_other_name(w, tmp):
    there(w)
    crt = shown_certificate(w)
    for name in NAMES:
        check(trusted_for(w, tmp, crt, "-verify_hostname", name), name)
    check(not trusted_for(w, tmp, crt, "-verify_hostname", "virt-export-x.ns.svc"), "it passes for an export pod's")
    equal(w.get("secret", SECRET, ns=NAMESPACE)["type"], "kubernetes.io/tls")


@alone
def test_the_bundle_is_that_of_the_links(w):
    ready(w)
    equal(bundle(w).strip(), w.links()["cert"].strip())


@alone
def test_what_is_deleted_or_edited_is_made_again(w):
    there(w)
    before = bundle(w)
    for change in (lambda: w.delete("configmap", BUNDLE, ns=NAMESPACE), lambda: w.patch("configmap", BUNDLE, {"data": {"ca.pem": "x"}}, ns=NAMESPACE)):
        change()
        eventually(lambda: bundle(w) == before, "the bundle", PROMPT)
    before = shown_certificate(w)
    w.patch("secret", SECRET, {"data": {"tls.crt": base64.b64encode(b"x").decode()}}, ns=NAMESPACE)
    eventually(lambda: "BEGIN CERTIFICATE" in shown_certificate(w), "a certificate", PROMPT)
    w.delete("secret", SECRET, ns=NAMESPACE)
    eventually(lambda: shown_certificate(w), "the Secret", PROMPT)
    check(shown_certificate(w) != before, "the old one")


@alone
def test_what_others_put_beside_the_bundle_is_no_reason_to_write(w):
    there(w)
    w.patch("configmap", BUNDLE, {"data": {"theirs": "x"}}, ns=NAMESPACE)
    before = w.get("configmap", BUNDLE, ns=NAMESPACE)["metadata"]["resourceVersion"]
    w.delete("secret", SECRET, ns=NAMESPACE)        # so that it looks
    there(w)
    equal(w.get("configmap", BUNDLE, ns=NAMESPACE)["metadata"]["resourceVersion"], before)


@alone
def test_a_configmap_of_somebody_else_is_left_alone_and_the_certificate_is_made(w, controller):
    there(w)
    equal(controller.stop(), 0)
    w.delete("configmap", BUNDLE, ns=NAMESPACE)
    w.delete("secret", SECRET, ns=NAMESPACE)
    w.create("configmap", {"metadata": {"name": BUNDLE}, "data": {"a": "b"}}, ns=NAMESPACE)
    controller.start()
    with removed(w, "configmap", BUNDLE):
        eventually(lambda: shown_certificate(w), "the Secret")
        eventually(lambda: f"ConfigMap {NAMESPACE}/{BUNDLE} is not the controller's" in controller.log, "the log says so")
        equal(w.get("configmap", BUNDLE, ns=NAMESPACE)["data"], {"a": "b"})
    there(w)


@alone
def test_nothing_is_written_again_after_a_restart(w, controller):
    there(w)
    before = [w.get(kind, name, ns=NAMESPACE)["metadata"]["resourceVersion"] for kind, name in (("configmap", BUNDLE), ("secret", SECRET))]
    controller.restart()
    time.sleep(1)
    equal([w.get(kind, name, ns=NAMESPACE)["metadata"]["resourceVersion"] for kind, name in (("configmap", BUNDLE), ("secret", SECRET))], before)


@alone
def test_a_certificate_of_the_users_own_stays_and_is_in_the_links(w, plane, controller):
    there(w)
    crt, key = certificate("exports.example.test")
    equal(controller.stop(), 0)
    w.delete("secret", SECRET, ns=NAMESPACE)
    w.create("secret", {"metadata": {"name": SECRET}, "type": "kubernetes.io/tls", "stringData": {"tls.crt": crt, "tls.key": key}}, ns=NAMESPACE)
    with removed(w, "secret", SECRET), fixture.Controller(plane, flags=["--external-host", "exports.example.test", "--external-trust", "proxy"], name="own"):
        ready(w)
        eventually(lambda: w.links(where="external")["cert"] == crt.strip(), "the user's certificate")
        equal(shown_certificate(w), crt)
    controller.start()


@alone
def test_at_an_address_the_proxys_certificate_is_for_it_and_the_links_have_the_ca(w, plane, controller, tmp):
    there(w)
    equal(controller.stop(), 0)
    with fixture.Controller(plane, flags=["--external-host", ADDRESS, "--external-trust", "proxy"], name="address"):
        ready(w)
        shown(w, ADDRESS)
        eventually(lambda: trusted_for(w, tmp, shown_certificate(w), "-verify_ip", "2001:db8::7"), "a certificate for the address")
        equal(w.links(where="external")["cert"], w.links()["cert"])
        before = shown_certificate(w)
        never(lambda: shown_certificate(w) != before, 1.5, "it is made again and again")
    controller.start()
    eventually(lambda: not trusted_for(w, tmp, shown_certificate(w), "-verify_ip", "2001:db8::7"), "a certificate without the address")


@alone
def test_at_a_fixed_host_the_systems_trust_unless_told_otherwise(w, plane, controller):
    equal(controller.stop(), 0)
    with fixture.Controller(plane, flags=["--external-host", "exports.example.test"], name="system"):
        ready(w)
        shown(w, "exports.example.test")
        equal(w.links(where="external")["cert"], "")
    controller.start()


@alone
def test_without_a_name_no_certificate_is_made(w, plane, controller):
    equal(controller.stop(), 0)
    w.delete("secret", SECRET, ns=NAMESPACE)
    with fixture.Controller(plane, flags=["--proxy-certificate", ""], name="none"):
        never(lambda: shown_certificate(w), 1.5, "a Secret is made")
    controller.start()
    there(w)


@alone
def test_through_a_passthrough_route_clients_see_the_proxys_certificate(w, tmp):
    ready(w)
    with route(w, "a.example.test", tls_of={"termination": "passthrough"}):
        shown(w, "a.example.test")
        eventually(lambda: w.links(where="external")["cert"] == w.links()["cert"], "the CA in the links", PROMPT)
        eventually(lambda: trusted_for(w, tmp, shown_certificate(w), "-verify_hostname", "a.example.test"), "a certificate for the route's host", PROMPT)


@alone
def test_a_routes_own_certificate_is_in_the_links(w):
    ready(w)
    crt, key = certificate("a.example.test")
    with route(w, "a.example.test", tls_of={"termination": "reencrypt", "certificate": crt, "key": key}):
        eventually(lambda: "external" in w.status()["links"] and w.links(where="external")["cert"] == crt.strip(), "the route's certificate", PROMPT)


def owner_of(w):
    """The uid in the proxy's Secret; None for none, "" when there is no Secret."""
    secret = w.get("secret", SECRET, ns=NAMESPACE)
    references = secret["metadata"].get("ownerReferences") if secret else [{"uid": ""}]
    return references[0]["uid"] if references else None


@alone
def test_what_the_controller_has_made_for_itself_goes_with_its_owner(w, controller):
    equal(controller.stop(), 0)
    made = (("secret", BUNDLE), ("secret", SECRET), ("configmap", BUNDLE), ("lease", "vmexport-controller"))
    for kind, name in made:
        w.delete(kind, name, ns=NAMESPACE)
    w.create("configmap", {"metadata": {"name": "settings"}}, ns=NAMESPACE)
    controller.flags += ["--owner", "settings"]
    controller.start()
    there(w)
    # Made anew, as by an upgrade that brings it back: what is made for the old one would be collected again and again.
    w.delete("configmap", "settings", ns=NAMESPACE)
    eventually(lambda: owner_of(w) is None, "without an owner", COLLECTED)
    w.create("configmap", {"metadata": {"name": "settings"}}, ns=NAMESPACE)
    w.delete("secret", SECRET, ns=NAMESPACE)
    eventually(lambda: owner_of(w) == uid(w.get("configmap", "settings", ns=NAMESPACE)), "with the new owner")
    for kind, name in made:
        w.delete(kind, name, ns=NAMESPACE)
    there(w)
    equal(controller.stop(), 0)
    controller.flags = controller.flags[:-2]
    w.delete("configmap", "settings", ns=NAMESPACE)
    for kind, name in made:
        eventually(lambda kind=kind, name=name: not w.get(kind, name, ns=NAMESPACE), f"{kind} {name} goes", COLLECTED)
    controller.start()
    there(w)


@alone
def test_pods_are_left_alone_by_all_this(w):
    ready(w)
    pod = uid(w.pod())
    w.delete("secret", SECRET, ns=NAMESPACE)
    there(w)
    equal(uid(w.pod()), pod)


fixture.main(globals())
