#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks and directories, downloaded inside the cluster, by port-forward and through the proxy's port of the node, arrive whole,
and the volumes stay as they were. (Through an Ingress: test_ingress.py.)"""
import gzip
import json
import os
import stat

import e2e
from e2e import MIB, check, equal, sha256
from test_tar import by_gnu_tar, same_tree

LARGE = 192 * MIB


def exported(w, of="disk"):
    w.export(of=of)
    w.ready()
    return w.formats(of), w.formats(of, where="external")


def unzipped(path):
    with gzip.open(path) as packed, open(path + ".out", "wb") as out:
        while block := packed.read(MIB):
            out.write(block)
    return path + ".out"


def raw_and_gzip(w, tmp, image, links, *flags, where="external"):
    """Both arrive whole."""
    equal(sha256(w.fetch(links["raw"], tmp + "/disk.img", *flags, where=where)), sha256(image), "raw")
    equal(sha256(unzipped(w.fetch(links["gzip"], tmp + "/disk.img.gz", *flags, where=where))), sha256(image), "gzip")


# ---- a disk ----

def test_a_disk_inside_the_cluster(w):
    image = w.disk()
    links, _ = exported(w)
    equal(w.inside(f"get {links['raw']} | sha256sum; get {links['gzip']} | gunzip | sha256sum").split(), [sha256(image), "-"] * 2)


def test_a_disk_by_port_forward(w, tmp):
    image = w.disk()
    links, _ = exported(w)
    with w.node.port_forward(w.ns, "service/" + w.status()["serviceName"], 443) as port:
        raw_and_gzip(w, tmp, image, links, "--connect-to", f"::127.0.0.1:{port}", where="internal")


def test_a_disk_through_the_proxys_node_port(w, tmp):
    image = w.disk()
    _, links = exported(w)
    raw_and_gzip(w, tmp, image, links)


def test_a_certificate_that_is_not_the_links_is_refused(w, tmp):
    w.disk()
    _, links = exported(w)
    with open(w.node.ca, encoding="ascii") as f:
        other = w.curl(links["raw"], tmp + "/disk.img", cert=f.read())
    equal((other.returncode, os.path.exists(tmp + "/disk.img")), (60, False), "curl: the peer's certificate cannot be authenticated")


def test_a_download_that_is_cut_goes_on_where_it_was(w, tmp):
    image = w.disk(size=LARGE)
    _, links = exported(w)
    out, cut = tmp + "/disk.img", 0
    for _ in range(2):      # curl gives up, as a client does whose connection is too slow
        done = w.curl(links["raw"], out, "--limit-rate", "8M", "--max-time", "8", "--continue-at", "-")
        equal(done.returncode, 28, f"curl is slow: {done.stderr}")
        check(cut < os.path.getsize(out) < LARGE, f"{os.path.getsize(out)} bytes after {cut}")
        cut = os.path.getsize(out)
    w.fetch(links["raw"], out, "--continue-at", "-")
    equal(sha256(out), sha256(image), "the whole")


def test_a_block_volume(w, tmp):
    image = w.disk(block=True)
    internal, links = exported(w)
    raw_and_gzip(w, tmp, image, links)
    equal(w.inside(f"get --range 3145728-7340031 {internal['raw']} | sha256sum").split()[0], sha256(part(tmp, image, 3 * MIB, 7 * MIB)), "a range, inside")


def part(tmp, image, begin, end):
    with open(image, "rb") as whole, open(tmp + "/part", "wb") as out:
        whole.seek(begin)
        out.write(whole.read(end - begin))
    return tmp + "/part"


# ---- a directory ----

def test_a_directory_is_listed_and_its_files_arrive(w, tmp):
    tree = w.tree()
    _, links = exported(w, "tree")
    with open(w.fetch(links["dir"], tmp + "/listing", "--location", "--header", "Accept: application/json"), encoding="utf-8", errors="surrogateescape") as f:
        listing = json.load(f)
    check("hello.txt" in str(listing) and "sub" in str(listing), f"the listing: {listing}")
    equal(sha256(w.fetch(links["dir"].rstrip("/") + "/sub/x.bin", tmp + "/x.bin")), sha256(tree + "/sub/x.bin"), "a file")


def test_a_directory_as_an_archive(w, tmp):
    tree = w.tree()
    _, links = exported(w, "tree")
    os.mkdir(tmp + "/copy")
    by_gnu_tar(w.fetch(links["tar.gz"], tmp + "/tree.tar.gz"), tmp + "/copy")
    same_tree(tree, os.fsencode(tmp + "/copy"))


# ---- the volumes themselves ----

def state(*tops):
    """{path: all that an export could change} of everything below, the folders themselves among it."""
    paths = [path for top in tops for base, folders, files in os.walk(top) for path in [base, *(os.path.join(base, name) for name in folders + files)]]
    found = {}
    for path in [*tops, *paths]:
        st = os.lstat(path)
        found[path] = (st.st_uid, st.st_gid, st.st_mode, st.st_nlink, st.st_size, st.st_blocks, st.st_mtime_ns, st.st_ctime_ns, sorted(os.listxattr(path, follow_symlinks=False)),
                       sha256(path) if stat.S_ISREG(st.st_mode) else "")
    return found


def test_no_source_is_changed_by_its_export(w, tmp):
    images = [w.disk(owner=0, mode=0o604), w.disk("raw", block=True)]       # not as the export pod would have made it
    sources = [os.path.dirname(images[0]), images[1], w.tree()]
    before = state(*sources)
    formats = {"disk": "gzip", "raw": "raw", "tree": "tar.gz"}
    for claim in formats:
        w.export(claim, of=claim)
    for claim, wanted in formats.items():
        w.ready(claim)
        w.fetch(w.formats(claim, claim, "external")[wanted], f"{tmp}/{claim}", export=claim)
    for claim in formats:
        w.delete("export", claim)
    for claim in formats:
        w.gone(claim)
    after = state(*sources)
    equal({path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}, set(), "what has changed")


e2e.main(globals())
