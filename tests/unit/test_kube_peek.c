/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/str.h"
#include "kube/peek.h"
#include "support.h"

#define META(fields) "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{" fields "}}}"
#define WHOLE "\"name\":\"a\",\"namespace\":\"n\",\"resourceVersion\":\"7\""
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void events(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: only the parser can say */
    } rows[] = {
        {META(WHOLE), "ADDED n/a@7"},
        {META(WHOLE) "\n", "ADDED n/a@7"},
        {META("\"resourceVersion\":\"7\",\"name\":\"a\""), "ADDED /a@7"},
        {META("\"annotations\":{\"name\":\"b\",\"x\":\"}]\\\"{[\\\\\"}," WHOLE), "ADDED n/a@7"},
        {META("\"managedFields\":[{\"f:name\":{}},[],\"]\"],\"generation\":1," WHOLE),
         "ADDED n/a@7"},
        {"{\"object\":{\"spec\":{\"metadata\":{\"name\":\"b\"}},\"metadata\":{" WHOLE
         "},\"status\":{\"n\":[1,true,null]}},\"type\":\"MODIFIED\"}",
         "MODIFIED n/a@7"},
        {"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}", NULL},
        {META("\"name\":\"a\""), NULL},
        {META("\"name\":\"\\u0061\",\"resourceVersion\":\"7\""), NULL},
        {META("\"name\":1,\"resourceVersion\":\"7\""), NULL},
        {META("\"name\":\"a\",\"namespace\":\"" LONG "\",\"resourceVersion\":\"7\""), NULL},
        {META(" \"name\":\"a\",\"resourceVersion\":\"7\""), NULL},
        {"{\"type\":\"ADDED\",\"object\":[{\"metadata\":{" WHOLE "}}]}", NULL},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":\"x\"}}", NULL},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{" WHOLE, NULL},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name", NULL},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\"", NULL},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":", NULL},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"\\", NULL},
        {"[]", NULL},
        {"{", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].text);
        cleanup_free char *copy = malloc(len + 1); /* so that a byte too far is seen */
        cleanup_str struct str got = STR_INIT;
        struct kube_peek peek;
        bool can;

        memcpy(copy, rows[i].text, len + 1);
        can = kube_peek(copy, len, &peek);
        str_printf(&got, "%s %s/%s@%s", peek.type, peek.ns, peek.name, peek.version);
        if (can != (rows[i].want != NULL) || (can && strcmp(str_get(&got), rows[i].want) != 0))
            fail_msg("row %zu: %s", i, can ? str_get(&got) : "not seen");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
