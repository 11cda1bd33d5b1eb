/* SPDX-License-Identifier: Apache-2.0 */
/* What is planned for whole exports; what each kind of source asks for is in tests of its own. */
#include "controller_world.h"

#define NEW_POD \
    "create Service virt-export-e; token export-token-e; certificate virt-export-tls-e; " \
    "create Pod virt-export-e"
#define BOUND ", PVCReady=True PVCBound"
#define PENDING(reason) "Pending: Ready=False " reason

/* ---- a first look ---- */

static void first_looks(void **state)
{
    static const struct {
        const char *name, *objects, *steps, *status;
    } rows[] = {
        {"a claim", EXPORT_PVC "," PVC("disk"), NEW_POD, PENDING("PodPending") BOUND},
        {"no claim", EXPORT_PVC, "create Service virt-export-e",
         PENDING("Initializing") ", PVCReady=False PVCNotFound"},
        {"a machine", EXPORT_VM "," PVC("disk") "," VM(ON_CLAIM("a", "disk")),
         "create Service virt-export-e; token export-token-e; certificate virt-export-tls-e; "
         "create ConfigMap exporter-vm-manifest-e; create Pod virt-export-e",
         PENDING("PodPending")},
        {"a snapshot", EXPORT_SNAPSHOT "," SNAPSHOT,
         "create Service virt-export-e; create PersistentVolumeClaim e-disk; "
         "token export-token-e; certificate virt-export-tls-e; "
         "create ConfigMap exporter-vm-manifest-e; create Pod virt-export-e",
         PENDING("PodPending") ", VolumesCreated=False NotAllPVCsReady"},
        {"of group v1, as a seed writes it",
         EXPORT_OF("PersistentVolumeClaim", "v1", "disk") "," PVC("disk"), NEW_POD,
         PENDING("PodPending") BOUND},
        {"of no group",
         "{'kind':'VirtualMachineExport','metadata':{'name':'e'},'spec':{'source':{"
         "'kind':'PersistentVolumeClaim','name':'disk'}}}," PVC("disk"),
         NEW_POD, PENDING("PodPending") BOUND},
        {"a claim of another group",
         EXPORT_OF("PersistentVolumeClaim", "snapshot.kubevirt.io", "disk") "," PVC("disk"), "",
         "none"},
        {"a snapshot of no group", EXPORT_OF("VirtualMachineSnapshot", "", "snap"), "", "none"},
        {"a machine of no group", EXPORT_OF("VirtualMachine", "", "vm"), "", "none"},
        {"another kind", EXPORT_OF("Pod", "", "p"), "", "none"},
        {"no source", "{'kind':'VirtualMachineExport','metadata':{'name':'e'},'spec':{}}", "",
         "none"},
        {"on its way out",
         EXPORT_PVC "," PVC("disk") ",{'kind':'VirtualMachineExport','metadata':{'name':'e',"
                                    "'deletionTimestamp':'" NOW_TEXT "'}}",
         "", "none"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        bool leaves;

        paper_start(&p, "{}", rows[i].objects);
        assert_plan(&p, rows[i].name, rows[i].steps, rows[i].status);
        leaves = json_at(p.world.export, "metadata.deletionTimestamp") != NULL;
        if (p.plan.look_again != (leaves ? 0 : LATE))
            fail_msg("%s: the next look is at %ld", rows[i].name, (long)p.plan.look_again);
    }
}

/* What a Service, a claim's token and certificate are in full. */
static void objects_in_full(void **state)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *service = NULL, *token = NULL;
    const struct step *step;
#define METADATA(name, labels, annotations) \
    "'metadata':{'name':'" name "','namespace':'ns','labels':{" labels \
    "'app.kubernetes.io/managed-by':'vmexport-controller','kubevirt.io':'virt-exporter'}," \
    "'annotations':{" annotations "},'ownerReferences':[{'apiVersion':'export.kubevirt.io/v1'," \
    "'kind':'VirtualMachineExport','name':'e','uid':'uid-1','controller':true," \
    "'blockOwnerDeletion':true}]}"

    (void)state;
    paper_start(&p, "{}",
                "{'kind':'VirtualMachineExport','metadata':{'name':'e','labels':{'a':'b',"
                "'kubevirt.io':'mine','app.kubernetes.io/managed-by':'me'},'annotations':{'c':'d'}}"
                ",'spec':{'source':{'kind':'PersistentVolumeClaim','name':'disk'}}}," PVC("disk"));
    paper_look(&p);
    service = json_format("{'apiVersion':'v1','kind':'Service'," METADATA(
        "virt-export-e", "'a':'b',",
        "'c':'d'") ",'spec':{'selector':{'kubevirt.io.virt-export-service':'e'},'"
                   "publishNotReadyAddresses':true,'ports':[{"
                   "'name':'export','protocol':'TCP','port':443,'targetPort':8443}]}}");
    step = paper_step(&p, STEP_CREATE, KIND_SERVICE);
    assert_true(json_equal(step->object, service));
    assert_string_equal(step->event.reason, "ServiceCreated");
    assert_string_equal(step->event.message, "Created service ns/virt-export-e");
    token = json_format("{'apiVersion':'v1','kind':'Secret','type':'Opaque'," METADATA(
        "export-token-e", "", "") "}");
    assert_true(json_equal(paper_step(&p, STEP_TOKEN, KIND_SECRET)->object, token));
    step = paper_step(&p, STEP_CERTIFICATE, KIND_SECRET);
    assert_string_equal(json_text(step->object, "type"), "kubernetes.io/tls");
    assert_false(step->exists);
    step = paper_step(&p, STEP_CREATE, KIND_POD);
    assert_string_equal(step->event.reason, "ExporterPodCreated");
    assert_string_equal(json_text(p.plan.status, "serviceName"), "virt-export-e");
    assert_string_equal(json_text(p.plan.status, "tokenSecretRef"), "export-token-e");
    assert_string_equal(json_text(p.plan.status, "ttlExpirationTime"), "2026-01-01T02:00:00Z");
    assert_int_equal(json_count(json_get(p.plan.status, "links")), 0);
    assert_null(json_get(p.plan.status, "dataGeneration"));
}

