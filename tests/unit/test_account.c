/* SPDX-License-Identifier: Apache-2.0 */
/* What the lease says of pods, so that the next leader misses nothing. */
#include "../../controller/account.h"
#include "controller_world.h"

static void assert_note(struct account *account, struct paper *p, const char *version,
                        const char *want)
{
    cleanup_free char *note = account_note(account, &p->cache, version ? strdup(version) : NULL);

    assert_row(version ? version : "none", "the note", note ? note : "none", want);
}

static void the_note_moves_when_all_is_written(void **state)
{
    cleanup_paper struct paper p;
    struct account account;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    account_init(&account);
    assert_note(&account, &p, NULL, "none");
    account_found(&account, "5");
    assert_note(&account, &p, "9", "5"); /* the gap is not closed yet */
    cache_touch(&p.cache, "ns/e", "user");
    account_close(&account);
    assert_note(&account, &p, "9", "5"); /* the user is in no status yet */
    paper_settle(&p, "written");
    assert_note(&account, &p, "9", "9");
    assert_note(&account, &p, NULL, "9"); /* the watch begins anew */
    cache_touch(&p.cache, "ns/e", "another");
    assert_note(&account, &p, "12", "9");
    cache_forget(&p.cache, "ns/e"); /* the export is gone, and with it who was at its volumes */
    assert_note(&account, &p, "12", "12");
    account_free(&account);
}

static void a_lease_without_a_note(void **state)
{
    cleanup_paper struct paper p;
    struct account account;

    (void)state;
    paper_start(&p, "{}", NULL);
    account_init(&account);
    account_found(&account, "5");
    account_found(&account, NULL);
    assert_note(&account, &p, "9", "none");
    account_close(&account);
    assert_note(&account, &p, "9", "9");
    account_free(&account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_note_moves_when_all_is_written),
        cmocka_unit_test(a_lease_without_a_note),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
