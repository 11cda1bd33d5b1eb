/* SPDX-License-Identifier: Apache-2.0 */
/* Connections through an API server, which is played here, to a pod behind it. */
#include "api/forward_listener.h"
#include "api/port_forward.h"
#include "api/tunnel.h"
#include "base/clock.h"
#include "forward_server.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <sys/wait.h>

#define SERVICE_OF(target) \
    "{\"kind\":\"Service\",\"metadata\":{\"name\":\"svc\"},\"spec\":{\"selector\":{\"app\":\"a " \
    "b\"," \
    "\"x\":\"1\"},\"ports\":[{\"port\":80,\"targetPort\":1},{\"port\":443" target "}]}}"
#define POD_OF(name, more, ready) \
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name "\"" more \
    "},\"spec\":{\"containers\":[{},{" \
    "\"ports\":[{\"name\":\"https\",\"protocol\":\"TCP\",\"containerPort\":8443}]}]}," \
    "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"" ready "\"}]}}"
#define LIST_OF(items) "{\"kind\":\"PodList\",\"items\":[" items "]}"
#define STATUS_OF(line, reason) \
    "HTTP/1.1 " line "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" \
    "4\r\n{\"ki\r\n" \
    "3c\r\nnd\":\"Status\",\"reason\":\"" reason "\",\"message\":\"so it is, yes\"}\r\n0\r\n\r\n"

struct fixture {
    struct forward_server server;
    struct cluster cluster;
    struct port_forward *forward;
    struct err err;
    int stderr_was, said;
    size_t fds; /* that were open before */
};

