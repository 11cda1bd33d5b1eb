/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"
#include "support.h"

/* A request of up to seven meta-variables. */
static void set(struct request *req, const struct volume_table *volumes, const char *const *vars)
{
    static char lines[8][1024];
    static char *envp[9];
    size_t n = 0;

    for (; n < 8 && vars[n]; n++) {
        snprintf(lines[n], sizeof(lines[n]), "%s", vars[n]);
        envp[n] = lines[n];
    }
    envp[n] = NULL;
    request_init(req, envp, false, volumes);
}

#define SET(req, volumes, ...) set(req, volumes, (const char *const[]){__VA_ARGS__, NULL})

static void meta_variables(void **state)
{
    struct request req;

    (void)state;
    SET(&req, NULL, "HTTP_RANGE_X=no", "HTTP_RANGE=bytes=0-1", "EMPTY=", "HTTP_RANGE=second");
    assert_string_equal(request_param(&req, "HTTP_RANGE"), "bytes=0-1");
    assert_string_equal(request_param(&req, "EMPTY"), "");
    assert_null(request_param(&req, "HTTP_RANG"));
    assert_null(request_param(&req, "http_range"));
    assert_string_equal(req.path, "/");
    assert_string_equal(req.query, "");
}

static void methods_and_the_shell(void **state)
{
    static char gateway[] = "GATEWAY_INTERFACE=CGI/1.1";
    char *none[] = {NULL}, *server[] = {gateway, NULL};
    struct request req;

    (void)state;
    SET(&req, NULL, "REQUEST_METHOD=HEAD");
    assert_true(req.head);
    SET(&req, NULL, "REQUEST_METHOD=GET");
    assert_false(req.head);
    SET(&req, NULL, "REQUEST_METHOD=head");
    assert_false(req.head);
    request_init(&req, none, true, NULL);
    assert_true(req.from_shell);
    request_init(&req, server, true, NULL); /* a web server's CGI: a token is asked for */
    assert_false(req.from_shell);
    request_init(&req, none, false, NULL);
    assert_false(req.from_shell);
}

