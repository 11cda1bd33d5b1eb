#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the chart makes, without a cluster: golden renders, rules that hold for every pod and every object of every case, and
that rights, definition and settings are those that the controller has."""
import difflib
import os
import re
import subprocess
import urllib.parse

import chart
from chart import BUILD, CASES, CHART, REPO, Skip, check, equal, main, one, pick

GROUP, BESIDE = "export.kubevirt.io", "export.vmexport.io"
CONTROLLER = BUILD + "/controller/vmexport-controller"
RESTRICTED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret", "name"}


# Who can reach the proxy could fill its port and have it killed by a liveness probe; a test ends by itself.
PROBES = {"vmexport-controller": ("startupProbe", "readinessProbe", "livenessProbe"), "vmexport-proxy": ("startupProbe", "readinessProbe"),
          "vmexport-test-controller": (), "vmexport-test-proxy": ()}


def all_renders():
    """(case, objects) of the defaults and of each case."""
    for case in [None, *CASES]:
        yield case or "defaults", chart.render(case)


def workloads():
    for case, objects in all_renders():
        for o in pick(objects, "Deployment"):
            yield f"{case}, {o['metadata']['name']}", objects, o


def pods():
    for where, objects, o in workloads():
        yield where, objects, o["spec"]["template"]
    for case, objects in all_renders():
        for o in pick(objects, "Pod"):
            yield f"{case}, {o['metadata']['name']}", objects, o


def containers():
    for where, _, template in pods():
        for container in template["spec"]["containers"]:
            yield where, template["spec"], container


def source(*files, group=GROUP, namespace=chart.NAMESPACE):
    """Files of the chart, as everybody else reads them."""
    command = [REPO + "/tools/render", "--api-group", group, "--namespace", namespace, *(f"{CHART}/files/{f}" for f in files)]
    return chart.documents(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def test_golden_renders():
    changes = []
    for case in chart.GOLDEN_CASES:
        with open(f"{chart.GOLDEN}/{case}.yaml", encoding="utf-8") as f:
            was = f.read()
        changes += difflib.unified_diff(was.splitlines(), chart.golden(case).splitlines(), case + ", as it was", case + ", as it is", lineterm="")
    check(not changes, "make helm-golden renews them:\n" + "\n".join(changes[:80]))


# ---- every pod ----

def test_pods_are_restricted():
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, the profile restricted, and a bit more."""
    for where, _, template in pods():
        spec = template["spec"]
        check(not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers")), where)
        context = spec["securityContext"]
        check(context["runAsNonRoot"] is True and context["seccompProfile"] == {"type": "RuntimeDefault"}, f"{where}: {context}")
        # What OpenShift gives out, each namespace's own.
        check(not {"runAsUser", "runAsGroup", "fsGroup"} & set(context), f"{where}: a fixed user")
        for volume in spec.get("volumes", []):
            check(set(volume) <= RESTRICTED_VOLUMES, f"{where}: {volume}")
        check(spec["enableServiceLinks"] is False and spec["automountServiceAccountToken"] is False, where)
    for where, _, container in containers():
        equal(container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, where)
        check(all(m["readOnly"] or m["name"] == "run" for m in ({"readOnly": False, **m} for m in container.get("volumeMounts", []))), f"{where}: a mount for writing")


def test_pods_say_what_they_need():
    for where, _, container in containers():
        check(container["resources"]["requests"].keys() >= {"cpu", "memory"} and "memory" in container["resources"]["limits"], where)
        image = container["image"]
        check(("@sha256:" in image or ":" in image.rpartition("/")[2]) and not image.endswith(":latest"), f"{where}: {image}")
        probes = PROBES[where.rpartition(", ")[2]]
        equal({name for name in container if name.endswith("Probe")}, set(probes), where)
        for probe in probes:
            check(container[probe]["httpGet"]["port"] in {p["name"] for p in container["ports"]}, f"{where}: {probe}")


def test_only_the_controller_has_a_token():
    for where, spec, _ in containers():
        tokens = [s for v in spec.get("volumes", []) for s in v.get("projected", {}).get("sources", []) if "serviceAccountToken" in s]
        equal(len(tokens), int(where.endswith("vmexport-controller")), f"{where}: tokens")
    for case, objects in all_renders():
        for account in pick(objects, "ServiceAccount"):
            check(account["automountServiceAccountToken"] is False, f"{case}: {account['metadata']['name']}")
        bound = {s["name"] for o in objects if o["kind"].endswith("Binding") for s in o["subjects"]}
        check("vmexport-proxy" not in bound, f"{case}: the proxy has rights")


def test_what_a_pod_mounts_is_there():
    """Volumes have mounts and mounts have volumes; ConfigMaps are the chart's, the controller's or the cluster's."""
    known = {"vmexport-controller", "vmexport-ca", "kube-root-ca.crt", "openshift-service-ca.crt"}
    for where, spec, container in containers():
        equal({m["name"] for m in container.get("volumeMounts", [])}, {v["name"] for v in spec.get("volumes", [])}, where)
        names = {v["configMap"]["name"] for v in spec.get("volumes", []) if "configMap" in v}
        names |= {s["configMap"]["name"] for v in spec.get("volumes", []) for s in v.get("projected", {}).get("sources", []) if "configMap" in s}
        check(names <= known, f"{where}: {names - known}")


def test_a_proxy_has_time_to_end_before_it_is_killed():
    for where, spec, container in containers():
        for variable in container.get("env", []):
            if variable["name"] == "VMEXPORT_GRACE_SECONDS":
                check(0 < int(variable["value"]) < spec["terminationGracePeriodSeconds"], f"{where}: {variable}")


def settings_of(*files):
    """The environment variables that programs read."""
    names = set()
    for path in files:
        with open(REPO + "/" + path, encoding="utf-8") as f:
            names |= set(re.findall(r'"(VMEXPORT_\w+)"', f.read()))
    return names


def test_the_proxy_knows_its_variables():
    read = settings_of("lighttpd/settings.c", "fcgi/proxy.c")
    for where, _, container in containers():
        set_here = {v["name"] for v in container.get("env", [])}
        check(set_here <= read, f"{where}: {set_here - read}: read by no program")
        values = {v["name"]: v["value"] for v in container.get("env", [])}
        for handler in values.get("VMEXPORT_HANDLERS", "").split():
            check(os.path.exists(f"{REPO}/fcgi/{handler}.c"), f"{where}: no handler {handler}")
        if "VMEXPORT_LIGHTTPD_CONF" in values:
            check(os.path.exists(f"{REPO}/lighttpd/{os.path.basename(values['VMEXPORT_LIGHTTPD_CONF'])}"), f"{where}: no such lighttpd.conf")
            port = values["VMEXPORT_METRICS_ADDRESS"].rpartition(":")[2]
            check({"name": "metrics", "containerPort": int(port), "protocol": "TCP"} in container["ports"], f"{where}: port {port}")


# ---- objects and one another ----

def test_objects_have_labels_and_a_namespace():
    cluster = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
    for case, objects in all_renders():
        names = [(o["kind"], o["metadata"]["name"]) for o in objects]
        equal(len(names), len(set(names)), f"{case}: names")
        for o in objects:
            labels, where = o["metadata"]["labels"], f"{case}: {o['kind']} {o['metadata']['name']}"
            equal(labels["app.kubernetes.io/part-of"], "vmexport", where)
            equal((labels["app.kubernetes.io/managed-by"], labels["app.kubernetes.io/instance"]), ("Helm", chart.RELEASE), where)
            equal(o["metadata"].get("namespace"), None if o["kind"] in cluster else chart.NAMESPACE, where)


def test_nothing_is_null():
    def walk(value, path):
        check(value is not None, f"null at {path}")
        for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            walk(below, f"{path}.{key}")
    for case, objects in all_renders():
        for o in objects:
            walk(o, f"{case}: {o['kind']} {o['metadata']['name']}")


def selected(objects, labels):
    return [o for o in pick(objects, "Deployment") if labels.items() <= o["spec"]["template"]["metadata"]["labels"].items()]


def test_selectors_find_one_workload_each():
    for case, objects in all_renders():
        for o in pick(objects, "Deployment"):
            check("app.kubernetes.io/version" not in o["spec"]["selector"]["matchLabels"], f"{case}: a selector never changes")
            equal(selected(objects, o["spec"]["selector"]["matchLabels"]), [o], f"{case}: Deployment")
        for kind, where in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
            for o in pick(objects, kind):
                if o["metadata"]["labels"]["app.kubernetes.io/component"] == "test":
                    continue
                equal([d["metadata"]["name"] for d in selected(objects, o["spec"][where]["matchLabels"])], [o["metadata"]["name"]], f"{case}: {kind}")
        for service in pick(objects, "Service"):
            [workload] = selected(objects, service["spec"]["selector"])
            ports = {p["name"] for p in workload["spec"]["template"]["spec"]["containers"][0]["ports"]}
            check({p["targetPort"] for p in service["spec"]["ports"]} <= ports, f"{case}: {service['metadata']['name']}")
        for monitor in pick(objects, "ServiceMonitor"):
            labels = monitor["spec"]["selector"]["matchLabels"]
            [service] = [s for s in pick(objects, "Service") if labels.items() <= s["metadata"]["labels"].items()]
            check(monitor["spec"]["endpoints"][0]["port"] in {p["name"] for p in service["spec"]["ports"]}, f"{case}: {monitor['metadata']['name']}")


def test_budgets_only_for_several():
    for where, objects, o in workloads():
        equal(len(pick(objects, "PodDisruptionBudget", o["metadata"]["name"])), int(o["spec"]["replicas"] > 1), where)


def test_network_policies_open_what_is_served():
    for case, objects in all_renders():
        for policy in pick(objects, "NetworkPolicy"):
            equal(policy["spec"]["policyTypes"], ["Ingress", "Egress"], case)
            if policy["metadata"]["name"] == "vmexport-test":
                equal(policy["spec"]["ingress"], [], case)
                continue
            container = one(objects, "Deployment", policy["metadata"]["name"])["spec"]["template"]["spec"]["containers"][0]
            served = {p["containerPort"]: p["name"] for p in container["ports"]}
            for rule in policy["spec"]["ingress"]:
                for port in rule["ports"]:
                    check(port["port"] in served, f"{case}: {port}")
                    check("from" in rule or served[port["port"]] != "metrics", f"{case}: metrics are open to everybody")
    for name in ("vmexport-controller", "vmexport-proxy"):
        ports = {p["port"] for rule in one(chart.render("ha"), "NetworkPolicy", name)["spec"]["egress"] for p in rule["ports"]}
        check(53 in ports, f"{name} cannot ask for names")


def test_helm_test_asks_what_is_there():
    """Services by their names and ports, through the network policies, and with the CA that signs."""
    asked = {}
    for case, objects in all_renders():
        asked[case] = set()
        for o in pick(objects, "Pod"):
            [container] = o["spec"]["containers"]
            _, _, address, *ca = container["command"]
            url = urllib.parse.urlsplit(address)
            service = one(objects, "Service", url.hostname.partition(".")[0])
            check(url.hostname in (service["metadata"]["name"], f"{service['metadata']['name']}.{chart.NAMESPACE}.svc"), f"{case}: {url}")
            [port] = [p for p in service["spec"]["ports"] if p["port"] == (url.port or 443)]
            [workload] = selected(objects, service["spec"]["selector"])
            [served] = workload["spec"]["template"]["spec"]["containers"]
            probe = served["readinessProbe"]["httpGet"]
            equal((probe["port"], probe["path"], probe.get("scheme", "HTTP").lower()), (port["targetPort"], url.path, url.scheme), case)
            signer = ("openshift-service-ca.crt", "service-ca.crt") if case == "openshift" else ("vmexport-ca", "ca.pem")
            equal([v["configMap"]["name"] for v in o["spec"].get("volumes", [])], [signer[0]] if url.scheme == "https" else [], case)
            equal(ca, [f"{m['mountPath']}/{signer[1]}" for m in container.get("volumeMounts", [])], case)
            number = {p["name"]: p["containerPort"] for p in served["ports"]}[port["targetPort"]]
            policies = {p["metadata"]["name"]: p["spec"] for p in pick(objects, "NetworkPolicy")}
            if policies:
                this, that = policies["vmexport-test"], policies[workload["metadata"]["name"]]
                check(this["podSelector"]["matchLabels"].items() <= o["metadata"]["labels"].items(), f"{case}: selects no test")
                check(opens(this["egress"], "to", that, number) and opens(that["ingress"], "from", this, number), f"{case}: {number} is closed")
            asked[case].add(workload["metadata"]["name"])
    both = {"vmexport-controller", "vmexport-proxy"}
    equal({case: both - found for case, found in asked.items() if found != both},
          {case: {"vmexport-proxy"} for case in ("minimal", "direct", "ha")}, "what is not asked: there is none, or its certificate is a user's")


def opens(rules, way, other, port):
    """Whether one of the rules lets the other policy's pods through to or from that port."""
    return any(port in [p["port"] for p in rule["ports"]] and (way not in rule or {"podSelector": other["podSelector"]} in rule[way]) for rule in rules)


def test_metrics_are_not_outside():
    for case, objects in all_renders():
        for service in pick(objects, "Service"):
            names = {p["name"] for p in service["spec"]["ports"]}
            check("metrics" not in names or (names == {"metrics"} and service["spec"]["type"] == "ClusterIP"), case)
        for ingress in pick(objects, "Ingress"):
            for path in ingress["spec"]["rules"][0]["http"]["paths"]:
                check(path["path"].startswith("/api/export."), f"{case}: {path}")


def test_an_ingress_does_not_buffer():
    for annotations in (one(chart.render("ha"), "Ingress", "vmexport-proxy")["metadata"]["annotations"], chart.config(chart.render("direct"))["ingress-annotations"]):
        nginx = {key.rpartition("/")[2]: value for key, value in annotations.items() if key.startswith("nginx.")}
        equal([nginx[key] for key in ("backend-protocol", "proxy-buffering", "proxy-request-buffering", "proxy-max-temp-file-size")], ["HTTPS", "off", "off", "0"])
        check(int(nginx["proxy-read-timeout"]) >= 3600 and int(nginx["proxy-send-timeout"]) >= 3600, str(nginx))


def test_a_route_trusts_the_proxy():
    """A router that encrypts anew knows OpenShift's own authority, or the one that it is told."""
    def certificate(*args):
        objects = chart.render("openshift", *args)
        volumes = one(objects, "Deployment", "vmexport-proxy")["spec"]["template"]["spec"]["volumes"]
        annotations = one(objects, "Service", "vmexport-proxy")["metadata"].get("annotations", {})
        [secret] = [v["secret"]["secretName"] for v in volumes if "secret" in v]
        return secret, annotations.get("service.beta.openshift.io/serving-cert-secret-name"), chart.config(objects)["proxy-certificate"]
    equal(certificate(), ("vmexport-proxy-serving-tls", "vmexport-proxy-serving-tls", ""))
    equal(certificate("--set", "proxy.tls.secretName=own"), ("own", None, ""))
    equal(certificate("--set", "proxy.route.enabled=false"), ("vmexport-proxy-tls", None, "vmexport-proxy-tls"))


def test_clients_are_told_whose_certificate_they_see():
    trust = {case: chart.config(chart.render(case))["external-trust"] for case in ("ha", "nodeport", "beside-kubevirt", "openshift")}
    equal(trust, {"ha": "system", "nodeport": "proxy", "beside-kubevirt": "proxy", "openshift": "system"})
    equal(chart.config(chart.render("nodeport", "--set", "proxy.tls.secretName=own"))["external-trust"], "system")
    equal(chart.config(chart.render("nodeport", "--set", "external.trust=system"))["external-trust"], "system")


def test_a_change_of_settings_starts_the_controller_anew():
    def checksum(*args):
        return one(chart.render(None, *args), "Deployment", "vmexport-controller")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
    check(checksum() != checksum("--set", "exports.defaultTTL=1h"), "the annotation stays")
    equal(checksum(), checksum("--set", "proxy.replicas=5"), "the annotation")


def test_monitoring_needs_the_operator():
    def kinds(*api):
        text = chart.helm_ok(4, "template", chart.RELEASE, CHART, "--values", CASES["monitoring"], *api)
        return {o["kind"] for o in chart.documents(text)} & {"ServiceMonitor", "PrometheusRule"}
    equal((kinds(), kinds(*chart.MONITORING)), (set(), {"ServiceMonitor", "PrometheusRule"}))


def test_alerts_are_about_metrics_that_there_are():
    with open(REPO + "/docs/operations.md", encoding="utf-8") as f:
        known = set(re.findall(r"`([a-z_]+)`", f.read()))
    for group in one(chart.render("monitoring"), "PrometheusRule", "vmexport-controller")["spec"]["groups"]:
        for rule in group["rules"]:
            names = re.findall(r"([a-z_]+)\{", rule["expr"])
            check(names and set(names) <= known, f"{rule['alert']}: {set(names) - known}")


# ---- the controller's ----

def plain(o):
    """Without what the chart adds."""
    o = dict(o, metadata={key: value for key, value in o["metadata"].items() if key != "annotations"})
    added = {"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart", "team"}
    o["metadata"]["labels"] = {key: value for key, value in o["metadata"]["labels"].items() if key not in added}
    return o


def test_rights_are_the_files():
    for case in CASES:
        objects, group = chart.render(case), chart.load(CASES[case]).get("api", {}).get("group", GROUP)
        kinds = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
        rendered = [plain(o) for o in objects if o["kind"] in kinds]
        wanted = [o for o in source("rbac.yaml", group=group) if o["kind"] in kinds] if case != "no-rbac" else []
        order = lambda o: (o["kind"], o["metadata"]["name"])                                 # pylint: disable=unnecessary-lambda-assignment
        equal(sorted(rendered, key=order), sorted(wanted, key=order), case)
        for role in rendered:
            for rule in role.get("rules", []):
                check("*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], f"{case}: {rule}")


def test_rights_are_given_to_the_account_that_runs():
    objects = chart.render(None, "--set", "serviceAccount.create=false,serviceAccount.name=other")
    check(not pick(objects, "ServiceAccount", "other"), "it was made")
    equal(one(objects, "Deployment", "vmexport-controller")["spec"]["template"]["spec"]["serviceAccountName"], "other")
    for binding in pick(objects, "ClusterRoleBinding") + pick(objects, "RoleBinding"):
        equal(binding["subjects"], [{"kind": "ServiceAccount", "name": "other", "namespace": chart.NAMESPACE}])


def test_the_definition_is_the_files():
    for group in (GROUP, BESIDE):
        [crd] = pick(chart.render(None, "--set", "api.group=" + group), "CustomResourceDefinition")
        equal(crd["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})
        equal(plain(crd), source("crd.yaml", group=group)[0], group)
    [crd] = pick(chart.render(None, "--set", "crds.keep=false"), "CustomResourceDefinition")
    check("annotations" not in crd["metadata"], "kept all the same")


def test_the_controller_takes_its_settings(tmp):
    """The controller itself reads what each case gives it; then it misses its cluster, as there is none."""
    if not os.access(CONTROLLER, os.X_OK):
        raise Skip(f"no {CONTROLLER}: make builds it")
    for case, objects in all_renders():
        with open(tmp + "/controller.yaml", "w", encoding="utf-8") as out:
            out.write(one(objects, "ConfigMap", "vmexport-controller")["data"]["controller.yaml"])
        done = subprocess.run([CONTROLLER, "--config", tmp + "/controller.yaml", "--kubeconfig", tmp + "/none", "--log-format", "text"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
        check(done.returncode not in (0, 2) and tmp + "/none" in done.stdout + done.stderr, f"{case}: {done.returncode} {done.stdout}{done.stderr}")


def test_the_chart_has_the_controllers_defaults():
    """A default that is written in two places is the same in both."""
    ours = chart.config(chart.render())
    shown = subprocess.run([CONTROLLER, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout
    theirs = {name: chart.yaml.load(value, chart.Loader) for name, value in re.findall(r"^  --([\w-]+).*\((.+)\)$", shown, re.M)}
    for name in ("api-group", "cluster-domain", "resources", "run-as", "fs-group", "external", "default-ttl", "certificate-duration", "ca-duration",
                 "ca-publish", "workers", "lease-duration", "lease-renew", "lease-retry", "log-format", "proxy-service", "proxy-certificate", "image-pull-policy"):
        equal(ours[name], theirs[name], name)


main(globals())
