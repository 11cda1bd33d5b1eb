/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server answers to the opening handshake of a WebSocket: read as it comes, by its head
 * alone or with some of what follows, it means the same. */
#include "fuzz.h"
#include "kube/handshake.h"

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ=="; /* of RFC 6455 §1.3 */
static const char protocol[] = "v4.channel.k8s.io";

/* With less than its head, more is needed; with just that, it is whole. */
static void come_in_pieces(const char *data, const struct handshake_answer *answer)
{
    cleanup_str struct str text = STR_INIT;
    struct handshake_answer again;
    struct err err;

    str_append(&text, data, answer->head - 1);
    MUST(text.len >= HANDSHAKE_HEAD_MAX || handshake_parse(&text, &again, &err) == 0);
    str_append(&text, data + answer->head - 1, 1);
    MUST(handshake_parse(&text, &again, &err) == 1);
    MUST(again.code == answer->code && again.head == answer->head);
    MUST(again.chunked == answer->chunked && again.length == answer->length);
}

/* What there is of a body only grows, and a whole one stays as it is. */
static void take_body(const struct str *text, const struct handshake_answer *answer)
{
    cleanup_str struct str part = STR_INIT, body = STR_INIT, before = STR_INIT;
    size_t middle = answer->head + (text->len - answer->head) / 2;
    bool whole, done;

    str_append(&part, str_get(text), middle);
    whole = handshake_body(&part, answer, &before);
    done = handshake_body(text, answer, &body);
    MUST(body.len <= text->len - answer->head);
    MUST(before.len <= body.len && memcmp(str_get(&before), str_get(&body), before.len) == 0);
    MUST(!whole || (done && (before.len == body.len || before.len >= HANDSHAKE_BODY_MAX)));
    MUST(answer->length < 0 || (answer->length >= (long long)body.len));
    MUST(answer->length < 0 || !done || answer->length == (long long)body.len ||
         body.len >= HANDSHAKE_BODY_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_str struct str text = STR_INIT;
    struct handshake_answer answer;
    struct err err;
    int rc;

    str_append(&text, (const char *)data, size);
    rc = handshake_parse(&text, &answer, &err);
    MUST(rc >= 0 || err.class == ERR_PEER);
    MUST(rc != 0 || size < HANDSHAKE_HEAD_MAX);
    if (rc != 1)
        return 0;
    MUST(answer.head <= size && answer.head <= HANDSHAKE_HEAD_MAX + 4);
    MUST(answer.code >= 0 && answer.code <= 999 && answer.length >= -1);
    MUST(!answer.chunked || answer.length == -1);
    come_in_pieces((const char *)data, &answer);
    take_body(&text, &answer);
    rc = handshake_check(&text, &answer, key, protocol, &err);
    MUST(rc == 0 || err.class == ERR_PEER);
    /* Nobody can have guessed it. */
    MUST(rc < 0 || memmem(data, answer.head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28));
    return 0;
}
