/* SPDX-License-Identifier: Apache-2.0 */
/* Eight bytes of size, then the header. */
#include "fuzz.h"
#include "range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *header = NULL;
    struct range_set set;
    enum range_result result;
    uint64_t file, total = 0;

    if (size < sizeof(file))
        return 0;
    memcpy(&file, data, sizeof(file));
    header = fuzz_text(data + sizeof(file), size - sizeof(file));
    result = range_parse(header, file, &set);
    MUST(result != RANGE_NONE);
    MUST(result != RANGE_SATISFIABLE || (set.count >= 1 && set.count <= RANGE_MAX));
    for (size_t i = 0; result == RANGE_SATISFIABLE && i < set.count; i++) {
        MUST(set.range[i].len > 0);
        MUST(set.range[i].start < file);
        MUST(set.range[i].len <= file - set.range[i].start);
        MUST(set.range[i].len <= file - total);
        total += set.range[i].len;
    }
    return 0;
}
