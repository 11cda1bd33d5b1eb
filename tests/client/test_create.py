#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""create and delete: the objects that they make and take, and what they refuse."""
import re

import fixture
from fixture import DENIED, KIND, NOT_FOUND, USAGE, alone, check, equal, eventually
from world import COLLECTED, SOURCES, data, uid


def seconds(duration):
    return sum(float(n) * {"h": 3600, "m": 60, "s": 1}[u] for n, u in re.findall(r"([\d.]+)(h|m|s)", duration))


def source_of(e):
    s = e["spec"]["source"]
    return s.get("apiGroup", ""), s["kind"], s["name"]


def test_each_source_has_its_group_and_kind(w):
    for flag, kind in (("pvc", "PersistentVolumeClaim"), ("vm", "VirtualMachine"), ("snapshot", "VirtualMachineSnapshot")):
        w.start("create", "of-" + flag, f"--{flag}=src").done().said("created")
        equal(source_of(w.exp("of-" + flag)), (SOURCES[kind], kind, "src"), flag)
    check("ttlDuration" not in w.exp("of-vm")["spec"], "a ttl that nobody asked for")


def test_a_flags_value_may_be_the_next_word(w):
    w.start("create", "exp", "--pvc", "src").done()
    equal(source_of(w.exp())[2], "src")


def test_the_export_owns_the_secret_of_its_token(w):
    tokens = set()
    for name in ("one", "two"):
        w.start("create", name, "--pvc=src").done()
        e = w.exp(name)
        secret = w.get("secret", e["spec"]["tokenSecretRef"])
        [owner] = secret["metadata"]["ownerReferences"]
        equal((secret["metadata"]["name"], secret["type"]), ("secret-" + name, "Opaque"))
        equal((owner["kind"], owner["name"], owner["uid"]), (KIND, name, uid(e)))
        check(not owner.get("blockOwnerDeletion"), "blockOwnerDeletion takes a right that users have not")
        tokens.add(data(secret)["token"])
    check(len(tokens) == 2 and all(re.fullmatch("[0-9A-Za-z]{20,}", t) for t in tokens), "tokens are alike, short or odd")


def test_the_token_is_never_said(w):
    run = w.start("create", "exp", "--pvc=src").done()
    token = data(w.get("secret", "secret-exp"))["token"]
    check(token not in run.err and token not in run.out.decode(), "it was")


def test_a_secret_that_is_there_stays(w):
    w.secret("secret-exp", "the-token-of-before")
    w.start("create", "exp", "--pvc=src").done()
    equal(data(w.get("secret", "secret-exp"))["token"], "the-token-of-before")


def test_ttl_is_a_duration(w):
    w.start("create", "exp", "--pvc=src", "--ttl=1h30m").done()
    equal(seconds(w.exp()["spec"]["ttlDuration"]), 5400.0)
    for bad in ("soon", "-1h", "90", "1d"):
        w.run("create", "bad", "--pvc=src", "--ttl=" + bad).failed(USAGE, "ttl")
    check(not w.exp("bad"), "made all the same")


def test_labels_and_annotations(w):
    w.start("create", "exp", "--pvc=src", "--labels=a=1,b=2", "--labels", "c=3", "--annotations=n/k=v=w").done()
    meta = w.exp()["metadata"]
    equal((meta["labels"], meta["annotations"]["n/k"]), ({"a": "1", "b": "2", "c": "3"}, "v=w"))


def test_one_source_exactly(w):
    w.run("create", "exp", "--pvc=p", "--vm=v").failed(USAGE, "pvc", "vm")
    w.run("create", "exp").failed(USAGE, "--pvc", "--vm", "--snapshot", "--vmtemplate")
    check(not w.exp(), "made all the same")


def test_flags_of_other_commands_are_refused(w):
    for flag in ("--output=x", "--volume=v", "--insecure", "--keep-vme", "--delete-vme", "--port-forward", "--local-port=1", "--format=raw",
                 "--service-url=u", "--retry=1"):
        w.run("create", "exp", "--pvc=p", flag).failed(USAGE, flag.split("=")[0])
        w.run("delete", "exp", flag).failed(USAGE, flag.split("=")[0])
    for flag in ("--pvc=p", "--readiness-timeout=1s", "--labels=a=b", "--annotations=a=b"):
        w.run("delete", "exp", flag).failed(USAGE)
    check(not w.exp(), "made all the same")


def test_a_second_of_the_same_name_is_refused_and_changes_nothing(w):
    w.start("create", "exp", "--pvc=src").done()
    before = w.exp()
    run = w.run("create", "exp", "--vm=other").said("exist")
    check(run.code != 0, "exit code 0")
    equal(w.exp(), before)


