/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports.h"

#include "base/cleanup.h"
#include "base/token_rule.h"
#include "kube/secret.h"
#include "say.h"

#include <string.h>

static const char *const groups[EXPORTS_GROUPS_MAX] = {"export.vmexport.io", "export.kubevirt.io"};
static const char kubevirt_group[] = "export.kubevirt.io";
static const char *const versions[] = {"v1", "v1beta1", "v1alpha1", NULL};
static const struct kube_resource secrets = {"", "v1", "secrets", "Secret", true};

/* ---- discovery ---- */

static void add_group(struct exports *out, const char *group, const char *version)
{
    out->group[out->count++] =
        (struct kube_resource){group, version, "virtualmachineexports", EXPORTS_KIND, true};
}

/* Who may not ask what is served may still make exports: what KubeVirt serves is assumed. */
static int discover_group(struct exports *out, const char *group, struct err *err)
{
    const char *version;

    if (cluster_version(out->cluster, group, versions, &version, err) == 0) {
        add_group(out, group, version);
        return 0;
    }
    if (err->class == ERR_FORBIDDEN && strcmp(group, kubevirt_group) == 0)
        add_group(out, group, versions[0]);
    return err->class == ERR_FORBIDDEN || err->class == ERR_NOT_FOUND ? 0 : -1;
}

static bool is_known_group(const char *group)
{
    for (size_t i = 0; i < EXPORTS_GROUPS_MAX; i++)
        if (strcmp(groups[i], group) == 0)
            return true;
    return false;
}

int exports_discover(struct cluster *cluster, const char *api_group, struct exports *out,
                     struct err *err)
{
    *out = (struct exports){.cluster = cluster};
    if (api_group && !is_known_group(api_group))
        return err_set(err, ERR_INPUT, "--api-group: '%s' is none of %s and %s", api_group,
                       groups[0], groups[1]);
    for (size_t i = 0; i < EXPORTS_GROUPS_MAX; i++)
        if ((!api_group || strcmp(api_group, groups[i]) == 0) &&
            discover_group(out, groups[i], err) < 0)
            return -1;
    if (out->count)
        return 0;
    return err_set(err, ERR_NOT_FOUND,
                   "the cluster serves no " EXPORTS_KIND
                   "s%s%s: install vmexport there (its Helm chart), "
                   "or KubeVirt with its feature gate VMExport",
                   api_group ? " of the group " : "", api_group ? api_group : "");
}

/* ---- reading ---- */

static int ambiguous(const struct exports *exports, const char *name, struct err *err)
{
    return err_set(err, ERR_INPUT,
                   "there is a " EXPORTS_KIND
                   " '%s/%s' in each of %s and %s: choose by --api-group",
                   exports->cluster->ns, name, exports->group[0].group, exports->group[1].group);
}

int exports_get(struct exports *exports, const char *name, const struct kube_resource **resource,
                struct json **object, struct err *err)
{
    cleanup_json struct json *found = NULL;
    struct err refused = {.class = ERR_NONE};

    for (size_t i = 0; i < exports->count; i++) {
        cleanup_json struct json *one = NULL;
        int rc = kube_get(exports->cluster->conn, &exports->group[i], exports->cluster->ns, name,
                          &one, err);

        if (rc == 0 && found)
            return ambiguous(exports, name, err);
        if (rc == 0) {
            found = steal_ptr(one);
            *resource = &exports->group[i];
        } else if (cluster_fail(rc, err), err->class == ERR_FORBIDDEN) {
            refused = *err; /* of one group; it may be in the other */
        } else if (err->class != ERR_NOT_FOUND) {
            return -1;
        }
    }
    if (!found && refused.class != ERR_NONE) {
        *err = refused;
        return -1;
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND, EXPORTS_KIND " '%s/%s' does not exist",
                       exports->cluster->ns, name);
    if (object)
        *object = steal_ptr(found);
    return 0;
}

/* The Secret's name: what the controller says that it takes, else what the user asked for. */
static const char *token_secret(const struct json *object)
{
    const char *status = json_text(object, "status.tokenSecretRef");

    return status && *status ? status : json_text(object, "spec.tokenSecretRef");
}

