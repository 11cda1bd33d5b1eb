/* SPDX-License-Identifier: Apache-2.0 */
#include "../../controller/status.h"
#include "controller_world.h"

#define READY_BY(...) \
    "{'kind':'Pod','metadata':{'name':'virt-export-e'},'status':{" __VA_ARGS__ "}}"
#define WAITING(reason, message) \
    "'phase':'Pending','containerStatuses':[{'ready':false,'state':{'waiting':{'reason':'" reason \
    "','message':" message "}}}]"
#define UNSCHEDULED(reason, message) \
    "'phase':'Pending','containerStatuses':null,'conditions':[{'type':'Ready','status':'False'}," \
    "{'type':'PodScheduled','status':'False','reason':" reason ",'message':" message "}]"

/* ---- what the pod says ---- */

static void states_of_the_pod(void **state)
{
    static const struct {
        const char *name, *pod, *status, *says;
    } rows[] = {
        {"ready", NULL, "Ready: Ready=True PodReady", ""},
        {"not ready", READY_BY("'containerStatuses':[{'ready':false}]"),
         "Pending: Ready=False Unknown", "is running and not ready"},
        {"one of two ready", READY_BY("'containerStatuses':[{'ready':true},{'ready':false}]"),
         "Pending: Ready=False Unknown", "is running and not ready"},
        {"no containers yet", READY_BY("'containerStatuses':[]"), "Pending: Ready=False Unknown",
         "is running and not ready"},
        {"crashes",
         READY_BY("'containerStatuses':[{'ready':false,'state':{'waiting':{'reason':"
                  "'CrashLoopBackOff','message':'back-off 10s'}}}]"),
         "Pending: Ready=False Unknown",
         "cannot start: CrashLoopBackOff: back-off 10s; see the pod's log"},
        {"pending", READY_BY("'phase':'Pending'"), "Pending: Ready=False PodPending",
         "Exporter pod ns/virt-export-e is starting"},
        {"being made", READY_BY(WAITING("ContainerCreating", "null")),
         "Pending: Ready=False PodPending", "is starting"},
        {"being begun", READY_BY(WAITING("PodInitializing", "null")),
         "Pending: Ready=False PodPending", "is starting"},
        {"no image", READY_BY(WAITING("ImagePullBackOff", "'not found'")),
         "Pending: Ready=False PodPending",
         "cannot start: ImagePullBackOff: not found; check the controller's setting image, and "
         "image-pull-secrets"},
        {"no image at first", READY_BY(WAITING("ErrImagePull", "'denied'")),
         "Pending: Ready=False PodPending", "ErrImagePull: denied; check the controller's"},
        {"no name of an image", READY_BY(WAITING("InvalidImageName", "null")),
         "Pending: Ready=False PodPending",
         "cannot start: InvalidImageName; check the controller's setting image"},
        {"no configuration", READY_BY(WAITING("CreateContainerConfigError", "'x'")),
         "Pending: Ready=False PodPending", "x; see the pod's events"},
        {"something else", READY_BY(WAITING("Strange", "null")), "Pending: Ready=False PodPending",
         "cannot start: Strange; see the pod's events"},
        {"no room", READY_BY(UNSCHEDULED("'Unschedulable'", "'0/3 nodes'")),
         "Pending: Ready=False PodPending",
         "cannot start: Unschedulable: 0/3 nodes; see the pod's events; resources, node-selector"},
        {"no room, and no word", READY_BY(UNSCHEDULED("null", "null")),
         "Pending: Ready=False PodPending", "is starting"},
        {"ended", READY_BY("'phase':'Succeeded'"), "Terminated: Ready=False PodCompleted",
         "has ended and is replaced"},
        {"failed", READY_BY("'phase':'Failed'"), "Pending: Ready=False Unknown",
         "Exporter pod ns/virt-export-e is in phase Failed; it is replaced"},
        {"evicted",
         READY_BY("'phase':'Failed','reason':'Evicted','message':'The node was low on memory.',"
                  "'conditions':[{'type':'PodScheduled','status':'False','reason':'x'}]"),
         "Pending: Ready=False Unknown",
         "Exporter pod ns/virt-export-e is in phase Failed: Evicted: The node was low on memory.; "
         "it "
         "is replaced"},
        {"not admitted", READY_BY("'phase':'Failed','reason':'UnexpectedAdmissionError'"),
         "Pending: Ready=False Unknown", "is in phase Failed: UnexpectedAdmissionError; it is"},
        {"its node is lost",
         READY_BY("'phase':'Running','reason':'NodeLost','containerStatuses':[{'ready':false}]"),
         "Pending: Ready=False Unknown", "cannot start: NodeLost; see the pod's events"},
        {"unknown", READY_BY("'phase':'Unknown'"), "Pending: Ready=False Unknown",
         "is in phase Unknown"},
        {"on its way out",
         "{'kind':'Pod','metadata':{'name':'virt-export-e','deletionTimestamp':'x'}}",
         "Pending: Ready=False PodTerminating", "is being replaced"},
        {"without a status", "{'kind':'Pod','metadata':{'name':'virt-export-e'},'status':null}",
         "Pending: Ready=False PodPending", "is starting"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_str struct str want = STR_INIT;

        paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
        paper_settle(&p, rows[i].name);
        paper_add(&p, rows[i].pod);
        p.now += 3;
        str_printf(&want, "%s, PVCReady=True PVCBound", rows[i].status);
        assert_plan(&p, rows[i].name, NULL, str_get(&want));
        assert_says(rows[i].name, paper_message(&p), rows[i].says);
        assert_int_equal(json_count(json_get(p.plan.status, "links")), i == 0 ? 1 : 0);
    }
}

/* A write less for each export; one that does not become ready is told. */
static void a_pod_that_has_just_begun(void **state)
{
    static const char running[] =
        READY_BY("'phase':'Running','containerStatuses':[{'ready':false}]");
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "made");
    paper_add(&p, READY_BY("'phase':'Pending','containerStatuses':[]"));
    paper_look(&p);
    paper_carry_out(&p, PLAN_STEPS_MAX + 1);
    paper_add(&p, running);
    assert_plan(&p, "begins", NULL, "Pending: Ready=False PodPending, PVCReady=True PVCBound");
    assert_int_equal(p.plan.look_again, p.now + 30);
    p.now += 30;
    assert_plan(&p, "takes its time", NULL, "Pending: Ready=False Unknown, PVCReady=True PVCBound");
}

