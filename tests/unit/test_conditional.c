/* SPDX-License-Identifier: Apache-2.0 */
#include "conditional.h"
#include "support.h"

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define EXACTLY "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct validator both = {"\"abc\"", 784111777};
static const struct validator only_date = {NULL, 784111777};
static const struct validator only_tag = {"\"abc\"", -1};
static const struct validator neither = {NULL, -1};

enum {
    PROCEED = CONDITIONAL_PROCEED,
    SAME = CONDITIONAL_NOT_MODIFIED,
    FAILED = CONDITIONAL_FAILED
};

struct row {
    const struct validator *validator;
    const char *header[3]; /* meta-variables */
    int want;
};

static void request(struct request *req, const struct row *row)
{
    static char lines[3][256];
    static char *envp[4];
    size_t n = 0;

    for (; n < 3 && row->header[n]; n++) {
        snprintf(lines[n], sizeof(lines[n]), "%s", row->header[n]);
        envp[n] = lines[n];
    }
    envp[n] = NULL;
    *req = (struct request){.envp = envp};
}

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct request req;
        int got;

        request(&req, &rows[i]);
        got = conditional_check(&req, rows[i].validator);
        if (got != rows[i].want)
            fail_msg("row %zu (%s): %d, not %d", i,
                     rows[i].header[0] ? rows[i].header[0] : "no header", got, rows[i].want);
    }
}

static void no_condition_proceeds(void **state)
{
    static const struct row rows[] = {{&both, {NULL}, PROCEED}, {&neither, {NULL}, PROCEED}};

    (void)state;
    check(rows, COUNT(rows));
}

