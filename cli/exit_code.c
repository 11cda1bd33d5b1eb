/* SPDX-License-Identifier: Apache-2.0 */
#include "exit_code.h"

static const enum exit_code codes[] = {
    [ERR_NONE] = EXIT_CODE_OK,
    [ERR_INPUT] = EXIT_CODE_USAGE,
    [ERR_NOT_FOUND] = EXIT_CODE_NOT_FOUND,
    [ERR_UNAVAILABLE] = EXIT_CODE_NOT_READY,
    [ERR_FORBIDDEN] = EXIT_CODE_DENIED,
    [ERR_PEER] = EXIT_CODE_TRANSFER,
    [ERR_PRECONDITION] = EXIT_CODE_INTEGRITY,
    [ERR_LIMIT] = EXIT_CODE_FAILED,
    [ERR_IO] = EXIT_CODE_FAILED,
    [ERR_SYSTEM] = EXIT_CODE_FAILED,
};

enum exit_code exit_code_of(const struct err *err)
{
    return codes[err->class];
}
