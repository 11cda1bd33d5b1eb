/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include "http_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = fuzz_text(data, size);
    char again[HTTP_DATE_SIZE];
    int64_t raw = 0;
    time_t t;

    if (http_date_parse(text, &t)) {
        MUST(t >= 0);
        MUST(strcmp(http_date_format(t, again), text) == 0);
    }
    memcpy(&raw, data, size < sizeof(raw) ? size : sizeof(raw));
    http_date_format((time_t)raw, again);
    MUST(strlen(again) == HTTP_DATE_SIZE - 1);
    MUST(http_date_parse(again, &t));
    return 0;
}
