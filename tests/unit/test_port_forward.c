/* SPDX-License-Identifier: Apache-2.0 */
/* Connections through an API server, which is played here, to a pod behind it. */
#include "api/tunnel.h"
#include "port_forward_fixture.h"

#include <signal.h>
#include <sys/eventfd.h>

#define STATUS_OF(line, reason) \
    "HTTP/1.1 " line "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" \
    "4\r\n{\"ki\r\n" \
    "3c\r\nnd\":\"Status\",\"reason\":\"" reason "\",\"message\":\"so it is, yes\"}\r\n0\r\n\r\n"

static void refused(struct fixture *f, enum err_class class, const char *text)
{
    f->err = (struct err){0};
    assert_int_equal(port_forward_connect(f->forward, &f->err), -1);
    if (f->err.class != class || !strstr(f->err.msg, text))
        print_message("%d: %s\n", f->err.class, f->err.msg);
    assert_int_equal(f->err.class, class);
    assert_non_null(strstr(f->err.msg, text));
}

static bool asked(struct fixture *f, const char *text)
{
    bool found;

    pthread_mutex_lock(&f->server.lock);
    found = strstr(str_get(&f->server.log), text) != NULL;
    if (!found)
        print_message("'%s' is not in:\n%s\n", text, str_get(&f->server.log));
    pthread_mutex_unlock(&f->server.lock);
    return found;
}

/* ---- what goes through ---- */

static void bytes_go_both_ways(void **state)
{
    struct fixture f;
    int fd;

    (void)state;
    start(&f, FORWARD_ECHO);
    fd = connected(&f);
    exchange(fd, 1);
    exchange(fd, 3 << 20);
    close(fd);
    assert_true(asked(&f, "GET /base/api/v1/namespaces/ns/services/svc HTTP/1.1\r\n"));
    assert_true(
        asked(&f, "GET /base/api/v1/namespaces/ns/pods?labelSelector=app%3Da%20b%2Cx%3D1 "));
    assert_true(asked(
        &f,
        "GET /base/api/v1/namespaces/ns/pods/one/portforward?ports=8443 HTTP/1.1\r\nHost: 127"));
    assert_true(asked(&f, "\r\nAuthorization: Bearer secret\r\nAccept: application/json, */*\r\n"
                          "Upgrade: websocket\r\nConnection: Upgrade\r\nUser-Agent: tester/1.0\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "));
    assert_true(asked(&f, "\r\nImpersonate-User: somebody\r\n"));
    assert_true(asked(&f, "\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"));
    UNTIL(atomic_load(&f.server.close_code) == 1000);
    assert_string_equal(said(&f), "");
    stop(&f);
}

