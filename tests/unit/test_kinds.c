/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of objects: as little as planning asks for. */
#include "controller_world.h"

static struct paper p;

static int set_up(void **state)
{
    (void)state;
    paper_start(&p, "{}", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    paper_end(&p);
    return 0;
}

#define META "'name':'o','namespace':'ns','uid':'u'"
#define NOISE ",'managedFields':[{}],'generateName':'x','selfLink':'y'"
#define MANAGED "'labels':{'app.kubernetes.io/managed-by':'vmexport-controller'}"

/* `kept` NULL: nothing. */
struct row {
    const char *name;
    enum kind kind;
    const char *object, *kept;
};

static void assert_kept(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup_json struct json *object = json_format(rows[i].object);
        cleanup_json struct json *want = rows[i].kept ? json_format(rows[i].kept) : NULL;
        cleanup_json struct json *is =
            kind_table[rows[i].kind].keep(&p.cache.contexts[rows[i].kind], object);

        str_clear(&p.text);
        if (is)
            json_print(is, 0, &p.text);
        if (!json_equal(is, want))
            fail_msg("%s: kept is %s", rows[i].name, str_get(&p.text));
    }
}

static void most_kinds(void **state)
{
    static const struct row rows[] = {
        {"an export", KIND_EXPORT,
         "{'apiVersion':'x','kind':'y','metadata':{" META NOISE
         ",'resourceVersion':'7','generation':2,'creationTimestamp':'t','deletionTimestamp':'d',"
         "'labels':{'a':'b'},'annotations':{'kubectl.kubernetes.io/last-applied-configuration':"
         "'{}','c':'d'}},'spec':{'s':1},'status':{'t':2}}",
         "{'metadata':{" META ",'resourceVersion':'7','generation':2,'creationTimestamp':'t',"
         "'deletionTimestamp':'d','labels':{'a':'b'},'annotations':{'c':'d'}},'spec':{'s':1},"
         "'status':{'t':2}}"},
        {"a bare export", KIND_EXPORT, "{'metadata':{" META "}}", "{'metadata':{" META "}}"},
        {"a claim", KIND_PVC,
         "{'metadata':{" META NOISE ",'creationTimestamp':'t','labels':{'a':'b',"
         "'persistent-state-for':'vm'},'annotations':{'c':'d','cdi.kubevirt.io/storage.contentType'"
         ":'archive'},'finalizers':['f']},'spec':{'accessModes':['x'],'volumeMode':'Block',"
         "'volumeName':'pv','storageClassName':'fast','resources':{'requests':{'storage':'1Gi'}}},"
         "'status':{'phase':'Bound','capacity':{'storage':'1Gi'},'accessModes':['x']}}",
         "{'metadata':{" META ",'labels':{'persistent-state-for':'vm'},'creationTimestamp':'t',"
         "'annotations':{'cdi.kubevirt.io/storage.contentType':'archive'}},'spec':{'accessModes':["
         "'x'],'volumeMode':'Block','resources':{'requests':{'storage':'1Gi'}}},'status':{'phase':"
         "'Bound','capacity':{'storage':'1Gi'}}}"},
        {"a claim without labels", KIND_PVC, "{'metadata':{" META ",'creationTimestamp':'t'}}",
         "{'metadata':{" META "}}"},
        {"a machine that runs", KIND_VMI,
         "{'metadata':{" META NOISE "},'spec':{'x':1},'status':{'phase':'Running','nodeName':'n'}}",
         "{'metadata':{" META "},'status':{'phase':'Running'}}"},
        {"a DataVolume", KIND_DATAVOLUME,
         "{'metadata':{" META "},'spec':{'source':{},'contentType':'archive'},'status':{'phase':"
         "'Succeeded','progress':'100%d'}}",
         "{'metadata':{" META "},'spec':{'contentType':'archive'},'status':{'phase':'Succeeded'}}"},
        {"a snapshot", KIND_VMSNAPSHOT,
         "{'metadata':{" META "},'spec':{'source':{'name':'vm'},'x':1},'status':{'readyToUse':true,"
         "'virtualMachineSnapshotContentName':'c','creationTime':'t'}}",
         "{'metadata':{" META "},'spec':{'source':{'name':'vm'}},'status':{'readyToUse':true,"
         "'virtualMachineSnapshotContentName':'c'}}"},
        {"a KubeVirt", KIND_KUBEVIRT,
         "{'metadata':{" META "},'spec':{'configuration':{'developerConfiguration':{'featureGates':"
         "['a']},'x':1}},'status':{'observedKubeVirtVersion':'v1.8.0','phase':'Deployed'}}",
         "{'metadata':{" META "},'spec':{'configuration':{'developerConfiguration':{'featureGates':"
         "['a']}}},'status':{'observedKubeVirtVersion':'v1.8.0'}}"},
        {"a Route", KIND_ROUTE,
         "{'metadata':{" META "},'spec':{'to':{'name':'s'},'tls':{}},'status':{'ingress':[1]}}",
         "{'metadata':{" META "},'spec':{'to':{'name':'s'}},'status':{'ingress':[1]}}"},
        {"a CRD", KIND_CRD, "{'metadata':{'name':'o','labels':{'a':'b'},'annotations':{'c':'d'}}}",
         "{'metadata':{'name':'o','labels':{'a':'b'}}}"},
    };

    (void)state;
    assert_kept(rows, COUNT(rows));
}

