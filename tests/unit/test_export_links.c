/* SPDX-License-Identifier: Apache-2.0 */
/* Which URL of an export serves what, as its client reads it. */
#include "support.h"

#include "api/links.h"
#include "base/cleanup.h"

static struct json *object(void)
{
    return json_format("{'status':{'links':{'external':{'cert':'PEM','volumes':["
                       "{'name':'root-disk','formats':[{'format':'zstd','url':'https://z'},"
                       "{'format':'raw','url':'https://r'},{'format':'gzip','url':''}]},"
                       "{'name':'logs','formats':[{'format':'dir','url':'https://d'},"
                       "{'format':'tar.gz','url':'https://t'}]}],"
                       "'manifests':[{'type':'all','url':'https://all'}]},"
                       "'internal':{'volumes':[{'name':'only'}]}}}}");
}

static void sides(void **state)
{
    cleanup_json struct json *export = object();
    cleanup_json struct json *none = json_format("{'status':{'links':{'external':null}}}");

    (void)state;
    assert_string_equal(links_cert(links_of(export, LINKS_EXTERNAL)), "PEM");
    assert_string_equal(links_cert(links_of(export, LINKS_INTERNAL)), "");
    assert_null(links_of(none, LINKS_EXTERNAL));
    assert_null(links_of(none, LINKS_INTERNAL));
    assert_null(links_of(NULL, LINKS_INTERNAL));
    assert_string_equal(links_cert(NULL), "");
}

static void formats_and_manifests(void **state)
{
    cleanup_json struct json *export = object();
    const struct json *links = links_of(export, LINKS_EXTERNAL), *volume;
    struct err err;

    (void)state;
    assert_int_equal(links_volume(links, "root-disk", &volume, &err), 0);
    assert_string_equal(links_format(volume, "raw"), "https://r");
    assert_null(links_format(volume, "gzip")); /* no URL is no offer */
    assert_null(links_format(volume, "dir"));
    assert_int_equal(links_volume(links, "logs", &volume, &err), 0);
    assert_string_equal(links_format(volume, "tar.gz"), "https://t");
    assert_string_equal(links_manifest(links, "all"), "https://all");
    assert_null(links_manifest(links, "oci"));
    assert_null(links_manifest(links_of(export, LINKS_INTERNAL), "all"));
    assert_null(links_format(NULL, "raw"));
}

static void the_volume(void **state)
{
    cleanup_json struct json *export = object();
    cleanup_json struct json *empty = json_format("{'volumes':[]}");
    cleanup_json struct json *odd = json_format("{'volumes':[{'name':3},{'nam':'x'}]}");
    const struct json *links = links_of(export, LINKS_EXTERNAL), *volume;
    struct err err;

    (void)state;
    /* The only one is meant, whatever its name, as virtctl has it. */
    assert_int_equal(links_volume(links_of(export, LINKS_INTERNAL), "x", &volume, &err), 0);
    assert_string_equal(json_text(volume, "name"), "only");
    assert_int_equal(links_volume(links, NULL, &volume, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "--volume: root-disk, logs"));
    assert_int_equal(links_volume(links, "x", &volume, &err), -1);
    assert_non_null(strstr(err.msg, "no volume 'x'"));
    assert_non_null(strstr(err.msg, "root-disk, logs"));
    assert_int_equal(links_volume(empty, "x", &volume, &err), -1);
    assert_non_null(strstr(err.msg, "no volumes"));
    assert_int_equal(links_volume(NULL, NULL, &volume, &err), -1);
    assert_int_equal(links_volume(odd, "x", &volume, &err), -1);
    assert_non_null(strstr(err.msg, "?, ?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides),
        cmocka_unit_test(formats_and_manifests),
        cmocka_unit_test(the_volume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
