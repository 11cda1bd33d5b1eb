/* SPDX-License-Identifier: Apache-2.0 */
#include "../../controller/gate.h"
#include "base/cleanup.h"
#include "support.h"

#define GATES(gates) "'spec':{'configuration':{'developerConfiguration':{" gates "}}}"
#define VERSION(version) "'status':{'observedKubeVirtVersion':'" version "'}"
#define ON "'featureGates':['Snapshot','VMExport']"
#define OFF "'disabledFeatureGates':['VMExport']"

static void the_gate(void **state)
{
    static const struct {
        const char *name, *kubevirts;
        bool closed;
    } rows[] = {
        {"no KubeVirt", "[]", false},
        {"nothing said", "[{}]", false},
        {"before 1.9, without", "[{" VERSION("v1.8.2") "}]", true},
        {"before 1.9, with others",
         "[{" GATES("'featureGates':['Snapshot']") "," VERSION("v1.8.2") "}]", true},
        {"before 1.9, with", "[{" GATES(ON) "," VERSION("v1.8.2") "}]", false},
        {"0.59, without", "[{" VERSION("v0.59.0") "}]", true},
        {"0.59, with", "[{" GATES(ON) "," VERSION("v0.59.0") "}]", false},
        {"1.9", "[{" VERSION("v1.9.0") "}]", false},
        {"a beta of 1.9", "[{" VERSION("v1.9.0-beta.0") "}]", false},
        {"1.10", "[{" VERSION("v1.10.0") "}]", false},
        {"2.0", "[{" VERSION("v2.0.0") "}]", false},
        {"a build from the main branch", "[{" VERSION("devel") "}]", false},
        {"no version yet, with", "[{" GATES(ON) "}]", false},
        {"turned off", "[{" GATES(OFF) "," VERSION("v1.9.0") "}]", true},
        {"turned off, and on", "[{" GATES(ON "," OFF) "," VERSION("v1.8.0") "}]", true},
        {"gates that are none", "[{" GATES("'featureGates':[1,{}]") "," VERSION("v1.8.0") "}]",
         true},
        {"the second of two", "[{},{" VERSION("v1.8.0") "}]", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *kubevirts = json_format(rows[i].kubevirts);
        cleanup_free char *message = gate_closed(kubevirts);

        if (!!message != rows[i].closed)
            fail_msg("%s: %s", rows[i].name, message ? message : "open");
        if (message)
            assert_non_null(strstr(message, "add VMExport to spec.configuration"));
    }
    assert_null(gate_closed(NULL));
}

static void who_serves_the_group(void **state)
{
    static const struct {
        const char *name, *crd;
        bool taken;
    } rows[] = {
        {"ours", "{'metadata':{'labels':{'app.kubernetes.io/managed-by':'Helm'}}}", false},
        {"no labels", "{'metadata':{}}", false},
        {"KubeVirt's", "{'metadata':{'labels':{'kubevirt.io':''}}}", true},
        {"its operator's",
         "{'metadata':{'labels':{'app.kubernetes.io/managed-by':'virt-operator'}}}", true},
        {"its operator's by another name",
         "{'metadata':{'labels':{'app.kubernetes.io/managed-by':'kubevirt-operator'}}}", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *crd = json_format(rows[i].crd);
        cleanup_str struct str message = STR_INIT;

        if (gate_taken(crd, "export.kubevirt.io", &message) != rows[i].taken)
            fail_msg("%s: %s", rows[i].name, str_get(&message));
        assert_true((message.len > 0) == rows[i].taken);
        if (rows[i].taken)
            assert_non_null(strstr(str_get(&message), "the API group export.kubevirt.io is served "
                                                      "by KubeVirt"));
    }
    assert_false(gate_taken(NULL, "g", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gate),
        cmocka_unit_test(who_serves_the_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
