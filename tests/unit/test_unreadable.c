/* SPDX-License-Identifier: Apache-2.0 */
/* What an export pod cannot read: its answer, however strange, and what the status makes of it. */
#include "../../controller/status.h"
#include "../../controller/unreadable.h"
#include "controller_world.h"

/* ---- the pod's answer ---- */

#define HEAD "{\"uid\":107,\"gid\":107,\"inspecting\":false,\"volumes\":["
#define VOLUME(name, rest) "{\"name\":\"" name "\"," rest "}"
#define SOME(n) "\"unreadable\":" n ",\"more\":false,\"block\":false"

static void answers(void **state)
{
    static const struct {
        const char *name, *text, *want; /* NULL: refused; "later"; "": all can be read */
    } rows[] = {
        {"all is well", HEAD VOLUME("a", SOME("0")) "]}", ""},
        {"no volumes", HEAD "]}", ""},
        {"not done", "{\"uid\":1,\"gid\":2,\"inspecting\":true,\"volumes\":[]}", "later"},
        {"some", HEAD VOLUME("a", SOME("0")) "," VOLUME("b", SOME("3")) "]}",
         "{\"uid\":107,\"gid\":107,\"volumes\":[" VOLUME("b", SOME("3")) "]}"},
        {"what else is there is left out",
         HEAD VOLUME("b", SOME("3") ",\"names\":[\"secret\"]") "],\"x\":{}}",
         "{\"uid\":107,\"gid\":107,\"volumes\":[" VOLUME("b", SOME("3")) "]}"},
        {"nothing", "", NULL},
        {"the short text", "OK", NULL},
        {"a page", "<html>", NULL},
        {"cut", HEAD VOLUME("b", SOME("3")), NULL},
        {"no object", "[]", NULL},
        {"null", "null", NULL},
        {"no uid", "{\"gid\":1,\"inspecting\":false,\"volumes\":[]}", NULL},
        {"a uid of text", "{\"uid\":\"0\",\"gid\":1,\"inspecting\":false,\"volumes\":[]}", NULL},
        {"a negative gid", "{\"uid\":1,\"gid\":-1,\"inspecting\":false,\"volumes\":[]}", NULL},
        {"a broken uid", "{\"uid\":1.5,\"gid\":1,\"inspecting\":false,\"volumes\":[]}", NULL},
        {"a uid too large", "{\"uid\":4294967296,\"gid\":1,\"inspecting\":false,\"volumes\":[]}",
         NULL},
        {"inspecting is a number", "{\"uid\":1,\"gid\":1,\"inspecting\":0,\"volumes\":[]}", NULL},
        {"volumes are an object", "{\"uid\":1,\"gid\":1,\"inspecting\":false,\"volumes\":{}}",
         NULL},
        {"no volumes at all", "{\"uid\":1,\"gid\":1,\"inspecting\":false}", NULL},
        {"a volume is a text", HEAD "\"a\"]}", NULL},
        {"a volume without a name", HEAD "{" SOME("1") "}]}", NULL},
        {"a name that is none", HEAD "{\"name\":7," SOME("1") "}]}", NULL},
        {"a count of text", HEAD VOLUME("a", SOME("\"3\"")) "]}", NULL},
        {"a negative count", HEAD VOLUME("a", SOME("-3")) "]}", NULL},
        {"a count beyond all", HEAD VOLUME("a", SOME("1e300")) "]}", NULL},
        {"no more", HEAD "{\"name\":\"a\",\"unreadable\":1,\"block\":false}]}", NULL},
        {"two keys", HEAD "],\"uid\":0}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool inspecting = false;
        struct json *found = NULL;
        cleanup_str struct str got = STR_INIT;
        struct err err = {0};
        int rc = unreadable_parse(rows[i].text, strlen(rows[i].text), &inspecting, &found, &err);

        if (rc == 0 && found)
            json_print(found, 0, &got);
        json_free(found);
        if (rc < 0)
            assert_true(err.class == ERR_INPUT && *err.msg);
        if ((rc < 0) != !rows[i].want)
            fail_msg("%s: %d %s", rows[i].name, rc, err.msg);
        if (rows[i].want)
            assert_row(rows[i].name, "what is found", inspecting ? "later" : str_get(&got),
                       rows[i].want);
    }
}

static void more_volumes_than_any_export_has(void **state)
{
    cleanup_str struct str text = STR_INIT;
    struct json *found;
    struct err err;
    bool inspecting;

    (void)state;
    str_puts(&text, HEAD);
    for (int i = 0; i <= SOURCE_VOLUMES_MAX; i++)
        str_printf(&text, "%s" VOLUME("v%d", SOME("1")), i ? "," : "", i);
    str_puts(&text, "]}");
    assert_true(unreadable_parse(str_get(&text), text.len, &inspecting, &found, &err) < 0);
    assert_null(found);
}

/* ---- the status ---- */

#define ONLY_READABLE(status) "Ready: Ready=True PodReady, PVCReady=True PVCBound" status
#define UNREADABLE ", Readable=False FilesUnreadable"
#define READABLE_AGAIN ", Readable=True AllReadable"

static const char *pod_uid(struct paper *p)
{
    return json_text(paper_get(p, "Pod", "virt-export-e"), "metadata.uid");
}

/* What the pod answers; NULL: it can read all. */
static void pod_says(struct paper *p, enum inspection_state state, const char *found)
{
    cache_inspect(&p->cache, "ns/e", pod_uid(p));
    cache_inspected(&p->cache, "ns/e", pod_uid(p), state, found ? json_format(found) : NULL);
}

#define FOUND(volumes) "{'uid':107,'gid':1007,'volumes':[" volumes "]}"
#define FOUND_IN(name, n, more, block) \
    "{'name':'" name "','unreadable':" n ",'more':" more ",'block':" block "}"

/* The kubelet gives the pod an address. */
static void addressed(struct paper *p)
{
    cleanup_json struct json *pod = json_format(
        "{'kind':'Pod','metadata':{'name':'virt-export-e'},'status':{'podIP':'10.1.2.3'}}");

    paper_put(p, pod);
}

/* Looks and carries out until nothing is to be done; the status must be this one. */
static void assert_settles(struct paper *p, const char *row, const char *status)
{
    paper_settle(p, row);
    assert_row(row, "the status", paper_status(p), status);
}

static void the_life_of_a_condition(void **state)
{
    cleanup_paper struct paper p;
    const struct json *condition;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    assert_settles(&p, "made", ONLY_READABLE(""));
    assert_null(p.plan.inspect); /* no address yet */
    addressed(&p);
    paper_look(&p);
    assert_string_equal(p.plan.inspect, pod_uid(&p));
    assert_int_equal(p.plan.count, 0);
    cache_inspect(&p.cache, "ns/e", pod_uid(&p));
    assert_settles(&p, "asked", ONLY_READABLE(""));
    assert_null(p.plan.inspect);

    pod_says(&p, INSPECTION_DONE, FOUND(FOUND_IN("disk", "1", "false", "false")));
    paper_look(&p);
    assert_row("answered", "the status", paper_status(&p), ONLY_READABLE(UNREADABLE));
    assert_string_equal(p.plan.event.type, "Warning");
    assert_string_equal(p.plan.event.reason, "FilesUnreadable");
    condition = status_find(json_get(p.plan.status, "conditions"), UNREADABLE_CONDITION);
    assert_string_equal(p.plan.event.message, json_text(condition, "message"));
    assert_settles(&p, "answered", ONLY_READABLE(UNREADABLE));
    assert_null(p.plan.event.reason); /* told once */

    /* Another controller knows nothing of it, and lets it be until it has asked. */
    cache_forget(&p.cache, "ns/e");
    paper_look(&p);
    assert_string_equal(p.plan.inspect, pod_uid(&p));
    assert_row("restarted", "the status", paper_status(&p), ONLY_READABLE(UNREADABLE));
    assert_null(p.plan.event.reason);
    pod_says(&p, INSPECTION_DONE, FOUND(FOUND_IN("disk", "1", "false", "false")));
    assert_true(paper_settled(&p));

    /* The next pod. */
    paper_remove(&p, "Pod", "virt-export-e");
    paper_settle(&p, "another pod");
    addressed(&p);
    paper_look(&p);
    assert_string_equal(p.plan.inspect, pod_uid(&p));
    assert_row("another pod", "the status", paper_status(&p), ONLY_READABLE(UNREADABLE));
    pod_says(&p, INSPECTION_DONE, NULL);
    assert_settles(&p, "mended", ONLY_READABLE(READABLE_AGAIN));
    assert_null(p.plan.event.reason);
    cache_forget(&p.cache, "ns/e");
    assert_settles(&p, "restarted", ONLY_READABLE(READABLE_AGAIN));
}

static void no_answer_is_no_condition(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "made");
    addressed(&p);
    pod_says(&p, INSPECTION_NO_ANSWER, NULL);
    assert_settles(&p, "no answer", ONLY_READABLE(""));
    assert_null(p.plan.inspect);
    cache_forget(&p.cache, "ns/e");
    pod_says(&p, INSPECTION_DONE, FOUND(FOUND_IN("disk", "1", "false", "false")));
    assert_settles(&p, "unreadable", ONLY_READABLE(UNREADABLE));
    cache_forget(&p.cache, "ns/e");
    pod_says(&p, INSPECTION_NO_ANSWER, NULL);
    assert_settles(&p, "not known any more", ONLY_READABLE(""));
}

