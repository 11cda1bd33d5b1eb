#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The identity of a volume, of which the export pod makes the ETag of a disk: the same as long as nobody else can have written
to the volume, another as soon as somebody may have, whatever restarts in between. So that nobody puts two states of one disk
together into one file."""
import fixture
from fixture import alone, check, equal, eventually
from world import uid


def exported(w):
    """An export that is Ready; its volume's identity."""
    w.pvc()
    w.export()
    w.ready()
    return w.identity()


def another_pod(w, old):
    eventually(lambda: w.pod() and uid(w.pod()) != uid(old), "the pod is replaced")
    w.ready()


def test_it_is_of_the_volume(w):
    w.pvc("other")
    w.export("second", of="other")
    w.ready("second")
    first, second = exported(w), w.identity("other", "second")
    check(first and second and first != "-" and first != second, f"{first} {second}")


def test_two_volumes_of_a_machine_have_one_each(w):
    w.pvc("a")
    w.pvc("b")
    w.vm(claims=["a", "b"])
    w.export_vm()
    w.ready()
    check(w.identity("a") != w.identity("b"), w.volumes())


def test_it_stays_when_the_pod_is_replaced(w):
    before, old = exported(w), w.pod()
    w.delete("pod", old["metadata"]["name"])
    another_pod(w, old)
    equal(w.identity(), before)
    old = w.pod()
    w.pod_phase(old["metadata"]["name"], "Failed")
    another_pod(w, old)
    equal(w.identity(), before, "after a pod that failed")


def test_it_is_another_after_a_foreign_pod(w):
    before = exported(w)
    w.foreign_pod()
    w.no_pod()
    w.delete("pod", "foreign")
    w.ready()
    check(w.identity() != before, "the same")


def test_it_is_another_after_a_foreign_pod_that_was_there_in_an_instant(w):
    before, old = exported(w), w.pod()
    w.foreign_pod()
    w.delete("pod", "foreign")
    another_pod(w, old)
    check(w.identity() != before, "the same")


def test_it_is_another_after_a_foreign_pod_that_has_ended(w):
    before, old = exported(w), w.pod()
    w.foreign_pod()
    w.pod_phase("foreign", "Succeeded")
    another_pod(w, old)
    check(w.identity() != before, "the same")


def test_it_is_another_each_time(w):
    seen = {exported(w)}
    for i in range(3):
        old = w.pod()
        w.foreign_pod(f"foreign{i}")
        w.delete("pod", f"foreign{i}")
        another_pod(w, old)
        seen.add(w.identity())
    equal(len(seen), 4, "different identities")


def test_it_is_another_after_the_machine_has_run(w):
    w.pvc()
    w.vm(claims=["disk"])
    w.export_vm()
    w.ready()
    before = w.identity()
    w.start_vm()
    w.no_pod()
    w.stop_vm()
    w.ready()
    check(w.identity() != before, "the same")


def test_it_is_another_for_a_claim_that_was_made_again(w):
    before, old = exported(w), w.pod()
    w.delete("pvc", "disk")
    eventually(lambda: not w.get("pvc", "disk"), "the claim goes")
    w.pvc()
    another_pod(w, old)
    check(w.identity() != before, "the same")


def test_of_two_exports_each_learns_of_a_foreign_pod(w):
    w.pvc()
    for name in ("one", "two"):
        w.export(name)
        w.ready(name)
    before = {name: w.identity(name=name) for name in ("one", "two")}
    w.foreign_pod()
    w.no_pod("one")
    w.no_pod("two")
    w.delete("pod", "foreign")
    for name in ("one", "two"):
        w.ready(name)
        check(w.identity(name=name) != before[name], f"the same for {name}")


# ---- with the controller away meanwhile

@alone
def test_it_stays_over_a_restart_of_the_controller(w, controller):
    before, old = exported(w), w.pod()
    controller.restart()
    w.delete("pod", old["metadata"]["name"])
    another_pod(w, old)
    equal(w.identity(), before)


@alone
def test_it_stays_when_the_pod_went_while_the_controller_was_killed(w, controller):
    before, old = exported(w), w.pod()
    controller.kill()
    w.delete("pod", old["metadata"]["name"])
    controller.start()
    another_pod(w, old)
    equal(w.identity(), before)


@alone
def test_it_is_another_after_a_foreign_pod_that_came_while_the_controller_was_away(w, controller):
    before = exported(w)
    controller.kill()
    w.foreign_pod()
    controller.start()
    w.no_pod()
    w.delete("pod", "foreign")
    w.ready()
    check(w.identity() != before, "the same")


@alone
def test_it_is_another_after_a_foreign_pod_that_came_and_went_while_the_controller_was_away(w, controller):
    before, old = exported(w), w.pod()
    controller.kill()
    w.foreign_pod()
    w.delete("pod", "foreign")
    controller.start()
    w.delete("pod", old["metadata"]["name"])
    another_pod(w, old)
    check(w.identity() != before, "the same")


@alone
def test_it_is_another_when_the_controller_was_killed_while_the_foreign_pod_was_there(w, controller):
    before = exported(w)
    w.foreign_pod()
    w.no_pod()
    controller.kill()
    w.delete("pod", "foreign")
    controller.start()
    w.ready()
    check(w.identity() != before, "the same")


@alone
def test_it_is_another_when_the_controller_is_killed_as_the_foreign_pod_comes(w, controller):
    before = exported(w)
    w.foreign_pod()
    controller.kill()
    w.delete("pod", "foreign")
    controller.start()
    old = w.pod()
    if old:
        w.delete("pod", old["metadata"]["name"])
    eventually(lambda: w.pod() and (not old or uid(w.pod()) != uid(old)), "a pod")
    w.ready()
    check(w.identity() != before, "the same")


fixture.main(globals())
