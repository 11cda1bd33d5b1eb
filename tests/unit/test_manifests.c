/* SPDX-License-Identifier: Apache-2.0 */
/* Machines are written as json_format takes them, and read back as the pod gives them out: parsed
 * from the texts of the ConfigMap. */
#include "base/cleanup.h"
#include "manifests.h"
#include "support.h"

#define INTERNAL "https://virt-export-exp.ns.svc"
#define EXTERNAL \
    "https://out.example.com/api/export.kubevirt.io/v1/namespaces/ns/virtualmachineexports/exp"
#define CA "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"

enum { VOLUMES_MAX = 120 };

/* ---- the input ---- */

struct fixture {
    struct json *vm, *pvc;
    struct manifest_volume volumes[VOLUMES_MAX];
    struct manifest_input in;
    struct json *data;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->pvc =
        json_format("{'spec':{'accessModes':['ReadWriteOnce'],'volumeMode':'Block','resources':"
                    "{'requests':{'storage':'10Gi'},'limits':{'storage':'11Gi'}},"
                    "'storageClassName':'fast','volumeName':'pv-1','dataSource':{'name':'x'}},"
                    "'status':{'capacity':{'storage':'12Gi'}}}");
    f->in = (struct manifest_input){.export_name = "exp",
                                    .namespace_ = "ns",
                                    .volumes = f->volumes,
                                    .internal_base = INTERNAL,
                                    .internal_ca = CA};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    json_free(f->vm);
    json_free(f->pvc);
    json_free(f->data);
    free(f);
    return 0;
}

static void set_vm(struct fixture *f, struct json *vm)
{
    json_free(f->vm);
    f->vm = vm;
    f->in.vm = vm;
}

/* A machine with these lists. */
static void set_lists(struct fixture *f, const char *templates, const char *volumes)
{
    cleanup_json struct json *t = json_format(templates), *v = json_format(volumes);

    set_vm(f, json_format("{'metadata':{'name':'vm'},'spec':{'runStrategy':'Halted',"
                          "'dataVolumeTemplates':%j,'template':{'spec':{'volumes':%j}}}}",
                          t, v));
}

static struct manifest_volume *add_volume(struct fixture *f, const char *claim)
{
    struct manifest_volume *volume = &f->volumes[f->in.volumes_count++];

    *volume = (struct manifest_volume){claim, claim, f->pvc, true};
    return volume;
}

/* ---- the output ---- */

static void build(struct fixture *f)
{
    json_free(f->data);
    f->data = NULL;
    if (manifests_build(&f->in, &f->data, &f->err) < 0)
        fail_msg("%s", f->err.msg);
}

static void assert_refused(struct fixture *f, enum err_class class, const char *want)
{
    struct json *data = NULL;

    assert_int_equal(manifests_build(&f->in, &data, &f->err), -1);
    assert_null(data);
    assert_int_equal(f->err.class, class);
    if (!strstr(f->err.msg, want))
        fail_msg("'%s' is not in: %s", want, f->err.msg);
}

/* The object in a file, the caller's; NULL when there is no such file. */
static struct json *object(const struct fixture *f, const char *file)
{
    const char *text = json_string(json_get(f->data, file));
    struct json *json;
    struct err err;

    if (!text)
        return NULL;
    json = json_parse(text, strlen(text), &err);
    assert_non_null(json);
    return json;
}

static void assert_object(const struct fixture *f, const char *file, struct json *want)
{
    cleanup_json struct json *is = object(f, file);
    cleanup_str struct str a = STR_INIT, b = STR_INIT;

    json_print(is, 2, &a);
    json_print(want, 2, &b);
    if (!json_equal(is, want))
        fail_msg("%s is %s\nnot %s", file, str_get(&a), str_get(&b));
    json_free(want);
}

static bool is_text(const struct json *json, const char *path, const char *want)
{
    const char *text = json_text(json, path);

    return text && strcmp(text, want) == 0;
}

