/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers share: libFuzzer's entry, and the input as text. */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program, and with that the fuzzer's run, when something that must hold does not. */
#define MUST(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

/* A line of the input as "PREFIX" and the text up to the next line break or NUL, in memory of its
 * own; the input is moved on. The caller frees. */
static inline char *fuzz_line(const uint8_t **data, size_t *size, const char *prefix)
{
    struct str line = STR_INIT;
    size_t len = 0;

    while (len < *size && (*data)[len] != '\n' && (*data)[len])
        len++;
    str_puts(&line, prefix);
    str_append(&line, *data, len);
    len += len < *size;
    *data += len;
    *size -= len;
    return str_steal(&line);
}

/* All of the input up to its first NUL. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);

    MUST(text);
    return text;
}
