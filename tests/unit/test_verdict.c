/* SPDX-License-Identifier: Apache-2.0 */
/* What an export's state means for who waits for it. */
#include "support.h"

#include "api/verdict.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define NOW 1800000000

#define STATE(phase, conditions) \
    "{'metadata':{'name':'e'},'spec':{'source':{'kind':'VirtualMachine'}}," \
    "'status':{'phase':'" phase "','conditions':[" conditions "]}}"
#define COND(type, status, reason, message) \
    "{'type':'" type "','status':'" status "','reason':'" reason "','message':'" message "'}"
#define NOT_READY(reason, message) COND("Ready", "False", reason, message)
#define READY(links, more) \
    "{'status':{'phase':'Ready','links':" links ",'conditions':[{'type':'Ready','status':'True'," \
    "'reason':'PodReady'" more "}]}}"
#define BOTH "{'external':{'cert':''},'internal':{'cert':''}}"
#define INTERNAL "{'internal':{'cert':''}}"

/* Tests and fuzzers alone write status as a text; JSON with ' for " is easier to read in C. */
static struct json *parse(const char *text)
{
    cleanup_free char *copy = strdup(text);
    struct err err;
    struct json *json;

    assert_non_null(copy);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json = json_parse(copy, strlen(copy), &err);
    if (!json)
        fail_msg("%s: %s", err.msg, text);
    return json;
}

