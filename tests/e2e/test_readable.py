#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that the export pod's user can't read are counted and told with a remedy, which works."""
import os
import re

import e2e
from e2e import check, equal, eventually, sha256
from test_tar import by_gnu_tar, same_tree

USER = 1234


def told(w):
    """The condition's message, which names the remedy."""
    message = w.shows("Readable", "False", "FilesUnreadable", seconds=e2e.READY)
    check("vmexport.io/run-as" in message and "107:107" in message, message)
    eventually(lambda: "FilesUnreadable" in w.events(), "an Event says so, too")
    return message


def remedied(w):
    """Does what the message says."""
    key = re.search(r"([\w./-]+)=UID:GID", told(w))[1]
    w.patch("export", "exp", {"metadata": {"annotations": {key: f"{USER}:{USER}"}}})
    w.shows("Readable", "True", "AllReadable", seconds=e2e.READY)
    w.ready()


def test_a_disk_of_another_user(w, tmp):
    image = w.disk(owner=USER, mode=0o600)
    w.export()
    w.ready()
    equal(w.curl(w.formats(where="external")["raw"], tmp + "/disk.img").returncode, 22, "curl: the server refuses")
    remedied(w)
    equal(sha256(w.fetch(w.formats(where="external")["raw"], tmp + "/disk.img")), sha256(image), "the disk")


def test_some_files_of_a_directory(w, tmp):
    tree = w.tree()
    for name in ("hello.txt", "sub/x.bin"):
        os.chown(f"{tree}/{name}", USER, USER)
        os.chmod(f"{tree}/{name}", 0o600)
    w.export(of="tree")
    w.ready()
    links = w.formats("tree", where="external")
    check(w.curl(links["tar.gz"], tmp + "/tree.tar.gz").returncode != 0, "an archive without them is none")
    w.fetch(links["dir"] + "/data.json", tmp + "/data.json")
    check("files of volume 'tree'" in told(w), "which files")
    remedied(w)
    os.mkdir(tmp + "/copy")
    by_gnu_tar(w.fetch(links["tar.gz"], tmp + "/tree.tar.gz"), tmp + "/copy")
    same_tree(tree, os.fsencode(tmp + "/copy"))


def test_nothing_is_said_where_all_can_be_read(w):
    w.disk()
    w.export()
    w.ready()
    e2e.never(lambda: w.condition("Readable"), 3, "a condition about nothing")


e2e.main(globals())
