/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the value of a setting may be: that which the API server would refuse with each export, or
 * that would make links that lead nowhere, is refused at the start instead.
 *
 * Names: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/, labels:
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
 */
#include "authority.h"
#include "base/listener.h"
#include "quantity.h"
#include "settings_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum {
    IDENTITY_MAX = 128, /* of an Event's reportingInstance */
    WORKERS_MAX = 256,
    LEASE_SECONDS_MAX = 24 * 3600,
};

/* ---- names ---- */

/* Characters of `inner`, the first and the last of `outer`; up to `max`. */
static bool is_made_of(const char *text, size_t len, const char *outer, const char *inner,
                       size_t max)
{
    return len && len <= max && strspn(text, inner) >= len && strchr(outer, text[0]) &&
           strchr(outer, text[len - 1]);
}

static bool is_label(const char *text, size_t len)
{
    return is_made_of(text, len, LOWER DIGITS, LOWER DIGITS "-", NAME_LABEL_MAX);
}

/* Parts with dots between. */
static bool is_subdomain(const char *text, size_t len)
{
    if (len > NAME_SUBDOMAIN_MAX)
        return false;
    for (const char *part = text, *end = text + len;; part++) {
        size_t part_len = strcspn(part, ".");

        if (part_len > (size_t)(end - part))
            part_len = (size_t)(end - part);
        if (!is_made_of(part, part_len, LOWER DIGITS, LOWER DIGITS "-", NAME_SUBDOMAIN_MAX))
            return false;
        part += part_len;
        if (part == end)
            return true;
    }
}

static bool is_text_label(const struct json *value)
{
    return is_label(json_string(value), strlen(json_string(value)));
}

static bool is_text_subdomain(const struct json *value)
{
    return json_string(value) && is_subdomain(json_string(value), strlen(json_string(value)));
}

static bool is_subdomain_or_none(const struct json *value)
{
    return !*json_string(value) || is_text_subdomain(value);
}

/* A Service's name begins with a letter. */
static bool is_service(const struct json *value)
{
    return is_text_label(value) && strchr(LOWER, json_string(value)[0]);
}

static bool are_names(const struct json *list)
{
    for (const struct json *v = json_first(list); v; v = json_next(v))
        if (!is_text_subdomain(v))
            return false;
    return true;
}

static bool is_printable(const char *text, size_t max)
{
    size_t len = strlen(text);

    if (!len || len > max)
        return false;
    for (; *text; text++)
        if (*text <= ' ' || *text == 0x7f)
            return false;
    return true;
}

static bool is_image(const struct json *value)
{
    return is_printable(json_string(value), 4096);
}

static bool is_identity(const struct json *value)
{
    return is_printable(json_string(value), IDENTITY_MAX);
}

/* ---- labels and annotations ---- */

static bool is_qualified(const char *text, size_t len)
{
    return is_made_of(text, len, LOWER UPPER DIGITS, LOWER UPPER DIGITS "-_.", NAME_LABEL_MAX);
}

/* "name" or "example.com/name" */
static bool is_key(const char *key)
{
    const char *slash = strchr(key, '/');

    if (slash && !is_subdomain(key, (size_t)(slash - key)))
        return false;
    key = slash ? slash + 1 : key;
    return is_qualified(key, strlen(key));
}

static bool are_labels(const struct json *map)
{
    for (const struct json *v = json_first(map); v; v = json_next(v)) {
        const char *text = json_string(v);

        if (!is_key(json_key(v)) || !text || (*text && !is_qualified(text, strlen(text))))
            return false;
    }
    return true;
}

static bool are_annotations(const struct json *map)
{
    for (const struct json *v = json_first(map); v; v = json_next(v))
        if (!is_key(json_key(v)) || !json_string(v))
            return false;
    return true;
}

/* ---- hosts ---- */

static bool is_port(const char *text)
{
    size_t len = strspn(text, DIGITS);

    return len && len <= 5 && !text[len] && strtoul(text, NULL, 10) - 1 < UINT16_MAX;
}

