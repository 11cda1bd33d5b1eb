/* SPDX-License-Identifier: Apache-2.0 */
/* A command line's flags over a kubeconfig. */
#include "support.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "kube/config.h"

#define CERT(name) "-----BEGIN CERTIFICATE-----\n" name "\n-----END CERTIFICATE-----\n"
#define KEY(name) "-----BEGIN PRIVATE KEY-----\n" name "\n-----END PRIVATE KEY-----\n"

static struct err err;

/* One whose every part can be told apart. */
static struct kube_config *kubeconfig(void)
{
    static const char text[] =
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: k, user: u, namespace: ns}}]\n"
        "clusters:\n- name: k\n  cluster: {server: 'https://own:1', tls-server-name: own-name,"
        " certificate-authority: own-ca.pem, proxy-url: 'http://own-proxy:1'}\n"
        "users:\n- name: u\n  user: {token: own-token, client-certificate: own-cert.pem,"
        " client-key: own-key.pem, as: own-as, as-groups: [own-group],"
        " exec: {apiVersion: client.authentication.k8s.io/v1, command: plugin,"
        " interactiveMode: Never}}\n";
    struct kube_config *config = NULL;

    if (kube_config_parse(text, sizeof(text) - 1, scratch, NULL, &config, &err) < 0)
        fail_msg("%s", err.msg);
    return config;
}

static void write_files(void)
{
    scratch_puts("own-ca.pem", CERT("own-ca"));
    scratch_puts("own-cert.pem", CERT("own-cert"));
    scratch_puts("own-key.pem", KEY("own-key"));
    scratch_puts("ca.pem", CERT("ca"));
    scratch_puts("cert.pem", CERT("cert"));
    scratch_puts("key.pem", KEY("key"));
}

static void assert_text(const char *got, const char *want)
{
    if (!want)
        assert_null(got);
    else
        assert_string_equal(got ? got : "(null)", want);
}

static struct kube_config *with(const struct kube_config_override *override)
{
    struct kube_config *config = kubeconfig();

    if (kube_config_override(&config, override, &err) < 0)
        fail_msg("%s", err.msg);
    return config;
}

static void nothing_changes_nothing(void **state)
{
    const struct kube_config_override override = {0};
    struct kube_config *config;

    (void)state;
    write_files();
    config = with(&override);
    assert_text(config->server, "https://own:1");
    assert_text(config->tls_server_name, "own-name");
    assert_text(config->proxy_url, "http://own-proxy:1");
    assert_text(config->ca, CERT("own-ca"));
    assert_text(config->token, "own-token");
    assert_text(config->client_cert, CERT("own-cert"));
    assert_text(config->impersonate_user, "own-as");
    assert_text(config->impersonate_groups[0], "own-group");
    assert_non_null(config->exec);
    assert_false(config->insecure);
    kube_config_free(config);
}

static void the_cluster(void **state)
{
    struct kube_config_override override = {
        .server = "https://other:2/path//",
        .proxy_url = "socks5://proxy:3",
        .certificate_authority = scratch_path("ca.pem"),
    };
    struct kube_config *config;

    (void)state;
    write_files();
    config = with(&override);
    assert_text(config->server, "https://other:2/path");
    assert_text(config->tls_server_name, NULL); /* it was the other server's */
    assert_text(config->proxy_url, "socks5://proxy:3");
    assert_text(config->ca, CERT("ca"));
    assert_text(config->token, "own-token");
    kube_config_free(config);

    override = (struct kube_config_override){.tls_server_name = "name", .insecure = true};
    config = with(&override);
    assert_text(config->server, "https://own:1");
    assert_text(config->tls_server_name, "name");
    assert_text(config->ca, NULL);
    assert_true(config->insecure);
    kube_config_free(config);
}

