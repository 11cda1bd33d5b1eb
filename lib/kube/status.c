/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"
#include "kube/parse.h"

#include <string.h>

enum { QUOTED_MAX = 200 };

static const struct {
    const char *name;
    enum err_class class;
} reasons[] = {
    [KUBE_OK] = {"OK", ERR_NONE},
    [KUBE_BAD_REQUEST] = {"BadRequest", ERR_INPUT},
    [KUBE_UNAUTHORIZED] = {"Unauthorized", ERR_FORBIDDEN},
    [KUBE_FORBIDDEN] = {"Forbidden", ERR_FORBIDDEN},
    [KUBE_NOT_FOUND] = {"NotFound", ERR_NOT_FOUND},
    [KUBE_TERMINATING] = {"NamespaceTerminating", ERR_FORBIDDEN},
    [KUBE_ALREADY_EXISTS] = {"AlreadyExists", ERR_PRECONDITION},
    [KUBE_CONFLICT] = {"Conflict", ERR_PRECONDITION},
    [KUBE_INVALID] = {"Invalid", ERR_INPUT},
    [KUBE_EXPIRED] = {"Expired", ERR_PRECONDITION},
    [KUBE_TOO_MANY_REQUESTS] = {"TooManyRequests", ERR_UNAVAILABLE},
    [KUBE_TIMEOUT] = {"Timeout", ERR_UNAVAILABLE},
    [KUBE_VERSION_TOO_LARGE] = {"ResourceVersionTooLarge", ERR_UNAVAILABLE},
    [KUBE_SERVER] = {"ServerError", ERR_UNAVAILABLE},
    [KUBE_OTHER] = {"Other", ERR_SYSTEM},
    [KUBE_TRANSPORT] = {"Transport", ERR_IO},
    [KUBE_MALFORMED] = {"Malformed", ERR_SYSTEM},
    [KUBE_CANCELLED] = {"Cancelled", ERR_UNAVAILABLE},
};

/* The reasons of a Status that the code alone does not tell (metav1.StatusReason). */
static const struct {
    const char *name;
    enum kube_reason reason;
} by_name[] = {
    {"NotFound", KUBE_NOT_FOUND},     {"AlreadyExists", KUBE_ALREADY_EXISTS},
    {"Conflict", KUBE_CONFLICT},      {"Invalid", KUBE_INVALID},
    {"Expired", KUBE_EXPIRED},        {"Gone", KUBE_EXPIRED},
    {"BadRequest", KUBE_BAD_REQUEST}, {"Unauthorized", KUBE_UNAUTHORIZED},
    {"Forbidden", KUBE_FORBIDDEN},    {"TooManyRequests", KUBE_TOO_MANY_REQUESTS},
    {"Timeout", KUBE_TIMEOUT},        {"ServerTimeout", KUBE_TIMEOUT},
    {"InternalError", KUBE_SERVER},   {"ServiceUnavailable", KUBE_SERVER},
};

static const struct {
    int code;
    enum kube_reason reason;
} by_code[] = {
    {400, KUBE_BAD_REQUEST}, {401, KUBE_UNAUTHORIZED}, {403, KUBE_FORBIDDEN},
    {404, KUBE_NOT_FOUND},   {409, KUBE_CONFLICT},     {410, KUBE_EXPIRED},
    {422, KUBE_INVALID},     {504, KUBE_TIMEOUT},      {429, KUBE_TOO_MANY_REQUESTS},
};

const char *kube_reason_name(enum kube_reason reason)
{
    return (size_t)reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason].name : "Other";
}

static enum kube_reason reason_of_code(int code)
{
    for (size_t i = 0; i < sizeof(by_code) / sizeof(by_code[0]); i++)
        if (by_code[i].code == code)
            return by_code[i].reason;
    return code >= 500 && code <= 599 ? KUBE_SERVER : KUBE_OTHER;
}

