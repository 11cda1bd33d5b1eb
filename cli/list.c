/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports.h"
#include "api/verdict.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "commands.h"
#include "say.h"
#include "show.h"
#include "table.h"

#include <string.h>

enum { PAGE = 250 }; /* exports in one answer */

/* Adds the pages of one group to the items; -KUBE_EXPIRED in the midst: the list changed. */
static int add_pages(struct exports *exports, const struct kube_resource *resource, const char *ns,
                     unsigned limit, struct json *items, struct err *err)
{
    const struct kube_selection what = {.resource = resource, .ns = ns};
    cleanup_free char *token = NULL;

    do {
        cleanup_json struct json *page = NULL;
        int rc = kube_list(exports->cluster->conn, &what, limit, NULL, token, &page, err);
        struct json *list;

        if (rc < 0)
            return rc;
        list = json_edit(page, "items");
        for (struct json *i = json_edit_first(list); i; i = json_edit_next(i))
            json_append(items, show_copy(i));
        free(token);
        token = json_text(page, "metadata.continue") ? strdup(json_text(page, "metadata.continue"))
                                                     : NULL;
    } while (token && *token);
    return 0;
}

static int add_group(struct exports *exports, const struct kube_resource *resource, const char *ns,
                     struct json *items, struct err *err)
{
    cleanup_json struct json *own = json_new_array();
    int rc = add_pages(exports, resource, ns, PAGE, own, err);

    if (rc == -KUBE_EXPIRED) {
        json_free(own);
        own = json_new_array();
        rc = add_pages(exports, resource, ns, 0, own, err);
    }
    for (const struct json *i = json_first(own); rc == 0 && i; i = json_next(i))
        json_append(items, json_copy(i));
    return rc < 0 ? cluster_fail(rc, err) : 0;
}

/* ---- as a table ---- */

static void add_row(struct table *table, const struct json *object, bool namespaces, bool groups)
{
    const char *ns = json_text(object, "metadata.namespace");
    const char *name = json_text(object, "metadata.name");
    const char *phase = json_text(object, "status.phase");
    cleanup_str struct str source = STR_INIT, age = STR_INIT, expires = STR_INIT, group = STR_INIT;
    struct verdict_reason reasons[VERDICT_REASONS_MAX] = {{"", ""}};
    const char *cells[TABLE_COLUMNS_MAX + 1];
    size_t n = 0;

    show_source(object, false, &source);
    show_age(json_text(object, "metadata.creationTimestamp"), &age);
    show_time_left(object, &expires);
    show_group(object, &group);
    verdict_reasons(object, reasons);
    if (namespaces)
        cells[n++] = ns ? ns : "";
    cells[n++] = name ? name : "";
    if (groups)
        cells[n++] = str_get(&group);
    cells[n++] = phase ? phase : "";
    cells[n++] = str_get(&source);
    cells[n++] = str_get(&age);
    cells[n++] = str_get(&expires);
    cells[n++] = reasons[0].reason;
    cells[n] = NULL;
    table_row(table, cells);
}

static void add_head(struct table *table, bool namespaces, bool groups)
{
    static const char *const rest[] = {"PHASE", "SOURCE", "AGE", "EXPIRES", "REASON"};
    const char *cells[TABLE_COLUMNS_MAX + 1];
    size_t n = 0;

    if (namespaces)
        cells[n++] = "NAMESPACE";
    cells[n++] = "NAME";
    if (groups)
        cells[n++] = "GROUP";
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
        cells[n++] = rest[i];
    cells[n] = NULL;
    table_row(table, cells);
}

static int print_table(const struct json *items, bool namespaces, bool groups, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    struct table table = {0};

    add_head(&table, namespaces, groups);
    for (const struct json *i = json_first(items); i; i = json_next(i))
        add_row(&table, i, namespaces, groups);
    table_print(&table, &text);
    table_free(&table);
    return table_write(&text, err);
}

static int print_json(const struct json *items, struct err *err)
{
    cleanup_json struct json *list =
        json_format("{'apiVersion':'v1','kind':'List','metadata':{},'items':%j}", items);

    return show_json(list, err);
}

/* ---- the command ---- */

static int list(struct exports *exports, const struct options *options, struct err *err)
{
    const char *ns = options->all_namespaces ? NULL : exports->cluster->ns;
    cleanup_json struct json *items = json_new_array();

    for (size_t i = 0; i < exports->count; i++)
        if (add_group(exports, &exports->group[i], ns, items, err) < 0)
            return -1;
    if (options->json)
        return print_json(items, err);
    if (json_count(items))
        return print_table(items, !ns, exports->count > 1, err);
    say("there are no VirtualMachineExports in %s%s%s", ns ? "namespace '" : "any namespace",
        ns ? ns : "", ns ? "'" : "");
    return 0;
}

int command_list(const struct options *options, struct err *err)
{
    return exports_run(options, list, err);
}
