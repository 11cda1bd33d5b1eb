/* SPDX-License-Identifier: Apache-2.0 */
#include "../../controller/settings.h"
#include "support.h"

static struct settings settings;
static struct err err;

static int tear_down(void **state)
{
    settings_free(&settings);
    return scratch_tear_down(state);
}

static int load(const char *a, const char *b, const char *c)
{
    char *words[] = {strdup("controller"), a ? strdup(a) : NULL, b ? strdup(b) : NULL,
                     c ? strdup(c) : NULL, NULL};
    int rc = settings_load(1 + !!a + !!b + !!c, words, &settings, &err);

    for (size_t i = 0; i < 4; i++)
        free(words[i]);
    return rc;
}

static void loads(const char *a, const char *b, const char *c)
{
    settings_free(&settings);
    if (load(a, b, c) != 0)
        fail_msg("%s", err.msg);
}

/* ---- values ---- */

static void defaults(void **state)
{
    (void)state;
    loads(NULL, NULL, NULL);
    assert_null(settings.kubeconfig);
    assert_null(settings.context);
    assert_string_equal(settings.api_group, "export.kubevirt.io");
    assert_ptr_equal(settings.names, names_of_group("export.kubevirt.io"));
    assert_string_equal(settings.namespace_, "vmexport");
    assert_string_equal(settings.cluster_domain, "cluster.local");
    assert_string_equal(settings.image_pull_policy, "IfNotPresent");
    assert_int_equal(json_count(settings.image_pull_secrets), 0);
    assert_string_equal(json_text(settings.resources, "limits.cpu"), "1");
    assert_string_equal(json_text(settings.resources, "requests.memory"), "64Mi");
    assert_int_equal(json_kind(settings.tolerations), JSON_ARRAY);
    assert_int_equal(json_kind(settings.affinity), JSON_OBJECT);
    assert_null(settings.priority_class);
    assert_int_equal(settings.run_as_user, 107);
    assert_int_equal(settings.run_as_group, 107);
    assert_int_equal(settings.fs_group, -1);
    assert_int_equal(settings.external, EXTERNAL_PROXY);
    assert_string_equal(settings.proxy_service, "vmexport-proxy");
    assert_int_equal(settings.default_ttl, 7200);
    assert_int_equal(settings.certificate_duration, 7 * 86400);
    assert_int_equal(settings.ca_duration, 90 * 86400);
    assert_int_equal(settings.ca_publish, 3600);
    assert_int_equal(settings.workers, 16);
    assert_int_equal(settings.lease_duration, 15);
    assert_int_equal(settings.lease_renew, 10);
    assert_int_equal(settings.lease_retry, 2);
    assert_string_equal(settings.log_format, "json");
}

static void flags(void **state)
{
    (void)state;
    loads("--api-group=export.vmexport.io", "--workers=3", "--default-ttl=90s");
    assert_ptr_equal(settings.names, names_of_group("export.vmexport.io"));
    assert_int_equal(settings.workers, 3);
    assert_int_equal(settings.default_ttl, 90);
    loads("--external-trust=proxy", NULL, NULL);
    assert_int_equal(settings.trust, TRUST_PROXY);
    assert_string_equal(settings.proxy_certificate, "vmexport-proxy-tls");
    loads("--image", "registry.example/i:1", "--external=none");
    assert_string_equal(settings.image, "registry.example/i:1");
    assert_int_equal(settings.external, EXTERNAL_NONE);
    loads("--external=direct", "--external-host=h", "--run-as=1:2");
    assert_int_equal(settings.external, EXTERNAL_DIRECT);
    assert_int_equal(settings.run_as_user, 1);
    assert_int_equal(settings.run_as_group, 2);
    loads("--tolerations=[{key: a, operator: Exists}]", "--node-selector={disk: ssd}",
          "--image-pull-secrets=[a, b]");
    assert_string_equal(json_text(json_first(settings.tolerations), "operator"), "Exists");
    assert_string_equal(json_text(settings.node_selector, "disk"), "ssd");
    assert_int_equal(json_count(settings.image_pull_secrets), 2);
    loads("--workers=3", "--workers=4", "--fs-group=36");
    assert_int_equal(settings.workers, 4); /* the last one */
    assert_int_equal(settings.fs_group, 36);
    loads("--kubeconfig=/k=1", "--context=", "--log-format=text");
    assert_string_equal(settings.kubeconfig, "/k=1");
    assert_string_equal(settings.context, "");
}

