/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache is under a lock that is never held while a file is read or a plugin runs: one thread
 * does that (`busy`), the others wait for what comes of it and share it, failure included, so that
 * ten threads do not start ten plugins, or the same broken one ten times. A run ends by its timeout
 * at the latest.
 *
 * Of several ways, as client-go has it: a token file, else a token, else a password, else the plugin.
 */
#include "kube/auth.h"
#include "base/clock.h"
#include "base/io.h"
#include "kube/auth_private.h"
#include "kube/exec.h"
#include "kube/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* The kubelet renews a token when a fifth of its time is left, two minutes at the least;
     * client-go's transport/token_source.go has these, too. */
    FILE_MS = 60 * 1000,
    FILE_LEEWAY_MS = 10 * 1000,
    TOKEN_MAX = 1024 * 1024,
    PLUGIN_MS = 60 * 1000,
    PERSON_MS = 10 * 60 * 1000, /* a plugin that may ask a person, who may have to log in */
};

struct kube_auth {
    const struct kube_config *config;
    enum { FIXED, TOKEN_FILE, PLUGIN } source;
    pthread_mutex_t lock;
    pthread_cond_t done; /* a run ended */
    bool busy;           /* a thread is at it */
    unsigned runs;       /* that have ended */
    bool failed;         /* the last one, with this: */
    struct err failure;

    struct kube_credential cached;
    bool valid;    /* `cached` holds something */
    bool rejected; /* the server did not take it */
    uint64_t read_at;
    bool expires;
    struct timespec expiry;
    uint64_t skipped; /* milliseconds; for tests */
};

void kube_credential_free(struct kube_credential *credential)
{
    secret_free(credential->bearer);
    secret_free(credential->cert);
    secret_free(credential->key);
    *credential = (struct kube_credential){0};
}

struct kube_auth *kube_auth_new(const struct kube_config *config)
{
    struct kube_auth *auth = calloc(1, sizeof(*auth));

    if (!auth)
        abort();
    auth->config = config;
    if (config->token_file)
        auth->source = TOKEN_FILE;
    else if (config->exec && !config->token && !config->username && !config->password)
        auth->source = PLUGIN;
    pthread_mutex_init(&auth->lock, NULL);
    pthread_cond_init(&auth->done, NULL);
    return auth;
}

void kube_auth_free(struct kube_auth *auth)
{
    if (!auth)
        return;
    kube_credential_free(&auth->cached);
    pthread_cond_destroy(&auth->done);
    pthread_mutex_destroy(&auth->lock);
    free(auth);
}

void kube_auth_skip(struct kube_auth *auth, uint64_t ms)
{
    pthread_mutex_lock(&auth->lock);
    auth->skipped += ms;
    pthread_mutex_unlock(&auth->lock);
}

/* ---- a new one, without the lock ---- */

static int read_token(const char *path, char **out, struct err *err)
{
    cleanup_secret struct str text = STR_INIT;
    const char *start;
    size_t len;

    if (io_read_file(path, TOKEN_MAX, &text, err) < 0)
        return err_wrap(err, "the token file");
    start = str_get(&text) + strspn(str_get(&text), " \t\r\n");
    len = strlen(start);
    while (len && strchr(" \t\r\n", start[len - 1]))
        len--;
    *out = strndup(start, len);
    if (!*out)
        abort();
    if (secret_is_bearer(*out) &&
        start + len + strspn(start + len, " \t\r\n") == str_get(&text) + text.len)
        return 0;
    secret_free(*out);
    *out = NULL;
    return err_set(err, ERR_UNAVAILABLE, "the token file '%s' %s", path,
                   len ? "holds characters that no token has" : "is empty");
}

static int run_plugin(const struct kube_auth *auth, struct kube_exec_answer *out, struct err *err)
{
    const struct kube_exec *exec = auth->config->exec;
    bool terminal = exec->interactive && isatty(STDIN_FILENO);

    return kube_exec_run(exec, terminal, terminal ? PERSON_MS : PLUGIN_MS, out, err);
}

