/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/retry.h"
#include "interrupt.h"
#include "say.h"
#include "transfer/progress.h"

#include <string.h>

enum { FIRST_MS = 100, LAST_MS = 5000 };

/* What may be otherwise the next time. What the export is asked with may have changed, too: then it
 * is worth a try, whatever the answer was. */
static bool may_pass(enum http_result result, int status, bool progress, bool changed)
{
    switch (result) {
    case HTTP_BROKEN:
        return true;
    case HTTP_UNTRUSTED: /* a certificate is renewed a moment before or after its CA */
        return progress || changed;
    case HTTP_REFUSED:
        return changed || status == 408 || status == 429 || status >= 500 ||
               (progress && status == 404);
    default:
        return false;
    }
}

static uint64_t digest(const char *text)
{
    uint64_t sum = 1469598103934665603U; /* FNV-1a: equal or not, nothing more */

    for (; *text; text++)
        sum = (sum ^ (unsigned char)*text) * 1099511628211U;
    return sum;
}

static uint64_t asked_with(const struct source *source)
{
    return digest(source->url) ^ digest(source->peer.token) * 3 ^ digest(source->peer.ca) * 5;
}

static unsigned delay(unsigned failed)
{
    unsigned ms = failed < 8 ? (unsigned)FIRST_MS << (failed ? failed - 1 : 0) : LAST_MS;

    return ms < LAST_MS ? ms : LAST_MS;
}

int retry_after(struct retry *retry, enum http_result result, const struct http_answer *answer,
                uint64_t position, struct source *source, struct err *err)
{
    if (result == HTTP_STOPPED || result == HTTP_INTERRUPTED)
        return -1;
    bool progress = position > 0;
    retry->failed = position > retry->furthest ? 0 : retry->failed + 1;
    if (position > retry->furthest)
        retry->furthest = position;

    struct err why = *err;
    uint64_t before = asked_with(source);
    struct err fresh;
    int refreshed = source->refresh(source, &fresh);
    if (refreshed && fresh.class != ERR_PEER) {
        *err = fresh;
        return err_wrap(err, "%s", why.msg);
    }
    if (!may_pass(result, answer->status, progress, asked_with(source) != before))
        return -1;
    if (retry->failed > retry->max) {
        *err = why;
        err->class = ERR_PEER;
        return err_wrap(err, "gave up after %u %s without a byte more (--retry)", retry->failed,
                        retry->failed == 1 ? "try" : "tries");
    }
    char there[PROGRESS_SIZE];
    say("%s; trying again from %s", why.msg, progress_bytes(position, there));
    if (!interrupt_sleep(delay(retry->failed)))
        return err_set(err, ERR_SYSTEM, "interrupted");
    return 0;
}