/* Of links: a name or an address, with or without a port. */
static bool is_host(const struct json *value)
{
    const char *text = json_string(value), *end;
    char name[NAME_SUBDOMAIN_MAX + 1];
    struct in6_addr address;
    size_t len;

    text += *text == '[';
    end = text + strcspn(text, text > json_string(value) ? "]" : ":");
    len = (size_t)(end - text);
    if (len >= sizeof(name))
        return false;
    for (size_t i = 0; i < len; i++) /* case does not matter in a host */
        name[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    name[len] = '\0';
    if (text > json_string(value)) {
        if (*end++ != ']' || inet_pton(AF_INET6, name, &address) != 1)
            return false;
    } else if (!is_subdomain(name, len)) {
        return false;
    }
    return !*end || (*end == ':' && is_port(end + 1));
}

static bool is_address(const struct json *value)
{
    struct err ignored;

    return listener_check(json_string(value), &ignored) == 0;
}

/* ---- the rest ---- */

static bool is_policy(const struct json *value)
{
    const char *text = json_string(value);

    return strcmp(text, "Always") == 0 || strcmp(text, "IfNotPresent") == 0 ||
           strcmp(text, "Never") == 0;
}

static bool is_format(const struct json *value)
{
    return strcmp(json_string(value), "json") == 0 || strcmp(json_string(value), "text") == 0;
}

static bool is_group(const struct json *value)
{
    return names_of_group(json_string(value)) != NULL;
}

static bool are_quantities(const struct json *map)
{
    if (json_kind(map) != JSON_OBJECT)
        return false;
    for (const struct json *v = json_first(map); v; v = json_next(v))
        if (json_kind(v) != JSON_NUMBER && !quantity_larger(json_string(v), NULL))
            return false;
    return true;
}

static bool are_resources(const struct json *map)
{
    for (const struct json *v = json_first(map); v; v = json_next(v))
        if ((strcmp(json_key(v), "requests") && strcmp(json_key(v), "limits")) ||
            !are_quantities(v))
            return false;
    return true;
}

static bool are_maps(const struct json *list)
{
    for (const struct json *v = json_first(list); v; v = json_next(v))
        if (json_kind(v) != JSON_OBJECT)
            return false;
    return true;
}

static bool is_count(const struct json *value)
{
    return json_number(value, 0) >= 1 && json_number(value, 0) <= WORKERS_MAX;
}

static bool is_group_id(const struct json *value)
{
    return json_number(value, 0) != 0; /* below -1 is no number of ours */
}

#define A_LABEL "a name of up to 63 small letters, digits and '-', a letter or digit at both ends"
#define A_SUBDOMAIN "a name of small letters, digits, '-' and '.', such as 'a-b.c'"
#define LABELS \
    "a map of labels: keys such as 'example.com/name', values of up to 63 letters, digits, '-', " \
    "'_' and '.' (in quotes where YAML would see a number or true)"
#define ANNOTATIONS \
    "a map of annotations: keys such as 'example.com/name', values that are texts (in quotes " \
    "where YAML would see a number or true)"

static const struct rule {
    const char *name;
    bool (*fits)(const struct json *value);
    const char *must_be;
} rules[] = {
    {"api-group", is_group, "export.kubevirt.io, or export.vmexport.io beside KubeVirt"},
    {"namespace", is_text_label, A_LABEL},
    {"cluster-domain", is_text_subdomain, A_SUBDOMAIN},
    {"image", is_image, "the name of an image, without blanks"},
    {"image-pull-policy", is_policy, "Always, IfNotPresent or Never"},
    {"image-pull-secrets", are_names, "a list of the names of Secrets"},
    {"resources", are_resources,
     "a map of 'requests' and 'limits', each of quantities such as '{cpu: 100m, memory: 64Mi}'"},
    {"node-selector", are_labels, LABELS},
    {"tolerations", are_maps, "a list of maps, such as '[{key: a, operator: Exists}]'"},
    {"pod-annotations", are_annotations, ANNOTATIONS},
    {"pod-labels", are_labels, LABELS},
    {"priority-class", is_text_subdomain, A_SUBDOMAIN},
    {"fs-group", is_group_id, "a group above 0, or -1 for none"},
    {"external-host", is_host, "a host with or without a port, such as 'exports.example.com:8443'"},
    {"proxy-service", is_service, A_LABEL ", the first a letter"},
    {"owner", is_text_subdomain, A_SUBDOMAIN},
    {"proxy-certificate", is_subdomain_or_none, A_SUBDOMAIN ", or '' for none"},
    {"ingress-class", is_text_subdomain, A_SUBDOMAIN},
    {"ingress-tls-secret", is_text_subdomain, A_SUBDOMAIN},
    {"ingress-annotations", are_annotations, ANNOTATIONS},
    {"workers", is_count, "from 1 to 256"},
    {"health-address", is_address,
     "an address to listen on, such as ':8080', '127.0.0.1:8080' or '[::1]:8080'"},
    {"identity", is_identity, "a text of up to 128 characters without blanks"},
    {"log-format", is_format, "json or text"},
};

const char *settings_rule(const char *name, const struct json *value)
{
    for (size_t i = 0; value && i < sizeof(rules) / sizeof(rules[0]); i++)
        if (strcmp(rules[i].name, name) == 0)
            return rules[i].fits(value) ? NULL : rules[i].must_be;
    return NULL;
}

/* ---- several together ---- */

/* The host of an Ingress is a name, and nothing else. */
static int agree_external(const struct settings *settings, const char **which, struct err *err)
{
    const char *host = settings->external_host;
    struct in_addr address;

    if (settings->external != EXTERNAL_DIRECT)
        return 0;
    *which = "external";
    if (!host)
        return err_set(err, ERR_INPUT, "'direct' needs external-host, the host of the Ingresses");
    *which = "external-host";
    if (!is_subdomain(host, strlen(host)) || inet_pton(AF_INET, host, &address) == 1)
        return err_set(err, ERR_INPUT,
                       "must be a name in small letters, without a port, as it is the host of "
                       "Ingresses (external: direct), not '%s'",
                       host);
    return 0;
}

static int agree_times(const struct settings *settings, const char **which, struct err *err)
{
    const struct authority_settings authority = {settings->api_group, settings->ca_duration,
                                                 settings->certificate_duration,
                                                 settings->ca_publish};

    *which = "certificate-duration, ca-duration and ca-publish";
    if (authority_settings_check(&authority, err) < 0)
        return -1;
    *which = "lease-duration";
    if (settings->lease_duration > LEASE_SECONDS_MAX)
        return err_set(err, ERR_INPUT, "must be 24h or less");
    if (settings->lease_duration <= settings->lease_renew)
        return err_set(err, ERR_INPUT, "must be longer than lease-renew");
    *which = "lease-renew";
    if (settings->lease_renew * 5 <= settings->lease_retry * 6)
        return err_set(err, ERR_INPUT, "must be more than 1.2 times lease-retry");
    return 0;
}

int settings_agree(const struct settings *settings, const char **which, struct err *err)
{
    if (agree_external(settings, which, err) < 0)
        return -1;
    return agree_times(settings, which, err);
}