static int fetch(const struct kube_auth *auth, struct kube_exec_answer *out, struct err *err)
{
    *out = (struct kube_exec_answer){0};
    if (auth->source == TOKEN_FILE && read_token(auth->config->token_file, &out->token, err) < 0)
        return -1;
    if (auth->source == FIXED)
        out->token = secret_copy(auth->config->token);
    if (auth->source == PLUGIN && run_plugin(auth, out, err) < 0)
        return -1;
    if (!out->cert) {
        out->cert = secret_copy(auth->config->client_cert);
        out->key = secret_copy(auth->config->client_key);
    }
    return 0;
}

/* ---- the cache, with the lock ---- */

static uint64_t now_ms(const struct kube_auth *auth)
{
    return clock_ms() + auth->skipped;
}

static bool is_past(const struct kube_auth *auth, const struct timespec *when)
{
    time_t now = clock_now().tv_sec + (time_t)(auth->skipped / 1000);

    return now >= when->tv_sec; /* up to a second early, never late */
}

static bool is_fresh(const struct kube_auth *auth)
{
    if (!auth->valid || auth->rejected)
        return false;
    if (auth->source == TOKEN_FILE)
        return now_ms(auth) < auth->read_at + FILE_MS - FILE_LEEWAY_MS;
    return !auth->expires || !is_past(auth, &auth->expiry);
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Takes the answer's texts over. */
static void keep(struct kube_auth *auth, struct kube_exec_answer *answer)
{
    unsigned generation = auth->cached.generation;
    bool renewed = !auth->valid || auth->rejected || !same(auth->cached.bearer, answer->token) ||
                   !same(auth->cached.cert, answer->cert) || !same(auth->cached.key, answer->key);

    kube_credential_free(&auth->cached);
    auth->cached = (struct kube_credential){.bearer = answer->token,
                                            .cert = answer->cert,
                                            .key = answer->key,
                                            .generation = generation + renewed};
    auth->valid = true;
    auth->rejected = false;
    auth->read_at = now_ms(auth);
    auth->expires = answer->expires;
    auth->expiry = answer->expiry;
}

/* A token that was good a minute ago most likely still is, when its file can't be read just now. */
static bool may_go_on(const struct kube_auth *auth)
{
    return auth->source == TOKEN_FILE && auth->valid && !auth->rejected;
}

static int renew(struct kube_auth *auth, struct err *err)
{
    struct kube_exec_answer answer;
    struct err failure = {.class = ERR_NONE};
    int rc;

    auth->busy = true;
    pthread_mutex_unlock(&auth->lock);
    rc = fetch(auth, &answer, &failure);
    pthread_mutex_lock(&auth->lock);
    auth->busy = false;
    auth->runs++;
    auth->failed = rc < 0 && !may_go_on(auth);
    auth->failure = failure;
    if (rc == 0)
        keep(auth, &answer);
    pthread_cond_broadcast(&auth->done);
    if (auth->failed)
        *err = failure;
    return auth->failed ? -1 : 0;
}

static int wait_for_other(struct kube_auth *auth, struct err *err)
{
    unsigned runs = auth->runs;

    while (auth->runs == runs)
        pthread_cond_wait(&auth->done, &auth->lock);
    if (auth->failed)
        *err = auth->failure;
    return auth->failed ? -1 : 0;
}

int kube_auth_get(struct kube_auth *auth, struct kube_credential *out, struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&auth->lock);
    if (!is_fresh(auth))
        rc = auth->busy ? wait_for_other(auth, err) : renew(auth, err);
    if (rc == 0)
        *out = (struct kube_credential){.bearer = secret_copy(auth->cached.bearer),
                                        .cert = secret_copy(auth->cached.cert),
                                        .key = secret_copy(auth->cached.key),
                                        .generation = auth->cached.generation};
    pthread_mutex_unlock(&auth->lock);
    return rc;
}

bool kube_auth_rejected(struct kube_auth *auth, unsigned generation)
{
    if (auth->source == FIXED)
        return false;
    pthread_mutex_lock(&auth->lock);
    if (generation == auth->cached.generation)
        auth->rejected = true;
    pthread_mutex_unlock(&auth->lock);
    return true;
}
