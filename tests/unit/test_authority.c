/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Secret lives through years here, step by step as the driver takes them; at each, whoever has
 * read the bundle some time ago must be able to verify every certificate that is in use.
 */
#include "authority.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "support.h"

enum { NOW = 1800000000, HOUR = 3600, DAY = 86400 };

static const struct authority_settings settings = {
    .group = "export.kubevirt.io",
    .ca_duration = 90 * DAY,
    .leaf_duration = 7 * DAY,
    .publish = HOUR,
};

static const char *const names[] = {"virt-export-a", "virt-export-a.ns.svc"};

static struct err err;

/* ---- the Secret, as the driver keeps it ---- */

struct world {
    const struct authority_settings *settings; /* NULL: those above */
    struct json *secret;
    time_t since, next;
    const char *what; /* of the last step that wrote, NULL when it did not */
    int writes;
};

static void step(struct world *w, time_t now)
{
    const struct authority_settings *s = w->settings ? w->settings : &settings;
    struct authority_plan plan;

    if (authority_step(w->secret, s, w->since, now, &plan, &err) < 0)
        fail_msg("%s", err.msg);
    w->what = plan.what;
    w->next = plan.next;
    assert_true(plan.next >= now);
    assert_true(!plan.wanted == !plan.what);
    if (!plan.wanted)
        return;
    w->writes++;
    json_free(w->secret);
    w->secret = json_copy(plan.wanted);
    json_put(w->secret, "metadata", json_format("{'name': 'ca', 'namespace': 'vmexport'}"));
    authority_plan_free(&plan);
}

/* Steps until there is nothing left to do. */
static void settle(struct world *w, time_t now)
{
    int before = w->writes;

    do {
        step(w, now);
        assert_true(w->writes - before < 4);
    } while (w->what);
}

static void load(const struct world *w, struct authority *authority)
{
    if (authority_load(w->secret, authority, &err) < 0)
        fail_msg("%s", err.msg);
}
#define cleanup_authority __attribute__((cleanup(authority_free)))

static void put(struct json *secret, const char *key, const char *text)
{
    cleanup_str struct str encoded = STR_INIT;

    base64_encode(text, strlen(text), &encoded);
    json_put(json_edit(secret, "data"), key, json_new_string(str_get(&encoded)));
}

static char *get(const struct json *secret, const char *key)
{
    struct str text = STR_INIT;

    assert_int_equal(base64_decode(json_string(json_get(json_get(secret, "data"), key)), &text), 0);
    return str_steal(&text);
}

static struct json *tls_secret(struct json *data)
{
    struct json *secret = json_new_object();

    assert_non_null(data);
    json_set(secret, "data", data);
    return secret;
}

static struct json *issue(const struct authority *authority, time_t now)
{
    return tls_secret(authority_issue(authority, names, COUNT(names), &settings, now, &err));
}

/* ---- the CA ---- */

static void a_new_ca(void **state)
{
    struct world w = {.since = NOW};
    cleanup_authority struct authority authority;

    (void)state;
    step(&w, NOW);
    assert_string_equal(w.what, "a new CA was made");
    assert_string_equal(json_text(w.secret, "type"), "kubernetes.io/tls");
    assert_int_equal(json_count(json_get(w.secret, "data")), 2);
    load(&w, &authority);
    assert_string_equal(pki_pair_cert(authority.signer)->subject,
                        "CN=export.kubevirt.io@1800000000");
    assert_int_equal(authority.trusted.count, 1);
    assert_string_equal(authority.trusted.cert[0].fingerprint,
                        pki_pair_cert(authority.signer)->fingerprint);
    assert_true(str_ends(authority.bundle, "\n-----END CERTIFICATE-----"));
    step(&w, NOW);
    assert_null(w.what);
    assert_int_equal(w.next, NOW + 83 * DAY - 2 * HOUR);
    json_free(w.secret);
}

static void an_empty_secret_is_filled(void **state)
{
    static const char *const rows[] = {"{}", "{'data': null}", "{'data': {}}",
                                       "{'data': {'tls.crt': '', 'tls.key': ''}}"};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct world w = {.secret = json_format(rows[i]), .since = NOW};
        struct authority authority;

        assert_int_equal(authority_load(w.secret, &authority, &err), -1);
        assert_int_equal(err.class, ERR_UNAVAILABLE);
        step(&w, NOW);
        assert_string_equal(w.what, "a new CA was made");
        json_free(w.secret);
    }
}