/* The URL that a DataVolume or template of one is imported from, in any file of one side. */
static void assert_url(const struct fixture *f, const char *side, const char *datavolume,
                       const char *want)
{
    const char *found = NULL;
    cleanup_json struct json *all = json_new_array();

    for (const struct json *file = json_first(f->data); file; file = json_next(file)) {
        struct json *o = str_starts(json_key(file), side) ? object(f, json_key(file)) : NULL;
        const struct json *t = json_first(json_at(o, "spec.dataVolumeTemplates"));

        for (; t; t = json_next(t))
            if (is_text(t, "metadata.name", datavolume))
                found = json_text(t, "spec.source.http.url");
        if (is_text(o, "kind", "DataVolume") && is_text(o, "metadata.name", datavolume))
            found = json_text(o, "spec.source.http.url");
        if (o)
            json_append(all, o);
    }
    if (!want)
        assert_null(found);
    else if (!found || strcmp(found, want) != 0)
        fail_msg("'%s' is imported from %s", datavolume, found ? found : "nowhere");
}

static struct json *http(const char *base, const char *path)
{
    cleanup_str struct str url = STR_INIT;

    str_printf(&url, "%s/volumes/%s", base, path);
    return json_format("{'http':{'url':%s,'certConfigMap':'export-ca-cm-exp',"
                       "'secretExtraHeaders':['header-secret-exp']}}",
                       str_get(&url));
}

/* ---- tests ---- */

static void a_claim_has_a_name_only(void **state)
{
    struct fixture *f = *state;
    cleanup_json struct json *want = json_format("{'export-name':'exp'}");

    add_volume(f, "disk");
    build(f);
    assert_true(json_equal(f->data, want));
}

/* The machine of the user guide's "Clone VM", with what a cluster adds to it. */
static void the_whole_of_it(void **state)
{
    struct fixture *f = *state;
    cleanup_json struct json *source = http(INTERNAL, "example-dv/disk.img.gz"),
                             *data_source = http(INTERNAL, "data/disk.img.gz");

    set_vm(f,
           json_format(
               "{'metadata':{'name':'vm','namespace':'ns','uid':'u','resourceVersion':'7',"
               "'generation':3,'creationTimestamp':'x','finalizers':['f'],'ownerReferences':[{}],"
               "'managedFields':[{}],'labels':{'l':'1'},'annotations':{'a':'2',"
               "'kubectl.kubernetes.io/last-applied-configuration':'{}'}},'status':{'ready':false},"
               "'spec':{'dataVolumeTemplates':[{'metadata':{'creationTimestamp':null,'name':"
               "'example-dv','annotations':{'k':'v'}},'spec':{'storage':{'resources':{'requests':"
               "{'storage':'20Gi'}},'storageClassName':'local'},'sourceRef':{'kind':'DataSource'},"
               "'checkpoints':[{}],'finalCheckpoint':true}}],'running':false,'template':{'spec':{"
               "'domain':{'cpu':{'cores':3}},'volumes':[{'name':'one','dataVolume':{'name':"
               "'example-dv'}},{'name':'two','persistentVolumeClaim':{'claimName':'data'}},"
               "{'name':'seed','cloudInitNoCloud':{'userData':'#cloud-config\\n'}}]}}}}"));
    add_volume(f, "example-dv");
    add_volume(f, "data");
    build(f);
    assert_int_equal(json_count(f->data), 4);
    assert_object(f, "internal.00.json",
                  json_format("{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':"
                              "'export-ca-cm-exp'},'data':{'ca.pem':%s,'tls.crt':%s}}",
                              CA, CA));
    assert_object(
        f, "internal.01.json",
        json_format(
            "{'kind':'VirtualMachine','apiVersion':'kubevirt.io/v1','metadata':{'name':'vm',"
            "'namespace':'ns','labels':{'l':'1'},'annotations':{'a':'2'}},'spec':{"
            "'dataVolumeTemplates':[{'metadata':{'creationTimestamp':null,'name':'example-dv',"
            "'annotations':{'k':'v'}},'spec':{'storage':{'resources':{'requests':{'storage':"
            "'20Gi'}},'storageClassName':'local'},'source':%j}}],'running':false,'template':"
            "{'spec':{'domain':{'cpu':{'cores':3}},'volumes':[{'name':'one','dataVolume':{'name':"
            "'example-dv'}},{'name':'two','persistentVolumeClaim':{'claimName':'data'}},"
            "{'name':'seed','cloudInitNoCloud':{'userData':'#cloud-config\\n'}}]}}}}",
            source));
    assert_object(f, "internal.02.json",
                  json_format("{'kind':'DataVolume','apiVersion':'cdi.kubevirt.io/v1beta1',"
                              "'metadata':{'name':'data','namespace':'ns'},'spec':{'source':%j,"
                              "'storage':{'accessModes':['ReadWriteOnce'],'volumeMode':'Block',"
                              "'resources':{'requests':{'storage':'12Gi'}}}}}",
                              data_source));
    assert_string_equal(json_text(f->data, "export-name"), "exp");
}