static size_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void start_with(struct fixture *f, enum forward_part part, const char *token_file)
{
    struct kube_config *config = calloc(1, sizeof(*config));

    *f = (struct fixture){.fds = count_fds()};
    f->said = open(scratch_path("said"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    f->stderr_was = dup(STDERR_FILENO);
    assert_true(f->said >= 0 && dup2(f->said, STDERR_FILENO) == STDERR_FILENO);
    f->server.part = part;
    f->server.service = SERVICE_OF(",\"targetPort\":8443");
    f->server.pods = LIST_OF(POD_OF("one", "", "True"));
    forward_start(&f->server);
    assert_non_null(config);
    assert_true(asprintf(&config->server, "http://127.0.0.1:%d/base/", f->server.port) > 0);
    if (token_file)
        config->token_file = strdup(token_file);
    else
        config->token = strdup("secret");
    config->impersonate_user = strdup("somebody");
    f->cluster.client = kube_client_new(config, "tester/1.0");
    f->cluster.ns = strdup("ns");
    f->forward = port_forward_new(&f->cluster, "svc");
}

static void start(struct fixture *f, enum forward_part part)
{
    start_with(f, part, NULL);
}

/* What was said by now; valid until the next call. */
static const char *said(struct fixture *f)
{
    static char text[8192];
    ssize_t n = pread(f->said, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

/* Ends all; nothing is left open. */
static void stop(struct fixture *f)
{
    port_forward_free(f->forward);
    forward_stop(&f->server);
    kube_client_free(f->cluster.client);
    free(f->cluster.ns);
    dup2(f->stderr_was, STDERR_FILENO);
    fputs(said(f), stderr); /* a sanitizer's report may be in it */
    close(f->stderr_was);
    close(f->said);
    assert_int_equal(count_fds(), f->fds);
}

static int connected(struct fixture *f)
{
    int fd = port_forward_connect(f->forward, &f->err);

    if (fd < 0)
        print_message("%s\n", f->err.msg);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    return fd;
}

static void refused(struct fixture *f, enum err_class class, const char *text)
{
    f->err = (struct err){0};
    assert_int_equal(port_forward_connect(f->forward, &f->err), -1);
    if (f->err.class != class || !strstr(f->err.msg, text))
        print_message("%d: %s\n", f->err.class, f->err.msg);
    assert_int_equal(f->err.class, class);
    assert_non_null(strstr(f->err.msg, text));
}

#define SET(f, field, value) \
    do { \
        pthread_mutex_lock(&(f)->server.lock); \
        (f)->server.field = (value); \
        pthread_mutex_unlock(&(f)->server.lock); \
    } while (0)

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

/* Waits for what another thread does. */
#define UNTIL(condition) \
    do { \
        uint64_t end_ = clock_ms() + 20000; \
        while (!(condition) && clock_ms() < end_) \
            usleep(1000); \
        assert_true(condition); \
    } while (0)

static ssize_t read_some(int fd, void *data, size_t size)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&wait, 1, 20000), 1);
    return recv(fd, data, size, 0);
}

/* Reads to the end: what came, as text. */
static const char *rest(int fd)
{
    static char text[256];
    size_t len = 0;
    ssize_t n;

    while ((n = read_some(fd, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    assert_int_equal(n, 0);
    text[len] = '\0';
    return text;
}

/* Writes and reads `len` bytes at once; the same bytes come back. */
static void exchange(int fd, size_t len)
{
    uint8_t *out = malloc(len), *in = malloc(len);
    size_t written = 0, got = 0;

    assert_true(out && in);
    fill_noise(out, len, (uint32_t)len | 1);
    while (got < len) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n;

        wait.events |= written < len ? POLLOUT : 0;
        assert_int_equal(poll(&wait, 1, 20000), 1);
        if (wait.revents & POLLOUT) {
            n = send(fd, out + written, len - written, MSG_NOSIGNAL);
            assert_true(n > 0 || errno == EAGAIN);
            written += n > 0 ? (size_t)n : 0;
        }
        if (wait.revents & ~POLLOUT) {
            n = recv(fd, in + got, len - got, 0);
            assert_true(n > 0);
            got += (size_t)n;
        }
    }
    assert_memory_equal(in, out, len);
    free(out);
    free(in);
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

/* ---- for others ---- */

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void others_can_use_it(void **state)
{
    int port = free_port(), one, two;
    char line[80];
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    assert_int_equal(port_forward_listen(f.forward, (unsigned)port, &f.err), 0);
    snprintf(line, sizeof(line), "Forwarding from 127.0.0.1:%d -> 8443\n", port);
    assert_string_equal(said(&f), line);
    one = dial(port);
    two = dial(port);
    exchange(one, 1 << 20);
    exchange(two, 10);
    close(one);
    close(two);
    SET(&f, pods, LIST_OF(""));
    one = dial(port);
    assert_string_equal(rest(one), "");
    close(one);
    UNTIL(strstr(said(&f), "warning: no connection for port"));
    assert_non_null(strstr(said(&f), "no pod of the Service 'svc' is ready"));
    stop(&f);
}

static void a_port_that_is_taken_is_said(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    assert_int_equal(port_forward_listen(f.forward, (unsigned)f.server.port, &f.err), -1);
    assert_non_null(strstr(f.err.msg, "Address already in use"));
    close(connected(&f));
    stop(&f);
}

/* What one waits for is not the others' trouble. */
static void who_is_not_answered_holds_up_nobody(void **state)
{
    int port = free_port(), one, two;
    struct fixture f;
    uint64_t begun;

    (void)state;
    start(&f, FORWARD_ECHO);
    SET(&f, holds, 1);
    assert_int_equal(port_forward_listen(f.forward, (unsigned)port, &f.err), 0);
    one = dial(port);
    UNTIL(atomic_load(&f.server.held) == 1);
    two = dial(port);
    exchange(two, 1000);
    begun = clock_ms();
    port_forward_free(f.forward); /* nor is the end held up */
    f.forward = NULL;
    assert_true(clock_ms() - begun < 5000);
    assert_string_equal(rest(one), "");
    close(one);
    close(two);
    stop(&f);
}

static void so_many_at_once_and_no_more(void **state)
{
    int port = free_port(), fds[FORWARD_LISTENER_MOST + 4];
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    SET(&f, holds, COUNT(fds));
    assert_int_equal(port_forward_listen(f.forward, (unsigned)port, &f.err), 0);
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial(port);
    UNTIL(atomic_load(&f.server.held) == FORWARD_LISTENER_MOST);
    usleep(100 * 1000);
    assert_int_equal(atomic_load(&f.server.held), FORWARD_LISTENER_MOST);
    atomic_store(&f.server.go, true);
    for (size_t i = 0; i < COUNT(fds); i++)
        exchange(fds[i], 100);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    stop(&f);
}

/* ---- the socket for libcurl ---- */

/* Connects to the abstract socket `name`, by system calls alone: also for a child of many threads. */
static int dial_abstract(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path + 1, name, strlen(name));
    return connect(fd, (struct sockaddr *)&address, len) < 0 ? -1 : fd;
}

/* What becomes of another user who has found the name in /proc/net/unix: 0 when nothing comes. */
static int try_as_another(const char *name)
{
    struct timeval patience = {.tv_sec = 20};
    char byte = 'x';
    int fd;

    if (setuid(65534) < 0 || (fd = dial_abstract(name)) < 0)
        return 2;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)send(fd, &byte, 1, MSG_NOSIGNAL);
    if (recv(fd, &byte, 1, 0) > 0)
        return 1;
    return errno == EAGAIN ? 3 : 0;
}

static void nobody_else_gets_through_the_socket(void **state)
{
    struct fixture f;
    const char *name;
    int fd, status;
    pid_t child;

    (void)state;
    if (geteuid() != 0)
        SKIP("only root can be somebody else");
    start(&f, FORWARD_ECHO);
    name = port_forward_socket(f.forward, &f.err);
    assert_non_null(name);
    child = fork();
    if (child == 0)
        _exit(try_as_another(name));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(atomic_load(&f.server.upgrades), 0);
    fd = dial_abstract(name);
    assert_true(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    exchange(fd, 1000);
    close(fd);
    stop(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(others_can_use_it),
        cmocka_unit_test(a_port_that_is_taken_is_said),
        cmocka_unit_test(who_is_not_answered_holds_up_nobody),
        cmocka_unit_test(so_many_at_once_and_no_more),
        cmocka_unit_test(nobody_else_gets_through_the_socket),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
