/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins are shell scripts in the scratch directory. */
#include "support.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "kube/auth_private.h"
#include "kube/exec.h"

#include <pthread.h>
#include <signal.h>

#define CERT "-----BEGIN CERTIFICATE-----\\nA\\n-----END CERTIFICATE-----\\n"
#define KEY "-----BEGIN EC PRIVATE KEY-----\\nA\\n-----END EC PRIVATE KEY-----\\n"
#define SECRET "s3cr3t"
#define V1 "client.authentication.k8s.io/v1"
#define HEAD "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":"

static void assert_text(const char *got, const char *wanted)
{
    if (!wanted)
        assert_null(got);
    else
        assert_string_equal(got ? got : "(null)", wanted);
}

/* The bearer and the generation of now. */
static unsigned assert_bearer(struct kube_auth *auth, const char *bearer)
{
    struct kube_credential credential;
    struct err err = {.msg = ""};
    unsigned generation;

    if (kube_auth_get(auth, &credential, &err) < 0)
        fail_msg("%s", err.msg);
    assert_text(credential.bearer, bearer);
    generation = credential.generation;
    kube_credential_free(&credential);
    return generation;
}

static void assert_fails(struct kube_auth *auth, const char *message)
{
    struct kube_credential credential;
    struct err err = {.msg = ""};

    assert_int_equal(kube_auth_get(auth, &credential, &err), -1);
    if (!strstr(err.msg, message))
        fail_msg("'%s' is not in: %s", message, err.msg);
    assert_null(strstr(err.msg, SECRET));
}

/* ---- fixed credentials and token files ---- */

static void test_fixed(void **state)
{
    char token[] = "t", cert[] = "c", key[] = "k";
    const struct kube_config config = {.token = token, .client_cert = cert, .client_key = key};
    struct kube_auth *auth = kube_auth_new(&config);
    struct kube_credential credential;
    struct err err;
    unsigned generation = assert_bearer(auth, "t");

    (void)state;
    assert_int_equal(kube_auth_get(auth, &credential, &err), 0);
    assert_text(credential.cert, "c");
    assert_text(credential.key, "k");
    assert_int_equal(credential.generation, generation);
    kube_credential_free(&credential);
    assert_false(kube_auth_rejected(auth, generation));
    kube_auth_free(auth);
}

static void test_anonymous(void **state)
{
    const struct kube_config config = {.server = NULL};
    struct kube_auth *auth = kube_auth_new(&config);

    (void)state;
    assert_bearer(auth, NULL);
    kube_auth_free(auth);
}

static void test_token_file(void **state)
{
    char *path = strdup(scratch_path("token")), token[] = "beaten";
    const struct kube_config config = {.token_file = path, .token = token};
    struct kube_auth *auth = kube_auth_new(&config);
    unsigned first, second, third;

    (void)state;
    assert_fails(auth, "No such file");
    scratch_puts("token", " one\n");
    first = assert_bearer(auth, "one");
    scratch_puts("token", "two");
    kube_auth_skip(auth, 49000); /* a minute, less ten seconds of leeway */
    assert_int_equal(assert_bearer(auth, "one"), first);
    kube_auth_skip(auth, 1000);
    second = assert_bearer(auth, "two");
    assert_int_not_equal(second, first);
    kube_auth_skip(auth, 50000);
    assert_int_equal(assert_bearer(auth, "two"), second); /* the same text: the same credential */
    /* a refusal drops it, but only when it is about the one that is in use */
    scratch_puts("token", "three");
    assert_true(kube_auth_rejected(auth, first));
    assert_int_equal(assert_bearer(auth, "two"), second);
    assert_true(kube_auth_rejected(auth, second));
    third = assert_bearer(auth, "three");
    assert_int_not_equal(third, second);
    /* the file is away: the token is still good, until it is refused */
    assert_int_equal(remove(path), 0);
    kube_auth_skip(auth, 50000);
    assert_int_equal(assert_bearer(auth, "three"), third);
    assert_true(kube_auth_rejected(auth, third));
    assert_fails(auth, "No such file");
    scratch_puts("token", "three\n\n");
    assert_int_not_equal(assert_bearer(auth, "three"), third);
    kube_auth_free(auth);
    free(path);
}

