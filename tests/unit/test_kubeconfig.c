/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "kube/kubeconfig.h"

#define CERT(name) "-----BEGIN CERTIFICATE-----\n" name "\n-----END CERTIFICATE-----\n"
#define KEY(name) "-----BEGIN RSA PRIVATE KEY-----\n" name "\n-----END RSA PRIVATE KEY-----\n"
#define SECRET "s3cr3t"

/* A kubeconfig of one context, cluster and user; `cluster` and `user` are flow maps. */
static char *simple(const char *cluster, const char *user)
{
    struct str out = STR_INIT;

    str_printf(&out,
               "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
               "contexts: [{name: c, context: {cluster: k, user: u, namespace: ns}}]\n"
               "clusters:\n- name: k\n  cluster: %s\nusers:\n- name: u\n  user: %s\n",
               cluster, user);
    return str_steal(&out);
}

static struct kube_config *parse(const char *text, const struct kube_config_options *options)
{
    struct kube_config *config = NULL;
    struct err err = {.msg = ""};

    if (kube_config_parse(text, strlen(text), scratch, options, &config, &err) < 0)
        fail_msg("%s", err.msg);
    return config;
}

static struct kube_config *parse_user(const char *user)
{
    cleanup_free char *text = simple("{server: 'https://h:6443'}", user);

    return parse(text, NULL);
}

static char *base64(const char *text)
{
    struct str out = STR_INIT;

    base64_encode(text, strlen(text), &out);
    return str_steal(&out);
}

static void assert_text(const char *got, const char *wanted)
{
    if (!wanted)
        assert_null(got);
    else
        assert_string_equal(got ? got : "(null)", wanted);
}

/* ---- the context ---- */

