/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Service that every link leads through, and in direct mode the Ingress to it. The Service is
 * made whatever becomes of the source, as whoever waits for the export may want its name.
 *
 * It leads to the pod from when that has an address. Would it wait for the pod to be ready, nodes
 * would learn of it some second after the export's status says Ready, and refuse the first clients.
 */
#include "base/cleanup.h"
#include "plan.h"

#include <string.h>

void child_service(struct children *children)
{
    static const char *const fields[] = {"spec.selector", "spec.ports",
                                         "spec.publishNotReadyAddresses", NULL};
    struct world *world = children->world;
    cleanup_json struct json *metadata = child_metadata(children, children->service, true);
    cleanup_json struct json *selector = json_new_object();
    struct json *service;
    const struct step_event event = {
        "Normal", "ServiceCreated",
        world_printf(world, "Created service %s/%s", world->ns, children->service)};

    json_set_string(selector, names_label_key(world->settings->names),
                    names_label(world->name).text);
    service = world_keep(
        world,
        json_format("{'apiVersion':'v1','kind':'Service','metadata':%j,'spec':{"
                    "'selector':%j,'publishNotReadyAddresses':true,"
                    "'ports':[{'name':'export','protocol':'TCP','port':443,'targetPort':8443}]}}",
                    metadata, selector));
    child_ensure(children, KIND_SERVICE, children->service, service, fields, &event);
}

static struct json *tls_of(const struct settings *settings)
{
    return json_format("[{'hosts':[%s],'secretName':%s}]", settings->external_host,
                       settings->ingress_tls_secret);
}

/* The settings' annotations, with a list of them: what is in it and no longer in the settings goes. */
static struct json *annotations_of(const struct settings *settings)
{
    struct json *out = json_copy(settings->ingress_annotations);
    cleanup_str struct str keys = STR_INIT;

    for (const struct json *a = json_first(settings->ingress_annotations); a; a = json_next(a))
        str_printf(&keys, "%s%s", keys.len ? " " : "", json_key(a));
    if (keys.len)
        json_put(out, INGRESS_ANNOTATIONS, json_new_string(str_get(&keys)));
    return out;
}

static void drop_listed(struct json *annotations, const char *listed)
{
    while (listed && *listed) {
        cleanup_free char *key = strndup(listed, strcspn(listed, " "));

        if (!json_get(annotations, key))
            json_set(annotations, key, json_new_null());
        listed += strlen(key);
        listed += *listed == ' ';
    }
}

/* What others have written on it (an Ingress controller does) is theirs. */
static void patch_annotations(struct children *children, const char *name)
{
    const struct json *have = world_get(children->world, KIND_INGRESS, name);
    const struct json *all = json_at(have, "metadata.annotations");
    cleanup_json struct json *wanted = annotations_of(children->world->settings);
    struct json *change = json_new_object();
    struct step *step;

    drop_listed(wanted, json_string(json_get(all, INGRESS_ANNOTATIONS)));
    if (!json_get(wanted, INGRESS_ANNOTATIONS))
        json_set(wanted, INGRESS_ANNOTATIONS, json_new_null());
    for (const struct json *a = json_first(wanted); a; a = json_next(a)) {
        const struct json *is = json_get(all, json_key(a));

        if (json_kind(a) == JSON_NULL ? is != NULL : !json_equal(is, a))
            json_set(change, json_key(a), json_copy(a));
    }
    if (json_first(change)) {
        step = plan_step(children->plan, STEP_PATCH, KIND_INGRESS, name);
        step->object =
            world_keep(children->world, json_format("{'metadata':{'annotations':%j}}", change));
        step->uid = json_text(have, "metadata.uid");
    }
    json_free(change);
}

/* Of a time when this controller was in direct mode. */
static void remove_ingress(struct children *children, const char *name)
{
    const struct json *have = world_get(children->world, KIND_INGRESS, name);
    struct step *step;

    if (!have || !world_owns(children->world, have))
        return;
    step = plan_step(children->plan, STEP_DELETE, KIND_INGRESS, name);
    step->uid = json_text(have, "metadata.uid");
}

/* One Ingress for each export; the path is the one that the export pod answers itself. Where no
 * class is set, the cluster may have put its default one in. */
void child_ingress(struct children *children)
{
    static const char *const fields[] = {"spec.rules", "spec.tls", "spec.ingressClassName", NULL};
    static const char *const without_class[] = {"spec.rules", "spec.tls", NULL};
    struct world *world = children->world;
    const struct settings *settings = world->settings;
    const char *name = world_printf(world, "%s", names_ingress(settings->names, world->name).text);
    cleanup_json struct json *metadata = child_metadata(children, name, false);
    const struct json *have = world_get(world, KIND_INGRESS, name);
    struct json *ingress;

    if (settings->external != EXTERNAL_DIRECT) {
        remove_ingress(children, name);
        return;
    }
    if (!children->source->available || children->trouble.type)
        return;
    json_put(metadata, "annotations", annotations_of(settings));
    ingress = world_keep(
        world,
        json_format(
            "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':%j,'spec':{'rules':["
            "{'host':%s,'http':{'paths':[{'path':%s,'pathType':'Prefix','backend':{'service':{"
            "'name':%s,'port':{'number':443}}}}]}}]}}",
            metadata, settings->external_host,
            world_printf(world, "/api/%s/v1/namespaces/%s/virtualmachineexports/%s",
                         settings->api_group, world->ns, world->name),
            children->service));
    if (settings->ingress_class)
        json_set_string(json_edit(ingress, "spec"), "ingressClassName", settings->ingress_class);
    if (settings->ingress_tls_secret)
        json_set(json_edit(ingress, "spec"), "tls", tls_of(settings));
    child_ensure(children, KIND_INGRESS, name, ingress,
                 settings->ingress_class ? fields : without_class, NULL);
    if (have && world_owns(world, have))
        patch_annotations(children, name);
}
