/* SPDX-License-Identifier: Apache-2.0 */
/* Why the controller is not ready: what the watches say of it. */
#include "../../controller/watches.h"
#include "controller_world.h"
#undef POD
#include "kube_fixture.h"

static void on_changed(void *ctx)
{
    (void)ctx;
}

static void on_surroundings(void *ctx)
{
    (void)ctx;
}

static void nothing(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
}

static void assert_behind(const struct canned *answer, const char *const *says)
{
    cleanup_paper struct paper p;
    struct routes routes;
    struct fixture f;
    struct watches *watches;
    cleanup_str struct str why = STR_INIT;
    struct kube_resource exports = kind_table[KIND_EXPORT].resource;

    exports.group = "export.kubevirt.io";
    paper_listen(&p, "{}", routes_change, &routes);
    routes = (struct routes){
        .cache = &p.cache, .surroundings = on_surroundings, .crd = nothing, .queue = NULL};
    start_with(&f, answer, 1, NULL);
    watches = watches_new(&(const struct watches_config){.client = f.client,
                                                         .cache = &p.cache,
                                                         .routes = &routes,
                                                         .exports = &exports,
                                                         .changed = on_changed});
    assert_int_equal(watches_behind(watches), KIND_EXPORT);
    watches_why_behind(watches, KIND_EXPORT, &why);
    assert_int_equal(why.len, 0);
    assert_int_equal(watches_start_exports(watches, &f.err), 0);
    for (int i = 0; i < 1000 && !why.len; i++) {
        usleep(10000);
        watches_why_behind(watches, KIND_EXPORT, &why);
    }
    for (; *says; says++)
        assert_says("why", str_get(&why), *says);
    assert_int_equal(watches_behind(watches), KIND_EXPORT);
    watches_stop(watches);
    stop(&f);
}

static void rights_that_are_missing(void **state)
{
    static const struct canned answer = {.status = "403 Forbidden", .body = STATUS("Forbidden")};
    static const char *const says[] = {"so it is (403 Forbidden)", NULL};

    (void)state;
    assert_behind(&answer, says);
}

static void a_crd_that_is_missing(void **state)
{
    static const struct canned answer = {.status = "404 Not Found", .body = STATUS("NotFound")};
    static const char *const says[] = {
        "(404 NotFound)", "; the CRD of virtualmachineexports.export.kubevirt.io is not installed",
        NULL};

    (void)state;
    assert_behind(&answer, says);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rights_that_are_missing),
        cmocka_unit_test(a_crd_that_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