static void test_context(void **state)
{
    static const char text[] = "current-context: two\n"
                               "contexts:\n"
                               "- {name: one, context: {cluster: k1, user: u1}}\n"
                               "- {name: two, context: {cluster: k2, user: u2, namespace: n2}}\n"
                               "- {name: nobody, context: {cluster: k1}}\n"
                               "clusters:\n"
                               "- {name: k1, cluster: {server: 'https://k1'}}\n"
                               "- {name: k2, cluster: {server: 'https://k2/a/b//'}}\n"
                               "users:\n"
                               "- {name: u1, user: {token: t1}}\n"
                               "- {name: u2, user: {token: t2}}\n";
    static const struct row {
        struct kube_config_options options;
        const char *server, *token, *namespace;
    } rows[] = {
        {{NULL, NULL, NULL, NULL}, "https://k2/a/b", "t2", "n2"},
        {{NULL, "one", NULL, NULL}, "https://k1", "t1", NULL},
        {{NULL, "nobody", NULL, NULL}, "https://k1", NULL, NULL},
        {{NULL, NULL, "k1", NULL}, "https://k1", "t2", "n2"},
        {{NULL, NULL, NULL, "u1"}, "https://k2/a/b", "t1", "n2"},
        {{NULL, "one", "k2", "u2"}, "https://k2/a/b", "t2", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct kube_config *config = parse(text, &rows[i].options);

        assert_text(config->server, rows[i].server);
        assert_text(config->token, rows[i].token);
        assert_text(config->namespace, rows[i].namespace);
        kube_config_free(config);
    }
}

/* Without a context, but with what the options name. */
static void test_no_context(void **state)
{
    static const struct kube_config_options options = {NULL, NULL, "k", NULL};
    struct kube_config *config =
        parse("clusters: [{name: k, cluster: {server: 'http://127.0.0.1:8001'}}]", &options);

    (void)state;
    assert_text(config->server, "http://127.0.0.1:8001");
    kube_config_free(config);
}

static void test_fields(void **state)
{
    cleanup_free char *ca = base64(CERT("ca")), *cert = base64(CERT("mine")),
                      *key = base64(KEY("mine"));
    cleanup_str struct str cluster = STR_INIT, user = STR_INIT;
    cleanup_free char *text = NULL;
    struct kube_config *config;

    (void)state;
    str_printf(&cluster,
               "{server: 'https://h:6443/', tls-server-name: name, proxy-url: 'socks5://p:1', "
               "certificate-authority-data: %s}",
               ca);
    str_printf(&user,
               "{client-certificate-data: %s, client-key-data: %s, as: a, as-uid: '7', "
               "as-groups: [g1, g2], username: me, password: " SECRET "}",
               cert, key);
    text = simple(str_get(&cluster), str_get(&user));
    config = parse(text, NULL);
    assert_text(config->server, "https://h:6443");
    assert_text(config->tls_server_name, "name");
    assert_text(config->proxy_url, "socks5://p:1");
    assert_text(config->ca, CERT("ca"));
    assert_null(config->ca_file);
    assert_false(config->insecure);
    assert_text(config->namespace, "ns");
    assert_text(config->client_cert, CERT("mine"));
    assert_text(config->client_key, KEY("mine"));
    assert_text(config->username, "me");
    assert_text(config->password, SECRET);
    assert_text(config->impersonate_user, "a");
    assert_text(config->impersonate_uid, "7");
    assert_text(config->impersonate_groups[0], "g1");
    assert_text(config->impersonate_groups[1], "g2");
    assert_null(config->impersonate_groups[2]);
    assert_null(config->exec);
    kube_config_free(config);
}

static void test_small_variants(void **state)
{
    cleanup_free char *insecure =
        simple("{server: 'HTTPS://h', insecure-skip-tls-verify: true}", "{token: null}");
    struct kube_config *config = parse(insecure, NULL);

    (void)state;
    assert_true(config->insecure);
    assert_null(config->token);
    kube_config_free(config);
    /* both: the file's beats the other (auth.c) */
    config = parse_user("{token: t, tokenFile: some/token}");
    assert_text(config->token, "t");
    assert_text(config->token_file, scratch_path("some/token"));
    kube_config_free(config);
    config = parse_user("{tokenFile: /abs/token}");
    assert_text(config->token_file, "/abs/token");
    kube_config_free(config);
}

/* JSON is YAML. */
static void test_json(void **state)
{
    struct kube_config *config =
        parse("{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":"
              "\"k\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https://h\"}}]}",
              NULL);

    (void)state;
    assert_text(config->server, "https://h");
    kube_config_free(config);
}

/* ---- plugins ---- */

static void test_exec(void **state)
{
    struct kube_config *config = parse_user(
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: login, args: [a, 'b c', ''],"
        " env: [{name: A, value: '1=2'}, {name: B}], installHint: get it, interactiveMode: "
        "Never}}");

    (void)state;
    assert_text(config->exec->api_version, "client.authentication.k8s.io/v1");
    assert_text(config->exec->argv[0], "login");
    assert_text(config->exec->argv[1], "a");
    assert_text(config->exec->argv[2], "b c");
    assert_text(config->exec->argv[3], "");
    assert_null(config->exec->argv[4]);
    assert_text(config->exec->env[0], "A=1=2");
    assert_text(config->exec->env[1], "B=");
    assert_null(config->exec->env[2]);
    assert_text(config->exec->install_hint, "get it");
    assert_null(config->exec->cluster_info);
    assert_false(config->exec->interactive);
    kube_config_free(config);
}

static void test_exec_variants(void **state)
{
    static const struct row {
        const char *exec, *command;
        bool interactive, needs_terminal;
    } rows[] = {
        {"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always, command: x", "x",
         true, true},
        {"apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable, command: x",
         "x", true, false},
        {"apiVersion: client.authentication.k8s.io/v1beta1, command: /abs/x", "/abs/x", true,
         false},
        {"apiVersion: client.authentication.k8s.io/v1beta1, interactiveMode: Never, command: ./x",
         "SCRATCH/./x", false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str user = STR_INIT;
        struct kube_config *config;

        str_printf(&user, "{exec: {%s}}", rows[i].exec);
        config = parse_user(str_get(&user));
        if (str_starts(rows[i].command, "SCRATCH/"))
            assert_text(config->exec->argv[0], scratch_path(rows[i].command + strlen("SCRATCH/")));
        else
            assert_text(config->exec->argv[0], rows[i].command);
        assert_null(config->exec->argv[1]);
        assert_int_equal(config->exec->interactive, rows[i].interactive);
        assert_int_equal(config->exec->needs_terminal, rows[i].needs_terminal);
        kube_config_free(config);
    }
}

static void test_cluster_info(void **state)
{
    cleanup_free char *ca = base64(CERT("ca"));
    cleanup_str struct str cluster = STR_INIT, wanted = STR_INIT;
    cleanup_free char *text = NULL;
    struct kube_config *config;

    (void)state;
    str_printf(&cluster,
               "{server: 'https://h/', tls-server-name: host, certificate-authority-data: %s, "
               "proxy-url: 'http://p', disable-compression: true, extensions: [{name: other, "
               "extension: 1}, {name: client.authentication.k8s.io/exec, extension: {a: [1]}}]}",
               ca);
    text = simple(str_get(&cluster),
                  "{exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
                  "interactiveMode: Never, provideClusterInfo: true}}");
    config = parse(text, NULL);
    str_printf(
        &wanted,
        "{\"server\":\"https://h\",\"tls-server-name\":\"host\",\"certificate-authority-data\":"
        "\"%s\",\"proxy-url\":\"http://p\",\"disable-compression\":true,\"config\":{\"a\":"
        "[1]}}",
        ca);
    assert_text(config->exec->cluster_info, str_get(&wanted));
    kube_config_free(config);
}

/* ---- files ---- */

static void test_certificate_files(void **state)
{
    cleanup_free char *text = simple("{server: 'https://h', certificate-authority: pki/ca.crt}",
                                     "{client-certificate: ./pki/me.crt, client-key: pki/me.key}");
    struct kube_config *config;

    (void)state;
    scratch_mkdir("pki");
    scratch_puts("pki/ca.crt", CERT("ca"));
    scratch_puts("pki/me.crt", CERT("me"));
    scratch_puts("pki/me.key", KEY("me"));
    config = parse(text, NULL);
    assert_text(config->ca, CERT("ca"));
    assert_text(config->client_cert, CERT("me"));
    assert_text(config->client_key, KEY("me"));
    kube_config_free(config);
}

static struct kube_config *load(const char *path, struct err *err)
{
    const struct kube_config_options options = {.path = path};
    struct kube_config *config = NULL;

    return kube_config_load(&options, &config, err) < 0 ? NULL : config;
}

/* Two files with entries of the same names: the first has its way, entry by entry; a path is below
 * the directory of the file that says it. */
static void test_merge(void **state)
{
    cleanup_str struct str list = STR_INIT;
    struct err err = {.msg = ""};
    struct kube_config *config;

    (void)state;
    scratch_mkdir("a");
    scratch_mkdir("b");
    scratch_puts("a/config", "users: [{name: u, user: {tokenFile: token}}]\n"
                             "contexts: [{name: two, context: {cluster: k, user: u}}]\n");
    scratch_puts(
        "b/config",
        "current-context: two\n"
        "users: [{name: u, user: {tokenFile: other, as: someone}}]\n"
        "contexts: [{name: two, context: {cluster: no, namespace: no}}]\n"
        "clusters: [{name: k, cluster: {server: 'https://k', certificate-authority: ca}}]");
    scratch_puts("b/ca", CERT("b"));
    scratch_puts("b/empty", "");
    str_printf(&list, ":%s:%s:%s:%s:%s", scratch_path("missing"), scratch_path("a/config"),
               scratch_path("b/empty"), scratch_path("b/config"), scratch_path("missing"));
    setenv("KUBECONFIG", str_get(&list), 1);
    config = load(NULL, &err);
    if (!config)
        fail_msg("%s", err.msg);
    assert_text(config->server, "https://k");
    assert_text(config->ca, CERT("b"));
    assert_text(config->token_file, scratch_path("a/token"));
    assert_null(config->impersonate_user);
    assert_null(config->namespace);
    kube_config_free(config);
    /* one path: only that, and it must be there */
    assert_null(load(scratch_path("a/config"), &err));
    assert_non_null(strstr(err.msg, "no current-context"));
    assert_null(load(scratch_path("missing"), &err));
    assert_int_equal(err.class, ERR_NOT_FOUND);
    unsetenv("KUBECONFIG");
}

static void test_home(void **state)
{
    struct err err = {.msg = ""};
    struct kube_config *config;

    (void)state;
    unsetenv("KUBECONFIG");
    setenv("HOME", scratch, 1);
    assert_null(load(NULL, &err));
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "--kubeconfig"));
    scratch_mkdir(".kube");
    scratch_puts(".kube/config", "current-context: c\n"
                                 "contexts: [{name: c, context: {cluster: k}}]\n"
                                 "clusters: [{name: k, cluster: {server: 'https://home'}}]\n");
    config = load(NULL, &err);
    assert_text(config->server, "https://home");
    kube_config_free(config);
    setenv("KUBECONFIG", "/nonexistent/a:/nonexistent/b", 1);
    assert_null(load(NULL, &err));
    assert_int_equal(err.class, ERR_NOT_FOUND);
    unsetenv("KUBECONFIG");
}

