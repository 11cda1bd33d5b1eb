/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.c says what a state means, follow.c brings the states; here is what is said and how long is
 * waited for what. Something that is missing may be about to come (it was made a moment before the
 * export, and the controller does not see it yet): it has PATIENCE_MS.
 */
#include "api/wait.h"

#include "api/follow.h"
#include "api/verdict.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "interrupt.h"
#include "say.h"

#include <string.h>

enum {
    PATIENCE_MS = 3000,
    SETTLE_MS = 1000, /* Terminated, where the pod is replaced, is a moment's state */
    SEARCH_MS = 1000, /* between two looks for an export in several groups */
    YOUNG_MS = 1000,
    UNTOUCHED_MS = 2000, /* until an export that no controller takes on is mentioned */
};

static const char untouched[] = "no controller has looked at it yet";
static const char absent[] = "it does not exist yet";

struct wait {
    struct exports *exports;
    const char *name;
    const struct wait_options *options;
    uint64_t deadline;
    const struct kube_resource *resource;
    struct map *said;    /* what was said, by itself */
    struct str last;     /* why it is not Ready, for the end */
    bool seen;           /* it was there */
    uint64_t wait_until; /* for what has PATIENCE_MS; 0: for nothing of that kind */
    enum verdict verdict;
};

/* ---- what is said ---- */

static void say_once(struct wait *wait, const char *text)
{
    char *copy;

    if (map_get(wait->said, text))
        return;
    copy = strdup(text);
    if (!copy)
        abort();
    map_put(wait->said, copy, copy);
    say("waiting for " EXPORTS_KIND " %s/%s: %s", wait->exports->cluster->ns, wait->name, text);
}

static void free_said(struct map *said)
{
    size_t at = 0;

    for (void *text; (text = map_next(said, &at));)
        free(text);
    map_free(said);
}

/* The controller may see an export a moment before the Secret that was made after it. */
static bool is_young(const struct wait *wait)
{
    return clock_ms() < wait->deadline - wait->options->timeout_ms + YOUNG_MS;
}

static void say_reasons(struct wait *wait, const struct json *object)
{
    struct verdict_reason reasons[VERDICT_REASONS_MAX];
    size_t count = verdict_reasons(object, reasons);

    for (size_t i = 0; i < count; i++) {
        cleanup_str struct str text = STR_INIT;
        const char *remedy = verdict_remedy(object, reasons[i].reason);

        if (is_young(wait) && strcmp(reasons[i].reason, "TokenSecretNotFound") == 0)
            continue;
        verdict_print(&reasons[i], &text);
        if (remedy)
            str_printf(&text, "; %s", remedy);
        say_once(wait, str_get(&text));
    }
    str_clear(&wait->last);
    verdict_explain(object, &wait->last);
}

static bool is_ready(const struct json *object)
{
    const char *phase = json_text(object, "status.phase");

    return phase && strcmp(phase, "Ready") == 0;
}

/* It is Ready and doesn't say all that is needed. */
static void say_incomplete(struct wait *wait)
{
    str_puts(&wait->last, wait->options->need_service
                              ? "its status has no internal links and service name yet"
                              : "its status has no internal links yet");
    say_once(wait, str_get(&wait->last));
}

/* ---- how it ends ---- */

static int fail_because(const struct wait *wait, enum err_class class, const char *what,
                        struct err *err)
{
    return err_set(err, class, EXPORTS_KIND " '%s/%s' %s%s%s", wait->exports->cluster->ns,
                   wait->name, what, wait->last.len ? ": " : "", str_get(&wait->last));
}

static int no_external(const struct wait *wait, struct err *err)
{
    return err_set(err, ERR_LIMIT,
                   EXPORTS_KIND
                   " '%s/%s' has no external link: no Ingress or Route leads to the export "
                   "proxy; use --port-forward, or --service-url with an address of its "
                   "Service",
                   wait->exports->cluster->ns, wait->name);
}

static int time_is_up(const struct wait *wait, struct err *err)
{
    enum err_class class =
        wait->seen && wait->verdict != VERDICT_MISSING ? ERR_UNAVAILABLE : ERR_NOT_FOUND;
    cleanup_str struct str what = STR_INIT;

    if (wait->verdict == VERDICT_NO_EXTERNAL)
        return no_external(wait, err);
    str_printf(&what, "%s after %g s%s%s", wait->seen ? "is not ready" : "does not exist",
               (double)wait->options->timeout_ms / 1000, wait->last.len ? ": " : "",
               str_get(&wait->last));
    return err_set(err, class,
                   EXPORTS_KIND " '%s/%s' %s; --readiness-timeout sets how long to wait",
                   wait->exports->cluster->ns, wait->name, str_get(&what));
}

/* What has patience, and has none left. */
static int patience_is_over(const struct wait *wait, struct err *err)
{
    if (wait->verdict == VERDICT_MISSING)
        return fail_because(wait, ERR_NOT_FOUND, "has no source", err);
    if (wait->verdict == VERDICT_TERMINATED)
        return fail_because(wait, ERR_UNAVAILABLE, "is Terminated", err);
    return no_external(wait, err);
}

