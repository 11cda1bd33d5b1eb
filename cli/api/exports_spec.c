/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports_spec.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/token_rule.h"
#include "export/names.h"
#include "kube/secret.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- the export ---- */

/* "key=value" texts as an object; NULL for one without a key. A key that comes again wins. */
static struct json *pairs(const struct texts *texts, const char *flag, struct err *err)
{
    struct json *out = json_new_object();

    for (size_t i = 0; i < texts->count; i++) {
        const char *text = texts->text[i], *equals = strchr(text, '=');
        cleanup_free char *key = NULL;

        if (!equals || equals == text) {
            json_free(out);
            err_set(err, ERR_INPUT, "%s: '%s' is no KEY=VALUE", flag, text);
            return NULL;
        }
        key = strndup(text, (size_t)(equals - text));
        if (!key)
            abort();
        json_put(out, key, json_new_string(equals + 1));
    }
    return out;
}

static int put_pairs(struct json *metadata, const char *key, const struct texts *texts,
                     const char *flag, struct err *err)
{
    struct json *object;

    if (!texts->count)
        return 0;
    object = pairs(texts, flag, err);
    if (!object)
        return -1;
    json_set(metadata, key, object);
    return 0;
}

void exports_duration(uint64_t seconds, struct str *out)
{
    if (seconds >= 3600)
        str_printf(out, "%" PRIu64 "h", seconds / 3600);
    if (seconds >= 60)
        str_printf(out, "%" PRIu64 "m", seconds / 60 % 60);
    str_printf(out, "%" PRIu64 "s", seconds % 60);
}

struct json *exports_object(const struct options *options, const struct option_source *source,
                            const struct kube_resource *resource, const char *ns, const char *name,
                            struct err *err)
{
    cleanup_str struct str version = STR_INIT, ttl = STR_INIT;
    cleanup_json struct json *object = NULL;
    struct json *metadata, *spec;

    str_printf(&version, "%s/%s", resource->group, resource->version);
    object = json_format("{'apiVersion':%s,'kind':'" EXPORTS_KIND
                         "','metadata':{'name':%s,'namespace':%s},"
                         "'spec':{'source':{'apiGroup':%s,'kind':%s,'name':%s},"
                         "'tokenSecretRef':%s}}",
                         str_get(&version), name, ns, source->group, source->kind, source->name,
                         names_client_token(name).text);
    metadata = json_edit(object, "metadata");
    spec = json_edit(object, "spec");
    if (put_pairs(metadata, "labels", &options->labels, "--labels", err) < 0 ||
        put_pairs(metadata, "annotations", &options->annotations, "--annotations", err) < 0)
        return NULL;
    if (options->ttl_s) {
        exports_duration(options->ttl_s, &ttl);
        json_set_string(spec, "ttlDuration", str_get(&ttl));
    }
    return steal_ptr(object);
}

/* ---- its token ---- */

void exports_random_token(struct str *out)
{
    static const char characters[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    enum { CHARACTERS = sizeof(characters) - 1, FAIR = 256 - 256 % CHARACTERS };

    for (int count = 0; count < EXPORTS_TOKEN_LENGTH;) {
        unsigned char byte;

        if (getrandom(&byte, 1, 0) != 1) {
            if (errno != EINTR)
                abort(); /* there is no token without it */
        } else if (byte < FAIR) {
            str_putc(out, characters[byte % CHARACTERS]);
            count++;
        }
    }
}

/* blockOwnerDeletion would need the right to update the export's finalizers (OpenShift). */
struct json *exports_secret(const struct json *object, const char *name, const char *token)
{
    cleanup_secret struct str encoded = STR_INIT;

    base64_encode(token, strlen(token), &encoded);
    return json_format(
        "{'apiVersion':'v1','kind':'Secret','type':'Opaque','metadata':{'name':%s,'namespace':%s,"
        "'ownerReferences':[{'apiVersion':%s,'kind':'" EXPORTS_KIND "','name':%s,'uid':%s,"
        "'controller':true,'blockOwnerDeletion':false}]},'data':{'token':%s}}",
        name, json_text(object, "metadata.namespace"), json_text(object, "apiVersion"),
        json_text(object, "metadata.name"), json_text(object, "metadata.uid"), str_get(&encoded));
}

/* ---- one that is there already ---- */

static bool is_text(const struct json *json, const char *key, const char *want)
{
    const char *text = json_text(json, key);

    return text && want && strcmp(text, want) == 0;
}

/* The uid belongs to one export for ever: the owner has gone, whatever has its name by now. */
bool exports_is_left_over(const struct json *secret, const struct json *object)
{
    const struct json *owners = json_at(secret, "metadata.ownerReferences");
    const struct json *owner = json_first(owners);

    return json_count(owners) == 1 && is_text(owner, "kind", EXPORTS_KIND) &&
           is_text(owner, "apiVersion", json_text(object, "apiVersion")) &&
           is_text(owner, "name", json_text(object, "metadata.name")) && json_text(owner, "uid") &&
           !is_text(owner, "uid", json_text(object, "metadata.uid"));
}

bool exports_has_token(const struct json *secret)
{
    const char *encoded = json_string(json_get(json_get(secret, "data"), "token")), *text;
    char *token = encoded ? secret_from_base64(encoded) : NULL;
    size_t len;
    bool has = token && token_rule(token, strlen(token), &text, &len) == TOKEN_RULE_KEPT;

    secret_free(token);
    return has;
}
