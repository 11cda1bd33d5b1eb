/* SPDX-License-Identifier: Apache-2.0 */
#include "export_path.h"
#include "support.h"

#define GROUP "export.kubevirt.io"
#define ROOT "/api/" GROUP "/v1/namespaces/"
#define LABEL63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME253 \
    LABEL63 "." LABEL63 "." LABEL63 "." \
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void paths_are_taken_apart(void **state)
{
    static const struct {
        const char *uri, *version, *ns, *name, *rest; /* NULL: it is no such path */
    } rows[] = {
        {ROOT "n/virtualmachineexports/e/", "v1", "n", "e", "/"},
        {ROOT "n/virtualmachineexports/e/volumes/v/disk.img", "v1", "n", "e",
         "/volumes/v/disk.img"},
        {ROOT "n/virtualmachineexports/e.f-g/x?a=b/c", "v1", "n", "e.f-g", "/x?a=b/c"},
        {ROOT "n-1/virtualmachineexports/0/%c3%A9", "v1", "n-1", "0", "/%c3%A9"},
        {"/api/" GROUP "/v1beta1/namespaces/n/virtualmachineexports/e/", "v1beta1", "n", "e", "/"},
        {"/api/" GROUP "/v1alpha1/namespaces/n/virtualmachineexports/e/", "v1alpha1", "n", "e",
         "/"},
        {ROOT LABEL63 "/virtualmachineexports/" NAME253 "/", "v1", LABEL63, NAME253, "/"},
        {ROOT LABEL63 "a/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/" NAME253 "a/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/" LABEL63 "a/", "v1", "n", LABEL63 "a", "/"},
        {ROOT "n/virtualmachineexports/e", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e?/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports//", NULL, NULL, NULL, NULL},
        {ROOT "/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {ROOT "n.m/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {ROOT "N/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/-e/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e-/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/.e/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e./", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e..f/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e@h/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/%65/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/../x/", NULL, NULL, NULL, NULL},
        {ROOT "n//virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e/a b", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e/a#b", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e/a\r\nb", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachineexports/e/\xc3\xa9", NULL, NULL, NULL, NULL},
        {ROOT "n/virtualmachinesexports/e/", NULL, NULL, NULL, NULL},
        {"/api/" GROUP "/v2/namespaces/n/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {"/api/" GROUP "//namespaces/n/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {"/api/" GROUP "x/v1/namespaces/n/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {"/api/export.vmexport.io/v1/namespaces/n/virtualmachineexports/e/", NULL, NULL, NULL,
         NULL},
        {"api/" GROUP "/v1/namespaces/n/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {"https://x" ROOT "n/virtualmachineexports/e/", NULL, NULL, NULL, NULL},
        {"/", NULL, NULL, NULL, NULL},
        {"", NULL, NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct export_path path;
        struct err err;
        int rc = export_path_parse(rows[i].uri, GROUP, &path, &err);

        if (!rows[i].ns && (rc == 0 || err.class != ERR_INPUT))
            fail_msg("%s was taken", rows[i].uri);
        if (!rows[i].ns)
            continue;
        if (rc < 0)
            fail_msg("%s: %s", rows[i].uri, err.msg);
        assert_string_equal(path.version, rows[i].version);
        assert_string_equal(path.ns, rows[i].ns);
        assert_string_equal(path.name, rows[i].name);
        assert_string_equal(path.rest, rows[i].rest);
    }
}

static void the_message_has_nothing_of_the_request(void **state)
{
    struct export_path path;
    struct err err;

    (void)state;
    assert_int_equal(
        export_path_parse("/api/wrong?x-kubevirt-export-token=secret", GROUP, &path, &err), -1);
    assert_null(strstr(err.msg, "secret"));
    assert_non_null(strstr(err.msg, "/api/" GROUP "/v1/namespaces/"));
}

static void the_pod_gets_version_v1(void **state)
{
    cleanup_str struct str out = STR_INIT;
    struct export_path path;
    struct err err;

    (void)state;
    assert_int_equal(export_path_parse("/api/" GROUP
                                       "/v1beta1/namespaces/n/virtualmachineexports/e/a%20b?c=%26",
                                       GROUP, &path, &err),
                     0);
    export_path_inside(&path, &out);
    assert_string_equal(str_get(&out), ROOT "n/virtualmachineexports/e/a%20b?c=%26");
}

static void locations_lead_outside(void **state)
{
#define OUTSIDE "/api/" GROUP "/v1beta1/namespaces/n/virtualmachineexports/e"
#define INSIDE ROOT "n/virtualmachineexports/e"
    static const char *const hosts[] = {"s.n.svc.cluster.local", "", "example.com:8443", NULL};
    static const struct {
        const char *location, *want;
    } rows[] = {
        {"dir/", "dir/"},
        {"../x?y", "../x?y"},
        {"", ""},
        {"?a", "?a"},
        {"/", OUTSIDE "/"},
        {"/volumes/v/dir/?a=/b", OUTSIDE "/volumes/v/dir/?a=/b"},
        {INSIDE "/volumes/", OUTSIDE "/volumes/"},
        {INSIDE, OUTSIDE "/"},
        {INSIDE "?a", OUTSIDE "/?a"},
        {INSIDE "f/x", OUTSIDE INSIDE "f/x"},
        {"//evil.test/x", "//evil.test/x"},
        {"https://evil.test/x", "https://evil.test/x"},
        {"https://s.n.svc.cluster.local/x", OUTSIDE "/x"},
        {"HTTPS://S.N.svc.cluster.local:443/x", OUTSIDE "/x"},
        {"https://s.n.svc.cluster.local", OUTSIDE "/"},
        {"https://s.n.svc.cluster.local.evil.test/x", "https://s.n.svc.cluster.local.evil.test/x"},
        {"https://s.n.svc.cluster.local@evil.test/x", "https://s.n.svc.cluster.local@evil.test/x"},
        {"https://s.n.svc.cluster.local:4430/x", "https://s.n.svc.cluster.local:4430/x"},
        {"http://example.com:8443" INSIDE "/x", OUTSIDE "/x"},
        {"https://example.com/x", "https://example.com/x"},
        {"ftp://example.com:8443/x", "ftp://example.com:8443/x"},
    };
    struct export_path path;
    struct err err;

    (void)state;
    assert_int_equal(export_path_parse(OUTSIDE "/", GROUP, &path, &err), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str out = STR_INIT;

        export_path_location(&path, rows[i].location, hosts, &out);
        if (strcmp(str_get(&out), rows[i].want) != 0)
            fail_msg("%s: %s, not %s", rows[i].location, str_get(&out), rows[i].want);
    }
}

static void domains(void **state)
{
    static const char *const good[] = {"cluster.local", "a", "a-b.c0", "0"};
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "A", "a b", "-a", "a-", "a_b"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!export_path_is_domain(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (export_path_is_domain(bad[i]))
            fail_msg("'%s'", bad[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_taken_apart),
        cmocka_unit_test(the_message_has_nothing_of_the_request),
        cmocka_unit_test(the_pod_gets_version_v1),
        cmocka_unit_test(locations_lead_outside),
        cmocka_unit_test(domains),
    };

    return cmocka_run_group_tests_name("export_path", tests, NULL, NULL);
}
