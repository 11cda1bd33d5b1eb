/* SPDX-License-Identifier: Apache-2.0 */
/* The Service, the Ingress and the ConfigMap of an export, whatever becomes of them. */
#include "controller_world.h"

#define BOUND ", PVCReady=True PVCBound"
#define PENDING(reason) "Pending: Ready=False " reason

/* ---- patches ---- */

/* What others change of ours is put right, and nothing else of the object. */
static void a_service_that_was_changed(void **state)
{
#define TO_SERVICE(more) "{'kind':'Service','metadata':{'name':'virt-export-e'}," more "}"
    static const struct {
        const char *name, *change, *steps;
    } rows[] = {
        {"another selector",
         TO_SERVICE("'spec':{'selector':{'kubevirt.io.virt-export-service':null,'x':'y'}}"),
         "patch Service virt-export-e"},
        {"a narrower selector", TO_SERVICE("'spec':{'selector':{'x':'y'}}"),
         "patch Service virt-export-e"},
        {"no ports", TO_SERVICE("'spec':{'ports':[]}"), "patch Service virt-export-e"},
        {"another type", TO_SERVICE("'spec':{'type':'NodePort'}"), ""},
        {"more labels", "{'kind':'Service','metadata':{'name':'virt-export-e','labels':{'x':'y'}}}",
         ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_json struct json *selector = NULL, *ports = NULL;
        const struct json *service;

        paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
        paper_settle(&p, rows[i].name);
        service = paper_get(&p, "Service", "virt-export-e");
        selector = json_copy(json_at(service, "spec.selector"));
        ports = json_copy(json_at(service, "spec.ports"));
        paper_add(&p, rows[i].change);
        assert_plan(&p, rows[i].name, rows[i].steps, NULL);
        paper_settle(&p, rows[i].name);
        service = paper_get(&p, "Service", "virt-export-e");
        assert_true(json_equal(json_at(service, "spec.selector"), selector));
        assert_true(json_equal(json_at(service, "spec.ports"), ports));
    }
}

static void an_ingress_for_each_export(void **state)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *spec = NULL;
    const struct step *step;

    (void)state;
    paper_start(&p,
                "{'external':'direct','external-host':'out.example.com','ingress-class':'nginx',"
                "'ingress-tls-secret':'cert','ingress-annotations':{'a':'b'}}",
                EXPORT_PVC "," PVC("disk"));
    paper_look(&p);
    step = paper_step(&p, STEP_CREATE, KIND_INGRESS);
    spec = json_format(
        "{'rules':[{'host':'out.example.com','http':{'paths':[{'path':'/api/export.kubevirt.io/v1/"
        "namespaces/ns/virtualmachineexports/e','pathType':'Prefix','backend':{'service':{'name':"
        "'virt-export-e','port':{'number':443}}}}]}}],'ingressClassName':'nginx','tls':[{'hosts':["
        "'out.example.com'],'secretName':'cert'}]}");
    assert_true(json_equal(json_get(step->object, "spec"), spec));
    assert_string_equal(json_text(step->object, "metadata.annotations.a"), "b");
    paper_settle(&p, "direct");
    paper_add(&p, "{'kind':'Ingress','metadata':{'name':'virt-export-e'},'spec':{'rules':[],"
                  "'defaultBackend':{'service':{'name':'x'}},'ingressClassName':'other',"
                  "'tls':null}}");
    paper_look(&p);
    step = paper_step(&p, STEP_PATCH, KIND_INGRESS);
    assert_true(json_equal(json_at(step->object, "spec.rules"), json_get(spec, "rules")));
    paper_settle(&p, "put right");
    p.settings.external = EXTERNAL_PROXY;
    assert_plan(&p, "by a proxy", "delete Ingress virt-export-e", NULL);
    paper_settle(&p, "by a proxy");
    paper_add(&p, "{'kind':'Ingress','metadata':{'name':'virt-export-e','labels':{"
                  "'app.kubernetes.io/managed-by':'vmexport-controller'}}}");
    assert_plan(&p, "somebody else's", "", "Ready: Ready=True PodReady" BOUND);
}

static const char *annotation_of(struct paper *p, const char *key)
{
    return json_string(
        json_get(json_at(paper_get(p, "Ingress", "virt-export-e"), "metadata.annotations"), key));
}

/* The controller is started with other settings; what others write there stays. */
static void annotations_of_an_ingress_that_change(void **state)
{
    static const char *const settings[] = {"{'x.io/a':'1','b':'2'}", "{'x.io/a':'3','c':'4'}",
                                           "{}"};
    static const char *const keys[] = {"x.io/a", "b", "c"};
    static const char *const want[][3] = {{"1", "2", NULL}, {"3", NULL, "4"}, {NULL, NULL, NULL}};
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{'external':'direct','external-host':'h'}", EXPORT_PVC "," PVC("disk"));
    for (size_t i = 0; i < COUNT(settings); i++) {
        cleanup_json struct json *given = json_format(settings[i]);
        const struct json *own = p.settings.ingress_annotations;

        p.settings.ingress_annotations = given;
        if (i > 0)
            assert_plan(&p, settings[i], "patch Ingress virt-export-e", NULL);
        paper_settle(&p, settings[i]);
        for (size_t k = 0; k < COUNT(keys); k++) {
            const char *is = annotation_of(&p, keys[k]);

            if ((is != NULL) != (want[i][k] != NULL) || (is && strcmp(is, want[i][k])))
                fail_msg("%s: %s is %s", settings[i], keys[k], is ? is : "none");
        }
        paper_add(&p, "{'kind':'Ingress','metadata':{'name':'virt-export-e','annotations':{"
                      "'theirs':'x'}}}");
        paper_settle(&p, settings[i]);
        assert_string_equal(annotation_of(&p, "theirs"), "x");
        paper_add(&p, "{'kind':'Ingress','metadata':{'name':'virt-export-e','annotations':{"
                      "'x.io/a':null}}}"); /* somebody takes one away */
        assert_plan(&p, settings[i], i < 2 ? "patch Ingress virt-export-e" : "", NULL);
        paper_settle(&p, settings[i]);
        p.settings.ingress_annotations = own;
    }
}

