/* SPDX-License-Identifier: Apache-2.0 */
#include "api/verdict.h"

#include "base/clock.h"

#include <string.h>
#include <strings.h>

/* What makes an external link comes along with Ready, or some moments later (a Route's host). */
enum { LINK_SECONDS = 15 };

static const char skipped[] = "Skipped", terminated[] = "Terminated", ready[] = "Ready";

/* In KubeVirt's older releases reasons began with a small letter. */
static bool is(const char *text, const char *want)
{
    return text && strcasecmp(text, want) == 0;
}

/* ---- conditions ---- */

static const struct json *next_condition(const struct json *object, const struct json *before)
{
    return before ? json_next(before) : json_first(json_at(object, "status.conditions"));
}

/* What an export waits for; the other types are about what it will be like. */
static bool is_waited_for(const struct json *condition)
{
    static const char *const types[] = {"Ready", "PVCReady", "VolumesCreated"};
    const char *type = json_text(condition, "type");

    if (is(json_text(condition, "status"), "True"))
        return false;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (is(type, types[i]))
            return true;
    return false;
}

static struct verdict_reason reason_of(const struct json *condition)
{
    const char *reason = json_text(condition, "reason"), *message = json_text(condition, "message");

    return (struct verdict_reason){reason ? reason : "", message ? message : ""};
}

static bool is_among(const struct verdict_reason *reason, const struct verdict_reason *list,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].reason, reason->reason) == 0 &&
            strcmp(list[i].message, reason->message) == 0)
            return true;
    return false;
}

size_t verdict_reasons(const struct json *object, struct verdict_reason out[VERDICT_REASONS_MAX])
{
    struct verdict_reason beginning = {NULL, NULL};
    size_t count = 0;

    if (is(json_text(object, "status.phase"), ready))
        return 0;
    for (const struct json *c = NULL; (c = next_condition(object, c));) {
        struct verdict_reason reason = reason_of(c);

        if (!is_waited_for(c) || (!*reason.reason && !*reason.message))
            continue;
        if (is(reason.reason, "Initializing"))
            beginning = reason; /* says nothing that another one doesn't */
        else if (count < VERDICT_REASONS_MAX && !is_among(&reason, out, count))
            out[count++] = reason;
    }
    if (!count && beginning.reason)
        out[count++] = beginning;
    return count;
}

void verdict_print(const struct verdict_reason *reason, struct str *out)
{
    str_printf(out, "%s%s%s", reason->reason, *reason->reason && *reason->message ? ": " : "",
               reason->message);
}

const char *verdict_unreadable(const struct json *object)
{
    for (const struct json *c = NULL; (c = next_condition(object, c));)
        if (is(json_text(c, "type"), "Readable") && is(json_text(c, "status"), "False"))
            return reason_of(c).message;
    return NULL;
}

/* ---- remedies ---- */

const char *verdict_remedy(const struct json *object, const char *reason)
{
    static const struct {
        const char *reason, *kind, *remedy;
    } rows[] = {
        {"InUse", "VirtualMachine",
         "stop the VirtualMachine, or download with --snapshot-first, which exports a snapshot of "
         "it while it runs"},
        {"InUse", NULL, "end what uses it, or export a snapshot"},
        {"PVCNotFound", NULL, "check its name and namespace, or wait for it by --wait-for-source"},
        {"VMNotFound", NULL, "check its name and namespace, or wait for it by --wait-for-source"},
        {"VMSnapshotNotFound", NULL,
         "check its name and namespace, or wait for it by --wait-for-source"},
        {"VMTemplateNotFound", NULL,
         "check its name and namespace, or wait for it by --wait-for-source"},
        {"VMNoVolumes", NULL,
         "there is nothing to export: only claims, DataVolumes and memory dumps are"},
        {"VMSnapshotNoVolumes", NULL,
         "there is nothing to export: the storage of the machine must be able to make snapshots"},
        {"PodCompleted", NULL,
         "its pod has ended: try again, or delete the export and make it again"},
    };
    const char *kind = json_text(object, "spec.source.kind");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (is(reason, rows[i].reason) && (!rows[i].kind || is(kind, rows[i].kind)))
            return rows[i].remedy;
    return NULL;
}

void verdict_explain(const struct json *object, struct str *out)
{
    struct verdict_reason reasons[VERDICT_REASONS_MAX];
    size_t count = verdict_reasons(object, reasons);

    for (size_t i = 0; i < count; i++) {
        const char *remedy = verdict_remedy(object, reasons[i].reason);

        str_puts(out, i ? "; " : "");
        verdict_print(&reasons[i], out);
        if (remedy)
            str_printf(out, "; %s", remedy);
    }
}

/* ---- the verdict ---- */

static bool source_is_missing(const struct json *object)
{
    static const char *const missing[] = {"PVCNotFound", "VMNotFound", "VMSnapshotNotFound",
                                          "VMTemplateNotFound"};
    struct verdict_reason reasons[VERDICT_REASONS_MAX];
    size_t count = verdict_reasons(object, reasons);

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof(missing) / sizeof(missing[0]); k++)
            if (is(reasons[i].reason, missing[k]))
                return true;
    return false;
}

static enum verdict without_external(const struct json *object, time_t now)
{
    time_t since;

    for (const struct json *c = NULL; (c = next_condition(object, c));)
        if (is(json_text(c, "type"), ready) && is(json_text(c, "status"), "True") &&
            clock_parse_seconds(json_text(c, "lastTransitionTime"), &since) &&
            since < now - LINK_SECONDS)
            return VERDICT_NEVER_EXTERNAL;
    return VERDICT_NO_EXTERNAL;
}

static enum verdict of_ready(const struct json *object, enum links_side side, bool need_service,
                             time_t now)
{
    const char *service = json_text(object, "status.serviceName");

    if (need_service && (!service || !*service))
        return VERDICT_WAIT;
    if (links_of(object, side))
        return VERDICT_READY;
    return side == LINKS_EXTERNAL ? without_external(object, now) : VERDICT_WAIT;
}

enum verdict verdict_of(const struct json *object, enum links_side side, bool need_service,
                        time_t now)
{
    const char *phase = json_text(object, "status.phase");

    if (json_text(object, "metadata.deletionTimestamp"))
        return VERDICT_DELETED;
    if (is(phase, ready))
        return of_ready(object, side, need_service, now);
    if (is(phase, terminated))
        return VERDICT_TERMINATED;
    if (source_is_missing(object))
        return VERDICT_MISSING;
    return is(phase, skipped) ? VERDICT_SKIPPED : VERDICT_WAIT;
}
