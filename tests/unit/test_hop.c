/* SPDX-License-Identifier: Apache-2.0 */
#include "hop.h"
#include "support.h"

static void lists(void **state)
{
    static const struct {
        const char *list, *name;
        bool want;
    } rows[] = {
        {NULL, "close", false},      {"", "close", false},         {"close", "close", true},
        {"Close, X-A", "x-a", true}, {"X-A,close", "close", true}, {",, \tx ,", "x", true},
        {"closed", "close", false},  {"xclose", "close", false},   {"a b", "b", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (hop_lists(rows[i].list, rows[i].name, strlen(rows[i].name)) != rows[i].want)
            fail_msg("%s in %s", rows[i].name, rows[i].list ? rows[i].list : "no list");
}

static void headers_of_answers(void **state)
{
    static const char *const pass[] = {"Content-Length", "content-type",
                                       "ETag",           "Set-Cook",
                                       "Proxied",        "X-Mine",
                                       "Date",           "Statusx",
                                       "Content-Range",  "Upgrades",
                                       "Locate",         "X-Send",
                                       "Accept-Ranges",  "T",
                                       "X-Lighttp"};
    static const char *const stay[] = {"Connection",
                                       "keep-alive",
                                       "Proxy-Authenticate",
                                       "Proxy-Connection",
                                       "TE",
                                       "Trailer",
                                       "transfer-encoding",
                                       "Upgrade",
                                       "X-Hop",
                                       "x-hop",
                                       "Status",
                                       "Set-Cookie",
                                       "service-worker-allowed",
                                       "Clear-Site-Data",
                                       "Strict-Transport-Security",
                                       "X-Sendfile",
                                       "X-Sendfile2",
                                       "X-LIGHTTPD-send-file",
                                       "x-lighttpd-KBytes-per-second",
                                       ""};

    (void)state;
    for (size_t i = 0; i < COUNT(pass); i++)
        if (!hop_passes_back(pass[i], strlen(pass[i]), "close, X-Hop"))
            fail_msg("%s", pass[i]);
    for (size_t i = 0; i < COUNT(stay); i++)
        if (hop_passes_back(stay[i], strlen(stay[i]), "close, X-Hop"))
            fail_msg("%s", stay[i]);
    assert_true(hop_passes_back("X-Hop", 5, NULL));
}

static void headers_of_requests(void **state)
{
    static const struct {
        const char *variable, *want; /* NULL: it stays */
    } rows[] = {
        {"HTTP_ACCEPT", "Accept"},
        {"HTTP_ACCEPT_ENCODING", "Accept-Encoding"},
        {"HTTP_X_KUBEVIRT_EXPORT_TOKEN", "X-Kubevirt-Export-Token"},
        {"HTTP_IF_NONE_MATCH", "If-None-Match"},
        {"HTTP_X2", "X2"},
        {"HTTP_AUTHORIZATION", "Authorization"},
        {"HTTP_X_HOP", NULL},
        {"HTTP_HOST", NULL},
        {"HTTP_X_FORWARDED_FOR", NULL},
        {"HTTP_CONNECTION", NULL},
        {"HTTP_KEEP_ALIVE", NULL},
        {"HTTP_PROXY", NULL},
        {"HTTP_PROXY_AUTHORIZATION", NULL},
        {"HTTP_TE", NULL},
        {"HTTP_TRANSFER_ENCODING", NULL},
        {"HTTP_UPGRADE", NULL},
        {"HTTP_EXPECT", NULL},
        {"HTTP_CONTENT_LENGTH", NULL},
        {"HTTP_", NULL},
        {"HTTPS", NULL},
        {"CONTENT_LENGTH", NULL},
        {"REMOTE_ADDR", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str name = STR_INIT;
        bool passes = hop_passes_on(rows[i].variable, strlen(rows[i].variable), "X-Hop", &name);

        if (passes != !!rows[i].want || (passes && strcmp(str_get(&name), rows[i].want) != 0))
            fail_msg("%s: %s", rows[i].variable, passes ? str_get(&name) : "stays");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(headers_of_answers),
        cmocka_unit_test(headers_of_requests),
    };

    return cmocka_run_group_tests_name("hop", tests, NULL, NULL);
}
