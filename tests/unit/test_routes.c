/* SPDX-License-Identifier: Apache-2.0 */
/* Changes are put into the stores, which tell the routes, which fill a real queue. */
#include "../../controller/routes.h"
#include "controller_world.h"

static struct kube_queue *queue;
static struct routes routes;
static struct paper p;
static int told;      /* how often of the surroundings */
static int crds_told; /* ... of CRDs */

static void surroundings(void *ctx)
{
    assert_ptr_equal(ctx, &told);
    told++;
}

static void crd(void *ctx, const char *name)
{
    assert_ptr_equal(ctx, &told);
    assert_string_equal(name, "c");
    crds_told++;
}

static int set_up(void **state)
{
    static const struct kube_queue_config config = {0};

    (void)state;
    queue = kube_queue_new(&config);
    routes = (struct routes){
        .cache = &p.cache, .queue = queue, .surroundings = surroundings, .crd = crd, .ctx = &told};
    crds_told = 0;
    paper_listen(&p, "{}", routes_change, &routes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    paper_end(&p);
    kube_queue_free(queue);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The keys of the queue, by name, and how often the surroundings were told: "a c !". */
static const char *queued(void)
{
    struct kube_queue_stats stats;
    char *keys[16];

    kube_queue_stats(queue, &stats);
    assert_true(stats.depth <= COUNT(keys));
    for (size_t i = 0; i < stats.depth; i++)
        keys[i] = kube_queue_get(queue);
    qsort(keys, stats.depth, sizeof(keys[0]), compare);
    str_clear(&p.text);
    for (size_t i = 0; i < stats.depth; i++) {
        str_printf(&p.text, "%s%s", p.text.len ? " " : "",
                   str_starts(keys[i], "ns/") ? keys[i] + 3 : keys[i]);
        kube_queue_done(queue, keys[i]);
        free(keys[i]);
    }
    if (told)
        str_printf(&p.text, "%s!", p.text.len ? " " : "");
    told = 0;
    return str_get(&p.text);
}

static unsigned touched(const char *key)
{
    cleanup_json struct json *users = cache_users(&p.cache, key);

    return users ? (unsigned)json_count(users) : 0;
}

#define EXPORT(name, of, source) \
    "{'kind':'VirtualMachineExport','metadata':{'name':'" name "'},'spec':{'source':{'kind':'" of \
    "','name':'" source "'}}}"
/* Each kind of source with an export or two. */
#define EXPORTS \
    EXPORT("claim", "PersistentVolumeClaim", "disk") \
    "," EXPORT("claim2", "PersistentVolumeClaim", "disk") "," EXPORT( \
        "other", "PersistentVolumeClaim", \
        "data") "," EXPORT("vm", "VirtualMachine", \
                           "vm") "," EXPORT("snap", "VirtualMachineSnapshot", \
                                            "snap") ",{'kind':'VirtualMachineExport','metadata':{" \
                                                    "'name':'token'},'spec':{'source':{'kind':" \
                                                    "'Other','name':'x'},'tokenSecretRef':'mine'}" \
                                                    "}"
#define OWNER(name) \
    "'ownerReferences':[{'kind':'VirtualMachineExport','apiVersion':'export.kubevirt.io/v1'," \
    "'name':'" name "','uid':'u','controller':true}],'labels':{'app.kubernetes.io/managed-by':" \
    "'vmexport-controller'}"
#define OWNED(kind, name, owner) \
    "{'kind':'" kind "','metadata':{'name':'" name "'," OWNER(owner) "}}"
#define CONTENT(snapshots) \
    "{'kind':'VirtualMachineSnapshotContent','metadata':{'name':'content'},'spec':{" \
    "'virtualMachineSnapshotName':'snap','volumeBackups':[" snapshots "]}}"

/* What came and what is changed by it, with which exports it concerns. */
static void changes(void **state)
{
    static const struct {
        const char *name, *before, *change, *want;
    } rows[] = {
        {"an export", NULL, EXPORT("new", "PersistentVolumeClaim", "x"), "new"},
        {"a claim", NULL, PVC("disk"), "claim claim2"},
        {"a claim of none", NULL, PVC("unused"), ""},
        {"a claim of a machine", VM(ON_CLAIM("a", "root")), PVC("root"), "vm"},
        {"a claim of both", VM(ON_CLAIM("a", "disk")), PVC("disk"), "claim claim2 vm"},
        {"a claim with a machine's state", NULL,
         "{'kind':'PersistentVolumeClaim','metadata':{'name':'s','labels':{"
         "'persistent-state-for':'vm'}}}",
         "vm"},
        {"a claim that was restored", NULL, OWNED("PersistentVolumeClaim", "snap-disk", "snap"),
         "snap"},
        {"a DataVolume", NULL, "{'kind':'DataVolume','metadata':{'name':'disk'}}", "claim claim2"},
        {"a machine's DataVolume", VM("{'name':'a','dataVolume':{'name':'root'}}"),
         "{'kind':'DataVolume','metadata':{'name':'root'}}", "vm"},
        {"a machine", NULL, VM(""), "vm"},
        {"another machine", NULL, "{'kind':'VirtualMachine','metadata':{'name':'vm2'}}", ""},
        {"a machine that runs", NULL,
         "{'kind':'VirtualMachineInstance','metadata':{'name':'vm'},'status':{'phase':'Running'}}",
         "vm"},
        {"a snapshot", NULL, "{'kind':'VirtualMachineSnapshot','metadata':{'name':'snap'}}",
         "snap"},
        {"its content", NULL, CONTENT(""), "snap"},
        {"content of none", NULL,
         "{'kind':'VirtualMachineSnapshotContent','metadata':{'name':'c'}}", ""},
        {"its volume's snapshot", CONTENT("{'volumeSnapshotName':'vs'}"),
         "{'kind':'VolumeSnapshot','metadata':{'name':'vs'}}", "snap"},
        {"another volume's snapshot", CONTENT("{'volumeSnapshotName':'vs'}"),
         "{'kind':'VolumeSnapshot','metadata':{'name':'vs2'}}", ""},
        {"a token", NULL, SECRET("mine", "{}"), "token"},
        {"a Secret of nobody", NULL, SECRET("yours", "{}"), ""},
        {"a Secret of ours", NULL, OWNED("Secret", "export-token-vm", "vm"), "vm"},
        {"a Service of ours", NULL, OWNED("Service", "virt-export-vm", "vm"), "vm"},
        {"a Service of nobody", NULL, "{'kind':'Service','metadata':{'name':'s'}}", ""},
        {"a ConfigMap of ours", NULL, OWNED("ConfigMap", "c", "vm"), "vm"},
        {"an Ingress of ours", NULL, OWNED("Ingress", "i", "vm"), "vm !"},
        {"an Ingress of the proxy", NULL,
         "{'kind':'Ingress','metadata':{'name':'i','namespace':'vmexport'}}", "!"},
        {"an Ingress elsewhere", NULL, "{'kind':'Ingress','metadata':{'name':'i'}}", ""},
        {"a Route", NULL, "{'kind':'Route','metadata':{'name':'r','namespace':'vmexport'}}", "!"},
        {"KubeVirt", NULL, "{'kind':'KubeVirt','metadata':{'name':'k'}}", "!"},
        {"a CRD", NULL, "{'kind':'CustomResourceDefinition','metadata':{'name':'c'}}", "!"},
        {"a pod", NULL, POD("p", "disk", "Running"), "claim claim2"},
        {"a pod at a machine's disk", VM(ON_CLAIM("a", "root")), POD("p", "root", "Running"), "vm"},
        {"a pod at what was restored", OWNED("PersistentVolumeClaim", "snap-disk", "snap"),
         POD("p", "snap-disk", "Running"), "snap"},
        {"a pod at no export's disk", NULL, POD("p", "unused", "Running"), ""},
        {"a pod without disks", NULL, "{'kind':'Pod','metadata':{'name':'p'}}", ""},
        {"a pod of ours",
         "{'kind':'Pod','metadata':{'name':'virt-export-vm'," OWNER(
             "vm") "},'spec':{'volumes':[{"
                   "'persistentVolumeClaim':{'claimName':'disk'}}]}}",
         "{'kind':'Pod','metadata':{'name':'virt-export-vm'},'status':{'phase':'Running'}}",
         "claim claim2 vm"},
        {"a disk taken off a machine", VM(ON_CLAIM("a", "disk")), VM(""), "vm"},
        {"another source's token", EXPORTS,
         "{'kind':'VirtualMachineExport','metadata':{'name':'claim'},'status':{"
         "'tokenSecretRef':'mine'}}",
         "claim"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int live = 0; live < 2; live++) {
            atomic_store(&routes.live, live);
            paper_add(&p, EXPORTS);
            paper_add(&p, rows[i].before);
            queued();
            paper_add(&p, rows[i].change);
            /* Who does not lead has nobody to work on it. */
            assert_row(rows[i].name, "the queue", queued(),
                       live                        ? rows[i].want
                       : strchr(rows[i].want, '!') ? "!"
                                                   : "");
            assert_int_equal(crds_told, strcmp(rows[i].name, "a CRD") == 0);
            tear_down(state);
            set_up(state);
        }
    }
}

/* An object that goes concerns whom it concerned. */
static void what_goes(void **state)
{
    static const struct {
        const char *kind, *name, *object, *want;
    } rows[] = {
        {"PersistentVolumeClaim", "disk", PVC("disk"), "claim claim2"},
        {"PersistentVolumeClaim", "s",
         "{'kind':'PersistentVolumeClaim','metadata':{'name':'s','labels':{"
         "'persistent-state-for':'vm'}}}",
         "vm"},
        {"VirtualMachine", "vm", VM(""), "vm"},
        {"Secret", "mine", SECRET("mine", "{}"), "token"},
        {"Pod", "p", POD("p", "disk", "Running"), "claim claim2"},
        {"VirtualMachineExport", "other", NULL, "other"},
    };

    (void)state;
    atomic_store(&routes.live, true);
    paper_add(&p, EXPORTS);
    for (size_t i = 0; i < COUNT(rows); i++) {
        paper_add(&p, rows[i].object);
        queued();
        paper_remove(&p, rows[i].kind, rows[i].name);
        assert_row(rows[i].name, "the queue", queued(), rows[i].want);
    }
}

/* What changes nothing that is asked of an object is no change. */
static void what_is_of_no_interest(void **state)
{
    (void)state;
    paper_add(&p, EXPORTS "," PVC("disk") "," POD("p", "disk", "Running"));
    queued();
    paper_add(&p, "{'kind':'PersistentVolumeClaim','metadata':{'name':'disk','annotations':{"
                  "'x':'y'}}},{'kind':'Pod','metadata':{'name':'p','labels':{'x':'y'}},'status':{"
                  "'podIP':'10.0.0.1'}}");
    assert_string_equal(queued(), "");
}

/* ---- foreign pods leave their mark ---- */

static void what_touches(void **state)
{
    static const struct {
        const char *name, *before, *change; /* change NULL: it goes */
        bool want;
    } rows[] = {
        {"comes", NULL, POD("p", "disk", "Pending"), true},
        {"runs", POD("p", "disk", "Pending"), POD("p", "disk", "Running"), true},
        {"ends", POD("p", "disk", "Running"), POD("p", "disk", "Succeeded"), true},
        {"fails", POD("p", "disk", "Running"), POD("p", "disk", "Failed"), true},
        {"goes", POD("p", "disk", "Running"), NULL, true},
        {"came and ended", NULL, POD("p", "disk", "Succeeded"), true},
        {"had ended, and goes", POD("p", "disk", "Succeeded"), NULL, false},
        {"had failed, and goes", POD("p", "disk", "Failed"), NULL, false},
        {"had ended, and is on its way out", POD("p", "disk", "Succeeded"),
         "{'kind':'Pod','metadata':{'name':'p','deletionTimestamp':'x'}}", false},
        {"had ended, and another has its name", POD("p", "disk", "Succeeded"),
         "{'kind':'Pod','metadata':{'name':'p','uid':'another'},'status':{'phase':'Running'}}",
         true},
        {"is at another disk", NULL, POD("p", "data", "Running"), false},
        {"is ours", NULL,
         "{'kind':'Pod','metadata':{'name':'x'," OWNER(
             "other") "},'spec':{'volumes':[{"
                      "'persistentVolumeClaim':{'claimName':'disk'}}]},'status':{'phase':'Running'}"
                      "}",
         false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        bool is;

        paper_add(&p, EXPORTS);
        paper_add(&p, rows[i].before);
        assert_int_equal(touched("ns/claim"), 0); /* what is there at start is no change */
        atomic_store(&routes.live, true);
        queued();
        if (rows[i].change)
            paper_add(&p, rows[i].change);
        else
            paper_remove(&p, "Pod", "p");
        is = touched("ns/claim") > 0;
        if (is != rows[i].want || is != (touched("ns/claim2") > 0) || touched("ns/vm"))
            fail_msg("a pod that %s: touched %u", rows[i].name, touched("ns/claim"));
        if (strcmp(rows[i].name, "is at another disk"))
            assert_non_null(strstr(queued(), "claim claim2")); /* it is told in any case */
        tear_down(state);
        set_up(state);
    }
}

/* Pods of the history, which the watch has not told. */
static void pods_that_were_there(void **state)
{
    cleanup_json struct json *foreign = json_format(
        "{'metadata':{'name':'p','namespace':'ns'},'spec':{'volumes':[{'persistentVolumeClaim':{"
        "'claimName':'disk'}}]},'status':{'phase':'Succeeded'}}");
    cleanup_json struct json *ours = json_format("{'metadata':{'name':'p','namespace':'ns'," OWNER(
        "claim") "},'spec':{'volumes':[{"
                 "'persistentVolumeClaim':{'claimName':'disk'}}]}}");
    cleanup_json struct json *without =
        json_format("{'metadata':{'name':'p','namespace':'ns'},'spec':{}}");

    (void)state;
    paper_add(&p, EXPORTS);
    queued();
    routes_pod_seen(&routes, without, false);
    routes_pod_seen(&routes, ours, false);
    routes_pod_seen(&routes, foreign, true); /* it had ended before */
    assert_string_equal(queued(), "");
    routes_pod_seen(&routes, foreign, false);
    assert_string_equal(queued(), "claim claim2");
    assert_int_equal(touched("ns/claim"), 1);
    assert_int_equal(touched("ns/other"), 0);
}

static void all_of_them(void **state)
{
    (void)state;
    atomic_store(&routes.live, true);
    paper_add(&p, EXPORTS);
    queued();
    routes_add_all(&routes);
    assert_string_equal(queued(), "claim claim2 other snap token vm");
    assert_false(cache_any_touched(&p.cache));
    routes_touch_all(&routes);
    assert_string_equal(queued(), "claim claim2 other snap token vm");
    assert_int_equal(touched("ns/token"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(changes),
        TEST(what_goes),
        TEST(what_is_of_no_interest),
        TEST(what_touches),
        TEST(pods_that_were_there),
        TEST(all_of_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
