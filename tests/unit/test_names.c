/* SPDX-License-Identifier: Apache-2.0 */
#include "export/names.h"
#include "support.h"

#define A10 "aaaaaaaaaa"
#define A50 A10 A10 A10 A10 A10
#define A200 A50 A50 A50 A50
#define A253 A200 A50 "aaa"

/* The digests are of `printf %s NAME | sha256sum`. */
static const char *const groups[] = {"export.kubevirt.io", "export.vmexport.io"};

static const struct names_scheme *scheme(size_t group)
{
    const struct names_scheme *found = names_of_group(groups[group]);

    assert_non_null(found);
    return found;
}

/* ---- rules of Kubernetes ---- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_valid(const char *name, size_t max, bool dots)
{
    size_t len = strlen(name);

    if (!len || len > max || !is_alnum(name[0]) || !is_alnum(name[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (is_alnum(name[i]) || name[i] == '-')
            continue;
        if (name[i] != '.' || !dots || !is_alnum(name[i - 1]) || !is_alnum(name[i + 1]))
            return false;
    }
    return true;
}

/* ---- exports ---- */

typedef struct name name_fn(const struct names_scheme *scheme, const char *export_name);

static struct name label_of(const struct names_scheme *ignored, const char *export_name)
{
    (void)ignored;
    return names_label(export_name);
}

static struct name volume_of(const struct names_scheme *ignored, const char *claim)
{
    (void)ignored;
    return names_volume(claim);
}

static struct name restored_of(const struct names_scheme *s, const char *export_name)
{
    return names_restored(s, export_name, "disk");
}

static struct name imported_header(const struct names_scheme *ignored, const char *export_name)
{
    (void)ignored;
    return names_imported_header(export_name);
}

static struct name imported_ca(const struct names_scheme *ignored, const char *export_name)
{
    (void)ignored;
    return names_imported_ca(export_name);
}

static struct name client_token(const struct names_scheme *ignored, const char *export_name)
{
    (void)ignored;
    return names_client_token(export_name);
}

static const struct {
    name_fn *name;
    size_t max;
    bool dots;
} kinds[] = {
    {names_service, 63, false},   {names_pod, 63, false},   {names_ingress, 253, true},
    {names_token, 253, true},     {names_tls, 253, true},   {names_manifest, 253, true},
    {label_of, 63, true},         {volume_of, 63, false},   {restored_of, 253, true},
    {imported_header, 253, true}, {imported_ca, 253, true}, {client_token, 253, true},
};

