#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The chart as a package: what Helm's own linter says, in which versions, and that what is written about it is true."""
import filecmp
import glob
import re
import tarfile

import chart
from chart import CASES, CHART, MAJORS, check, equal, helm, helm_ok, main

# The oldest that Chart.yaml allows, one between, and today's.
KUBERNETES = ("1.27.0", "1.31.0", "1.35.0")


def test_each_case_passes_the_linter():
    for major in MAJORS:
        for name, path in {"": None, **CASES}.items():
            for version in KUBERNETES:
                values = ["--values", path] if path else []
                status, out, errors = helm(major, "lint", "--strict", "--kube-version", version, CHART, *values)
                check(status == 0 and "[ERROR]" not in out and "[WARNING]" not in out, f"Helm {major}, case '{name}', Kubernetes {version}: {out}{errors}")


def test_it_renders_for_each_version_of_kubernetes():
    for major in MAJORS:
        for case in CASES:
            for version in KUBERNETES:
                check(chart.render(case, "--kube-version", version, major=major), f"Helm {major}, {case}, {version}")


def test_an_older_kubernetes_is_refused():
    for major in MAJORS:
        status, _, errors = helm(major, "template", CHART, "--kube-version", "1.26.9")
        check(status != 0 and "kubeVersion" in errors, f"Helm {major}: {errors}")


def test_both_helms_render_the_same():
    for case in CASES:
        three, four = (chart.render(case, major=major) for major in MAJORS)
        equal(sorted(map(str, three)), sorted(map(str, four)), case)


def packaged(path):
    """(name, mode, content) of each file."""
    with tarfile.open(path) as package:
        return [(member.name, member.mode, package.extractfile(member).read()) for member in package]


def test_the_package_is_the_same_each_time(tmp):
    """To the byte with Helm 4; Helm 3 gives all files the time of the packaging."""
    for major in MAJORS:
        packages = []
        for when in "ab":
            helm_ok(major, "package", CHART, "--destination", f"{tmp}/{major}{when}")
            packages += glob.glob(f"{tmp}/{major}{when}/vmexport-*.tgz")
        check(packaged(packages[0]) == packaged(packages[1]), f"Helm {major}: packages of one tree")
    check(filecmp.cmp(*packages, shallow=False), "Helm 4: packages of one tree")


def test_the_package_has_what_it_needs_and_no_more(tmp):
    helm_ok(4, "package", CHART, "--destination", tmp)
    shown = helm_ok(4, "show", "all", glob.glob(tmp + "/*.tgz")[0])
    check("# vmexport, the Helm chart" in shown, "no README")
    equal(len(chart.documents(helm_ok(4, "template", chart.RELEASE, glob.glob(tmp + "/*.tgz")[0], "--namespace", chart.NAMESPACE))),
          len(chart.render()), "objects of the package")


def test_the_change_log_has_this_version():
    with open(CHART + "/CHANGELOG.md", encoding="utf-8") as f:
        version = chart.load(CHART + "/Chart.yaml")["version"]
        check(f"\n## {version}\n" in f.read(), f"CHANGELOG.md says nothing about {version}")


# ---- values: what is there, what is said of it, what is done with it ----

def test_every_setting_is_in_the_schema_and_in_the_readme():
    equal(chart.readme_parts()[1], chart.table(), "README's table (make helm-golden renews it)")


def test_the_schema_has_no_setting_that_the_values_lack():
    def walk(values, schema, path):
        for key, below in schema.get("properties", {}).items():
            if path + key == "enabled":                                      # a parent chart's condition
                continue
            check(key in values, f"{path}{key} is in the schema, not in values.yaml")
            if isinstance(values[key], dict) and "properties" in below:
                walk(values[key], below, f"{path}{key}.")
    walk(chart.load(CHART + "/values.yaml"), chart.schema(), "")


def test_every_level_refuses_what_it_does_not_know():
    def walk(schema, path):
        if "properties" in schema:
            check(schema.get("additionalProperties") is False or path == "global.", f"{path} takes any key")
            for key, below in schema["properties"].items():
                walk(below, f"{path}{key}.")
    walk({key: value for key, value in chart.schema().items() if key != "allOf"}, "")


def test_every_setting_is_used():
    text = ""
    for path in glob.glob(CHART + "/templates/**/*", recursive=True):
        if path.endswith((".yaml", ".tpl", ".txt")):
            with open(path, encoding="utf-8") as f:
                text += f.read()
    # What controller and proxy have in common is read from a variable.
    shared = set(re.findall(r"\$values\.(\w+)", text))
    blocks = re.findall(r"with \.Values\.(\w+) (?s:.*?)\{\{- end \}\}", text)
    for path in chart.settings():
        first, _, rest = path.partition(".")
        used = re.search(r"\.Values\." + re.escape(path) + r"\b", text) or (first in ("controller", "proxy") and rest in shared)
        used = used or (first in blocks and re.search(r"[ (]\." + re.escape(rest) + r"\b", text))
        used = used or (path.startswith("monitoring.serviceMonitor.") and f"$monitor.{path.rpartition('.')[2]}" in text)
        check(used, f"{path} is not used by any template")


def test_no_template_reads_a_setting_that_is_not_there():
    known = chart.settings()
    for path in glob.glob(CHART + "/templates/**/*.*", recursive=True):
        with open(path, encoding="utf-8") as f:
            for setting in re.findall(r"\.Values\.([\w.]+)", f.read()):
                check(any(k == setting or k.startswith(setting + ".") for k in known), f"{path} reads {setting}")


main(globals())
