/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"
#include "base/log.h"
#include "token.h"

#include <stdlib.h>
#include <string.h>

/* Only its worker looks at a memo, so that it needs no lock. */
static struct memo *memo_of(struct world *world)
{
    return cache_memo(world->cache, world_printf(world, "%s/%s", world->ns, world->name));
}

static void set(char **text, const char *value)
{
    free(*text);
    *text = strdup(value);
    if (!*text)
        abort();
}

static void remember_token(struct world *world, const struct json *secret, enum token_state state)
{
    struct memo *memo = memo_of(world);
    const char *version = json_text(secret, "metadata.resourceVersion");

    memo->token = state;
    set(&memo->token_version, version ? version : "");
}

void ask_token_made(struct world *world, const struct json *secret)
{
    remember_token(world, secret, TOKEN_GOOD);
}

/* The Secret is put into the store, so that what becomes of it is told from then on. */
static int ask_token(struct apply *apply, struct world *world, const char *name, struct err *err)
{
    struct kube_store_write *write =
        kube_store_begin(apply->cache->stores[KIND_SECRET], world->ns, name);
    cleanup_json struct json *secret = NULL;
    int rc =
        kube_get(apply->conn, &kind_table[KIND_SECRET].resource, world->ns, name, &secret, err);

    if (rc < 0 && rc != -KUBE_NOT_FOUND) {
        kube_store_commit(write, NULL, false);
        return rc;
    }
    remember_token(world, secret, secret ? token_judge(secret) : TOKEN_MISSING);
    kube_store_commit(write, secret, rc == -KUBE_NOT_FOUND);
    return 0;
}

/* ---- the certificate ---- */

static void remember_certificate(struct world *world, const struct json *secret, bool bad)
{
    struct memo *memo = memo_of(world);
    const char *version = json_text(secret, "metadata.resourceVersion");

    memo->tls_bad = bad;
    set(&memo->tls_version, version ? version : "");
}

void ask_certificate_made(struct world *world, const struct json *secret)
{
    remember_certificate(world, secret, false);
}

void ask_certificate_seen(struct world *world)
{
    const struct json *secret;

    if (!world->memo || world->memo->tls_version)
        return;
    secret = world_get(world, KIND_SECRET, names_tls(world->settings->names, world->name).text);
    if (secret && world_owns(world, secret))
        remember_certificate(world, secret, false);
}

/* Labels and annotations may change; the certificate may be another one that is as good. */
static bool is_bad(struct apply *apply, struct world *world, const struct json *secret)
{
    struct tls_names names = child_tls_names(world);
    const char *why = NULL;
    time_t next;

    pthread_rwlock_rdlock(&apply->signer->lock);
    if (apply->signer->authority)
        why = authority_leaf_stale(apply->signer->authority, secret, names.name, TLS_NAMES_COUNT,
                                   world->now, &next);
    pthread_rwlock_unlock(&apply->signer->lock);
    if (why)
        log_info("export %s/%s: somebody has changed Secret %s: its certificate %s", world->ns,
                 world->name, json_text(secret, "metadata.name"), why);
    return why != NULL;
}

static int ask_certificate(struct apply *apply, struct world *world, const char *name,
                           struct err *err)
{
    struct kube_store_write *write =
        kube_store_begin(apply->cache->stores[KIND_SECRET], world->ns, name);
    cleanup_json struct json *secret = NULL;
    int rc =
        kube_get(apply->conn, &kind_table[KIND_SECRET].resource, world->ns, name, &secret, err);

    if (rc == 0)
        remember_certificate(world, secret, is_bad(apply, world, secret));
    kube_store_commit(write, secret, rc == -KUBE_NOT_FOUND);
    return rc == -KUBE_NOT_FOUND ? 0 : rc;
}

/* ---- the machine ---- */

enum { EXPAND_AGAIN_SECONDS = 60 };

/*
 * KubeVirt writes out what the instancetype and the preference stand for. Where it is not there to
 * do so, or cannot, the machine's manifest keeps the reference, and disks are given out meanwhile.
 */
static int ask_expansion(struct apply *apply, struct world *world, const char *name,
                         struct err *err)
{
    const struct json *vm = world_get(world, KIND_VM, name);
    struct memo *memo = memo_of(world);
    cleanup_str struct str version = STR_INIT;
    struct json *expanded = NULL;
    int rc = kube_get_path(
        apply->conn,
        world_printf(world,
                     "/apis/subresources.kubevirt.io/v1/namespaces/%s/virtualmachines/%s/"
                     "expand-spec",
                     world->ns, name),
        &expanded, err);

    if (rc == -KUBE_CANCELLED)
        return rc;
    json_free(memo->expanded);
    memo->expanded = rc == 0 ? expanded : NULL;
    memo->expand_again = world->now + EXPAND_AGAIN_SECONDS;
    kind_digest(vm, &version);
    set(&memo->vm_version, str_get(&version));
    return 0;
}

int ask(struct apply *apply, struct world *world, const struct plan *plan, struct err *err)
{
    switch (plan->need) {
    case NEED_NOTHING:
        break;
    case NEED_TOKEN:
        return ask_token(apply, world, plan->need_name, err);
    case NEED_CERTIFICATE:
        return ask_certificate(apply, world, plan->need_name, err);
    case NEED_EXPANSION:
        return ask_expansion(apply, world, plan->need_name, err);
    }
    return 0;
}
