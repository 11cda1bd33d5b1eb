/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line/flags.h"
#include "support.h"

#include "base/str.h"

enum { WORDS_MAX = 16 };

static struct options options;
static struct err err;

/* Parses "vmexport <line>"; words are apart by one blank, '_' stands for one within a word. */
static int parse(const char *line)
{
    static char text[4096];
    char *argv[WORDS_MAX + 1];
    int argc = 1;

    snprintf(text, sizeof(text), "vmexport %s", line);
    argv[0] = text;
    for (char *p = text; *p; p++) {
        if (*p == '_')
            *p = ' ';
        else if (*p == ' ') {
            *p = '\0';
            assert_true(argc < WORDS_MAX);
            argv[argc++] = p + 1;
        }
    }
    argv[argc] = NULL;
    err = (struct err){0};
    return options_parse(argc, argv, &options, &err);
}

static void must(const char *line)
{
    if (parse(line) < 0)
        fail_msg("'%s': %s", line, err.msg);
}

static void must_not(const char *line, const char *says)
{
    if (parse(line) == 0)
        fail_msg("'%s' is taken", line);
    assert_int_equal(err.class, ERR_INPUT);
    if (!strstr(err.msg, says))
        fail_msg("'%s': '%s', not '%s'", line, err.msg, says);
}

static void defaults(void **state)
{
    (void)state;
    must("download x --output=f");
    assert_int_equal(options.command, COMMAND_DOWNLOAD);
    assert_string_equal(options.name, "x");
    assert_string_equal(options.output, "f");
    assert_int_equal(options.format, OPTION_FORMAT_GZIP);
    assert_int_equal(options.retry, 10);
    assert_int_equal(options.readiness_timeout_ms, 120000);
    assert_int_equal(options.connections, 1);
    assert_int_equal(options.ttl_s, 0);
    assert_int_equal(options.local_port, 0);
    assert_string_equal(options.listen, "127.0.0.1:8443");
    assert_null(options.namespace);
    assert_null(options.service_url);
    assert_false(options.manifest || options.insecure || options.keep_vme || options.sha256);
}

/* Each flag that has a text goes where it belongs. */
static void texts(void **state)
{
    static const struct {
        const char *line;
        size_t offset;
        const char *want;
    } rows[] = {
#define ROW(line, member, want) {line, offsetof(struct options, member), want}
        ROW("create x --vm=a", vm, "a"),
        ROW("create x --snapshot a.b-c", snapshot, "a.b-c"),
        ROW("create x --pvc a", pvc, "a"),
        ROW("create x --vmtemplate=a", vmtemplate, "a"),
        ROW("download x --output f", output, "f"),
        ROW("download x -of", output, "f"),
        ROW("download x -o -", output, "-"),
        ROW("download x -o=f", output, "f"),
        ROW("--output=f=g download x", output, "f=g"),
        ROW("download x -of --volume=v", volume, "v"),
        ROW("download x -of --service-url=h:1", service_url, "h:1"),
        ROW("serve --disk=d", disk, "d"),
        ROW("serve --dir=d", dir, "d"),
        ROW("serve --dir=d --listen=:1", listen, ":1"),
        ROW("list --api-group=export.vmexport.io", api_group, "export.vmexport.io"),
        ROW("list --kubeconfig=k", kubeconfig, "k"),
        ROW("list -n n", namespace, "n"),
        ROW("list -nn", namespace, "n"),
        ROW("list -n=n", namespace, "n"),
        ROW("-n n list", namespace, "n"),
        ROW("list --namespace a --namespace b", namespace, "b"),
        ROW("list --namespace=a_b", namespace, "a b"),
        ROW("list --namespace -q", namespace, "-q"),
        ROW("list --namespace=", namespace, NULL),
        ROW("list --context=c", context, "c"),
        ROW("list --cluster=c", cluster, "c"),
        ROW("list --user=u", user, "u"),
        ROW("list -s https://h", server, "https://h"),
        ROW("list --server=https://h", server, "https://h"),
        ROW("list --token=t", token, "t"),
        ROW("list --as=a", as, "a"),
        ROW("list --as-uid=a", as_uid, "a"),
        ROW("list --certificate-authority=c", certificate_authority, "c"),
        ROW("list --client-certificate=c", client_certificate, "c"),
        ROW("list --client-key=c", client_key, "c"),
        ROW("list --tls-server-name=c", tls_server_name, "c"),
        ROW("list --proxy-url=c", proxy_url, "c"),
        ROW("list --username=c", username, "c"),
        ROW("list --password=c", password, "c"),
        ROW("download x --manifest --manifest-namespace=n", manifest_namespace, "n"),
        ROW("completion zsh", name, "zsh"),
        ROW("status -- x", name, "x"),
#undef ROW
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *got;

        must(rows[i].line);
        got = *(const char **)(void *)((char *)&options + rows[i].offset);
        if (rows[i].want ? !got || strcmp(got, rows[i].want) != 0 : got != NULL)
            fail_msg("'%s': '%s'", rows[i].line, got ? got : "NULL");
    }
}

