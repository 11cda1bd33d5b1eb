/* SPDX-License-Identifier: Apache-2.0 */
#include "handshake.h"
#include "base/base64.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <sys/random.h>

int handshake_key(char key[HANDSHAKE_KEY_SIZE], struct err *err)
{
    unsigned char random[16];
    cleanup_str struct str text = STR_INIT;

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return err_errno(err, ERR_SYSTEM, errno, "no random numbers");
    base64_encode(random, sizeof(random), &text);
    memcpy(key, str_get(&text), HANDSHAKE_KEY_SIZE);
    return 0;
}

void handshake_accept(const char *key, struct str *out)
{
    cleanup_str struct str text = STR_INIT;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    str_puts(&text, key);
    str_puts(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); /* RFC 6455 §1.3 */
    if (!EVP_Digest(str_get(&text), text.len, digest, &len, EVP_sha1(), NULL))
        abort();
    base64_encode(digest, len, out);
}

/* ---- headers ---- */

/* Appends the value; those of a header that comes several times with ", " between them. */
static void get_header(const struct str *text, size_t head, const char *name, struct str *out)
{
    const char *line = strstr(str_get(text), "\r\n");
    const char *end = str_get(text) + head - 2;
    size_t len = strlen(name);

    while (line && line < end) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1 + strspn(line + len + 1, " \t");
            size_t size = strcspn(value, "\r");

            while (size && strchr(" \t", value[size - 1]))
                size--;
            if (out->len)
                str_puts(out, ", ");
            str_append(out, value, size);
        }
        line = strstr(line, "\r\n");
    }
}

/* Whether a list has this word, in any case. */
static bool has_word(const char *list, const char *word)
{
    while (*list) {
        size_t len;

        list += strspn(list, ", \t");
        len = strcspn(list, ", \t");
        if (len == strlen(word) && strncasecmp(list, word, len) == 0)
            return true;
        list += len;
    }
    return false;
}

static bool header_has(const struct str *text, size_t head, const char *name, const char *word)
{
    cleanup_str struct str value = STR_INIT;

    get_header(text, head, name, &value);
    return has_word(str_get(&value), word);
}

/* -1: none, or one that makes no sense. */
static long long read_length(const struct str *text, size_t head)
{
    cleanup_str struct str value = STR_INIT;

    get_header(text, head, "Content-Length", &value);
    if (!value.len || value.len > 9 || value.data[strspn(value.data, "0123456789")])
        return -1;
    return strtoll(value.data, NULL, 10);
}

/* "HTTP/1.1 101 Switching Protocols"; 0 when it is no such line. */
static int read_code(const char *line)
{
    const char *digits = line + 9;

    if (!str_starts(line, "HTTP/1.1 ") && !str_starts(line, "HTTP/1.0 "))
        return 0;
    if (strspn(digits, "0123456789") != 3 || !strchr(" \r", digits[3]))
        return 0;
    return (int)strtol(digits, NULL, 10);
}

int handshake_parse(const struct str *text, struct handshake_answer *answer, struct err *err)
{
    const char *start = str_get(text);
    const char *end = memmem(start, text->len, "\r\n\r\n", 4);

    if (!end && text->len < HANDSHAKE_HEAD_MAX)
        return 0;
    *answer = (struct handshake_answer){.length = -1};
    if (!end || end - start > HANDSHAKE_HEAD_MAX)
        return err_set(err, ERR_PEER, "the answer's headers are longer than %d bytes",
                       HANDSHAKE_HEAD_MAX);
    answer->head = (size_t)(end - start) + 4;
    answer->code = read_code(start);
    if (!answer->code || memchr(start, '\0', answer->head))
        return err_set(err, ERR_PEER, "the answer is none of HTTP/1.1");
    answer->chunked = header_has(text, answer->head, "Transfer-Encoding", "chunked");
    if (!answer->chunked)
        answer->length = read_length(text, answer->head);
    return 1;
}

int handshake_check(const struct str *text, const struct handshake_answer *answer, const char *key,
                    const char *protocol, struct err *err)
{
    cleanup_str struct str wanted = STR_INIT, accept = STR_INIT, chosen = STR_INIT,
                           extensions = STR_INIT;

    handshake_accept(key, &wanted);
    get_header(text, answer->head, "Sec-WebSocket-Accept", &accept);
    get_header(text, answer->head, "Sec-WebSocket-Protocol", &chosen);
    get_header(text, answer->head, "Sec-WebSocket-Extensions", &extensions);
    if (!header_has(text, answer->head, "Upgrade", "websocket") ||
        !header_has(text, answer->head, "Connection", "Upgrade"))
        return err_set(err, ERR_PEER, "the answer 101 is to another protocol than WebSocket");
    if (strcmp(str_get(&accept), str_get(&wanted)) != 0)
        return err_set(err, ERR_PEER,
                       "the answer 101 is not to this request: its "
                       "Sec-WebSocket-Accept is another one");
    if (strcmp(str_get(&chosen), protocol) != 0)
        return err_set(err, ERR_PEER, "the protocol '%s' was asked for, the server has chosen '%s'",
                       protocol, str_get(&chosen));
    if (extensions.len)
        return err_set(err, ERR_PEER, "the server uses '%s', which was not asked for",
                       str_get(&extensions));
    return 0;
}

/* ---- the body of a refusal ---- */

/* RFC 9112 §7.1; true at its end, or where it makes no sense: what came before it is quoted. */
static bool read_chunks(const char *at, const char *end, struct str *body)
{
    while (at < end) {
        const char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
        unsigned long size;

        if (!line)
            return false;
        /* strtoul would pass over a sign, and over the ends of lines. */
        size = isxdigit((unsigned char)*at) ? strtoul(at, NULL, 16) : 0;
        if (size == 0 || size > HANDSHAKE_BODY_MAX)
            return true;
        at = line + 2;
        if (size > (size_t)(end - at)) {
            str_append(body, at, (size_t)(end - at));
            return false;
        }
        str_append(body, at, size);
        at += size;
        at += end - at < 2 ? end - at : 2;
    }
    return false;
}

bool handshake_body(const struct str *text, const struct handshake_answer *answer, struct str *body)
{
    const char *at = str_get(text) + answer->head;
    size_t len = text->len - answer->head;

    str_clear(body);
    if (answer->chunked)
        return read_chunks(at, at + len, body) || len >= HANDSHAKE_BODY_MAX;
    if (answer->length >= 0 && len > (size_t)answer->length)
        len = (size_t)answer->length;
    str_append(body, at, len);
    return len >= HANDSHAKE_BODY_MAX || (answer->length >= 0 && len == (size_t)answer->length);
}