/* ---- carried out, a plan leads to one that is empty ---- */

struct scene {
    const char *name, *settings, *objects, *status;
};

#define SOME_TWICE \
    ON_CLAIM("v0", "d0") \
    "," ON_CLAIM("v1", "d1") "," ON_CLAIM("v2", "d2") "," ON_CLAIM("again", "d1")

static const struct scene scenes[] = {
    {"claim", "{}", EXPORT_PVC "," PVC("disk"), "Ready: Ready=True PodReady" BOUND},
    {"claim, other group", "{'api-group':'export.vmexport.io'}", EXPORT_PVC "," PVC("disk"),
     "Ready: Ready=True PodReady" BOUND},
    {"claim, token named", "{}",
     EXPORT_PVC "," TO_EXPORT("'spec':{'tokenSecretRef':'mine'}") "," PVC("disk") "," SECRET(
         "mine", "{'token':'YWJj'}"),
     "Ready: Ready=True PodReady" BOUND},
    {"claim, token missing", "{}",
     EXPORT_PVC "," TO_EXPORT("'spec':{'tokenSecretRef':'mine'}") "," PVC("disk"),
     PENDING("TokenSecretNotFound") BOUND},
    {"claim, direct", "{'external':'direct','external-host':'h','ingress-tls-secret':'t'}",
     EXPORT_PVC "," PVC("disk"), "Ready: Ready=True PodReady" BOUND},
    {"no claim", "{}", EXPORT_PVC, PENDING("Initializing") ", PVCReady=False PVCNotFound"},
    {"claim in use", "{}", EXPORT_PVC "," PVC("disk") "," POD("p", "disk", "Running"),
     PENDING("InUse") BOUND},
    {"claim being filled", "{}",
     EXPORT_PVC "," PVC("disk") "," OWNED_BY_DV
                                "," DV("ImportInProgress") "," POD("importer", "disk", "Running"),
     PENDING("PVCPending") BOUND},
    {"machine", "{}", EXPORT_VM "," PVC("disk") "," VM(ON_CLAIM("a", "disk")),
     "Ready: Ready=True PodReady"},
    {"machine of some disks", "{}",
     EXPORT_VM "," PVC("d0") "," PVC("d1") "," PVC("d2") "," VM(SOME_TWICE),
     "Ready: Ready=True PodReady"},
    {"machine with an instancetype", "{}",
     EXPORT_VM "," PVC("disk") "," VM(
         ON_CLAIM("a", "disk")) ",{'kind':'VirtualMachine','metadata':{'name':'vm'},'spec':{"
                                "'instancetype':{'name':'small'}}}",
     "Ready: Ready=True PodReady, InstancetypeExpanded=False LeftReferenced"},
    {"machine that runs", "{}",
     EXPORT_VM
     "," PVC("disk") "," VM(ON_CLAIM("a", "disk")) ","
                                                   "{'kind':'VirtualMachineInstance','metadata':{'"
                                                   "name':'vm'},'status':{'phase':'Running'}}",
     PENDING("InUse")},
    {"no machine", "{}", EXPORT_VM, "Skipped: Ready=False VMNotFound"},
    {"snapshot", "{}", EXPORT_SNAPSHOT "," SNAPSHOT,
     "Ready: Ready=True PodReady, VolumesCreated=True AllPVCsReady"},
    {"snapshot, other group", "{'api-group':'export.vmexport.io'}", EXPORT_SNAPSHOT "," SNAPSHOT,
     "Ready: Ready=True PodReady, VolumesCreated=True AllPVCsReady"},
    {"no snapshot", "{}", EXPORT_SNAPSHOT,
     "Skipped: Ready=False VMSnapshotNotFound, VolumesCreated=False VMSnapshotNoVolumes"},
};