/* ---- what is refused ---- */

static const char cluster_ok[] = "{server: 'https://h'}";
#define EXEC "apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Never"

static const struct refused {
    const char *cluster, *user, *message;
} refused[] = {
    {"{}", "{}", "it has no server"},
    {"{server: ''}", "{}", "it has no server"},
    {"{server: 6443}", "{}", "server must be a text; put it in quotes"},
    {"{server: 'h:6443'}", "{}", "its server is no URL that can be used here"},
    {"{server: 'ftp://h'}", "{}", "its server is no URL"},
    {"{server: 'https://'}", "{}", "its server is no URL"},
    {"{server: 'https:///'}", "{}", "its server is no URL"},
    {"{server: \"https://h\\r\\nX: y\"}", "{}", "its server is no URL"},
    {"{server: 'https://h?x=1'}", "{}", "must be https://HOST:PORT"},
    {"{server: 'https://me:" SECRET "@h'}", "{}", "must be https://HOST:PORT"},
    {"{server: 'https://h', proxy-url: 'ftp://" SECRET "@p'}", "{}", "its proxy-url is no URL"},
    {"{server: 'https://h', insecure-skip-tls-verify: yes please}", "{}",
     "insecure-skip-tls-verify must be true or false"},
    {"{server: 'https://h', insecure-skip-tls-verify: true, certificate-authority: ca.pem}", "{}",
     "both given; leave one out"},
    {"{server: 'https://h', certificate-authority: ca.pem, certificate-authority-data: AAAA}", "{}",
     "both certificate-authority and certificate-authority-data are given; leave one out"},
    {"{server: 'https://h', certificate-authority: none.pem}", "{}",
     "none.pem': No such file or directory"},
    {"{server: 'https://h', certificate-authority: junk.pem}", "{}",
     "certificate-authority holds no CERTIFICATE in PEM"},
    {"{server: 'https://h', certificate-authority-data: '***'}", "{}",
     "certificate-authority-data is no valid base64"},
    {"{server: 'https://h', certificate-authority-data: AAAA}", "{}", "no valid base64"},
    {"{server: 'https://h', certificate-authority-data: czNjcjN0}", "{}",
     "certificate-authority-data holds no CERTIFICATE in PEM"},
    {cluster_ok, "{client-certificate: ca.pem}",
     "client-certificate and client-key are only of use together"},
    {cluster_ok, "{client-certificate: ca.pem, client-key: ca.pem}",
     "client-key holds no PRIVATE KEY in PEM"},
    {cluster_ok, "{token: 12}", "token must be a text"},
    {cluster_ok, "{token: \"" SECRET "\\nx\"}", "its token has characters that no token has"},
    {cluster_ok, "{token: " SECRET ", username: a}", "leave one out"},
    {cluster_ok, "{tokenFile: f, password: " SECRET "}", "leave one out"},
    {cluster_ok, "{auth-provider: {name: gcp}}", "auth-provider was removed from Kubernetes"},
    {cluster_ok, "{as-groups: [g]}", "need 'as'"},
    {cluster_ok, "{as-uid: u}", "need 'as'"},
    {cluster_ok, "{as: a, as-groups: g}", "as-groups must be a list"},
    {cluster_ok, "{as: a, as-groups: [1]}", "as-groups must be a list of texts"},
    {cluster_ok, "{as: a, as-user-extra: {x: [y]}}", "as-user-extra is not supported"},
    {cluster_ok, "{exec: x}", "exec must be a map"},
    {cluster_ok, "{exec: {command: x}}", "exec needs an apiVersion"},
    {cluster_ok, "{exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}}",
     "'client.authentication.k8s.io/v1alpha1' is not one of"},
    {cluster_ok, "{exec: {command: x, apiVersion: client.authentication.k8s.io/v1}}",
     "exec needs an interactiveMode"},
    {cluster_ok,
     "{exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: never}}",
     "exec needs an interactiveMode"},
    {cluster_ok,
     "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, args: [a]}}",
     "exec needs a command"},
    {cluster_ok, "{exec: {" EXEC ", args: [1]}}", "args must be a list of texts"},
    {cluster_ok, "{exec: {" EXEC ", env: {a: b}}}", "exec.env must be a list"},
    {cluster_ok, "{exec: {" EXEC ", env: [a]}}", "exec.env must be a list of name and value"},
    {cluster_ok, "{exec: {" EXEC ", env: [{value: " SECRET "}]}}", "needs a name"},
    {cluster_ok, "{exec: {" EXEC ", env: [{name: 'a=b', value: c}]}}", "needs a name without '='"},
    {cluster_ok, "{exec: {" EXEC ", provideClusterInfo: 1}}",
     "provideClusterInfo must be true or false"},
};

