/* SPDX-License-Identifier: Apache-2.0 */
#include "links.h"

struct link_format {
    const char *name;
    const char *path; /* below /volumes/CLAIM/ */
    bool disk;        /* of disks; else of archives */
};

static const struct link_format formats[] = {
    {"raw", "disk.img", true},
    {"gzip", "disk.img.gz", true},
    {"dir", "dir", false},
    {"tar.gz", "disk.tar.gz", false},
};

const char *links_internal_base(struct world *world, const char *service)
{
    return world_printf(world, "https://%s.%s.svc", service, world->ns);
}

const char *links_external_base(struct world *world)
{
    if (!world->around->external_host)
        return NULL;
    return world_printf(world, "https://%s/api/%s/v1/namespaces/%s/virtualmachineexports/%s",
                        world->around->external_host, world->settings->api_group, world->ns,
                        world->name);
}

static struct json *volume_links(struct world *world, const struct volume *volume, const char *base)
{
    struct json *out = json_format("{'name':%s,'formats':[]}", volume->name);

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (formats[i].disk == volume->disk)
            json_append(json_edit(out, "formats"),
                        json_format("{'format':%s,'url':%s}", formats[i].name,
                                    world_printf(world, "%s/volumes/%s/%s", base, volume->claim,
                                                 formats[i].path)));
    return out;
}

static struct json *links_of(struct world *world, const struct source *source, const char *base,
                             const char *where, const char *cert)
{
    struct json *out = json_format("{'cert':%s,'manifests':[],'volumes':[]}", cert ? cert : "");
    struct json *manifests = json_edit(out, "manifests");

    if (source->vm)
        json_append(manifests,
                    json_format("{'type':'all','url':%s}",
                                world_printf(world, "%s/%s/manifests/all", base, where)));
    json_append(manifests, json_format("{'type':'auth-header-secret','url':%s}",
                                       world_printf(world, "%s/%s/manifests/secret", base, where)));
    for (size_t i = 0; i < source->count; i++)
        json_append(json_edit(out, "volumes"), volume_links(world, &source->volumes[i], base));
    return out;
}

struct json *links_make(struct world *world, const struct source *source, const char *service)
{
    const char *external = links_external_base(world);
    struct json *links = json_new_object();

    json_set(links, "internal",
             links_of(world, source, links_internal_base(world, service), "internal",
                      world->around->ca_bundle));
    if (external)
        json_set(links, "external",
                 links_of(world, source, external, "external", world->around->external_cert));
    return links;
}
