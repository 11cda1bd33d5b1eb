/* SPDX-License-Identifier: Apache-2.0 */
#include "controller_world.h"

#define CLAIM EXPORT_PVC "," PVC("disk")
#define MADE_FOR "vmexport.io/made-for"

static const struct json *pod_of(struct paper *p)
{
    paper_look(p);
    assert_non_null(paper_step(p, STEP_CREATE, KIND_POD));
    return paper_step(p, STEP_CREATE, KIND_POD)->object;
}

static const struct json *named(const struct json *list, const char *name)
{
    for (const struct json *v = json_first(list); v; v = json_next(v))
        if (json_text(v, "name") && strcmp(json_text(v, "name"), name) == 0)
            return v;
    return NULL;
}

static const struct json *container_of(const struct json *pod)
{
    return json_first(json_at(pod, "spec.containers"));
}

static const char *env_of(const struct json *pod, const char *name)
{
    return json_text(named(json_get(container_of(pod), "env"), name), "value");
}

static void assert_json(const char *row, const struct json *is, const char *want)
{
    cleanup_json struct json *tree = json_format(want);
    cleanup_str struct str text = STR_INIT;

    if (is && json_equal(is, tree))
        return;
    if (is)
        json_print(is, 1, &text);
    fail_msg("%s: it is %s", row, str_get(&text));
}

/* ---- what it is in full ---- */

static void the_pod_of_a_claim(void **state)
{
    cleanup_paper struct paper p;
    const struct json *pod, *c;

    (void)state;
    paper_start(&p, "{'image':'i:1','cluster-domain':'example'}", CLAIM);
    pod = pod_of(&p);
    c = container_of(pod);
    assert_json("volumes", json_at(pod, "spec.volumes"),
                "[{'name':'certificates','secret':{'secretName':'virt-export-tls-e'}},"
                "{'name':'token','secret':{'secretName':'export-token-e'}},"
                "{'name':'run','emptyDir':{'medium':'Memory','sizeLimit':'64Mi'}},"
                "{'name':'manifest-data','downwardAPI':{'items':[{'path':'export-name','fieldRef':"
                "{'fieldPath':'metadata.annotations[\\u0027vmexport.io/export-name\\u0027]'}}]}},"
                "{'name':'disk','persistentVolumeClaim':{'claimName':'disk','readOnly':true}}]");
    assert_json("mounts", json_get(c, "volumeMounts"),
                "[{'name':'certificates','mountPath':'/cert','readOnly':true},"
                "{'name':'token','mountPath':'/token','readOnly':true},"
                "{'name':'run','mountPath':'/run/vmexport'},"
                "{'name':'manifest-data','mountPath':'/manifest_data','readOnly':true}]");
    assert_json("devices", json_get(c, "volumeDevices"),
                "[{'name':'disk','devicePath':'/dev/export-volumes/disk'}]");
    assert_json("security", json_at(pod, "spec.securityContext"),
                "{'runAsNonRoot':true,'runAsUser':107,'runAsGroup':107,'seccompProfile':{"
                "'type':'RuntimeDefault'}}");
    assert_json("container's security", json_get(c, "securityContext"),
                "{'allowPrivilegeEscalation':false,'readOnlyRootFilesystem':true,"
                "'capabilities':{'drop':['ALL']}}");
    assert_json("resources", json_get(c, "resources"),
                "{'requests':{'cpu':'100m','memory':'64Mi'},'limits':{'cpu':'1','memory':"
                "'512Mi'}}");
    assert_json("account", json_at(pod, "spec.automountServiceAccountToken"), "false");
    assert_string_equal(json_text(c, "image"), "i:1");
    assert_string_equal(json_text(c, "readinessProbe.httpGet.path"), "/exportready");
    assert_string_equal(env_of(pod, "VMEXPORT_PREFIX"),
                        "/api/export.kubevirt.io/v1/namespaces/ns/virtualmachineexports/e");
    assert_true(str_starts(env_of(pod, "VMEXPORT_VOLUMES"), "disk disk "));
    assert_true(str_ends(env_of(pod, "VMEXPORT_VOLUMES"), " /dev/export-volumes/disk\n"));
    assert_json("affinity", json_at(pod, "spec.affinity"), "{}");
    assert_null(json_at(pod, "spec.priorityClassName"));
}