static void only_a_pod_that_serves_is_asked(void **state)
{
    static const struct {
        const char *name, *change;
    } rows[] = {
        {"not ready", "{'kind':'Pod','metadata':{'name':'virt-export-e'},'status':{"
                      "'containerStatuses':[{'ready':false}]}}"},
        {"on its way out", "{'kind':'Pod','metadata':{'name':'virt-export-e',"
                           "'deletionTimestamp':'" NOW_TEXT "'}}"},
        {"the claim is in use", POD("other", "disk", "Running")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
        paper_settle(&p, rows[i].name);
        addressed(&p);
        paper_add(&p, rows[i].change);
        paper_look(&p);
        if (p.plan.inspect)
            fail_msg("%s: it is asked", rows[i].name);
    }
}

static void what_the_message_says(void **state)
{
    static const struct {
        const char *name, *found, *says[3], *silent;
    } rows[] = {
        {"one file",
         FOUND(FOUND_IN("disk", "1", "false", "false")),
         {"runs as 107:1007, which cannot read 1 file of volume 'disk': annotate",
          "vmexport.io/run-as=UID:GID", "vmexport.io/fs-group=GID"},
         "device"},
        {"more than were counted",
         FOUND(FOUND_IN("disk", "1000", "true", "false")),
         {"at least 1000 files of volume 'disk'", "", ""},
         "device"},
        {"a device",
         FOUND(FOUND_IN("disk", "1", "false", "true")),
         {"the block device of volume 'disk'", "device_ownership_from_security_context",
          "vmexport.io/run-as=UID:GID"},
         "fs-group"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        const char *message;

        paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
        paper_settle(&p, rows[i].name);
        pod_says(&p, INSPECTION_DONE, rows[i].found);
        paper_settle(&p, rows[i].name);
        message = json_text(
            status_find(json_get(p.plan.status, "conditions"), UNREADABLE_CONDITION), "message");
        for (size_t s = 0; s < 3; s++)
            assert_says(rows[i].name, message, rows[i].says[s]);
        if (strstr(message, rows[i].silent))
            fail_msg("%s: '%s' is in: %s", rows[i].name, rows[i].silent, message);
    }
}

/* Of a machine: files and a device, and no volume that is not the export's, however it is named. */
static void several_volumes(void **state)
{
    cleanup_paper struct paper p;
    const char *message;

    (void)state;
    paper_start(&p, "{}",
                EXPORT_VM "," PVC("a") "," PVC("b") "," PVC("c") "," VM(
                    ON_CLAIM("1", "a") "," ON_CLAIM("2", "b") "," ON_CLAIM("3", "c")));
    paper_settle(&p, "machine");
    pod_says(&p, INSPECTION_DONE,
             FOUND(FOUND_IN("c", "1", "false", "true") "," FOUND_IN(
                 "evil. Run this", "9", "false",
                 "false") "," FOUND_IN("b", "2", "false", "false") "," FOUND_IN("a", "5", "false",
                                                                                "false")));
    paper_settle(&p, "machine");
    message = json_text(status_find(json_get(p.plan.status, "conditions"), UNREADABLE_CONDITION),
                        "message");
    assert_says("machine", message, "5 files of volume 'a', 2 files of volume 'b': annotate");
    assert_says("machine", message, "; nor the block device of volume 'c': set device_ownership");
    assert_null(strstr(message, "evil"));

    cache_forget(&p.cache, "ns/e");
    pod_says(&p, INSPECTION_DONE, FOUND(FOUND_IN("evil", "9", "false", "false")));
    paper_settle(&p, "strangers only");
    assert_row("strangers only", "the status", paper_status(&p),
               "Ready: Ready=True PodReady, Readable=True AllReadable");
}

static void many_volumes_are_not_all_named(void **state)
{
    cleanup_paper struct paper p;
    cleanup_str struct str volumes = STR_INIT, found = STR_INIT, claims = STR_INIT;
    const char *message;

    (void)state;
    str_puts(&found, "{'uid':107,'gid':107,'volumes':[");
    for (int i = 0; i < 12; i++) {
        str_printf(&volumes, "%s" ON_CLAIM("v%d", "d%d"), i ? "," : "", i, i);
        str_printf(&claims, "," PVC("d%d"), i);
        str_printf(&found, "%s" FOUND_IN("d%d", "1", "false", "false"), i ? "," : "", i);
    }
    str_puts(&found, "]}");
    paper_start(&p, "{}", EXPORT_VM);
    str_printf(&claims,
               ",{'kind':'VirtualMachine','metadata':{'name':'vm'},'spec':{'template':{"
               "'spec':{'volumes':[%s]}}}}",
               str_get(&volumes));
    paper_add(&p, str_get(&claims) + 1);
    paper_settle(&p, "machine");
    pod_says(&p, INSPECTION_DONE, str_get(&found));
    paper_settle(&p, "machine");
    message = json_text(status_find(json_get(p.plan.status, "conditions"), UNREADABLE_CONDITION),
                        "message");
    assert_says("machine", message, "1 file of volume 'd7' and those of 4 more volumes: annotate");
    assert_null(strstr(message, "'d8'"));
}

/* ---- what is remembered ---- */

static void a_pod_is_asked_once(void **state)
{
    cleanup_paper struct paper p;
    cleanup_str struct str pod = STR_INIT;
    unsigned number = 0;
    struct inspection inspection;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC);
    assert_false(cache_inspect_next(&p.cache, "ns/e", &pod, &number));
    assert_true(cache_inspect(&p.cache, "ns/e", "one"));
    assert_false(cache_inspect(&p.cache, "ns/e", "one"));
    assert_true(cache_inspect_next(&p.cache, "ns/e", &pod, &number));
    assert_true(cache_inspect_next(&p.cache, "ns/e", &pod, &number));
    assert_string_equal(str_get(&pod), "oneone");
    assert_int_equal(number, 2);

    assert_true(cache_inspect(&p.cache, "ns/e", "two")); /* what comes of the first is late */
    cache_inspected(&p.cache, "ns/e", "one", INSPECTION_DONE, json_new_object());
    inspection = cache_inspection(&p.cache, "ns/e");
    assert_int_equal(inspection.state, INSPECTION_ASKED);
    assert_string_equal(inspection.pod, "two");
    assert_null(inspection.found);
    inspection_free(&inspection);

    cache_inspected(&p.cache, "ns/e", "two", INSPECTION_DONE, json_new_object());
    assert_false(cache_inspect_next(&p.cache, "ns/e", &pod, &number));
    assert_false(cache_inspect(&p.cache, "ns/e", "two"));
    inspection = cache_inspection(&p.cache, "ns/e");
    assert_int_equal(inspection.state, INSPECTION_DONE);
    assert_non_null(inspection.found);
    inspection_free(&inspection);

    cache_forget(&p.cache, "ns/e");
    cache_inspected(&p.cache, "ns/e", "two", INSPECTION_DONE, json_new_object());
    assert_false(cache_inspect_next(&p.cache, "ns/e", &pod, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(more_volumes_than_any_export_has),
        cmocka_unit_test(the_life_of_a_condition),
        cmocka_unit_test(no_answer_is_no_condition),
        cmocka_unit_test(only_a_pod_that_serves_is_asked),
        cmocka_unit_test(what_the_message_says),
        cmocka_unit_test(several_volumes),
        cmocka_unit_test(many_volumes_are_not_all_named),
        cmocka_unit_test(a_pod_is_asked_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
