/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is merged: a name is looked up in one file after the other, and the first that has it
 * wins, with all that it says there.
 */
#include "kube/kubeconfig.h"
#include "base/cleanup.h"
#include "base/yaml.h"
#include "kube/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- files ---- */

static int check_root(const char *path, const struct json *root, struct err *err)
{
    static const char *const heads[][2] = {{"kind", "Config"}, {"apiVersion", "v1"}};

    if (json_kind(root) == JSON_NULL) /* an empty file */
        return 0;
    if (json_kind(root) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "'%s' is no kubeconfig", path);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        const struct json *value = json_get(root, heads[i][0]);
        const char *text = value ? json_string(value) : heads[i][1];

        if (!text || (*text && strcmp(text, heads[i][1]) != 0))
            return err_set(err, ERR_INPUT, "'%s' is no kubeconfig: its %s is not '%s'", path,
                           heads[i][0], heads[i][1]);
    }
    return 0;
}

int kubeconfig_add(struct kubeconfig *config, const char *path, const char *dir, const char *text,
                   size_t len, struct err *err)
{
    cleanup_json struct json *root = yaml_parse(text, len, err);
    struct kubeconfig_file *grown;

    if (!root)
        return err_wrap(err, "'%s' is no valid YAML", path);
    if (check_root(path, root, err) < 0)
        return -1;
    grown = realloc(config->file, (config->count + 1) * sizeof(*grown));
    if (!grown)
        abort();
    config->file = grown;
    grown[config->count++] = (struct kubeconfig_file){
        .path = secret_copy(path), .dir = secret_copy(dir), .root = steal_ptr(root)};
    return 0;
}

void kubeconfig_free(struct kubeconfig *config)
{
    for (size_t i = 0; i < config->count; i++) {
        free(config->file[i].path);
        free(config->file[i].dir);
        json_free(config->file[i].root);
    }
    free(config->file);
    *config = (struct kubeconfig){NULL, 0};
}

/* ---- entries ---- */

int kubeconfig_refuse(const struct kubeconfig_entry *entry, struct err *err, const char *fmt, ...)
{
    char what[640];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return err_set(err, ERR_INPUT, "%s '%s' in '%s': %s", entry->kind, entry->name,
                   entry->file->path, what);
}

int kubeconfig_text(const struct kubeconfig_entry *entry, const char *key, const char **out,
                    struct err *err)
{
    const struct json *value = json_get(entry->value, key);

    *out = NULL;
    if (!value || json_kind(value) == JSON_NULL)
        return 0;
    if (json_kind(value) != JSON_STRING)
        return kubeconfig_refuse(entry, err, "%s must be a text; put it in quotes", key);
    if (*json_string(value))
        *out = json_string(value);
    return 0;
}

int kubeconfig_bool(const struct kubeconfig_entry *entry, const char *key, bool *out,
                    struct err *err)
{
    const struct json *value = json_get(entry->value, key);

    *out = value && json_bool(value);
    if (value && json_kind(value) != JSON_BOOL && json_kind(value) != JSON_NULL)
        return kubeconfig_refuse(entry, err, "%s must be true or false", key);
    return 0;
}

int kubeconfig_texts(const struct kubeconfig_entry *entry, const char *key, char ***out,
                     struct err *err)
{
    const struct json *array = json_get(entry->value, key);
    size_t count = 0;

    *out = NULL;
    if (!array || json_kind(array) == JSON_NULL)
        return 0;
    if (json_kind(array) != JSON_ARRAY)
        return kubeconfig_refuse(entry, err, "%s must be a list", key);
    for (const struct json *value = json_first(array); value; value = json_next(value))
        if (json_kind(value) != JSON_STRING)
            return kubeconfig_refuse(entry, err, "%s must be a list of texts; put them in quotes",
                                     key);
    *out = calloc(json_count(array) + 1, sizeof(char *));
    if (!*out)
        abort();
    for (const struct json *value = json_first(array); value; value = json_next(value))
        (*out)[count++] = secret_copy(json_string(value));
    return 0;
}

char *kubeconfig_path(const struct kubeconfig_entry *entry, const char *path)
{
    struct str out = STR_INIT;

    if (*path != '/')
        str_printf(&out, "%s/", entry->file->dir);
    str_puts(&out, path);
    return str_steal(&out);
}

/* The entry of a list of {name: NAME, KEY: {...}}; its value stays NULL when the list has none. */
static int find_in_file(const struct kubeconfig_file *file, const char *list, const char *key,
                        struct kubeconfig_entry *entry, struct err *err)
{
    const struct json *array = json_get(file->root, list);

    if (!array || json_kind(array) == JSON_NULL)
        return 0;
    if (json_kind(array) != JSON_ARRAY)
        return err_set(err, ERR_INPUT, "'%s': %s must be a list", file->path, list);
    for (const struct json *item = json_first(array); item; item = json_next(item)) {
        const struct json *name = json_get(item, "name"), *value = json_get(item, key);

        if (!name || !json_string(name) || strcmp(json_string(name), entry->name) != 0)
            continue;
        if (entry->value)
            return err_set(err, ERR_INPUT, "'%s': the %s '%s' comes twice", file->path, key,
                           entry->name);
        if (!value || json_kind(value) != JSON_OBJECT)
            return err_set(err, ERR_INPUT, "'%s': the %s '%s' says nothing: it has no '%s:'",
                           file->path, key, entry->name, key);
        entry->value = value;
    }
    return 0;
}

int kubeconfig_find(const struct kubeconfig *config, const char *kind, const char *name,
                    struct kubeconfig_entry *out, struct err *err)
{
    struct kubeconfig_entry entry = {.kind = kind, .name = name};
    char list[16];

    snprintf(list, sizeof(list), "%ss", kind);
    for (size_t i = 0; i < config->count && !entry.value; i++) {
        entry.file = &config->file[i];
        if (find_in_file(entry.file, list, kind, &entry, err) < 0)
            return -1;
    }
    if (!entry.value)
        return err_set(err, ERR_INPUT,
                       "the %s '%s' is in no kubeconfig; `kubectl config view` shows what there is",
                       kind, name);
    *out = entry;
    return 0;
}
