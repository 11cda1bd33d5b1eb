/* SPDX-License-Identifier: Apache-2.0 */
/* How the client finds, makes and deletes exports: what it asks of the API server, and what it makes
 * of each answer. */
#include "kube_fixture.h"

#include "api/exports_spec.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "kube/secret.h"
#include "say.h"

#include <ctype.h>

#define EXPORT(more) \
    "{\"apiVersion\":\"export.kubevirt.io/v1\",\"kind\":\"VirtualMachineExport\"," \
    "\"metadata\":{\"name\":\"e\",\"namespace\":\"ns\",\"uid\":\"u-1\"}," \
    "\"spec\":{\"tokenSecretRef\":\"secret-e\"}" more "}"
#define SECRET(more) \
    "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"secret-e\",\"uid\":\"s-1\"" more "}"
#define OWNED(uid) \
    ",\"ownerReferences\":[{\"apiVersion\":\"export.kubevirt.io/v1\"," \
    "\"kind\":\"VirtualMachineExport\",\"name\":\"e\",\"uid\":\"" uid "\"}]"
#define TOKEN "},\"data\":{\"token\":\"dDBrZW4=\"}" /* t0ken */
#define VERSIONS(list) "{\"kind\":\"APIGroup\",\"versions\":[" list "]}"
#define VERSION(v) "{\"version\":\"" v "\"}"

#define OK(text) \
    { \
        .status = "200 OK", .body = text \
    }
#define NO(code, reason) \
    { \
        .status = code, .body = STATUS(reason) \
    }
#define NONE NO("404 Not Found", "NotFound")

static const char group[] = "export.kubevirt.io";

/* ---- the server, as a cluster of one or two groups ---- */

struct bench {
    struct fixture f;
    struct cluster cluster;
    struct exports exports;
    struct err err;
};

static void begin(struct bench *b, const struct canned *table, size_t count, size_t groups)
{
    static char ns[] = "ns";

    memset(b, 0, sizeof(*b));
    start_with(&b->f, table, count, NULL);
    b->cluster = (struct cluster){.client = b->f.client, .conn = b->f.conn, .ns = ns};
    b->exports.cluster = &b->cluster;
    b->exports.group[0] =
        (struct kube_resource){group, "v1", "virtualmachineexports", "VirtualMachineExport", true};
    b->exports.group[1] = b->exports.group[0];
    b->exports.group[1].group = "export.vmexport.io";
    b->exports.count = groups;
}

#define BEGIN(b, table, groups) begin(b, table, COUNT(table), groups)

static void end(struct bench *b)
{
    stop(&b->f);
}

static void assert_asked(struct bench *b, const char *observed)
{
    if (strcmp(str_get(&b->f.observed), observed))
        fail_msg("asked %s, and not %s", str_get(&b->f.observed), observed);
}

/* ---- discovery ---- */

