/* SPDX-License-Identifier: Apache-2.0 */
#include "export/names.h"

#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { DIGEST_DIGITS = 8 };

#define IMPORTED_CA "export-ca-cm-"
#define IMPORTED_HEADER "header-secret-"
enum { IMPORTED_MAX = NAME_SUBDOMAIN_MAX - (sizeof(IMPORTED_HEADER) - 1) };

struct names_scheme {
    const char *group, *service, *ingress, *token, *tls, *manifest, *restored, *label;
};

static const struct names_scheme schemes[] = {
    {"export.kubevirt.io", "virt-export-", "virt-export-", "export-token-", "virt-export-tls-",
     "exporter-vm-manifest-", "", "kubevirt.io.virt-export-service"},
    {"export.vmexport.io", "vmexport-", "vmexport-", "vmexport-token-", "vmexport-tls-",
     "vmexport-manifest-", "vmexport-", "vmexport.io/export-service"},
};

static const char *const reserved_volumes[] = {NAMES_VOLUME_TOKEN, NAMES_VOLUME_CERTIFICATES,
                                               NAMES_VOLUME_MANIFESTS, NAMES_VOLUME_RUN};

/* What kind of name it has to be. */
struct rule {
    size_t max;
    bool dots;
};
static const struct rule label = {NAME_LABEL_MAX, false};
static const struct rule label_value = {NAME_LABEL_MAX, true};
static const struct rule subdomain = {NAME_SUBDOMAIN_MAX, true};
static const struct rule imported = {IMPORTED_MAX, true};

const struct names_scheme *names_of_group(const char *group)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strcmp(schemes[i].group, group) == 0)
            return &schemes[i];
    return NULL;
}

/* ---- making a name fit ---- */

static void append(struct name *name, size_t *len, const char *text, bool dots, size_t max)
{
    for (; *text && *len < max; text++)
        name->text[(*len)++] = *text == '.' && !dots ? '-' : *text;
}

/*
 * Appends "-" and the digest of `seed`, after what is left of the name when both fit in `max`. It is
 * cut back to a letter or digit: the parts of a subdomain don't begin with '-' either.
 */
static void append_digest(struct name *name, size_t len, size_t max, const char *seed)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    uint32_t head;

    if (len > max - 1 - DIGEST_DIGITS)
        len = max - 1 - DIGEST_DIGITS;
    while (len && strchr("-.", name->text[len - 1]))
        len--;
    SHA256((const unsigned char *)seed, strlen(seed), digest);
    head = (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
    snprintf(name->text + len, sizeof(name->text) - len, "%s%0*x", len ? "-" : "", DIGEST_DIGITS,
             head);
}

/* `prefix` and `text`; with the digest of `seed` if they don't fit the rule, or if `always`. */
static struct name derive(const char *prefix, const char *text, struct rule rule, const char *seed,
                          bool always)
{
    struct name name = {""};
    size_t len = 0;

    append(&name, &len, prefix, rule.dots, rule.max);
    append(&name, &len, text, rule.dots, rule.max);
    if (always || strlen(prefix) + strlen(text) > rule.max || (!rule.dots && strchr(text, '.')))
        append_digest(&name, len, rule.max, seed);
    return name;
}

static struct name of_export(const char *prefix, const char *export_name, struct rule rule)
{
    return derive(prefix, export_name, rule, export_name, false);
}

/* ---- beside the export ---- */

struct name names_service(const struct names_scheme *scheme, const char *export_name)
{
    return of_export(scheme->service, export_name, label);
}

struct name names_pod(const struct names_scheme *scheme, const char *export_name)
{
    return names_service(scheme, export_name); /* its host name is a label, too */
}

struct name names_ingress(const struct names_scheme *scheme, const char *export_name)
{
    return of_export(scheme->ingress, export_name, subdomain);
}

struct name names_token(const struct names_scheme *scheme, const char *export_name)
{
    return of_export(scheme->token, export_name, subdomain);
}

struct name names_tls(const struct names_scheme *scheme, const char *export_name)
{
    return of_export(scheme->tls, export_name, subdomain);
}

struct name names_manifest(const struct names_scheme *scheme, const char *export_name)
{
    return of_export(scheme->manifest, export_name, subdomain);
}

struct name names_restored(const struct names_scheme *scheme, const char *export_name,
                           const char *claim)
{
    char text[2 * sizeof(struct name)], seed[sizeof(text)]; /* two names of objects at most */

    snprintf(text, sizeof(text), "%s-%s", export_name, claim);
    snprintf(seed, sizeof(seed), "%s/%s", export_name, claim);
    return derive(scheme->restored, text, subdomain, seed, strchr(export_name, '-') != NULL);
}

const char *names_label_key(const struct names_scheme *scheme)
{
    return scheme->label;
}

struct name names_label(const char *export_name)
{
    return of_export("", export_name, label_value);
}

struct name names_client_token(const char *export_name)
{
    return of_export("secret-", export_name, subdomain);
}

/* ---- within the pod ---- */

static bool is_reserved(const char *volume)
{
    for (size_t i = 0; i < sizeof(reserved_volumes) / sizeof(reserved_volumes[0]); i++)
        if (strcmp(reserved_volumes[i], volume) == 0)
            return true;
    return false;
}

struct name names_volume(const char *claim)
{
    return derive("", claim, label, claim, is_reserved(claim));
}

/* ---- within the exported manifests ---- */

struct name names_imported(const char *export_name)
{
    return of_export("", export_name, imported);
}

struct name names_imported_ca(const char *export_name)
{
    return of_export(IMPORTED_CA, names_imported(export_name).text, subdomain);
}

struct name names_imported_header(const char *export_name)
{
    return of_export(IMPORTED_HEADER, names_imported(export_name).text, subdomain);
}