static void settings_reach_it(void **state)
{
    cleanup_paper struct paper p;
    const struct json *pod;

    (void)state;
    paper_start(&p,
                "{'image-pull-policy':'Always','image-pull-secrets':['a','b'],'resources':{'limits'"
                ":{'x':1}},"
                "'node-selector':{'n':'s'},'tolerations':[{'key':'t'}],'affinity':{'podAffinity':{}"
                "},'pod-annotations':{'pa':'1','vmexport.io/made-for':'x'},'pod-labels':{'pl':'2'},"
                "'priority-class':'high','run-as':'1:2','fs-group':3}",
                CLAIM);
    pod = pod_of(&p);
    assert_json("secrets", json_at(pod, "spec.imagePullSecrets"), "[{'name':'a'},{'name':'b'}]");
    assert_json("selector", json_at(pod, "spec.nodeSelector"), "{'n':'s'}");
    assert_json("tolerations", json_at(pod, "spec.tolerations"), "[{'key':'t'}]");
    assert_json("affinity", json_at(pod, "spec.affinity"), "{'podAffinity':{}}");
    assert_json("resources", json_get(container_of(pod), "resources"), "{'limits':{'x':1}}");
    assert_json("security", json_at(pod, "spec.securityContext"),
                "{'runAsNonRoot':true,'runAsUser':1,'runAsGroup':2,'seccompProfile':{"
                "'type':'RuntimeDefault'},'fsGroup':3}");
    assert_string_equal(json_text(pod, "spec.priorityClassName"), "high");
    assert_string_equal(json_text(pod, "metadata.labels.pl"), "2");
    assert_string_equal(json_text(pod, "metadata.annotations.pa"), "1");
    assert_string_not_equal(json_string(json_get(json_at(pod, "metadata.annotations"), MADE_FOR)),
                            "x");
    assert_string_equal(json_text(container_of(pod), "imagePullPolicy"), "Always");
}

/* A Service of KubeVirt's for an export of the same name asks for its label. */
static void a_pod_beside_kubevirts(void **state)
{
    cleanup_paper struct paper p;
    const struct json *pod, *service;

    (void)state;
    paper_start(&p, "{'api-group':'export.vmexport.io'}",
                CLAIM ",{'kind':'VirtualMachineExport','metadata':{'name':'e'}}");
    pod = pod_of(&p);
    service = paper_step(&p, STEP_CREATE, KIND_SERVICE)->object;
    assert_json("labels", json_at(pod, "metadata.labels"),
                "{'vmexport.io/export-service':'e','kubevirt.io':'virt-exporter',"
                "'app.kubernetes.io/managed-by':'vmexport-controller'}");
    assert_json("selector", json_at(service, "spec.selector"),
                "{'vmexport.io/export-service':'e'}");
}

/* Nothing that a user writes on an export leads the Service astray. */
static void labels_of_the_export(void **state)
{
    cleanup_paper struct paper p;
    const struct json *pod;

    (void)state;
    paper_start(&p, "{}",
                CLAIM ",{'kind':'VirtualMachineExport','metadata':{'name':'e','labels':{'mine':'x',"
                      "'kubevirt.io.virt-export-service':'another','kubevirt.io':'y',"
                      "'app.kubernetes.io/managed-by':'z'},'annotations':{'vmexport.io/made-for':"
                      "'w','vmexport.io/export-name':'v','a':'b'}}}");
    pod = pod_of(&p);
    assert_json("labels", json_at(pod, "metadata.labels"),
                "{'mine':'x','kubevirt.io.virt-export-service':'e','kubevirt.io':'virt-exporter',"
                "'app.kubernetes.io/managed-by':'vmexport-controller'}");
    assert_string_equal(json_text(pod, "metadata.annotations.a"), "b");
    assert_string_equal(
        json_string(json_get(json_at(pod, "metadata.annotations"), "vmexport.io/export-name")),
        "e");
    assert_int_equal(strlen(json_string(json_get(json_at(pod, "metadata.annotations"), MADE_FOR))),
                     32);
    paper_settle(&p, "labels");
    assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
}

/* ---- users and groups ---- */