static void if_match(void **state)
{
    static const struct row rows[] = {
        {&both, {"HTTP_IF_MATCH=\"abc\""}, PROCEED},
        {&both, {"HTTP_IF_MATCH=*"}, PROCEED},
        {&neither, {"HTTP_IF_MATCH=*"}, PROCEED},
        {&both, {"HTTP_IF_MATCH=\"x\", \"abc\""}, PROCEED},
        {&both, {"HTTP_IF_MATCH= ,\"x\" , ,\"abc\","}, PROCEED},
        {&both, {"HTTP_IF_MATCH=\"a,b\",\"abc\""}, PROCEED}, /* a comma within a tag */
        {&both, {"HTTP_IF_MATCH=\"x\""}, FAILED},
        {&both, {"HTTP_IF_MATCH=W/\"abc\""}, FAILED}, /* strong comparison */
        {&both, {"HTTP_IF_MATCH=W/\"abc\", \"abc\""}, PROCEED},
        {&both, {"HTTP_IF_MATCH=\"ABC\""}, FAILED},
        {&both, {"HTTP_IF_MATCH=\"abcd\""}, FAILED},
        {&both, {"HTTP_IF_MATCH=\"ab\""}, FAILED},
        {&both, {"HTTP_IF_MATCH=abc"}, FAILED},
        {&both, {"HTTP_IF_MATCH=\"x, \"abc\""}, FAILED}, /* the tag is `"x, "`, the rest is none */
        {&both, {"HTTP_IF_MATCH=\"abc"}, FAILED},
        {&both, {"HTTP_IF_MATCH="}, FAILED},
        {&both, {"HTTP_IF_MATCH=W/"}, FAILED},
        {&only_date, {"HTTP_IF_MATCH=\"abc\""}, FAILED},
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void if_none_match(void **state)
{
    static const struct row rows[] = {
        {&both, {"HTTP_IF_NONE_MATCH=\"abc\""}, SAME},
        {&both, {"HTTP_IF_NONE_MATCH=W/\"abc\""}, SAME}, /* weak comparison */
        {&both, {"HTTP_IF_NONE_MATCH=\"x\",W/\"y\",W/\"abc\""}, SAME},
        {&both, {"HTTP_IF_NONE_MATCH=*"}, SAME},
        {&neither, {"HTTP_IF_NONE_MATCH=*"}, SAME},
        {&both, {"HTTP_IF_NONE_MATCH=\"x\""}, PROCEED},
        {&both, {"HTTP_IF_NONE_MATCH=w/\"abc\""}, PROCEED}, /* W/ is case-sensitive */
        {&both, {"HTTP_IF_NONE_MATCH=abc"}, PROCEED},
        {&both, {"HTTP_IF_NONE_MATCH="}, PROCEED},
        {&only_date, {"HTTP_IF_NONE_MATCH=\"abc\""}, PROCEED},
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void dates(void **state)
{
    static const struct row rows[] = {
        {&both, {"HTTP_IF_MODIFIED_SINCE=" BEFORE}, PROCEED},
        {&both, {"HTTP_IF_MODIFIED_SINCE=" EXACTLY}, SAME},
        {&both, {"HTTP_IF_MODIFIED_SINCE=" AFTER}, SAME},
        {&both, {"HTTP_IF_MODIFIED_SINCE=yesterday"}, PROCEED},
        {&both, {"HTTP_IF_MODIFIED_SINCE="}, PROCEED},
        {&only_tag, {"HTTP_IF_MODIFIED_SINCE=" AFTER}, PROCEED},
        {&both, {"HTTP_IF_UNMODIFIED_SINCE=" BEFORE}, FAILED},
        {&both, {"HTTP_IF_UNMODIFIED_SINCE=" EXACTLY}, PROCEED},
        {&both, {"HTTP_IF_UNMODIFIED_SINCE=" AFTER}, PROCEED},
        {&both, {"HTTP_IF_UNMODIFIED_SINCE=yesterday"}, PROCEED},
        {&only_tag, {"HTTP_IF_UNMODIFIED_SINCE=" BEFORE}, PROCEED},
    };

    (void)state;
    check(rows, COUNT(rows));
}

/* RFC 9110 §13.2.2: which condition is looked at when there are several. */
static void precedence(void **state)
{
    static const struct row rows[] = {
        /* If-Match hides If-Unmodified-Since. */
        {&both, {"HTTP_IF_UNMODIFIED_SINCE=" BEFORE, "HTTP_IF_MATCH=\"abc\""}, PROCEED},
        {&both, {"HTTP_IF_UNMODIFIED_SINCE=" AFTER, "HTTP_IF_MATCH=\"x\""}, FAILED},
        /* If-None-Match hides If-Modified-Since. */
        {&both, {"HTTP_IF_MODIFIED_SINCE=" AFTER, "HTTP_IF_NONE_MATCH=\"x\""}, PROCEED},
        {&both, {"HTTP_IF_MODIFIED_SINCE=" BEFORE, "HTTP_IF_NONE_MATCH=\"abc\""}, SAME},
        /* 412 comes before 304; what passed goes on to the second pair. */
        {&both, {"HTTP_IF_NONE_MATCH=\"abc\"", "HTTP_IF_MATCH=\"x\""}, FAILED},
        {&both, {"HTTP_IF_NONE_MATCH=\"abc\"", "HTTP_IF_MATCH=\"abc\""}, SAME},
        {&both, {"HTTP_IF_MODIFIED_SINCE=" AFTER, "HTTP_IF_MATCH=\"abc\""}, SAME},
        {&both, {"HTTP_IF_NONE_MATCH=\"abc\"", "HTTP_IF_UNMODIFIED_SINCE=" BEFORE}, FAILED},
        {&both, {"HTTP_IF_NONE_MATCH=\"abc\"", "HTTP_IF_UNMODIFIED_SINCE=" AFTER}, SAME},
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void if_range(void **state)
{
    static const struct row rows[] = {
        {&both, {NULL}, true},
        {&neither, {NULL}, true},
        {&both, {"HTTP_IF_RANGE=\"abc\""}, true},
        {&both, {"HTTP_IF_RANGE=\"x\""}, false},
        {&both, {"HTTP_IF_RANGE=W/\"abc\""}, false},      /* a weak tag never counts */
        {&both, {"HTTP_IF_RANGE=\"abc\", \"x\""}, false}, /* no list is allowed */
        {&both, {"HTTP_IF_RANGE=*"}, false},
        {&both, {"HTTP_IF_RANGE="}, false},
        {&only_date, {"HTTP_IF_RANGE=\"abc\""}, false},
        {&both, {"HTTP_IF_RANGE=" EXACTLY}, true},
        {&both, {"HTTP_IF_RANGE=" BEFORE}, false},
        {&both, {"HTTP_IF_RANGE=" AFTER}, false}, /* exact, unlike If-Modified-Since */
        {&only_tag, {"HTTP_IF_RANGE=" EXACTLY}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request req;

        request(&req, &rows[i]);
        if (conditional_range_applies(&req, rows[i].validator) != rows[i].want)
            fail_msg("row %zu: %s", i, rows[i].header[0]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_condition_proceeds),
        cmocka_unit_test(if_match),
        cmocka_unit_test(if_none_match),
        cmocka_unit_test(dates),
        cmocka_unit_test(precedence),
        cmocka_unit_test(if_range),
    };

    return cmocka_run_group_tests_name("conditional", tests, NULL, NULL);
}
