/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line/complete.h"
#include "command_line/help.h"
#include "support.h"

enum { WORDS_MAX = 16 };

/* The answer to a line; words are apart by one blank, the last one may be empty. */
static const char *answer(const char *line)
{
    static char text[1024];
    static struct str out = STR_INIT;
    char *argv[WORDS_MAX + 1];
    int argc = 1;

    snprintf(text, sizeof(text), "vmexport %s", line);
    argv[0] = text;
    for (char *p = text; *p; p++) {
        if (*p != ' ')
            continue;
        *p = '\0';
        assert_true(argc < WORDS_MAX);
        argv[argc++] = p + 1;
    }
    str_clear(&out);
    complete(argc, argv, &out);
    return str_get(&out);
}

static void whole_answers(void **state)
{
    static const struct {
        const char *line, *want;
    } rows[] = {
        {"cr", "create\tmake an export of a machine, a snapshot or a claim\n:4\n"},
        {"-q cr", "create\tmake an export of a machine, a snapshot or a claim\n:4\n"},
        {"-n ns cr", "create\tmake an export of a machine, a snapshot or a claim\n:4\n"},
        {"help cr", "create\tmake an export of a machine, a snapshot or a claim\n:4\n"},
        {"x", ":4\n"},
        {"x ", "create\tmake"},
        {"download x --format ", "gzip\nraw\noci\n:4\n"},
        {"download x --format r", "raw\n:4\n"},
        {"download x --format=", "--format=gzip\n--format=raw\n--format=oci\n:4\n"},
        {"download x --format=r", "--format=raw\n:4\n"},
        {"--format=r", "--format=raw\n:4\n"},
        {"download x --insecure=t", "--insecure=true\n:4\n"},
        {"download x --volume ", ":4\n"},
        {"download x -o ", ":0\n"},
        {"download x -qo ", ":0\n"},
        {"download x --output=", ":0\n"},
        {"list -o ", "table\njson\n:4\n"},
        {"list --output j", "json\n:4\n"},
        {"serve --dir ", ":16\n"},
        {"completion ", "bash\nzsh\nfish\n:4\n"},
        {"completion f", "fish\n:4\n"},
        {"completion fish ", ":4\n"},
        {"list ", ":4\n"},
        {"list -x", ":4\n"},
        {"list --no-such ", ":4\n"},
        {"list -- --", ":4\n"},
        {"list --all", "--all-namespaces\tthe exports of all namespaces\n:4\n"},
        {"create --ins", "--insecure-skip-tls-verify\tdo not verify the API server\n:4\n"},
        {"--ver", "--version\tprint the version\n:4\n"},
        {"--vol", ":4\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *got = answer(rows[i].line);

        if (strcmp(rows[i].line, "x ") == 0 ? strncmp(got, rows[i].want, strlen(rows[i].want)) != 0
                                            : strcmp(got, rows[i].want) != 0)
            fail_msg("'%s': %s", rows[i].line, got);
    }
}

static void flags_of_a_command(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *got = answer(i == 0 ? "download x -" : "download x --");

        assert_non_null(strstr(got, "--volume\t"));
        assert_non_null(strstr(got, "--namespace\t"));
        assert_null(strstr(got, "--disk\t"));
        assert_null(strstr(got, "--v\t"));
    }
    assert_null(strstr(answer("create x --"), "--manifest\t"));
}

static void names_without_a_cluster(void **state)
{
    (void)state;
    setenv("KUBECONFIG", "/nonexistent", 1);
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_string_equal(answer("delete "), ":4\n");
    assert_string_equal(answer("create x --pvc="), ":4\n");
    assert_string_equal(answer("create x -n "), ":4\n");
}

static void help(void **state)
{
    (void)state;
    for (int i = COMMAND_NONE; i < COMMANDS; i++) {
        cleanup_str struct str out = STR_INIT;

        help_command(help_program("/usr/bin/kubectl-vmexport"), (enum command)i, &out);
        assert_non_null(strstr(str_get(&out), "Usage:\n  kubectl vmexport "));
        assert_non_null(strstr(str_get(&out), "Examples:\n  # "));
        for (const char *p = str_get(&out); *p; p += *p == '\n') {
            assert_true(strcspn(p, "\n") <= 110); /* 100, but for examples */
            assert_true(p[0] != ' ' || p[strcspn(p, "\n") - 1] != ' ');
            p += strcspn(p, "\n");
        }
    }
    assert_string_equal(help_program("vmexport"), "vmexport");
    assert_string_equal(help_program(NULL), "vmexport");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(flags_of_a_command),
        cmocka_unit_test(names_without_a_cluster),
        cmocka_unit_test(help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