static void documented_names(void **state)
{
    static const struct {
        name_fn *name;
        const char *want[2];
    } rows[] = {
        {names_service, {"virt-export-example", "vmexport-example"}},
        {names_pod, {"virt-export-example", "vmexport-example"}},
        {names_ingress, {"virt-export-example", "vmexport-example"}},
        {names_token, {"export-token-example", "vmexport-token-example"}},
        {names_tls, {"virt-export-tls-example", "vmexport-tls-example"}},
        {names_manifest, {"exporter-vm-manifest-example", "vmexport-manifest-example"}},
        {restored_of, {"example-disk", "vmexport-example-disk"}},
        {label_of, {"example", "example"}},
        {imported_header, {"header-secret-example", "header-secret-example"}},
        {imported_ca, {"export-ca-cm-example", "export-ca-cm-example"}},
        {client_token, {"secret-example", "secret-example"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t group = 0; group < COUNT(groups); group++)
            assert_string_equal(rows[i].name(scheme(group), "example").text, rows[i].want[group]);
    assert_null(names_of_group("export.example.org"));
    assert_null(names_of_group(""));
}

/* How each is changed that can't be as documented. */
static void names_that_do_not_fit(void **state)
{
    static const struct {
        name_fn *name;
        const char *export_name, *want;
    } rows[] = {
        {names_service, A50 "a", "virt-export-" A50 "a"}, /* 63 */
        {names_service, A50 "aa", "virt-export-" A10 A10 A10 A10 "aa-6c1b3dc7"},
        {names_service, "a.b", "virt-export-a-b-2e7336dc"},
        {names_service, "a-b", "virt-export-a-b"},
        /* cut behind the '-' */
        {names_service, A10 A10 A10 A10 "a-bbbbbbbbbb",
         "virt-export-" A10 A10 A10 A10 "a-cb31f633"},
        {names_ingress, "a.b", "virt-export-a.b"},
        {names_token, A200 "." A10 A10, "export-token-" A200 "." A10 A10},
        {names_token, A200 A10 A10 A10 "." A10, "export-token-" A200 A10 A10 A10 "-53de2ad2"},
        {label_of, "a.b", "a.b"},
        {label_of, A50 A10 "aaa", A50 A10 "aaa"},
        {label_of, A50 "aa--" A10, A50 "aa-e3b48277"},
        {volume_of, "disk", "disk"},
        {volume_of, "a.b", "a-b-2e7336dc"},
        {volume_of, "token", "token-3c469e9d"},
        {volume_of, "tokens", "tokens"},
        {volume_of, "run", "run-acba2551"},
        {volume_of, "certificates", "certificates-f78c06aa"},
        {volume_of, "manifest-data", "manifest-data-7c1a9761"},
        {imported_header, A200 A10 A10 A10 "aaaaaaaaa",
         "header-secret-" A200 A10 A10 A10 "aaaaaaaaa"},
        {imported_header, A200 A10 A10 A10 A10, "header-secret-" A200 A10 A10 A10 "-9b304390"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(rows[i].name(scheme(0), rows[i].export_name).text, rows[i].want);
}

/* Exports that are apt to become the same, and the edges of every length. */
static void names_are_valid_and_unique(void **state)
{
    static char exports[600][NAME_SUBDOMAIN_MAX + 1] = {
        "a",    "a.b",    "a-b",          "a.b.c", "a-b.c",      "a.b-c",         "a-b-c", "token",
        "run",  "tokens", "disk",         "0",     "9.9",        "virt-export-a", "a.0.b", "a-0.b",
        "a--b", "a---b",  "export-token", "tls-a", "manifest-a",
    };
    static struct name names[COUNT(exports)];
    size_t count = 21;

    (void)state;
    assert_true(exports[count - 1][0] && !exports[count][0]);
    for (size_t len = 38; len <= NAME_SUBDOMAIN_MAX; len++) {
        memset(exports[count], 'a', len); /* the same up to their length */
        count++;
        memset(exports[count], 'a', len); /* a '-' or '.' wherever it is cut */
        exports[count++][len % 2 ? len - 10 : 36] = len % 3 ? '-' : '.';
    }
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (size_t i = 0; i < count; i++) {
            names[i] = kinds[k].name(scheme(k % 2), exports[i]);
            if (!is_valid(names[i].text, kinds[k].max, kinds[k].dots))
                fail_msg("kind %zu of '%s': '%s'", k, exports[i], names[i].text);
            for (size_t j = 0; j < i; j++)
                if (strcmp(names[i].text, names[j].text) == 0)
                    fail_msg("kind %zu of '%s' and '%s': '%s'", k, exports[i], exports[j],
                             names[i].text);
        }
    }
}

/* ---- restored claims ---- */

static void restored_claims(void **state)
{
    static const struct {
        const char *export_name, *claim, *want;
    } rows[] = {
        {"snap", "disk", "snap-disk"},
        {"a", "b-c", "a-b-c"},
        {"a-b", "c", "a-b-c-4e84717d"},
        {"a.b", "c", "a.b-c"},
        {"a.b", "c.d", "a.b-c.d"},
        {"a", A200 A50 "a", "a-" A200 A50 "a"},
        {"a", A200 A50 "aa", "a-" A200 A10 A10 A10 A10 "aa-4c82b6d8"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(names_restored(scheme(0), rows[i].export_name, rows[i].claim).text,
                            rows[i].want);
    assert_string_equal(names_restored(scheme(1), "a", "b-c").text, "vmexport-a-b-c");
    assert_true(is_valid(names_restored(scheme(1), A253, A253).text, NAME_SUBDOMAIN_MAX, true));
}

/* Every way to split the same text is another claim. */
static void restored_claims_are_unique(void **state)
{
    static const char *const words[] = {"a", "a-b", "b", "b-c", "c", "a-b-c", "c-a", "a.b", "b.c"};
    struct name names[COUNT(words) * COUNT(words)];
    size_t count = 0;

    (void)state;
    for (size_t group = 0; group < COUNT(groups); group++, count = 0) {
        for (size_t i = 0; i < COUNT(names); i++) {
            names[count] =
                names_restored(scheme(group), words[i / COUNT(words)], words[i % COUNT(words)]);
            for (size_t j = 0; j < count; j++)
                assert_string_not_equal(names[count].text, names[j].text);
            count++;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documented_names),           cmocka_unit_test(names_that_do_not_fit),
        cmocka_unit_test(names_are_valid_and_unique), cmocka_unit_test(restored_claims),
        cmocka_unit_test(restored_claims_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
