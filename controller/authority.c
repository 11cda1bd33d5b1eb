/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No certificate is ever presented whose CA a client cannot know:
 *
 *   - A new CA is first only published (next.crt); it signs once it has been in the bundle for
 *     `publish`, so that whoever caches the bundle (the proxy, an importer's ConfigMap) has it.
 *   - A CA that signs no more stays in the bundle until it expires. What it signed expires no
 *     later, as a certificate never outlives its CA (pki_make_leaf).
 *   - The successor is made two `publish` before certificates of full length would outlive the
 *     signer. Should it be kept waiting (the controller was away, or restarts again and again), it
 *     takes over when half of the time is gone that was left to the signer as it was made.
 *
 *      signer   |------------------------------------------|- leaf_duration -|
 *      next                              |-- publish --|---- signs ----...
 *
 * Only when there is no signer, or its time is over, does a new CA sign at once: there is nothing
 * to overlap with.
 */
#include "authority_internal.h"
#include "base/base64.h"
#include "base/cleanup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Kubelets take up to two minutes to bring a new Secret to a pod: no less is left of so short a
 * certificate when it is renewed. */
enum { LEAF_DURATION_MIN = 420 };

/* The Secret, read. */
struct state {
    struct pki_pair *signer, *next; /* NULL: none */
    struct pki_bundle previous;
};

int authority_settings_check(const struct authority_settings *settings, struct err *err)
{
    if (settings->leaf_duration < LEAF_DURATION_MIN)
        return err_set(err, ERR_INPUT, "certificates must be valid for at least %d seconds",
                       LEAF_DURATION_MIN);
    if (settings->publish < 0)
        return err_set(err, ERR_INPUT, "the time before a new CA signs must not be negative");
    /* Room for one life of a certificate before the successor comes. */
    if ((settings->ca_duration - settings->publish * 2) / 2 < settings->leaf_duration)
        return err_set(err, ERR_INPUT,
                       "the CA must be valid for at least twice as long as its certificates and "
                       "twice the time before a new CA signs: %lld seconds or more",
                       2LL * (settings->leaf_duration + settings->publish));
    return 0;
}

/* ---- reading ---- */

static void state_free(struct state *state)
{
    pki_pair_free(state->signer);
    pki_pair_free(state->next);
    pki_bundle_free(&state->previous);
}
#define cleanup_state __attribute__((cleanup(state_free)))

static const char *name_of(const struct json *secret, const char *key)
{
    const char *name = json_text(json_get(secret, "metadata"), key);

    return name ? name : "?";
}

/* Reads a certificate and its key; NULL and 0 when neither is there. */
static int read_pair(const struct json *secret, const char *cert_key, const char *key_key,
                     struct pki_pair **pair, struct err *err)
{
    cleanup_str struct str cert = STR_INIT;
    cleanup_wipe struct str key = STR_INIT;

    if (authority_value(secret, cert_key, &cert, err) < 0 ||
        authority_value(secret, key_key, &key, err) < 0)
        return -1;
    if (!cert.len && !key.len)
        return 0;
    *pair = pki_pair_parse(str_get(&cert), str_get(&key), err);
    if (!*pair)
        return err_wrap(err, "'%s' and '%s'", cert_key, key_key);
    if (!pki_pair_cert(*pair)->is_ca)
        return err_set(err, ERR_INPUT, "'%s' is no CA's certificate", cert_key);
    return 0;
}

static int read_previous(const struct json *secret, struct pki_bundle *previous, struct err *err)
{
    cleanup_str struct str text = STR_INIT;

    if (authority_value(secret, "previous.crt", &text, err) < 0)
        return -1;
    if (pki_bundle_parse(str_get(&text), previous, err) < 0)
        return err_wrap(err, "'previous.crt'");
    return 0;
}

/* A Secret without any of it (made beforehand, to be filled) is as good as none. */
static int read_state(const struct json *secret, struct state *state, struct err *err)
{
    if (!secret)
        return 0;
    if (read_pair(secret, "tls.crt", "tls.key", &state->signer, err) < 0 ||
        read_pair(secret, "next.crt", "next.key", &state->next, err) < 0 ||
        read_previous(secret, &state->previous, err) < 0)
        return err_wrap(err,
                        "cannot use the CA in Secret '%s/%s' (delete the Secret, and a new CA is "
                        "made and all certificates are renewed)",
                        name_of(secret, "namespace"), name_of(secret, "name"));
    return 0;
}

/* ---- the plan ---- */

static bool pair_valid(const struct pki_pair *pair, time_t now)
{
    return pair && pki_valid_at(pki_pair_cert(pair), now);
}

static struct pki_pair *new_ca(const struct authority_settings *settings, time_t now,
                               struct err *err)
{
    cleanup_str struct str name = STR_INIT;

    str_printf(&name, "%s@%lld", settings->group, (long long)now);
    return pki_make_ca(str_get(&name), now, settings->ca_duration, err);
}

static time_t later(time_t a, time_t b)
{
    return a > b ? a : b;
}

static time_t sooner(time_t a, time_t b)
{
    return a < b ? a : b;
}

/* When the signer's successor is to be made, and when it is to sign. */
static time_t successor_due(const struct state *state, const struct authority_settings *settings)
{
    return pki_pair_cert(state->signer)->not_after - settings->leaf_duration -
           2 * settings->publish;
}

static time_t promotion_due(const struct state *state, const struct authority_settings *settings,
                            time_t since)
{
    time_t made = pki_pair_cert(state->next)->not_before + PKI_CLOCK_SKEW;
    time_t half = made + (pki_pair_cert(state->signer)->not_after - made) / 2;

    return sooner(later(made, since) + settings->publish, half);
}

enum action { KEEP, MAKE, REPLACE, PUBLISH, PROMOTE, FORGET };

static const char *const action_texts[] = {
    [MAKE] = "a new CA was made",
    [REPLACE] = "the CA's time was over, and a new CA was made",
    [PUBLISH] = "the CA's successor was made and is in the bundle",
    [PROMOTE] = "the CA's successor signs from now on",
    [FORGET] = "an expired CA was taken out of the bundle",
};

static bool has_expired(const struct pki_bundle *bundle, time_t now)
{
    for (size_t i = 0; i < bundle->count; i++)
        if (bundle->cert[i].not_after < now)
            return true;
    return false;
}

static enum action choose(const struct state *state, const struct authority_settings *settings,
                          time_t since, time_t now)
{
    bool successor = pair_valid(state->next, now);

    if (!pair_valid(state->signer, now))
        return successor ? PROMOTE : state->signer ? REPLACE : MAKE;
    if (successor && now >= promotion_due(state, settings, since))
        return PROMOTE;
    if (!successor && now >= successor_due(state, settings))
        return PUBLISH;
    return has_expired(&state->previous, now) ? FORGET : KEEP;
}

/* The texts of those that have not expired: the signer that was, when there is one, comes first. */
static void put_previous(struct json *data, const struct pki_pair *former,
                         const struct pki_bundle *previous, time_t now)
{
    cleanup_str struct str text = STR_INIT;

    if (former && pki_pair_cert(former)->not_after >= now)
        str_puts(&text, pki_pair_cert(former)->pem);
    for (size_t i = 0; i < previous->count; i++)
        if (previous->cert[i].not_after >= now)
            str_puts(&text, previous->cert[i].pem);
    if (text.len)
        authority_put(data, "previous.crt", &text);
}

static struct json *state_print(const struct state *state, const struct pki_pair *former,
                                time_t now)
{
    struct json *data = json_new_object(), *wanted = json_format("{'type': 'kubernetes.io/tls'}");

    authority_put_pair(data, "tls.crt", "tls.key", state->signer);
    if (state->next)
        authority_put_pair(data, "next.crt", "next.key", state->next);
    put_previous(data, former, &state->previous, now);
    json_set(wanted, "data", data);
    return wanted;
}

/* Changes the state; the signer that was, if it is another now, goes to `former`. */
static int act(struct state *state, enum action action, const struct authority_settings *settings,
               time_t now, struct pki_pair **former, struct err *err)
{
    struct pki_pair *made = NULL;

    if (action == FORGET)
        return 0;
    if (action == PROMOTE)
        made = steal_ptr(state->next);
    else
        made = new_ca(settings, now, err);
    if (!made)
        return -1;
    pki_pair_free(state->next);
    state->next = NULL;
    if (action == PUBLISH) {
        state->next = made;
        return 0;
    }
    *former = state->signer;
    state->signer = made;
    return 0;
}

/* When the state, as it is after the action, next asks for one. */
static time_t next_look(const struct state *state, const struct pki_pair *former,
                        const struct authority_settings *settings, time_t since, time_t now)
{
    time_t next =
        state->next ? promotion_due(state, settings, since) : successor_due(state, settings);

    if (former && pki_pair_cert(former)->not_after >= now)
        next = sooner(next, pki_pair_cert(former)->not_after + 1);
    for (size_t i = 0; i < state->previous.count; i++)
        if (state->previous.cert[i].not_after >= now)
            next = sooner(next, state->previous.cert[i].not_after + 1);
    return later(next, now);
}

static void cleanup_pair(struct pki_pair **pair)
{
    pki_pair_free(*pair);
}

int authority_step(const struct json *secret, const struct authority_settings *settings,
                   time_t since, time_t now, struct authority_plan *plan, struct err *err)
{
    cleanup_state struct state state = {0};
    __attribute__((cleanup(cleanup_pair))) struct pki_pair *former = NULL;
    enum action action;

    *plan = (struct authority_plan){0};
    if (read_state(secret, &state, err) < 0)
        return -1;
    action = choose(&state, settings, since, now);
    if (action != KEEP) {
        if (act(&state, action, settings, now, &former, err) < 0)
            return err_wrap(err, "the CA");
        plan->wanted = state_print(&state, former, now);
        plan->what = action_texts[action];
    }
    plan->next = next_look(&state, former, settings, since, now);
    return 0;
}

void authority_plan_free(struct authority_plan *plan)
{
    json_free(plan->wanted);
    *plan = (struct authority_plan){0};
}

/* ---- in use ---- */

/* The signer first, then the newest: whoever looks from the front finds what he needs soonest. */
static int set_trusted(struct authority *authority, const struct state *state, struct err *err)
{
    cleanup_str struct str text = STR_INIT;

    str_puts(&text, pki_pair_cert(state->signer)->pem);
    if (state->next)
        str_puts(&text, pki_pair_cert(state->next)->pem);
    for (size_t i = 0; i < state->previous.count; i++)
        str_puts(&text, state->previous.cert[i].pem);
    if (pki_bundle_parse(str_get(&text), &authority->trusted, err) < 0)
        return -1;
    text.data[--text.len] = '\0';
    authority->bundle = str_steal(&text);
    return 0;
}

int authority_load(const struct json *secret, struct authority *authority, struct err *err)
{
    cleanup_state struct state state = {0};

    *authority = (struct authority){0};
    if (read_state(secret, &state, err) < 0)
        return -1;
    if (!state.signer)
        return err_set(err, ERR_UNAVAILABLE, "there is no CA yet");
    if (set_trusted(authority, &state, err) < 0)
        return -1;
    authority->signer = steal_ptr(state.signer);
    return 0;
}

void authority_free(struct authority *authority)
{
    pki_pair_free(authority->signer);
    pki_bundle_free(&authority->trusted);
    free(authority->bundle);
    *authority = (struct authority){0};
}