int exports_token(struct exports *exports, const struct json *object, char **token, struct err *err)
{
    const char *name = token_secret(object), *text;
    const char *ns = exports->cluster->ns;
    cleanup_json struct json *secret = NULL;
    char *whole;
    size_t len;
    int rc;

    if (!name || !*name)
        return err_set(err, ERR_UNAVAILABLE,
                       EXPORTS_KIND " '%s/%s' names no Secret of its token yet", ns,
                       json_text(object, "metadata.name"));
    rc = kube_get(exports->cluster->conn, &secrets, ns, name, &secret, err);
    if (rc < 0) {
        cluster_fail(rc, err);
        return err_wrap(err, "the token of " EXPORTS_KIND " '%s/%s'", ns,
                        json_text(object, "metadata.name"));
    }
    text = json_string(json_get(json_get(secret, "data"), "token"));
    whole = text ? secret_from_base64(text) : NULL;
    if (!whole || token_rule(whole, strlen(whole), &text, &len) != TOKEN_RULE_KEPT) {
        secret_free(whole);
        return err_set(err, ERR_UNAVAILABLE,
                       "Secret '%s/%s' has no key 'token' with a text that can be one: put one "
                       "there, such as 32 letters and digits",
                       ns, name);
    }
    memmove(whole, text, len);
    whole[len] = '\0';
    *token = whole;
    return 0;
}

/* ---- deleting ---- */

enum deletion { DELETION_FAILED = -1, DELETION_NONE, DELETION_DONE, DELETION_ANOTHER };

static enum deletion delete_in(struct exports *exports, const struct kube_resource *resource,
                               const char *name, const char *uid, struct err *err)
{
    const struct kube_delete_options options = {.uid = uid, .grace_seconds = -1};
    int rc = kube_delete(exports->cluster->conn, resource, exports->cluster->ns, name, &options,
                         NULL, err);

    if (rc == 0) {
        say(EXPORTS_KIND " '%s/%s' deleted successfully", exports->cluster->ns, name);
        return DELETION_DONE;
    }
    if (rc == -KUBE_NOT_FOUND)
        return DELETION_NONE;
    /* One of another uid is not the one that was meant. */
    if (uid && rc == -KUBE_CONFLICT)
        return DELETION_ANOTHER;
    return (enum deletion)cluster_fail(rc, err);
}

/* It is the only one of its uid, in whatever group. */
static int delete_uid(struct exports *exports, const char *name, const char *uid, bool *was_there,
                      struct err *err)
{
    struct err refused = {.class = ERR_NONE};
    bool another = false;

    for (size_t i = 0; i < exports->count && !*was_there; i++) {
        enum deletion deletion = delete_in(exports, &exports->group[i], name, uid, err);

        if (deletion == DELETION_FAILED && err->class != ERR_FORBIDDEN)
            return -1;
        if (deletion == DELETION_FAILED)
            refused = *err; /* of one group; it may be in the other */
        another |= deletion == DELETION_ANOTHER;
        *was_there = deletion == DELETION_DONE;
    }
    if (!*was_there && another)
        say(EXPORTS_KIND " '%s/%s' is another one by now: it stays", exports->cluster->ns, name);
    if (*was_there || another || refused.class == ERR_NONE)
        return 0;
    *err = refused;
    return -1;
}

int exports_delete(struct exports *exports, const char *name, const char *uid, bool *was_there,
                   struct err *err)
{
    const struct kube_resource *resource = &exports->group[0];
    enum deletion deletion;

    *was_there = false;
    if (uid)
        return delete_uid(exports, name, uid, was_there, err);
    if (exports->count > 1 && exports_get(exports, name, &resource, NULL, err) < 0)
        return err->class == ERR_NOT_FOUND ? 0 : -1;
    deletion = delete_in(exports, resource, name, NULL, err);
    *was_there = deletion == DELETION_DONE;
    return deletion == DELETION_FAILED ? -1 : 0;
}

int exports_run(const struct options *options, exports_command_fn *command, struct err *err)
{
    struct cluster cluster;
    struct exports exports;
    int rc;

    if (cluster_open(options, &cluster, err) < 0)
        return -1;
    rc = exports_discover(&cluster, options->api_group, &exports, err);
    if (rc == 0)
        rc = command(&exports, options, err);
    cluster_close(&cluster);
    return rc;
}