/* asks.md A1, quirk Q14: neither places in lists nor parts of names say which disk it is. */
static void disks_are_found_by_name(void **state)
{
    static const char *const names[] = {"disk-2", "disk", "other", "2", "disk-22", "a.b"};
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(names); i++)
        add_volume(f, names[i]);
    set_lists(f,
              "[{'metadata':{'name':'unused'},'spec':{'source':{'blank':{}}}},"
              "{'metadata':{'name':'disk-2'},'spec':{'source':{'blank':{}}}},"
              "{'metadata':{'name':'disk'},'spec':{'source':{'blank':{}}}},{'spec':{}}]",
              "[{'name':'seed','cloudInitNoCloud':{}},{'name':'a','dataVolume':{'name':'other'}},"
              "{'name':'b','dataVolume':{'name':'disk'}},{'name':'c','dataVolume':{'name':'2'}},"
              "{'name':'d','persistentVolumeClaim':{'claimName':'disk-2'}},"
              "{'name':'e','persistentVolumeClaim':{'claimName':'disk-22'}},"
              "{'name':'f','persistentVolumeClaim':{'claimName':'a.b'}}]");
    build(f);
    assert_int_equal(json_count(f->data), 7); /* the name, CA, machine, other, 2, disk-22, a.b */
    for (size_t i = 0; i < COUNT(names); i++) {
        cleanup_str struct str url = STR_INIT;

        str_printf(&url, INTERNAL "/volumes/%s/disk.img.gz", names[i]);
        assert_url(f, "internal", names[i], str_get(&url));
    }
    assert_url(f, "internal", "unused", NULL);
    for (size_t i = 0; i < 4; i++) { /* in the order of the volumes */
        static const char *const order[] = {"other", "2", "disk-22", "a.b"};
        char file[] = "internal.02.json";
        cleanup_json struct json *o = NULL;

        file[10] = (char)('2' + i);
        o = object(f, file);
        assert_string_equal(json_text(o, "metadata.name"), order[i]);
    }
}

static void a_volume_without_an_export(void **state)
{
    static const struct {
        const char *templates, *volumes;
    } rows[] = {
        {"[]", "[{'name':'v','dataVolume':{'name':'disk-2'}}]"},
        {"[]", "[{'name':'v','persistentVolumeClaim':{'claimName':'disk-2'}}]"},
        {"[{'metadata':{'name':'disk-2'},'spec':{}}]",
         "[{'name':'w','dataVolume':{'name':'disk'}},{'name':'v','dataVolume':{'name':'disk-2'}}]"},
    };
    struct fixture *f = *state;

    add_volume(f, "disk");
    for (size_t i = 0; i < COUNT(rows); i++) {
        set_lists(f, rows[i].templates, rows[i].volumes);
        assert_refused(f, ERR_INPUT,
                       "virtual machine 'vm': its volume 'v' is on 'disk-2', which is not among");
    }
}

static void archives(void **state)
{
    struct fixture *f = *state;
    cleanup_json struct json *dir = NULL, *vm = NULL;

    add_volume(f, "dir")->disk = false;
    add_volume(f, "tree")->disk = false;
    add_volume(f, "disk");
    set_lists(
        f,
        "[{'metadata':{'name':'tree'}},"
        "{'metadata':{'name':'disk'},'spec':{'contentType':'archive'}}]",
        "[{'name':'a','dataVolume':{'name':'tree'}},{'name':'b','dataVolume':{'name':'disk'}},"
        "{'name':'c','persistentVolumeClaim':{'claimName':'dir'}}]");
    build(f);
    assert_url(f, "internal", "dir", INTERNAL "/volumes/dir/disk.tar.gz");
    assert_url(f, "internal", "tree", INTERNAL "/volumes/tree/disk.tar.gz");
    assert_url(f, "internal", "disk", INTERNAL "/volumes/disk/disk.img.gz");
    dir = object(f, "internal.02.json");
    assert_string_equal(json_text(dir, "spec.contentType"), "archive");
    vm = object(f, "internal.01.json");
    assert_string_equal(
        json_text(json_first(json_at(vm, "spec.dataVolumeTemplates")), "spec.contentType"),
        "archive");
    assert_string_equal(json_text(json_next(json_first(json_at(vm, "spec.dataVolumeTemplates"))),
                                  "spec.contentType"),
                        "kubevirt");
}