static void prefixes_are_cut(void **state)
{
    static const struct {
        const char *prefix, *path, *want;
    } rows[] = {
        {NULL, "PATH_INFO=/volumes/a", "/volumes/a"},
        {"", "PATH_INFO=/volumes/a", "/volumes/a"},
        {"/api/x", "PATH_INFO=/volumes/a", "/volumes/a"},
        {"/api/x", "PATH_INFO=/api/x/volumes/a", "/volumes/a"},
        {"/api/x", "PATH_INFO=/api/x/", "/"},
        {"/api/x", "PATH_INFO=/api/x", "/api/x"},
        {"/api/x", "PATH_INFO=/api/xy/volumes/a", "/api/xy/volumes/a"},
        {"/api/x", "PATH_INFO=/api/x/api/x/a", "/api/x/a"}, /* once */
        {"/v1 /v2", "PATH_INFO=/v1/a", "/a"},
        {"/v1 /v2", "PATH_INFO=/v2/a", "/a"},
        {"  /v1   /v2  ", "PATH_INFO=/v2/a", "/a"},
        {"/v1 /v2", "PATH_INFO=/v3/a", "/v3/a"},
        {"/v1 /v1/b", "PATH_INFO=/v1/b/a", "/b/a"}, /* the first that fits */
        {" ", "PATH_INFO=/a", "/a"},
        {"/v1", "PATH_INFO=", "/"},
        {"/v1", "PATH_INFO=v1/a", "/"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request req;

        if (rows[i].prefix)
            setenv("VMEXPORT_PREFIX", rows[i].prefix, 1);
        SET(&req, NULL, rows[i].path);
        unsetenv("VMEXPORT_PREFIX");
        if (strcmp(req.path, rows[i].want) != 0)
            fail_msg("row %zu: %s, not %s", i, req.path, rows[i].want);
    }
}

static void queries_are_decoded(void **state)
{
    static const struct {
        const char *query, *want; /* NULL: the parameter is not there */
    } rows[] = {
        {"QUERY_STRING=", NULL},
        {"QUERY_STRING=k=v", "v"},
        {"QUERY_STRING=k", ""},
        {"QUERY_STRING=k=", ""},
        {"QUERY_STRING==v", NULL},
        {"QUERY_STRING=&&k=v&", "v"},
        {"QUERY_STRING=a=1&k=v&b=2", "v"},
        {"QUERY_STRING=k=first&k=second", "first"},
        {"QUERY_STRING=k&k=second", ""},
        {"QUERY_STRING=kk=v&K=v", NULL},
        {"QUERY_STRING=k=a=b", "a=b"},
        {"QUERY_STRING=k=a+b%20c%2B", "a b c+"},
        {"QUERY_STRING=%6b=v", "v"},
        {"QUERY_STRING=k=%4a%4A", "JJ"},
        {"QUERY_STRING=k=%26%3d", "&="},
        {"QUERY_STRING=k=100%", "100%"},
        {"QUERY_STRING=k=%4", "%4"},
        {"QUERY_STRING=k=%zz%4g%", "%zz%4g%"},
        {"QUERY_STRING=k=%4&41", "%4"}, /* does not reach into the next pair */
        {"QUERY_STRING=k=%%41", "%A"},
        {"QUERY_STRING=k=%c3%a9", "\xc3\xa9"},
        {"QUERY_STRING=k=v;k=w", "v;k=w"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str value = STR_INIT;
        struct request req;
        bool found;

        SET(&req, NULL, rows[i].query);
        found = request_query(&req, "k", &value);
        if (found != !!rows[i].want || (found && strcmp(str_get(&value), rows[i].want) != 0))
            fail_msg("%s: '%s'", rows[i].query, found ? str_get(&value) : "not found");
    }
}

static void a_decoded_nul_keeps_its_place(void **state)
{
    cleanup_str struct str value = STR_INIT;
    struct request req;

    (void)state;
    SET(&req, NULL, "QUERY_STRING=k=a%00b");
    assert_true(request_query(&req, "k", &value));
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "a\0b", 4);
}

static void volumes_are_found(void **state)
{
    static const struct {
        const char *path, *volume, *rest; /* NULL: not found */
    } rows[] = {
        {"PATH_INFO=/volumes/a/disk.img", "a", "/disk.img"},
        {"PATH_INFO=/volumes/a", "a", ""},
        {"PATH_INFO=/volumes/a/", "a", "/"},
        {"PATH_INFO=/volumes/a.b-c/x//y", "a.b-c", "/x//y"},
        {"PATH_INFO=/volumes/b/disk.img", NULL, NULL},
        {"PATH_INFO=/volumes/", NULL, NULL},
        {"PATH_INFO=/volumes//a", NULL, NULL},
        {"PATH_INFO=/volumes", NULL, NULL},
        {"PATH_INFO=/", NULL, NULL},
        {"PATH_INFO=/Volumes/a", NULL, NULL},
        {"PATH_INFO=/volumes/aa", NULL, NULL},
        {"PATH_INFO=/x/volumes/a", NULL, NULL},
    };
    struct volume_table table;
    struct err err;

    (void)state;
    assert_int_equal(volume_table_parse(&table, "a disk - /a\na.b-c disk - /c\n", &err), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct volume *volume;
        const char *rest;
        struct request req;

        SET(&req, &table, rows[i].path);
        if (!rows[i].volume) {
            assert_int_equal(request_volume(&req, &volume, &rest, &err), -1);
            assert_int_equal(err.class, ERR_NOT_FOUND);
            continue;
        }
        assert_int_equal(request_volume(&req, &volume, &rest, &err), 0);
        assert_string_equal(volume->name, rows[i].volume);
        assert_string_equal(rest, rows[i].rest);
    }
    volume_table_free(&table);
}

static void a_long_name_does_not_fill_the_message(void **state)
{
    struct volume_table none = {0};
    const struct volume *volume;
    struct request req;
    struct err err;
    const char *rest;
    char path[1000] = "PATH_INFO=/volumes/";

    (void)state;
    memset(path + strlen(path), 'x', sizeof(path) - strlen(path) - 1);
    path[sizeof(path) - 1] = '\0';
    SET(&req, &none, path);
    assert_int_equal(request_volume(&req, &volume, &rest, &err), -1);
    assert_true(strlen(err.msg) < 300);
}

static void accept(void **state)
{
    static const struct {
        const char *header;
        bool want;
    } rows[] = {
        {"HTTP_ACCEPT=application/json", true},
        {"HTTP_ACCEPT=APPLICATION/JSON", true},
        {"HTTP_ACCEPT=text/html, application/json;q=0.5", true},
        {"HTTP_ACCEPT=text/html,\tapplication/json ;q=0.5", true},
        {"HTTP_ACCEPT=,, application/json,", true},
        {"HTTP_ACCEPT=application/jsonx", false},
        {"HTTP_ACCEPT=xapplication/json", false},
        {"HTTP_ACCEPT=application/json+x", false},
        {"HTTP_ACCEPT=text/html;x=application/json", false},
        {"HTTP_ACCEPT=application/*", false},
        {"HTTP_ACCEPT=*/*", false},
        {"HTTP_ACCEPT=", false},
        {"HTTP_ACCEPT=,;, ;", false},
        {"OTHER=application/json", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request req;

        SET(&req, NULL, rows[i].header);
        if (request_accepts(&req, "application/json") != rows[i].want)
            fail_msg("%s", rows[i].header);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(meta_variables),
        cmocka_unit_test(methods_and_the_shell),
        cmocka_unit_test(prefixes_are_cut),
        cmocka_unit_test(queries_are_decoded),
        cmocka_unit_test(a_decoded_nul_keeps_its_place),
        cmocka_unit_test(volumes_are_found),
        cmocka_unit_test(a_long_name_does_not_fill_the_message),
        cmocka_unit_test(accept),
    };

    unsetenv("VMEXPORT_PREFIX");
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
