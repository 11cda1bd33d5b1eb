/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"
#include "support.h"

static enum kube_reason answer(int code, const char *text, struct err *err)
{
    cleanup_str struct str body = STR_INIT;

    str_puts(&body, text);
    return kube_status_of_answer(code, &body, err);
}

static void the_reason_of_a_status_wins_over_the_code(void **state)
{
    static const struct {
        int code;
        const char *name;
        enum kube_reason reason;
    } cases[] = {
        {400, "BadRequest", KUBE_BAD_REQUEST},
        {401, "Unauthorized", KUBE_UNAUTHORIZED},
        {403, "Forbidden", KUBE_FORBIDDEN},
        {404, "NotFound", KUBE_NOT_FOUND},
        {409, "AlreadyExists", KUBE_ALREADY_EXISTS},
        {409, "Conflict", KUBE_CONFLICT},
        {410, "Gone", KUBE_EXPIRED},
        {410, "Expired", KUBE_EXPIRED},
        {422, "Invalid", KUBE_INVALID},
        {429, "TooManyRequests", KUBE_TOO_MANY_REQUESTS},
        {500, "InternalError", KUBE_SERVER},
        {500, "ServerTimeout", KUBE_TIMEOUT},
        {503, "ServiceUnavailable", KUBE_SERVER},
        {504, "Timeout", KUBE_TIMEOUT},
        {405, "MethodNotAllowed", KUBE_OTHER},
        {406, "NotAcceptable", KUBE_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        cleanup_str struct str text = STR_INIT;
        char end[64];
        struct err err = {0};

        str_printf(&text,
                   "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"why\","
                   "\"reason\":\"%s\",\"code\":%d}",
                   cases[i].name, cases[i].code);
        assert_int_equal(answer(cases[i].code, str_get(&text), &err), cases[i].reason);
        snprintf(end, sizeof(end), "why (%d %s)", cases[i].code, kube_reason_name(cases[i].reason));
        assert_string_equal(err.msg, end);
        assert_int_not_equal(err.class, ERR_NONE);
    }
}

static void without_a_reason_the_code_decides(void **state)
{
    static const struct {
        int code;
        enum kube_reason reason;
    } cases[] = {
        {400, KUBE_BAD_REQUEST}, {401, KUBE_UNAUTHORIZED},
        {403, KUBE_FORBIDDEN},   {404, KUBE_NOT_FOUND},
        {409, KUBE_CONFLICT},    {410, KUBE_EXPIRED},
        {422, KUBE_INVALID},     {429, KUBE_TOO_MANY_REQUESTS},
        {500, KUBE_SERVER},      {502, KUBE_SERVER},
        {504, KUBE_TIMEOUT},     {599, KUBE_SERVER},
        {302, KUBE_OTHER},       {418, KUBE_OTHER},
        {600, KUBE_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err = {0};

        assert_int_equal(answer(cases[i].code, "{\"kind\":\"Status\"}", &err), cases[i].reason);
        assert_int_equal(answer(cases[i].code, "", &err), cases[i].reason);
        assert_non_null(strstr(err.msg, "no cause"));
    }
}

static void a_version_that_is_too_large_is_told_by_its_cause(void **state)
{
    static const char *const texts[] = {
        "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"code\":504,\"message\":\"Too large resource "
        "version: 9, current: 3\",\"details\":{\"retryAfterSeconds\":1,\"causes\":[{\"reason\":"
        "\"ResourceVersionTooLarge\",\"message\":\"Too large resource version\"}]}}",
        "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"code\":504,\"details\":{\"causes\":"
        "[{\"message\":\"Too large resource version\"}]}}",
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(answer(504, texts[i], &err), KUBE_VERSION_TOO_LARGE);
}

/* As an API server answers a create in a namespace that is being deleted. */
static void a_namespace_that_ends_is_told_by_its_cause(void **state)
{
    static const char text[] =
        "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"code\":403,\"message\":\"pods \\\"p\\\" "
        "is "
        "forbidden: unable to create new content in namespace ns because it is being terminated\","
        "\"details\":{\"name\":\"p\",\"kind\":\"pods\",\"causes\":[{\"reason\":"
        "\"NamespaceTerminating\",\"message\":\"namespace ns is being terminated\",\"field\":"
        "\"metadata.namespace\"}]}}";
    struct err err;

    (void)state;
    assert_int_equal(answer(403, text, &err), KUBE_TERMINATING);
    assert_non_null(strstr(err.msg, "(403 NamespaceTerminating)"));
}

static void causes_stand_in_for_a_message(void **state)
{
    struct err err;

    (void)state;
    answer(422,
           "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"details\":{\"causes\":["
           "{\"field\":\"spec.ttl\",\"message\":\"must be positive\"},{\"message\":\"odd\"}]}}",
           &err);
    assert_string_equal(err.msg, "spec.ttl: must be positive, odd (422 Invalid)");
}

static void other_bodies_are_quoted_in_part(void **state)
{
    static const char *const odd[] = {"[]", "{\"kind\":\"Pod\"}", "7", "{\"kind\":7}",
                                      "{\"kind\":"};
    char page[4096];
    struct err err;

    (void)state;
    assert_int_equal(answer(502, "<html>\r\nBad\tGateway</html>", &err), KUBE_SERVER);
    assert_non_null(strstr(err.msg, "'<html>  Bad Gateway</html>' (502 ServerError)"));
    memset(page, 'x', sizeof(page));
    page[sizeof(page) - 1] = '\0';
    assert_int_equal(answer(404, page, &err), KUBE_NOT_FOUND);
    assert_true(strlen(err.msg) < 300);
    assert_non_null(strstr(err.msg, "xxx...'"));
    for (size_t i = 0; i < COUNT(odd); i++) {
        assert_int_equal(answer(403, odd[i], &err), KUBE_FORBIDDEN);
        assert_non_null(strstr(err.msg, odd[i]));
    }
}

static void a_long_message_leaves_the_reason_in(void **state)
{
    cleanup_str struct str text = STR_INIT;
    struct err err;

    (void)state;
    str_puts(&text, "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"");
    for (int i = 0; i < 5000; i++)
        str_putc(&text, 'y');
    str_puts(&text, "\"}");
    assert_int_equal(answer(403, str_get(&text), &err), KUBE_FORBIDDEN);
    assert_true(str_ends(err.msg, "(403 Forbidden)"));
}

static void a_status_object_has_its_own_code(void **state)
{
    static const struct {
        const char *text;
        enum kube_reason reason;
    } cases[] = {
        {"{\"code\":410,\"message\":\"too old\"}", KUBE_EXPIRED},
        {"{\"reason\":\"Expired\"}", KUBE_EXPIRED},
        {"{\"code\":1e300}", KUBE_OTHER},
        {"{\"code\":\"410\"}", KUBE_OTHER},
        {"{}", KUBE_OTHER},
        {"[]", KUBE_OTHER},
        {"{\"details\":7,\"message\":{}}", KUBE_OTHER},
        {"{\"details\":{\"causes\":{}}}", KUBE_OTHER},
        {"{\"reason\":\"Timeout\",\"details\":{\"causes\":[1,null,{\"reason\":2}]}}", KUBE_TIMEOUT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        cleanup_json struct json *status = json_parse(cases[i].text, strlen(cases[i].text), &err);

        assert_non_null(status);
        assert_int_equal(kube_status_reason(status, &err), cases[i].reason);
    }
}

static void every_reason_has_a_name(void **state)
{
    (void)state;
    for (int i = KUBE_OK; i <= KUBE_CANCELLED; i++)
        assert_true(*kube_reason_name((enum kube_reason)i));
    assert_string_equal(kube_reason_name(KUBE_ALREADY_EXISTS), "AlreadyExists");
    assert_string_equal(kube_reason_name((enum kube_reason)99), "Other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reason_of_a_status_wins_over_the_code),
        cmocka_unit_test(without_a_reason_the_code_decides),
        cmocka_unit_test(a_version_that_is_too_large_is_told_by_its_cause),
        cmocka_unit_test(a_namespace_that_ends_is_told_by_its_cause),
        cmocka_unit_test(causes_stand_in_for_a_message),
        cmocka_unit_test(other_bodies_are_quoted_in_part),
        cmocka_unit_test(a_long_message_leaves_the_reason_in),
        cmocka_unit_test(a_status_object_has_its_own_code),
        cmocka_unit_test(every_reason_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