static void run_as(void **state)
{
    static const struct {
        const char *name, *run_as, *fs_group;
        int setting, user, group, want; /* want: 0 for none */
    } rows[] = {
        {"none", NULL, NULL, -1, 107, 107, 0},
        {"a user", "1000:2000", NULL, -1, 1000, 2000, 0},
        {"the highest", "2147483647:2147483647", "2147483647", -1, 2147483647, 2147483647,
         2147483647},
        {"a group for the files", NULL, "36", -1, 107, 107, 36},
        {"another than the setting's", NULL, "36", 5, 107, 107, 36},
        {"the setting's", NULL, NULL, 5, 107, 107, 5},
        {"the setting's none", NULL, NULL, 0, 107, 107, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_json struct json *export =
            json_format("{'kind':'VirtualMachineExport','metadata':{'name':'e','annotations':{"
                        "'vmexport.io/run-as':%s,'vmexport.io/fs-group':%s}}}",
                        rows[i].run_as, rows[i].fs_group);
        const struct json *context;

        paper_start(&p, "{}", CLAIM);
        p.settings.fs_group = rows[i].setting;
        paper_put(&p, export);
        context = json_at(pod_of(&p), "spec.securityContext");
        if (json_number(json_get(context, "runAsUser"), 0) != rows[i].user ||
            json_number(json_get(context, "runAsGroup"), 0) != rows[i].group ||
            json_number(json_get(context, "fsGroup"), 0) != rows[i].want) {
            json_print(context, 0, &p.text);
            fail_msg("%s: %s", rows[i].name, str_get(&p.text));
        }
    }
}

/* The kubelet changes nothing unless an fsGroup is asked for, and never a device; the container can
 * write in no case. */
static void read_only_but_for_the_kubelet_and_a_group(void **state)
{
    static const struct {
        const char *mode, *fs_group;
        bool want;
    } rows[] = {
        {"Filesystem", NULL, true},
        {"Filesystem", "36", false},
        {"Block", NULL, true},
        {"Block", "36", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_json struct json *export =
            json_format("{'kind':'VirtualMachineExport','metadata':{'name':'e','annotations':{"
                        "'vmexport.io/fs-group':%s}}}",
                        rows[i].fs_group);
        cleanup_json struct json *claim =
            json_format("{'kind':'PersistentVolumeClaim','metadata':{'name':'disk'},'spec':{"
                        "'volumeMode':%s}}",
                        rows[i].mode);
        const struct json *pod;

        paper_start(&p, "{}", CLAIM);
        paper_put(&p, export);
        paper_put(&p, claim);
        pod = pod_of(&p);
        for (const struct json *v = json_first(json_at(pod, "spec.volumes")); v; v = json_next(v))
            if (json_get(v, "persistentVolumeClaim") &&
                json_bool(json_at(v, "persistentVolumeClaim.readOnly")) != rows[i].want)
                fail_msg("%s, group %s", rows[i].mode, rows[i].fs_group);
        for (const struct json *m = json_first(json_get(container_of(pod), "volumeMounts")); m;
             m = json_next(m))
            if (strcmp(json_text(m, "name"), "run"))
                assert_true(json_bool(json_get(m, "readOnly")));
    }
}

/* Nobody is run as another than was asked for. */
static void annotations_that_cannot_be_read(void **state)
{
#define RUN_AS "vmexport.io/run-as"
#define FS_GROUP "vmexport.io/fs-group"
    static const struct {
        const char *key, *value;
    } rows[] = {
        {RUN_AS, "0:0"},          {RUN_AS, "1000:0"},
        {RUN_AS, "0:1000"},       {RUN_AS, "1000"},
        {RUN_AS, "1000:"},        {RUN_AS, ":1000"},
        {RUN_AS, "1:1:1"},        {RUN_AS, "-5:7"},
        {RUN_AS, "+5:7"},         {RUN_AS, "1 : 2"},
        {RUN_AS, "1:2 "},         {RUN_AS, "99999999999:1"},
        {RUN_AS, "1:2147483648"}, {RUN_AS, "1:4294967296"},
        {RUN_AS, "qemu"},         {RUN_AS, ""},
        {FS_GROUP, "kvm"},        {FS_GROUP, "0"},
        {FS_GROUP, "-1"},         {FS_GROUP, "99999999999999999999"},
        {FS_GROUP, "36x"},        {FS_GROUP, "2147483648"},
        {FS_GROUP, "4294967297"}, {FS_GROUP, "1.5"},
        {FS_GROUP, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_str struct str says = STR_INIT;
        cleanup_json struct json *annotations = json_new_object(), *export = NULL;

        json_set_string(annotations, rows[i].key, rows[i].value);
        export = json_format("{'kind':'VirtualMachineExport','metadata':{'name':'e',"
                             "'annotations':%j}}",
                             annotations);
        paper_start(&p, "{}", CLAIM);
        paper_settle(&p, "before");
        paper_put(&p, export);
        assert_plan(&p, rows[i].value, "delete Pod virt-export-e",
                    "Pending: Ready=False AnnotationInvalid, PVCReady=True PVCBound");
        str_printf(&says, "the annotation %s of the export is '%s': make it ", rows[i].key,
                   rows[i].value);
        assert_says(rows[i].value, paper_message(&p), str_get(&says));
        assert_says(rows[i].value, paper_message(&p), ", or take it away");
        paper_settle(&p, rows[i].value);
        json_put(annotations, rows[i].key, json_new_null());
        json_put(json_edit(export, "metadata"), "annotations", json_copy(annotations));
        paper_put(&p, export);
        assert_plan(&p, rows[i].value, "create Pod virt-export-e", NULL);
    }
}

/* ---- nodes ---- */

static void nodes(void **state)
{
#define NEAR(node) \
    "{'nodeAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':100," \
    "'preference':{'matchFields':[{'key':'metadata.name','operator':'In','values':['" node \
    "']}]}}]}}"
#define MODE(mode) TO_PVC("disk", "'spec':{'accessModes':['" mode "']}")
    static const struct {
        const char *name, *objects, *affinity;
    } rows[] = {
        {"nobody", NULL, "{}"},
        {"a pod that has ended", POD("p", "disk", "Succeeded"), NEAR("n7")},
        {"a pod that has failed", POD("p", "disk", "Failed"), NEAR("n7")},
        {"of another claim", POD("p", "disk2", "Succeeded"), "{}"},
        {"that never ran",
         POD("p", "disk", "Failed") ",{'kind':'Pod','metadata':{'name':'p'},'spec':{'nodeName':"
                                    "null}}",
         "{}"},
        {"on a volume for many", MODE("ReadWriteMany") "," POD("p", "disk", "Succeeded"), "{}"},
        {"on a volume for many readers", MODE("ReadOnlyMany") "," POD("p", "disk", "Succeeded"),
         "{}"},
        {"on a volume for one pod", MODE("ReadWriteOncePod") "," POD("p", "disk", "Succeeded"),
         NEAR("n7")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", CLAIM);
        paper_add(&p, rows[i].objects);
        assert_json(rows[i].name, json_at(pod_of(&p), "spec.affinity"), rows[i].affinity);
    }
}

static void the_settings_affinity_counts(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{'affinity':{'nodeAffinity':{'x':1}}}",
                CLAIM "," POD("p", "disk", "Succeeded"));
    assert_json("set", json_at(pod_of(&p), "spec.affinity"), "{'nodeAffinity':{'x':1}}");
}

/* ---- volumes ---- */

static void volumes_of_each_kind(void **state)
{
    cleanup_paper struct paper p;
    const struct json *pod, *c;
    const char *table;

    (void)state;
    paper_start(&p, "{}", EXPORT_VM "," PVC("a.b") "," PVC("token") "," PVC("files"));
    paper_add(&p, TO_PVC("files", "'spec':{'volumeMode':'Filesystem'}"));
    paper_add(&p, VM(ON_CLAIM("1", "a.b") "," ON_CLAIM("2", "token") "," ON_CLAIM("3", "files")));
    pod = pod_of(&p);
    c = container_of(pod);
    assert_int_equal(json_count(json_get(c, "volumeDevices")), 2);
    assert_int_equal(json_count(json_get(c, "volumeMounts")), 5);
    assert_string_equal(json_text(named(json_get(c, "volumeMounts"), "files"), "mountPath"),
                        "/export-volumes/files");
    assert_string_equal(
        json_text(named(json_at(pod, "spec.volumes"), "manifest-data"), "configMap.name"),
        "exporter-vm-manifest-e");
    /* a claim named "token" is not the token */
    assert_string_equal(
        json_text(named(json_at(pod, "spec.volumes"), "token"), "secret.secretName"),
        "export-token-e");
    for (const struct json *v = json_first(json_at(pod, "spec.volumes")); v; v = json_next(v)) {
        assert_true(strlen(json_text(v, "name")) <= 63);
        assert_null(strchr(json_text(v, "name"), '.'));
    }
    table = env_of(pod, "VMEXPORT_VOLUMES");
    assert_true(str_starts(table, "a.b disk "));
    assert_non_null(strstr(table, "\ntoken disk "));
    assert_non_null(strstr(table, "\nfiles archive "));
}

/* ---- when it is replaced ---- */

static void replacements(void **state)
{
#define ENDING(grace) \
    "{'kind':'Pod','metadata':{'name':'virt-export-e','deletionTimestamp':'x'," \
    "'deletionGracePeriodSeconds':" grace "}}"
#define USER \
    "{'kind':'Pod','metadata':{'name':'user'},'spec':{'volumes':[{'name':'v'," \
    "'persistentVolumeClaim':{'claimName':'disk'}}]},'status':{'phase':'Running'}}"
#define OWN_POD(status) "{'kind':'Pod','metadata':{'name':'virt-export-e'},'status':" status "}"
    static const struct {
        const char *name, *change;
        long later;
        const char *steps, *status;
        long again; /* from now; 0: as ever */
    } rows[] = {
        {"nothing", NULL, 0, "", "Ready: Ready=True PodReady", 0},
        {"failed at once", OWN_POD("{'phase':'Failed'}"), 0, "", "Pending: Ready=False Unknown", 5},
        {"failed, four seconds on", OWN_POD("{'phase':'Failed'}"), 4, "",
         "Pending: Ready=False Unknown", 1},
        {"failed, five seconds on", OWN_POD("{'phase':'Failed'}"), 5, "delete Pod virt-export-e",
         "Pending: Ready=False Unknown", 0},
        {"ended", OWN_POD("{'phase':'Succeeded'}"), 60, "delete Pod virt-export-e",
         "Terminated: Ready=False PodCompleted", 0},
        {"made for something else",
         "{'kind':'Pod','metadata':{'name':'virt-export-e','annotations':{'" MADE_FOR "':'x'}}}", 0,
         "delete Pod virt-export-e", "Pending: Ready=False PodTerminating", 0},
        {"it does not say what for",
         "{'kind':'Pod','metadata':{'name':'virt-export-e','annotations':null}}", 0,
         "delete Pod virt-export-e", "Pending: Ready=False PodTerminating", 0},
        {"made for something else, and on its way out",
         "{'kind':'Pod','metadata':{'name':'virt-export-e','deletionTimestamp':'x','annotations':"
         "null}}",
         0, "", "Pending: Ready=False PodTerminating", 0},
        {"on its way out, and somebody needs the volume", ENDING("30") "," USER, 0,
         "delete Pod virt-export-e in 1 s", "Pending: Ready=False InUse", 7200},
        {"on its way out as fast as can be", ENDING("1") "," USER, 0, "",
         "Pending: Ready=False InUse", 7200},
        {"another token",
         TO_EXPORT("'spec':{'tokenSecretRef':'mine'}") "," SECRET("mine", "{'token':'YWJj'}"), 0,
         "delete Pod virt-export-e", "Pending: Ready=False PodTerminating", 0},
        {"another user",
         "{'kind':'VirtualMachineExport','metadata':{'name':'e','annotations':{"
         "'vmexport.io/run-as':'1:1'}}}",
         0, "delete Pod virt-export-e", "Pending: Ready=False PodTerminating", 0},
        {"other labels",
         "{'kind':'VirtualMachineExport','metadata':{'name':'e','labels':{'x':'y'}}}", 0, "",
         "Ready: Ready=True PodReady", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_str struct str status = STR_INIT;

        paper_start(&p, "{}", CLAIM);
        paper_settle(&p, rows[i].name);
        paper_add(&p, rows[i].change);
        p.now += rows[i].later;
        str_printf(&status, "%s, PVCReady=True PVCBound", rows[i].status);
        assert_plan(&p, rows[i].name, rows[i].steps, str_get(&status));
        assert_int_equal(p.plan.look_again, rows[i].again ? p.now + rows[i].again : NOW + 3600);
        if (strstr(rows[i].name, "on its way out"))
            continue;
        p.now += rows[i].again;
        paper_settle(&p, rows[i].name);
        assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
    }
}

static void events_say_why(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", CLAIM);
    paper_settle(&p, "claim");
    paper_add(&p, OWN_POD("{'phase':'Succeeded'}"));
    p.now += 5;
    paper_look(&p);
    assert_string_equal(p.plan.steps[0].event.type, "Warning");
    assert_string_equal(p.plan.steps[0].event.reason, "ExporterPodFailedOrCompleted");
    assert_string_equal(p.plan.steps[0].event.message,
                        "Exporter pod ns/virt-export-e is in phase Succeeded");
    paper_add(&p, OWN_POD("{'phase':'Failed','reason':'Evicted','message':'low on memory'}"));
    paper_look(&p);
    assert_string_equal(p.plan.steps[0].event.message,
                        "Exporter pod ns/virt-export-e is in phase Failed: Evicted: low on memory");
    paper_add(&p, OWN_POD("{'phase':'Running','reason':null,'message':null}"));
    paper_add(&p, "{'kind':'VirtualMachineExport','metadata':{'name':'e','annotations':{"
                  "'vmexport.io/run-as':'1:1'}}}");
    paper_look(&p);
    assert_string_equal(p.plan.steps[0].event.reason, "ExporterPodOutdated");
    assert_string_equal(p.plan.steps[0].event.message,
                        "Exporter pod ns/virt-export-e was made for another user or group: the "
                        "annotation vmexport.io/run-as or vmexport.io/fs-group has changed");
    paper_add(&p, "{'kind':'VirtualMachineExport','metadata':{'name':'e','annotations':null}}");
    cache_touch(&p.cache, "ns/e", "u");
    paper_look(&p);
    assert_string_equal(p.plan.steps[0].event.reason, "ExporterPodOutdated");
    assert_says("another state", p.plan.steps[0].event.message, "another state of them");
    assert_string_equal(p.plan.steps[0].uid,
                        json_text(paper_get(&p, "Pod", "virt-export-e"), "metadata.uid"));
    paper_add(&p, POD("p", "disk", "Running"));
    paper_look(&p);
    assert_string_equal(p.plan.steps[0].event.reason, "ExportPaused");
    assert_says("in use", p.plan.steps[0].event.message, "is in use by pod p");
}

/* The same after it is merely replaced, another after somebody may have written. */
static void the_identity_of_a_volume(void **state)
{
    cleanup_paper struct paper p;
    cleanup_free char *first = NULL, *second = NULL;

    (void)state;
    paper_start(&p, "{}", CLAIM);
    first = strdup(env_of(pod_of(&p), "VMEXPORT_VOLUMES"));
    paper_settle(&p, "claim");
    paper_remove(&p, "Pod", "virt-export-e");
    assert_string_equal(env_of(pod_of(&p), "VMEXPORT_VOLUMES"), first);
    cache_forget(&p.cache, "ns/e");
    assert_string_equal(env_of(pod_of(&p), "VMEXPORT_VOLUMES"), first);
    paper_add(&p, POD("p", "disk", "Running"));
    paper_settle(&p, "in use");
    paper_remove(&p, "Pod", "p");
    second = strdup(env_of(pod_of(&p), "VMEXPORT_VOLUMES"));
    assert_string_not_equal(second, first);
    paper_settle(&p, "free");
    paper_remove(&p, "Pod", "virt-export-e");
    assert_string_equal(env_of(pod_of(&p), "VMEXPORT_VOLUMES"), second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pod_of_a_claim),
        cmocka_unit_test(settings_reach_it),
        cmocka_unit_test(a_pod_beside_kubevirts),
        cmocka_unit_test(labels_of_the_export),
        cmocka_unit_test(run_as),
        cmocka_unit_test(read_only_but_for_the_kubelet_and_a_group),
        cmocka_unit_test(annotations_that_cannot_be_read),
        cmocka_unit_test(nodes),
        cmocka_unit_test(the_settings_affinity_counts),
        cmocka_unit_test(volumes_of_each_kind),
        cmocka_unit_test(replacements),
        cmocka_unit_test(events_say_why),
        cmocka_unit_test(the_identity_of_a_volume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