/* ---- a state ---- */

enum step { STEP_FAILED = -1, STEP_WAIT, STEP_READY };

static enum step be_patient(struct wait *wait, unsigned ms)
{
    if (!wait->wait_until)
        wait->wait_until = clock_ms() + ms;
    return STEP_WAIT;
}

static enum step judge(struct wait *wait, const struct json *object, struct err *err)
{
    enum verdict before = wait->verdict;

    wait->verdict =
        verdict_of(object, wait->options->side, wait->options->need_service, clock_now().tv_sec);
    if (wait->verdict != before)
        wait->wait_until = 0;
    say_reasons(wait, object);
    switch (wait->verdict) {
    case VERDICT_READY:
        return STEP_READY;
    case VERDICT_NEVER_EXTERNAL:
        return (enum step)no_external(wait, err);
    case VERDICT_SKIPPED:
        return (enum step)fail_because(wait, ERR_UNAVAILABLE, "is Skipped", err);
    case VERDICT_DELETED:
        return (enum step)fail_because(wait, ERR_NOT_FOUND, "is being deleted", err);
    case VERDICT_TERMINATED:
        return be_patient(wait, SETTLE_MS);
    case VERDICT_NO_EXTERNAL:
        return be_patient(wait, PATIENCE_MS);
    case VERDICT_MISSING:
        return wait->options->wait_for_source ? STEP_WAIT : be_patient(wait, PATIENCE_MS);
    case VERDICT_WAIT:
        break;
    }
    if (is_ready(object))
        say_incomplete(wait);
    return STEP_WAIT;
}

/* `object` NULL: it is not there. */
static enum step take_state(struct wait *wait, const struct json *object, struct err *err)
{
    if (object) {
        wait->seen = true;
        return judge(wait, object, err);
    }
    str_clear(&wait->last);
    if (wait->seen)
        return (enum step)fail_because(wait, ERR_NOT_FOUND, "was deleted", err);
    say_once(wait, absent);
    return STEP_WAIT;
}

/* ---- the waiting ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void mention_untouched(struct wait *wait, uint64_t since)
{
    if (!wait->seen || wait->last.len || wait->verdict != VERDICT_WAIT ||
        clock_ms() < since + UNTOUCHED_MS)
        return;
    say_once(wait, untouched);
    str_puts(&wait->last, untouched);
    str_puts(&wait->last, " (does one run, for this API group?)");
}

static int follow_it(struct wait *wait, struct json **out, struct err *err)
{
    struct follow *follow = follow_new(wait->exports->cluster, wait->resource, wait->name);
    uint64_t begun = clock_ms();
    enum step step = STEP_WAIT;

    while (step == STEP_WAIT) {
        cleanup_json struct json *object = NULL;
        uint64_t until = earlier(wait->deadline, wait->wait_until ? wait->wait_until : UINT64_MAX);
        enum follow_news news;

        if (clock_ms() < begun + UNTOUCHED_MS)
            until = earlier(until, begun + UNTOUCHED_MS);
        news = follow_next(follow, until, &object, err);
        if (news == FOLLOW_FAILED)
            step = STEP_FAILED;
        else if (news == FOLLOW_STATE)
            step = take_state(wait, object, err);
        if (step == STEP_READY)
            *out = steal_ptr(object);
        if (step != STEP_WAIT)
            break;
        mention_untouched(wait, begun);
        if (wait->wait_until && clock_ms() >= wait->wait_until)
            step = (enum step)patience_is_over(wait, err);
        else if (clock_ms() >= wait->deadline)
            step = (enum step)time_is_up(wait, err);
    }
    follow_free(follow);
    return step == STEP_READY ? 0 : -1;
}

/* Where it is; of several groups none is watched before it is found in one. */
static int find(struct wait *wait, struct err *err)
{
    for (;;) {
        if (exports_get(wait->exports, wait->name, &wait->resource, NULL, err) == 0)
            return 0;
        if (err->class != ERR_NOT_FOUND || wait->options->must_exist)
            return -1;
        if (wait->exports->count == 1) {
            wait->resource = &wait->exports->group[0];
            return 0;
        }
        say_once(wait, absent);
        if (clock_ms() >= wait->deadline)
            return time_is_up(wait, err);
        if (!interrupt_sleep((unsigned)earlier(SEARCH_MS, wait->deadline - clock_ms())))
            return err_set(err, ERR_IO, "interrupted");
    }
}

int wait_ready(struct exports *exports, const char *name, const struct wait_options *options,
               struct json **object, struct err *err)
{
    struct wait wait = {
        .exports = exports,
        .name = name,
        .options = options,
        .deadline = clock_ms() + options->timeout_ms,
        .said = map_new(),
        .last = STR_INIT,
    };
    int rc = find(&wait, err);

    if (rc == 0)
        rc = follow_it(&wait, object, err);
    if (rc == 0 && verdict_unreadable(*object))
        say_warning(EXPORTS_KIND " '%s/%s': %s", exports->cluster->ns, name,
                    verdict_unreadable(*object));
    free_said(wait.said);
    str_free(&wait.last);
    return rc;
}
