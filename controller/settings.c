/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All settings are in one table. Whatever the way they come (settings_load.c), they end as one JSON
 * object of names and values, which is then checked (settings_rules.c) and read into the struct: so
 * a flag and a key of the file cannot differ in meaning.
 */
#include "base/duration.h"
#include "base/yaml.h"
#include "settings_internal.h"
#include "user_id.h"

#include <string.h>

#define AT(member) offsetof(struct settings, member)

const struct setting setting_table[SETTINGS] = {
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
    {"owner", TEXT, AT(owner), NULL,
     "ConfigMap of the controller's namespace that its own objects go with"},
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

const struct setting *setting_find(const char *name, size_t len)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strlen(setting_table[i].name) == len && memcmp(setting_table[i].name, name, len) == 0)
            return &setting_table[i];
    return NULL;
}

/* ---- values into the struct ---- */

enum { SHOWN_MAX = 80 }; /* of a wrong value */

static int wrong(const struct json *value, const char *want, struct err *err)
{
    cleanup_str struct str shown = STR_INIT;

    if (json_string(value))
        str_json(&shown, json_string(value));
    else if (value)
        json_print(value, 0, &shown);
    return err_set(err, ERR_INPUT, "must be %s, not '%.*s%s'", want, SHOWN_MAX, str_get(&shown),
                   shown.len > SHOWN_MAX ? "..." : "");
}

static int read_number(const struct json *value, void *out, struct err *err)
{
    double number = json_number(value, -2);

    if (number < -1 || number > 1000000 || number != (int)number)
        return wrong(value, "a whole number", err);
    *(int *)out = (int)number;
    return 0;
}

static int read_duration(const struct json *value, void *out, struct err *err)
{
    int64_t ns = 0;

    if (!json_string(value) || duration_parse(json_string(value), &ns, err) < 0 ||
        ns < DURATION_SECOND)
        return wrong(value, "a duration of a second or more, such as 2h or 90s", err);
    *(int64_t *)out = ns / DURATION_SECOND;
    return 0;
}

/* "107:107" into two ints, one after the other. */
static int read_user(const struct json *value, void *out, struct err *err)
{
    int *ids = out;

    if (!user_ids_read(json_string(value), &ids[0], &ids[1]))
        return wrong(value, "uid:gid, both above 0", err);
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

static int read_mode(const struct json *value, void *out, struct err *err)
{
    static const char *const modes[] = {
        [EXTERNAL_NONE] = "none", [EXTERNAL_PROXY] = "proxy", [EXTERNAL_DIRECT] = "direct", NULL};
    int i = word_of(value, modes);

    *(enum external_mode *)out = (enum external_mode)i;
    return i < 0 ? wrong(value, "proxy, direct or none", err) : 0;
}

static int read_trust(const struct json *value, void *out, struct err *err)
{
    static const char *const words[] = {[TRUST_SYSTEM] = "system", [TRUST_PROXY] = "proxy", NULL};
    int i = word_of(value, words);

    *(enum external_trust *)out = (enum external_trust)i;
    return i < 0 ? wrong(value, "system or proxy", err) : 0;
}

static int read_value(const struct setting *setting, const struct json *value, void *out,
                      struct err *err)
{
    switch (setting->type) {
    case TEXT:
        *(const char **)out = json_string(value);
        return value && !json_string(value) ? wrong(value, "a text", err) : 0;
    case LIST:
        *(const struct json **)out = value;
        return json_kind(value) != JSON_ARRAY ? wrong(value, "a list", err) : 0;
    case MAP:
        *(const struct json **)out = value;
        return json_kind(value) != JSON_OBJECT ? wrong(value, "a map", err) : 0;
    case NUMBER:
        return read_number(value, out, err);
    case DURATION:
        return read_duration(value, out, err);
    case USER:
        return read_user(value, out, err);
    case MODE:
        return read_mode(value, out, err);
    case TRUST:
        return read_trust(value, out, err);
    }
    return -1;
}

/* An empty text is none, where a setting need not be set. */
static bool is_unset(const struct setting *setting, const struct json *value)
{
    const char *text = json_string(value);

    return setting->type == TEXT && !setting->otherwise && text && !*text;
}

static int read_setting(const struct setting *setting, struct settings *settings, struct err *err)
{
    const struct json *value = json_get(settings->values, setting->name);
    const char *must_be;

    if (read_value(setting, value, (char *)settings + setting->offset, err) < 0)
        return -1;
    must_be = settings_rule(setting->name, value);
    if (!must_be)
        return 0;
    if (!is_unset(setting, value))
        return wrong(value, must_be, err);
    *(const char **)(void *)((char *)settings + setting->offset) = NULL;
    return 0;
}

static int add_default(const struct setting *setting, struct json *values, struct err *err)
{
    struct json *value;

    if (json_get(values, setting->name) || !setting->otherwise)
        return 0;
    value = setting->type == TEXT || setting->type == DURATION || setting->type == MODE ||
                    setting->type == TRUST
                ? json_new_string(setting->otherwise)
                : yaml_parse(setting->otherwise, strlen(setting->otherwise), err);
    if (!value)
        return -1;
    json_set(values, setting->name, value);
    return 0;
}

int settings_read(const struct json *values, struct settings *settings, const char **which,
                  struct err *err)
{
    memset(settings, 0, sizeof(*settings));
    settings->values = json_copy(values);
    for (const struct json *v = json_first(settings->values); v; v = json_next(v)) {
        *which = json_key(v);
        if (!setting_find(*which, strlen(*which)))
            return err_set(err, ERR_INPUT, "no setting is named '%s'", *which);
    }
    for (size_t i = 0; i < SETTINGS; i++) {
        *which = setting_table[i].name;
        if (add_default(&setting_table[i], settings->values, err) < 0 ||
            read_setting(&setting_table[i], settings, err) < 0)
            return -1;
    }
    settings->names = names_of_group(settings->api_group);
    return settings_agree(settings, which, err);
}

int settings_from(const struct json *values, struct settings *settings, struct err *err)
{
    const char *which = NULL;

    return settings_read(values, settings, &which, err) < 0 ? err_wrap(err, "%s", which) : 0;
}

void settings_free(struct settings *settings)
{
    json_free(settings->values);
    memset(settings, 0, sizeof(*settings));
}