static void from_outside(void **state)
{
    struct fixture *f = *state;
    cleanup_json struct json *source = http(EXTERNAL, "disk/disk.img.gz");

    f->in.external_base = EXTERNAL;
    f->in.external_ca = "other";
    add_volume(f, "disk");
    set_lists(f, "[]", "[{'name':'v','dataVolume':{'name':'disk'}}]");
    build(f);
    assert_int_equal(json_count(f->data), 7);
    assert_object(f, "external.00.json",
                  json_format("{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':"
                              "'export-ca-cm-exp'},'data':{'ca.pem':'other','tls.crt':'other'}}"));
    assert_object(f, "external.02.json",
                  json_format("{'kind':'DataVolume','apiVersion':'cdi.kubevirt.io/v1beta1',"
                              "'metadata':{'name':'disk','namespace':'ns'},'spec':{'source':%j,"
                              "'storage':{'accessModes':['ReadWriteOnce'],'volumeMode':'Block',"
                              "'resources':{'requests':{'storage':'12Gi'}}}}}",
                              source));
    assert_url(f, "internal", "disk", INTERNAL "/volumes/disk/disk.img.gz");
}

/* A certificate that the system trusts: no ConfigMap, and no mention of one. */
static void from_outside_without_certificates(void **state)
{
    struct fixture *f = *state;
    cleanup_json struct json *vm = NULL, *disk = NULL;
    const struct json *t;

    f->in.external_base = EXTERNAL;
    f->in.external_ca = "";
    add_volume(f, "disk");
    add_volume(f, "root");
    set_lists(
        f, "[{'metadata':{'name':'root'},'spec':{}}]",
        "[{'name':'v','dataVolume':{'name':'disk'}},{'name':'w','dataVolume':{'name':'root'}}]");
    build(f);
    assert_int_equal(json_count(f->data), 6);
    vm = object(f, "external.00.json");
    assert_string_equal(json_text(vm, "kind"), "VirtualMachine");
    t = json_first(json_at(vm, "spec.dataVolumeTemplates"));
    assert_string_equal(json_text(t, "spec.source.http.url"), EXTERNAL "/volumes/root/disk.img.gz");
    assert_null(json_at(t, "spec.source.http.certConfigMap"));
    disk = object(f, "external.01.json");
    assert_null(json_at(disk, "spec.source.http.certConfigMap"));
    assert_int_equal(json_count(json_at(disk, "spec.source.http.secretExtraHeaders")), 1);
}

/* A snapshot's claims are restored under other names, and saved without a capacity. */
static void snapshots(void **state)
{
    struct fixture *f = *state;
    struct manifest_volume *disk = add_volume(f, "disk");
    cleanup_json struct json *saved =
        json_format("{'metadata':{'name':'disk'},'spec':{'accessModes':['ReadWriteMany'],"
                    "'resources':{'requests':{'storage':'3Gi'}}}}");
    cleanup_json struct json *source = http(INTERNAL, "exp-disk/disk.img.gz");

    disk->path = "exp-disk";
    disk->pvc = saved;
    set_lists(f, "[]", "[{'name':'v','persistentVolumeClaim':{'claimName':'disk'}}]");
    build(f);
    assert_object(f, "internal.02.json",
                  json_format("{'kind':'DataVolume','apiVersion':'cdi.kubevirt.io/v1beta1',"
                              "'metadata':{'name':'disk','namespace':'ns'},'spec':{'source':%j,"
                              "'storage':{'accessModes':['ReadWriteMany'],'volumeMode':"
                              "'Filesystem','resources':{'requests':{'storage':'3Gi'}}}}}",
                              source));
    set_lists(f, "[]", "[{'name':'v','persistentVolumeClaim':{'claimName':'exp-disk'}}]");
    assert_refused(f, ERR_INPUT, "'exp-disk', which is not among");
}

