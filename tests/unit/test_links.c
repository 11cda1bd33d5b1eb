/* SPDX-License-Identifier: Apache-2.0 */
#include "../../controller/links.h"
#include "controller_world.h"

#define FORMATS(base, disk) \
    "[{'format':'raw','url':'" base "/" disk "/disk.img'},{'format':'gzip','url':'" base "/" disk \
    "/disk.img.gz'}]"
#define ARCHIVES(base, disk) \
    "[{'format':'dir','url':'" base "/" disk "/dir'},{'format':'tar.gz','url':'" base "/" disk \
    "/disk.tar.gz'}]"
#define INSIDE "https://virt-export-e.ns.svc"
#define OUTSIDE \
    "https://out.example.com/api/export.kubevirt.io/v1/namespaces/ns/virtualmachineexports/e"

static void assert_links(const char *objects, const char *around, const char *want)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *tree = json_format(want);
    const struct json *links;

    paper_start(&p, "{}", objects);
    paper_surround(&p, around);
    paper_settle(&p, "links");
    links = json_get(p.plan.status, "links");
    if (json_equal(links, tree))
        return;
    json_print(links, 1, &p.text);
    fail_msg("the links are %s", str_get(&p.text));
}

static void a_claim(void **state)
{
    (void)state;
    assert_links(EXPORT_PVC "," PVC("disk"), "{" SIGNED "}",
                 "{'internal':{'cert':'CA','manifests':[{'type':'auth-header-secret','url':'" INSIDE
                 "/internal/manifests/secret'}],'volumes':[{'name':'disk','formats':" FORMATS(
                     INSIDE "/volumes", "disk") "}]}}");
}

static void files(void **state)
{
    (void)state;
    assert_links(EXPORT_PVC ",{'kind':'PersistentVolumeClaim','metadata':{'name':'disk'}}",
                 "{" SIGNED "}",
                 "{'internal':{'cert':'CA','manifests':[{'type':'auth-header-secret','url':'" INSIDE
                 "/internal/manifests/secret'}],'volumes':[{'name':'disk','formats':" ARCHIVES(
                     INSIDE "/volumes", "disk") "}]}}");
}

static void a_machine_from_outside(void **state)
{
    (void)state;
    assert_links(EXPORT_VM "," PVC("disk") "," VM(ON_CLAIM("a", "disk")),
                 "{" SIGNED ",'host':'out.example.com','cert':'PEM'}",
                 "{'internal':{'cert':'CA','manifests':[{'type':'all','url':'" INSIDE
                 "/internal/manifests/all'},{'type':'auth-header-secret','url':'" INSIDE
                 "/internal/manifests/secret'}],'volumes':[{'name':'disk','formats':" FORMATS(
                     INSIDE "/volumes",
                     "disk") "}]},"
                             "'external':{'cert':'PEM','manifests':[{'type':'all','url':"
                             "'" OUTSIDE "/external/manifests/all'},{'type':'auth-header-secret',"
                             "'url':'" OUTSIDE
                             "/external/manifests/secret'}],'volumes':[{'name':'disk',"
                             "'formats':" FORMATS(OUTSIDE "/volumes", "disk") "}]}}");
}

/* A certificate that the system trusts is none to be told of. */
static void outside_without_certificates(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_surround(&p, "{" SIGNED ",'host':'h:8443'}");
    paper_settle(&p, "outside");
    assert_string_equal(json_text(p.plan.status, "links.external.cert"), "");
    assert_string_equal(links_external_base(&p.world),
                        "https://h:8443/api/export.kubevirt.io/v1/namespaces/ns/"
                        "virtualmachineexports/e");
}

/* A way in that comes, changes or goes while the export runs. */
static void the_way_in_changes(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{'api-group':'export.vmexport.io'}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "inside");
    assert_null(links_external_base(&p.world));
    assert_null(json_at(p.plan.status, "links.external"));
    paper_surround(&p, "{'ca':'CA2','signers':'s2 s1 ','signer':'s2','host':'h','cert':'c'}");
    assert_plan(&p, "both", "", "Ready: Ready=True PodReady, PVCReady=True PVCBound");
    assert_string_equal(json_text(p.plan.status, "links.internal.cert"), "CA2");
    assert_says("group",
                json_text(json_first(json_at(p.plan.status, "links.external.manifests")), "url"),
                "https://h/api/export.vmexport.io/v1/namespaces/ns/virtualmachineexports/e/");
    paper_settle(&p, "both");
    paper_surround(&p, "{" SIGNED "}");
    paper_settle(&p, "inside");
    assert_null(json_at(p.plan.status, "links.external"));
}

/* No links but to what can be downloaded now. */
static void none_before_it_is_ready(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_look(&p);
    assert_int_equal(json_count(json_get(p.plan.status, "links")), 0);
    paper_settle(&p, "ready");
    assert_int_equal(json_count(json_get(p.plan.status, "links")), 1);
    paper_add(&p, "{'kind':'Pod','metadata':{'name':'virt-export-e'},'status':{"
                  "'containerStatuses':[{'ready':false}]}}");
    paper_look(&p);
    assert_int_equal(json_count(json_get(p.plan.status, "links")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim),
        cmocka_unit_test(files),
        cmocka_unit_test(a_machine_from_outside),
        cmocka_unit_test(outside_without_certificates),
        cmocka_unit_test(the_way_in_changes),
        cmocka_unit_test(none_before_it_is_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