/* Who names a credential is nobody else besides. */
static void the_user(void **state)
{
    static const struct {
        struct kube_config_override override;
        const char *token, *username, *password;
    } rows[] = {
        {{.token = "t"}, "t", NULL, NULL},
        {{.username = "u", .password = "p"}, NULL, "u", "p"},
    };
    struct kube_config_override override = {0};
    struct kube_config *config;

    (void)state;
    write_files();
    for (size_t i = 0; i < COUNT(rows); i++) {
        config = with(&rows[i].override);
        assert_text(config->token, rows[i].token);
        assert_text(config->username, rows[i].username);
        assert_text(config->password, rows[i].password);
        assert_null(config->client_cert);
        assert_null(config->client_key);
        assert_null(config->exec);
        assert_text(config->impersonate_user, "own-as");
        kube_config_free(config);
    }
    override.client_certificate = scratch_path("cert.pem");
    override.client_key = scratch_path("key.pem");
    config = with(&override);
    assert_text(config->client_cert, CERT("cert"));
    assert_text(config->client_key, KEY("key"));
    assert_null(config->token);
    kube_config_free(config);
}

static void impersonation(void **state)
{
    static const char *const groups[] = {"one", "two"};
    const struct kube_config_override override = {
        .as = "bob", .as_uid = "7", .as_groups = groups, .as_group_count = 2};
    struct kube_config *config;

    (void)state;
    write_files();
    config = with(&override);
    assert_text(config->impersonate_user, "bob");
    assert_text(config->impersonate_uid, "7");
    assert_text(config->impersonate_groups[0], "one");
    assert_text(config->impersonate_groups[1], "two");
    assert_null(config->impersonate_groups[2]);
    assert_text(config->token, "own-token");
    kube_config_free(config);
}

static void without_a_kubeconfig(void **state)
{
    const struct kube_config_override none = {.token = "t"};
    const struct kube_config_override override = {.server = "http://h:1", .token = "t"};
    struct kube_config *config = NULL;

    (void)state;
    assert_int_equal(kube_config_override(&config, &none, &err), -1);
    assert_int_equal(err.class, ERR_INPUT);
    assert_null(config);
    assert_int_equal(kube_config_override(&config, &override, &err), 0);
    assert_text(config->server, "http://h:1");
    assert_text(config->token, "t");
    kube_config_free(config);
}

static void what_makes_no_sense(void **state)
{
    static const char *const groups[] = {"g"};
    const struct {
        struct kube_config_override override;
        const char *says;
    } rows[] = {
        {{.server = "own:1"}, "--server: 'own:1' is no URL"},
        {{.server = "https://user@host"}, "--server: "},
        {{.server = "https://h/?x"}, "--server: "},
        {{.proxy_url = "ftp://h"}, "--proxy-url: "},
        {{.insecure = true, .certificate_authority = "x"}, "leave one out"},
        {{.certificate_authority = "/nowhere/ca"}, "--certificate-authority: "},
        {{.certificate_authority = scratch_path("key.pem")}, "no CERTIFICATE in PEM"},
        {{.client_certificate = "x"}, "only of use together"},
        {{.client_key = "x"}, "only of use together"},
        {{.client_certificate = scratch_path("cert.pem"), .client_key = scratch_path("cert.pem")},
         "no PRIVATE KEY in PEM"},
        {{.token = "t", .username = "u"}, "leave one out"},
        {{.token = "two\nlines"}, "--token has characters"},
    };
    const struct kube_config_override orphan = {
        .server = "https://h", .as_groups = groups, .as_group_count = 1};
    struct kube_config *config = NULL;

    (void)state;
    write_files();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct kube_config *one = kubeconfig();

        if (kube_config_override(&one, &rows[i].override, &err) != -1 || err.class != ERR_INPUT ||
            !strstr(err.msg, rows[i].says) || strstr(err.msg, "two\nlines"))
            fail_msg("row %zu: %s", i, err.msg);
        kube_config_free(one);
    }
    assert_int_equal(kube_config_override(&config, &orphan, &err), -1);
    assert_non_null(strstr(err.msg, "need --as"));
    kube_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changes_nothing),
        cmocka_unit_test(the_cluster),
        cmocka_unit_test(the_user),
        cmocka_unit_test(impersonation),
        cmocka_unit_test(without_a_kubeconfig),
        cmocka_unit_test(what_makes_no_sense),
    };

    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
