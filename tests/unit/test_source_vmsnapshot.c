/* SPDX-License-Identifier: Apache-2.0 */
#include "controller_world.h"

#define WHOLE EXPORT_SNAPSHOT "," SNAPSHOT
#define TO_SNAP(status) \
    "{'kind':'VirtualMachineSnapshot','metadata':{'name':'snap'},'status':{" status "}}"
#define TO_CONTENT(more) \
    "{'kind':'VirtualMachineSnapshotContent','metadata':{'name':'content'}," more "}"
#define BACKUPS(...) TO_CONTENT("'spec':{'volumeBackups':[" __VA_ARGS__ "]}")
#define BACKUP(volume, from, claim) \
    "{'volumeName':'" volume "','volumeSnapshotName':'" from "','persistentVolumeClaim':{" \
    "'metadata':{'name':'" claim "'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{" \
    "'requests':{'storage':'1Gi'}}}}}"
#define BOTH(reason) "Pending: Ready=False " reason ", VolumesCreated=False " reason

/* ---- what it waits for ---- */

static void conditions(void **state)
{
    static const struct {
        const char *name, *objects, *status, *says, *restored;
    } rows[] = {
        {"none", EXPORT_SNAPSHOT,
         "Skipped: Ready=False VMSnapshotNotFound, VolumesCreated=False VMSnapshotNoVolumes",
         "VirtualMachineSnapshot ns/snap not found", NULL},
        {"new", EXPORT_SNAPSHOT ",{'kind':'VirtualMachineSnapshot','metadata':{'name':'snap'}}",
         BOTH("NotAllPVCsCreated"), "ns/snap is not ready to use", NULL},
        {"not ready", WHOLE "," TO_SNAP("'readyToUse':false"), BOTH("NotAllPVCsCreated"),
         "ns/snap is not ready to use", NULL},
        {"a disk's not ready",
         WHOLE ",{'kind':'VolumeSnapshot','metadata':{'name':'vs'},'status':{'readyToUse':false}}",
         BOTH("NotAllPVCsCreated"), "VolumeSnapshot ns/vs of the disk 'disk' is not ready", NULL},
        {"content not named", WHOLE "," TO_SNAP("'virtualMachineSnapshotContentName':null"),
         "Skipped: Ready=False Initializing, VolumesCreated=False VMSnapshotNoVolumes",
         "does not contain any volume snapshots", NULL},
        {"content not there", WHOLE "," TO_SNAP("'virtualMachineSnapshotContentName':'other'"),
         "Skipped: Ready=False Initializing, VolumesCreated=False VMSnapshotNoVolumes",
         "does not contain any volume snapshots", NULL},
        {"no volumes", WHOLE "," TO_CONTENT("'status':{'volumeSnapshotStatus':[]}"),
         "Skipped: Ready=False Initializing, VolumesCreated=False VMSnapshotNoVolumes",
         "does not contain any volume snapshots", NULL},
        {"no backups", WHOLE "," BACKUPS(),
         "Skipped: Ready=False Initializing, VolumesCreated=False VMSnapshotNoVolumes",
         "does not contain any volume snapshots", NULL},
        {"one", WHOLE, "Pending: Ready=False PodPending, VolumesCreated=False NotAllPVCsReady",
         "starting", "e-disk"},
        {"its VolumeSnapshot is not named",
         WHOLE "," BACKUPS("{'persistentVolumeClaim':{'metadata':{'name':'disk'}}}"),
         BOTH("NotAllPVCsCreated"), "VolumeSnapshot ns/(none named) of the disk 'disk'", NULL},
        {"its VolumeSnapshot is not there", WHOLE "," BACKUPS(BACKUP("root", "other", "disk")),
         BOTH("NotAllPVCsCreated"), "VolumeSnapshot ns/other of the disk 'disk' does not exist",
         NULL},
        {"its claim is not named", WHOLE "," BACKUPS("{'volumeSnapshotName':'vs'}"),
         BOTH("NotAllPVCsCreated"), "of the disk '?' does not exist", NULL},
        {"fewer than told of", WHOLE "," TO_CONTENT("'status':{'volumeSnapshotStatus':[{},{}]}"),
         BOTH("NotAllPVCsCreated"), "Not all PVCs have been successfully restored", NULL},
        {"one twice",
         WHOLE "," BACKUPS(BACKUP("root", "vs", "disk") "," BACKUP(
             "data", "vs", "disk")) "," TO_CONTENT("'status':{'volumeSnapshotStatus':[{},{}]}"),
         BOTH("NotAllPVCsCreated"), "Not all PVCs have been successfully restored", NULL},
        {"somebody else's claim has the name", WHOLE "," PVC("e-disk"), BOTH("NameTaken"),
         "PersistentVolumeClaim ns/e-disk, into which the disk 'disk' would be restored, is not "
         "this export's",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        const struct step *step;

        paper_start(&p, "{}", rows[i].objects);
        assert_plan(&p, rows[i].name, NULL, rows[i].status);
        assert_says(rows[i].name, paper_message(&p), rows[i].says);
        step = paper_step(&p, STEP_CREATE, KIND_PVC);
        if (strstr(rows[i].status, "NameTaken"))
            assert_int_equal(p.plan.look_again, NOW + 10);
        if (rows[i].restored)
            assert_string_equal(step->name, rows[i].restored);
        else
            assert_null(step);
        paper_settle(&p, rows[i].name);
    }
}

static void no_kubevirt(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_SNAPSHOT);
    atomic_store(&p.cache.served[KIND_VMSNAPSHOT], false);
    assert_plan(&p, "no KubeVirt", "create Service virt-export-e", BOTH("KubeVirtNotInstalled"));
}

