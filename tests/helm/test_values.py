#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Values that make no sense are refused, by both Helms, when linting and when rendering, with a message that names the setting."""
import json

import chart
from chart import CHART, MAJORS, check, equal, helm, main

# What is set: a part of the message.
REFUSED = {
    "unknown": ("{nonsense: 1}", "nonsense"),
    "unknown below": ("{controller: {replica: 2}}", "replica"),
    "unknown far below": ("{proxy: {route: {hosts: a.test}}}", "hosts"),
    "another group": ("{api: {group: export.example.com}}", "/api/group"),
    "another mode": ("{external: {mode: tunnel}}", "/external/mode"),
    "another trust": ("{external: {trust: nobody}}", "/external/trust"),
    "a host with a path": ("{external: {host: a.test/x}}", "/external/host"),
    "no controller": ("{controller: {replicas: 0}}", "/controller/replicas"),
    "replicas as a text": ("{controller: {replicas: '2'}}", "/controller/replicas"),
    "no proxy": ("{proxy: {replicas: 0}}", "/proxy/replicas"),
    "too many workers": ("{controller: {workers: 257}}", "/controller/workers"),
    "log format": ("{controller: {logFormat: xml}}", "/controller/logFormat"),
    "a duration without a unit": ("{exports: {defaultTTL: '2'}}", "/exports/defaultTTL"),
    "a duration in days": ("{ca: {duration: 90d}}", "/ca/duration"),
    "a negative grace": ("{proxy: {terminationGracePeriodSeconds: 5}}", "/proxy/terminationGracePeriodSeconds"),
    "root": ("{exports: {runAs: '0:0'}}", "/exports/runAs"),
    "user without a group": ("{exports: {runAs: '107'}}", "/exports/runAs"),
    "group 0": ("{exports: {fsGroup: 0}}", "/exports/fsGroup"),
    "resources of another kind": ("{exports: {resources: {request: {cpu: 1}}}}", "request"),
    "no quantity": ("{controller: {resources: {limits: {memory: much}}}}", "/controller/resources/limits/memory"),
    "digest": ("{image: {digest: 'sha256:12'}}", "/image/digest"),
    "tag in the repository's place": ("{image: {repository: 'a b'}}", "/image/repository"),
    "pull policy": ("{image: {pullPolicy: Sometimes}}", "/image/pullPolicy"),
    "pull secret as a name": ("{global: {imagePullSecrets: [registry]}}", "/global/imagePullSecrets/0"),
    "pull secret of exports as a map": ("{exports: {imagePullSecrets: [{name: a}]}}", "/exports/imagePullSecrets/0"),
    "service type": ("{proxy: {service: {type: ExternalName}}}", "/proxy/service/type"),
    "port": ("{proxy: {service: {type: NodePort, nodePort: 70000}}}", "/proxy/service/nodePort"),
    "termination": ("{proxy: {route: {termination: edge}}}", "/proxy/route/termination"),
    "no certificate": ("{proxy: {route: {destinationCACertificate: /ca.pem}}}", "/proxy/route/destinationCACertificate"),
    "a label that is none": ("{commonLabels: {a: 'b c'}}", "/commonLabels/a"),
    "an annotation that is a number": ("{controller: {podAnnotations: {a: 1}}}", "/controller/podAnnotations/a"),
    "an ingress annotation that is a number": ("{external: {annotations: {a: 1}}}", "/external/annotations/a"),
    "a node selector that is a bool": ("{exports: {nodeSelector: {a: true}}}", "/exports/nodeSelector/a"),
    "a toleration that is none": ("{exports: {tolerations: [{keys: a}]}}", "/exports/tolerations/0"),
    "cidr": ("{networkPolicy: {apiServerCIDRs: ['10.0.0.1']}}", "/networkPolicy/apiServerCIDRs/0"),
    "no port at all": ("{networkPolicy: {apiServerPorts: []}}", "/networkPolicy/apiServerPorts"),
    "interval": ("{monitoring: {serviceMonitor: {interval: often}}}", "/monitoring/serviceMonitor/interval"),
}
# What cannot be together: the schema says so, and the templates, where it is skipped, in words.
TOGETHER = {
    "direct without a host": ("{external: {mode: direct}}", "needs external.host"),
    "direct at a port": ("{external: {mode: direct, host: 'a.test:8443'}}", "without a port"),
    "ingress without a proxy": ("{external: {mode: none}, proxy: {ingress: {enabled: true, host: a.test}}}", "has no proxy"),
    "route without a proxy": ("{external: {mode: direct, host: a.test}, proxy: {route: {enabled: true}}}", "has no proxy"),
    "ingress without a host": ("{proxy: {ingress: {enabled: true}}}", "proxy.ingress.host or external.host"),
    "passthrough without a certificate": ("{proxy: {route: {enabled: true, termination: passthrough}}}", "needs proxy.tls.secretName"),
    "node port of a ClusterIP": ("{proxy: {service: {nodePort: 30443}}}", "NodePort or LoadBalancer"),
    "traffic policy of a ClusterIP": ("{proxy: {service: {externalTrafficPolicy: Local}}}", "NodePort or LoadBalancer"),
    "no account": ("{serviceAccount: {create: false}}", "needs serviceAccount.name"),
}
SKIPPED = {                     # ... and those which would be fatal alone
    "another group": ("{api: {group: export.example.com}}", "must be export.kubevirt.io, or export.vmexport.io"),
    "another mode": ("{external: {mode: tunnel}}", "must be proxy, direct or none"),
}