static void rotation(void **state)
{
    struct world w = {.since = NOW};
    time_t publish = NOW + 83 * DAY - 2 * HOUR;
    struct authority first, both, turned, last;

    (void)state;
    settle(&w, NOW);
    load(&w, &first);
    step(&w, publish - 1);
    assert_null(w.what);
    step(&w, publish);
    assert_string_equal(w.what, "the CA's successor was made and is in the bundle");
    assert_int_equal(w.next, publish + HOUR);
    load(&w, &both);
    assert_int_equal(both.trusted.count, 2);
    assert_string_equal(pki_pair_cert(both.signer)->pem, pki_pair_cert(first.signer)->pem);
    assert_true(str_starts(both.bundle, first.bundle));

    step(&w, publish + HOUR - 1);
    assert_null(w.what);
    step(&w, publish + HOUR);
    assert_string_equal(w.what, "the CA's successor signs from now on");
    load(&w, &turned);
    assert_int_equal(turned.trusted.count, 2);
    assert_string_equal(turned.trusted.cert[0].pem, both.trusted.cert[1].pem);
    assert_string_equal(turned.trusted.cert[1].pem, both.trusted.cert[0].pem);
    assert_string_equal(pki_pair_cert(turned.signer)->pem, both.trusted.cert[1].pem);
    assert_int_equal(w.next, NOW + 90 * DAY + 1);

    step(&w, NOW + 90 * DAY);
    assert_null(w.what);
    step(&w, NOW + 90 * DAY + 1);
    assert_string_equal(w.what, "an expired CA was taken out of the bundle");
    load(&w, &last);
    assert_int_equal(last.trusted.count, 1);
    assert_int_equal(json_count(json_get(w.secret, "data")), 2);
    authority_free(&first);
    authority_free(&both);
    authority_free(&turned);
    authority_free(&last);
    json_free(w.secret);
}

/* The shortest life that is allowed: the third CA comes while the first is still trusted. */
static void three_at_once(void **state)
{
    static const struct authority_settings tight = {"g", 14 * DAY + 2 * HOUR, 7 * DAY, HOUR};
    struct world w = {.settings = &tight, .since = NOW};
    cleanup_authority struct authority authority;

    (void)state;
    for (time_t now = NOW; now <= NOW + 14 * DAY; now = w.next)
        settle(&w, now);
    assert_int_equal(w.writes, 4);
    load(&w, &authority);
    assert_int_equal(authority.trusted.count, 3); /* the signer, the newest, the oldest */
    assert_int_equal(authority.trusted.cert[0].not_after, NOW + 21 * DAY + 2 * HOUR);
    assert_int_equal(authority.trusted.cert[1].not_after, NOW + 28 * DAY + 2 * HOUR);
    assert_int_equal(authority.trusted.cert[2].not_after, NOW + 14 * DAY + 2 * HOUR);
    settle(&w, NOW + 14 * DAY + HOUR);
    assert_int_equal(w.next, NOW + 14 * DAY + 2 * HOUR + 1);
    authority_free(&authority);
    load(&w, &authority);
    assert_int_equal(authority.trusted.count, 3);
    assert_int_equal(authority.trusted.cert[2].not_after, NOW + 14 * DAY + 2 * HOUR);
    json_free(w.secret);
}

/* A restart in the meantime: nobody may have seen the bundle while the controller was away. */
static void a_restart_delays_the_successor(void **state)
{
    struct world w = {.since = NOW};
    time_t publish = NOW + 83 * DAY - 2 * HOUR, restart = publish + 5 * HOUR;

    (void)state;
    settle(&w, NOW);
    settle(&w, publish);
    w.since = restart;
    step(&w, restart);
    assert_null(w.what);
    assert_int_equal(w.next, restart + HOUR);
    step(&w, restart + HOUR);
    assert_string_equal(w.what, "the CA's successor signs from now on");
    json_free(w.secret);
}

static void restarts_do_not_delay_it_for_good(void **state)
{
    struct world w = {.since = NOW};
    time_t publish = NOW + 83 * DAY - 2 * HOUR;
    time_t half = publish + (7 * DAY + 2 * HOUR) / 2;

    (void)state;
    settle(&w, NOW);
    for (time_t now = publish; now < half; now += HOUR / 2) {
        w.since = now;
        settle(&w, now);
        assert_true(w.next <= half);
    }
    assert_int_equal(w.writes, 2);
    settle(&w, half);
    assert_int_equal(w.writes, 3);
    json_free(w.secret);
}

