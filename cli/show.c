/* SPDX-License-Identifier: Apache-2.0 */
#include "show.h"

#include "base/clock.h"
#include "table.h"

#include <string.h>

struct json *show_copy(const struct json *object)
{
    struct json *copy = json_copy(object);

    json_free(json_take(json_edit(copy, "metadata"), "managedFields"));
    return copy;
}

int show_json(const struct json *json, struct err *err)
{
    cleanup_str struct str text = STR_INIT;

    json_print(json, 4, &text);
    str_putc(&text, '\n');
    return table_write(&text, err);
}

void show_source(const struct json *object, bool length, struct str *out)
{
    static const struct {
        const char *kind, *brief;
    } kinds[] = {
        {"PersistentVolumeClaim", "pvc"},
        {"VirtualMachine", "vm"},
        {"VirtualMachineSnapshot", "snapshot"},
        {"VirtualMachineTemplate", "vmtemplate"},
    };
    const char *kind = json_text(object, "spec.source.kind");
    const char *name = json_text(object, "spec.source.name");

    kind = kind ? kind : "?";
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!length && strcmp(kinds[i].kind, kind) == 0)
            kind = kinds[i].brief;
    str_printf(out, "%s%c%s", kind, length ? ' ' : '/', name ? name : "?");
}

void show_age(const char *time, struct str *out)
{
    time_t then;

    if (clock_parse_seconds(time, &then))
        table_age(clock_now().tv_sec - then, out);
}

void show_time_left(const struct json *object, struct str *out)
{
    time_t then, now = clock_now().tv_sec;

    if (!clock_parse_seconds(json_text(object, "status.ttlExpirationTime"), &then))
        return;
    if (then <= now)
        str_puts(out, "expired");
    else
        table_age(then - now, out);
}

void show_group(const struct json *object, struct str *out)
{
    const char *version = json_text(object, "apiVersion");

    version = version ? version : "";
    str_append(out, version, strcspn(version, "/"));
}