static void test_bad_token_file(void **state)
{
    static const struct row {
        const char *text;
        size_t len;
        const char *message;
    } rows[] = {
        {"", 0, "is empty"},
        {" \n", 2, "is empty"},
        {SECRET "\n" SECRET, 13, "characters that no token has"},
        {SECRET " x", 8, "characters that no token has"},
        {SECRET "\0x", 8, "characters that no token has"},
        {SECRET "\xc3\xa9", 8, "characters that no token has"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *path = strdup(scratch_path("token"));
        const struct kube_config config = {.token_file = path};
        struct kube_auth *auth = kube_auth_new(&config);

        scratch_write("token", rows[i].text, rows[i].len);
        assert_fails(auth, rows[i].message);
        kube_auth_free(auth);
        free(path);
    }
}

/* ---- what a plugin answers ---- */

static struct kube_exec *exec_of(char **argv)
{
    static char version[] = V1;
    static struct kube_exec exec;

    exec = (struct kube_exec){.api_version = version, .argv = argv};
    return &exec;
}

static void test_answers(void **state)
{
    static const struct row {
        const char *text, *token, *cert;
        bool expires;
        time_t expiry;
    } rows[] = {
        {HEAD "{\"token\":\"t\"}}", "t", NULL, false, 0},
        {HEAD "{\"token\":\"t\",\"clientKeyData\":\"\",\"expirationTimestamp\":null}}", "t", NULL,
         false, 0},
        {HEAD "{\"token\":\"t\",\"expirationTimestamp\":\"2001-09-09T01:46:40Z\"}}", "t", NULL,
         true, 1000000000},
        {HEAD "{\"token\":\"t\",\"expirationTimestamp\":\"2001-09-09T03:46:40.5+02:00\"}}", "t",
         NULL, true, 1000000000},
        {HEAD "{\"clientCertificateData\":\"" CERT "\",\"clientKeyData\":\"" KEY "\"}}\n", NULL,
         "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", false, 0},
    };
    char command[] = "plugin", *argv[] = {command, NULL};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct kube_exec_answer answer;
        struct err err = {.msg = ""};

        if (kube_exec_parse(exec_of(argv), rows[i].text, strlen(rows[i].text), &answer, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.msg);
        assert_text(answer.token, rows[i].token);
        assert_text(answer.cert, rows[i].cert);
        assert_int_equal(!answer.cert, !answer.key);
        assert_int_equal(answer.expires, rows[i].expires);
        if (answer.expires)
            assert_int_equal(answer.expiry.tv_sec, rows[i].expiry);
        kube_exec_answer_free(&answer);
    }
}

static void test_bad_answers(void **state)
{
    static const char *const rows[][2] = {
        {"", "at byte"},
        {"token: " SECRET, "at byte"},
        {"[]", "it is no ExecCredential"},
        {"{\"kind\":\"Secret\",\"apiVersion\":\"" V1 "\"}", "it is no ExecCredential"},
        {"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "beta1\"}",
         "its apiVersion is not the one that the kubeconfig names"},
        {"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\"}", "it has no status"},
        {HEAD "{}}", "it has neither a token nor a certificate"},
        {HEAD "{\"token\":\"\"}}", "it has neither a token nor a certificate"},
        {HEAD "{\"token\":5}}", "its token is no text"},
        {HEAD "{\"token\":\"" SECRET "\\n\"}}", "its token has characters that no token has"},
        {HEAD "{\"token\":\"" SECRET "\",\"token\":\"x\"}}", "comes twice"},
        {HEAD "{\"token\":\"" SECRET "\",\"clientCertificateData\":\"" CERT "\"}}",
         "only one of certificate and key"},
        {HEAD "{\"clientKeyData\":\"" KEY "\"}}", "only one of certificate and key"},
        {HEAD "{\"clientCertificateData\":\"a\",\"clientKeyData\":\"" SECRET "\"}}", "not in PEM"},
        {HEAD "{\"token\":\"" SECRET "\",\"expirationTimestamp\":\"tomorrow\"}}",
         "no RFC 3339 time"},
        {HEAD "{\"token\":\"" SECRET "\",\"expirationTimestamp\":1}}", "no RFC 3339 time"},
    };
    char command[] = "plugin", *argv[] = {command, NULL};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct kube_exec_answer answer;
        struct err err = {.msg = ""};

        if (kube_exec_parse(exec_of(argv), rows[i][0], strlen(rows[i][0]), &answer, &err) == 0)
            fail_msg("taken: %s", rows[i][0]);
        if (!strstr(err.msg, rows[i][1]))
            fail_msg("'%s' is not in: %s", rows[i][1], err.msg);
        assert_non_null(strstr(err.msg, "the credential plugin 'plugin'"));
        assert_null(strstr(err.msg, SECRET));
    }
}

