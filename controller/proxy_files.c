/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_files.h"
#include "base/base64.h"
#include "base/log.h"
#include "external.h"
#include "owner.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 5 };

/* One object of the two. */
struct file {
    enum kind kind;
    const char *name;
    const char *type;         /* of a Secret, else NULL */
    const struct json *known; /* as kept, NULL: there is none */
    struct json *data;        /* wanted; whole, of the Secret also its encoding */
    const char *what;         /* for the log */
};

static int write_file(const struct proxy_files *files, const struct file *file, struct err *err)
{
    const struct kube_resource *resource = &kind_table[file->kind].resource;
    const char *ns = files->cache->settings->namespace_;
    struct kube_store_write *write =
        kube_store_begin(files->cache->stores[file->kind], ns, file->name);
    cleanup_json struct json *body = NULL, *made = NULL;
    int rc;

    if (file->known) {
        body = json_format("{'data':%j}", file->data);
        rc = kube_patch(files->conn, resource, ns, file->name, NULL, KUBE_PATCH_MERGE, body, &made,
                        err);
    } else {
        body = json_format("{'apiVersion':'v1','kind':%s,'metadata':{'name':%s,'namespace':%s,"
                           "'labels':{'" MANAGED_BY_LABEL "':'" MANAGED_BY "'}},'data':%j}",
                           resource->kind, file->name, ns, file->data);
        if (file->type)
            json_set_string(body, "type", file->type);
        rc = owner_put(files->conn, files->cache->settings, body, err);
        if (rc == 0)
            rc = kube_create(files->conn, resource, ns, body, &made, err);
    }
    kube_store_commit(write, rc == 0 ? made : NULL, false);
    if (rc == -KUBE_ALREADY_EXISTS)
        return err_set(err, ERR_UNAVAILABLE,
                       "%s %s/%s is not the controller's, and the export proxy needs it: delete it "
                       "or give it another name",
                       resource->kind, ns, file->name);
    if (rc < 0)
        return err_wrap(err, "the export proxy's %s %s/%s", resource->kind, ns, file->name);
    log_info("%s %s/%s: %s", resource->kind, ns, file->name, file->what);
    return 0;
}

static struct json *known(struct cache *cache, enum kind kind, const char *name)
{
    return kube_store_get(cache->stores[kind], cache->settings->namespace_, name);
}

static int keep_bundle(const struct proxy_files *files, struct err *err)
{
    cleanup_json struct json *map = known(files->cache, KIND_CONFIGMAP, CA_CONFIGMAP);
    cleanup_json struct json *data = json_format("{'ca.pem':%s}", files->authority->bundle);
    const char *is = json_string(json_get(json_get(map, "data"), "ca.pem"));
    const struct file file = {KIND_CONFIGMAP,          CA_CONFIGMAP, NULL, map, data,
                              "the CAs are made known"};

    return is && strcmp(is, files->authority->bundle) == 0 ? 0 : write_file(files, &file, err);
}

/* An address in the form in which certificates are read, another name as it is; the caller frees. */
static char *normal_name(char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN];

    if (inet_pton(AF_INET6, name, address) != 1)
        return name;
    free(name);
    return strdup(inet_ntop(AF_INET6, address, text, sizeof(text)));
}

/* The names of the Service, and the host outside; the caller frees each. */
static size_t proxy_names(const struct proxy_files *files, char **names)
{
    const struct settings *settings = files->cache->settings;
    const size_t service = strlen(settings->proxy_service);
    const size_t with_namespace = service + 1 + strlen(settings->namespace_);
    const size_t with_svc = with_namespace + strlen(".svc");
    const size_t lengths[] = {with_svc, SIZE_MAX, with_namespace, service};
    cleanup_str struct str whole = STR_INIT;
    size_t count = 0;

    str_printf(&whole, "%s.%s.svc.%s", settings->proxy_service, settings->namespace_,
               settings->cluster_domain);
    for (; count < sizeof(lengths) / sizeof(lengths[0]); count++)
        names[count] = strndup(str_get(&whole), lengths[count]);
    if (files->external_host)
        names[count++] = normal_name(external_name(files->external_host));
    return count;
}

static bool is_ours(const struct json *secret)
{
    const char *by = json_string(json_get(json_at(secret, "metadata.labels"), MANAGED_BY_LABEL));

    return by && strcmp(by, MANAGED_BY) == 0;
}

static int issue(const struct proxy_files *files, const struct json *secret,
                 const char *const *names, size_t count, const char *why, time_t now,
                 struct err *err)
{
    cleanup_json struct json *data =
        authority_issue(files->authority, names, count, files->durations, now, err);
    cleanup_str struct str what = STR_INIT;
    struct file file = {KIND_OWN_SECRET,
                        files->cache->settings->proxy_certificate,
                        "kubernetes.io/tls",
                        secret,
                        data,
                        NULL};

    str_printf(&what, "the proxy's certificate %s: a new one is made", why);
    file.what = str_get(&what);
    return data ? write_file(files, &file, err) : -1;
}

static int keep_certificate(const struct proxy_files *files, time_t now, time_t *next,
                            struct err *err)
{
    cleanup_json struct json *secret =
        known(files->cache, KIND_OWN_SECRET, files->cache->settings->proxy_certificate);
    char *names[NAMES_MAX];
    size_t count;
    const char *stale;
    time_t renewal = 0;
    int rc = 0;

    if (secret && !is_ours(secret))
        return 0;
    count = proxy_names(files, names);
    stale = authority_leaf_stale(files->authority, secret, (const char *const *)names, count, now,
                                 &renewal);
    if (stale) {
        rc = issue(files, secret, (const char *const *)names, count, stale, now, err);
        renewal = now + 1; /* to see when the new one is due: our own write wakes nobody */
    }
    if (renewal < *next)
        *next = renewal;
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return rc;
}

void proxy_files_trust(struct cache *cache, const char *bundle, struct str *pem)
{
    const char *name = cache->settings->proxy_certificate, *text;
    cleanup_json struct json *secret = *name ? known(cache, KIND_OWN_SECRET, name) : NULL;

    if (secret && !is_ours(secret)) {
        text = json_string(json_get(json_get(secret, "data"), "tls.crt"));
        if (text && base64_decode(text, pem) < 0)
            str_clear(pem);
    } else if (*name && bundle) {
        str_puts(pem, bundle);
    }
}

int proxy_files_keep(const struct proxy_files *files, time_t now, time_t *next, struct err *err)
{
    const struct settings *settings = files->cache->settings;
    struct err of_certificate;
    int rc;

    if (settings->external != EXTERNAL_PROXY)
        return 0;
    rc = keep_bundle(files, err);
    if (*settings->proxy_certificate &&
        keep_certificate(files, now, next, rc < 0 ? &of_certificate : err) < 0)
        rc = -1;
    return rc;
}
