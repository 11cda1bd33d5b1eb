/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ways to the state, and the changes. A watch from a version brings changes; without one it
 * brings the state first, as events, up to a bookmark that says so. What comes is put into the store
 * at once either way, as it is newer than what is there; only what did not come must wait for the
 * end until it may go.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "decoder.h"
#include "reflector_private.h"
#include "status.h"

#include <string.h>

enum {
    PAGE = 100, /* objects in one answer: bounds its tree's memory */
    WATCH_SECONDS_MIN = 300,
    WATCH_SECONDS_MAX = 600,
};

struct stream {
    struct kube_reflector *reflector;
    struct kube_decoder *decoder;
    bool initial;             /* the state is not complete yet */
    bool any;                 /* an event came */
    bool broken;              /* malformed; `err` says how */
    enum kube_reason refused; /* of an ERROR event; `err` has its message */
    struct err err;
};

static char *api_version(const struct kube_resource *resource)
{
    struct str text = STR_INIT;

    str_printf(&text, "%s%s%s", resource->group, *resource->group ? "/" : "", resource->version);
    return str_steal(&text);
}

/* The items of a list do not say what they are. */
static void put(struct kube_reflector *reflector, const struct json *object)
{
    const struct kube_resource *resource = reflector->config.what.resource;
    cleanup_json struct json *whole = NULL;

    if (!json_get(object, "kind") || !json_get(object, "apiVersion")) {
        cleanup_free char *version = api_version(resource);

        whole = json_copy(object);
        json_put(whole, "apiVersion", json_new_string(version));
        json_put(whole, "kind", json_new_string(resource->kind));
        object = whole;
    }
    kube_store_put(reflector->config.store, object);
}

/* ---- events ---- */

static bool ends_initial_events(const struct json *bookmark)
{
    const struct json *annotations = json_at(bookmark, "metadata.annotations");
    const char *value = json_string(json_get(annotations, "k8s.io/initial-events-end"));

    return value && strcmp(value, "true") == 0;
}

static int failed(struct stream *stream, const struct json *status, struct err *err)
{
    stream->refused = kube_status_reason(status, err);
    return err_wrap(err, "the server ended the watch of %s",
                    stream->reflector->config.what.resource->plural);
}

static void unreadable(struct stream *stream, struct err *err)
{
    err_wrap(err, "an object in the watch of %s cannot be read and is left out",
             stream->reflector->config.what.resource->plural);
    reflector_problem(stream->reflector, err->msg);
}

static int take_event(void *ctx, enum kube_event event, const struct json *object, struct err *err)
{
    struct stream *stream = ctx;
    struct kube_reflector *reflector = stream->reflector;

    if (event == KUBE_ERROR)
        return failed(stream, object, err);
    stream->any = true;
    reflector->refusals = 0;
    if (event == KUBE_UNREADABLE)
        unreadable(stream, err);
    if (event == KUBE_ADDED || event == KUBE_MODIFIED)
        put(reflector, object);
    if (event == KUBE_DELETED)
        kube_store_remove(reflector->config.store, object);
    /* The versions of the state's objects are in no order: only its end can be gone on from. */
    if (!stream->initial || (event == KUBE_BOOKMARK && ends_initial_events(object)))
        reflector_set_version(reflector, object);
    if (stream->initial && event == KUBE_BOOKMARK && ends_initial_events(object)) {
        stream->initial = false;
        reflector_complete(reflector);
    }
    return 0;
}

/* Mostly the echo of an own write, whose answer the store has. */
static bool is_known(void *ctx, const char *ns, const char *name, const char *version)
{
    struct stream *stream = ctx;
    struct kube_reflector *reflector = stream->reflector;

    if (stream->initial || !kube_store_knows(reflector->config.store, ns, name, version))
        return false;
    stream->any = true;
    reflector->refusals = 0;
    reflector_put_version(reflector, version);
    return true;
}

static int take_bytes(void *ctx, const char *data, size_t len)
{
    struct stream *stream = ctx;
    int rc = kube_decoder_feed(stream->decoder, data, len, &stream->err);

    stream->broken = rc && stream->refused == KUBE_OK;
    return rc;
}

/* ---- a watch ---- */

/* What to do after a stream that ended in good order as far as HTTP goes. */
static enum outcome judge_end(struct stream *stream, uint64_t lasted_ms, struct err *err)
{
    struct kube_reflector *reflector = stream->reflector;
    const char *plural = reflector->config.what.resource->plural;

    if (stream->broken) {
        *err = stream->err;
        err_wrap(err, "cannot read the watch of %s", plural);
        return OUTCOME_ANEW;
    }
    if (!kube_decoder_between(stream->decoder)) {
        err_set(err, ERR_IO, "the watch of %s was cut in the middle of an event", plural);
        return OUTCOME_RETRY;
    }
    if (stream->initial) {
        err_set(err, ERR_IO, "the watch of %s ended before it had told the whole state", plural);
        return OUTCOME_RETRY;
    }
    if (!stream->any && lasted_ms < reflector->times.short_ms) {
        err_set(err, ERR_IO, "the watch of %s ended at once without an event", plural);
        return OUTCOME_RETRY;
    }
    return OUTCOME_ON;
}

