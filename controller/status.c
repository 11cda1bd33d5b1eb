/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A status is made anew each time and only written when it differs from the one there; what is
 * remembered in it (expiry, the generation of the data, times of transitions) is taken over.
 */
#include "status.h"
#include "base/clock.h"
#include "links.h"
#include "unreadable.h"

#include <string.h>

enum { BEGINNING_SECONDS = 30, NODE_SECONDS = 3 }; /* from the making of a pod on */

/* ---- conditions ---- */

const struct json *status_find(const struct json *conditions, const char *type)
{
    for (const struct json *c = json_first(conditions); c; c = json_next(c))
        if (json_text(c, "type") && strcmp(json_text(c, "type"), type) == 0)
            return c;
    return NULL;
}

/* The time changes with the status only, as Kubernetes' API conventions have it. */
static struct json *condition_json(const struct world *world, const struct condition *condition)
{
    const struct json *before =
        status_find(json_at(world->export, "status.conditions"), condition->type);
    const char *status = condition->status ? "True" : "False";
    const char *was = json_text(before, "status");
    const char *since = json_text(before, "lastTransitionTime");
    char now[CLOCK_RFC3339_SIZE];

    if (!since || !was || strcmp(was, status))
        since = clock_rfc3339(world->now, now);
    return json_format("{'type':%s,'status':%s,'reason':%s,'message':%s,"
                       "'lastTransitionTime':%s}",
                       condition->type, status, condition->reason,
                       condition->message ? condition->message : "", since);
}

/* ---- what stays ---- */

static struct json *base(struct world *world)
{
    const struct json *before = json_get(world->export, "status");
    struct json *status = before ? json_copy(before) : json_new_object();

    json_put(status, "observedGeneration",
             json_new_number(json_number(json_at(world->export, "metadata.generation"), 0)));
    json_put(status, "links", json_new_object());
    return world_keep(world, status);
}

static void put_text(struct json *status, const char *key, const char *text)
{
    if (text)
        json_put(status, key, json_new_string(text));
}

/* ---- the pod's part ---- */

struct pod_state {
    const char *phase; /* of the export */
    struct condition ready;
};

static struct pod_state pending(const char *reason, const char *message)
{
    return (struct pod_state){"Pending", {"Ready", false, reason, message}};
}

const char *status_pod_trouble(struct world *world, const struct json *pod)
{
    const char *trouble = json_text(pod, "trouble"), *message = json_text(pod, "message");

    if (!trouble)
        return "";
    return world_printf(world, ": %s%s%s", trouble, message ? ": " : "", message ? message : "");
}

/* What a pod that does not come up says, and what can be done about it. */
static const char *pod_trouble(struct world *world, const struct json *pod)
{
    static const struct {
        const char *trouble, *remedy;
    } remedies[] = {
        {"ErrImagePull", "check the controller's setting image, and image-pull-secrets"},
        {"ImagePullBackOff", "check the controller's setting image, and image-pull-secrets"},
        {"InvalidImageName", "check the controller's setting image"},
        {"Unschedulable", "see the pod's events; resources, node-selector and tolerations of "
                          "export pods are settings of the controller"},
        {"CrashLoopBackOff", "see the pod's log"},
        {"CreateContainerConfigError", "see the pod's events"},
    };
    const char *trouble = json_text(pod, "trouble"), *remedy = "see the pod's events";

    if (!trouble)
        return world_printf(world, "Exporter pod %s/%s is starting", world->ns,
                            json_text(pod, "metadata.name"));
    for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
        if (strcmp(remedies[i].trouble, trouble) == 0)
            remedy = remedies[i].remedy;
    return world_printf(world, "Exporter pod %s/%s cannot start%s; %s", world->ns,
                        json_text(pod, "metadata.name"), status_pod_trouble(world, pod), remedy);
}

static struct pod_state of_pod(struct world *world, const struct json *pod, bool outdated)
{
    const char *phase = json_text(pod, "phase"), *name = json_text(pod, "metadata.name");

    if (outdated || json_at(pod, "metadata.deletionTimestamp"))
        return pending("PodTerminating", world_printf(world, "Exporter pod %s/%s is being replaced",
                                                      world->ns, name));
    if (strcmp(phase, "Running") == 0 && json_bool(json_get(pod, "ready")))
        return (struct pod_state){"Ready", {"Ready", true, "PodReady", ""}};
    if (strcmp(phase, "Succeeded") == 0)
        return (struct pod_state){
            "Terminated",
            {"Ready", false, "PodCompleted",
             world_printf(world, "Exporter pod %s/%s has ended and is replaced", world->ns, name)}};
    if (strcmp(phase, "Pending") == 0)
        return pending("PodPending", pod_trouble(world, pod));
    if (strcmp(phase, "Running") == 0)
        return pending("Unknown",
                       json_text(pod, "trouble")
                           ? pod_trouble(world, pod)
                           : world_printf(world, "Exporter pod %s/%s is running and not ready",
                                          world->ns, name));
    return pending("Unknown", world_printf(world, "Exporter pod %s/%s is in phase %s%s%s",
                                           world->ns, name, phase, status_pod_trouble(world, pod),
                                           kind_has_ended(phase) ? "; it is replaced" : ""));
}