static void assert_refused(const char *text, const struct kube_config_options *options,
                           const char *message)
{
    struct kube_config *config = NULL;
    struct err err = {.msg = ""};

    if (kube_config_parse(text, strlen(text), scratch, options, &config, &err) == 0)
        fail_msg("taken: %s", text);
    assert_int_equal(err.class, ERR_INPUT);
    if (!strstr(err.msg, message))
        fail_msg("'%s' is not in: %s", message, err.msg);
    assert_null(strstr(err.msg, SECRET));
}

static void test_refused(void **state)
{
    (void)state;
    scratch_puts("ca.pem", CERT("ca"));
    scratch_puts("junk.pem", "junk");
    for (size_t i = 0; i < COUNT(refused); i++) {
        cleanup_free char *text = simple(refused[i].cluster, refused[i].user);

        assert_refused(text, NULL, refused[i].message);
    }
}

static const struct whole {
    const char *text, *context, *message;
} wholes[] = {
    {"", NULL, "has no current-context: name a context with --context"},
    {"clusters: []\n", NULL, "no current-context"},
    {"current-context: ''\n", NULL, "no current-context"},
    {"current-context: c\n", NULL, "the context 'c' is in no kubeconfig"},
    {"current-context: 5\n", NULL, "current-context must be a text"},
    {"", "x", "the context 'x' is in no kubeconfig; `kubectl config view` shows"},
    {"contexts: [{name: c, context: {}}]", "c", "it names no cluster"},
    {"contexts: [{name: c}]", "c", "the context 'c' says nothing"},
    {"contexts: {name: c}", "c", "contexts must be a list"},
    {"contexts: [{name: c, context: {cluster: k}}]", "c", "the cluster 'k' is in no kubeconfig"},
    {"contexts: [{name: c, context: {cluster: k, user: u}}]\n"
     "clusters: [{name: k, cluster: {server: 'https://h'}}]",
     "c", "the user 'u' is in no kubeconfig"},
    {"contexts: [{name: c, context: {cluster: k}}, {name: c, context: {cluster: l}}]", "c",
     "the context 'c' comes twice"},
    {"- a\n", NULL, "'kubeconfig' is no kubeconfig"},
    {"kind: Pod\napiVersion: v1\n", NULL, "its kind is not 'Config'"},
    {"kind: Config\napiVersion: v2\n", NULL, "its apiVersion is not 'v1'"},
    {"a: [\n", NULL, "'kubeconfig' is no valid YAML: line 2, column 1: "},
    {"users: []\nusers: []\n", NULL, "line 2, column 1: the key \"users\" comes twice"},
};

