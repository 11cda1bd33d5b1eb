/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames by the letter of RFC 6455, and what a port-forward's messages say. */
#include "api/channel.h"
#include "kube/handshake.h"
#include "support.h"

/* Takes all of it in pieces and writes down what is told. */
static int tell(const void *data, size_t len, size_t piece, char *told, size_t size,
                struct err *err)
{
    struct websocket_parser parser = {0};
    const uint8_t *bytes = data;
    size_t used = 0;

    told[0] = '\0';
    for (size_t at = 0; at < len;) {
        struct websocket_event e;
        size_t part = piece < len - at ? piece : len - at;
        ssize_t taken = websocket_parse(&parser, bytes + at, part, &e, err);

        if (taken < 0)
            return (int)parser.failure;
        at += (size_t)taken;
        if (e.kind == WEBSOCKET_NOTHING)
            continue;
        used += (size_t)snprintf(told + used, size - used, "%s%s%.*s%s", e.first ? "[" : "",
                                 e.kind == WEBSOCKET_PINGED   ? "ping "
                                 : e.kind == WEBSOCKET_PONGED ? "pong "
                                                              : "",
                                 (int)e.len, e.len ? (const char *)e.data : "", e.last ? "]" : "");
        if (e.kind == WEBSOCKET_CLOSED)
            used += (size_t)snprintf(told + used, size - used, " closed %u", e.code);
    }
    return 0;
}

#define FRAMES(text) (text), sizeof(text) - 1

static void assert_told(const char *data, size_t len, const char *wanted)
{
    char told[512];
    struct err err = {0};

    for (size_t piece = 1; piece <= len; piece++) {
        assert_int_equal(tell(data, len, piece, told, sizeof(told), &err), 0);
        assert_string_equal(told, wanted);
    }
}

static void assert_refused(const char *data, size_t len, int code, const char *why)
{
    char told[512];
    struct err err = {0};

    for (size_t piece = 1; piece <= len; piece++) {
        assert_int_equal(tell(data, len, piece, told, sizeof(told), &err), code);
        assert_int_equal(err.class, ERR_PEER);
        assert_non_null(strstr(err.msg, why));
    }
}

static void messages_come_whole_and_in_fragments(void **state)
{
    (void)state;
    assert_told(FRAMES("\x81\x05Hello"), "[Hello]"); /* §5.7 */
    assert_told(FRAMES("\x01\x03Hel\x80\x02lo"), "[Hello]");
    assert_told(FRAMES("\x82\x00\x82\x01x"), "[][x]");
    assert_told(FRAMES("\x02\x00\x00\x01x\x80\x00"), "[x]");
    assert_told(FRAMES("\x02\x01x\x89\x02hi\x80\x01y"), "[xping hiy]");
    assert_told(FRAMES("\x8a\x00\x82\x01z"), "pong [z]");
}

static void lengths_have_three_spellings(void **state)
{
    static const size_t lengths[] = {0, 125, 126, 127, 65535, 65536, 70000};
    static const size_t headers[] = {2, 2, 4, 4, 4, 10, 10};
    static uint8_t frame[70016], payload[70000];

    (void)state;
    fill_noise(payload, sizeof(payload), 7);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        uint8_t *at = frame + WEBSOCKET_HEADER_MAX;
        struct websocket_parser parser = {0};
        struct websocket_event event;
        struct err err;
        ssize_t header;
        size_t len = lengths[i];

        memcpy(at, payload, len);
        header = websocket_wrap(WEBSOCKET_BINARY, at, len, &err);
        assert_int_equal(header, headers[i] + 4);
        assert_int_equal(at[-header], 0x82);
        assert_true(at[1 - header] & 0x80);
        for (size_t n = 0; n < len; n++) /* §5.3 */
            at[n] ^= at[-4 + (ssize_t)(n % 4)];
        assert_memory_equal(at, payload, len);
        /* What a server would send: without the mask. */
        at[1 - header] &= 0x7f;
        memmove(at - header + 4, at - header, headers[i]);
        assert_int_equal(websocket_parse(&parser, at - header + 4, len + headers[i], &event, &err),
                         len + headers[i]);
        assert_true(event.first && event.last);
        assert_int_equal(event.len, len);
        if (len)
            assert_memory_equal(event.data, payload, len);
    }
}

static void a_mask_is_another_one_each_time(void **state)
{
    uint8_t one[WEBSOCKET_HEADER_MAX + 64] = {0}, two[sizeof(one)] = {0};
    struct err err;

    (void)state;
    assert_int_equal(websocket_wrap(WEBSOCKET_BINARY, one + WEBSOCKET_HEADER_MAX, 64, &err), 6);
    assert_int_equal(websocket_wrap(WEBSOCKET_BINARY, two + WEBSOCKET_HEADER_MAX, 64, &err), 6);
    assert_memory_not_equal(one, two, sizeof(one));
}

