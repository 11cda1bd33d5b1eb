/* SPDX-License-Identifier: Apache-2.0 */
/* An API server that is played (forward_server.h), and a way through it to a pod. */
#pragma once

#include "api/port_forward.h"
#include "base/clock.h"
#include "forward_server.h"

#include <dirent.h>
#include <errno.h>

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

struct fixture {
    struct forward_server server;
    struct cluster cluster;
    struct port_forward *forward;
    struct err err;
    int stderr_was, said;
    size_t fds; /* that were open before */
};

static inline size_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static inline void start_with(struct fixture *f, enum forward_part part, const char *token_file)
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

static inline void start(struct fixture *f, enum forward_part part)
{
    start_with(f, part, NULL);
}

/* What was said by now; valid until the next call. */
static inline const char *said(struct fixture *f)
{
    static char text[8192];
    ssize_t n = pread(f->said, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

/* Ends all; nothing is left open. */
static inline void stop(struct fixture *f)
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

static inline int connected(struct fixture *f)
{
    int fd = port_forward_connect(f->forward, &f->err);

    if (fd < 0)
        print_message("%s\n", f->err.msg);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    return fd;
}

#define SET(f, field, value) \
    do { \
        pthread_mutex_lock(&(f)->server.lock); \
        (f)->server.field = (value); \
        pthread_mutex_unlock(&(f)->server.lock); \
    } while (0)

/* Waits for what another thread does. */
#define UNTIL(condition) \
    do { \
        uint64_t end_ = clock_ms() + 20000; \
        while (!(condition) && clock_ms() < end_) \
            usleep(1000); \
        assert_true(condition); \
    } while (0)

static inline ssize_t read_some(int fd, void *data, size_t size)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&wait, 1, 20000), 1);
    return recv(fd, data, size, 0);
}

/* Reads to the end: what came, as text. */
static inline const char *rest(int fd)
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
static inline void exchange(int fd, size_t len)
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