/* ---- the claims that are made ---- */

static void a_restored_claim_in_full(void **state)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *want = NULL;
    const struct json *is;

    (void)state;
    paper_start(
        &p, "{}",
        WHOLE "," BACKUPS(
            "{'volumeName':'root','volumeSnapshotName':'vs','persistentVolumeClaim':{'metadata':{"
            "'name':'disk','namespace':'ns','uid':'old','labels':{'l':'1','app.kubernetes.io/"
            "managed-by':'them'},'annotations':{'mine':'x','pv.kubernetes.io/bind-completed':'yes',"
            "'volume.beta.kubernetes.io/storage-provisioner':'y','cdi.kubevirt.io/storage.pod."
            "phase':'z','volume.kubernetes.io/selected-node':'n','k8s.io/CloneRequest':'c',"
            "'k8s.io/CloneOf':'d','cdi.kubevirt.io/storage.contentType':'archive'},"
            "'finalizers':['f'],'ownerReferences':[{'name':'dv'}]},'spec':{'accessModes':["
            "'ReadWriteMany'],'resources':{'requests':{'storage':'1Gi'},'limits':{}},"
            "'storageClassName':'fast','volumeMode':'Filesystem','volumeName':'pv','selector':{},"
            "'dataSource':{'name':'other'}},'status':{'phase':'Bound'}}}"));
    paper_look(&p);
    is = paper_step(&p, STEP_CREATE, KIND_PVC)->object;
    want = json_format(
        "{'apiVersion':'v1','kind':'PersistentVolumeClaim','metadata':{'name':'e-disk',"
        "'namespace':'ns','labels':{'l':'1','app.kubernetes.io/managed-by':'vmexport-controller'},"
        "'annotations':{'mine':'x','cdi.kubevirt.io/storage.contentType':'kubevirt'},"
        "'ownerReferences':[{'apiVersion':'export.kubevirt.io/v1','kind':'VirtualMachineExport',"
        "'name':'e','uid':'uid-1','controller':true,'blockOwnerDeletion':true}]},'spec':{"
        "'accessModes':['ReadWriteMany'],'resources':{'requests':{'storage':'2Gi'}},"
        "'storageClassName':'fast','volumeMode':'Filesystem','dataSource':{'apiGroup':"
        "'snapshot.storage.k8s.io','kind':'VolumeSnapshot','name':'vs'},'dataSourceRef':{"
        "'apiGroup':'snapshot.storage.k8s.io','kind':'VolumeSnapshot','name':'vs'}}}");
    if (!json_equal(is, want)) {
        json_print(is, 2, &p.text);
        fail_msg("the claim is %s", str_get(&p.text));
    }
}

