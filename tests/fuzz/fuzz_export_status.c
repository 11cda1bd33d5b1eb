/* SPDX-License-Identifier: Apache-2.0 */
/* An export as an API server could send it: its verdict, its reasons and each of its links. */
#include "fuzz.h"

#include "api/verdict.h"
#include "kube/parse.h"

static void read_links(const struct json *object, enum links_side side)
{
    static const char *const names[] = {NULL, "disk0", ""};
    static const char *const formats[] = {"raw", "gzip", "tar.gz", "dir"};
    const struct json *links = links_of(object, side), *volume;
    struct err err;

    MUST(links_cert(links));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (links_volume(links, names[i], &volume, &err) < 0) {
            MUST(err.class == ERR_NOT_FOUND && *err.msg);
            continue;
        }
        for (size_t k = 0; k < sizeof(formats) / sizeof(formats[0]); k++) {
            const char *url = links_format(volume, formats[k]);

            MUST(!url || *url);
        }
    }
    MUST(!links_manifest(links, "all") || *links_manifest(links, "all"));
}

static void judge(const struct json *object, enum links_side side)
{
    struct verdict_reason reasons[VERDICT_REASONS_MAX];
    size_t count = verdict_reasons(object, reasons);
    enum verdict verdict = verdict_of(object, side, false, 1800000000);
    cleanup_str struct str text = STR_INIT;

    MUST(count <= VERDICT_REASONS_MAX);
    for (size_t i = 0; i < count; i++)
        MUST(reasons[i].reason && reasons[i].message);
    /* Who is told to go on has links; nobody is told so besides. */
    MUST(verdict != VERDICT_READY || links_of(object, side));
    MUST(verdict != VERDICT_MISSING || count);
    verdict_explain(object, &text);
    MUST(!count == !text.len);
    verdict_unreadable(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = fuzz_text(data, size);
    struct err err;
    cleanup_json struct json *object = kube_parse(text, strlen(text), NULL, &err);

    if (!object)
        return 0;
    for (int side = LINKS_EXTERNAL; side <= LINKS_INTERNAL; side++) {
        read_links(object, (enum links_side)side);
        judge(object, (enum links_side)side);
    }
    return 0;
}