static void plans_come_to_an_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(scenes); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, scenes[i].settings, scenes[i].objects);
        paper_look(&p);
        paper_carry_out(&p, SIZE_MAX);
        if (!paper_settled(&p)) /* already at the second look */
            fail_msg("%s: then there is more to do: %s", scenes[i].name, paper_steps(&p));
        paper_settle(&p, scenes[i].name);
        assert_row(scenes[i].name, "the status", paper_status(&p), scenes[i].status);
        p.now += 60; /* time alone changes nothing */
        assert_true(paper_settled(&p));
        cache_forget(&p.cache, "ns/e"); /* as after a restart */
        assert_true(paper_settled(&p));
    }
}

/* All objects but what differs with each writing. */
static struct json *what_is_there(const struct paper *p)
{
    struct json *out = json_copy(p->objects);

    for (struct json *o = json_edit_first(out); o; o = json_edit_next(o)) {
        struct json *metadata = json_edit(o, "metadata");

        json_free(json_take(metadata, "uid"));
        json_free(json_take(metadata, "resourceVersion"));
        json_free(json_take(json_edit(metadata, "annotations"), POD_MADE_FOR));
        json_free(json_take(o, "spec"));
    }
    return out;
}

/* Stopped after any of its writes, and begun anew, it comes to the same. */
static void stopped_at_any_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(scenes); i++) {
        cleanup_json struct json *want = NULL;

        for (size_t steps = PLAN_STEPS_MAX + 1; steps != SIZE_MAX;
             steps = steps > PLAN_STEPS_MAX ? 5 : steps - 1) {
            cleanup_paper struct paper p;
            cleanup_json struct json *is = NULL;

            paper_start(&p, scenes[i].settings, scenes[i].objects);
            paper_look(&p);
            paper_carry_out(&p, steps);
            cache_forget(&p.cache, "ns/e");
            paper_settle(&p, scenes[i].name);
            is = what_is_there(&p);
            if (!want)
                want = steal_ptr(is);
            else if (!json_equal(is, want))
                fail_msg("%s: stopped after %zu steps, it ends otherwise", scenes[i].name, steps);
        }
    }
}

