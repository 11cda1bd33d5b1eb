/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte is the size of the pieces in which the rest comes: what is told must be the same as
 * in one piece. */
#include "fuzz.h"
#include "kube/decoder.h"

static int tell(void *ctx, enum kube_event event, const struct json *object, struct err *err)
{
    struct str *told = ctx;

    MUST((event == KUBE_UNREADABLE) == !object);
    str_printf(told, "%d ", event);
    if (object)
        json_print(object, 0, told);
    else
        str_puts(told, err->msg);
    return 0;
}

/* Nothing is known: what is told stays the same, whatever could be seen without parsing. */
static bool is_known(void *ctx, const char *ns, const char *name, const char *version)
{
    (void)ctx;
    MUST(ns && *name && *version);
    return false;
}

static int feed(const uint8_t *data, size_t size, size_t piece, struct str *told)
{
    struct kube_decoder *decoder = kube_decoder_new(tell, told);
    struct err err;
    int rc = 0;

    kube_decoder_spare(decoder, is_known, NULL);
    for (size_t at = 0; at < size && !rc; at += piece)
        rc = kube_decoder_feed(decoder, (const char *)data + at,
                               piece < size - at ? piece : size - at, &err);
    str_printf(told, "%d %d", rc, kube_decoder_between(decoder));
    kube_decoder_free(decoder);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_str struct str whole = STR_INIT, pieces = STR_INIT;

    if (!size)
        return 0;
    MUST(feed(data + 1, size - 1, size, &whole) == feed(data + 1, size - 1, data[0] + 1, &pieces));
    MUST(strcmp(whole.data, pieces.data) == 0);
    return 0;
}