/* What may look wrong at first. */
static void odd_values(void **state)
{
    (void)state;
    loads("--external-host=[2001:db8::1]:8443", "--pod-labels={example.com/a_B.c: '', b: '1'}",
          "--resources={limits: {cpu: 2, memory: 1.5Gi}, requests: {}}");
    loads("--external-host=Exports.Example.com:443", "--namespace=1", "--cluster-domain=a.b-c.1");
    loads("--external-host=192.0.2.1", "--health-address=[::1]:0", "--image-pull-policy=Never");
    loads("--external-host=", "--ingress-class=", "--ingress-tls-secret=");
    assert_null(settings.external_host);
    assert_null(settings.ingress_class);
    assert_null(settings.ingress_tls_secret);
    loads("--priority-class=", "--identity=", "--run-as=2147483647:1");
    assert_null(settings.priority_class);
    assert_null(settings.identity);
    assert_int_equal(settings.run_as_user, 2147483647);
}

static void the_file(void **state)
{
    char flag[600];

    (void)state;
    scratch_puts("config.yaml", "workers: 5\n"
                                "default-ttl: 1h30m\n"
                                "run-as: \"36:37\"\n"
                                "pod-labels:\n  a: b\n");
    snprintf(flag, sizeof(flag), "--config=%s", scratch_path("config.yaml"));
    loads(flag, "--workers=6", NULL);
    assert_int_equal(settings.workers, 6); /* a flag beats the file */
    assert_int_equal(settings.default_ttl, 5400);
    assert_int_equal(settings.run_as_group, 37);
    assert_string_equal(json_text(settings.pod_labels, "a"), "b");
    loads("--workers=7", "--config", scratch_path("config.yaml"));
    assert_int_equal(settings.workers, 7);
}

/* ---- what is refused ---- */

