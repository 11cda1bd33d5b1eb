/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/health.h"
#include "support.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

static struct err err;
static bool synced;

static int always(void *ctx, struct err *why)
{
    (void)ctx;
    (void)why;
    return 0;
}

static int when_synced(void *ctx, struct err *why)
{
    return *(bool *)ctx ? 0 : err_set(why, ERR_UNAVAILABLE, "pods are not yet known");
}

static void some_metrics(struct str *out)
{
    str_puts(out, "m 1\n");
}

static const struct health_check ready[] = {
    {"lease", always, NULL}, {"informers", when_synced, &synced}, {0}};

static struct health *start(const char *address)
{
    const struct health_config config = {
        .address = address, .ready = ready, .metrics = some_metrics};
    struct health *health = health_start(&config, &err);

    if (!health)
        fail_msg("%s", err.msg);
    return health;
}

static int connect_to(const struct health *health)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(health_port(health)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Sends a request and returns the whole answer, once the server has closed; the caller frees. */
static char *ask(const struct health *health, const char *request)
{
    cleanup_close int fd = connect_to(health);
    struct str out = STR_INIT;
    char part[1024];
    ssize_t len;

    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while ((len = read(fd, part, sizeof(part))) > 0)
        str_append(&out, part, (size_t)len);
    return str_steal(&out);
}

static void must_answer(const struct health *health, const char *request, const char *status,
                        const char *body)
{
    cleanup_free char *answer = ask(health, request);
    const char *blank = strstr(answer, "\r\n\r\n");

    if (!str_starts(answer, status) || !blank || strcmp(blank + 4, body) != 0)
        fail_msg("%s ->\n%s", request, answer);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

static void pages(void **state)
{
    struct health *health = start("127.0.0.1:0");

    (void)state;
    synced = false;
    must_answer(health, GET("/healthz"), "HTTP/1.1 200 ", "[+]ping ok\nhealthz check passed\n");
    must_answer(health, GET("/readyz?verbose"), "HTTP/1.1 503 ",
                "[+]ping ok\n[+]lease ok\n[-]informers failed: pods are not yet known\n"
                "readyz check failed\n");
    synced = true;
    must_answer(health, GET("/readyz"), "HTTP/1.1 200 ",
                "[+]ping ok\n[+]lease ok\n[+]informers ok\nreadyz check passed\n");
    must_answer(health, GET("/metrics"), "HTTP/1.1 200 ", "m 1\n");
    must_answer(health, "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.0 200 ",
                "[+]ping ok\nhealthz check passed\n");
    health_stop(health);
    health_stop(NULL);
}

static void head_has_no_body(void **state)
{
    struct health *health = start("127.0.0.1:0");
    cleanup_free char *answer =
        ask(health, "HEAD /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

    (void)state;
    assert_true(str_starts(answer, "HTTP/1.1 200 "));
    assert_true(str_ends(answer, "\r\n\r\n"));
    assert_non_null(strstr(answer, "Content-Length: 4\r\n"));
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    health_stop(health);
}

static void other_requests(void **state)
{
    static const struct {
        const char *request, *status;
    } rows[] = {
        {GET("/"), "HTTP/1.1 404 "},
        {GET("/healthz/"), "HTTP/1.1 404 "},
        {GET("/metricsx"), "HTTP/1.1 404 "},
        {"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
         "HTTP/1.1 405 "},
        {"DELETE /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "},
        {"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhallo",
         "HTTP/1.1 413 "},
        {"BREW /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1 "},
        {"nonsense\r\n\r\n", "HTTP/1."},
    };
    struct health *health = start("127.0.0.1:0");

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_free char *answer = ask(health, rows[i].request);

        if (!str_starts(answer, rows[i].status))
            fail_msg("%s ->\n%s", rows[i].request, answer);
    }
    health_stop(health);
}

static void endless_headers_are_cut(void **state)
{
    struct health *health = start("127.0.0.1:0");
    cleanup_close int fd = connect_to(health);
    static const char line[] = "X-Long: 0123456789012345678901234567890123456789\r\n";
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    size_t sent = strlen("GET / HTTP/1.1\r\n");

    (void)state;
    assert_true(send(fd, "GET / HTTP/1.1\r\n", sent, MSG_NOSIGNAL) > 0);
    while (sent < 200000 && send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL) > 0)
        sent += sizeof(line) - 1;
    assert_int_equal(poll(&poll_fd, 1, 5000), 1);
    health_stop(health);
}

/* Connections that say nothing fill the server; once they leave, it answers again. */
static void connections_are_bounded(void **state)
{
    enum { MANY = 100 };
    struct health *health = start("127.0.0.1:0");
    cleanup_close int late = -1;
    struct pollfd poll_fd = {.events = POLLIN};
    int fd[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++)
        fd[i] = connect_to(health);
    late = connect_to(health);
    poll_fd.fd = late;
    assert_true(send(late, GET("/healthz"), strlen(GET("/healthz")), MSG_NOSIGNAL) > 0);
    assert_int_equal(poll(&poll_fd, 1, 300), 0);
    for (int i = 0; i < MANY; i++)
        close(fd[i]);
    assert_int_equal(poll(&poll_fd, 1, 5000), 1);
    must_answer(health, GET("/healthz"), "HTTP/1.1 200 ", "[+]ping ok\nhealthz check passed\n");
    health_stop(health);
}

static void stops_at_once_with_connections(void **state)
{
    struct health *health = start("127.0.0.1:0");
    cleanup_close int idle = connect_to(health), half = connect_to(health);
    uint64_t begin = clock_ms();
    char byte;

    (void)state;
    assert_int_equal(send(half, "GET /hea", 8, MSG_NOSIGNAL), 8);
    usleep(20000);
    health_stop(health);
    assert_in_range(clock_ms() - begin, 0, 3000);
    assert_true(read(idle, &byte, 1) <= 0);
}

static void addresses(void **state)
{
    static const char *const bad[] = {
        "",       "8080", "127.0.0.1", "127.0.0.1:",   ":http",        "host.example:1",
        ":65536", ":-1",  "[::1:80",   "300.1.1.1:80", "127.0.0.1:1x", ":080000"};
    static const char *const good[] = {":0", "0.0.0.0:0", "127.0.0.1:0"};
    struct health_config config = {0};
    struct health *health;
    char taken[32];

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        config.address = bad[i];
        assert_null(health_start(&config, &err));
        assert_int_equal(err.class, ERR_INPUT);
        assert_non_null(strstr(err.msg, "is no address to listen on"));
    }
    for (size_t i = 0; i < COUNT(good); i++) {
        health = start(good[i]);
        must_answer(health, GET("/healthz"), "HTTP/1.1 200 ", "[+]ping ok\nhealthz check passed\n");
        health_stop(health);
    }
    health = start("127.0.0.1:0");
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", health_port(health));
    config.address = taken;
    assert_null(health_start(&config, &err));
    assert_non_null(strstr(err.msg, "Address already in use"));
    health_stop(health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(other_requests),
        cmocka_unit_test(endless_headers_are_cut),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(stops_at_once_with_connections),
        cmocka_unit_test(addresses),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