/* ---- running one ---- */

static int run(const struct kube_exec *exec, unsigned timeout_ms, struct kube_exec_answer *answer,
               struct err *err)
{
    *err = (struct err){.msg = ""};
    return kube_exec_run(exec, false, timeout_ms, answer, err);
}

/* Writes a script; its path is in static memory. */
static char *script(const char *body)
{
    static char path[512];
    cleanup_str struct str text = STR_INIT;

    snprintf(path, sizeof(path), "%s", scratch_path("plugin"));
    str_printf(&text, "#!/bin/sh\n%s\n", body);
    scratch_puts("plugin", str_get(&text));
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static char *slurp(const char *name)
{
    FILE *file = fopen(scratch_path(name), "r");
    struct str out = STR_INIT;
    char buf[1024];

    assert_non_null(file);
    for (size_t n; (n = fread(buf, 1, sizeof(buf), file));)
        str_append(&out, buf, n);
    fclose(file);
    return str_steal(&out);
}

/* Arguments reach it as they are, and its environment is ours, changed as the kubeconfig says. */
static void test_run(void **state)
{
    char odd[] = "$(touch x); 'a' \"b\" *", empty[] = "";
    char set[] = "ADDED=1 2", replaced[] = "REPLACED=new", info[] = "KUBERNETES_EXEC_INFO=fake";
    char cluster[] = "{\"server\":\"https://h\"}";
    char *argv[] = {script("cd \"${0%/*}\"; printf '%s|' \"$#\" \"$@\" \"$KEPT\" \"$ADDED\" "
                           "\"$REPLACED\" >args; cat >input\n"
                           "printf %s \"$KUBERNETES_EXEC_INFO\" >info\n"
                           "echo '" HEAD "{\"token\":\"t\"}}'"),
                    odd, empty, NULL};
    char *env[] = {set, replaced, info, NULL};
    struct kube_exec *exec = exec_of(argv);
    struct kube_exec_answer answer;
    struct err err;
    cleanup_free char *args = NULL, *got = NULL, *input = NULL;

    (void)state;
    setenv("KEPT", "old", 1);
    setenv("REPLACED", "old", 1);
    exec->env = env;
    exec->cluster_info = cluster;
    if (run(exec, 10000, &answer, &err) < 0)
        fail_msg("%s", err.msg);
    assert_text(answer.token, "t");
    kube_exec_answer_free(&answer);
    args = slurp("args");
    assert_text(args, "2|$(touch x); 'a' \"b\" *||old|1 2|new|");
    got = slurp("info");
    assert_text(got, "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
                     "\",\"spec\":{\"cluster\":{\"server\":\"https://h\"},\"interactive\":false}}");
    input = slurp("input");
    assert_text(input, "");
}

/* With a terminal it is told so, and reads what we would read. */
static void test_terminal(void **state)
{
    char *argv[] = {script("cat >\"${0%/*}/input\"\n"
                           "printf %s \"$KUBERNETES_EXEC_INFO\" >\"${0%/*}/info\"\n"
                           "echo '" HEAD "{\"token\":\"t\"}}'"),
                    NULL};
    struct kube_exec *exec = exec_of(argv);
    cleanup_close int before = dup(STDIN_FILENO), typed = -1;
    cleanup_free char *input = NULL, *info = NULL;
    struct kube_exec_answer answer;
    struct err err = {.msg = ""};
    int rc;

    (void)state;
    scratch_puts("typed", "password\n");
    typed = open(scratch_path("typed"), O_RDONLY | O_CLOEXEC);
    exec->needs_terminal = true;
    dup2(typed, STDIN_FILENO);
    rc = kube_exec_run(exec, true, 10000, &answer, &err);
    dup2(before, STDIN_FILENO);
    if (rc < 0)
        fail_msg("%s", err.msg);
    kube_exec_answer_free(&answer);
    input = slurp("input");
    assert_text(input, "password\n");
    info = slurp("info");
    assert_non_null(strstr(info, "\"interactive\":true"));
}

static void test_run_fails(void **state)
{
    static const struct row {
        const char *body, *message;
    } rows[] = {
        {"echo " SECRET "; exit 3", "failed with exit code 3"},
        {"echo " SECRET "; kill -9 $$", "ended by signal 9"},
        {"exec sleep 60", "did not answer in time"},
        {"exec >&-; exec sleep 60", "did not answer in time"},
        {"exec cat /dev/zero", "wrote more than 1048576 bytes"},
        {"echo " SECRET, "at byte"},
        {":", "at byte"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *argv[] = {script(rows[i].body), NULL};
        struct kube_exec_answer answer;
        struct err err;

        assert_int_equal(run(exec_of(argv), 400, &answer, &err), -1);
        if (!strstr(err.msg, rows[i].message))
            fail_msg("'%s' is not in: %s", rows[i].message, err.msg);
        assert_null(strstr(err.msg, SECRET));
    }
}

static void test_missing(void **state)
{
    char command[] = "no-such-plugin-of-vmexport", hint[] = "get it\nfrom\033 here";
    char *argv[] = {command, NULL};
    struct kube_exec *exec = exec_of(argv);
    struct kube_exec_answer answer;
    struct err err;

    (void)state;
    assert_int_equal(run(exec, 1000, &answer, &err), -1);
    assert_string_equal(err.msg,
                        "cannot run the credential plugin 'no-such-plugin-of-vmexport': No "
                        "such file or directory; install it, or name its path in the "
                        "kubeconfig's exec.command");
    exec->install_hint = hint;
    assert_int_equal(run(exec, 1000, &answer, &err), -1);
    assert_string_equal(err.msg,
                        "cannot run the credential plugin 'no-such-plugin-of-vmexport': No "
                        "such file or directory; get it from  here");
    exec->needs_terminal = true;
    assert_int_equal(run(exec, 1000, &answer, &err), -1);
    assert_non_null(strstr(err.msg, "standard input is no terminal"));
}

/* The first 31 signals; glibc has two of the others for itself. */
static unsigned long mask_of(const char *status, const char *line)
{
    const char *at = strstr(status, line);

    assert_non_null(at);
    return strtoul(at + strlen(line), NULL, 16) & 0x7fffffff;
}

/* One that leaves a helper behind with its output open is done when it is done itself; one that
 * hangs is killed with the helper. Signals that we ignore or block are not ignored by it. (It reads
 * its masks without a child: dash may have all signals blocked while it starts one.) */
static void test_helpers(void **state)
{
    char *argv[] = {
        script("sleep 60 & echo $! >\"${0%/*}/pid\"\n"
               "while read -r line; do case $line in Sig[BI]*) echo \"$line\" ;; esac; done"
               " </proc/$$/status >\"${0%/*}/signals\"\n"
               "test \"$MODE\" = hang && wait\n"
               "echo '" HEAD "{\"token\":\"t\"}}'"),
        NULL};
    cleanup_free char *first = NULL, *second = NULL, *signals = NULL;
    struct kube_exec *exec = exec_of(argv);
    struct kube_exec_answer answer;
    char mode[] = "MODE=hang", *env[] = {mode, NULL};
    sigset_t blocked, before;
    struct err err;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    if (run(exec, 10000, &answer, &err) < 0)
        fail_msg("%s", err.msg);
    kube_exec_answer_free(&answer);
    first = slurp("pid");
    assert_int_equal(kill((pid_t)strtol(first, NULL, 10), SIGKILL), 0);
    signals = slurp("signals");
    assert_int_equal(mask_of(signals, "SigBlk:") | mask_of(signals, "SigIgn:"), 0);
    exec->env = env;
    assert_int_equal(run(exec, 400, &answer, &err), -1);
    second = slurp("pid");
    for (int i = 0; i < 500 && kill((pid_t)strtol(second, NULL, 10), 0) == 0; i++) {
        cleanup_str struct str path = STR_INIT;
        char state_of[512] = "";
        FILE *file;

        str_printf(&path, "/proc/%ld/stat", strtol(second, NULL, 10));
        file = fopen(str_get(&path), "r");
        if (file && fgets(state_of, sizeof(state_of), file) && strstr(state_of, ") Z ")) {
            fclose(file);
            break; /* nobody reaps it in a container; it has ended */
        }
        if (file)
            fclose(file);
        assert_int_not_equal(i, 499);
        usleep(10000);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    signal(SIGPIPE, SIG_DFL);
}

/* ---- the cache ---- */

/* Answers with the number of its run; "fail" in the directory makes it fail. */
static const char counting[] =
    "cd \"${0%/*}\"; echo >>runs; n=$(wc -l <runs)\n"
    "test -e fail && exit 1\n"
    "test -e slow && sleep 0.3\n"
    "echo '" HEAD "{\"token\":\"t'$n'\",\"expirationTimestamp\":\"'$(cat expiry)'\"}}'";

static void expire_in(time_t seconds)
{
    char text[CLOCK_RFC3339_SIZE];

    scratch_puts("expiry", clock_rfc3339(clock_now().tv_sec + seconds, text));
}

static void test_plugin_cache(void **state)
{
    char *argv[] = {script(counting), NULL};
    const struct kube_config config = {.exec = exec_of(argv)};
    struct kube_auth *auth = kube_auth_new(&config);
    unsigned first, second, third;

    (void)state;
    expire_in(100);
    first = assert_bearer(auth, "t1");
    kube_auth_skip(auth, 90000);
    assert_int_equal(assert_bearer(auth, "t1"), first);
    kube_auth_skip(auth, 10000);
    expire_in(1000);
    second = assert_bearer(auth, "t2");
    assert_int_not_equal(second, first);
    assert_true(kube_auth_rejected(auth, first));
    assert_int_equal(assert_bearer(auth, "t2"), second);
    assert_true(kube_auth_rejected(auth, second));
    third = assert_bearer(auth, "t3");
    assert_int_not_equal(third, second);
    scratch_puts("fail", "");
    assert_true(kube_auth_rejected(auth, third));
    assert_fails(auth, "failed with exit code 1");
    assert_fails(auth, "failed with exit code 1");
    assert_int_equal(remove(scratch_path("fail")), 0);
    assert_bearer(auth, "t6");
    kube_auth_free(auth);
}

/* A token or a password of the kubeconfig goes before its plugin. */
static void test_plugin_is_last(void **state)
{
    char *argv[] = {script("exit 1"), NULL}, token[] = "t", name[] = "me";
    const struct kube_config with_token = {.exec = exec_of(argv), .token = token};
    const struct kube_config with_name = {.exec = exec_of(argv), .username = name};
    struct kube_auth *auth = kube_auth_new(&with_token);

    (void)state;
    assert_bearer(auth, "t");
    kube_auth_free(auth);
    auth = kube_auth_new(&with_name);
    assert_bearer(auth, NULL);
    kube_auth_free(auth);
}

static void *get(void *arg)
{
    struct kube_credential credential;
    struct err err;

    if (kube_auth_get(arg, &credential, &err) < 0)
        return arg;
    if (credential.generation > 1)
        kube_auth_rejected(arg, credential.generation - 1);
    kube_credential_free(&credential);
    return NULL;
}

/* Many threads at once are one run, and one failure. */
static void test_threads(void **state)
{
    char *argv[] = {script(counting), NULL};
    const struct kube_config config = {.exec = exec_of(argv)};

    (void)state;
    expire_in(1000);
    scratch_puts("slow", "");
    for (int fails = 0; fails < 2; fails++) {
        struct kube_auth *auth = kube_auth_new(&config);
        pthread_t threads[8];

        if (fails) {
            script("cd \"${0%/*}\"; echo >>runs; sleep 0.3; exit 1");
            assert_int_equal(remove(scratch_path("runs")), 0);
        }
        for (size_t i = 0; i < COUNT(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, get, auth), 0);
        for (size_t i = 0; i < COUNT(threads); i++) {
            void *failed = NULL;

            pthread_join(threads[i], &failed);
            assert_int_equal(failed != NULL, fails);
        }
        cleanup_free char *runs = slurp("runs");

        assert_text(runs, "\n");
        kube_auth_free(auth);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fixed),
        TEST(test_anonymous),
        TEST(test_token_file),
        TEST(test_bad_token_file),
        TEST(test_answers),
        TEST(test_bad_answers),
        TEST(test_run),
        TEST(test_terminal),
        TEST(test_run_fails),
        TEST(test_missing),
        TEST(test_helpers),
        TEST(test_plugin_cache),
        TEST(test_plugin_is_last),
        TEST(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