static void a_close_has_a_code_and_a_text(void **state)
{
    (void)state;
    assert_told(FRAMES("\x88\x00"), " closed 1005");
    assert_told(FRAMES("\x88\x02\x03\xe8"), " closed 1000");
    assert_told(FRAMES("\x88\x05\x03\xe9"
                       "bye"),
                "bye closed 1001");
    assert_told(FRAMES("\x88\x02\x0f\xa0rest is not read"), " closed 4000");
    assert_refused(FRAMES("\x88\x01\x03"), 1002, "code");
    assert_refused(FRAMES("\x88\x02\x03\xed"), 1002, "code"); /* 1005 is never sent */
    assert_refused(FRAMES("\x88\x02\x13\x88"), 1002, "code"); /* 5000 */
    assert_refused(FRAMES("\x88\x03\x03\xe8\xff"), 1002, "UTF-8");
    assert_refused(FRAMES("\x88\x04\x03\xe8\x00x"), 1002, "UTF-8");
}

static void what_breaks_the_rules_is_refused(void **state)
{
    (void)state;
    assert_refused(FRAMES("\xc2\x01x"), 1002, "extension");
    assert_refused(FRAMES("\x82\x81...."), 1002, "mask");
    assert_refused(FRAMES("\x83\x00"), 1002, "unknown kind");
    assert_refused(FRAMES("\x8b\x00"), 1002, "unknown kind");
    assert_refused(FRAMES("\x09\x00"), 1002, "in pieces");
    assert_refused(FRAMES("\x89\x7e\x00\x7e"), 1002, "too long");
    assert_refused(FRAMES("\x80\x01x"), 1002, "no beginning");
    assert_refused(FRAMES("\x02\x01x\x82\x01y"), 1002, "within another");
    assert_refused(FRAMES("\x82\x7e\x00\x7d"), 1002, "shortest");
    assert_refused(FRAMES("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), 1002, "shortest");
    assert_refused(FRAMES("\x82\x7f\x00\x00\x00\x00\x01\x00\x00\x01"), 1009, "16 MiB");
    assert_refused(FRAMES("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), 1009, "16 MiB");
}

/* ---- channels ---- */

/* The connection's bytes of messages to port 8443; an error's text after "!". */
static void forward(const void *frames, size_t len, size_t piece, char *got)
{
    struct websocket_parser parser = {0};
    struct channel_reader reader = {.port = 8443};
    const uint8_t *bytes = frames, *data;

    for (size_t at = 0; at < len;) {
        size_t part = piece < len - at ? piece : len - at, n;
        struct websocket_event event;
        struct err err;
        ssize_t taken = websocket_parse(&parser, bytes + at, part, &event, &err);

        assert_true(taken >= 0);
        at += (size_t)taken;
        if (event.kind != WEBSOCKET_PART)
            continue;
        if (channel_read(&reader, &event, &data, &n, &err) < 0) {
            assert_int_equal(err.class, ERR_PEER);
            sprintf(got, "!%s", err.msg);
            return;
        }
        if (n)
            memcpy(got, data, n);
        got += n;
    }
    *got = '\0';
}

static void assert_forwarded(const char *frames, size_t len, const char *wanted)
{
    char got[2048];

    for (size_t piece = 1; piece <= len; piece++) {
        forward(frames, len, piece, got);
        assert_string_equal(got, wanted);
    }
}

static void the_port_comes_first_on_each_channel(void **state)
{
    (void)state;
    assert_forwarded(FRAMES("\x82\x03\x00\xfb\x20\x82\x03\x01\xfb\x20\x82\x03\x00hi"), "hi");
    assert_forwarded(FRAMES("\x82\x05\x00\xfb\x20hi\x82\x00\x82\x01\x00"), "hi");
    assert_forwarded(FRAMES("\x82\x02\x00\xfb\x82\x02\x01\xfb\x82\x04\x00\x20hi"), "hi");
    assert_forwarded(FRAMES("\x02\x00\x00\x01\x00\x80\x05\xfb\x20hi!"), "hi!");
    assert_forwarded(FRAMES("\x82\x03\x00\xbb\x01"),
                     "!port 8443 was asked for, the server gives port 443");
}

static void what_went_wrong_is_told(void **state)
{
    (void)state;
    assert_forwarded(FRAMES("\x82\x05\x00\xfb\x20hi\x82\x03\x01\xfb\x20\x82\x05\x01nope"),
                     "hi!nope");
    assert_forwarded(FRAMES("\x82\x07\x01\xfb\x20nope"), "!nope");
    assert_forwarded(FRAMES("\x02\x06\x01\xfb\x20nop\x80\x01\x65"), "!nope");
    assert_forwarded(FRAMES("\x82\x02\x02x"),
                     "!the server sends on channel 2, which there is none of");
    assert_forwarded(FRAMES("\x81\x03\x00\xfb\x20"),
                     "!the server sends text where bytes were agreed on");
}

static void the_end_of_a_long_text_is_cut(void **state)
{
    char frame[4096] = "\x82\x7e\x08\x03\x01\xfb\x20", got[2048];

    (void)state;
    memset(frame + 7, 'x', 2048);
    forward(frame, 4 + 3 + 2048, 4096, got);
    assert_int_equal(strlen(got), 1 + CHANNEL_TEXT_MAX);
}

/* ---- the handshake ---- */

static void the_key_s_answer_is_the_rfc_s(void **state)
{
    cleanup_str struct str accept = STR_INIT;
    char one[HANDSHAKE_KEY_SIZE], two[HANDSHAKE_KEY_SIZE];
    struct err err;

    (void)state;
    handshake_accept("dGhlIHNhbXBsZSBub25jZQ==", &accept); /* §1.3 */
    assert_string_equal(str_get(&accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_int_equal(handshake_key(one, &err), 0);
    assert_int_equal(handshake_key(two, &err), 0);
    assert_int_equal(strlen(one), 24);
    assert_string_not_equal(one, two);
}

static int check(const char *headers, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    struct handshake_answer answer;

    str_printf(&text, "HTTP/1.1 101 Switching Protocols\r\n%s\r\nbytes", headers);
    assert_int_equal(handshake_parse(&text, &answer, err), 1);
    assert_int_equal(answer.code, 101);
    assert_string_equal(text.data + answer.head, "bytes");
    return handshake_check(&text, &answer, "dGhlIHNhbXBsZSBub25jZQ==", CHANNEL_PROTOCOL, err);
}

#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define UPGRADE "Upgrade: WebSocket\r\nconnection:keep-alive, upgrade\r\n"
#define PROTOCOL "sec-websocket-protocol: v4.channel.k8s.io \r\n"

static void only_an_upgrade_to_what_was_asked_for_is_taken(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(check(UPGRADE ACCEPT PROTOCOL, &err), 0);
    assert_int_equal(check(ACCEPT PROTOCOL, &err), -1);
    assert_non_null(strstr(err.msg, "another protocol"));
    assert_int_equal(check("Upgrade: websocket\r\n" ACCEPT PROTOCOL, &err), -1);
    assert_int_equal(check(UPGRADE PROTOCOL "Sec-WebSocket-Accept: x\r\n", &err), -1);
    assert_non_null(strstr(err.msg, "not to this request"));
    assert_int_equal(check(UPGRADE ACCEPT, &err), -1);
    assert_non_null(strstr(err.msg, "'v4.channel.k8s.io' was asked for"));
    assert_int_equal(check(UPGRADE ACCEPT PROTOCOL PROTOCOL, &err), -1);
    assert_int_equal(check(UPGRADE ACCEPT PROTOCOL "Sec-WebSocket-Extensions: z\r\n", &err), -1);
    assert_non_null(strstr(err.msg, "not asked for"));
}

static void answers_are_read_as_they_come(void **state)
{
    static const char refusal[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nbody";
    static const char chunks[] = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: Chunked\r\n\r\n"
                                 "2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\n\r\n";
    static const char *const texts[] = {refusal, chunks};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        cleanup_str struct str text = STR_INIT, body = STR_INIT;
        struct handshake_answer answer = {0};
        bool whole = false;
        struct err err;

        for (const char *at = texts[i]; *at && !whole; at++) {
            str_putc(&text, *at);
            if (handshake_parse(&text, &answer, &err) == 1)
                whole = handshake_body(&text, &answer, &body);
        }
        assert_true(whole);
        assert_int_equal(answer.code, 403);
        assert_string_equal(str_get(&body), "body");
    }
}

static void what_is_no_answer_is_refused(void **state)
{
    static const char *const wrong[] = {"HTTP/2 101 \r\n\r\n", "HTTP/1.1 1010 x\r\n\r\n",
                                        "HTTP/1.1 10\r\n\r\n", "\r\n\r\n", "220 smtp\r\n\r\n"};
    cleanup_str struct str endless = STR_INIT;
    struct handshake_answer answer;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        cleanup_str struct str text = STR_INIT;

        str_puts(&text, wrong[i]);
        assert_int_equal(handshake_parse(&text, &answer, &err), -1);
    }
    for (size_t i = 0; i < HANDSHAKE_HEAD_MAX; i++) {
        assert_int_equal(handshake_parse(&endless, &answer, &err), 0);
        str_putc(&endless, 'x');
    }
    assert_int_equal(handshake_parse(&endless, &answer, &err), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_whole_and_in_fragments),
        cmocka_unit_test(lengths_have_three_spellings),
        cmocka_unit_test(a_mask_is_another_one_each_time),
        cmocka_unit_test(a_close_has_a_code_and_a_text),
        cmocka_unit_test(what_breaks_the_rules_is_refused),
        cmocka_unit_test(the_port_comes_first_on_each_channel),
        cmocka_unit_test(what_went_wrong_is_told),
        cmocka_unit_test(the_end_of_a_long_text_is_cut),
        cmocka_unit_test(the_key_s_answer_is_the_rfc_s),
        cmocka_unit_test(only_an_upgrade_to_what_was_asked_for_is_taken),
        cmocka_unit_test(answers_are_read_as_they_come),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