static void pods(void **state)
{
#define DISKS \
    "'volumes':[{'name':'a','persistentVolumeClaim':{'claimName':'disk'}},{'name':'b'," \
    "'emptyDir':{}},{'name':'c','ephemeral':{}}]"
#define OURS \
    "'ownerReferences':[{'apiVersion':'export.kubevirt.io/v1','kind':'VirtualMachineExport'," \
    "'name':'e','controller':true}]"
#define BESIDE \
    "'ownerReferences':[{'apiVersion':'export.vmexport.io/v1','kind':'VirtualMachineExport'," \
    "'name':'e','controller':true}]"
    static const struct row rows[] = {
        {"without disks", KIND_POD, "{'metadata':{" META "},'spec':{'volumes':[{'emptyDir':{}}]}}",
         NULL},
        {"without anything", KIND_POD, "{'metadata':{" META "}}", NULL},
        {"a foreign one", KIND_POD,
         "{'metadata':{" META NOISE ",'annotations':{'a':'b'},'labels':{'c':'d'},"
         "'creationTimestamp':'t'},'spec':{'nodeName':'n'," DISKS ",'containers':[{}]},'status':{"
         "'phase':'Running','containerStatuses':[{'ready':true}]}}",
         "{'metadata':{" META "},'claims':['disk','o-c'],'phase':'Running','node':'n'}"},
        {"a new one", KIND_POD, "{'metadata':{" META "},'spec':{" DISKS "}}",
         "{'metadata':{" META "},'claims':['disk','o-c'],'phase':'Pending'}"},
        {"one of another owner", KIND_POD,
         "{'metadata':{" META
         ",'ownerReferences':[{'kind':'Job','controller':true}]},'spec':{" DISKS "}}",
         "{'metadata':{" META "},'claims':['disk','o-c'],'phase':'Pending'}"},
        {"an exporter of another group", KIND_POD,
         "{'metadata':{" META "," BESIDE ",'annotations':{'a':'b'}},'spec':{" DISKS "}}",
         "{'metadata':{" META "},'claims':['disk','o-c'],'phase':'Pending'}"},
        {"ours, ending", KIND_POD,
         "{'metadata':{" META "," OURS ",'deletionTimestamp':'d','deletionGracePeriodSeconds':30}}",
         "{'metadata':{" META "," OURS ",'deletionTimestamp':'d','deletionGracePeriodSeconds':30},"
         "'claims':[],'phase':'Pending','ready':false}"},
        {"ours", KIND_POD,
         "{'metadata':{" META "," OURS ",'annotations':{'a':'b'},'creationTimestamp':'t'},'spec':{"
         "'nodeName':'n'},'status':{'phase':'Running','containerStatuses':[{'ready':true}]}}",
         "{'metadata':{" META "," OURS ",'annotations':{'a':'b'},'creationTimestamp':'t'},'claims':"
         "[],'phase':'Running','node':'n','ready':true}"},
        {"ours, of two containers one ready", KIND_POD,
         "{'metadata':{" META "," OURS "},'status':{'phase':'Running','containerStatuses':[{"
         "'ready':true},{'ready':false}]}}",
         "{'metadata':{" META "," OURS "},'claims':[],'phase':'Running','ready':false}"},
        {"ours, waiting", KIND_POD,
         "{'metadata':{" META "," OURS "},'status':{'containerStatuses':[{'state':{'waiting':{"
         "'reason':'ErrImagePull','message':'m'}}}]}}",
         "{'metadata':{" META "," OURS "},'claims':[],'phase':'Pending','ready':false,'trouble':"
         "'ErrImagePull','message':'m'}"},
        {"ours, waiting without a word", KIND_POD,
         "{'metadata':{" META "," OURS "},'status':{'containerStatuses':[{'state':{'waiting':{"
         "'reason':'ErrImagePull'}}}]}}",
         "{'metadata':{" META "," OURS "},'claims':[],'phase':'Pending','ready':false,'trouble':"
         "'ErrImagePull'}"},
        {"ours, being made", KIND_POD,
         "{'metadata':{" META "," OURS "},'status':{'containerStatuses':[{'state':{'waiting':{"
         "'reason':'ContainerCreating','message':'m'}}}]}}",
         "{'metadata':{" META "," OURS "},'claims':[],'phase':'Pending','ready':false}"},
        {"ours, without a node", KIND_POD,
         "{'metadata':{" META "," OURS "},'status':{'conditions':[{'type':'PodScheduled','status':"
         "'False','reason':'Unschedulable','message':'m'}]}}",
         "{'metadata':{" META "," OURS "},'claims':[],'phase':'Pending','ready':false,'trouble':"
         "'Unschedulable','message':'m'}"},
        {"ours, with a node", KIND_POD,
         "{'metadata':{" META "," OURS "},'status':{'conditions':[{'type':'PodScheduled','status':"
         "'True'},{'type':'Ready','status':'False','reason':'x'},{}]}}",
         "{'metadata':{" META "," OURS "},'claims':[],'phase':'Pending','ready':false}"},
    };

    (void)state;
    assert_kept(rows, COUNT(rows));
}

