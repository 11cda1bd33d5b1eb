/* SPDX-License-Identifier: Apache-2.0 */
/* Three lines: a request target, a Location, a list of a Connection header. */
#include "export_path.h"
#include "fuzz.h"
#include "hop.h"

#define GROUP "export.kubevirt.io"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = {"s.n.svc.cluster.local", "h:8443", NULL};
    cleanup_free char *uri = fuzz_line(&data, &size, "");
    cleanup_free char *location = fuzz_line(&data, &size, "");
    cleanup_free char *connection = fuzz_line(&data, &size, "");
    cleanup_str struct str inside = STR_INIT, outside = STR_INIT, name = STR_INIT;
    struct export_path path, again;
    struct err err;

    hop_passes_back(location, strlen(location), connection);
    hop_passes_on(location, strlen(location), connection, &name);
    if (export_path_parse(uri, GROUP, &path, &err) < 0) {
        MUST(err.class == ERR_INPUT);
        return 0;
    }
    MUST(path.rest[0] == '/' && str_ends(uri, path.rest));
    MUST(!strpbrk(path.rest, " \r\n\t#"));
    MUST(export_path_is_domain(path.ns) && !strchr(path.ns, '.'));
    MUST(export_path_is_domain(path.name));
    export_path_inside(&path, &inside);
    MUST(export_path_parse(str_get(&inside), GROUP, &again, &err) == 0);
    MUST(strcmp(again.name, path.name) == 0 && strcmp(again.ns, path.ns) == 0 &&
         strcmp(again.rest, path.rest) == 0 && strcmp(again.version, "v1") == 0);
    export_path_location(&path, location, hosts, &outside);
    if (strcmp(str_get(&outside), location) != 0)
        MUST(str_starts(str_get(&outside), "/api/" GROUP "/") && !str_starts(location, "//"));
    return 0;
}