/*
 * For how long from its making on a pod is said to be starting, as a write less for each export: one
 * that runs is ready some hundred milliseconds later, and one that has no node often gets one at the
 * second try. Not one that has been ready, or has another trouble.
 */
static int patience(struct world *world, const struct json *pod)
{
    const struct json *ready = status_find(json_at(world->export, "status.conditions"), "Ready");
    const char *reason = json_text(ready, "reason"), *trouble = json_text(pod, "trouble");
    const char *phase = json_text(pod, "phase");

    if (strcmp(phase, "Pending") == 0)
        return trouble && strcmp(trouble, "Unschedulable") == 0 ? NODE_SECONDS : 0;
    if (strcmp(phase, "Running") || json_bool(json_get(pod, "ready")) || trouble)
        return 0;
    return reason && strcmp(reason, "PodPending") == 0 ? BEGINNING_SECONDS : 0;
}

static bool has_just_begun(struct children *children, const struct json *pod)
{
    int seconds = patience(children->world, pod);
    time_t made = 0;

    clock_parse_seconds(json_text(pod, "metadata.creationTimestamp"), &made);
    if (!seconds || made + seconds <= children->world->now)
        return false;
    plan_look_again(children->plan, made + seconds);
    return true;
}

static struct pod_state state_of(struct children *children)
{
    struct world *world = children->world;
    const struct source *source = children->source;
    struct name name = names_pod(world->settings->names, world->name);
    const struct json *pod = world_get(world, KIND_POD, name.text);

    /* In use comes first: it is by this reason that the data's generation rises only once. */
    if (children->trouble.type && !source->in_use)
        return (struct pod_state){"Pending", children->trouble};
    if (!source->available)
        return (struct pod_state){source->skipped ? "Skipped" : "Pending", source->ready};
    if (!pod || (!children->outdated && !json_at(pod, "metadata.deletionTimestamp") &&
                 has_just_begun(children, pod)))
        return pending("PodPending",
                       world_printf(world, "Exporter pod %s/%s is starting", world->ns, name.text));
    return of_pod(world, pod, children->outdated);
}

/* ---- all of it ---- */

/* A machine whose instancetype KubeVirt could not write out is exported with the reference. */
static struct condition expansion(const struct world *world, const struct source *source)
{
    const struct json *vm = source->vm;

    if (!json_at(vm, "spec.instancetype") && !json_at(vm, "spec.preference"))
        return (struct condition){NULL, false, NULL, NULL};
    if (source->expandable && world->memo->expanded)
        return (struct condition){"InstancetypeExpanded", true, "Expanded", ""};
    return (struct condition){
        "InstancetypeExpanded", false, "LeftReferenced",
        "the machine's manifest still refers to its instancetype or preference, as KubeVirt's "
        "expand-spec is not there for it: the cluster that it is imported into must have them"};
}

static bool shows_token(const struct children *children)
{
    return json_text(children->world->export, "spec.tokenSecretRef") || children->source->available;
}

const struct json *status_make(struct children *children)
{
    struct world *world = children->world;
    const struct source *source = children->source;
    struct pod_state state = state_of(children);
    struct condition expanded = expansion(world, source);
    struct condition readable = unreadable_condition(world, source);
    struct json *status = base(world), *conditions = json_new_array();

    json_append(conditions, condition_json(world, &state.ready));
    if (source->own.type)
        json_append(conditions, condition_json(world, &source->own));
    if (source->available && expanded.type)
        json_append(conditions, condition_json(world, &expanded));
    if (readable.type)
        json_append(conditions, condition_json(world, &readable));
    json_put(status, "phase", json_new_string(state.phase));
    json_put(status, "conditions", conditions);
    put_text(status, "serviceName", children->service);
    put_text(status, "virtualMachineName", source->vm_name);
    if (shows_token(children))
        put_text(status, "tokenSecretRef", children->token);
    if (children->generation)
        json_put(status, "dataGeneration", json_new_number(children->generation));
    if (json_first(children->users))
        json_put(status, "dataUsers", json_copy(children->users));
    if (state.ready.status)
        json_put(status, "links", links_make(world, source, children->service));
    return status;
}

const struct json *status_pending(struct world *world, const struct json *status,
                                  const struct condition *condition)
{
    struct json *out = world_keep(world, json_copy(status)), *conditions = json_new_array();
    const struct json *before = json_get(status, "conditions");

    json_append(conditions, condition_json(world, condition));
    for (const struct json *c = json_first(before); c; c = json_next(c))
        if (json_text(c, "type") && strcmp(json_text(c, "type"), condition->type))
            json_append(conditions, json_copy(c));
    json_put(out, "conditions", conditions);
    json_put(out, "phase", json_new_string("Pending"));
    json_put(out, "links", json_new_object());
    return out;
}