/* Whatever of its own goes comes back. */
static void what_is_deleted_is_made_again(void **state)
{
    static const struct {
        const char *kind, *name, *steps;
    } rows[] = {
        {"Service", "virt-export-e", "create Service virt-export-e"},
        {"Pod", "virt-export-e", "create Pod virt-export-e"},
        {"Secret", "export-token-e", "token export-token-e"},
        {"Secret", "virt-export-tls-e", "certificate virt-export-tls-e"},
        {"ConfigMap", "exporter-vm-manifest-e", "create ConfigMap exporter-vm-manifest-e"},
        {"PersistentVolumeClaim", "e-disk", "create PersistentVolumeClaim e-disk"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", EXPORT_SNAPSHOT "," SNAPSHOT);
        paper_settle(&p, "snapshot");
        paper_remove(&p, rows[i].kind, rows[i].name);
        assert_plan(&p, rows[i].name, rows[i].steps, NULL);
        paper_settle(&p, rows[i].name);
        assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
    }
}

/* ---- when it ends ---- */

static void expiry(void **state)
{
    static const struct {
        const char *name, *more;
        long end; /* from now */
    } rows[] = {
        {"two hours", "'spec':{}", 7200},
        {"its own", "'spec':{'ttlDuration':'90s'}", 90},
        {"parts of a second count as one", "'spec':{'ttlDuration':'1500ms'}", 2},
        {"no duration", "'spec':{'ttlDuration':'soon'}", 7200},
        {"none at all", "'spec':{'ttlDuration':'0s'}", 7200},
        {"negative", "'spec':{'ttlDuration':'-1h'}", 7200},
        {"what the status says counts",
         "'spec':{'ttlDuration':'90s'},'status':{'ttlExpirationTime':'2026-01-01T00:00:10Z'}", 10},
        {"a status that cannot be read",
         "'spec':{'ttlDuration':'90s'},'status':{'ttlExpirationTime':'x'}", 90},
        {"a hundred years", "'spec':{'ttlDuration':'876000h'}", 876000L * 3600},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_str struct str change = STR_INIT;

        str_printf(&change, "{'kind':'VirtualMachineExport','metadata':{'name':'e'},%s}",
                   rows[i].more);
        paper_start(&p, "{}", EXPORT_PVC);
        paper_add(&p, str_get(&change));
        paper_look(&p);
        if (p.plan.look_again != NOW + rows[i].end)
            fail_msg("%s: it ends in %ld s", rows[i].name, (long)p.plan.look_again - NOW);
        p.now = NOW + rows[i].end - 1;
        paper_look(&p);
        assert_non_null(p.plan.status);
        p.now++;
        assert_plan(&p, rows[i].name, "delete VirtualMachineExport e", "none");
        assert_string_equal(p.plan.steps[0].uid, "uid-1");
    }
}

/* In whatever state it is. */
static void the_end_comes_in_every_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(scenes); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, scenes[i].settings, scenes[i].objects);
        paper_look(&p);
        p.now = LATE;
        assert_plan(&p, scenes[i].name, "delete VirtualMachineExport e", "none");
        p.now = NOW;
        paper_settle(&p, scenes[i].name);
        p.now = LATE;
        assert_plan(&p, scenes[i].name, "delete VirtualMachineExport e", "none");
        paper_add(&p, "{'kind':'VirtualMachineExport','metadata':{'name':'e',"
                      "'deletionTimestamp':'" NOW_TEXT "'}}");
        assert_plan(&p, scenes[i].name, "", "none");
    }
}

static void the_end_comes_to_what_is_not_understood(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{'default-ttl':'10m'}", EXPORT_OF("Pod", "", "p"));
    assert_plan(&p, "of a pod", "", "none");
    assert_int_equal(p.plan.look_again, NOW + 600);
    p.now += 600;
    assert_plan(&p, "of a pod", "delete VirtualMachineExport e", "none");
}

/* ---- the gate ---- */

static void the_gate_is_closed(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_surround(&p, "{" SIGNED ",'gate':'open it'}");
    assert_plan(&p, "closed", "create Service virt-export-e", PENDING("FeatureGateDisabled") BOUND);
    assert_string_equal(paper_message(&p), "open it");
    paper_settle(&p, "closed");
    paper_surround(&p, "{" SIGNED "}");
    paper_settle(&p, "open");
    assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
    paper_surround(&p, "{" SIGNED ",'gate':'open it'}");
    assert_plan(&p, "closed again", "delete Pod virt-export-e",
                PENDING("FeatureGateDisabled") BOUND);
    assert_string_equal(p.plan.steps[0].event.reason, "ExportPaused");
    assert_string_equal(p.plan.steps[0].event.message, "open it");
    paper_settle(&p, "closed again");
}

/* ---- names that are taken ---- */

static void names_taken(void **state)
{
    static const struct {
        const char *object, *says;
    } rows[] = {
        {"{'kind':'Service','metadata':{'name':'virt-export-e'}}", "Service ns/virt-export-e,"},
        {"{'kind':'Service','metadata':{'name':'virt-export-e','ownerReferences':[{"
         "'kind':'VirtualMachineExport','name':'e','uid':'another','controller':true}]}}",
         "Service ns/virt-export-e,"},
        {POD("virt-export-e", "other", "Running"), "Pod ns/virt-export-e,"},
        {"{'kind':'ConfigMap','metadata':{'name':'exporter-vm-manifest-e'}}",
         "ConfigMap ns/exporter-vm-manifest-e,"},
        {"{'kind':'Secret','metadata':{'name':'export-token-e'}}", "Secret ns/export-token-e,"},
        {"{'kind':'Secret','metadata':{'name':'virt-export-tls-e','labels':{"
         "'app.kubernetes.io/managed-by':'vmexport-controller'}}}",
         "Secret ns/virt-export-tls-e,"},
        {"{'kind':'Ingress','metadata':{'name':'virt-export-e','labels':{"
         "'app.kubernetes.io/managed-by':'vmexport-controller'}}}",
         "Ingress ns/virt-export-e,"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{'external':'direct','external-host':'h'}",
                    EXPORT_VM "," PVC("disk") "," VM(ON_CLAIM("a", "disk")));
        paper_add(&p, rows[i].object);
        paper_settle(&p, rows[i].says);
        assert_row(rows[i].says, "the status", paper_status(&p), PENDING("NameTaken"));
        assert_says(rows[i].says, paper_message(&p), rows[i].says);
        assert_says(rows[i].says, paper_message(&p), "delete or rename that");
        assert_int_equal(p.plan.look_again, NOW + 10); /* what is not ours may go unseen */
    }
}

