/* SPDX-License-Identifier: Apache-2.0 */
#include "pki.h"
#include "support.h"
#include "trust.h"

#include <unistd.h>

static char file[] = "/tmp/vmexport-trust-XXXXXX";
static struct err err;

static void write_file(const char *text)
{
    char next[sizeof(file) + 8];
    FILE *f;

    snprintf(next, sizeof(next), "%s.next", file);
    f = fopen(next, "we");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) < 0, 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(next, file), 0);
}

static struct pki_pair *make_ca(const char *name)
{
    struct pki_pair *ca = pki_make_ca(name, 1000000000, 86400, &err);

    assert_non_null(ca);
    return ca;
}

static void the_last_good_file_counts(void **state)
{
    struct pki_pair *one = make_ca("one"), *two = make_ca("two");
    cleanup_str struct str pem = STR_INIT, both = STR_INIT;
    unsigned generation = 0, before;

    (void)state;
    trust_open(file);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(trust_get(&generation, &pem, &err), -1);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    write_file("no certificate");
    assert_int_equal(trust_get(&generation, &pem, &err), -1);
    write_file(pki_pair_cert(one)->pem);
    assert_int_equal(trust_get(&generation, &pem, &err), 0);
    assert_string_equal(str_get(&pem), pki_pair_cert(one)->pem);
    before = generation;
    str_clear(&pem); /* unchanged: it is not given again */
    assert_int_equal(trust_get(&generation, &pem, &err), 0);
    assert_int_equal(generation, before);
    assert_int_equal(pem.len, 0);
    str_printf(&both, "%s%s", pki_pair_cert(one)->pem, pki_pair_cert(two)->pem);
    write_file(str_get(&both));
    assert_int_equal(trust_get(&generation, &pem, &err), 0);
    assert_int_not_equal(generation, before);
    assert_string_equal(str_get(&pem), str_get(&both));
    before = generation;
    write_file("");
    assert_int_equal(trust_get(&generation, &pem, &err), 0);
    str_printf(&both, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write_file(str_get(&both)); /* two good ones and a broken one */
    assert_int_equal(trust_get(&generation, &pem, &err), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(trust_get(&generation, &pem, &err), 0);
    assert_int_equal(generation, before);
    generation = 0; /* whoever comes late gets it */
    assert_int_equal(trust_get(&generation, &pem, &err), 0);
    assert_int_equal(generation, before);
    trust_close();
    pki_pair_free(one);
    pki_pair_free(two);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(the_last_good_file_counts)};
    int fd = mkstemp(file);

    if (fd < 0)
        return 1;
    close(fd);
    return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