static void wrong_flags(void **state)
{
    static const struct {
        const char *a, *b, *says;
    } rows[] = {
        {"--nope=1", NULL, "no flag is named --nope: see --help"},
        {"--worker=1", NULL, "no flag is named --worker"},
        {"--", NULL, "no flag is named --: see"},
        {"workers", "3", "'workers' is no flag"},
        {"-workers", "3", "'-workers' is no flag"},
        {"--workers", NULL, "--workers: a value is missing"},
        {"--config", NULL, "--config: a value is missing"},
        {"--config=/nowhere/at/all", NULL, "/nowhere/at/all"},
        {"--workers=many", NULL, "workers: must be a whole number"},
        {"--workers=1.5", NULL, "workers: must be a whole number"},
        {"--workers=0", NULL, "workers: must be from 1 to 256"},
        {"--workers=257", NULL, "workers: must be from 1 to 256"},
        {"--workers=-2", NULL, "workers: must be a whole number"},
        {"--workers=[", NULL, "--workers: "},
        {"--fs-group=99999999", NULL, "fs-group: must be a whole number"},
        {"--default-ttl=7200", NULL, "default-ttl: must be a duration of a second or more"},
        {"--default-ttl=0s", NULL, "default-ttl: must be"},
        {"--ca-duration=-1h", NULL, "ca-duration: must be"},
        {"--run-as=107", NULL, "run-as: must be uid:gid, both above 0"},
        {"--run-as=0:0", NULL, "run-as: must be"},
        {"--run-as=1:2:3", NULL, "run-as: must be"},
        {"--external=maybe", NULL, "external: must be proxy, direct or none"},
        {"--external=direct", NULL, "external: 'direct' needs external-host"},
        {"--external-trust=maybe", NULL, "external-trust: must be system or proxy"},
        {"--api-group=example.com", NULL, "not 'example.com'"},
        {"--log-format=xml", NULL, "log-format: must be json or text"},
        {"--tolerations={a: b}", NULL, "tolerations: must be a list"},
        {"--resources=[1]", NULL, "resources: must be a map"},
        {"--resources={a: ", NULL, "--resources: "},
        {"--namespace=A_b", NULL,
         "--namespace: must be a name of up to 63 small letters, digits and '-', a letter or digit "
         "at both ends, not 'A_b'"},
        {"--namespace=a.b", NULL, "--namespace: must be"},
        {"--namespace=", NULL, "--namespace: must be"},
        {"--namespace=-a", NULL, "--namespace: must be"},
        {"--cluster-domain=a..b", NULL, "--cluster-domain: must be a name of small letters"},
        {"--image=a b", NULL, "--image: must be the name of an image, without blanks, not 'a b'"},
        {"--image=", NULL, "--image: must be"},
        {"--image-pull-policy=always", NULL,
         "--image-pull-policy: must be Always, IfNotPresent or Never, not 'always'"},
        {"--image-pull-secrets=[{name: a}]", NULL, "--image-pull-secrets: must be a list of the"},
        {"--resources={cpu: 1}", NULL, "--resources: must be a map of 'requests' and 'limits'"},
        {"--resources={limits: {cpu: much}}", NULL, "not '{\"limits\":{\"cpu\":\"much\"}}'"},
        {"--resources={limits: 1}", NULL, "--resources: must be"},
        {"--node-selector={ssd: true}", NULL, "--node-selector: must be a map of labels"},
        {"--tolerations=[a]", NULL, "--tolerations: must be a list of maps"},
        {"--pod-labels={a: 1}", NULL, "--pod-labels: must be a map of labels"},
        {"--pod-labels={a/b/c: x}", NULL, "--pod-labels: must be"},
        {"--pod-labels={A.b/c: x}", NULL, "--pod-labels: must be"},
        {"--pod-labels={a: 'x y'}", NULL, "--pod-labels: must be"},
        {"--pod-labels={a: x-}", NULL, "--pod-labels: must be"},
        {"--pod-labels={'': x}", NULL, "--pod-labels: must be"},
        {"--pod-annotations={a: true}", NULL, "--pod-annotations: must be a map of annotations"},
        {"--priority-class=High", NULL, "--priority-class: must be"},
        {"--run-as=+1:2", NULL, "--run-as: must be uid:gid, both above 0, not '+1:2'"},
        {"--run-as=1:2147483648", NULL, "--run-as: must be"},
        {"--fs-group=0", NULL, "--fs-group: must be a group above 0, or -1 for none, not '0'"},
        {"--external-host=https://h", NULL,
         "--external-host: must be a host with or without a port, such as 'exports.example.com:"},
        {"--external-host=h:0", NULL, "--external-host: must be"},
        {"--external-host=h:65536", NULL, "--external-host: must be"},
        {"--external-host=*.h", NULL, "--external-host: must be"},
        {"--external-host=[h]", NULL, "--external-host: must be"},
        {"--external-host=h/path", NULL, "--external-host: must be"},
        {"--external=direct", "--external-host=h:443",
         "--external-host: must be a name in small letters, without a port"},
        {"--external=direct", "--external-host=192.0.2.1", "as it is the host of Ingresses"},
        {"--proxy-service=1a", NULL, "--proxy-service: must be"},
        {"--proxy-service=a.b", NULL, "--proxy-service: must be"},
        {"--proxy-certificate=a_b", NULL, "--proxy-certificate: must be"},
        {"--external-trust=me", NULL, "--external-trust: must be system or proxy, not 'me'"},
        {"--ingress-class=a_b", NULL, "--ingress-class: must be"},
        {"--ingress-tls-secret=a/b", NULL, "--ingress-tls-secret: must be"},
        {"--ingress-annotations={'a b': c}", NULL, "--ingress-annotations: must be"},
        {"--default-ttl=soon", NULL, "such as 2h or 90s, not 'soon'"},
        {"--certificate-duration=60s", NULL,
         "certificate-duration, ca-duration and ca-publish: certificates must be valid for"},
        {"--ca-duration=200h", NULL, "ca-publish: the CA must be valid for at least twice"},
        {"--lease-duration=10s", NULL, "--lease-duration: must be longer than lease-renew"},
        {"--lease-duration=25h", NULL, "--lease-duration: must be 24h or less"},
        {"--lease-retry=9s", NULL, "lease-renew: must be more than 1.2 times lease-retry"},
        {"--health-address=nonsense", NULL,
         "--health-address: must be an address to listen on, such as ':8080'"},
        {"--health-address=:65536", NULL, "--health-address: must be"},
        {"--identity=a b", NULL, "--identity: must be a text of up to 128 characters"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        settings_free(&settings);
        err.class = ERR_NONE;
        assert_int_equal(load(rows[i].a, rows[i].b, NULL), -1);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("%s: '%s' is not in: %s", rows[i].a, rows[i].says, err.msg);
    }
}

static void wrong_files(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"worker: 3\n", "no setting is named 'worker'"},
        {"- a\n", "no map of settings"},
        {"a: [\n", "config.yaml"},
        {"workers: three\n", "workers: must be a whole number"},
        {"image: 3\n", "image: must be a text"},
        {"default-ttl: 7200\n", "default-ttl: must be a duration"},
        {"run-as: 107\n", "run-as: must be uid:gid"},
        {"external: 1\n", "external: must be"},
        {"config: other.yaml\n", "no setting is named 'config'"},
        {"image: a\n# workers: 1\npod-labels:\n  workers: b\n\nworkers: 0\n",
         "config.yaml', line 6: workers: must be from 1 to 256, not '0'"},
        {"'workers': 0\n", "config.yaml', line 1: workers: must be from 1"},
        {"{workers: 0}\n", "config.yaml', workers: must be from 1"},
        {"image: a\nworker: 3\n", "config.yaml', line 2: worker: no setting is named 'worker'"},
    };
    char flag[600];

    (void)state;
    snprintf(flag, sizeof(flag), "--config=%s", scratch_path("config.yaml"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        scratch_puts("config.yaml", rows[i].text);
        settings_free(&settings);
        assert_int_equal(load(flag, NULL, NULL), -1);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("%s: '%s' is not in: %s", rows[i].text, rows[i].says, err.msg);
    }
}

/* ---- --help and --version ---- */

static char *printed(const char *flag)
{
    static char text[16384];
    int saved = dup(1), file;
    ssize_t len;

    scratch_puts("out", "");
    file = open(scratch_path("out"), O_RDWR | O_CLOEXEC);
    assert_true(saved >= 0 && file >= 0);
    fflush(stdout);
    assert_true(dup2(file, 1) == 1);
    settings_free(&settings);
    assert_int_equal(load(flag, NULL, NULL), 1);
    fflush(stdout);
    assert_true(dup2(saved, 1) == 1);
    close(saved);
    len = pread(file, text, sizeof(text) - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    close(file);
    return text;
}

static void what_is_printed(void **state)
{
    const char *text;

    (void)state;
    text = printed("--help");
    assert_non_null(strstr(text, "--config FILE"));
    assert_non_null(strstr(text, "--default-ttl            of an export that names none (2h)\n"));
    assert_non_null(strstr(text, "--kubeconfig"));
    assert_null(strstr(text, "(null)"));
    assert_non_null(strstr(printed("--version"), "vmexport-controller "));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(defaults),    TEST(flags),           TEST(the_file),   TEST(wrong_flags),
        TEST(wrong_files), TEST(what_is_printed), TEST(odd_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