static void late_or_too_late(void **state)
{
    /* how long the controller was away, from when to when, and the writes it then takes */
    static const struct {
        time_t wake, wait;
        const char *first;
    } rows[] = {
        {NOW + 84 * DAY, HOUR, "the CA's successor was made and is in the bundle"},
        {NOW + 90 * DAY - HOUR, HOUR / 2, "the CA's successor was made and is in the bundle"},
        {NOW + 90 * DAY, 0, "the CA's successor was made and is in the bundle"},
        {NOW + 90 * DAY + 1, 83 * DAY - 2 * HOUR, "the CA's time was over, and a new CA was made"},
        {NOW - DAY, 83 * DAY - 2 * HOUR, "the CA's time was over, and a new CA was made"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct world w = {.since = NOW};

        settle(&w, NOW);
        w.since = rows[i].wake;
        step(&w, rows[i].wake);
        assert_string_equal(w.what, rows[i].first);
        assert_int_equal(w.next, rows[i].wake + rows[i].wait);
        json_free(w.secret);
    }
}

static void a_successor_of_an_expired_signer(void **state)
{
    struct world w = {.since = NOW};

    (void)state;
    settle(&w, NOW);
    settle(&w, NOW + 84 * DAY);
    step(&w, NOW + 91 * DAY);
    assert_string_equal(w.what, "the CA's successor signs from now on");
    assert_int_equal(json_count(json_get(w.secret, "data")), 2);
    json_free(w.secret);
}

/* Whether a client that read `bundle` can verify what the server has. */
static bool verifies(const char *bundle, const struct json *tls, time_t now)
{
    cleanup_free char *pem = get(tls, "tls.crt");
    struct pki_bundle leaf, known;
    bool found = false;

    assert_int_equal(pki_bundle_parse(pem, &leaf, &err), 0);
    assert_int_equal(pki_bundle_parse(bundle, &known, &err), 0);
    assert_true(pki_valid_at(&leaf.cert[0], now));
    assert_true(leaf.cert[0].not_after - now >= 2 * DAY);
    for (size_t i = 0; i < known.count; i++)
        found |= pki_valid_at(&known.cert[i], now) && pki_issued_by(&leaf.cert[0], &known.cert[i]);
    pki_bundle_free(&leaf);
    pki_bundle_free(&known);
    return found;
}

struct edition {
    time_t from;
    char *bundle;
};

/* Three years of a cluster from event to event, with an export whose certificate is renewed when it
 * is stale, and a client that knows the bundle as it was `publish` ago. */
static void nobody_is_ever_left_without_the_ca(void **state)
{
    struct world w = {.since = NOW};
    struct json *tls = NULL;
    struct edition editions[400];
    size_t count = 0, known = 0;
    int renewals = 0;

    (void)state;
    for (time_t now = NOW, next; now < NOW + 1100LL * DAY; now = next < w.next ? next : w.next) {
        cleanup_authority struct authority authority;
        struct json *fresh;

        settle(&w, now);
        load(&w, &authority);
        assert_true(authority.trusted.count <= 3);
        assert_true(count < COUNT(editions));
        editions[count++] = (struct edition){now, strdup(authority.bundle)};
        if (authority_leaf_stale(&authority, tls, names, COUNT(names), now, &next)) {
            json_free(tls);
            tls = issue(&authority, now);
            renewals++;
            assert_null(authority_leaf_stale(&authority, tls, names, COUNT(names), now, &next));
        }
        assert_true(next > now && w.next > now);
        while (known + 1 < count && editions[known + 1].from <= now - settings.publish)
            known++;
        fresh = issue(&authority, now); /* a new export's */
        assert_true(verifies(editions[known].bundle, fresh, now));
        assert_true(verifies(editions[known].bundle, tls, now));
        assert_true(verifies(authority.bundle, tls, now));
        json_free(fresh);
    }
    assert_in_range(w.writes, 3 * 12, 3 * 16);
    assert_in_range(renewals, 1100 / 7, 1100 / 4);
    while (count)
        free(editions[--count].bundle);
    json_free(tls);
    json_free(w.secret);
}

/* ---- Secrets that cannot be used ---- */

static void broken_secrets(void **state)
{
    struct world w = {.since = NOW}, other = {.since = NOW};
    cleanup_authority struct authority authority;
    cleanup_free char *cert = NULL, *key = NULL, *other_key = NULL, *leaf_cert = NULL,
                      *leaf_key = NULL;
    struct json *leaf;

    (void)state;
    settle(&w, NOW);
    settle(&other, NOW);
    load(&w, &authority);
    leaf = issue(&authority, NOW);
    cert = get(w.secret, "tls.crt");
    key = get(w.secret, "tls.key");
    other_key = get(other.secret, "tls.key");
    leaf_cert = get(leaf, "tls.crt");
    leaf_key = get(leaf, "tls.key");
    const struct {
        const char *cert, *key, *next_cert, *previous, *want;
    } rows[] = {
        {"", key, NULL, NULL, "'tls.crt' and 'tls.key': cannot read the certificate: "},
        {cert, "", NULL, NULL, "'tls.crt' and 'tls.key': cannot read the private key: "},
        {cert, "junk", NULL, NULL, "'tls.crt' and 'tls.key': cannot read the private key: "},
        {cert, other_key, NULL, NULL, "'tls.crt' and 'tls.key': the private key is not the "},
        {leaf_cert, leaf_key, NULL, NULL, "'tls.crt' is no CA's certificate"},
        {cert, key, cert, NULL, "'next.crt' and 'next.key': cannot read the private key: "},
        {cert, key, NULL, "-----BEGIN CERTIFICATE-----\nMIIB\n", "'previous.crt': cannot read cer"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json *secret = json_copy(w.secret);
        struct authority_plan plan;
        struct authority none;

        put(secret, "tls.crt", rows[i].cert);
        put(secret, "tls.key", rows[i].key);
        if (rows[i].next_cert)
            put(secret, "next.crt", rows[i].next_cert);
        if (rows[i].previous)
            put(secret, "previous.crt", rows[i].previous);
        assert_int_equal(authority_step(secret, &settings, NOW, NOW, &plan, &err), -1);
        authority_plan_free(&plan);
        assert_int_equal(err.class, ERR_INPUT);
        if (!strstr(err.msg, rows[i].want) ||
            !str_starts(err.msg, "cannot use the CA in Secret 'vmexport/ca' (delete the Secret, "))
            fail_msg("row %zu: %s", i, err.msg);
        assert_int_equal(authority_load(secret, &none, &err), -1);
        authority_free(&none);
        json_free(secret);
    }
    json_free(leaf);
    json_free(w.secret);
    json_free(other.secret);
}

static void no_text_at_all(void **state)
{
    static const char *const rows[] = {"{'data': {'tls.crt': '!', 'tls.key': 'Zm9v'}}",
                                       "{'data': {'tls.crt': 'AAAA', 'tls.key': 'Zm9v'}}"};
    static const char *const wants[] = {"'tls.crt' is no base64", "'tls.crt' is no PEM text"};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json *secret = json_format(rows[i]);
        struct authority authority;

        assert_int_equal(authority_load(secret, &authority, &err), -1);
        assert_non_null(strstr(err.msg, wants[i]));
        assert_non_null(strstr(err.msg, "'?/?'"));
        json_free(secret);
    }
}

static void durations(void **state)
{
    static const struct {
        int64_t ca, leaf, publish;
        const char *want; /* NULL: good */
    } rows[] = {
        {90 * DAY, 7 * DAY, HOUR, NULL},
        {14 * DAY + 2 * HOUR, 7 * DAY, HOUR, NULL},
        {1200, 600, 0, NULL},
        {14 * DAY + 2 * HOUR - 2, 7 * DAY, HOUR, "1216800 seconds or more"},
        {DAY, 419, HOUR, "at least 420 seconds"},
        {DAY, HOUR, -1, "must not be negative"},
        {0, HOUR, HOUR, "seconds or more"},
        {-DAY, HOUR, HOUR, "seconds or more"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct authority_settings s = {"g", rows[i].ca, rows[i].leaf, rows[i].publish};

        err.msg[0] = '\0';
        assert_int_equal(authority_settings_check(&s, &err), rows[i].want ? -1 : 0);
        if (rows[i].want && !strstr(err.msg, rows[i].want))
            fail_msg("row %zu: %s", i, err.msg);
    }
}

/* ---- certificates ---- */

static void assert_stale(const struct authority *authority, const struct json *secret, time_t now,
                         const char *want)
{
    time_t next;
    const char *why = authority_leaf_stale(authority, secret, names, COUNT(names), now, &next);

    if (!why || !want ? why != want : strcmp(why, want) != 0)
        fail_msg("%s, not %s", why ? why : "good", want ? want : "good");
}

static void stale_certificates(void **state)
{
    static const char *const more[] = {"virt-export-a", "virt-export-a.ns.svc", "another"};
    static const char *const others[] = {"virt-export-a", "virt-export-b.ns.svc"};
    struct world w = {.since = NOW}, other = {.since = NOW};
    cleanup_authority struct authority authority, foreign;
    struct json *secret, *edited;
    cleanup_free char *key = NULL;
    time_t next, due = NOW - PKI_CLOCK_SKEW + (7 * DAY + PKI_CLOCK_SKEW) / 3 * 2;

    (void)state;
    settle(&w, NOW);
    settle(&other, NOW);
    load(&w, &authority);
    load(&other, &foreign);
    secret = issue(&authority, NOW);
    assert_stale(&authority, secret, NOW, NULL);
    assert_null(authority_leaf_stale(&authority, secret, names, COUNT(names), NOW, &next));
    assert_in_range(next, due - 2, due + 2);
    assert_stale(&authority, secret, next - 1, NULL);
    assert_stale(&authority, secret, next, "is due for renewal");
    assert_stale(&authority, secret, NOW + 30 * DAY, "is due for renewal");
    assert_stale(&authority, secret, NOW - DAY, "is not valid yet");
    assert_stale(&authority, NULL, NOW, "is missing");
    assert_stale(&foreign, secret, NOW, "was signed by a CA that is no longer in use");
    assert_string_equal(authority_leaf_stale(&authority, secret, more, 3, NOW, &next),
                        "is for other names");
    assert_string_equal(authority_leaf_stale(&authority, secret, others, 2, NOW, &next),
                        "is for other names");
    edited = json_copy(secret);
    put(edited, "tls.key", "");
    assert_stale(&authority, edited, NOW, "is missing");
    key = get(other.secret, "tls.key");
    put(edited, "tls.key", key);
    assert_stale(&authority, edited, NOW, "cannot be used with its key");
    json_put(json_edit(edited, "data"), "tls.key", json_new_string("!"));
    assert_stale(&authority, edited, NOW, "cannot be read");
    json_free(edited);
    json_free(secret);
    json_free(w.secret);
    json_free(other.secret);
}

/* One that is as long as the signer allows is good until another signs. */
static void no_renewal_for_nothing(void **state)
{
    struct world w = {.since = NOW};
    struct authority authority;
    struct json *secret;
    time_t end = NOW + 90 * DAY, next;

    (void)state;
    settle(&w, NOW);
    load(&w, &authority);
    secret = issue(&authority, end - HOUR);
    assert_null(authority_leaf_stale(&authority, secret, names, COUNT(names), end - HOUR, &next));
    assert_int_equal(next, end);
    assert_stale(&authority, secret, end - 1, NULL);
    authority_free(&authority);
    settle(&w, end - HOUR);
    settle(&w, end - HOUR / 2);
    load(&w, &authority);
    assert_stale(&authority, secret, end - HOUR / 2, NULL);
    assert_stale(&authority, secret, end - HOUR / 4, "is due for renewal");
    authority_free(&authority);
    json_free(secret);
    json_free(w.secret);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_ca),
        cmocka_unit_test(an_empty_secret_is_filled),
        cmocka_unit_test(rotation),
        cmocka_unit_test(three_at_once),
        cmocka_unit_test(a_restart_delays_the_successor),
        cmocka_unit_test(restarts_do_not_delay_it_for_good),
        cmocka_unit_test(late_or_too_late),
        cmocka_unit_test(a_successor_of_an_expired_signer),
        cmocka_unit_test(nobody_is_ever_left_without_the_ca),
        cmocka_unit_test(broken_secrets),
        cmocka_unit_test(no_text_at_all),
        cmocka_unit_test(durations),
        cmocka_unit_test(stale_certificates),
        cmocka_unit_test(no_renewal_for_nothing),
    };

    return cmocka_run_group_tests_name("authority", tests, NULL, NULL);
}
