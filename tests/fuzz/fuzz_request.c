/* SPDX-License-Identifier: Apache-2.0 */
/* Five lines: prefixes, path, query, the key that is asked for, Accept. */
#include "fuzz.h"
#include "request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *prefix = fuzz_line(&data, &size, "");
    cleanup_free char *path = fuzz_line(&data, &size, "PATH_INFO=");
    cleanup_free char *query = fuzz_line(&data, &size, "QUERY_STRING=");
    cleanup_free char *key = fuzz_line(&data, &size, "");
    cleanup_free char *accept = fuzz_line(&data, &size, "HTTP_ACCEPT=");
    cleanup_str struct str value = STR_INIT;
    char *envp[] = {path, query, accept, NULL};
    const struct volume *volume = NULL;
    struct volume_table table;
    const char *rest = NULL;
    struct request req;
    struct err err;

    MUST(volume_table_parse(&table, "a disk - /a\nb.c archive - /b", &err) == 0);
    setenv("VMEXPORT_PREFIX", prefix, 1);
    request_init(&req, envp, false, &table);
    MUST(*req.path == '/');
    MUST(str_ends(path, req.path) || strcmp(req.path, "/") == 0);
    if (request_query(&req, key, &value))
        MUST(value.len <= strlen(query));
    if (request_volume(&req, &volume, &rest, &err) == 0)
        MUST(volume && (!*rest || *rest == '/') && str_ends(req.path, rest));
    else
        MUST(err.class == ERR_NOT_FOUND);
    request_accepts(&req, "application/json");
    volume_table_free(&table);
    return 0;
}
