#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names: long ones, dotted ones, such as are alike, such as are taken by a stranger's objects, and labels that are copied."""
import fixture
from fixture import check, equal, eventually
from world import COLLECTED, reference, uid


def of_its_own(w, name="exp"):
    """The Service leads to the export's own pod, whose certificate is for it."""
    service, pod = w.get("service", w.status(name)["serviceName"]), w.pod(name)
    selector = service["spec"]["selector"]
    equal([p["metadata"]["name"] for p in w.list("pod") if selector.items() <= p["metadata"]["labels"].items()], [pod["metadata"]["name"]])
    equal(service["metadata"]["ownerReferences"][0]["uid"], uid(w.exp(name)))
    check(service["metadata"]["name"] in str(w.links(name)), "the links are not to the Service")


# ---- long, dotted and alike

def test_names_of_children_are_as_documented(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.export_vm()
    w.ready()
    equal(sorted(w.all_children()), sorted([("pod", "virt-export-exp"), ("service", "virt-export-exp"), ("secret", "export-token-exp"),
                                            ("secret", "virt-export-tls-exp"), ("configmap", "exporter-vm-manifest-exp")]))


def test_an_export_name_of_63_characters(w):
    name = "x" * 60 + "end"
    w.pvc()
    w.export(name)
    w.ready(name)
    check(len(w.status(name)["serviceName"]) <= 63 and len(w.pod(name)["metadata"]["name"]) <= 63, w.all_children(name))
    of_its_own(w, name)


def test_the_longest_export_name_with_dots(w):
    name = ".".join(["y" * 62] * 4)[:253].rstrip(".")
    w.pvc()
    w.export(name)
    w.ready(name)
    of_its_own(w, name)


def test_long_names_that_differ_only_at_the_end(w):
    w.pvc()
    names = ["z" * 70 + end for end in ("1", "2")]
    for name in names:
        w.export(name)
        w.ready(name)
    for name in names:
        of_its_own(w, name)


def test_exports_that_are_alike_but_for_a_dot(w):
    w.pvc()
    for name in ("a.b", "a-b"):
        w.export(name)
    for name in ("a.b", "a-b"):
        w.ready(name)
        of_its_own(w, name)
    check(w.status("a.b")["serviceName"] != w.status("a-b")["serviceName"], "both have one Service")


def test_a_claim_with_dots_and_one_of_253_characters(w):
    for name, claim in (("dots", "my.disk.v1"), ("long", ".".join(["d" * 60] * 5)[:253].rstrip("."))):
        w.pvc(claim)
        w.export(name, of=claim)
        w.ready(name)
        check(w.formats(claim, name)["raw"].endswith(f"/volumes/{claim}/disk.img"), w.links(name))
        check(claim in w.volumes(name), w.volumes(name))


def test_disks_of_any_names_go_together(w):
    names = ["a.b", "a-b", "token", "certificates", "manifest-data", "run", "x" * 100, "x" * 99 + "y"]
    for name in names:
        w.pvc(name)
    w.vm(claims=names)
    w.export_vm()
    w.ready()
    equal(sorted(v["name"] for v in w.links()["volumes"]), sorted(names))
    equal(sorted(w.volumes()), sorted(names))
    equal(len({path for _, _, path in w.volumes().values()}), len(names), "paths")


def test_a_claim_that_a_machine_names_twice_is_given_once(w):
    w.pvc(dv=w.datavolume())
    w.vm(claims=["disk"], dvs=["disk"])
    w.export_vm()
    w.ready()
    equal([v["name"] for v in w.links()["volumes"]], ["disk"])
    equal(len(w.claims()), 1)


def test_a_machine_with_30_volumes(w):
    names = [f"disk-{i}" for i in range(30)]
    for i, name in enumerate(names):
        w.pvc(name, mode="Block" if i % 3 == 0 else "Filesystem", content=None if i % 3 == 1 else "kubevirt")
    w.vm(claims=names)
    w.export_vm()
    w.ready()
    equal([v["name"] for v in w.links()["volumes"]], names, "in the machine's order")
    equal(len(w.volumes()), 30)


def test_restored_claims_of_exports_that_are_alike(w):
    """'a' of 'b-c' and 'a-b' of 'c'."""
    w.snapshot("one", disks=("b-c",))
    w.snapshot("two", disks=("c",))
    w.export_snapshot("a", of="one")
    w.export_snapshot("a-b", of="two")
    w.ready("a")
    w.ready("a-b")


# ---- taken by others

def taken(w, kind, what, body, go, seconds=45):
    """A stranger's object stands where the child would be: it is not touched, the status names it, and once it is gone the
    export goes on."""
    name = w.child(what)
    before = w.create(kind, {"metadata": {"name": name}, **body})
    go()
    w.says(name)
    equal(w.condition()["status"], "False")
    equal(w.links(), {})
    after = w.get(kind, name)
    equal((uid(after), after["metadata"].get("ownerReferences"), after["metadata"].get("labels")), (uid(before), None, None), "the stranger's")
    w.delete(kind, name)
    w.ready(seconds=seconds)
    of_its_own(w)


def export(w):
    w.pvc()
    w.export()


def export_vm(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.export_vm()


def test_a_strangers_service(w):
    taken(w, "service", "service", {"spec": {"selector": {"app": "theirs"}, "ports": [{"port": 443}]}}, lambda: export(w))


def test_a_strangers_token_secret(w):
    taken(w, "secret", "token", {"stringData": {"token": "a-token-that-a-stranger-knows"}}, lambda: export(w))
    check(w.token() != "a-token-that-a-stranger-knows", "the stranger's token")


def test_a_strangers_tls_secret(w):
    taken(w, "secret", "tls", {"stringData": {"tls.crt": "x", "tls.key": "y"}}, lambda: export(w))


def test_a_strangers_configmap(w):
    taken(w, "configmap", "manifest", {"data": {"internal_host": "theirs"}}, lambda: export_vm(w))


def test_a_strangers_pod(w):
    pod = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    taken(w, "pod", "pod", pod, lambda: export(w))


def test_a_strangers_pod_with_a_claim(w):
    w.pvc("theirs")
    pod = {"spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "theirs"}}]}}
    taken(w, "pod", "pod", pod, lambda: export(w))


def test_a_strangers_claim(w):
    w.pvc("exp-disk")
    before = w.get("pvc", "exp-disk")
    w.snapshot()
    w.export_snapshot()
    w.says("exp-disk")
    w.no_pod()
    equal(w.get("pvc", "exp-disk")["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"])
    w.delete("pvc", "exp-disk")
    w.ready(seconds=45)


def test_children_of_an_export_of_that_name_that_was_are_a_strangers(w):
    """Owned by another export that had the name: the garbage collector takes it away, and the new one gets its own."""
    w.pvc()
    w.export()
    w.ready()
    old = uid(w.exp())
    w.plane.request("DELETE", w.path("export", "exp"))
    w.export()
    eventually(lambda: w.pod() and w.run_pod() and w.phase() == "Ready", "Ready again", COLLECTED)
    check(uid(w.exp()) != old, "another export")
    of_its_own(w)


def test_a_strangers_label_does_not_make_it_ours(w):
    name = w.child("service")
    w.create("service", {"metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "vmexport-controller"}},
                         "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 443}]}})
    export(w)
    w.says(name)
    equal(w.get("service", name)["spec"]["selector"], {"app": "theirs"})


def test_another_exports_child_is_not_taken(w):
    w.pvc()
    w.export("other")
    w.ready("other")
    before = w.get("service", w.child("service", "other"))
    w.create("secret", {"metadata": {"name": w.child("token"), "ownerReferences": [reference(w.exp("other"))],
                                     "labels": {"app.kubernetes.io/managed-by": "vmexport-controller"}}, "stringData": {"token": "of-another-export"}})
    w.export()
    w.says(w.child("token"))
    equal(w.get("service", w.child("service", "other"))["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"])


# ---- labels

def test_labels_and_annotations_are_copied(w):
    w.pvc()
    w.export(labels={"team": "blue"}, annotations={"example.test/note": "n"})
    w.ready()
    for o in (w.pod(), w.get("service", w.status()["serviceName"])):
        equal((o["metadata"]["labels"].get("team"), o["metadata"].get("annotations", {}).get("example.test/note")), ("blue", "n"), o["metadata"]["name"])


def test_labels_of_the_export_cannot_take_its_pod_away(w):
    w.pvc()
    w.export("first")
    w.ready("first")
    selector = w.get("service", w.status("first")["serviceName"])["spec"]["selector"]
    w.export(labels={**{key: "elsewhere" for key in selector}, "app.kubernetes.io/managed-by": "somebody"})
    w.ready()
    of_its_own(w)
    of_its_own(w, "first")
    equal(w.pod()["metadata"]["labels"]["app.kubernetes.io/managed-by"], "vmexport-controller")


def test_what_kubectl_writes_for_itself_is_not_copied(w):
    w.pvc()
    w.export(annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"})
    w.ready()
    check("kubectl.kubernetes.io/last-applied-configuration" not in w.pod()["metadata"].get("annotations", {}), "copied")


fixture.main(globals())