static enum kube_reason reason_of_name(const char *name, int code)
{
    for (size_t i = 0; name && i < sizeof(by_name) / sizeof(by_name[0]); i++)
        if (strcmp(by_name[i].name, name) == 0)
            return by_name[i].reason;
    return reason_of_code(code);
}

static const struct json *causes_of(const struct json *status)
{
    const struct json *causes = json_at(status, "details.causes");

    return json_kind(causes) == JSON_ARRAY ? json_first(causes) : NULL;
}

static bool has_cause(const struct json *status, const char *reason)
{
    for (const struct json *cause = causes_of(status); cause; cause = json_next(cause))
        if (json_text(cause, "reason") && strcmp(json_text(cause, "reason"), reason) == 0)
            return true;
    return false;
}

/* A Timeout whose cause says that the server has not seen the resourceVersion yet. */
static bool is_version_too_large(const struct json *status)
{
    for (const struct json *cause = causes_of(status); cause; cause = json_next(cause)) {
        const char *message = json_text(cause, "message");

        if (message && strcmp(message, "Too large resource version") == 0) /* before 1.19 */
            return true;
    }
    return has_cause(status, "ResourceVersionTooLarge");
}

/* The message, which repeats the causes as the server makes it; without one, the causes. */
static void put_message(const struct json *status, struct str *out)
{
    const char *message = json_text(status, "message");

    if (message && *message) {
        str_puts(out, message);
        return;
    }
    for (const struct json *cause = causes_of(status); cause; cause = json_next(cause)) {
        const char *field = json_text(cause, "field"), *text = json_text(cause, "message");

        str_printf(out, "%s%s%s%s", out->len ? ", " : "", field ? field : "",
                   field && text ? ": " : "", text ? text : "");
    }
    if (!out->len)
        str_puts(out, "the server gives no cause");
}

static enum kube_reason refuse(enum kube_reason reason, int code, const char *message,
                               struct err *err)
{
    enum err_class class = reasons[reason].class;

    /* The end of a long message may go, the code and the reason may not. */
    err_set(err, class, "%.*s (%d %s)", (int)sizeof(err->msg) - 64, message, code,
            kube_reason_name(reason));
    return reason;
}

static enum kube_reason reason_of_status(const struct json *status, int code, struct err *err)
{
    enum kube_reason reason = reason_of_name(json_text(status, "reason"), code);
    cleanup_str struct str message = STR_INIT;

    if (reason == KUBE_TIMEOUT && is_version_too_large(status))
        reason = KUBE_VERSION_TOO_LARGE;
    if (reason == KUBE_FORBIDDEN && has_cause(status, "NamespaceTerminating"))
        reason = KUBE_TERMINATING;
    put_message(status, &message);
    return refuse(reason, code, str_get(&message), err);
}

enum kube_reason kube_status_reason(const struct json *status, struct err *err)
{
    double code = json_number(json_get(status, "code"), 0);

    return reason_of_status(status, code >= 100 && code <= 999 ? (int)code : 0, err);
}

/* The start of a body on one line: a proxy's page may be anything. */
static void quote(const struct str *body, struct str *out)
{
    const char *text = str_get(body);
    size_t len = body->len < QUOTED_MAX ? body->len : QUOTED_MAX;

    str_puts(out, "the answer is no Status of an API server but '");
    for (size_t i = 0; i < len; i++)
        str_putc(out, text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i]);
    str_puts(out, body->len > len ? "...'" : "'");
}

enum kube_reason kube_status_of_answer(int code, const struct str *body, struct err *err)
{
    struct err ignored;
    cleanup_json struct json *status = kube_parse(str_get(body), body->len, NULL, &ignored);
    const char *kind = json_text(status, "kind");
    cleanup_str struct str message = STR_INIT;

    if (kind && strcmp(kind, "Status") == 0)
        return reason_of_status(status, code, err);
    if (body->len)
        quote(body, &message);
    else
        str_puts(&message, "the server gives no cause");
    return refuse(reason_of_code(code), code, str_get(&message), err);
}