static void switches(void **state)
{
    static const struct {
        const char *line;
        size_t offset;
        bool want;
    } rows[] = {
#define ROW(line, member, want) {line, offsetof(struct options, member), want}
        ROW("download x -of --keep-vme", keep_vme, true),
        ROW("download x -of --keep-vme=false", keep_vme, false),
        ROW("download x -of --keep-vme --keep-vme=F", keep_vme, false),
        ROW("download x -of --delete-vme=1", delete_vme, true),
        ROW("download x --manifest", manifest, true),
        ROW("download x --manifest --include-secret", include_secret, true),
        ROW("download x --manifest --manifest-output-format=JSON", manifest_json, true),
        ROW("download x --manifest --manifest-output-format=yaml", manifest_json, false),
        ROW("download x --manifest --manifest-output-format=", manifest_json, false),
        ROW("download x -of --insecure", insecure, true),
        ROW("download x -of --port-forward", port_forward, true),
        ROW("download x -of --wait-for-source", wait_for_source, true),
        ROW("download x -of --vm=v --snapshot-first", snapshot_first, true),
        ROW("download x -of --checksum=sha256", sha256, true),
        ROW("download x -of --checksum=crc32", sha256, false),
        ROW("list -A", all_namespaces, true),
        ROW("list --all-namespaces", all_namespaces, true),
        ROW("list -qA", all_namespaces, true),
        ROW("list -qAojson", json, true),
        ROW("list -o table", json, false),
        ROW("status x --output=json", json, true),
        ROW("list -q", quiet, true),
        ROW("list --insecure-skip-tls-verify", insecure_skip_tls_verify, true),
        ROW("--help", help, true),
        ROW("create -h", help, true),
        ROW("help", help, true),
        ROW("help create", help, true),
        ROW("create a b c --help=true -h", help, true),
        ROW("--version", version, true),
        ROW("version", version, true),
#undef ROW
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        must(rows[i].line);
        if (*((bool *)&options + rows[i].offset) != rows[i].want)
            fail_msg("'%s'", rows[i].line);
    }
    must("help create");
    assert_int_equal(options.command, COMMAND_CREATE);
    must("DownLoad x -of");
    assert_int_equal(options.command, COMMAND_DOWNLOAD);
    must("list -v 9 --v=3 --disable-compression");
}

static void numbers(void **state)
{
    static const struct {
        const char *flag;
        uint64_t want;
    } ttls[] = {{"1h30m", 5400}, {"90s", 90}, {"1.5h", 5400}, {"500ms", 1}, {"0", 0}, {"", 0}},
      readiness[] = {{"90s", 90000}, {"500ms", 500}, {"1us", 1}, {"0s", 0}, {"", 120000}},
      requests[] = {{"7", 7}, {"0", 0}, {"1m", 60}, {"1.5s", 2}, {"", 0}};

    (void)state;
    for (size_t i = 0; i < COUNT(ttls); i++) {
        char line[128];

        snprintf(line, sizeof(line), "create x --vm=v --ttl=%s", ttls[i].flag);
        must(line);
        assert_int_equal(options.ttl_s, ttls[i].want);
    }
    for (size_t i = 0; i < COUNT(readiness); i++) {
        char line[128];

        snprintf(line, sizeof(line), "download x -of --readiness-timeout=%s", readiness[i].flag);
        must(line);
        assert_int_equal(options.readiness_timeout_ms, readiness[i].want);
    }
    for (size_t i = 0; i < COUNT(requests); i++) {
        char line[128];

        snprintf(line, sizeof(line), "list --request-timeout=%s", requests[i].flag);
        must(line);
        assert_int_equal(options.request_timeout_s, requests[i].want);
    }
    must("download x -of --retry=0 --connections=8 --port-forward --local-port=65535");
    assert_int_equal(options.retry, 0);
    assert_int_equal(options.connections, 8);
    assert_int_equal(options.local_port, 65535);
    must("download x -of --format=raw");
    assert_int_equal(options.format, OPTION_FORMAT_RAW);
    must("download x -of --format=oci");
    assert_int_equal(options.format, OPTION_FORMAT_OCI);
    must("download x -of --format=");
    assert_int_equal(options.format, OPTION_FORMAT_GZIP);
}

