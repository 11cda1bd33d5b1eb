/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An export is made in two steps: the export, and the Secret of its token, which it owns and which
 * goes with it. Nothing is left half-made: nobody would ever get in without the Secret, so the export
 * is taken back when it cannot be made.
 */
#include "api/exports.h"

#include "api/exports_spec.h"
#include "base/cleanup.h"
#include "export/names.h"
#include "kube/secret.h"
#include "say.h"

#include <string.h>

enum { SECRET_TRIES = 3 };

static const struct kube_resource secrets = {"", "v1", "secrets", "Secret", true};

/* ---- the Secret ---- */

static int make_secret(struct exports *exports, const struct json *object, const char *name,
                       struct err *err)
{
    cleanup_secret struct str token = STR_INIT;
    cleanup_json struct json *secret = NULL;

    exports_random_token(&token);
    secret = exports_secret(object, name, str_get(&token));
    return kube_create(exports->cluster->conn, &secrets, exports->cluster->ns, secret, NULL, err);
}

/* One that an earlier export of the name has left is about to be collected, whatever it is by then:
 * the new export would lose its token. 0: it is gone. */
static int remove_left_over(struct exports *exports, const struct json *secret, struct err *err)
{
    const struct kube_delete_options options = {.uid = json_text(secret, "metadata.uid"),
                                                .grace_seconds = -1};
    int rc = kube_delete(exports->cluster->conn, &secrets, exports->cluster->ns,
                         json_text(secret, "metadata.name"), &options, NULL, err);

    return rc == 0 || rc == -KUBE_NOT_FOUND || rc == -KUBE_CONFLICT ? 0 : cluster_fail(rc, err);
}

/* Somebody's Secret stays, as it may be there on purpose; it has to have a token. Who may not read
 * Secrets has to believe in that. `*again`: there is none any more. */
static int take_secret(struct exports *exports, const struct json *object, const char *name,
                       bool *again, struct err *err)
{
    cleanup_json struct json *secret = NULL;
    const char *ns = exports->cluster->ns;
    int rc = kube_get(exports->cluster->conn, &secrets, ns, name, &secret, err);

    *again = rc == -KUBE_NOT_FOUND || (rc == 0 && exports_is_left_over(secret, object));
    if (*again)
        return secret ? remove_left_over(exports, secret, err) : 0;
    if (rc < 0 && rc != -KUBE_FORBIDDEN)
        return cluster_fail(rc, err);
    if (rc == 0 && !exports_has_token(secret))
        return err_set(err, ERR_UNAVAILABLE,
                       "Secret '%s/%s' is there already and has no token: delete it, or put one "
                       "under its key 'token'",
                       ns, name);
    say("Secret '%s/%s' is there already: its token is used", ns, name);
    return 0;
}

static int put_secret(struct exports *exports, const struct json *object, struct err *err)
{
    const char *name = json_text(object, "spec.tokenSecretRef");

    for (int i = 0; i < SECRET_TRIES; i++) {
        int rc = make_secret(exports, object, name, err);
        bool again;

        if (rc != -KUBE_ALREADY_EXISTS)
            return rc < 0 ? cluster_fail(rc, err) : 0;
        if (take_secret(exports, object, name, &again, err) < 0)
            return -1;
        if (!again)
            return 0;
    }
    return err_set(err, ERR_IO, "Secret '%s/%s' comes and goes: somebody else makes it",
                   exports->cluster->ns, name);
}

/* ---- the export ---- */

/* What was made is made no more, also when an interrupt is why. */
static void take_back(struct exports *exports, const struct kube_resource *resource,
                      const struct json *object)
{
    const struct kube_delete_options options = {.uid = json_text(object, "metadata.uid"),
                                                .grace_seconds = -1};
    const char *name = json_text(object, "metadata.name");
    struct kube_conn *conn = cluster_spare(exports->cluster);
    struct err err;
    int rc = kube_delete(conn, resource, exports->cluster->ns, name, &options, NULL, &err);

    if (rc < 0 && rc != -KUBE_NOT_FOUND && rc != -KUBE_CONFLICT)
        say_warning(EXPORTS_KIND " '%s/%s' has no token and could not be deleted again: %s",
                    exports->cluster->ns, name, err.msg);
    kube_conn_free(conn);
}

static int already_there(const struct exports *exports, const char *name, struct err *err)
{
    return err_set(err, ERR_PRECONDITION, EXPORTS_KIND " '%s/%s' already exists",
                   exports->cluster->ns, name);
}

/* In whichever group: nobody could tell two of a name apart without --api-group. */
static int check_free(struct exports *exports, const char *name, struct err *err)
{
    const struct kube_resource *resource;
    struct err ignored = {.class = ERR_NONE};

    if (exports_get(exports, name, &resource, NULL, &ignored) == 0 || ignored.class == ERR_INPUT)
        return already_there(exports, name, err);
    if (ignored.class == ERR_NOT_FOUND || ignored.class == ERR_FORBIDDEN)
        return 0;
    *err = ignored;
    return -1;
}

int exports_create(struct exports *exports, const struct options *options,
                   const struct option_source *source, const char *name, struct json **object,
                   struct err *err)
{
    const struct kube_resource *resource = &exports->group[0];
    const char *ns = exports->cluster->ns;
    cleanup_json struct json *wanted = exports_object(options, source, resource, ns, name, err);
    cleanup_json struct json *made = NULL;
    int rc;

    if (!wanted || check_free(exports, name, err) < 0)
        return -1;
    rc = kube_create(exports->cluster->conn, resource, ns, wanted, &made, err);
    if (rc == -KUBE_ALREADY_EXISTS)
        return already_there(exports, name, err);
    if (rc < 0)
        return cluster_fail(rc, err);
    if (put_secret(exports, made, err) < 0) {
        take_back(exports, resource, made);
        return err_wrap(err, "the token of " EXPORTS_KIND " '%s/%s', which was not made", ns, name);
    }
    say(EXPORTS_KIND " '%s/%s' created successfully", ns, name);
    if (object)
        *object = steal_ptr(made);
    return 0;
}