static void secrets(void **state)
{
    static const struct row rows[] = {
        {"ours", KIND_SECRET,
         "{'metadata':{" META NOISE "," MANAGED ",'resourceVersion':'7','annotations':{'a':'b'},"
         "'ownerReferences':[{'uid':'e'}]}}",
         "{'metadata':{" META ",'resourceVersion':'7','annotations':{'a':'b'},'ownerReferences':[{"
         "'uid':'e'}]}}"},
        {"anybody's", KIND_SECRET, "{'metadata':{" META ",'resourceVersion':'7'}}", NULL},
        {"managed by another", KIND_SECRET,
         "{'metadata':{" META ",'labels':{'app.kubernetes.io/managed-by':'Helm'}}}", NULL},
        {"a token that is named", KIND_SECRET,
         "{'metadata':{'name':'mine','namespace':'ns','uid':'u','resourceVersion':'7',"
         "'annotations':{'a':'b'}},'data':{'token':'x'}}",
         "{'metadata':{'name':'mine','namespace':'ns','uid':'u','resourceVersion':'7'}}"},
        {"in another namespace", KIND_SECRET,
         "{'metadata':{'name':'mine','namespace':'other','uid':'u'}}", NULL},
        {"named like a token of ours", KIND_SECRET,
         "{'metadata':{'name':'export-token-x','namespace':'other','uid':'u'}}",
         "{'metadata':{'name':'export-token-x','namespace':'other','uid':'u'}}"},
        {"the CA", KIND_OWN_SECRET,
         "{'metadata':{'name':'vmexport-ca','namespace':'ns','labels':{'a':'b'},'resourceVersion':"
         "'7'},'type':'t','data':{'tls.key':'k'}}",
         "{'metadata':{'name':'vmexport-ca','namespace':'ns','labels':{'a':'b'},'resourceVersion':"
         "'7'},'data':{'tls.key':'k'}}"},
        {"an export's token beside it", KIND_OWN_SECRET,
         "{'metadata':{" META "," MANAGED "},'data':{'token':'t'}}", "{'metadata':{" META "}}"},
        {"a certificate of an Ingress", KIND_OWN_SECRET,
         "{'metadata':{" META ",'labels':{'a':'b'}},'type':'kubernetes.io/tls','data':{'tls.crt':"
         "'c','tls.key':'k'}}",
         "{'metadata':{" META "},'data':{'tls.crt':'c'}}"},
        {"without a certificate", KIND_OWN_SECRET,
         "{'metadata':{" META "},'type':'Opaque','data':{'x':'y'}}", "{'metadata':{" META "}}"},
        {"an Ingress of ours", KIND_INGRESS, "{'metadata':{" META "," MANAGED "},'spec':{'x':1}}",
         "{'metadata':{" META "," MANAGED "},'spec':{'x':1}}"},
        {"an Ingress of the proxy", KIND_INGRESS,
         "{'metadata':{'name':'o','namespace':'vmexport','annotations':{}},'spec':{'x':1},"
         "'status':{}}",
         "{'metadata':{'name':'o','namespace':'vmexport'},'spec':{'x':1}}"},
        {"an Ingress of others", KIND_INGRESS, "{'metadata':{" META "},'spec':{'x':1}}", NULL},
        {"an Ingress of nowhere", KIND_INGRESS, "{'metadata':{'name':'o'}}", NULL},
    };

    (void)state;
    paper_add(&p, EXPORT_PVC "," TO_EXPORT("'spec':{'tokenSecretRef':'mine'}"));
    assert_kept(rows, COUNT(rows));
}