static void lists(void **state)
{
    (void)state;
    must("create x --vm=v --labels=a=1,b=2=3 --labels c= --annotations \"d=1,2\",e=\"\"");
    assert_int_equal(options.labels.count, 3);
    assert_string_equal(options.labels.text[0], "a=1");
    assert_string_equal(options.labels.text[1], "b=2=3");
    assert_string_equal(options.labels.text[2], "c=");
    assert_int_equal(options.annotations.count, 2);
    assert_string_equal(options.annotations.text[0], "d=1,2");
    assert_string_equal(options.annotations.text[1], "e=\"\"");
    must("create x --vm=v --annotations=\"a=say_\"\"hi\"\"\",b=1");
    assert_string_equal(options.annotations.text[0], "a=say \"hi\"");
    assert_string_equal(options.annotations.text[1], "b=1");
    must("create x --vm=v --labels=");
    assert_int_equal(options.labels.count, 0);
    must("list --as-group=cn=a,ou=b --as-group c");
    assert_int_equal(options.as_group.count, 2);
    assert_string_equal(options.as_group.text[0], "cn=a,ou=b");

    must_not("create x --vm=v --labels=a", "--labels takes key=value,...: 'a' is none");
    must_not("create x --vm=v --labels=a=1,b", "'b' is none");
    must_not("create x --vm=v --labels=a=1,,b=2", "'' is none");
    must_not("create x --vm=v --labels==1", "'=1' is none");
    must_not("create x --vm=v --annotations=a", "--annotations takes key=value");
    must_not("create x --vm=v --labels=,,,,", "takes key=value");
}

static void too_many_in_a_list(void **state)
{
    cleanup_str struct str line = STR_INIT;

    (void)state;
    str_puts(&line, "create x --vm=v --labels=k=v");
    for (int i = 1; i < OPTION_TEXTS_MAX; i++)
        str_puts(&line, ",k=v");
    must(str_get(&line));
    assert_int_equal(options.labels.count, OPTION_TEXTS_MAX);
    str_puts(&line, ",k=v");
    must_not(str_get(&line), "--labels: more than 64");
}

static void wrong_values(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"download x -of --format=zip",
         "--format is not a valid value, acceptable values are gzip/raw/oci"},
        {"download x -of --format=gz", "gzip/raw/oci"},
        {"download x -of --retry=-1",
         "--retry is not a valid value, acceptable values are positive integers"},
        {"download x -of --retry -1", "--retry is not a valid value"},
        {"download x -of --retry=1x", "--retry is not a valid value"},
        {"download x -of --retry=99999999999", "--retry is not a valid value"},
        {"download x -of --port-forward --local-port=65536",
         "--local-port is not a valid value, acceptable values are valid port numbers"},
        {"download x -of --local-port=http", "--local-port is not a valid value"},
        {"download x -of --local-port=", "--local-port is not a valid value"},
        {"download x --manifest --manifest-output-format=xml",
         "--manifest-output-format is not a valid value, acceptable values are yaml/json"},
        {"download x -of --connections=0", "--connections is not a valid value"},
        {"download x -of --connections=33", "1 to 32"},
        {"download x -of --checksum=md5", "crc32/sha256"},
        {"download x -of --readiness-timeout=soon", "--readiness-timeout: 'soon' is no duration"},
        {"download x -of --readiness-timeout=5", "is no duration"},
        {"download x -of --readiness-timeout=-5s", "less than nothing"},
        {"create x --vm=v --ttl=zz", "--ttl: 'zz' is no duration"},
        {"create x --vm=v --ttl=-1h", "less than nothing"},
        {"create x --vm=V", "--vm: 'V' cannot be an object's name"},
        {"create x --vm=v --quiet=maybe", "--quiet is not a valid value"},
        {"list --request-timeout=x", "--request-timeout: 'x' is no duration"},
        {"list --api-group=other.io", "export.kubevirt.io/export.vmexport.io"},
        {"list -o yaml", "--output is not a valid value, acceptable values are table/json"},
        {"serve --disk=d --listen=host", "--listen"},
        {"completion csh", "no completion for the shell 'csh'"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        must_not(rows[i].line, rows[i].says);
}

