/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All settings are in one table. Whatever the way they come, they end as one JSON object of names
 * and values, which is then checked and read into the struct: so a flag and a key of the file
 * cannot differ in meaning.
 */
#include "settings.h"
#include "base/io.h"
#include "base/yaml.h"
#include "duration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VMEXPORT_VERSION
#define VMEXPORT_VERSION "0.1.0"
#endif

enum type { TEXT, NUMBER, DURATION, LIST, MAP, USER, MODE, TRUST };

struct setting {
    const char *name;
    enum type type;
    size_t offset;
    const char *otherwise; /* YAML */
    const char *help;
};

#define AT(member) offsetof(struct settings, member)

enum { CONFIG_MAX = 1 << 20 };

static const struct setting table[] = {
    {"kubeconfig", TEXT, AT(kubeconfig), NULL, "file; without it: the pod's service account"},
    {"context", TEXT, AT(context), NULL, "of the kubeconfig"},
    {"api-group", TEXT, AT(api_group), "export.kubevirt.io",
     "export.kubevirt.io, or export.vmexport.io beside KubeVirt"},
    {"namespace", TEXT, AT(namespace_), "vmexport", "of the controller, its CA, its proxy"},
    {"cluster-domain", TEXT, AT(cluster_domain), "cluster.local", "of the Services' names"},
    {"image", TEXT, AT(image), "vmexport:latest", "of export pods"},
    {"image-pull-policy", TEXT, AT(image_pull_policy), "IfNotPresent", "of export pods"},
    {"image-pull-secrets", LIST, AT(image_pull_secrets), "[]", "names of Secrets"},
    {"resources", MAP, AT(resources),
     "{requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: '1', memory: 512Mi}}", "of export pods"},
    {"node-selector", MAP, AT(node_selector), "{}", "of export pods"},
    {"tolerations", LIST, AT(tolerations), "[]", "of export pods"},
    {"affinity", MAP, AT(affinity), "{}", "of export pods"},
    {"pod-annotations", MAP, AT(pod_annotations), "{}", "of export pods"},
    {"pod-labels", MAP, AT(pod_labels), "{}", "of export pods"},
    {"priority-class", TEXT, AT(priority_class), NULL, "of export pods"},
    {"run-as", USER, AT(run_as_user), "'107:107'", "uid:gid of export pods; KubeVirt's is 107"},
    {"fs-group", NUMBER, AT(fs_group), "-1",
     "of export pods; -1: none, as it makes the kubelet change the volume's files"},
    {"external", MODE, AT(external), "proxy", "way in from outside: proxy, direct or none"},
    {"external-host", TEXT, AT(external_host), NULL, "instead of the Ingress's or Route's"},
    {"proxy-service", TEXT, AT(proxy_service), "vmexport-proxy",
     "the Service that an Ingress or Route leads to"},
    {"proxy-certificate", TEXT, AT(proxy_certificate), "vmexport-proxy-tls",
     "Secret of the proxy's certificate, kept here; '' for none"},
    {"external-trust", TRUST, AT(trust), "system",
     "proxy: clients see the proxy's own certificate at external-host; system: a public one"},
    {"ingress-class", TEXT, AT(ingress_class), NULL, "of the Ingress per export (direct)"},
    {"ingress-tls-secret", TEXT, AT(ingress_tls_secret), NULL,
     "of the Ingress per export (direct), in the export's namespace"},
    {"ingress-annotations", MAP, AT(ingress_annotations), "{}",
     "of the Ingress per export (direct)"},
    {"default-ttl", DURATION, AT(default_ttl), "2h", "of an export that names none"},
    {"certificate-duration", DURATION, AT(certificate_duration), "168h", "of an export's"},
    {"ca-duration", DURATION, AT(ca_duration), "2160h", "of the CA that signs them"},
    {"ca-publish", DURATION, AT(ca_publish), "1h", "a new CA is known before it signs"},
    {"workers", NUMBER, AT(workers), "16", "exports that are worked on at once"},
    {"health-address", TEXT, AT(health_address), ":8080", "of /healthz, /readyz and /metrics"},
    {"identity", TEXT, AT(identity), NULL, "of this replica; the host's name and a random part"},
    {"lease-duration", DURATION, AT(lease_duration), "15s", "of the leader's lease"},
    {"lease-renew", DURATION, AT(lease_renew), "10s", "the leader's deadline to renew it"},
    {"lease-retry", DURATION, AT(lease_retry), "2s", "between tries"},
    {"log-format", TEXT, AT(log_format), "json", "json or text"},
};

