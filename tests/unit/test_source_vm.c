/* SPDX-License-Identifier: Apache-2.0 */
#include "controller_world.h"

#define ON_DV(name, dv) "{'name':'" name "','dataVolume':{'name':'" dv "'}}"
#define DUMP(name, claim) "{'name':'" name "','memoryDump':{'claimName':'" claim "'}}"
#define DISK "," PVC("disk")
#define VMI(phase) \
    "{'kind':'VirtualMachineInstance','metadata':{'name':'vm'},'status':{'phase':'" phase "'}}"
#define ONE EXPORT_VM DISK "," VM(ON_CLAIM("a", "disk"))
#define TO_VM(more) "{'kind':'VirtualMachine','metadata':{'name':'vm'}," more "}"
#define DOMAIN(domain) TO_VM("'spec':{'template':{'spec':{'domain':{" domain "}}}}")
#define TPM DOMAIN("'devices':{'tpm':{'persistent':true}}")
#define STATE_PVC(name, made) \
    PVC(name) \
    ",{'kind':'PersistentVolumeClaim','metadata':{'name':'" name "','creationTimestamp':'" made \
    "','labels':{'persistent-state-for':'vm'}}}"

/* ---- which volumes ---- */

static void volumes(void **state)
{
    static const struct {
        const char *name, *objects, *claims;
    } rows[] = {
        {"a claim", ONE, "disk"},
        {"a DataVolume", EXPORT_VM DISK "," VM(ON_DV("a", "disk")), "disk"},
        {"a memory dump",
         EXPORT_VM DISK "," PVC("dump") "," VM(ON_CLAIM("a", "disk") "," DUMP("b", "dump")),
         "disk dump"},
        {"in the machine's order",
         EXPORT_VM "," PVC("a") "," PVC("b") "," PVC("c") "," VM(
             ON_DV("x", "c") "," ON_CLAIM("y", "a") "," ON_DV("z", "b")),
         "c a b"},
        {"two of one claim", EXPORT_VM DISK "," VM(ON_CLAIM("a", "disk") "," ON_DV("b", "disk")),
         "disk"},
        {"those that are on no claim",
         EXPORT_VM DISK "," VM("{'name':'c','containerDisk':{'image':'x'}}," ON_CLAIM(
             "a", "disk") ",{'name':'i','cloudInitNoCloud':{}},{'name':'e','ephemeral':{"
                          "'persistentVolumeClaim':{'claimName':'base'}}}"),
         "disk"},
        {"state of the TPM", ONE "," TPM "," STATE_PVC("state", "2026-01-01T00:00:00Z"),
         "disk state"},
        {"state of the firmware",
         ONE "," DOMAIN("'firmware':{'bootloader':{'efi':{'persistent':true}}}") "," STATE_PVC(
             "state", "2026-01-01T00:00:00Z"),
         "disk state"},
        {"blocks that are tracked",
         ONE "," TO_VM("'status':{'changedBlockTracking':{'state':'Enabled'}}") "," STATE_PVC(
             "state", "2026-01-01T00:00:00Z"),
         "disk state"},
        {"blocks that are to be tracked",
         ONE "," TO_VM("'status':{'changedBlockTracking':{'state':'Initializing'}}") "," STATE_PVC(
             "state", "2026-01-01T00:00:00Z"),
         "disk state"},
        {"blocks that are not tracked",
         ONE "," TO_VM("'status':{'changedBlockTracking':{'state':'Disabled'}}") "," STATE_PVC(
             "state", "2026-01-01T00:00:00Z"),
         "disk"},
        {"a TPM that is not persistent",
         ONE "," DOMAIN("'devices':{'tpm':{}}") "," STATE_PVC("state", "2026-01-01T00:00:00Z"),
         "disk"},
        {"a TPM that is off",
         ONE "," DOMAIN("'devices':{'tpm':{'persistent':true,'enabled':false}}") "," STATE_PVC(
             "state", "2026-01-01T00:00:00Z"),
         "disk"},
        {"a TPM that is on",
         ONE "," DOMAIN("'devices':{'tpm':{'persistent':true,'enabled':true}}") "," STATE_PVC(
             "state", "2026-01-01T00:00:00Z"),
         "disk state"},
        {"the newest state",
         ONE "," TPM "," STATE_PVC("a", "2026-01-01T00:00:00Z") "," STATE_PVC(
             "b", "2026-01-03T00:00:00Z") "," STATE_PVC("c", "2026-01-02T00:00:00Z"),
         "disk b"},
        {"the newest state that stays",
         ONE "," TPM "," STATE_PVC("a", "2026-01-01T00:00:00Z") "," STATE_PVC(
             "b", "2026-01-03T00:00:00Z") ",{'kind':'PersistentVolumeClaim','metadata':{"
                                          "'name':'b','deletionTimestamp':'x'}}",
         "disk a"},
        {"states of one age",
         ONE "," TPM
             "," STATE_PVC("b", "2026-01-01T00:00:00Z") "," STATE_PVC("a", "2026-01-01T00:00:00Z"),
         "disk a"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_str struct str claims = STR_INIT;
        struct source source;

        paper_start(&p, "{}", rows[i].objects);
        paper_open(&p);
        assert_true(source_examine(&p.world, &source));
        for (size_t j = 0; j < source.count; j++)
            str_printf(&claims, "%s%s", j ? " " : "", source.volumes[j].claim);
        assert_row(rows[i].name, "the volumes", str_get(&claims), rows[i].claims);
        assert_true(source.available);
    }
}

static void thirty_volumes(void **state)
{
    enum { VOLUMES = 30 };
    cleanup_paper struct paper p;
    cleanup_str struct str volumes = STR_INIT;
    const struct json *pod;

    (void)state;
    paper_start(&p, "{}", EXPORT_VM);
    for (int i = 0; i < VOLUMES; i++) {
        cleanup_json struct json *pvc = json_format(PVC("x"));
        char name[16];

        snprintf(name, sizeof(name), "disk-%d", i);
        json_put(json_edit(pvc, "metadata"), "name", json_new_string(name));
        paper_put(&p, pvc);
        str_printf(&volumes, "%s{'name':'v%d','persistentVolumeClaim':{'claimName':'%s'}}",
                   i ? "," : "", i, name);
    }
    {
        cleanup_str struct str vm = STR_INIT;

        str_printf(&vm, VM("%s"), str_get(&volumes));
        paper_add(&p, str_get(&vm));
    }
    paper_settle(&p, "thirty");
    assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
    assert_int_equal(json_count(json_at(p.plan.status, "links.internal.volumes")), VOLUMES);
    pod = paper_get(&p, "Pod", "virt-export-e");
    assert_int_equal(json_count(json_at(pod, "spec.volumes")), VOLUMES + 4);
}

/* ---- what it waits for ---- */

#define NOT(reason) "Pending: Ready=False " reason

static void conditions(void **state)
{
    static const struct {
        const char *name, *objects, *status, *says;
    } rows[] = {
        {"no machine", EXPORT_VM, "Skipped: Ready=False VMNotFound",
         "Virtual Machine ns/vm not found"},
        {"off", ONE, NOT("PodPending"), "starting"},
        {"running", ONE "," VMI("Running"), NOT("InUse"),
         "Virtual Machine ns/vm is running: stop it, or make a VirtualMachineSnapshot"},
        {"starting", ONE "," VMI("Scheduling"), NOT("InUse"), "is running"},
        {"of an unknown state", ONE ",{'kind':'VirtualMachineInstance','metadata':{'name':'vm'}}",
         NOT("InUse"), "is running"},
        {"shut down", ONE "," VMI("Succeeded"), NOT("PodPending"), "starting"},
        {"crashed", ONE "," VMI("Failed"), NOT("PodPending"), "starting"},
        {"running, and not all there",
         EXPORT_VM DISK "," VM(ON_CLAIM("a", "disk") "," ON_DV("b", "none")) "," VMI("Running"),
         NOT("InUse"), "is running"},
        {"another pod has a disk", ONE "," POD("p", "disk", "Running"), NOT("InUse"),
         "PersistentVolumeClaim ns/disk of Virtual Machine vm is in use by pod p"},
        {"another pod had a disk", ONE "," POD("p", "disk", "Succeeded"), NOT("PodPending"),
         "starting"},
        {"no volumes", EXPORT_VM "," VM(""), "Skipped: Ready=False VMNoVolumes",
         "has no volumes that can be exported"},
        {"no volumes on claims", EXPORT_VM "," VM("{'name':'c','containerDisk':{}}"),
         "Skipped: Ready=False VMNoVolumes", "Virtual Machine ns/vm has no volumes"},
        {"no volumes, and running", EXPORT_VM "," VM("") "," VMI("Running"),
         "Skipped: Ready=False VMNoVolumes", "has no volumes"},
        {"two that are not there", EXPORT_VM "," VM(ON_CLAIM("a", "one") "," ON_CLAIM("b", "two")),
         NOT("VolumesNotPopulated"), "ns/one of volume 'a'"},
        {"no template", EXPORT_VM ",{'kind':'VirtualMachine','metadata':{'name':'vm'}}",
         "Skipped: Ready=False VMNoVolumes", "has no volumes"},
        {"a claim that is not there", EXPORT_VM "," VM(ON_CLAIM("a", "disk")),
         NOT("VolumesNotPopulated"),
         "Not all volumes in the Virtual Machine ns/vm are populated: PersistentVolumeClaim "
         "ns/disk of volume 'a' of Virtual Machine vm does not exist yet"},
        {"a DataVolume that is not there",
         EXPORT_VM DISK "," VM(ON_CLAIM("a", "disk") "," ON_DV("b", "new")),
         NOT("VolumesNotPopulated"), "PersistentVolumeClaim ns/new of volume 'b'"},
        {"no state", ONE "," TPM, NOT("VolumesNotPopulated"), "the TPM and firmware state of"},
        {"being filled", ONE "," OWNED_BY_DV "," DV("ImportInProgress"), NOT("VolumesNotPopulated"),
         "its DataVolume disk is ImportInProgress"},
        {"cannot be filled", ONE "," OWNED_BY_DV "," DV("Failed"), NOT("VolumesNotPopulated"),
         "its DataVolume disk has failed"},
        {"filled", ONE "," OWNED_BY_DV "," DV("Succeeded"), NOT("PodPending"), "starting"},
        {"a disk is lost", ONE "," TO_PVC("disk", "'status':{'phase':'Lost'}"),
         NOT("VolumesNotPopulated"), "has lost its PersistentVolume"},
        {"the first of two reasons",
         EXPORT_VM DISK "," VM(ON_DV("b", "new") "," ON_CLAIM("a", "disk")) "," TO_PVC(
             "disk", "'status':{'phase':'Lost'}"),
         NOT("VolumesNotPopulated"), "ns/new of volume 'b'"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", rows[i].objects);
        assert_plan(&p, rows[i].name, NULL, rows[i].status);
        assert_says(rows[i].name, paper_message(&p), rows[i].says);
        assert_string_equal(json_text(p.plan.status, "virtualMachineName"), "vm");
        paper_settle(&p, rows[i].name);
    }
}

static void no_kubevirt(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_VM);
    atomic_store(&p.cache.served[KIND_VM], false);
    assert_plan(&p, "no KubeVirt", "create Service virt-export-e", NOT("KubeVirtNotInstalled"));
    assert_says("no KubeVirt", paper_message(&p), "install KubeVirt, or export a Persistent");
}

/* ---- what becomes of one that runs ---- */

static void changes(void **state)
{
    static const struct {
        const char *name, *change, *steps, *status, *then;
    } rows[] = {
        {"it is started", VMI("Scheduling"), "delete Pod virt-export-e in 1 s", NOT("InUse"),
         NOT("InUse")},
        {"a pod takes a disk", POD("p", "disk", "Running"), "delete Pod virt-export-e in 1 s",
         NOT("InUse"), NOT("InUse")},
        {"a disk more", PVC("data") "," VM(ON_CLAIM("a", "disk") "," ON_CLAIM("b", "data")),
         "delete Pod virt-export-e; patch ConfigMap exporter-vm-manifest-e", NULL,
         "Ready: Ready=True PodReady"},
        {"no disks", VM(""), "delete Pod virt-export-e", "Skipped: Ready=False VMNoVolumes",
         "Skipped: Ready=False VMNoVolumes"},
        {"another CPU", DOMAIN("'cpu':{'cores':2}"), "patch ConfigMap exporter-vm-manifest-e",
         "Ready: Ready=True PodReady", "Ready: Ready=True PodReady"},
        {"another status", TO_VM("'status':{'printableStatus':'Stopped'}"), "",
         "Ready: Ready=True PodReady", "Ready: Ready=True PodReady"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", ONE);
        paper_settle(&p, rows[i].name);
        paper_add(&p, rows[i].change);
        assert_plan(&p, rows[i].name, rows[i].steps, rows[i].status);
        paper_settle(&p, rows[i].name);
        assert_row(rows[i].name, "the end", paper_status(&p), rows[i].then);
    }
}

/* Started, stopped, started: each time counts once, whatever happens in it. */
static void started_and_stopped(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", ONE);
    for (unsigned i = 1; i <= 3; i++) {
        cleanup_str struct str vmi = STR_INIT;

        str_printf(&vmi,
                   "{'kind':'VirtualMachineInstance','metadata':{'name':'vm','uid':'vmi%u'},"
                   "'status':{'phase':'Running'}}",
                   i);
        paper_add(&p, str_get(&vmi));
        paper_settle(&p, "started");
        paper_add(&p, POD("virt-launcher", "disk", "Running"));
        paper_settle(&p, "launched");
        assert_int_equal(paper_generation(&p), i);
        paper_add(&p, VMI("Succeeded") "," POD("virt-launcher", "disk", "Succeeded"));
        paper_settle(&p, "stopped");
        assert_int_equal(paper_generation(&p), i);
        assert_string_equal(paper_status(&p), "Ready: Ready=True PodReady");
    }
    paper_remove(&p, "VirtualMachine", "vm");
    assert_plan(&p, "gone", "delete Pod virt-export-e", "Skipped: Ready=False VMNotFound");
}

/* ---- instancetypes ---- */

static const struct json *manifest_of(struct paper *p, struct json **to_free)
{
    const char *text = json_string(json_get(
        json_get(paper_get(p, "ConfigMap", "exporter-vm-manifest-e"), "data"), "internal.01.json"));
    struct err err;

    *to_free = json_parse(text, strlen(text), &err);
    return *to_free;
}

static void instancetypes_are_asked_for(void **state)
{
    static const char *const specs[] = {"'spec':{'instancetype':{'name':'small'}}",
                                        "'spec':{'preference':{'name':'linux'}}"};

    (void)state;
    for (size_t i = 0; i < COUNT(specs); i++) {
        cleanup_paper struct paper p;
        cleanup_str struct str change = STR_INIT;

        str_printf(&change, "{'kind':'VirtualMachine','metadata':{'name':'vm'},%s}", specs[i]);
        paper_start(&p, "{}", ONE);
        paper_add(&p, str_get(&change));
        paper_memo(&p)->token = TOKEN_MISSING;
        paper_set(&paper_memo(&p)->token_version, "");
        paper_look_once(&p);
        assert_int_equal(p.plan.need, NEED_EXPANSION);
        assert_string_equal(p.plan.need_name, "vm");
        assert_null(p.plan.status);
        assert_null(paper_step(&p, STEP_CREATE, KIND_POD));
    }
}

static void an_instancetype_that_is_expanded(void **state)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *vm = NULL;

    (void)state;
    paper_start(&p, "{}", ONE "," TO_VM("'spec':{'instancetype':{'name':'small'}}"));
    p.expanded = json_format("{'metadata':{'name':'vm'},'spec':{'template':{'spec':{'domain':{"
                             "'cpu':{'sockets':7}},'volumes':[" ON_CLAIM("a", "disk") "]}}}}");
    paper_settle(&p, "expanded");
    assert_row("expanded", "the status", paper_status(&p),
               "Ready: Ready=True PodReady, InstancetypeExpanded=True Expanded");
    manifest_of(&p, &vm);
    assert_int_equal((int)json_number(json_at(vm, "spec.template.spec.domain.cpu.sockets"), 0), 7);
    paper_add(&p, DOMAIN("'cpu':{'cores':2}"));
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_EXPANSION); /* another version of the machine */
}

static void an_instancetype_that_is_left(void **state)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *vm = NULL;

    (void)state;
    paper_start(&p, "{}", ONE "," TO_VM("'spec':{'instancetype':{'name':'small'}}"));
    paper_settle(&p, "left");
    assert_row("left", "the status", paper_status(&p),
               "Ready: Ready=True PodReady, InstancetypeExpanded=False LeftReferenced");
    manifest_of(&p, &vm);
    assert_string_equal(json_text(vm, "spec.instancetype.name"), "small");
    assert_int_equal(p.plan.look_again, NOW + 60);
    p.now += 59;
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_NOTHING);
    p.now++;
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_EXPANSION); /* KubeVirt may be there by now */
    paper_add(&p, VMI("Running"));
    assert_plan(&p, "in use", NULL, NOT("InUse"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volumes),
        cmocka_unit_test(thirty_volumes),
        cmocka_unit_test(conditions),
        cmocka_unit_test(no_kubevirt),
        cmocka_unit_test(changes),
        cmocka_unit_test(started_and_stopped),
        cmocka_unit_test(instancetypes_are_asked_for),
        cmocka_unit_test(an_instancetype_that_is_expanded),
        cmocka_unit_test(an_instancetype_that_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