static void wrong_lines(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"--quiet", "a command is missing"},
        {"frobnicate a", "invalid function 'frobnicate'"},
        {"frobnicate --help", "invalid function"},
        {"help frobnicate", "invalid function"},
        {"create --pvc=p", "'create' needs a NAME"},
        {"create a b --pvc=p", "'create' takes one NAME: 'b' is too much"},
        {"list a", "'list' takes no argument: 'a' is too much"},
        {"completion", "'completion' needs a SHELL"},
        {"create a --pvc=p --no-such-flag", "unknown flag: --no-such-flag"},
        {"create a --no-such-flag=1", "unknown flag: --no-such-flag"},
        {"create a --snap=s", "unknown flag: --snap"},
        {"create a -x", "unknown shorthand flag: 'x' in -x"},
        {"list -qx", "unknown shorthand flag: 'x' in -x"},
        {"create a --pvc", "flag needs an argument: --pvc"},
        {"list -n", "flag needs an argument: --namespace"},
        {"create a --pvc=p -- --labels=a=b", "'--labels=a=b' is too much"},
        {"create - --pvc=p", "'-' cannot be an export's name"},
        {"create A --pvc=p", "'A' cannot be an export's name"},
        {"create a_b --pvc=p", "cannot be an export's name"},
        {"create a..b --pvc=p", "cannot be an export's name"},
        {"create a-.b --pvc=p", "cannot be an export's name"},
        {"create ../b --pvc=p", "cannot be an export's name"},
        {"delete a.", "cannot be an export's name"},
        {"status -- -a", "cannot be an export's name"},
    };
    char line[512] = "delete ";

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        must_not(rows[i].line, rows[i].says);
    memset(line + 7, 'a', 253);
    must(line);
    memset(line + 7, 'a', 254);
    must_not(line, "cannot be an export's name");
    must("delete a.b-c.0");
}

/* virtctl's rules, in its words. */
static void what_goes_together(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"create x", "need to specify export kind when attempting to create a "
                     "VirtualMachineExport [--pvc|--vm|--snapshot|--vmtemplate]"},
        {"create x --output=f", "need to specify export kind"},
        {"create x --vm=", "need to specify export kind"},
        {"create x --pvc=p --vm=v", "if any flags in the group [vm snapshot pvc vmtemplate] are "
                                    "set none of the others can be; [vm pvc] were all set"},
        {"download x --snapshot=s --vm=v -of", "[vm snapshot] were all set"},
        {"download x --vmtemplate=s --pvc=v -of", "[pvc vmtemplate] were all set"},
        {"download x -of --keep-vme --delete-vme",
         "if any flags in the group [keep-vme delete-vme] are set"},
        {"create x --pvc=p --output=f", "the '--output' flag is incompatible with 'create'"},
        {"create x --pvc=p --volume=f", "the '--volume' flag is incompatible with 'create'"},
        {"create x --pvc=p --insecure", "the '--insecure' flag is incompatible with 'create'"},
        {"create x --pvc=p --keep-vme", "the '--keep-vme' flag is incompatible with 'create'"},
        {"create x --pvc=p --delete-vme", "the '--delete-vme' flag is incompatible"},
        {"create x --pvc=p --port-forward", "the '--port-forward' flag is incompatible"},
        {"create x --pvc=p --local-port=1", "the '--local-port' flag is incompatible"},
        {"create x --pvc=p --format=raw", "the '--format' flag is incompatible"},
        {"create x --pvc=p --service-url=h", "the '--service-url' flag is incompatible"},
        {"create x --pvc=p --retry=1", "the '--retry' flag is incompatible"},
        {"delete x --pvc=p", "should not specify export kind"},
        {"delete x --vm=p", "should not specify export kind"},
        {"delete x --output=f", "the '--output' flag is incompatible with 'delete'"},
        {"delete x --readiness-timeout=1s", "the '--readiness-timeout' flag is incompatible"},
        {"delete x --labels=a=b", "the '--labels' flag is incompatible with 'delete'"},
        {"delete x --annotations=a=b", "the '--annotations' flag is incompatible"},
        {"delete x --retry=3", "the '--retry' flag is incompatible with 'delete'"},
        {"list --volume=v", "the '--volume' flag is incompatible with 'list'"},
        {"status x -A", "the '--all-namespaces' flag is incompatible with 'status'"},
        {"serve --disk=d -n n", "the '--namespace' flag is incompatible with 'serve'"},
        {"serve", "need to specify what to serve [--disk|--dir]"},
        {"download x", "'--output -'"},
        {"download x --output=", "the '--output' flag is missing"},
        {"download x -of --format=oci --volume=v",
         "the '--volume' flag is incompatible with '--format=oci'"},
        {"download x --format=oci --manifest",
         "the '--manifest' flag is incompatible with '--format=oci'"},
        {"download x -of --format=oci --pvc=p",
         "the '--pvc' flag is incompatible with '--format=oci'"},
        {"download x --manifest --volume=v",
         "the '--volume' flag is incompatible with '--manifest'"},
        {"download x --manifest --pvc=p", "the '--pvc' flag is incompatible with '--manifest'"},
        {"download x -of --port-forward --service-url=h",
         "the '--service-url' flag is incompatible with '--port-forward'"},
        {"download x -of --snapshot-first", "need to specify the '--vm' flag"},
        {"download x -of --pvc=p --snapshot-first", "need to specify the '--vm' flag"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        must_not(rows[i].line, rows[i].says);
}

