/* SPDX-License-Identifier: Apache-2.0 */
/* Two lines, the header and the query; the rest is the token file. */
#include "base/token_rule.h"
#include "fuzz.h"
#include "token.h"

#include <stdio.h>
#include <sys/mman.h>

static int token_fd = -1;

/* Puts the token into a memory file, which VMEXPORT_TOKEN_FILE names. */
static void put_token(const uint8_t *data, size_t size)
{
    char path[64];

    if (token_fd < 0) {
        token_fd = memfd_create("token", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", token_fd);
        setenv("VMEXPORT_TOKEN_FILE", path, 1);
    }
    MUST(ftruncate(token_fd, 0) == 0);
    MUST(pwrite(token_fd, data, size, 0) == (ssize_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *header = fuzz_line(&data, &size, "HTTP_X_KUBEVIRT_EXPORT_TOKEN=");
    cleanup_free char *query = fuzz_line(&data, &size, "QUERY_STRING=");
    cleanup_str struct str token = STR_INIT, param = STR_INIT;
    char *envp[] = {header, query, NULL};
    struct request req;
    struct err err;
    int rc;

    put_token(data, size);
    request_init(&req, envp, false, NULL);
    rc = token_check(&req, &err);
    if (token_read(&token, &err) < 0) {
        MUST(rc == -1 && err.class == ERR_UNAVAILABLE);
        return 0;
    }
    MUST(token.len && token.len <= TOKEN_MAX && (rc == 0 || rc == 1));
    request_query(&req, TOKEN_NAME, &param);
    /* Whoever gets in has said the token somewhere; whoever says it alone gets in. */
    if (rc == 1)
        MUST(strstr(header, token.data) || strcmp(str_get(&param), token.data) == 0 ||
             strstr(str_get(&param), token.data));
    if (strcmp(str_get(&param), token.data) == 0 && param.len == token.len)
        MUST(rc == 1);
    if (strcmp(strchr(header, '=') + 1, token.data) == 0)
        MUST(rc == 1);
    return 0;
}
