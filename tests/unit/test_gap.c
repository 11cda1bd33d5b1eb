/* SPDX-License-Identifier: Apache-2.0 */
/* Which exports count as written to, by what the history of pods tells. */
#include "../../controller/gap.h"
#include "controller_world.h"
#undef POD
#include "kube_fixture.h"

#define EVENT(type, claim, version) \
    "{\"type\":\"" type "\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"," \
    "\"namespace\":\"ns\",\"uid\":\"user\"" version "},\"spec\":{\"volumes\":[{\"name\":\"v\"," \
    "\"persistentVolumeClaim\":{\"claimName\":\"" claim "\"}}]},\"status\":{\"phase\":" \
    "\"Running\"}}}\n"
#define AT_VERSION(version) ",\"resourceVersion\":\"" version "\""
#define EXPIRED \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\n"
#define TELLS(text) \
    { \
        .status = "200 OK", .body = text \
    }

struct row {
    const char *name, *note, *now;
    struct canned answers[3];
    size_t requests;
    const char *users; /* that were at the volume of the export */
};

static void close_gap(const struct row *row)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *users = NULL;
    cleanup_str struct str text = STR_INIT;
    struct routes routes;
    struct fixture f;

    paper_listen(&p, "{}", routes_change, &routes);
    routes =
        (struct routes){.cache = &p.cache, .queue = kube_queue_new(&(struct kube_queue_config){0})};
    paper_add(&p, EXPORT_PVC "," PVC("disk"));
    start_with(&f, row->answers, COUNT(row->answers), NULL);
    if (strcmp(row->name, "cancelled") == 0)
        kube_conn_cancel(f.conn);
    assert_int_equal(gap_close(f.conn, &routes, row->note, row->now),
                     strcmp(row->name, "cancelled") != 0);
    users = cache_users(&p.cache, "ns/e");
    if (users)
        json_print(users, 0, &text);
    assert_row(row->name, "who was there", str_get(&text), row->users);
    assert_int_equal(canned_requests(&f.server), row->requests);
    if (row->requests)
        assert_true(asked(&f, 0, "resourceVersion=5"));
    if (row->requests > 1 && row->answers[0].body[0]) /* on from the last one */
        assert_true(asked(&f, 1, "resourceVersion=7"));
    kube_queue_free(routes.queue);
    stop(&f);
}

static void histories(void **state)
{
    static const struct row rows[] = {
        {"nothing has happened", "5", "5", {TELLS("")}, 0, ""},
        {"nobody came", "5", "9", {TELLS("")}, 1, ""},
        {"at another volume",
         "5",
         "9",
         {TELLS(EVENT("ADDED", "other", AT_VERSION("7"))), TELLS("")},
         2,
         ""},
        {"came",
         "5",
         "9",
         {TELLS(EVENT("ADDED", "disk", AT_VERSION("7"))), TELLS("")},
         2,
         "[\"user\"]"},
        {"came and went",
         "5",
         "9",
         {TELLS(EVENT("ADDED", "disk", AT_VERSION("6")) EVENT("DELETED", "disk", AT_VERSION("7"))),
          TELLS("")},
         2,
         "[\"user\"]"},
        {"told late",
         "5",
         "9",
         {TELLS(EVENT("ADDED", "other", AT_VERSION("7"))),
          TELLS(EVENT("ADDED", "disk", AT_VERSION("8"))), TELLS("")},
         3,
         "[\"user\"]"},
        {"no note", NULL, "9", {TELLS("")}, 0, "[\"?\"]"},
        {"an empty note", "", "9", {TELLS("")}, 0, "[\"?\"]"},
        {"no store yet", "5", NULL, {TELLS("")}, 1, ""},
        {"gone, by an event", "5", "9", {TELLS(EXPIRED)}, 1, "[\"?\"]"},
        {"gone, by the answer",
         "5",
         "9",
         {{.status = "410 Gone", .body = STATUS("Expired")}},
         1,
         "[\"?\"]"},
        {"gone half-way",
         "5",
         "9",
         {TELLS(EVENT("ADDED", "other", AT_VERSION("7"))), TELLS(EXPIRED)},
         2,
         "[\"?\"]"},
        {"cut within an event", "5", "9", {TELLS("{\"type\":\"ADDED\",\"obj")}, 1, "[\"?\"]"},
        {"cannot be read", "5", "9", {TELLS("{\"type\":\"ADDED\"}\n")}, 1, "[\"?\"]"},
        {"no version in it",
         "5",
         "9",
         {TELLS(EVENT("ADDED", "other", "")), TELLS("")},
         1,
         "[\"?\"]"},
        {"cancelled", "5", "9", {TELLS("")}, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        close_gap(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