/* As virtctl takes it: what is no value, and what has no effect there either (a warning says so). */
static void what_is_taken(void **state)
{
    static const char *const rows[] = {
        "create x --pvc=p --output= --insecure=false --retry=0 --local-port=0 --format=",
        "create x --pvc=p --vm=",
        "create x --pvc=p --manifest --include-secret --manifest-output-format=json",
        "create x --pvc=p --readiness-timeout=1m",
        "delete x --ttl=1h --manifest --include-secret --manifest-output-format=json",
        "download x -of --ttl=1h --labels=a=b --annotations=a=b",
        "download x -of --include-secret --manifest-output-format=json --local-port=1",
        "download x --manifest",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        must(rows[i]);
    must("create x --pvc=p --manifest");
    assert_false(options.manifest);
}

static void the_source(void **state)
{
    static const struct {
        const char *flag, *group, *kind;
    } rows[] = {
        {"--vm", "kubevirt.io", "VirtualMachine"},
        {"--snapshot", "snapshot.kubevirt.io", "VirtualMachineSnapshot"},
        {"--pvc", "", "PersistentVolumeClaim"},
        {"--vmtemplate", "template.kubevirt.io", "VirtualMachineTemplate"},
    };
    struct option_source source;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char line[128];

        snprintf(line, sizeof(line), "create x %s=src", rows[i].flag);
        must(line);
        assert_ptr_equal(options_source(&options, &source), &source);
        assert_string_equal(source.flag, rows[i].flag);
        assert_string_equal(source.group, rows[i].group);
        assert_string_equal(source.kind, rows[i].kind);
        assert_string_equal(source.name, "src");
    }
    must("delete x");
    assert_null(options_source(&options, &source));
}

/* A row that nothing reaches would be a flag that cannot be used. */
static void the_table(void **state)
{
    (void)state;
    for (const struct flag *flag = flag_table; flag->name; flag++) {
        assert_non_null(flag->read);
        assert_non_null(flag->help);
        assert_true(flag->commands != 0 && (flag->commands & flag->ignored) == 0);
        for (int i = COMMAND_NONE + 1; i < COMMANDS; i++)
            if (flag->commands & (1u << i) &&
                flag_find(flag->name, strlen(flag->name), (enum command)i) != flag)
                fail_msg("--%s twice", flag->name);
    }
    for (int i = COMMAND_NONE + 1; i < COMMANDS; i++)
        assert_int_equal(command_find(command_table[i].name), i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(texts),
        cmocka_unit_test(switches),
        cmocka_unit_test(numbers),
        cmocka_unit_test(lists),
        cmocka_unit_test(too_many_in_a_list),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(wrong_lines),
        cmocka_unit_test(what_goes_together),
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(the_source),
        cmocka_unit_test(the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
