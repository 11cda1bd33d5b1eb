/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Service that every link leads through, and in direct mode the Ingress to it. The Service is
 * made whatever becomes of the source, as whoever waits for the export may want its name.
 */
#include "plan.h"

void child_service(struct children *children)
{
    static const char *const fields[] = {"spec.selector", "spec.ports", NULL};
    struct world *world = children->world;
    cleanup_json struct json *metadata = child_metadata(children, children->service, true);
    struct json *service = world_keep(
        world,
        json_format("{'apiVersion':'v1','kind':'Service','metadata':%j,'spec':{"
                    "'selector':{'kubevirt.io.virt-export-service':%s},"
                    "'ports':[{'name':'export','protocol':'TCP','port':443,'targetPort':8443}]}}",
                    metadata, names_label(world->name).text));
    const struct step_event event = {
        "Normal", "ServiceCreated",
        world_printf(world, "Created service %s/%s", world->ns, children->service)};

    child_ensure(children, KIND_SERVICE, children->service, service, fields, &event);
}

static struct json *tls_of(const struct settings *settings)
{
    return json_format("[{'hosts':[%s],'secretName':%s}]", settings->external_host,
                       settings->ingress_tls_secret);
}

/* Of a time when this controller was in direct mode. */
static void remove_ingress(struct children *children, const char *name)
{
    const struct json *have = world_get(children->world, KIND_INGRESS, name);
    struct step *step;

    if (!have || !world_owns(children->world, have))
        return;
    step = plan_step(children->plan, STEP_DELETE, KIND_INGRESS,
                     world_printf(children->world, "%s", name));
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
    struct name name = names_ingress(settings->names, world->name);
    cleanup_json struct json *metadata = child_metadata(children, name.text, false);
    struct json *ingress;

    if (settings->external != EXTERNAL_DIRECT) {
        remove_ingress(children, name.text);
        return;
    }
    if (!children->source->available || children->trouble.type)
        return;
    json_put(metadata, "annotations", json_copy(settings->ingress_annotations));
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
    child_ensure(children, KIND_INGRESS, world_printf(world, "%s", name.text), ingress,
                 settings->ingress_class ? fields : without_class, NULL);
}