static void sizes(void **state)
{
    static const struct {
        const char *asked, *needed, *want;
    } rows[] = {
        {"1Gi", "2Gi", "2Gi"}, {"3Gi", "2Gi", "3Gi"}, {"2Gi", "2147483648", "2Gi"},
        {NULL, "2Gi", "2Gi"},  {"1Gi", NULL, "1Gi"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_json struct json *snapshot =
            json_format("{'kind':'VolumeSnapshot','metadata':{'name':'vs'},'status':{"
                        "'readyToUse':true,'restoreSize':%s}}",
                        rows[i].needed);
        cleanup_json struct json *content =
            json_format("{'kind':'VirtualMachineSnapshotContent','metadata':{'name':'content'},"
                        "'spec':{'volumeBackups':[{'volumeName':'root','volumeSnapshotName':'vs',"
                        "'persistentVolumeClaim':{'metadata':{'name':'disk'},'spec':{"
                        "'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':%s}}}}"
                        "}]}}",
                        rows[i].asked);

        paper_start(&p, "{}", WHOLE);
        paper_put(&p, snapshot);
        paper_put(&p, content);
        paper_look(&p);
        assert_string_equal(json_text(paper_step(&p, STEP_CREATE, KIND_PVC)->object,
                                      "spec.resources.requests.storage"),
                            rows[i].want);
    }
}

/* The machine's disks are given out as disks; what else it had, as its files. */
static void content(void **state)
{
    static const struct {
        const char *name, *volume, *kind;
        bool disk;
    } rows[] = {
        {"a claim", "root", "'persistentVolumeClaim':{'claimName':'disk'}", true},
        {"a DataVolume", "root", "'dataVolume':{'name':'disk'}", true},
        {"a memory dump", "root", "'memoryDump':{'claimName':'disk'}", false},
        {"none of the machine's", "other", "'persistentVolumeClaim':{'claimName':'disk'}", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_str struct str text = STR_INIT;
        cleanup_json struct json *content = NULL;
        const struct json *links;

        str_printf(&text,
                   "{'kind':'VirtualMachineSnapshotContent','metadata':{'name':'content'},'spec':{"
                   "'source':{'virtualMachine':{'metadata':{'name':'vm'},'spec':{'template':{"
                   "'spec':{'volumes':[{'name':'%s',%s}]}}}}},'volumeBackups':[" BACKUP(
                       "root", "vs", "disk") "]}}",
                   rows[i].volume, rows[i].kind);
        content = json_format(str_get(&text));
        paper_start(&p, "{}", WHOLE);
        paper_put(&p, content);
        paper_settle(&p, rows[i].name);
        links = json_first(json_at(p.plan.status, "links.internal.volumes"));
        assert_row(rows[i].name, "the status", paper_status(&p),
                   "Ready: Ready=True PodReady, VolumesCreated=True AllPVCsReady");
        assert_string_equal(json_text(links, "name"), "disk");
        assert_string_equal(json_text(json_first(json_get(links, "formats")), "url"),
                            rows[i].disk ? "https://virt-export-e.ns.svc/volumes/e-disk/disk.img"
                                         : "https://virt-export-e.ns.svc/volumes/e-disk/dir");
    }
}

/* ---- what becomes of one that runs ---- */

static void changes(void **state)
{
    (void)state;
    cleanup_paper struct paper p;
    cleanup_json struct json *manifest = NULL;
    struct err err;
    const char *text;

    paper_start(&p, "{}", WHOLE);
    paper_settle(&p, "snapshot");
    assert_string_equal(json_text(p.plan.status, "virtualMachineName"), "vm");
    /* the machine of the snapshot, and no live one */
    text =
        json_string(json_get(json_get(paper_get(&p, "ConfigMap", "exporter-vm-manifest-e"), "data"),
                             "internal.01.json"));
    manifest = json_parse(text, strlen(text), &err);
    assert_string_equal(json_text(manifest, "metadata.name"), "vm");
    /* what was restored stays when what it was restored from goes */
    paper_remove(&p, "VolumeSnapshot", "vs");
    assert_plan(&p, "no VolumeSnapshot", "",
                "Ready: Ready=True PodReady, VolumesCreated=True AllPVCsReady");
    paper_add(&p, POD("p", "e-disk", "Running"));
    assert_plan(&p, "a pod at it", "delete Pod virt-export-e in 1 s",
                "Pending: Ready=False InUse, VolumesCreated=True AllPVCsReady");
    paper_settle(&p, "a pod at it");
    assert_int_equal(paper_generation(&p), 1);
    paper_remove(&p, "Pod", "p");
    paper_settle(&p, "free");
    paper_add(&p, TO_PVC("e-disk", "'status':{'phase':'Pending'}"));
    assert_plan(&p, "not bound", "",
                "Ready: Ready=True PodReady, VolumesCreated=False NotAllPVCsReady");
    paper_remove(&p, "VirtualMachineSnapshot", "snap");
    assert_plan(&p, "gone", "delete Pod virt-export-e",
                "Skipped: Ready=False VMSnapshotNotFound, "
                "VolumesCreated=False VMSnapshotNoVolumes");
    assert_non_null(paper_get(&p, "PersistentVolumeClaim", "e-disk"));
}

static void several_disks(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}",
                WHOLE "," BACKUPS(BACKUP("root", "vs", "disk") "," BACKUP(
                    "b", "vs", "b.c")) "," TO_CONTENT("'status':{'volumeSnapshotStatus':[{},{}]}"));
    assert_plan(&p, "two",
                "create Service virt-export-e; create PersistentVolumeClaim e-disk; "
                "create PersistentVolumeClaim e-b.c; token export-token-e; "
                "certificate virt-export-tls-e; create ConfigMap exporter-vm-manifest-e; "
                "create Pod virt-export-e",
                NULL);
    paper_carry_out(&p, 2); /* stopped between the two */
    assert_plan(&p, "one more",
                "create PersistentVolumeClaim e-b.c; token export-token-e; "
                "certificate virt-export-tls-e; create ConfigMap exporter-vm-manifest-e; "
                "create Pod virt-export-e",
                NULL);
    paper_settle(&p, "two");
    paper_add(&p, TO_PVC("e-b.c", "'status':{'phase':'Lost'}"));
    assert_plan(&p, "one lost", "",
                "Ready: Ready=True PodReady, VolumesCreated=False NotAllPVCsReady");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions),
        cmocka_unit_test(no_kubevirt),
        cmocka_unit_test(a_restored_claim_in_full),
        cmocka_unit_test(sizes),
        cmocka_unit_test(content),
        cmocka_unit_test(changes),
        cmocka_unit_test(several_disks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