enum { SETTINGS = sizeof(table) / sizeof(table[0]) };

static const struct setting *find(const char *name, size_t len)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

/* ---- values into the struct ---- */

static int wrong(const struct setting *setting, const char *want, struct err *err)
{
    return err_set(err, ERR_INPUT, "%s: must be %s", setting->name, want);
}

static int read_number(const struct setting *setting, const struct json *value, void *out,
                       struct err *err)
{
    double number = json_number(value, -2);

    if (number < -1 || number > 1000000 || number != (int)number)
        return wrong(setting, "a whole number", err);
    *(int *)out = (int)number;
    return 0;
}

static int read_duration(const struct setting *setting, const struct json *value, void *out,
                         struct err *err)
{
    int64_t ns = 0;

    if (!json_string(value) || duration_parse(json_string(value), &ns, err) < 0 ||
        ns < DURATION_SECOND)
        return wrong(setting, "a duration of a second or more, such as 2h or 90s", err);
    *(int64_t *)out = ns / DURATION_SECOND;
    return 0;
}

/* "107:107" into two ints, one after the other. */
static int read_user(const struct setting *setting, const struct json *value, void *out,
                     struct err *err)
{
    const char *text = json_string(value);
    int *ids = out, end = 0;

    if (!text || sscanf(text, "%9d:%9d%n", &ids[0], &ids[1], &end) != 2 || text[end] ||
        ids[0] < 1 || ids[1] < 1)
        return wrong(setting, "uid:gid, both above 0", err);
    return 0;
}

/* The position of a text among `words`, the last of which is NULL; -1: it is none of them. */
static int word_of(const struct json *value, const char *const *words)
{
    for (int i = 0; json_string(value) && words[i]; i++)
        if (strcmp(json_string(value), words[i]) == 0)
            return i;
    return -1;
}

static int read_mode(const struct setting *setting, const struct json *value, void *out,
                     struct err *err)
{
    static const char *const modes[] = {
        [EXTERNAL_NONE] = "none", [EXTERNAL_PROXY] = "proxy", [EXTERNAL_DIRECT] = "direct", NULL};
    int i = word_of(value, modes);

    *(enum external_mode *)out = (enum external_mode)i;
    return i < 0 ? wrong(setting, "proxy, direct or none", err) : 0;
}

static int read_trust(const struct setting *setting, const struct json *value, void *out,
                      struct err *err)
{
    static const char *const words[] = {[TRUST_SYSTEM] = "system", [TRUST_PROXY] = "proxy", NULL};
    int i = word_of(value, words);

    *(enum external_trust *)out = (enum external_trust)i;
    return i < 0 ? wrong(setting, "system or proxy", err) : 0;
}

static int read_value(const struct setting *setting, const struct json *value, void *out,
                      struct err *err)
{
    switch (setting->type) {
    case TEXT:
        *(const char **)out = json_string(value);
        return value && !json_string(value) ? wrong(setting, "a text", err) : 0;
    case LIST:
        *(const struct json **)out = value;
        return json_kind(value) != JSON_ARRAY ? wrong(setting, "a list", err) : 0;
    case MAP:
        *(const struct json **)out = value;
        return json_kind(value) != JSON_OBJECT ? wrong(setting, "a map", err) : 0;
    case NUMBER:
        return read_number(setting, value, out, err);
    case DURATION:
        return read_duration(setting, value, out, err);
    case USER:
        return read_user(setting, value, out, err);
    case MODE:
        return read_mode(setting, value, out, err);
    case TRUST:
        return read_trust(setting, value, out, err);
    }
    return -1;
}

static struct json *parse_yaml(const char *text, struct err *err)
{
    return yaml_parse(text, strlen(text), err);
}

static int add_default(const struct setting *setting, struct json *values, struct err *err)
{
    struct json *value;

    if (json_get(values, setting->name) || !setting->otherwise)
        return 0;
    value = setting->type == TEXT || setting->type == DURATION || setting->type == MODE ||
                    setting->type == TRUST
                ? json_new_string(setting->otherwise)
                : parse_yaml(setting->otherwise, err);
    if (!value)
        return -1;
    json_set(values, setting->name, value);
    return 0;
}

