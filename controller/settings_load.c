/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ways in which settings come: flags and a file. For each it is remembered where it stood,
 * so that a wrong one is found.
 */
#include "base/io.h"
#include "base/version.h"
#include "base/yaml.h"
#include "settings_internal.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_MAX = 1 << 20 };

/* What was given, by the settings' names. */
struct given {
    struct json *values;
    struct json *where; /* "--workers", or "'config.yaml', line 3: workers" */
};

static void given_free(struct given *given)
{
    json_free(given->values);
    json_free(given->where);
}

/* ---- the command line ---- */

/* A text as it is; all else as YAML, so that --tolerations='[{key: a}]' works. */
static struct json *flag_value(const struct setting *setting, const char *text, struct err *err)
{
    if (setting->type == LIST || setting->type == MAP || setting->type == NUMBER)
        return yaml_parse(text, strlen(text), err);
    return json_new_string(text);
}

/* Takes one flag, "--name=value" or "--name value"; gives how many words it took. */
static int take_flag(char **words, struct given *given, const char **file, struct err *err)
{
    const char *name = words[0], *value = strchr(words[0], '=');
    cleanup_str struct str where = STR_INIT;
    const struct setting *setting;
    struct json *json;
    size_t len;
    int taken = value ? 1 : 2;

    if (!str_starts(name, "--"))
        return err_set(err, ERR_INPUT, "'%s' is no flag: see --help", name);
    name += 2;
    len = value ? (size_t)(value - name) : strlen(name);
    setting = setting_find(name, len);
    if (!setting && !(len == 6 && memcmp(name, "config", 6) == 0))
        return err_set(err, ERR_INPUT, "no flag is named --%.*s: see --help", (int)len, name);
    value = value ? value + 1 : words[1];
    if (!value)
        return err_set(err, ERR_INPUT, "--%s: a value is missing", name);
    if (!setting) {
        *file = value;
        return taken;
    }
    str_printf(&where, "--%s", setting->name);
    json = flag_value(setting, value, err);
    if (!json)
        return err_wrap(err, "%s", str_get(&where));
    json_put(given->values, setting->name, json);
    json_put(given->where, setting->name, json_new_string(str_get(&where)));
    return taken;
}

/* ---- the file ---- */

/* The line on which a key of the outermost map begins; 0: it is written in some other way. */
static unsigned line_of(const char *text, const char *key)
{
    size_t len = strlen(key);
    unsigned line = 1;

    for (; *text; line++) {
        const char *p = text + (*text == '"' || *text == '\'');

        if (strncmp(p, key, len) == 0 && p[len + (p > text)] == ':')
            return line;
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return 0;
}

static void add_value(struct given *given, const struct json *value, const char *path,
                      const char *text)
{
    cleanup_str struct str where = STR_INIT;
    const char *name = json_key(value);
    unsigned line = line_of(text, name);

    if (json_get(given->values, name)) /* a flag beats the file */
        return;
    str_printf(&where, "'%s', ", path);
    if (line)
        str_printf(&where, "line %u: ", line);
    str_puts(&where, name);
    json_set(given->values, name, json_copy(value));
    json_set_string(given->where, name, str_get(&where));
}

static int add_file(const char *path, struct given *given, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_json struct json *file = NULL;

    if (io_read_file(path, CONFIG_MAX, &text, err) < 0)
        return -1;
    file = yaml_parse(str_get(&text), text.len, err);
    if (!file || json_kind(file) != JSON_OBJECT)
        return file ? err_set(err, ERR_INPUT, "'%s': no map of settings", path)
                    : err_wrap(err, "'%s'", path);
    for (const struct json *v = json_first(file); v; v = json_next(v))
        add_value(given, v, path, str_get(&text));
    return 0;
}

/* ---- all of it ---- */

static void help(void)
{
    printf("vmexport-controller: makes VirtualMachineExports ready for download\n\n"
           "  --config FILE            YAML with the names below as keys; flags beat it\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        printf("  --%-22s %s", setting_table[i].name, setting_table[i].help);
        printf(setting_table[i].otherwise ? " (%s)\n" : "\n", setting_table[i].otherwise);
    }
    printf("  --help, --version\n");
}

int settings_load(int argc, char **argv, struct settings *settings, struct err *err)
{
    __attribute__((cleanup(given_free))) struct given given = {json_new_object(),
                                                               json_new_object()};
    const char *file = NULL, *which = NULL, *where;

    memset(settings, 0, sizeof(*settings));
    for (int i = 1; i < argc;) {
        int taken;

        if (strcmp(argv[i], "--help") == 0) {
            help();
            return 1;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("vmexport-controller %s\n", VMEXPORT_VERSION);
            return 1;
        }
        taken = take_flag(argv + i, &given, &file, err);
        if (taken < 0)
            return -1;
        i += taken;
    }
    if (file && add_file(file, &given, err) < 0)
        return -1;
    if (settings_read(given.values, settings, &which, err) == 0)
        return 0;
    where = json_string(json_get(given.where, which));
    return err_wrap(err, "%s", where ? where : which);
}
