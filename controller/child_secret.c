/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token that lets users in, and the certificate that the pod shows them.
 *
 * A token is the user's own, or made here when none is named; either way its Secret is looked into
 * before a pod is made, as an empty one would let nobody in and a missing one would let the pod
 * never start. One that goes while the pod runs takes the pod along: whoever deletes a token means
 * that nobody gets in any more.
 *
 * The certificate's Secret says in annotations what the controller has to know of it, so that no
 * private key is read back but of a Secret that somebody else has changed: its resourceVersion is
 * then another than that of our own last write. It is renewed in place: the pod takes the new one
 * without cutting a download.
 */
#include "base/token_rule.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

static const struct json *annotation(const struct json *object, const char *key)
{
    return json_get(json_at(object, "metadata.annotations"), key);
}

/* ---- the token ---- */

static void make_token(struct children *children)
{
    struct world *world = children->world;
    cleanup_json struct json *metadata = child_metadata(children, children->token, false);
    struct step *step = plan_step(children->plan, STEP_TOKEN, KIND_SECRET, children->token);

    step->object = world_keep(
        world,
        json_format("{'apiVersion':'v1','kind':'Secret','type':'Opaque','metadata':%j}", metadata));
}

static void judge_token(struct children *children)
{
    struct world *world = children->world;

    switch (world->memo->token) {
    case TOKEN_UNKNOWN:
    case TOKEN_GOOD:
        break;
    case TOKEN_MISSING:
        child_trouble(children, "TokenSecretNotFound",
                      world_printf(world,
                                   "Secret %s/%s with the token does not exist: make it, with the "
                                   "token under the key 'token'",
                                   world->ns, children->token));
        break;
    case TOKEN_NO_KEY:
        child_trouble(children, "TokenSecretInvalid",
                      world_printf(world, "Secret %s/%s has no key 'token': put the token there",
                                   world->ns, children->token));
        break;
    case TOKEN_EMPTY:
        child_trouble(children, "TokenSecretInvalid",
                      world_printf(world,
                                   "the token in Secret %s/%s is empty: put one there, 12 or more "
                                   "letters and digits",
                                   world->ns, children->token));
        break;
    case TOKEN_CHARACTERS:
        child_trouble(
            children, "TokenSecretInvalid",
            world_printf(world,
                         "the token in Secret %s/%s has a control character in it, which no "
                         "client can send: put one of letters and digits there, 12 or more",
                         world->ns, children->token));
        break;
    case TOKEN_LONG:
        child_trouble(children, "TokenSecretInvalid",
                      world_printf(world,
                                   "the token in Secret %s/%s is longer than %d bytes: put a "
                                   "shorter one there, such as 32 letters and digits",
                                   world->ns, children->token, TOKEN_MAX));
        break;
    }
}

void child_token(struct children *children)
{
    struct world *world = children->world;
    const struct json *secret = world_get(world, KIND_SECRET, children->token);
    const char *version = json_text(secret, "metadata.resourceVersion");
    const char *known = world->memo->token_version;
    bool named = json_text(world->export, "spec.tokenSecretRef") != NULL;

    if (!named && secret && child_taken(children, KIND_SECRET, children->token, secret))
        return;
    if (!named && !secret) { /* ours would have been told by the watch */
        make_token(children);
        return;
    }
    if (!known || strcmp(known, version ? version : "")) {
        children->plan->need = NEED_TOKEN;
        children->plan->need_name = children->token;
        return;
    }
    judge_token(children);
}

/* ---- the certificate ---- */

struct tls_names child_tls_names(struct world *world)
{
    const char *service =
        world_printf(world, "%s", names_service(world->settings->names, world->name).text);

    return (struct tls_names){
        {service, world_printf(world, "%s.%s", service, world->ns),
         world_printf(world, "%s.%s.svc", service, world->ns),
         world_printf(world, "%s.%s.svc.%s", service, world->ns, world->settings->cluster_domain)}};
}

static bool certificate_good(const struct world *world, const struct json *secret,
                             const char *names, time_t *renew_at)
{
    const char *signer = json_string(annotation(secret, TLS_SIGNER));
    const char *has = json_string(annotation(secret, TLS_NAMES));
    const char *renew = json_string(annotation(secret, TLS_RENEW_AT));

    *renew_at = renew ? (time_t)strtoll(renew, NULL, 10) : 0;
    return signer && has && strcmp(has, names) == 0 && strstr(world->around->signers, signer) &&
           *renew_at > world->now;
}

/* Since it was made, or seen first by this controller, which trusts what it finds then. */
static bool was_changed(const struct world *world, const struct json *secret)
{
    const char *version = json_text(secret, "metadata.resourceVersion");
    const char *known = world->memo->tls_version;

    return known && version && strcmp(known, version);
}

void child_tls(struct children *children)
{
    struct world *world = children->world;
    const struct json *secret = world_get(world, KIND_SECRET, children->tls);
    const char *names = child_tls_names(world).name[TLS_NAMES_COUNT - 1];
    cleanup_json struct json *metadata = NULL;
    time_t renew_at = 0;
    struct step *step;

    if (!world->around->signer && secret && world_owns(world, secret))
        return; /* whoever runs goes on with what he has */
    if (!world->around->signer) {
        child_trouble(children, "NoCertificateAuthority",
                      "the controller has no certificate authority that it can use: whoever runs "
                      "it finds the cause "
                      "and the remedy in its log");
        return;
    }
    if (secret && child_taken(children, KIND_SECRET, children->tls, secret))
        return;
    if (secret && certificate_good(world, secret, names, &renew_at)) {
        if (was_changed(world, secret)) {
            children->plan->need = NEED_CERTIFICATE;
            children->plan->need_name = children->tls;
            return;
        }
        if (!world->memo->tls_bad) {
            plan_look_again(children->plan, renew_at);
            return;
        }
    }
    metadata = child_metadata(children, children->tls, false);
    step = plan_step(children->plan, STEP_CERTIFICATE, KIND_SECRET, children->tls);
    step->exists = secret != NULL;
    step->uid = json_text(secret, "metadata.uid");
    step->object = world_keep(
        world,
        json_format("{'apiVersion':'v1','kind':'Secret','type':'kubernetes.io/tls','metadata':%j}",
                    metadata));
}