static void test_refused_wholes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wholes); i++) {
        const struct kube_config_options options = {.context = wholes[i].context};

        assert_refused(wholes[i].text, &options, wholes[i].message);
    }
}

/* ---- in a pod ---- */

static void make_pod(const char *ca)
{
    scratch_mkdir("pod");
    scratch_puts("pod/token", "t\n");
    scratch_puts("pod/ca.crt", ca);
    scratch_puts("pod/namespace", "mine\n");
}

static void test_pod(void **state)
{
    static const char *const servers[][2] = {{"10.96.0.1", "https://10.96.0.1:443"},
                                             {"fd00::1", "https://[fd00::1]:443"}};
    struct err err = {.msg = ""};

    (void)state;
    make_pod(CERT("cluster"));
    for (size_t i = 0; i < COUNT(servers); i++) {
        struct kube_config *config = NULL;

        assert_int_equal(
            kube_config_from_pod(servers[i][0], "443", scratch_path("pod"), &config, &err), 0);
        assert_text(config->server, servers[i][1]);
        assert_text(config->namespace, "mine");
        assert_text(config->ca, CERT("cluster"));
        assert_text(config->ca_file, scratch_path("pod/ca.crt"));
        assert_text(config->token_file, scratch_path("pod/token"));
        kube_config_free(config);
    }
}

static void test_no_pod(void **state)
{
    struct kube_config *config = NULL;
    struct err err = {.msg = ""};

    (void)state;
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_int_equal(kube_config_in_cluster(&config, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_int_equal(kube_config_from_pod("h", "", scratch, &config, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    /* a pod, but without its files */
    assert_int_equal(kube_config_from_pod("h", "1", scratch_path("no"), &config, &err), -1);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "automountServiceAccountToken"));
    make_pod("junk");
    assert_int_equal(kube_config_from_pod("h", "1", scratch_path("pod"), &config, &err), -1);
    assert_non_null(strstr(err.msg, "holds no certificate in PEM"));
    assert_int_equal(remove(scratch_path("pod/ca.crt")), 0);
    assert_int_equal(kube_config_from_pod("h", "1", scratch_path("pod"), &config, &err), -1);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    assert_null(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_context),        TEST(test_no_context),   TEST(test_fields),
        TEST(test_small_variants), TEST(test_json),         TEST(test_exec),
        TEST(test_exec_variants),  TEST(test_cluster_info), TEST(test_certificate_files),
        TEST(test_merge),          TEST(test_home),         TEST(test_refused),
        TEST(test_refused_wholes), TEST(test_pod),          TEST(test_no_pod),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