static void sizes(void **state)
{
    static const struct {
        const char *request, *capacity, *want;
    } rows[] = {
        {"10Gi", "10Gi", "10Gi"},  {"10Gi", "10G", "10Gi"},
        {"1Gi", "1.5Gi", "1.5Gi"}, {"1Gi", "1073741825", "1073741825"},
        {"1Gi", NULL, "1Gi"},      {NULL, "1Gi", "1Gi"},
        {NULL, NULL, NULL},
    };
    struct fixture *f = *state;
    struct manifest_volume *disk = add_volume(f, "disk");

    set_lists(f, "[]", "[{'name':'v','dataVolume':{'name':'disk'}}]");
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *dv = NULL,
                                 *pvc = json_format("{'spec':{'resources':{'requests':{'storage':%"
                                                    "s}}},'status':{'capacity':{'storage':%s}}}",
                                                    rows[i].request, rows[i].capacity);

        disk->pvc = pvc;
        if (!rows[i].want) {
            assert_refused(f, ERR_INPUT, "claim 'disk' has no size");
            continue;
        }
        build(f);
        dv = object(f, "internal.02.json");
        assert_string_equal(json_text(dv, "spec.storage.resources.requests.storage"), rows[i].want);
        assert_null(json_at(dv, "spec.storage.accessModes"));
    }
}

/* A disk that is named twice is imported once; memory dumps and state stay what they are. */
static void what_is_not_imported_again(void **state)
{
    struct fixture *f = *state;
    cleanup_json struct json *vm = NULL, *volumes = NULL;

    add_volume(f, "disk");
    add_volume(f, "dump");
    add_volume(f, "persistent-state-for-vm");
    set_lists(f, "[]",
              "[{'name':'a','dataVolume':{'name':'disk'}},"
              "{'name':'b','persistentVolumeClaim':{'claimName':'disk'}},"
              "{'name':'c','memoryDump':{'claimName':'dump'}},"
              "{'name':'d','ephemeral':{'persistentVolumeClaim':{'claimName':'base'}}}]");
    volumes = json_copy(json_at(f->vm, "spec.template.spec.volumes"));
    build(f);
    assert_int_equal(json_count(f->data), 4);
    vm = object(f, "internal.01.json");
    assert_true(json_equal(json_at(vm, "spec.template.spec.volumes"), volumes));
}

static void types_that_are_still_named(void **state)
{
    struct fixture *f = *state;

    set_vm(f, json_format("{'metadata':{'name':'vm'},'spec':{'instancetype':{'name':'small',"
                          "'kind':'VirtualMachineInstancetype','revisionName':'vm-small-1'},"
                          "'preference':{'name':'linux','revisionName':'x'}}}"));
    build(f);
    assert_object(f, "internal.01.json",
                  json_format("{'kind':'VirtualMachine','apiVersion':'kubevirt.io/v1','metadata':"
                              "{'name':'vm','namespace':'ns'},'spec':{'instancetype':{'name':"
                              "'small','kind':'VirtualMachineInstancetype'},'preference':{'name':"
                              "'linux'}}}"));
}

static void machines_that_are_none(void **state)
{
    struct fixture *f = *state;

    set_vm(f, json_format("{'metadata':{'name':'vm'}}"));
    assert_refused(f, ERR_INPUT, "virtual machine 'vm': it has no name or no spec");
    set_vm(f, json_format("{'metadata':{},'spec':{}}"));
    assert_refused(f, ERR_INPUT, "virtual machine '': it has no name or no spec");
    set_vm(f, json_format("{'metadata':{'name':'vm','labels':1,'annotations':[]},'spec':"
                          "{'dataVolumeTemplates':{},'template':{'spec':{'volumes':7}}}}"));
    build(f);
    assert_int_equal(json_count(f->data), 3);
}

/* A ConfigMap's limit counts what both sides say. */
static void too_large(void **state)
{
    enum { HALF = 512 << 10 };
    struct fixture *f = *state;
    cleanup_free char *text = malloc(HALF + 1);

    assert_non_null(text);
    memset(text, 'x', HALF);
    text[HALF] = '\0';
    set_vm(f, json_format("{'metadata':{'name':'vm','annotations':{'a':%s}},'spec':{}}", text));
    build(f);
    f->in.external_base = EXTERNAL;
    f->in.external_ca = "";
    assert_refused(f, ERR_LIMIT, "bytes are more than the 1048576 that a ConfigMap takes");
    text[HALF - 1024] = '\0';
    set_vm(f, json_format("{'metadata':{'name':'vm','annotations':{'a':%s}},'spec':{}}", text));
    build(f);
}