static void configmaps(void **state)
{
    cleanup_json struct json *a = json_format("{'metadata':{" META "},'data':{'x':'1','y':'2'}}");
    cleanup_json struct json *b = json_format("{'metadata':{" META "},'data':{'x':'1','y':'3'}}");
    cleanup_json struct json *none = json_format("{'metadata':{" META "}}");
    cleanup_json struct json *kept_a = kind_table[KIND_CONFIGMAP].keep(NULL, a);
    cleanup_json struct json *kept_b = kind_table[KIND_CONFIGMAP].keep(NULL, b);
    cleanup_json struct json *kept_none = kind_table[KIND_CONFIGMAP].keep(NULL, none);
    cleanup_str struct str digest = STR_INIT;

    (void)state;
    kind_digest(json_get(a, "data"), &digest);
    assert_int_equal(digest.len, 32);
    assert_string_equal(json_text(kept_a, "digest"), str_get(&digest));
    assert_string_not_equal(json_text(kept_a, "digest"), json_text(kept_b, "digest"));
    assert_int_equal(json_count(json_get(kept_a, "keys")), 2);
    assert_int_equal(json_count(json_get(kept_none, "keys")), 0);
    assert_null(json_get(kept_a, "data"));
    /* sha256 of nothing */
    assert_string_equal(json_text(kept_none, "digest"), "e3b0c44298fc1c149afbf4c8996fb924");
}

