#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The token's Secret, the user's or a generated one: without a token in it there is no pod, and the status says why."""
import fixture
from fixture import alone, check, equal, eventually, never
from world import PROMPT, TOKEN, data, owner, uid


def with_token(w, name="mine"):
    """An export with a user's Secret, Ready."""
    w.secret(name)
    w.pvc()
    w.export(token=name)
    w.ready()


def stopped(w, *words):
    """There is no pod and the condition Ready has these words; returns its message."""
    w.says(*words)
    w.no_pod()
    condition = w.condition()
    equal((condition["status"], w.phase(), w.links()), ("False", "Pending", {}))
    check(len(condition["message"]) > 40, f"cause and remedy: '{condition['message']}'")
    return condition["message"]


# ---- a generated one

def test_a_token_is_made_where_none_is_named(w):
    w.pvc()
    for name in ("one", "two"):
        w.export(name)
        w.ready(name)
    secret = w.get("secret", w.child("token", "one"))
    equal(w.status("one")["tokenSecretRef"], secret["metadata"]["name"])
    equal(owner(secret)["uid"], uid(w.exp("one")))
    token = w.token("one")
    check(len(token) >= 20 and token.isalnum(), "a good token")
    check(token != w.token("two"), "two exports have one token")


def test_the_generated_one_that_is_deleted_is_made_anew(w):
    w.pvc()
    w.export()
    w.ready()
    before = w.token()
    w.delete("secret", w.child("token"))
    eventually(lambda: w.token() != before, "another token is there")
    w.ready()


def test_the_generated_one_that_is_emptied_lets_nobody_in(w):
    w.pvc()
    w.export()
    w.ready()
    w.patch("secret", w.child("token"), {"data": {"token": ""}})
    eventually(lambda: not w.pod() or w.token(), "the pod goes, or there is a token again")
    w.delete("secret", w.child("token"))
    eventually(lambda: len(w.token()) >= 20, "a token is there")
    w.ready()


# ---- a user's

def test_the_users_is_used_and_left_alone(w):
    with_token(w)
    equal(w.status()["tokenSecretRef"], "mine")
    check("mine" in str(w.pod()["spec"]["volumes"]), "the pod has it")
    equal(w.get("secret", "mine")["metadata"].get("labels"), None)
    equal([s["metadata"]["name"] for s in w.list("secret") if "token" in data(s)], ["mine"])
    w.plane.request("DELETE", w.path("export", "exp"))
    w.gone()
    equal(data(w.get("secret", "mine")), {"token": TOKEN})


def test_a_missing_one_is_named_and_waited_for(w):
    w.pvc()
    w.export(token="mine")
    stopped(w, "mine")
    w.secret("mine")
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_one_without_the_key_is_named_with_it(w):
    w.secret("mine", key="password")
    w.pvc()
    w.export(token="mine")
    stopped(w, "mine", "token")
    w.patch("secret", "mine", {"stringData": {"token": TOKEN}})
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_an_empty_one_is_told_and_waited_for(w):
    w.secret("mine", token="")
    w.pvc()
    w.export(token="mine")
    stopped(w, "mine", "empty")
    w.patch("secret", "mine", {"stringData": {"token": TOKEN}})
    w.has_pod(seconds=PROMPT)
    w.ready()


def test_blanks_are_no_token(w):
    w.secret("mine", token=" \n\t")
    w.pvc()
    w.export(token="mine")
    stopped(w, "mine")


def test_one_that_is_deleted_ends_the_pod_until_it_is_back(w):
    with_token(w)
    w.delete("secret", "mine")
    w.no_pod(seconds=PROMPT)
    stopped(w, "mine")
    w.secret("mine")
    w.ready()


def test_one_that_is_emptied_ends_the_pod_until_it_is_mended(w):
    with_token(w)
    w.patch("secret", "mine", {"stringData": {"token": ""}})
    w.no_pod(seconds=PROMPT)
    stopped(w, "mine")
    w.patch("secret", "mine", {"stringData": {"token": TOKEN}})
    w.ready()


def test_one_that_loses_its_key_ends_the_pod(w):
    with_token(w)
    w.patch("secret", "mine", {"data": {"token": None, "other": "eA=="}})
    w.no_pod(seconds=PROMPT)
    stopped(w, "mine", "token")


def test_another_token_in_it_needs_no_other_pod(w):
    with_token(w)
    pod = uid(w.pod())
    w.patch("secret", "mine", {"stringData": {"token": "another-token-9876543210"}})
    never(lambda: w.phase() != "Ready" or not w.pod() or uid(w.pod()) != pod, 1.5, "the export is disturbed")


def test_two_exports_may_share_one(w):
    w.secret("mine")
    w.pvc()
    for name in ("one", "two"):
        w.export(name, token="mine")
        w.ready(name)
    w.delete("secret", "mine")
    for name in ("one", "two"):
        w.no_pod(name)


def test_the_certificates_key_is_never_a_token(w):
    """A Secret of another kind has no key `token`."""
    w.pvc()
    w.export("first")
    w.ready("first")
    w.export(token=w.child("tls", "first"))
    stopped(w, "token")


@alone
def test_one_that_was_emptied_while_the_controller_was_away_is_found(w, controller):
    with_token(w)
    controller.kill()
    w.patch("secret", "mine", {"stringData": {"token": ""}})
    controller.start()
    stopped(w, "mine")


@alone
def test_no_token_is_in_the_log(w, controller):
    with_token(w)
    w.pvc("other")
    w.export("generated", of="other")
    w.ready("generated")
    token = w.token("generated")
    w.delete("secret", "mine")
    w.no_pod()
    for secret in (TOKEN, token, "PRIVATE KEY"):
        check(secret not in controller.log, "a secret is in the log")


fixture.main(globals())