/* As many as a machine can have: given out in the order of the files' names. */
static void many_disks(void **state)
{
    struct fixture *f = *state;
    static char names[VOLUMES_MAX][16];
    cleanup_json struct json *volumes = json_new_array(), *v0 = NULL, *v98 = NULL;

    for (size_t i = 0; i < VOLUMES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "d%zu", i);
        add_volume(f, names[i]);
        if (i < 98)
            json_append(volumes,
                        json_format("{'name':%s,'dataVolume':{'name':%s}}", names[i], names[i]));
    }
    set_vm(f, json_format("{'metadata':{'name':'vm'},'spec':{'template':{'spec':{'volumes':%j}}}}",
                          volumes));
    build(f);
    assert_non_null(json_get(f->data, "internal.99.json"));
    json_append(volumes, json_format("{'name':'d98','dataVolume':{'name':'d98'}}"));
    set_vm(f, json_format("{'metadata':{'name':'vm'},'spec':{'template':{'spec':{'volumes':%j}}}}",
                          volumes));
    build(f);
    assert_int_equal(json_count(f->data), 102);
    v0 = object(f, "internal.002.json");
    v98 = object(f, "internal.100.json");
    assert_string_equal(json_text(v0, "metadata.name"), "d0");
    assert_string_equal(json_text(v98, "metadata.name"), "d98");
}

static void long_export_names(void **state)
{
    struct fixture *f = *state;
    char name[254], want[300];
    cleanup_json struct json *ca = NULL, *dv = NULL;
    const char *imported, *secret;

    memset(name, 'n', 253);
    name[253] = '\0';
    f->in.export_name = name;
    add_volume(f, "disk");
    set_lists(f, "[]", "[{'name':'v','dataVolume':{'name':'disk'}}]");
    build(f);
    ca = object(f, "internal.00.json");
    dv = object(f, "internal.02.json");
    secret = json_string(json_first(json_at(dv, "spec.source.http.secretExtraHeaders")));
    assert_true(strlen(json_text(ca, "metadata.name")) <= 253 && strlen(secret) <= 253);
    assert_string_equal(json_text(dv, "spec.source.http.certConfigMap"),
                        json_text(ca, "metadata.name"));
    /* The pod names the Secret by what the file says. */
    imported = json_text(f->data, "export-name");
    snprintf(want, sizeof(want), "header-secret-%s", imported);
    assert_string_equal(secret, want);
}

/* Whatever names a volume, the URL stays one. */
static void paths_are_escaped(void **state)
{
    struct fixture *f = *state;

    add_volume(f, "disk")->path = "a b?c#d%e";
    set_lists(f, "[]", "[{'name':'v','dataVolume':{'name':'disk'}}]");
    build(f);
    assert_url(f, "internal", "disk", INTERNAL "/volumes/a%20b%3Fc%23d%25e/disk.img.gz");
}

/* The same input, the same bytes; and the input is as it was. */
static void it_is_pure(void **state)
{
    struct fixture *f = *state;
    cleanup_str struct str first = STR_INIT, second = STR_INIT;
    cleanup_json struct json *before = NULL;
    const struct json *last = NULL;

    f->in.external_base = EXTERNAL;
    f->in.external_ca = CA;
    add_volume(f, "disk");
    set_lists(f, "[{'metadata':{'name':'disk'},'spec':{'source':{'blank':{}}}}]",
              "[{'name':'v','dataVolume':{'name':'disk'}}]");
    before = json_copy(f->vm);
    build(f);
    json_print(f->data, 0, &first);
    build(f);
    json_print(f->data, 0, &second);
    assert_string_equal(str_get(&first), str_get(&second));
    assert_true(json_equal(f->vm, before));
    for (const struct json *file = json_first(f->data); file; file = json_next(file)) {
        assert_true(!last || strcmp(json_key(last), json_key(file)) < 0);
        last = file;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_claim_has_a_name_only),
        TEST(the_whole_of_it),
        TEST(disks_are_found_by_name),
        TEST(a_volume_without_an_export),
        TEST(archives),
        TEST(from_outside),
        TEST(from_outside_without_certificates),
        TEST(snapshots),
        TEST(sizes),
        TEST(what_is_not_imported_again),
        TEST(types_that_are_still_named),
        TEST(machines_that_are_none),
        TEST(too_large),
        TEST(many_disks),
        TEST(long_export_names),
        TEST(paths_are_escaped),
        TEST(it_is_pure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