static int check(struct settings *settings, struct err *err)
{
    settings->names = names_of_group(settings->api_group);
    if (!settings->names)
        return err_set(err, ERR_INPUT,
                       "api-group: must be export.kubevirt.io, or export.vmexport.io beside "
                       "KubeVirt, not '%s'",
                       settings->api_group);
    if (settings->workers < 1 || settings->workers > 256)
        return err_set(err, ERR_INPUT, "workers: must be from 1 to 256");
    if (settings->external == EXTERNAL_DIRECT &&
        !(settings->external_host && *settings->external_host))
        return err_set(err, ERR_INPUT,
                       "external: 'direct' needs external-host, the host of the Ingresses");
    if (strcmp(settings->log_format, "json") && strcmp(settings->log_format, "text"))
        return err_set(err, ERR_INPUT, "log-format: must be json or text");
    return 0;
}

int settings_from(const struct json *values, struct settings *settings, struct err *err)
{
    memset(settings, 0, sizeof(*settings));
    settings->values = json_copy(values);
    for (const struct json *v = json_first(values); v; v = json_next(v))
        if (!find(json_key(v), strlen(json_key(v))))
            return err_set(err, ERR_INPUT, "no setting is named '%s'", json_key(v));
    for (size_t i = 0; i < SETTINGS; i++) {
        if (add_default(&table[i], settings->values, err) < 0)
            return err_wrap(err, "%s", table[i].name);
        if (read_value(&table[i], json_get(settings->values, table[i].name),
                       (char *)settings + table[i].offset, err) < 0)
            return -1;
    }
    return check(settings, err);
}

/* ---- the command line ---- */

/* A text as it is; all else as YAML, so that --tolerations='[{key: a}]' works. */
static struct json *flag_value(const struct setting *setting, const char *text, struct err *err)
{
    if (setting->type == LIST || setting->type == MAP || setting->type == NUMBER)
        return parse_yaml(text, err);
    return json_new_string(text);
}

/* Takes one flag, "--name=value" or "--name value"; gives how many words it took. */
static int take_flag(char **words, struct json *values, const char **file, struct err *err)
{
    const char *name = words[0], *value = strchr(words[0], '=');
    const struct setting *setting;
    struct json *json;
    size_t len;
    int taken = value ? 1 : 2;

    if (!str_starts(name, "--"))
        return err_set(err, ERR_INPUT, "'%s' is no flag: see --help", name);
    name += 2;
    len = value ? (size_t)(value - name) : strlen(name);
    setting = find(name, len);
    if (!setting && !(len == 6 && memcmp(name, "config", 6) == 0))
        return err_set(err, ERR_INPUT, "no flag is named --%.*s: see --help", (int)len, name);
    value = value ? value + 1 : words[1];
    if (!value)
        return err_set(err, ERR_INPUT, "--%s: a value is missing", name);
    if (!setting) {
        *file = value;
        return taken;
    }
    json = flag_value(setting, value, err);
    if (!json)
        return err_wrap(err, "--%s", setting->name);
    json_put(values, setting->name, json);
    return taken;
}

/* What the file says where no flag does. */
static int add_file(const char *path, struct json *values, struct err *err)
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
        if (!json_get(values, json_key(v)))
            json_set(values, json_key(v), json_copy(v));
    return 0;
}

static void help(void)
{
    printf("vmexport-controller: makes VirtualMachineExports ready for download\n\n"
           "  --config FILE            YAML with the names below as keys; flags beat it\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        printf("  --%-22s %s", table[i].name, table[i].help);
        printf(table[i].otherwise ? " (%s)\n" : "\n", table[i].otherwise);
    }
    printf("  --help, --version\n");
}

int settings_load(int argc, char **argv, struct settings *settings, struct err *err)
{
    cleanup_json struct json *values = json_new_object();
    const char *file = NULL;

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
        taken = take_flag(argv + i, values, &file, err);
        if (taken < 0)
            return -1;
        i += taken;
    }
    if (file && add_file(file, values, err) < 0)
        return -1;
    return settings_from(values, settings, err);
}

void settings_free(struct settings *settings)
{
    json_free(settings->values);
    memset(settings, 0, sizeof(*settings));
}
