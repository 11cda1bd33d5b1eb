/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only braces, brackets and strings are looked at to find where an object ends; whether it is valid
 * is for the parser to say. So an object that the parser refuses costs that object only, while a
 * byte between objects that is no white space means that the stream is not what we think it is.
 */
#include "decoder.h"
#include "base/cleanup.h"
#include "parse.h"
#include "peek.h"

#include <string.h>

/* What the buffer may keep of an object that was unusually long. */
enum { BUFFER_KEPT = 64 << 10 };

struct kube_decoder {
    kube_event_fn *event;
    kube_known_fn *known;
    const char *const *unread;
    void *ctx;
    struct str object; /* as far as it has come */
    unsigned depth;    /* of braces and brackets; 0: between objects */
    bool in_string, escaped;
};

static const char *const event_names[] = {
    [KUBE_ADDED] = "ADDED",       [KUBE_MODIFIED] = "MODIFIED", [KUBE_DELETED] = "DELETED",
    [KUBE_BOOKMARK] = "BOOKMARK", [KUBE_ERROR] = "ERROR",
};

struct kube_decoder *kube_decoder_new(kube_event_fn *event, void *ctx)
{
    struct kube_decoder *decoder = calloc(1, sizeof(*decoder));

    if (!decoder)
        abort();
    decoder->event = event;
    decoder->ctx = ctx;
    return decoder;
}

void kube_decoder_free(struct kube_decoder *decoder)
{
    if (!decoder)
        return;
    str_free(&decoder->object);
    free(decoder);
}

void kube_decoder_spare(struct kube_decoder *decoder, kube_known_fn *known,
                        const char *const *unread)
{
    decoder->known = known;
    decoder->unread = unread;
}

bool kube_decoder_between(const struct kube_decoder *decoder)
{
    return decoder->depth == 0;
}

/* ---- one object ---- */

static int read_event(const struct json *line, enum kube_event *event, struct err *err)
{
    const char *type = json_string(json_get(line, "type"));

    if (!type || json_kind(json_get(line, "object")) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "an event without a type or an object");
    for (size_t i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++) {
        if (strcmp(event_names[i], type) != 0)
            continue;
        *event = (enum kube_event)i;
        return 0;
    }
    return err_set(err, ERR_INPUT, "an event of the unknown type '%.32s'", type);
}

static bool is_known(const struct kube_decoder *decoder)
{
    struct kube_peek peek;

    return decoder->known && kube_peek(decoder->object.data, decoder->object.len, &peek) &&
           (strcmp(peek.type, event_names[KUBE_ADDED]) == 0 ||
            strcmp(peek.type, event_names[KUBE_MODIFIED]) == 0) &&
           decoder->known(decoder->ctx, peek.ns, peek.name, peek.version);
}

static void forget(struct kube_decoder *decoder)
{
    if (decoder->object.cap > BUFFER_KEPT)
        str_free(&decoder->object);
    else
        str_clear(&decoder->object);
}

static int tell(struct kube_decoder *decoder, struct err *err)
{
    cleanup_json struct json *line = NULL;
    enum kube_event event = KUBE_UNREADABLE;
    struct err why;
    int rc;

    if (is_known(decoder)) {
        forget(decoder);
        return 0;
    }
    line = kube_parse(decoder->object.data, decoder->object.len, decoder->unread, &why);
    if (line && read_event(line, &event, &why) < 0)
        event = KUBE_UNREADABLE;
    forget(decoder);
    rc = decoder->event(decoder->ctx, event,
                        event == KUBE_UNREADABLE ? NULL : json_get(line, "object"), &why);
    if (rc)
        *err = why;
    return rc;
}

/* ---- finding its end ---- */

/* Bytes up to and with the next one that may matter within an object. */
static size_t dull_bytes(const struct kube_decoder *decoder, const char *data, size_t len)
{
    size_t n = 0;

    if (decoder->escaped)
        return 1;
    if (decoder->in_string)
        while (n < len && data[n] != '"' && data[n] != '\\')
            n++;
    else
        while (n < len && !strchr("\"{}[]", data[n]))
            n++;
    return n < len ? n + 1 : len;
}

/* Takes note of a byte within an object. */
static void step(struct kube_decoder *decoder, char c)
{
    if (decoder->escaped) {
        decoder->escaped = false;
    } else if (decoder->in_string) {
        decoder->escaped = c == '\\';
        decoder->in_string = c != '"';
    } else if (c == '"') {
        decoder->in_string = true;
    } else if (c == '{' || c == '[') {
        decoder->depth++;
    } else if (c == '}' || c == ']') {
        decoder->depth--;
    }
}

/* Takes bytes up to the end of the object or of the data; returns how many. */
static ssize_t take(struct kube_decoder *decoder, const char *data, size_t len, struct err *err)
{
    size_t n = 0;

    do {
        n += dull_bytes(decoder, data + n, len - n);
        step(decoder, data[n - 1]);
    } while (n < len && decoder->depth);
    if (n > KUBE_OBJECT_MAX - decoder->object.len)
        return err_set(err, ERR_LIMIT, "an event of a watch is longer than %d bytes",
                       KUBE_OBJECT_MAX);
    str_append(&decoder->object, data, n);
    return (ssize_t)n;
}

int kube_decoder_feed(struct kube_decoder *decoder, const char *data, size_t len, struct err *err)
{
    while (len) {
        ssize_t n;
        int rc;

        if (!decoder->depth && memchr(" \t\r\n", *data, 4)) {
            data++;
            len--;
            continue;
        }
        if (!decoder->depth && *data != '{')
            return err_set(err, ERR_INPUT, "a watch sent what is no JSON object");
        n = take(decoder, data, len, err);
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
        rc = decoder->depth ? 0 : tell(decoder, err);
        if (rc)
            return rc;
    }
    return 0;
}