/* A class that the cluster adds is the cluster's business. */
static void an_ingress_of_the_default_class(void **state)
{
    cleanup_paper struct paper p;
    const struct step *step;

    (void)state;
    paper_start(&p, "{'external':'direct','external-host':'h'}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "direct");
    paper_add(&p, "{'kind':'Ingress','metadata':{'name':'virt-export-e'},'spec':{'tls':[{"
                  "'secretName':'stale'}]}}");
    paper_look(&p);
    step = paper_step(&p, STEP_PATCH, KIND_INGRESS);
    assert_non_null(step);
    assert_int_equal(json_kind(json_at(step->object, "spec.tls")), JSON_NULL);
    assert_null(json_at(step->object, "spec.ingressClassName"));
    paper_settle(&p, "without tls");
}

/* Files that are no longer among the manifests go. */
static void manifests_that_change(void **state)
{
    cleanup_paper struct paper p;
    const struct step *step;
    const struct json *data;
    bool gone = false;

    (void)state;
    paper_start(&p, "{}",
                EXPORT_VM "," PVC("disk") "," PVC("data") "," VM(
                    ON_CLAIM("a", "disk") "," ON_CLAIM("b", "data")));
    paper_settle(&p, "machine");
    assert_int_equal(
        json_count(json_get(paper_get(&p, "ConfigMap", "exporter-vm-manifest-e"), "data")), 5);
    paper_surround(&p, "{'ca':'two','signers':'s1 ','signer':'s1'}");
    paper_look(&p);
    step = paper_step(&p, STEP_PATCH, KIND_CONFIGMAP);
    assert_non_null(step);
    assert_int_equal(p.plan.count, 1);
    paper_settle(&p, "another bundle");
    paper_add(&p, "{'kind':'VirtualMachine','metadata':{'name':'vm'},'spec':{'template':{'spec':{"
                  "'volumes':[" ON_CLAIM("a", "disk") "]}}}}");
    paper_look(&p);
    step = paper_step(&p, STEP_PATCH, KIND_CONFIGMAP);
    data = json_get(step->object, "data");
    for (const struct json *v = json_first(data); v; v = json_next(v))
        gone |= json_kind(v) == JSON_NULL;
    assert_true(gone);
    paper_settle(&p, "one disk");
    data = json_get(paper_get(&p, "ConfigMap", "exporter-vm-manifest-e"), "data");
    assert_int_equal(json_count(data), 4);
    paper_add(&p, "{'kind':'ConfigMap','metadata':{'name':'exporter-vm-manifest-e'},'data':{"
                  "'junk':'x','export-name':null}}");
    paper_look(&p);
    assert_int_equal(
        json_kind(json_at(paper_step(&p, STEP_PATCH, KIND_CONFIGMAP)->object, "data.junk")),
        JSON_NULL);
    paper_settle(&p, "as it was");
    assert_int_equal(
        json_count(json_get(paper_get(&p, "ConfigMap", "exporter-vm-manifest-e"), "data")), 4);
}

/* Through the store, and copies of it. */
static void numbers_beyond_doubles_are_exported_as_they_are(void **state)
{
    cleanup_paper struct paper p;
    const struct json *data;
    bool found = false;

    (void)state;
    paper_start(&p, "{}",
                EXPORT_VM "," PVC("disk") "," VM(ON_CLAIM(
                    "a", "disk")) ",{'kind':'VirtualMachine',"
                                  "'metadata':{'name':'vm'},'spec':{'seed':9223372036854775807}}");
    paper_settle(&p, "machine");
    data = json_get(paper_get(&p, "ConfigMap", "exporter-vm-manifest-e"), "data");
    for (const struct json *v = json_first(data); v; v = json_next(v))
        found |= strstr(json_string(v), "\"seed\":9223372036854775807") != NULL;
    assert_true(found);
}

/* A machine that the manifests cannot be made of is not exported without them. */
static void manifests_that_cannot_be(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(
        &p, "{}",
        EXPORT_VM "," VM(ON_CLAIM(
            "a", "disk")) ",{'kind':'PersistentVolumeClaim',"
                          "'metadata':{'name':'disk'},'spec':{},'status':{'phase':'Bound'}}");
    paper_settle(&p, "no size");
    assert_row("no size", "the status", paper_status(&p), PENDING("ManifestsFailed"));
    assert_says("no size", paper_message(&p), "claim 'disk' has no size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_that_was_changed),
        cmocka_unit_test(an_ingress_for_each_export),
        cmocka_unit_test(an_ingress_of_the_default_class),
        cmocka_unit_test(annotations_of_an_ingress_that_change),
        cmocka_unit_test(manifests_that_change),
        cmocka_unit_test(numbers_beyond_doubles_are_exported_as_they_are),
        cmocka_unit_test(manifests_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