static void fragments_and_pings_are_taken(void **state)
{
    struct fixture f;
    int fd;

    (void)state;
    start(&f, FORWARD_PIECES);
    fd = connected(&f);
    exchange(fd, 5000);
    UNTIL(atomic_load(&f.server.pongs) > 0);
    close(fd);
    assert_string_equal(said(&f), "");
    stop(&f);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

/* A tunnel of the test's own, which pings every `ping_ms`: the user's end of it. */
static int tunnelled(struct fixture *f, unsigned ping_ms, int stop, struct tunnel **tunnel)
{
    static const struct kube_resource pods = {"", "v1", "pods", "Pod", true};
    struct kube_upgrade *upgrade;
    int ends[2];

    assert_int_equal(kube_upgrade_open(f->cluster.client,
                                       &(struct kube_upgrade_target){.resource = &pods,
                                                                     .ns = "ns",
                                                                     .name = "one",
                                                                     .subresource = "portforward",
                                                                     .key = "ports",
                                                                     .value = 8443,
                                                                     .protocol = CHANNEL_PROTOCOL},
                                       never, NULL, &upgrade, &f->err),
                     0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    *tunnel = tunnel_start(&(struct tunnel_ends){.upgrade = upgrade,
                                                 .user = ends[1],
                                                 .stop = stop,
                                                 .port = 8443,
                                                 .ping_ms = ping_ms,
                                                 .what = "a pod"},
                           &f->err);
    assert_non_null(*tunnel);
    return ends[0];
}

static void it_pings_while_nothing_else_goes_through(void **state)
{
    struct tunnel *tunnel;
    struct fixture f;
    int fd, ending;

    (void)state;
    start(&f, FORWARD_ECHO);
    ending = eventfd(0, EFD_CLOEXEC);
    fd = tunnelled(&f, 20, ending, &tunnel);
    UNTIL(atomic_load(&f.server.pings) >= 3);
    exchange(fd, 100000);
    atomic_store(&f.server.pings, 0);
    UNTIL(atomic_load(&f.server.pings) >= 2);
    close(fd);
    tunnel_join(tunnel);
    close(ending);
    assert_string_equal(said(&f), "");
    stop(&f);
}

static void no_ping_comes_before_its_time(void **state)
{
    struct fixture f;
    int fd;

    (void)state;
    start(&f, FORWARD_ECHO);
    fd = connected(&f);
    exchange(fd, 1 << 20);
    usleep(50 * 1000);
    exchange(fd, 10);
    assert_int_equal(atomic_load(&f.server.pings), 0);
    close(fd);
    stop(&f);
}

static void connections_are_apart(void **state)
{
    struct fixture f;
    int fds[4];

    (void)state;
    start(&f, FORWARD_ECHO);
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = connected(&f);
    for (size_t i = 0; i < COUNT(fds); i++)
        exchange(fds[i], 100000 + i);
    close(fds[0]);
    exchange(fds[1], 100);
    for (size_t i = 1; i < COUNT(fds); i++)
        close(fds[i]);
    stop(&f);
}

static void a_pod_that_was_replaced_is_left_alone(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    close(connected(&f));
    SET(&f, pods,
        LIST_OF(POD_OF("one", ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"",
                       "True") "," POD_OF("two", "", "False") "," POD_OF("three", "", "True")));
    close(connected(&f));
    assert_true(asked(&f, "/pods/three/portforward?ports=8443 "));
    stop(&f);
}

static void a_named_port_is_looked_up_in_the_pod(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    SET(&f, service, SERVICE_OF(",\"targetPort\":\"https\""));
    close(connected(&f));
    SET(&f, service, SERVICE_OF(",\"targetPort\":\"http\""));
    refused(&f, ERR_NOT_FOUND, "the pod 'one' has no port 'http'");
    SET(&f, service, SERVICE_OF(""));
    SET(&f, part, FORWARD_SILENT);
    close(connected(&f));
    assert_true(asked(&f, "/pods/one/portforward?ports=443 "));
    stop(&f);
}

/* ---- what ends it ---- */

static void an_end_of_writing_closes_it(void **state)
{
    struct fixture f;
    int fd;

    (void)state;
    start(&f, FORWARD_PARTING);
    fd = connected(&f);
    shutdown(fd, SHUT_WR);
    assert_string_equal(rest(fd), "farewell");
    close(fd);
    assert_int_equal(atomic_load(&f.server.close_code), 1000);
    assert_string_equal(said(&f), "");
    stop(&f);
}

static void a_server_that_does_not_close_is_waited_for_in_vain(void **state)
{
    uint64_t begun;
    struct fixture f;
    int fd;

    (void)state;
    start(&f, FORWARD_SILENT);
    fd = connected(&f);
    begun = clock_ms();
    shutdown(fd, SHUT_WR);
    assert_string_equal(rest(fd), "");
    assert_true(clock_ms() - begun < 10000);
    close(fd);
    stop(&f);
}

static void each_end_that_is_not_ours_is_said_once(void **state)
{
    static const struct {
        enum forward_part part;
        const char *data, *said;
    } ends[] = {
        {FORWARD_ERROR, "some", "error forwarding port 8443: refused"},
        {FORWARD_HANG_UP, "some", NULL},
        {FORWARD_GO_AWAY, "", "the server closed it with code 1011: no node"},
        {FORWARD_CUT, "hal", "closed the connection"},
        {FORWARD_NONSENSE, "", "breaks the rules of WebSocket"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct fixture f;
        const char *line;
        int fd;

        start(&f, ends[i].part);
        fd = connected(&f);
        line = rest(fd);
        assert_string_equal(line, ends[i].data);
        close(fd);
        line = said(&f);
        if (ends[i].said) {
            assert_true(str_starts(line, "warning: the connection to port 8443 of the pod 'one' "));
            assert_non_null(strstr(line, ends[i].said));
            assert_int_equal(strchr(line, '\n')[1], '\0');
        } else {
            assert_string_equal(line, "");
        }
        if (ends[i].part == FORWARD_NONSENSE)
            UNTIL(atomic_load(&f.server.close_code) == 1002);
        stop(&f);
    }
}

static void freeing_it_ends_all(void **state)
{
    struct fixture f;
    int one, two;
    uint64_t begun;

    (void)state;
    start(&f, FORWARD_STALL);
    one = connected(&f);
    two = connected(&f);
    while (send(two, said(&f), sizeof(f), MSG_NOSIGNAL) > 0) {
    }
    begun = clock_ms();
    port_forward_free(f.forward);
    f.forward = NULL;
    assert_true(clock_ms() - begun < 1500);
    assert_string_equal(rest(one), "");
    close(one);
    close(two);
    assert_string_equal(said(&f), "");
    stop(&f);
}

/* ---- nothing is heaped up ---- */

static void a_pod_that_does_not_read_stops_the_caller(void **state)
{
    static uint8_t data[65536];
    struct fixture f;
    size_t sent = 0;
    int fd;

    (void)state;
    start(&f, FORWARD_STALL);
    fd = connected(&f);
    for (int idle = 0; idle < 100;) {
        ssize_t n = send(fd, data, sizeof(data), MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        if (n < 0)
            usleep(2000);
        assert_true(sent < 64 << 20);
    }
    atomic_store(&f.server.go, true);
    UNTIL(atomic_load(&f.server.received) == sent);
    close(fd);
    stop(&f);
}

static void a_caller_that_leaves_is_not_held_by_the_pod(void **state)
{
    static uint8_t data[65536];
    struct fixture f;
    size_t fds;
    int fd;

    (void)state;
    start(&f, FORWARD_STALL);
    fd = connected(&f);
    for (int idle = 0; idle < 50;) {
        if (send(fd, data, sizeof(data), MSG_NOSIGNAL) > 0)
            idle = 0;
        else if (usleep(2000) == 0)
            idle++;
    }
    fds = count_fds();
    close(fd);
    UNTIL(count_fds() <= fds - 3); /* ours, its peer, the connection to the server */
    assert_string_equal(said(&f), "");
    stop(&f);
}

static void a_caller_that_does_not_read_stops_the_pod(void **state)
{
    static uint8_t data[65536];
    size_t got = 0, sent;
    struct fixture f;
    ssize_t n;
    int fd;

    (void)state;
    start(&f, FORWARD_FLOOD);
    fd = connected(&f);
    do {
        sent = atomic_load(&f.server.sent);
        usleep(200 * 1000);
    } while (atomic_load(&f.server.sent) != sent || !sent);
    assert_true(sent < FORWARD_FLOOD_BYTES);
    while ((n = read_some(fd, data, sizeof(data))) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, FORWARD_FLOOD_BYTES);
    close(fd);
    assert_string_equal(said(&f), "");
    stop(&f);
}

/* ---- what is refused ---- */

static void a_service_has_to_lead_to_a_pod(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    SET(&f, pods, LIST_OF(""));
    refused(&f, ERR_UNAVAILABLE, "no pod of the Service 'svc' is ready: 0 found");
    SET(&f, pods, LIST_OF(POD_OF("one", "", "False")));
    refused(&f, ERR_UNAVAILABLE, "no pod of the Service 'svc' is ready: 1 found");
    SET(&f, service,
        "{\"kind\":\"Service\",\"metadata\":{\"name\":\"svc\"},\"spec\":{\"selector\":{\"a\":\"b\"}"
        ","
        "\"ports\":[{\"port\":443,\"protocol\":\"UDP\"}]}}");
    refused(&f, ERR_NOT_FOUND, "the Service 'svc' does not have a service port 443");
    SET(&f, service,
        "{\"kind\":\"Service\",\"metadata\":{\"name\":\"svc\"},\"spec\":{\"ports\":[{\"port\":443}]"
        "}}");
    refused(&f, ERR_NOT_FOUND, "the Service 'svc' selects no pods");
    SET(&f, service, NULL);
    refused(&f, ERR_NOT_FOUND, "cannot get Service 'ns/svc': there is none (404 NotFound)");
    stop(&f);
}

static void a_refusal_says_what_to_do(void **state)
{
    static const char rights[] = "the rights 'get' and 'create' on pods/portforward";
    static const char way_out[] =
        "`kubectl port-forward --namespace ns service/svc 8443:443` and use --service-url=127";
    static const struct {
        const char *answer;
        enum err_class class;
        const char *texts[2];
    } refusals[] = {
        {STATUS_OF("403 Forbidden", "Forbidden"),
         ERR_FORBIDDEN,
         {"cannot open Pod/portforward 'ns/one': so it is, yes (403 Forbidden)", rights}},
        {STATUS_OF("404 Not Found", "NotFound"), ERR_NOT_FOUND, {"so it is, yes", ""}},
        {"HTTP/1.1 400 Bad Request\r\nContent-Length: 24\r\n\r\nUpgrade request required",
         ERR_PEER,
         {"'Upgrade request required' (400 BadRequest)", way_out}},
        {"HTTP/1.1 200 OK\r\n\r\nwelcome", ERR_PEER, {"welcome", way_out}},
        {"HTTP/1.1 101 Yes\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n",
         ERR_PEER,
         {"another protocol than WebSocket", way_out}},
        {"* OK IMAP\r\n\r\n", ERR_PEER, {"none of HTTP/1.1", way_out}},
    };
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        SET(&f, refusal, refusals[i].answer);
        SET(&f, refusals, 1);
        refused(&f, refusals[i].class, refusals[i].texts[0]);
        assert_non_null(strstr(f.err.msg, refusals[i].texts[1]));
    }
    assert_string_equal(said(&f), "");
    stop(&f);
}

static void a_credential_is_renewed_once(void **state)
{
    struct fixture f;
    int fd;

    (void)state;
    scratch_puts("token", "first");
    start_with(&f, FORWARD_ECHO, scratch_path("token"));
    SET(&f, refusal, STATUS_OF("401 Unauthorized", "Unauthorized"));
    SET(&f, refusals, 1);
    fd = connected(&f);
    exchange(fd, 10);
    close(fd);
    SET(&f, refusals, 2);
    refused(&f, ERR_FORBIDDEN, "(401 Unauthorized)");
    stop(&f);
}

static void an_api_server_that_is_away_is_said(void **state)
{
    struct kube_config *config = calloc(1, sizeof(*config));
    struct cluster cluster = {.ns = strdup("ns")};
    struct port_forward *forward;
    struct err err;

    (void)state;
    assert_non_null(config);
    config->server = strdup("http://127.0.0.1:1");
    cluster.client = kube_client_new(config, "tester/1.0");
    forward = port_forward_new(&cluster, "svc");
    assert_int_equal(port_forward_connect(forward, &err), -1);
    assert_non_null(strstr(err.msg, "cannot get Service 'ns/svc'"));
    port_forward_free(forward);
    kube_client_free(cluster.client);
    free(cluster.ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(fragments_and_pings_are_taken),
        cmocka_unit_test(it_pings_while_nothing_else_goes_through),
        cmocka_unit_test(no_ping_comes_before_its_time),
        cmocka_unit_test(connections_are_apart),
        cmocka_unit_test(a_pod_that_was_replaced_is_left_alone),
        cmocka_unit_test(a_named_port_is_looked_up_in_the_pod),
        cmocka_unit_test(an_end_of_writing_closes_it),
        cmocka_unit_test(a_server_that_does_not_close_is_waited_for_in_vain),
        cmocka_unit_test(each_end_that_is_not_ours_is_said_once),
        cmocka_unit_test(freeing_it_ends_all),
        cmocka_unit_test(a_pod_that_does_not_read_stops_the_caller),
        cmocka_unit_test(a_caller_that_does_not_read_stops_the_pod),
        cmocka_unit_test(a_caller_that_leaves_is_not_held_by_the_pod),
        cmocka_unit_test(a_service_has_to_lead_to_a_pod),
        cmocka_unit_test(a_refusal_says_what_to_do),
        cmocka_unit_test(a_credential_is_renewed_once),
        cmocka_unit_test(an_api_server_that_is_away_is_said),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