/* What the API server refuses is told in place of what would be. */
static void steps_that_fail(void **state)
{
    cleanup_paper struct paper p;
    const struct json *status;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_look(&p);
    status = plan_failed(&p.world, &p.plan, "QuotaExceeded", "too many");
    assert_string_equal(json_text(status, "phase"), "Pending");
    p.plan.status = status;
    assert_row("quota", "the status", paper_status(&p), PENDING("QuotaExceeded") BOUND);
    assert_string_equal(paper_message(&p), "too many");
    assert_string_equal(json_text(status, "ttlExpirationTime"), "2026-01-01T02:00:00Z");
}

/* ---- the generation of the data ---- */

static void assert_generation(struct paper *p, const char *row, unsigned want)
{
    paper_settle(p, row);
    if (paper_generation(p) != want)
        fail_msg("%s: the generation is %u", row, paper_generation(p));
}

static void the_generation_rises_once_per_use(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    assert_generation(&p, "new", 0);
    paper_add(&p, POD("p", "disk", "Running"));
    assert_plan(&p, "in use", "delete Pod virt-export-e in 1 s", PENDING("InUse") BOUND);
    assert_generation(&p, "in use", 1);
    cache_touch(&p.cache, "ns/e", "x"); /* what happens to a pod while another is there */
    assert_generation(&p, "in use", 1);
    paper_add(&p, POD("q", "disk", "Running"));
    assert_generation(&p, "in use by two", 1);
    cache_forget(&p.cache, "ns/e");
    assert_generation(&p, "after a restart", 1);
    paper_remove(&p, "Pod", "q");
    paper_remove(&p, "Pod", "p");
    cache_touch(&p.cache, "ns/e", "x"); /* it is told of again, as by the history */
    assert_generation(&p, "free", 1);
    assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
    cache_touch(&p.cache, "ns/e", "y"); /* one that came and went */
    assert_plan(&p, "touched", "delete Pod virt-export-e", NULL);
    assert_generation(&p, "touched", 2);
    assert_null(p.plan.users);
    cache_touch(&p.cache, "ns/e", "y");
    assert_generation(&p, "told of again", 2);
    cache_touch(&p.cache, "ns/e", CACHE_UNKNOWN_POD);
    assert_generation(&p, "nobody knows who", 3);
    paper_remove(&p, "Pod", "virt-export-e");
    assert_generation(&p, "pod replaced", 3);
    paper_add(&p, POD("r", "disk", "Pending"));
    assert_generation(&p, "in use again", 4);
}

/* The news of a user and of its end come along with that of the pod that was made meanwhile. */
static void an_outdated_pod_is_not_ready(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "ready");
    cache_touch(&p.cache, "ns/e", "u");
    assert_plan(&p, "touched", "delete Pod virt-export-e", PENDING("PodTerminating") BOUND);
    assert_null(json_first(json_get(p.plan.status, "links")));
    paper_settle(&p, "replaced");
    assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
}

/* However many come and go, a status remembers the last few. */
static void the_last_users_are_remembered(void **state)
{
    cleanup_paper struct paper p;
    const struct json *users;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    for (int i = 0; i < 20; i++) {
        char uid[16];

        snprintf(uid, sizeof(uid), "u%d", i);
        cache_touch(&p.cache, "ns/e", uid);
        paper_settle(&p, uid);
    }
    users = json_at(p.world.export, "status.dataUsers");
    assert_int_equal(json_count(users), 8);
    assert_string_equal(json_string(json_first(users)), "u12");
}

