/* SPDX-License-Identifier: Apache-2.0 */
#include "api/links.h"

#include <string.h>

const struct json *links_of(const struct json *object, enum links_side side)
{
    const struct json *links =
        json_at(object, side == LINKS_EXTERNAL ? "status.links.external" : "status.links.internal");

    return json_kind(links) == JSON_OBJECT ? links : NULL;
}

const char *links_cert(const struct json *links)
{
    const char *cert = json_text(links, "cert");

    return cert ? cert : "";
}

/* What has the text `value` at its key; lists that are not there have nothing. */
static const struct json *find(const struct json *list, const char *key, const char *value)
{
    for (const struct json *item = json_first(list); item; item = json_next(item)) {
        const char *text = json_text(item, key);

        if (text && strcmp(text, value) == 0)
            return item;
    }
    return NULL;
}

/* An empty URL is none. */
static const char *url_of(const struct json *item)
{
    const char *url = json_text(item, "url");

    return url && *url ? url : NULL;
}

static void append_names(const struct json *volumes, struct str *out)
{
    for (const struct json *v = json_first(volumes); v; v = json_next(v)) {
        const char *name = json_text(v, "name");

        str_printf(out, "%s%s", out->len ? ", " : "", name ? name : "?");
    }
}

int links_volume(const struct json *links, const char *name, const struct json **volume,
                 struct err *err)
{
    const struct json *volumes = json_get(links, "volumes");
    size_t count = json_count(volumes);
    cleanup_str struct str names = STR_INIT;

    if (count == 1) {
        *volume = json_first(volumes);
        return 0;
    }
    *volume = name ? find(volumes, "name", name) : NULL;
    if (*volume)
        return 0;
    if (!count)
        return err_set(err, ERR_NOT_FOUND, "the export has no volumes that could be downloaded");
    append_names(volumes, &names);
    if (!name)
        return err_set(err, ERR_NOT_FOUND,
                       "the export has %zu volumes: choose one of them with --volume: %s", count,
                       str_get(&names));
    return err_set(err, ERR_NOT_FOUND,
                   "the export has no volume '%s': choose one of these with --volume: %s", name,
                   str_get(&names));
}

const char *links_format(const struct json *volume, const char *format)
{
    return url_of(find(json_get(volume, "formats"), "format", format));
}

const char *links_manifest(const struct json *links, const char *type)
{
    return url_of(find(json_get(links, "manifests"), "type", type));
}