def values_file(tmp, text):
    path = tmp + "/values.yaml"
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def refused(command, what, message):
    for major in MAJORS:
        status, out, errors = helm(major, *command)
        check(status != 0 and message in out + errors, f"Helm {major}, {what}: {status}, {(out + errors)[-600:]}")


def test_what_makes_no_sense_is_refused(tmp):
    for what, (text, message) in REFUSED.items():
        path = values_file(tmp, text)
        refused(["template", CHART, "--values", path], what, message)


def test_the_linter_refuses_it_too(tmp):
    for what, (text, message) in REFUSED.items():
        path = values_file(tmp, text)
        refused(["lint", CHART, "--values", path], what, message)


def test_what_cannot_be_together_is_refused(tmp):
    for what, (text, _) in TOGETHER.items():
        path = values_file(tmp, text)
        refused(["template", CHART, "--values", path], what, "values don't meet the specifications of the schema")
        refused(["lint", CHART, "--values", path], what, "")


def test_templates_refuse_the_fatal_without_the_schema(tmp):
    for what, (text, message) in {**TOGETHER, **SKIPPED}.items():
        path = values_file(tmp, text)
        refused(["template", CHART, "--values", path, "--skip-schema-validation"], what, message)


def test_what_makes_sense_is_taken(tmp):
    """The schema is not stricter than what it stands for."""
    for text in ("{exports: {runAs: '1000:10', fsGroup: 107, defaultTTL: 1h30m}}", "{image: {repository: 'localhost:5000/a/b', tag: v1.2_3}}",
                 "{external: {host: '[fd00::1]:443'}}", "{external: {host: 192.0.2.1}}", "{exports: {resources: {limits: {cpu: 2, memory: 1.5Gi}}}}",
                 "{external: {annotations: {haproxy.org/server-ssl: null}}}", "{enabled: true, global: {other: chart}}", "{exports: {resources: {}}}",
                 "{proxy: {route: {enabled: true, termination: passthrough}, tls: {secretName: a}}}"):
        chart.helm_ok(4, "template", CHART, "--values", values_file(tmp, text))


def test_an_image_is_named_by_digest_or_tag_or_version():
    def image(*sets):
        objects = chart.render(None, *[word for s in sets for word in ("--set", s)])
        images = {d["spec"]["template"]["spec"]["containers"][0]["image"] for d in chart.pick(objects, "Deployment")}
        equal(images, {chart.config(objects)["image"]}, "images of controller, proxy and exports")
        return images.pop()
    digest = "sha256:" + "a" * 64
    equal(image(), "vmexport:" + chart.load(CHART + "/Chart.yaml")["appVersion"])
    equal(image("image.tag=x"), "vmexport:x")
    equal(image("image.tag=x", "image.digest=" + digest, "image.repository=r/v"), "r/v@" + digest)


def test_null_takes_an_annotation_away():
    objects = chart.render("ha")
    annotations = chart.one(objects, "Ingress", "vmexport-proxy")["metadata"]["annotations"]
    check("haproxy.org/server-ssl" not in annotations and annotations["cert-manager.io/cluster-issuer"] == "public", json.dumps(annotations))


def test_values_of_an_older_chart_do_no_harm():
    """helm upgrade --reuse-values: settings that the older one lacked are not there."""
    for path in chart.settings():
        if path.split(".")[-1] in ("annotations", "podLabels", "podAnnotations", "tolerations", "nodeSelector", "affinity", "commonLabels", "labels", "tls", "imagePullSecrets"):
            chart.render(None, "--set", path + "=null")


main(globals())
