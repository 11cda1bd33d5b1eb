/* SPDX-License-Identifier: Apache-2.0 */
#include "controller_world.h"

#define BOUND ", PVCReady=True PVCBound"
#define READY_NOT(reason) "Pending: Ready=False " reason

/* ---- what it waits for ---- */

#define FILLED(phase) EXPORT_PVC "," PVC("disk") "," OWNED_BY_DV "," DV(phase)
#define USED(...) EXPORT_PVC "," PVC("disk") "," __VA_ARGS__
/* A pod of the export `name`, whose uid is `uid`, in the API group `group`. */
#define EXPORTER(group, name, uid) \
    POD("x", "disk", "Running") \
    ",{'kind':'Pod','metadata':{'name':'x','ownerReferences':[{'kind':'VirtualMachineExport'," \
    "'apiVersion':'" group "','name':'" name "','uid':'" uid "','controller':true}]}}"
#define MODES(modes) TO_PVC("disk", "'spec':{'accessModes':[" modes "]}")

static void conditions(void **state)
{
    static const struct {
        const char *name, *objects, *status, *says;
    } rows[] = {
        {"none", EXPORT_PVC, READY_NOT("Initializing") ", PVCReady=False PVCNotFound",
         "PersistentVolumeClaim ns/disk not found"},
        {"bound", EXPORT_PVC "," PVC("disk"), READY_NOT("PodPending") BOUND, "starting"},
        {"without a status",
         EXPORT_PVC ",{'kind':'PersistentVolumeClaim','metadata':{'name':'disk'}}",
         READY_NOT("PodPending") BOUND, "starting"},
        {"not bound, as it waits for its first consumer",
         EXPORT_PVC "," PVC("disk") "," TO_PVC("disk", "'status':{'phase':'Pending'}"),
         READY_NOT("PodPending") ", PVCReady=False PVCPending", "starting"},
        {"lost", EXPORT_PVC "," PVC("disk") "," TO_PVC("disk", "'status':{'phase':'Lost'}"),
         READY_NOT("PVCLost") ", PVCReady=False PVCLost",
         "has lost its PersistentVolume: its data is no longer there; restore the volume"},
        {"on its way out",
         EXPORT_PVC "," PVC("disk") ",{'kind':'PersistentVolumeClaim','metadata':{'name':'disk',"
                                    "'deletionTimestamp':'x'}}",
         READY_NOT("PVCTerminating") BOUND, "is being deleted: export another"},
        /* DataVolumes */
        {"filled", FILLED("Succeeded"), READY_NOT("PodPending") BOUND, "starting"},
        {"being filled", FILLED("ImportInProgress"), READY_NOT("PVCPending") BOUND,
         "not populated: its DataVolume disk is ImportInProgress"},
        {"cannot be filled", FILLED("Failed"), READY_NOT("DataVolumeFailed") BOUND,
         "its DataVolume disk has failed; see its conditions, mend or delete it"},
        {"waits for a consumer", FILLED("WaitForFirstConsumer"), READY_NOT("PVCPending") BOUND,
         "start the machine once, or annotate"},
        {"waits for population", FILLED("PendingPopulation"), READY_NOT("PVCPending") BOUND,
         "waits for a first consumer"},
        {"a new DataVolume",
         EXPORT_PVC "," PVC("disk") "," OWNED_BY_DV
                                    ",{'kind':'DataVolume','metadata':{'name':'disk'}}",
         READY_NOT("PVCPending") BOUND, "its DataVolume disk is new"},
        {"its DataVolume is gone", EXPORT_PVC "," PVC("disk") "," OWNED_BY_DV,
         READY_NOT("PVCPending") BOUND, "its DataVolume disk does not exist (any more)"},
        {"another owner",
         EXPORT_PVC "," PVC("disk") ",{'kind':'PersistentVolumeClaim','metadata':{'name':'disk',"
                                    "'ownerReferences':[{'apiVersion':'example.com/v1','kind':"
                                    "'DataVolume','name':'x','controller':true}]}}",
         READY_NOT("PodPending") BOUND, "starting"},
        {"an owner that does not control",
         EXPORT_PVC "," PVC("disk") ",{'kind':'PersistentVolumeClaim','metadata':{'name':'disk',"
                                    "'ownerReferences':[{'apiVersion':'cdi.kubevirt.io/v1beta1',"
                                    "'kind':'DataVolume','name':'x'}]}}",
         READY_NOT("PodPending") BOUND, "starting"},
        /* pods */
        {"a pod runs", USED(POD("p", "disk", "Running")), READY_NOT("InUse") BOUND,
         "PersistentVolumeClaim ns/disk is in use by pod p: the export goes on when that pod"},
        {"a pod begins", USED(POD("p", "disk", "Pending")), READY_NOT("InUse") BOUND, "by pod p"},
        {"a pod of an unknown state", USED(POD("p", "disk", "Unknown")), READY_NOT("InUse") BOUND,
         "by pod p"},
        {"a pod has succeeded", USED(POD("p", "disk", "Succeeded")), READY_NOT("PodPending") BOUND,
         "starting"},
        {"a pod has failed", USED(POD("p", "disk", "Failed")), READY_NOT("PodPending") BOUND,
         "starting"},
        {"one ended, one runs", USED(POD("a", "disk", "Failed") "," POD("b", "disk", "Running")),
         READY_NOT("InUse") BOUND, "by pod b"},
        {"a pod of another claim", USED(POD("p", "disk2", "Running")),
         READY_NOT("PodPending") BOUND, "starting"},
        {"a pod with a volume of its own that has the claim's name",
         USED("{'kind':'Pod','metadata':{'name':'p'},'spec':{'volumes':[{'name':'disk',"
              "'emptyDir':{}}]},'status':{'phase':'Running'}}"),
         READY_NOT("PodPending") BOUND, "starting"},
        {"the claim was made for a volume of a pod",
         "{'kind':'VirtualMachineExport','metadata':{'name':'e'},'spec':{'source':{"
         "'kind':'PersistentVolumeClaim','name':'p-scratch'}}}," PVC(
             "p-scratch") ",{'kind':'Pod','metadata':{'name':'p'},'spec':{'volumes':[{'name':"
                          "'scratch','ephemeral':{'volumeClaimTemplate':{}}}]},'status':{'phase':"
                          "'Running'}}",
         READY_NOT("InUse") BOUND, "by pod p"},
        {"another export reads it", USED(EXPORTER("export.kubevirt.io/v1", "f", "other")),
         READY_NOT("PodPending") BOUND, "starting"},
        {"another export reads it, and only one pod may",
         USED(MODES("'ReadWriteOncePod'") "," EXPORTER("export.kubevirt.io/v1", "f", "other")),
         READY_NOT("InUse") BOUND, "by pod x"},
        {"its own pod, and only one may",
         USED(MODES("'ReadWriteOncePod'") "," EXPORTER("export.kubevirt.io/v1", "e", "uid-1")),
         READY_NOT("PodPending") BOUND, "starting"},
        {"a pod of another controller's export",
         USED(EXPORTER("export.vmexport.io/v1", "f", "other")), READY_NOT("InUse") BOUND,
         "by pod x"},
        {"a pod of a group that only begins alike",
         USED(EXPORTER("export.kubevirt.iota/v1", "f", "other")), READY_NOT("InUse") BOUND,
         "by pod x"},
        {"being filled by a pod", FILLED("ImportInProgress") "," POD("importer", "disk", "Running"),
         READY_NOT("PVCPending") BOUND, "is ImportInProgress"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", rows[i].objects);
        assert_plan(&p, rows[i].name, NULL, rows[i].status);
        assert_says(rows[i].name, paper_message(&p), rows[i].says);
        if (strstr(rows[i].status, "PodPending") == NULL)
            assert_null(paper_step(&p, STEP_CREATE, KIND_POD));
    }
}

static void no_cdi(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk") "," OWNED_BY_DV);
    atomic_store(&p.cache.served[KIND_DATAVOLUME], false);
    assert_plan(&p, "no CDI", "create Service virt-export-e", READY_NOT("PVCPending") BOUND);
    assert_says("no CDI", paper_message(&p), "no CDI is installed that serves DataVolumes");
}

/* ---- what becomes of one that runs ---- */

static void changes(void **state)
{
    static const struct {
        const char *name, *change, *steps, *status, *then; /* what it settles at */
    } rows[] = {
        {"a pod comes", POD("p", "disk", "Pending"), "delete Pod virt-export-e in 1 s",
         READY_NOT("InUse") BOUND, "Pending"},
        {"a pod that has ended comes", POD("p", "disk", "Succeeded"), "",
         "Ready: Ready=True PodReady" BOUND, "Ready"},
        {"lost", TO_PVC("disk", "'status':{'phase':'Lost'}"), "delete Pod virt-export-e",
         READY_NOT("PVCLost") ", PVCReady=False PVCLost", "Pending"},
        {"on its way out",
         "{'kind':'PersistentVolumeClaim','metadata':{'name':'disk','deletionTimestamp':'x'}}",
         "delete Pod virt-export-e", READY_NOT("PVCTerminating") BOUND, "Pending"},
        {"larger", TO_PVC("disk", "'spec':{'resources':{'requests':{'storage':'2Gi'}}}"), "",
         "Ready: Ready=True PodReady" BOUND, "Ready"},
        {"its content is another",
         "{'kind':'PersistentVolumeClaim','metadata':{'name':'disk'},'spec':{'volumeMode':"
         "'Filesystem'}}",
         "delete Pod virt-export-e", "Pending: Ready=False PodTerminating" BOUND, "Ready"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
        paper_settle(&p, rows[i].name);
        paper_add(&p, rows[i].change);
        assert_plan(&p, rows[i].name, rows[i].steps, rows[i].status);
        paper_settle(&p, rows[i].name);
        assert_row(rows[i].name, "the phase", json_text(p.plan.status, "phase"), rows[i].then);
    }
}

/* Deleted and made anew, it is another volume: with another identity. */
static void another_claim_of_the_same_name(void **state)
{
    cleanup_paper struct paper p;
    cleanup_free char *before = NULL;
    const char *after;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "claim");
    before = strdup(json_string(json_get(
        json_at(paper_get(&p, "Pod", "virt-export-e"), "metadata.annotations"), POD_MADE_FOR)));
    paper_remove(&p, "PersistentVolumeClaim", "disk");
    assert_plan(&p, "gone", "delete Pod virt-export-e",
                READY_NOT("Initializing") ", PVCReady=False PVCNotFound");
    assert_string_equal(p.plan.steps[0].event.reason, "ExportPaused");
    paper_settle(&p, "gone");
    paper_add(&p, PVC("disk"));
    paper_settle(&p, "back");
    after = json_string(json_get(
        json_at(paper_get(&p, "Pod", "virt-export-e"), "metadata.annotations"), POD_MADE_FOR));
    assert_string_not_equal(before, after);
}

/* ---- the volume ---- */

static void volumes(void **state)
{
    static const struct {
        const char *name, *more, *datavolume;
        bool block, disk, shared;
    } rows[] = {
        {"block", "'spec':{'volumeMode':'Block','accessModes':['ReadWriteOnce']}", NULL, true, true,
         false},
        {"files", "'spec':{'volumeMode':'Filesystem','accessModes':['ReadWriteMany']}", NULL, false,
         false, true},
        {"files by default", "'spec':{'accessModes':['ReadWriteOnce','ReadOnlyMany']}", NULL, false,
         false, true},
        {"annotated",
         "'metadata':{'annotations':{'cdi.kubevirt.io/storage.contentType':"
         "'kubevirt'}}",
         NULL, false, true, false},
        {"annotated with nothing",
         "'metadata':{'annotations':{'cdi.kubevirt.io/storage.contentType':''}}", NULL, false, true,
         false},
        {"annotated as an archive",
         "'metadata':{'annotations':{'cdi.kubevirt.io/storage.contentType':'archive'}}", NULL,
         false, false, false},
        {"annotated with something else", "'metadata':{'annotations':{'contentType':'kubevirt'}}",
         NULL, false, false, false},
        {"a DataVolume's", "", "{'contentType':'kubevirt'}", false, true, false},
        {"a DataVolume's by default", "", "{}", false, true, false},
        {"a DataVolume's, empty", "", "{'contentType':''}", false, true, false},
        {"a DataVolume's archive", "", "{'contentType':'archive'}", false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_json struct json *owner =
            json_format("{'kind':'PersistentVolumeClaim','metadata':{'name':'disk',"
                        "'ownerReferences':[{'apiVersion':'cdi.kubevirt.io/v1beta1','kind':"
                        "'DataVolume','name':'disk','controller':%b}]}}",
                        rows[i].datavolume != NULL);
        cleanup_json struct json *spec =
            json_format(rows[i].datavolume ? rows[i].datavolume : "{}");
        cleanup_json struct json *dv =
            json_format("{'kind':'DataVolume','metadata':{'name':'disk'},'spec':%j}", spec);
        cleanup_str struct str more = STR_INIT;
        cleanup_json struct json *patch = NULL;
        struct source source;
        struct volume *v;

        paper_start(&p, "{}", EXPORT_PVC);
        paper_put(&p, owner);
        paper_put(&p, dv);
        str_printf(&more, "{%s}", rows[i].more);
        patch = json_format(str_get(&more));
        json_put(patch, "kind", json_new_string("PersistentVolumeClaim"));
        if (!json_get(patch, "metadata"))
            json_set(patch, "metadata", json_new_object());
        json_set_string(json_edit(patch, "metadata"), "name", "disk");
        paper_put(&p, patch);
        paper_open(&p);
        assert_true(source_examine(&p.world, &source));
        assert_int_equal(source.count, 1);
        v = &source.volumes[0];
        if (v->block != rows[i].block || v->disk != rows[i].disk || v->shared != rows[i].shared)
            fail_msg("%s: block %d, disk %d, shared %d", rows[i].name, v->block, v->disk,
                     v->shared);
        assert_string_equal(v->name, "disk");
        assert_string_equal(v->claim, "disk");
        assert_string_equal(v->vm_claim, "disk");
        assert_ptr_equal(v->saved, v->pvc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions), cmocka_unit_test(no_cdi),
        cmocka_unit_test(changes),    cmocka_unit_test(another_claim_of_the_same_name),
        cmocka_unit_test(volumes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
