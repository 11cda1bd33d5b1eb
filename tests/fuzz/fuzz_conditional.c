/* SPDX-License-Identifier: Apache-2.0 */
/* Five lines: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range; an empty
 * one is not sent. */
#include "conditional.h"
#include "fuzz.h"

static const struct validator validators[] = {
    {"\"abc\"", 784111777}, {NULL, 784111777}, {"\"abc\"", -1}, {NULL, -1}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {
        "HTTP_IF_MATCH=", "HTTP_IF_NONE_MATCH=", "HTTP_IF_MODIFIED_SINCE=",
        "HTTP_IF_UNMODIFIED_SINCE=", "HTTP_IF_RANGE="};
    char *envp[6] = {NULL};
    size_t count = 0;
    struct request req;

    for (size_t i = 0; i < 5; i++) {
        char *line = fuzz_line(&data, &size, names[i]);

        if (line[strlen(names[i])])
            envp[count++] = line;
        else
            free(line);
    }
    request_init(&req, envp, false, NULL);
    for (size_t i = 0; i < 4; i++) {
        enum conditional got = conditional_check(&req, &validators[i]);

        /* Only If-Match and If-Unmodified-Since can fail; nothing asked, nothing refused. */
        MUST(got != CONDITIONAL_FAILED || request_param(&req, "HTTP_IF_MATCH") ||
             request_param(&req, "HTTP_IF_UNMODIFIED_SINCE"));
        MUST(count ||
             (got == CONDITIONAL_PROCEED && conditional_range_applies(&req, &validators[i])));
        if (request_param(&req, "HTTP_IF_RANGE"))
            MUST(i < 3 || !conditional_range_applies(&req, &validators[i]));
    }
    while (count)
        free(envp[--count]);
    return 0;
}