static void a_pod_that_has_no_node_yet(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "made");
    paper_add(&p, READY_BY(UNSCHEDULED("'Unschedulable'", "'no node'")));
    assert_plan(&p, "at first", NULL, "Pending: Ready=False PodPending, PVCReady=True PVCBound");
    assert_says("at first", paper_message(&p), "is starting");
    assert_int_equal(p.plan.look_again, p.now + 3);
    p.now += 3;
    assert_plan(&p, "still", NULL, "Pending: Ready=False PodPending, PVCReady=True PVCBound");
    assert_says("still", paper_message(&p), "no node");
}

/* ---- what is remembered ---- */

static const char *since(struct paper *p, const char *row, const char *type)
{
    const struct json *all = json_get(p->plan.status, "conditions");

    for (const struct json *c = json_first(all); c; c = json_next(c))
        if (strcmp(json_text(c, "type"), type) == 0)
            return json_text(c, "lastTransitionTime");
    fail_msg("%s: no condition %s", row, type);
    return NULL;
}

/* By the status, not by reason or message. */
static void times_of_transition(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_look(&p);
    assert_string_equal(since(&p, "new", "Ready"), NOW_TEXT);
    paper_carry_out(&p, SIZE_MAX);
    p.now += 10;
    paper_add(&p, READY_BY(WAITING("ErrImagePull", "'denied'")));
    paper_look(&p);
    assert_string_equal(since(&p, "another message", "Ready"), NOW_TEXT);
    paper_add(&p, READY_BY("'phase':'Running','containerStatuses':[{'ready':true}]"));
    paper_settle(&p, "ready");
    assert_string_equal(since(&p, "ready", "Ready"), "2026-01-01T00:00:10Z");
    assert_string_equal(since(&p, "ready", "PVCReady"), NOW_TEXT);
    p.now += 10;
    paper_add(&p, TO_PVC("disk", "'status':{'phase':'Lost'}"));
    paper_settle(&p, "lost");
    assert_string_equal(since(&p, "lost", "Ready"), "2026-01-01T00:00:20Z");
    assert_string_equal(since(&p, "lost", "PVCReady"), "2026-01-01T00:00:20Z");
}

/* What others have put into the status stays; conditions of ours that no longer hold go. */
static void what_stays(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(
        &p, "{}",
        "{'kind':'VirtualMachineExport','metadata':{'name':'e','generation':3},'spec':{"
        "'source':{'kind':'PersistentVolumeClaim','name':'disk'}},'status':{'other':'x',"
        "'dataGeneration':4,'conditions':[{'type':'VolumesCreated','status':'True'}]}}," PVC(
            "disk"));
    paper_settle(&p, "claim");
    assert_string_equal(json_text(p.plan.status, "other"), "x");
    assert_int_equal(paper_generation(&p), 4);
    assert_int_equal((int)json_number(json_get(p.plan.status, "observedGeneration"), 0), 3);
    assert_int_equal(json_count(json_get(p.plan.status, "conditions")), 2);
    assert_null(json_get(p.plan.status, "virtualMachineName"));
}

/* The name of the token is told once there will be one, or when it is the user's. */
static void the_token_is_told(void **state)
{
    static const struct {
        const char *objects, *want;
    } rows[] = {
        {EXPORT_PVC, NULL},
        {EXPORT_PVC "," PVC("disk"), "export-token-e"},
        {EXPORT_PVC "," TO_EXPORT("'spec':{'tokenSecretRef':'mine'}"), "mine"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        const char *is;

        paper_start(&p, "{}", rows[i].objects);
        paper_look(&p);
        is = json_text(p.plan.status, "tokenSecretRef");
        if (rows[i].want)
            assert_string_equal(is, rows[i].want);
        else
            assert_null(is);
    }
}

/* ---- a condition in place of another ---- */

static void pending(void **state)
{
    cleanup_paper struct paper p;
    const struct condition trouble = {"Ready", false, "Forbidden", "no"};
    const struct json *status;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "claim");
    p.now += 10;
    status = status_pending(&p.world, p.plan.status, &trouble);
    assert_int_equal(json_count(json_get(status, "links")), 0);
    assert_int_equal(json_count(json_get(p.plan.status, "links")), 1);
    p.plan.status = status;
    assert_row("forbidden", "the status", paper_status(&p),
               "Pending: Ready=False Forbidden, PVCReady=True PVCBound");
    assert_string_equal(paper_message(&p), "no");
    assert_string_equal(since(&p, "forbidden", "PVCReady"), NOW_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_of_the_pod),
        cmocka_unit_test(a_pod_that_has_just_begun),
        cmocka_unit_test(a_pod_that_has_no_node_yet),
        cmocka_unit_test(times_of_transition),
        cmocka_unit_test(what_stays),
        cmocka_unit_test(the_token_is_told),
        cmocka_unit_test(pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
