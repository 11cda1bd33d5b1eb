/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports.h"
#include "api/links.h"
#include "api/verdict.h"
#include "base/cleanup.h"
#include "commands.h"
#include "show.h"
#include "table.h"

#include <string.h>

static void put_line(struct str *out, const char *label, const char *text)
{
    str_printf(out, "%-10s ", label);
    table_plain(text && *text ? text : "-", out);
    str_putc(out, '\n');
}

/* ---- why ---- */

static void put_reason(struct str *out, const char *label, const struct json *object,
                       const struct verdict_reason *reason)
{
    cleanup_str struct str text = STR_INIT;
    const char *remedy = verdict_remedy(object, reason->reason);

    verdict_print(reason, &text);
    put_line(out, label, str_get(&text));
    if (remedy)
        put_line(out, "", remedy);
}

static void put_reasons(struct str *out, const struct json *object)
{
    struct verdict_reason reasons[VERDICT_REASONS_MAX];
    size_t count = verdict_reasons(object, reasons);
    const char *unreadable = verdict_unreadable(object);

    for (size_t i = 0; i < count; i++)
        put_reason(out, i ? "" : "Reason:", object, &reasons[i]);
    if (!json_text(object, "status.phase"))
        put_line(out, "Reason:",
                 "no controller has looked at it yet; does one run, and for this API group?");
    if (unreadable)
        put_line(out, "Warning:", unreadable);
}

/* ---- what it has ---- */

static const struct {
    enum links_side side;
    const char *name;
} sides[] = {{LINKS_EXTERNAL, "external"}, {LINKS_INTERNAL, "internal"}};

enum { SIDES = sizeof(sides) / sizeof(sides[0]) };

static void put_urls(struct str *out, const char *side, const struct json *list, const char *key)
{
    for (const struct json *item = json_first(list); item; item = json_next(item)) {
        const char *what = json_text(item, key), *url = json_text(item, "url");

        str_printf(out, "  %-9s ", side);
        table_plain(what ? what : "?", out);
        str_putc(out, ' ');
        table_plain(url ? url : "?", out);
        str_putc(out, '\n');
    }
}

static const struct json *volumes_of(const struct json *object, enum links_side side)
{
    return json_get(links_of(object, side), "volumes");
}

static const struct json *volume_called(const struct json *volumes, const char *name)
{
    for (const struct json *v = json_first(volumes); v; v = json_next(v))
        if (json_text(v, "name") && strcmp(json_text(v, "name"), name) == 0)
            return v;
    return NULL;
}

/* The size of the claim, which its disk has about; who may not read claims doesn't see it. */
static void put_volume(struct str *out, struct exports *exports, const struct json *object,
                       const char *name)
{
    static const struct kube_resource claims = {"", "v1", "persistentvolumeclaims",
                                                "PersistentVolumeClaim", true};
    cleanup_json struct json *claim = NULL;
    const char *size = NULL;
    struct err ignored;

    if (kube_get(exports->cluster->conn, &claims, exports->cluster->ns, name, &claim, &ignored) ==
        0)
        size = json_text(claim, "status.capacity.storage");
    str_printf(out, "%-10s ", "Volume:");
    table_plain(name, out);
    str_puts(out, size ? ", a claim of " : "");
    table_plain(size ? size : "", out);
    str_putc(out, '\n');
    for (size_t i = 0; i < SIDES; i++)
        put_urls(out, sides[i].name,
                 json_get(volume_called(volumes_of(object, sides[i].side), name), "formats"),
                 "format");
}

static void put_volumes(struct str *out, struct exports *exports, const struct json *object)
{
    const struct json *volumes = volumes_of(object, LINKS_INTERNAL);

    if (!volumes)
        volumes = volumes_of(object, LINKS_EXTERNAL);
    for (const struct json *v = json_first(volumes); v; v = json_next(v))
        if (json_text(v, "name"))
            put_volume(out, exports, object, json_text(v, "name"));
}

static void put_manifests(struct str *out, const struct json *object)
{
    bool any = false;

    for (size_t i = 0; i < SIDES; i++) {
        const struct json *manifests = json_get(links_of(object, sides[i].side), "manifests");

        if (!json_first(manifests))
            continue;
        str_puts(out, any ? "" : "Manifests:\n");
        any = true;
        put_urls(out, sides[i].name, manifests, "type");
    }
}

/* ---- the command ---- */

static void put_expiry(struct str *out, const struct json *object)
{
    const char *time = json_text(object, "status.ttlExpirationTime");
    cleanup_str struct str text = STR_INIT, left = STR_INIT;

    show_time_left(object, &left);
    if (time && left.len)
        str_printf(&text, "%s (%s%s)", time, strcmp(str_get(&left), "expired") == 0 ? "" : "in ",
                   str_get(&left));
    put_line(out, "Expires:", str_get(&text));
}

static void put_token(struct str *out, const struct json *object)
{
    const char *secret = json_text(object, "status.tokenSecretRef");
    cleanup_str struct str text = STR_INIT;

    if (!secret || !*secret)
        secret = json_text(object, "spec.tokenSecretRef");
    if (secret && *secret)
        str_printf(&text, "in Secret %s, key token", secret);
    put_line(out, "Token:", str_get(&text));
}

static int print(struct exports *exports, const struct json *object, struct err *err)
{
    cleanup_str struct str out = STR_INIT, source = STR_INIT, name = STR_INIT, age = STR_INIT;

    str_printf(&name, "%s/%s", exports->cluster->ns, json_text(object, "metadata.name"));
    show_source(object, true, &source);
    show_age(json_text(object, "metadata.creationTimestamp"), &age);
    put_line(&out, "Name:", str_get(&name));
    put_line(&out, "API:", json_text(object, "apiVersion"));
    put_line(&out, "Phase:", json_text(object, "status.phase"));
    put_reasons(&out, object);
    put_line(&out, "Source:", str_get(&source));
    put_line(&out, "Age:", str_get(&age));
    put_expiry(&out, object);
    put_token(&out, object);
    put_line(&out, "Service:", json_text(object, "status.serviceName"));
    put_volumes(&out, exports, object);
    put_manifests(&out, object);
    return table_write(&out, err);
}

static int status(struct exports *exports, const struct options *options, struct err *err)
{
    const struct kube_resource *resource;
    cleanup_json struct json *object = NULL, *shown = NULL;

    if (exports_get(exports, options->name, &resource, &object, err) < 0)
        return -1;
    if (!options->json)
        return print(exports, object, err);
    shown = show_copy(object);
    return show_json(shown, err);
}

int command_status(const struct options *options, struct err *err)
{
    return exports_run(options, status, err);
}