/* The watch may tell a status that is older than the one written last. */
static void an_old_status_is_not_believed(void **state)
{
    cleanup_paper struct paper p;
    struct memo *memo;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    cache_touch(&p.cache, "ns/e", "u");
    assert_generation(&p, "used", 1);
    memo = cache_memo(&p.cache, "ns/e");
    memo->generation = 1;
    memo->last_users = json_format("['u']");
    paper_add(&p, "{'kind':'VirtualMachineExport','metadata':{'name':'e'},'status':{"
                  "'dataGeneration':null,'dataUsers':null}}");
    cache_touch(&p.cache, "ns/e", "u");
    assert_plan(&p, "old", "", NULL);
    assert_generation(&p, "old", 1);
}

/* A step that cannot be done keeps no pod at a volume that somebody else needs. */
static void deletions_come_first(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "ready");
    paper_remove(&p, "Service", "virt-export-e");
    paper_add(&p, POD("p", "disk", "Running"));
    assert_plan(&p, "in use", "delete Pod virt-export-e in 1 s; create Service virt-export-e",
                PENDING("InUse") BOUND);
}

/* Also when something else is told of the export meanwhile. */
static void the_generation_rises_once_whatever_is_told(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk") "," POD("p", "disk", "Running"));
    paper_surround(&p, "{" SIGNED ",'gate':'open it'}");
    assert_generation(&p, "in use, the gate closed", 1);
    assert_row("in use, the gate closed", "the status", paper_status(&p), PENDING("InUse") BOUND);
    paper_surround(&p, "{" SIGNED "}");
    paper_remove(&p, "Service", "virt-export-e");
    paper_look(&p);
    assert_int_equal(paper_generation(&p), 1);
    p.plan.status = plan_failed(&p.world, &p.plan, "QuotaExceeded", "too many Services");
    p.plan.count = 0;
    paper_carry_out(&p, SIZE_MAX);
    paper_look(&p);
    assert_int_equal(paper_generation(&p), 1);
    paper_add(&p, OWNED_BY_DV "," DV("ImportInProgress"));
    assert_generation(&p, "in use, being filled", 1);
}

/* ---- names ---- */

static void names_of_all_lengths(void **state)
{
    static const struct {
        const char *name, *service, *token;
    } rows[] = {
        {"a.b", "virt-export-a-b-", "export-token-a.b"},
        {"n123456789-123456789-123456789-123456789-123456789-123456789-123", "virt-export-n1234",
         "export-token-n123456789-123456789-123456789-123456789-123456789-123456789-123"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_json struct json *export =
            json_format("{'kind':'VirtualMachineExport','metadata':{'name':%s},'spec':{'source':{"
                        "'kind':'PersistentVolumeClaim','name':'disk.of.it'}}}",
                        rows[i].name);
        const struct json *pod;
        const char *service, *label;

        paper_start(&p, "{}", PVC("disk.of.it"));
        paper_put(&p, export);
        p.name = rows[i].name;
        paper_settle(&p, rows[i].name);
        assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
        service = json_text(p.plan.status, "serviceName");
        assert_true(strlen(service) <= 63 && !strchr(service, '.'));
        assert_says(rows[i].name, service, rows[i].service);
        assert_string_equal(json_text(p.plan.status, "tokenSecretRef"), rows[i].token);
        pod = paper_get(&p, "Pod", service);
        label = json_string(
            json_get(json_at(pod, "metadata.labels"), "kubevirt.io.virt-export-service"));
        assert_true(strlen(label) <= 63);
        assert_string_equal(
            label, json_string(json_get(json_at(paper_get(&p, "Service", service), "spec.selector"),
                                        "kubevirt.io.virt-export-service")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_looks),
        cmocka_unit_test(objects_in_full),
        cmocka_unit_test(plans_come_to_an_end),
        cmocka_unit_test(stopped_at_any_step),
        cmocka_unit_test(what_is_deleted_is_made_again),
        cmocka_unit_test(expiry),
        cmocka_unit_test(the_end_comes_in_every_state),
        cmocka_unit_test(the_end_comes_to_what_is_not_understood),
        cmocka_unit_test(the_gate_is_closed),
        cmocka_unit_test(names_taken),
        cmocka_unit_test(steps_that_fail),
        cmocka_unit_test(the_generation_rises_once_per_use),
        cmocka_unit_test(an_outdated_pod_is_not_ready),
        cmocka_unit_test(the_last_users_are_remembered),
        cmocka_unit_test(deletions_come_first),
        cmocka_unit_test(an_old_status_is_not_believed),
        cmocka_unit_test(the_generation_rises_once_whatever_is_told),
        cmocka_unit_test(names_of_all_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
