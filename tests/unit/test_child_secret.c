/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and certificates. */
#include "controller_world.h"

#define NEW_POD \
    "create Service virt-export-e; token export-token-e; certificate virt-export-tls-e; " \
    "create Pod virt-export-e"
#define BOUND ", PVCReady=True PVCBound"
#define PENDING(reason) "Pending: Ready=False " reason

/* ---- tokens ---- */

static void tokens(void **state)
{
#define NAMED TO_EXPORT("'spec':{'tokenSecretRef':'mine'}")
    static const struct {
        const char *name, *objects, *steps, *reason, *says;
    } rows[] = {
        {"made here", NULL, NEW_POD, "PodPending", "starting"},
        {"named", NAMED "," SECRET("mine", "{'token':'YWJj'}"),
         "create Service virt-export-e; certificate virt-export-tls-e; create Pod virt-export-e",
         "PodPending", "starting"},
        {"named and missing", NAMED, "create Service virt-export-e; certificate virt-export-tls-e",
         "TokenSecretNotFound", "Secret ns/mine with the token does not exist: make it"},
        {"without the key", NAMED "," SECRET("mine", "{'tokem':'YWJj'}"),
         "create Service virt-export-e; certificate virt-export-tls-e", "TokenSecretInvalid",
         "Secret ns/mine has no key 'token'"},
        {"without data", NAMED ",{'kind':'Secret','metadata':{'name':'mine'}}",
         "create Service virt-export-e; certificate virt-export-tls-e", "TokenSecretInvalid",
         "Secret ns/mine has no key 'token'"},
        {"empty", NAMED "," SECRET("mine", "{'token':''}"),
         "create Service virt-export-e; certificate virt-export-tls-e", "TokenSecretInvalid",
         "the token in Secret ns/mine is empty"},
        {"with a newline in it", NAMED "," SECRET("mine", "{'token':'YQpi'}"),
         "create Service virt-export-e; certificate virt-export-tls-e", "TokenSecretInvalid",
         "the token in Secret ns/mine has a control character in it, which no client can send: put "
         "one of letters and digits there"},
        {"made here, and emptied since",
         "{'kind':'Secret','metadata':{'name':'export-token-e','labels':{"
         "'app.kubernetes.io/managed-by':'vmexport-controller'},'ownerReferences':[{"
         "'uid':'uid-1','controller':true}]},'data':{'token':''}}",
         "create Service virt-export-e; certificate virt-export-tls-e", "TokenSecretInvalid",
         "the token in Secret ns/export-token-e is empty"},
        {"made here, and its label lost",
         "{'kind':'Secret','metadata':{'name':'export-token-e','ownerReferences':[{"
         "'uid':'uid-1','controller':true}]},'data':{'token':'YWJj'}}",
         "create Service virt-export-e; certificate virt-export-tls-e; create Pod virt-export-e",
         "PodPending", "starting"},
        {"somebody else's by that name", SECRET("export-token-e", "{'token':'YWJj'}"),
         "create Service virt-export-e; certificate virt-export-tls-e", "NameTaken",
         "Secret ns/export-token-e, which this export needs, is not its own"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
        paper_add(&p, rows[i].objects);
        assert_plan(&p, rows[i].name, rows[i].steps, NULL);
        assert_says(rows[i].name, paper_status(&p), rows[i].reason);
        assert_says(rows[i].name, paper_message(&p), rows[i].says);
        paper_settle(&p, rows[i].name);
    }
}

/* Nothing is decided before a token was looked into, each time that its Secret has changed. */
static void tokens_are_asked_for(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}",
                EXPORT_PVC "," PVC("disk") "," NAMED "," SECRET("mine", "{'token':'YWJj'}"));
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_TOKEN);
    assert_string_equal(p.plan.need_name, "mine");
    assert_null(p.plan.status);
    assert_null(paper_step(&p, STEP_CREATE, KIND_POD));
    assert_null(plan_failed(&p.world, &p.plan, "R", "m"));
    paper_settle(&p, "token");
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_NOTHING);
    paper_add(&p, SECRET("mine", "{'token':''}"));
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_TOKEN);
    assert_plan(&p, "emptied", "delete Pod virt-export-e", PENDING("TokenSecretInvalid") BOUND);
    paper_settle(&p, "emptied");
    paper_remove(&p, "Secret", "mine");
    assert_plan(&p, "gone", "", PENDING("TokenSecretNotFound") BOUND);
    paper_add(&p, SECRET("mine", "{'token':'YWJj'}"));
    assert_plan(&p, "back", "create Pod virt-export-e", PENDING("PodPending") BOUND);
}

