/* SPDX-License-Identifier: Apache-2.0 */
/* The text of VMEXPORT_VOLUMES. */
#include "fuzz.h"
#include "volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = fuzz_text(data, size);
    struct volume_table table;
    struct err err;

    if (volume_table_parse(&table, text, &err) < 0) {
        MUST(err.class == ERR_INPUT);
        MUST(str_starts(err.msg, "VMEXPORT_VOLUMES, line "));
    } else {
        for (size_t i = 0; i < table.count; i++) {
            const struct volume *v = &table.volume[i];

            MUST(*v->name && *v->name != '.' && !strpbrk(v->name, "/% \t\n"));
            MUST(*v->path && !strchr(v->path, '\n'));
            MUST(!strpbrk(v->identity, " \t\n"));
            MUST(volume_find(&table, v->name, strlen(v->name)) == v);
        }
    }
    volume_table_free(&table);
    return 0;
}