def test_what_the_api_server_says_is_told(w):
    # The kind is KubeVirt's; the CRD of this project says so.
    run = w.run("create", "exp", "--vmtemplate=src").said("cannot be exported|kind")
    check(run.code != 0, "exit code 0")
    run = w.run("create", "Not_A_Name", "--pvc=src")
    check(run.code != 0, "exit code 0")
    equal(w.list("export"), [])


def test_who_may_not_is_told_so(w):
    w.run("create", "exp", "--pvc=src", "--as=nobody").failed(DENIED, "forbidden|not allowed|may not|denied")
    check(not w.exp(), "made all the same")


def may_only(w, user, *verbs):
    """A user who may do that with exports, and nothing with Secrets."""
    rules = [{"apiGroups": [w.group], "resources": ["virtualmachineexports"], "verbs": list(verbs)}]
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{w.ns}"
    w.plane.request("POST", rbac + "/roles", {"metadata": {"name": user}, "rules": rules})
    w.plane.request("POST", rbac + "/rolebindings", {"metadata": {"name": user}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
                                                     "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]})
    eventually(lambda: w.run("status", "none", "--as=" + user).code == NOT_FOUND, "the role works")


def test_without_the_right_to_make_secrets_no_export_stays(w):
    """Or it would be one whose token nobody knows."""
    may_only(w, "half", "create", "get", "list", "watch", "delete")
    w.run("create", "exp", "--pvc=src", "--as=half").failed(DENIED, "secret", "not made")
    check(not w.exp(), "an export is left")


def test_an_export_without_a_secret_that_cannot_be_taken_back_is_named(w):
    may_only(w, "half", "create", "get", "list", "watch")
    w.run("create", "exp", "--pvc=src", "--as=half").failed(DENIED, rf"warning.*{w.ns}/exp.*no token.*could not be deleted")
    check(w.exp(), "who may not delete has deleted")


def test_delete(w):
    w.start("create", "exp", "--pvc=src").done()
    w.start("delete", "exp").done().said("deleted")
    check(not w.exp(), "it is still there")
    # The Secret goes with it.
    eventually(lambda: not w.get("secret", "secret-exp"), "the Secret is gone", COLLECTED)


def test_delete_of_one_that_is_not_there_is_no_failure(w):
    w.start("delete", "exp").done().said("not exist|not found|no export|isn't there")


def test_a_namespace_that_is_not_there(w):
    run = w.run("create", "exp", "--pvc=src", "--namespace=not-there", "--kubeconfig", w.plane.admin, bare=True).failed(NOT_FOUND, "not-there")
    check("secret" not in run.err.lower(), "it speaks of a Secret")


def with_both_groups(w):
    plane = w.plane
    path = fixture.render(f"{plane.dir}/crd-beside.yaml", fixture.shared.GROUP_BESIDE_KUBEVIRT, fixture.shared.NAMESPACE, "crd.yaml")
    plane.apply_crds(path)
    # It is established, and in what there is, a moment before it is served.
    eventually(lambda: plane.request("GET", f"/apis/{fixture.shared.GROUP_BESIDE_KUBEVIRT}/v1/namespaces/{w.ns}/{fixture.PLURAL}")[0] == 200, "the second group is served")


@alone
def test_of_two_groups_ours_comes_first_and_either_can_be_chosen(w):
    with_both_groups(w)
    beside = fixture.World(w.plane, w.home, namespace=w.ns, group=fixture.shared.GROUP_BESIDE_KUBEVIRT)
    w.start("create", "exp", "--pvc=src").done()
    check(beside.exp() and not w.exp(), "not in export.vmexport.io")
    w.start("create", "exp", "--pvc=src", "--api-group=" + w.group).done()
    check(w.exp(), "not in the group that was asked for")
    run = w.run("delete", "exp").said("--api-group")
    check(run.code != 0 and w.exp() and beside.exp(), "one of two was deleted without a choice")
    w.start("delete", "exp", "--api-group=" + w.group).done()
    w.start("delete", "exp").done()
    check(not w.exp() and not beside.exp(), "they are still there")


@alone
def test_a_cluster_without_the_api_says_what_to_install(w):
    w.plane.kubectl("delete", "crd", "virtualmachineexports." + w.group, "virtualmachineexports." + fixture.shared.GROUP_BESIDE_KUBEVIRT, "--ignore-not-found")
    eventually(lambda: w.plane.request("GET", "/apis/" + w.group)[0] == 404, "the API is gone", 30)
    w.run("create", "exp", "--pvc=src").failed(NOT_FOUND, "install|export.vmexport.io|export.kubevirt.io")


if __name__ == "__main__":
    fixture.main(globals())