/* ---- indexes ---- */

static void found(enum kind kind, unsigned index, const char *value, const char *want)
{
    cleanup_json struct json *all = kube_store_find(p.cache.stores[kind], index, value);

    str_clear(&p.text);
    for (const struct json *o = json_first(all); o; o = json_next(o))
        str_printf(&p.text, "%s%s", p.text.len ? " " : "", json_text(o, "metadata.name"));
    assert_row(value, "what is found", str_get(&p.text), want);
}

static void indexes(void **state)
{
    (void)state;
    paper_add(&p, EXPORT_PVC ",{'kind':'VirtualMachineExport','metadata':{'name':'f'},'spec':{"
                             "'source':{'kind':'VirtualMachine','name':'vm'},'tokenSecretRef':"
                             "'mine'},'status':{'tokenSecretRef':'old'}},"
                             "{'kind':'VirtualMachineExport','metadata':{'name':'g'},'status':{"
                             "'tokenSecretRef':'made'}}");
    found(KIND_EXPORT, EXPORTS_BY_SOURCE, "PersistentVolumeClaim/ns/disk", "e");
    found(KIND_EXPORT, EXPORTS_BY_SOURCE, "VirtualMachine/ns/vm", "f");
    found(KIND_EXPORT, EXPORTS_BY_SOURCE, "VirtualMachine/ns/disk", "");
    found(KIND_EXPORT, EXPORTS_BY_TOKEN, "ns/mine", "f");
    found(KIND_EXPORT, EXPORTS_BY_TOKEN, "ns/old", "");
    found(KIND_EXPORT, EXPORTS_BY_TOKEN, "ns/made", "g");
    paper_add(&p, POD("a", "disk", "Running") "," POD("b", "disk", "Failed") "," POD("c", "x", ""));
    found(KIND_POD, PODS_BY_CLAIM, "ns/disk", "a b");
    paper_add(&p, VM(ON_CLAIM("a", "disk") ",{'dataVolume':{'name':'dv'}},{'memoryDump':{"
                                           "'claimName':'dump'}},{'containerDisk':{}}"));
    found(KIND_VM, VMS_BY_CLAIM, "ns/disk", "vm");
    found(KIND_VM, VMS_BY_CLAIM, "ns/dv", "vm");
    found(KIND_VM, VMS_BY_CLAIM, "ns/dump", "vm");
    paper_add(&p, SNAPSHOT);
    found(KIND_VMSNAPSHOTCONTENT, CONTENTS_BY_SNAPSHOT, "ns/vs", "content");
    paper_add(&p, "{'kind':'PersistentVolumeClaim','metadata':{'name':'s','labels':{"
                  "'persistent-state-for':'vm'}}}," PVC("disk"));
    found(KIND_PVC, PVCS_BY_STATE_OF, "ns/vm", "s");
}

/* ---- the rest ---- */

static void the_table(void **state)
{
    cleanup_str struct str name = STR_INIT;

    (void)state;
    kind_crd_name(KIND_VM, &name);
    assert_string_equal(str_get(&name), "virtualmachines.kubevirt.io");
    for (int k = 0; k < KINDS; k++) {
        assert_non_null(kind_table[k].keep);
        assert_non_null(kind_table[k].resource.plural);
        assert_true(!kind_table[k].resource.namespaced == (k == KIND_CRD));
    }
}

static void owners(void **state)
{
    cleanup_json struct json *object = json_format(
        "{'metadata':{'ownerReferences':[{'uid':'a'},{'uid':'b','controller':false},{'uid':'c',"
        "'controller':true}]}}");

    (void)state;
    assert_string_equal(json_text(kind_owner(object), "uid"), "c");
    assert_null(kind_owner(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(most_kinds), TEST(pods),      TEST(secrets), TEST(configmaps),
        TEST(indexes),    TEST(the_table), TEST(owners),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