static void discovery(void **state)
{
    static const struct {
        struct canned table[2]; /* export.vmexport.io, then export.kubevirt.io */
        const char *want;       /* NULL: none */
    } rows[] = {
        {{NONE, OK(VERSIONS(VERSION("v1")))}, "export.kubevirt.io/v1 "},
        {{NONE, OK(VERSIONS(VERSION("v1alpha1") "," VERSION("v1beta1")))},
         "export.kubevirt.io/v1beta1 "},
        {{NONE, OK(VERSIONS(VERSION("v1alpha1")))}, "export.kubevirt.io/v1alpha1 "},
        {{NONE, OK(VERSIONS(VERSION("v7")))}, NULL},
        {{NONE, OK(VERSIONS("3,{}"))}, NULL},
        {{NONE, NONE}, NULL},
        {{OK(VERSIONS(VERSION("v1beta1") "," VERSION("v1"))), NONE}, "export.vmexport.io/v1 "},
        {{OK(VERSIONS(VERSION("v1"))), OK(VERSIONS(VERSION("v1beta1")))},
         "export.vmexport.io/v1 export.kubevirt.io/v1beta1 "},
        {{NO("403 Forbidden", "Forbidden"), NO("403 Forbidden", "Forbidden")},
         "export.kubevirt.io/v1 "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str got = STR_INIT;
        struct exports exports;
        struct bench b;
        int rc;

        BEGIN(&b, rows[i].table, 0);
        rc = exports_discover(&b.cluster, NULL, &exports, &b.err);
        for (size_t k = 0; rc == 0 && k < exports.count; k++)
            str_printf(&got, "%s/%s ", exports.group[k].group, exports.group[k].version);
        if ((rc == 0) != (rows[i].want != NULL) ||
            strcmp(str_get(&got), rows[i].want ? rows[i].want : ""))
            fail_msg("row %zu: %s", i, rc < 0 ? b.err.msg : str_get(&got));
        if (rc < 0)
            assert_int_equal(b.err.class, ERR_NOT_FOUND);
        end(&b);
    }
}

static void one_group_alone(void **state)
{
    static const struct canned table[] = {OK(VERSIONS(VERSION("v1")))};
    struct exports exports;
    struct bench b;

    (void)state;
    BEGIN(&b, table, 0);
    assert_int_equal(exports_discover(&b.cluster, group, &exports, &b.err), 0);
    assert_int_equal(exports.count, 1);
    assert_true(asked(&b.f, 0, "GET /apis/export.kubevirt.io HTTP"));
    assert_int_equal(exports_discover(&b.cluster, "../x", &exports, &b.err), -1);
    assert_int_equal(b.err.class, ERR_INPUT);
    assert_asked(&b, "GET 200");
    end(&b);
}

/* ---- reading ---- */

static void an_export_is_found_in_its_group(void **state)
{
    static const struct {
        struct canned table[2];
        int found; /* -1: not */
        enum err_class class;
    } rows[] = {
        {{OK(EXPORT("")), NONE}, 0, ERR_NONE},
        {{NONE, OK(EXPORT(""))}, 1, ERR_NONE},
        {{NO("403 Forbidden", "Forbidden"), OK(EXPORT(""))}, 1, ERR_NONE},
        {{NO("403 Forbidden", "Forbidden"), NONE}, -1, ERR_FORBIDDEN},
        {{NONE, NONE}, -1, ERR_NOT_FOUND},
        {{OK(EXPORT("")), OK(EXPORT(""))}, -1, ERR_INPUT},
        {{NO("500 Oh", "InternalError"), NONE}, -1, ERR_IO},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct kube_resource *resource = NULL;
        cleanup_json struct json *object = NULL;
        struct bench b;
        int rc;

        BEGIN(&b, rows[i].table, 2);
        rc = exports_get(&b.exports, "e", &resource, &object, &b.err);
        if ((rc == 0) != (rows[i].found >= 0) ||
            (rc == 0 ? resource != &b.exports.group[rows[i].found]
                     : b.err.class != rows[i].class || object))
            fail_msg("row %zu: %d, %s", i, rc, rc < 0 ? b.err.msg : resource->group);
        end(&b);
    }
}

static void the_token(void **state)
{
    static const struct {
        const char *status; /* the export's */
        struct canned answer;
        const char *token, *asked;
        enum err_class class;
    } rows[] = {
        {"", OK(SECRET(TOKEN)), "t0ken", "/secrets/secret-e HTTP", ERR_NONE},
        {",\"status\":{\"tokenSecretRef\":\"other\"}", OK(SECRET(TOKEN)), "t0ken",
         "/secrets/other HTTP", ERR_NONE},
        {",\"status\":{\"tokenSecretRef\":\"\"}", OK(SECRET("},\"data\":{\"token\":\"IHQK\"}")),
         "t", "/secrets/secret-e HTTP", ERR_NONE},
        {"", OK(SECRET("}")), NULL, "", ERR_UNAVAILABLE},
        {"", OK(SECRET("},\"data\":{\"token\":\"\"}")), NULL, "", ERR_UNAVAILABLE},
        {"", OK(SECRET("},\"data\":{\"token\":\"?\"}")), NULL, "", ERR_UNAVAILABLE},
        {"", NONE, NULL, "", ERR_NOT_FOUND},
        {"", NO("403 Forbidden", "Forbidden"), NULL, "", ERR_FORBIDDEN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str text = STR_INIT;
        cleanup_json struct json *object = NULL;
        char *token = NULL;
        struct bench b;
        int rc;

        begin(&b, &rows[i].answer, 1, 1);
        str_printf(&text, EXPORT("%s"), rows[i].status);
        object = json_parse(str_get(&text), text.len, &b.err);
        assert_non_null(object);
        rc = exports_token(&b.exports, object, &token, &b.err);
        if (rc == 0 ? !rows[i].token || strcmp(token, rows[i].token)
                    : rows[i].token || b.err.class != rows[i].class)
            fail_msg("row %zu: %s", i, rc == 0 ? token : b.err.msg);
        assert_true(asked(&b.f, 0, rows[i].asked));
        secret_free(token);
        end(&b);
    }
}

/* ---- making ---- */

static const struct option_source source = {"--pvc", "", "PersistentVolumeClaim", "disk"};

static int create(struct bench *b)
{
    static const struct options options = {0};

    return exports_create(&b->exports, &options, &source, "e", NULL, &b->err);
}

static void what_is_made(void **state)
{
    static const struct canned table[] = {NONE, OK(EXPORT("")), OK(SECRET(TOKEN))};
    struct bench b;

    (void)state;
    BEGIN(&b, table, 1);
    assert_int_equal(create(&b), 0);
    assert_asked(&b, "GET 404, POST 200, POST 200");
    assert_true(asked(&b.f, 1,
                      "\"source\":{\"apiGroup\":\"\",\"kind\":\"PersistentVolumeClaim\","
                      "\"name\":\"disk\"},\"tokenSecretRef\":\"secret-e\"}"));
    assert_true(asked(&b.f, 2, "POST /api/v1/namespaces/ns/secrets HTTP"));
    assert_true(asked(&b.f, 2,
                      "\"name\":\"e\",\"uid\":\"u-1\",\"controller\":true,"
                      "\"blockOwnerDeletion\":false"));
    end(&b);
}

/* What comes of the Secret that cannot be made at once: nothing is left half-made. */
static void a_secret_that_is_there(void **state)
{
    static const struct {
        const char *what;
        struct canned table[8];
        size_t count;
        int rc;
        const char *asked;
    } rows[] = {
        {"with a token",
         {NONE, OK(EXPORT("")), NO("409 Conflict", "AlreadyExists"), OK(SECRET(TOKEN))},
         4,
         0,
         "GET 404, POST 200, POST 409, GET 200"},
        {"that may not be read",
         {NONE, OK(EXPORT("")), NO("409 Conflict", "AlreadyExists"),
          NO("403 Forbidden", "Forbidden")},
         4,
         0,
         "GET 404, POST 200, POST 409, GET 403"},
        {"without a token",
         {NONE, OK(EXPORT("")), NO("409 Conflict", "AlreadyExists"), OK(SECRET("}")), OK("{}")},
         5,
         -1,
         "GET 404, POST 200, POST 409, GET 200, DELETE 200"},
        {"that an earlier export left",
         {NONE, OK(EXPORT("")), NO("409 Conflict", "AlreadyExists"), OK(SECRET(OWNED("u-0") TOKEN)),
          OK("{}"), OK(SECRET(TOKEN))},
         6,
         0,
         "GET 404, POST 200, POST 409, GET 200, DELETE 200, POST 200"},
        {"that is our own, of a POST that was sent again",
         {NONE, OK(EXPORT("")), NO("409 Conflict", "AlreadyExists"),
          OK(SECRET(OWNED("u-1") TOKEN))},
         4,
         0,
         "GET 404, POST 200, POST 409, GET 200"},
        {"that goes meanwhile",
         {NONE, OK(EXPORT("")), NO("409 Conflict", "AlreadyExists"), NONE, OK(SECRET(TOKEN))},
         5,
         0,
         "GET 404, POST 200, POST 409, GET 404, POST 200"},
        {"that may not be made",
         {NONE, OK(EXPORT("")), NO("403 Forbidden", "Forbidden"), OK("{}")},
         4,
         -1,
         "GET 404, POST 200, POST 403, DELETE 200"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench b;
        int rc;

        begin(&b, rows[i].table, rows[i].count, 1);
        rc = create(&b);
        if (rc != rows[i].rc)
            fail_msg("%s: %d, %s", rows[i].what, rc, b.err.msg);
        assert_asked(&b, rows[i].asked);
        if (rc < 0) /* the export alone that was made here */
            assert_true(asked(&b.f, rows[i].count - 1, "\"uid\":\"u-1\""));
        end(&b);
    }
}

static void an_export_that_is_there_stays(void **state)
{
    static const struct canned there[] = {OK(EXPORT(""))};
    static const struct canned raced[] = {NONE, NO("409 Conflict", "AlreadyExists")};
    struct bench b;

    (void)state;
    BEGIN(&b, there, 2);
    assert_int_equal(create(&b), -1);
    assert_int_equal(b.err.class, ERR_PRECONDITION);
    assert_string_equal(b.err.msg, "VirtualMachineExport 'ns/e' already exists");
    assert_asked(&b, "GET 200, GET 200");
    end(&b);
    BEGIN(&b, raced, 1);
    assert_int_equal(create(&b), -1);
    assert_int_equal(b.err.class, ERR_PRECONDITION);
    assert_asked(&b, "GET 404, POST 409");
    end(&b);
}

/* ---- deleting ---- */

/* Keeps what is said meanwhile. */
static int delete_listening(struct bench *b, const char *uid, bool *was_there, struct str *said)
{
    int file = open(scratch_path("said"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int was = dup(STDERR_FILENO), rc;

    assert_true(file >= 0 && was >= 0 && dup2(file, STDERR_FILENO) >= 0);
    say_open(false);
    rc = exports_delete(&b->exports, "e", uid, was_there, &b->err);
    say_open(true);
    dup2(was, STDERR_FILENO);
    close(was);
    close(file);
    assert_int_equal(io_read_file(scratch_path("said"), 65536, said, &b->f.err), 0);
    return rc;
}

static void deleting(void **state)
{
    static const struct canned done = OK("{}"), none = NONE, there = OK(EXPORT("")),
                               conflict = NO("409 Conflict", "Conflict"),
                               forbidden = NO("403 Forbidden", "Forbidden");
    const struct {
        struct canned table[3];
        size_t groups;
        const char *uid;
        int rc;
        bool was_there;
        const char *asked, *said;
    } rows[] = {
        {{done}, 1, NULL, 0, true, "DELETE 200", "deleted"},
        {{none}, 1, NULL, 0, false, "DELETE 404", ""},
        {{forbidden}, 1, NULL, -1, false, "DELETE 403", ""},
        {{conflict}, 1, "u-9", 0, false, "DELETE 409", "another one"},
        {{none, there, done}, 2, NULL, 0, true, "GET 404, GET 200, DELETE 200", "deleted"},
        {{none, none}, 2, NULL, 0, false, "GET 404, GET 404", ""},
        {{done}, 2, "u-1", 0, true, "DELETE 200", "deleted"},
        {{conflict, done}, 2, "u-1", 0, true, "DELETE 409, DELETE 200", "deleted"},
        {{none, done}, 2, "u-1", 0, true, "DELETE 404, DELETE 200", "deleted"},
        {{forbidden, done}, 2, "u-1", 0, true, "DELETE 403, DELETE 200", "deleted"},
        {{forbidden, none}, 2, "u-1", -1, false, "DELETE 403, DELETE 404", ""},
        {{none, conflict}, 2, "u-1", 0, false, "DELETE 404, DELETE 409", "another one"},
        {{none, none}, 2, "u-1", 0, false, "DELETE 404, DELETE 404", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str said = STR_INIT, uid = STR_INIT;
        struct bench b;
        bool was_there;
        int rc;

        BEGIN(&b, rows[i].table, rows[i].groups);
        rc = delete_listening(&b, rows[i].uid, &was_there, &said);
        if (rc != rows[i].rc || was_there != rows[i].was_there)
            fail_msg("row %zu: %d, %s", i, rc, rc < 0 ? b.err.msg : "");
        if (rc < 0)
            assert_int_equal(b.err.class, ERR_FORBIDDEN);
        assert_asked(&b, rows[i].asked);
        if (*rows[i].said ? !strstr(str_get(&said), rows[i].said) : said.len != 0)
            fail_msg("row %zu says %s", i, str_get(&said));
        if (rows[i].uid)
            str_printf(&uid, "\"preconditions\":{\"uid\":\"%s\"", rows[i].uid);
        for (size_t k = 0; rows[i].uid && k < canned_requests(&b.f.server); k++)
            assert_true(asked(&b.f, k, str_get(&uid)));
        end(&b);
    }
}

/* ---- the parts ---- */

static void objects(void **state)
{
    static const struct kube_resource resource = {"g", "v2", "p", "VirtualMachineExport", true};
    const struct option_source vm = {"--vm", "kubevirt.io", "VirtualMachine", "web"};
    struct options options = {.ttl_s = 5400, .labels = {{"a=1", "b=", "a=2"}, 3}};
    cleanup_json struct json *object = NULL;
    cleanup_str struct str text = STR_INIT;
    struct err err;

    (void)state;
    options.annotations = (struct texts){{"n/k=v=w"}, 1};
    object = exports_object(&options, &vm, &resource, "ns", "e", &err);
    json_print(object, 0, &text);
    assert_string_equal(
        str_get(&text),
        "{\"apiVersion\":\"g/v2\",\"kind\":\"VirtualMachineExport\",\"metadata\":{\"name\":\"e\","
        "\"namespace\":\"ns\",\"labels\":{\"a\":\"2\",\"b\":\"\"},"
        "\"annotations\":{\"n/k\":\"v=w\"}},\"spec\":{\"source\":{\"apiGroup\":\"kubevirt.io\","
        "\"kind\":\"VirtualMachine\",\"name\":\"web\"},\"tokenSecretRef\":\"secret-e\","
        "\"ttlDuration\":\"1h30m0s\"}}");
    options.labels.text[1] = "=x";
    assert_null(exports_object(&options, &vm, &resource, "ns", "e", &err));
    assert_int_equal(err.class, ERR_INPUT);
    assert_string_equal(err.msg, "--labels: '=x' is no KEY=VALUE");
}

static void durations(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *want;
    } rows[] = {{0, "0s"},         {59, "59s"},      {60, "1m0s"},      {3600, "1h0m0s"},
                {5400, "1h30m0s"}, {7261, "2h1m1s"}, {86400, "24h0m0s"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str text = STR_INIT;

        exports_duration(rows[i].seconds, &text);
        assert_string_equal(str_get(&text), rows[i].want);
    }
}

/* Each character is as likely as another: 62 times some 323, and no five sigmas off. */
static void tokens(void **state)
{
    unsigned count[128] = {0};
    cleanup_str struct str last = STR_INIT;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        cleanup_str struct str token = STR_INIT;

        exports_random_token(&token);
        assert_int_equal(token.len, EXPORTS_TOKEN_LENGTH);
        assert_string_not_equal(str_get(&token), str_get(&last));
        for (size_t k = 0; k < token.len; k++) {
            assert_true(isalnum((unsigned char)token.data[k]));
            count[(unsigned char)token.data[k]]++;
        }
        str_clear(&last);
        str_puts(&last, str_get(&token));
    }
    for (int c = 0; c < 128; c++)
        if (isalnum(c) && (count[c] < 323 - 6 * 18 || count[c] > 323 + 6 * 18))
            fail_msg("'%c' came %u times", c, count[c]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discovery),
        cmocka_unit_test(one_group_alone),
        cmocka_unit_test(an_export_is_found_in_its_group),
        cmocka_unit_test(the_token),
        cmocka_unit_test(what_is_made),
        cmocka_unit_test(a_secret_that_is_there),
        cmocka_unit_test(an_export_that_is_there_stays),
        cmocka_unit_test(deleting),
        cmocka_unit_test(objects),
        cmocka_unit_test(durations),
        cmocka_unit_test(tokens),
    };

    say_open(true);
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