static void verdicts(void **state)
{
    static const struct {
        const char *object;
        enum links_side side;
        bool need_service;
        enum verdict want;
    } rows[] = {
        {"{}", LINKS_EXTERNAL, false, VERDICT_WAIT},
        {"{'status':null}", LINKS_EXTERNAL, false, VERDICT_WAIT},
        {"{'status':{'phase':3,'conditions':'x'}}", LINKS_EXTERNAL, false, VERDICT_WAIT},
        {STATE("Pending", NOT_READY("PodPending", "")), LINKS_EXTERNAL, false, VERDICT_WAIT},
        {STATE("Pending", NOT_READY("InUse", "")), LINKS_EXTERNAL, false, VERDICT_WAIT},
        {STATE("Pending",
               NOT_READY("Initializing", "") "," COND("PVCReady", "False", "PVCNotFound", "x")),
         LINKS_EXTERNAL, false, VERDICT_MISSING},
        {STATE("Pending", COND("PVCReady", "False", "pvcNotFound", "")), LINKS_EXTERNAL, false,
         VERDICT_MISSING},
        /* a condition of the past, which is true again */
        {STATE("Pending", COND("PVCReady", "True", "PVCNotFound", "")), LINKS_EXTERNAL, false,
         VERDICT_WAIT},
        {STATE("Skipped", NOT_READY("VMNotFound", "")), LINKS_EXTERNAL, false, VERDICT_MISSING},
        {STATE("Skipped", COND("VolumesCreated", "False", "VMSnapshotNoVolumes",
                               "") "," NOT_READY("VMSnapshotNotFound", "")),
         LINKS_EXTERNAL, false, VERDICT_MISSING},
        {STATE("Pending", NOT_READY("VMTemplateNotFound", "")), LINKS_EXTERNAL, false,
         VERDICT_MISSING},
        {STATE("Skipped", NOT_READY("VMNoVolumes", "")), LINKS_EXTERNAL, false, VERDICT_SKIPPED},
        {STATE("Skipped", ""), LINKS_INTERNAL, false, VERDICT_SKIPPED},
        {STATE("Terminated", NOT_READY("PodCompleted", "")), LINKS_EXTERNAL, false,
         VERDICT_TERMINATED},
        {READY(BOTH, ""), LINKS_EXTERNAL, false, VERDICT_READY},
        {READY(BOTH, ""), LINKS_INTERNAL, false, VERDICT_READY},
        {READY(BOTH, ""), LINKS_INTERNAL, true, VERDICT_WAIT},
        {READY(INTERNAL, ""), LINKS_INTERNAL, false, VERDICT_READY},
        {READY(INTERNAL, ""), LINKS_EXTERNAL, false, VERDICT_NO_EXTERNAL},
        {READY(INTERNAL, ",'lastTransitionTime':'2027-01-15T07:59:59Z'"), LINKS_EXTERNAL, false,
         VERDICT_NO_EXTERNAL},
        {READY(INTERNAL, ",'lastTransitionTime':'2027-01-15T07:59:00Z'"), LINKS_EXTERNAL, false,
         VERDICT_NEVER_EXTERNAL},
        {READY(INTERNAL, ",'lastTransitionTime':'soon'"), LINKS_EXTERNAL, false,
         VERDICT_NO_EXTERNAL},
        {READY("null", ""), LINKS_INTERNAL, false, VERDICT_WAIT},
        {READY("{'internal':[]}", ""), LINKS_INTERNAL, false, VERDICT_WAIT},
        {"{'metadata':{'deletionTimestamp':'2027-01-15T07:59:59Z'},'status':{'phase':'Ready'}}",
         LINKS_INTERNAL, false, VERDICT_DELETED},
        {"{'status':{'phase':'Ready','serviceName':'s','links':" BOTH "}}", LINKS_INTERNAL, true,
         VERDICT_READY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *object = parse(rows[i].object);
        enum verdict got = verdict_of(object, rows[i].side, rows[i].need_service, NOW);

        if (got != rows[i].want)
            fail_msg("row %zu: %d and not %d: %s", i, got, rows[i].want, rows[i].object);
    }
}

static void reasons(void **state)
{
    static const struct {
        const char *object, *want;
    } rows[] = {
        {"{}", ""},
        {STATE("Pending", NOT_READY("PodPending", "it starts")), "PodPending: it starts"},
        {STATE("Pending", NOT_READY("PodPending", "")), "PodPending"},
        {STATE("Pending", NOT_READY("", "it starts")), "it starts"},
        {STATE("Pending", NOT_READY("", "")), ""},
        {STATE("Pending", NOT_READY("Initializing", "")), "Initializing"},
        {STATE("Pending", NOT_READY("Initializing", "") "," COND("PVCReady", "False", "PVCPending",
                                                                 "unbound")),
         "PVCPending: unbound"},
        {STATE("Pending", NOT_READY("A", "x") "," COND("VolumesCreated", "False", "B", "y")),
         "A: x; B: y"},
        {STATE("Pending", NOT_READY("A", "x") "," COND("VolumesCreated", "False", "A", "x")),
         "A: x"},
        /* what it will be like is no reason to wait */
        {STATE("Pending", COND("OCIReady", "False", "DigestsPending",
                               "") "," COND("Readable", "False", "FilesUnreadable", "3 files")),
         ""},
        {STATE("Pending", NOT_READY("InUse", "it runs")),
         "InUse: it runs; stop the VirtualMachine, or download with --snapshot-first, which "
         "exports a snapshot of it while it runs"},
        {STATE("Skipped", NOT_READY("VMNotFound", "no web7")),
         "VMNotFound: no web7; check its name and namespace, or wait for it by --wait-for-source"},
        {READY(BOTH, ""), ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *object = parse(rows[i].object);
        cleanup_str struct str text = STR_INIT;

        verdict_explain(object, &text);
        if (strcmp(str_get(&text), rows[i].want))
            fail_msg("row %zu: %s", i, str_get(&text));
    }
}

static void more_conditions_than_are_taken(void **state)
{
    cleanup_json struct json *object = parse(STATE("Pending", ""));
    struct json *conditions = json_edit(object, "status.conditions");
    struct verdict_reason out[VERDICT_REASONS_MAX];

    (void)state;
    for (int i = 0; i < 3 * VERDICT_REASONS_MAX; i++) {
        char reason[16];

        snprintf(reason, sizeof(reason), "R%d", i);
        json_append(conditions,
                    json_format("{'type':'Ready','status':'False','reason':%s}", reason));
    }
    assert_int_equal(verdict_reasons(object, out), VERDICT_REASONS_MAX);
    assert_string_equal(out[VERDICT_REASONS_MAX - 1].reason, "R3");
}

static void what_cannot_be_read(void **state)
{
    cleanup_json struct json *bad =
        parse(STATE("Ready", COND("Readable", "False", "FilesUnreadable", "3 files")));
    cleanup_json struct json *good =
        parse(STATE("Ready", COND("Readable", "True", "AllReadable", "")));

    (void)state;
    assert_string_equal(verdict_unreadable(bad), "3 files");
    assert_null(verdict_unreadable(good));
    assert_null(verdict_unreadable(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(reasons),
        cmocka_unit_test(more_conditions_than_are_taken),
        cmocka_unit_test(what_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
