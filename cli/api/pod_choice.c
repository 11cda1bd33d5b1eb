/* SPDX-License-Identifier: Apache-2.0 */
#include "api/pod_choice.h"

#include "api/cluster.h"

#include <stdio.h>
#include <string.h>

enum { PORT_MAX = 65535 };

static const struct kube_resource services = {"", "v1", "services", "Service", true};
static const struct kube_resource pods = {"", "v1", "pods", "Pod", true};

static bool is_text(const struct json *object, const char *path, const char *wanted)
{
    const char *text = json_text(object, path);

    return text && strcmp(text, wanted) == 0;
}

/* ---- the Service ---- */

/* "a=1,b=2"; names and values of labels have nothing to escape. */
static void put_selector(const struct json *service, struct str *out)
{
    const struct json *selector = json_at(service, "spec.selector");

    for (const struct json *label = json_first(selector); label; label = json_next(label))
        if (json_key(label) && json_string(label))
            str_printf(out, "%s%s=%s", out->len ? "," : "", json_key(label), json_string(label));
}

/* Kubernetes takes TCP where nothing is said. */
static bool is_tcp(const struct json *port)
{
    return !json_text(port, "protocol") || is_text(port, "protocol", "TCP");
}

/* The port's targetPort, a number or a name; the port itself where none is said; NULL: no such port. */
static const struct json *find_target(const struct json *service, unsigned port)
{
    const struct json *ports = json_at(service, "spec.ports");

    for (const struct json *p = json_first(ports); p; p = json_next(p)) {
        const struct json *target = json_get(p, "targetPort");

        if (json_number(json_get(p, "port"), 0) != port || !is_tcp(p))
            continue;
        if (!target || is_text(service, "spec.clusterIP", "None"))
            return json_get(p, "port");
        return target;
    }
    return NULL;
}

/* ---- the pod ---- */

static bool is_ready(const struct json *pod)
{
    const struct json *conditions = json_at(pod, "status.conditions");

    if (json_text(pod, "metadata.deletionTimestamp") || !json_text(pod, "metadata.name"))
        return false;
    for (const struct json *c = json_first(conditions); c; c = json_next(c))
        if (is_text(c, "type", "Ready"))
            return is_text(c, "status", "True");
    return false;
}

static const struct json *find_ready(const struct json *list)
{
    for (const struct json *pod = json_first(json_get(list, "items")); pod; pod = json_next(pod))
        if (is_ready(pod))
            return pod;
    return NULL;
}

/* 0: no container has a port of this name. */
static double find_named_port(const struct json *pod, const char *name)
{
    const struct json *containers = json_at(pod, "spec.containers");

    for (const struct json *c = json_first(containers); c; c = json_next(c))
        for (const struct json *p = json_first(json_get(c, "ports")); p; p = json_next(p))
            if (is_text(p, "name", name) && is_tcp(p))
                return json_number(json_get(p, "containerPort"), 0);
    return 0;
}

static int take_pod(const struct json *pod, const struct json *target, struct pod_choice *out,
                    struct err *err)
{
    const char *named = json_string(target);
    const char *name = json_text(pod, "metadata.name");
    double port = named ? find_named_port(pod, named) : json_number(target, 0);

    if (port < 1 || port > PORT_MAX)
        return err_set(err, ERR_NOT_FOUND, "the pod '%s' has no port '%s'", name,
                       named ? named : "?");
    snprintf(out->name, sizeof(out->name), "%s", name);
    out->port = (unsigned)port;
    return 0;
}

static int choose_of(struct kube_conn *conn, const char *ns, const struct json *service,
                     unsigned port, struct pod_choice *out, struct err *err)
{
    const char *name = json_text(service, "metadata.name");
    const struct json *target = find_target(service, port), *pod;
    cleanup_str struct str selector = STR_INIT;
    cleanup_json struct json *list = NULL;
    struct kube_selection what = {.resource = &pods, .ns = ns};
    int rc;

    if (!target)
        return err_set(err, ERR_NOT_FOUND, "the Service '%s' does not have a service port %u",
                       name ? name : "", port);
    put_selector(service, &selector);
    if (!selector.len)
        return err_set(err, ERR_NOT_FOUND, "the Service '%s' selects no pods", name ? name : "");
    what.label_selector = str_get(&selector);
    rc = kube_list(conn, &what, 0, NULL, NULL, &list, err);
    if (rc < 0)
        return cluster_fail(rc, err);
    pod = find_ready(list);
    if (!pod)
        return err_set(err, ERR_UNAVAILABLE, "no pod of the Service '%s' is ready: %zu found",
                       name ? name : "", json_count(json_get(list, "items")));
    return take_pod(pod, target, out, err);
}

int pod_choose(struct kube_conn *conn, const char *ns, const char *service, unsigned port,
               struct pod_choice *out, struct err *err)
{
    cleanup_json struct json *object = NULL;
    int rc = kube_get(conn, &services, ns, service, &object, err);

    return rc < 0 ? cluster_fail(rc, err) : choose_of(conn, ns, object, port, out, err);
}