/* ---- certificates ---- */

static void certificates(void **state)
{
#define TLS(annotations) \
    "{'kind':'Secret','metadata':{'name':'virt-export-tls-e','annotations':{" annotations "}}}"
    static const struct {
        const char *name, *change, *around;
        long later;
        const char *steps;
    } rows[] = {
        {"good", NULL, NULL, 0, ""},
        {"good for a while", NULL, NULL, 3599, ""},
        {"due", NULL, NULL, 3600, "certificate virt-export-tls-e"},
        {"by whom is not said", TLS("'" TLS_SIGNER "':null"), NULL, 0,
         "certificate virt-export-tls-e"},
        {"by another CA", TLS("'" TLS_SIGNER "':'s0'"), NULL, 0, "certificate virt-export-tls-e"},
        {"by an earlier CA", NULL, "{'ca':'x','signers':'s2 s1 ','signer':'s2'}", 0, ""},
        {"by one that is gone", NULL, "{'ca':'x','signers':'s2 ','signer':'s2'}", 0,
         "certificate virt-export-tls-e"},
        {"of other names", TLS("'" TLS_NAMES "':'virt-export-e.ns.svc.other'"), NULL, 0,
         "certificate virt-export-tls-e"},
        {"of no names", TLS("'" TLS_NAMES "':null"), NULL, 0, "certificate virt-export-tls-e"},
        {"due is not said", TLS("'" TLS_RENEW_AT "':null"), NULL, 0,
         "certificate virt-export-tls-e"},
        {"due some day", TLS("'" TLS_RENEW_AT "':'x'"), NULL, 0, "certificate virt-export-tls-e"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
        paper_settle(&p, rows[i].name);
        assert_int_equal(p.plan.look_again, NOW + 3600);
        paper_add(&p, rows[i].change);
        if (rows[i].around)
            paper_surround(&p, rows[i].around);
        p.now += rows[i].later;
        assert_plan(&p, rows[i].name, rows[i].steps, "Ready: Ready=True PodReady" BOUND);
        if (!p.plan.count)
            continue;
        assert_true(p.plan.steps[0].exists);
        paper_settle(&p, rows[i].name);
        assert_string_equal(json_text(p.plan.status, "phase"), "Ready");
        assert_non_null(paper_get(&p, "Pod", "virt-export-e"));
    }
}

/* What the annotations do not tell is looked at when somebody else has written to the Secret. */
static void certificates_that_somebody_changes(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_settle(&p, "made");
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_NOTHING);
    paper_add(&p, SECRET("virt-export-tls-e", "{'tls.crt':'anVuaw=='}"));
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_CERTIFICATE);
    assert_string_equal(p.plan.need_name, "virt-export-tls-e");
    assert_null(p.plan.status);
    assert_plan(&p, "another certificate", "certificate virt-export-tls-e",
                "Ready: Ready=True PodReady" BOUND);
    paper_settle(&p, "mended");
    assert_string_equal(
        json_string(
            json_get(json_get(paper_get(&p, "Secret", "virt-export-tls-e"), "data"), "tls.crt")),
        "eA==");
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_NOTHING);
    paper_add(&p, TLS("'theirs':'x'"));
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_CERTIFICATE);
    assert_plan(&p, "only an annotation", "", "Ready: Ready=True PodReady" BOUND);
    paper_look_once(&p);
    assert_int_equal(p.plan.need, NEED_NOTHING); /* asked for once */
    cache_forget(&p.cache, "ns/e");              /* another controller, which knows nothing of it */
    assert_plan(&p, "another controller", "", "Ready: Ready=True PodReady" BOUND);
    assert_null(paper_memo(&p)->tls_version);
}

static void no_authority_yet(void **state)
{
    cleanup_paper struct paper p;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    paper_surround(&p, "{}");
    assert_plan(&p, "no CA", "create Service virt-export-e; token export-token-e",
                PENDING("NoCertificateAuthority") BOUND);
    paper_settle(&p, "no CA");
    paper_surround(&p, "{" SIGNED "}");
    assert_plan(&p, "a CA", "certificate virt-export-tls-e; create Pod virt-export-e",
                PENDING("PodPending") BOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),           cmocka_unit_test(tokens_are_asked_for),
        cmocka_unit_test(certificates),     cmocka_unit_test(certificates_that_somebody_changes),
        cmocka_unit_test(no_authority_yet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