/*
 * Whether a failure before the first event means that there will never be any. A server without the
 * feature says so at once; one that has it, with an etcd that cannot report progress (before 3.4.25
 * and 3.5.8), accepts the watch and then ends it with an error of its own.
 */
static bool refuses_initial_events(const struct stream *stream, enum kube_reason reason)
{
    return reason == KUBE_INVALID || reason == KUBE_BAD_REQUEST ||
           (reason == KUBE_SERVER && stream->refused == reason && !stream->any);
}

/* Whether what went wrong says nothing about initial events, so that they are asked for again. */
static bool is_passing(enum kube_reason reason)
{
    switch (reason) {
    case KUBE_UNAUTHORIZED:
    case KUBE_FORBIDDEN:
    case KUBE_NOT_FOUND:
    case KUBE_TOO_MANY_REQUESTS:
    case KUBE_TRANSPORT:
    case KUBE_CANCELLED:
        return true;
    default:
        return false;
    }
}

static enum outcome judge(struct stream *stream, int rc, uint64_t lasted_ms, struct err *err)
{
    enum kube_reason reason = rc < 0 ? (enum kube_reason) - rc : KUBE_OK;

    if (stream->refused != KUBE_OK) {
        *err = stream->err;
        reason = stream->refused;
    }
    if (stream->initial && reason != KUBE_OK && refuses_initial_events(stream, reason))
        return OUTCOME_LIST;
    stream->reflector->list_next = stream->initial && !is_passing(reason);
    if (reason != KUBE_OK)
        return reflector_outcome(stream->reflector, reason);
    return judge_end(stream, lasted_ms, err);
}

enum outcome reflector_watch(struct kube_reflector *reflector, struct err *err)
{
    struct stream stream = {.reflector = reflector, .initial = !reflector->version};
    cleanup_free char *version = reflector->version ? strdup(reflector->version) : NULL;
    struct kube_watch_options options = {
        .version = version,
        .initial_events = stream.initial,
        .timeout_seconds =
            WATCH_SECONDS_MIN + backoff_random(WATCH_SECONDS_MAX - WATCH_SECONDS_MIN + 1),
    };
    uint64_t start = clock_ms();
    enum outcome outcome;
    int rc;

    stream.decoder = kube_decoder_new(take_event, &stream);
    kube_decoder_spare(stream.decoder, is_known, reflector->config.what.unread);
    if (stream.initial)
        kube_store_replace_begin(reflector->config.store);
    rc = kube_watch(reflector->conn, &reflector->config.what, &options, take_bytes, &stream, err);
    if (stream.initial)
        kube_store_replace_cancel(reflector->config.store);
    outcome = judge(&stream, rc, clock_ms() - start, err);
    /* A connection that was cut after it had served is no sign of worse to come. */
    if (!stream.initial && clock_ms() - start >= reflector->times.short_ms)
        backoff_reset(&reflector->backoff);
    kube_decoder_free(stream.decoder);
    return outcome;
}

/* ---- a list ---- */

static void put_items(struct kube_reflector *reflector, const struct json *page)
{
    const struct json *items = json_get(page, "items");

    if (json_kind(items) != JSON_ARRAY)
        return; /* null, as Go writes an empty one */
    for (const struct json *item = json_first(items); item; item = json_next(item))
        put(reflector, item);
}

/* All pages from the first on; `pages` says how many came. The last one has the list's version. */
static int list_pages(struct kube_reflector *reflector, unsigned limit, unsigned *pages,
                      struct err *err)
{
    cleanup_free char *token = NULL;

    kube_store_replace_begin(reflector->config.store);
    for (*pages = 0;; ++*pages) {
        cleanup_json struct json *page = NULL;
        const char *next;
        int rc;

        /* Without a version the list is of now: "0" would allow an old one, without pages. */
        rc = kube_list(reflector->conn, &reflector->config.what, limit, NULL, token, &page, err);
        if (rc < 0) {
            kube_store_replace_cancel(reflector->config.store);
            return rc;
        }
        put_items(reflector, page);
        next = json_text(page, "metadata.continue");
        if (!next || !*next) {
            reflector_set_version(reflector, page);
            return 0;
        }
        free(token);
        token = strdup(next);
        if (!token)
            abort();
    }
}

enum outcome reflector_list(struct kube_reflector *reflector, struct err *err)
{
    unsigned pages;
    int rc;

    reflector->list_next = false;
    rc = list_pages(reflector, PAGE, &pages, err);
    /* The server has forgotten what the next page would be of, as it may do again. */
    if (rc == -KUBE_EXPIRED && pages)
        rc = list_pages(reflector, 0, &pages, err);
    if (rc < 0)
        return reflector_outcome(reflector, (enum kube_reason) - rc);
    reflector_complete(reflector);
    return OUTCOME_ON;
}
