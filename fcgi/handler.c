/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: one per request, each in FCGX_Accept_r. The main thread waits for SIGTERM. libfcgi
 * notices a shutdown only in the thread that a signal interrupts, so the drain sets its flag and
 * wakes every thread out of accept(2) by SIGUSR2, again and again until all have left; a thread
 * within a request finishes it first. The listening socket itself stays usable, as it belongs to
 * the supervisor, which keeps it over a restart.
 *
 * SIGINT is ignored: it is lighttpd's graceful stop, and it goes to the whole process group.
 */
#include "handler.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "token.h"

#include <fcgiapp.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    LISTEN_FD = 0,           /* FastCGI 1.0 §2.2 */
    STACK_SIZE = 512 * 1024, /* address space; only what is touched becomes memory */
    WAKE_INTERVAL_MS = 20,
    RETRY_ACCEPT_MS = 100, /* after a failed accept: out of descriptors, most likely */
    HEAD_OUT_MS = 50, /* from lighttpd's read to its write: far less, in one turn of its loop */
};

extern char **environ;

static const struct handler *handler;
static struct volume_table volumes;

static const struct {
    enum err_class class;
    int status;
} statuses[] = {
    {ERR_INPUT, 400}, {ERR_FORBIDDEN, 403}, {ERR_NOT_FOUND, 404},   {ERR_PRECONDITION, 412},
    {ERR_LIMIT, 403}, {ERR_IO, 500},        {ERR_UNAVAILABLE, 503},
};

static int status_of(enum err_class class)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i].class == class)
            return statuses[i].status;
    return 500;
}

static int refuse(struct response *res, int status, struct err *err)
{
    if (status == 405)
        response_header(res, "Allow", "GET, HEAD");
    response_header(res, "Content-Length", "0");
    return response_begin(res, status, err);
}

/* Token first, then the method, then the handler. */
static int answer(const struct request *req, struct response *res, struct err *err)
{
    const char *method = request_param(req, "REQUEST_METHOD");

    if (!handler->open_to_all && !req->from_shell) {
        int allowed = token_check(req, err);

        if (allowed < 0) {
            log_error("%s", err->msg);
            return refuse(res, 503, err);
        }
        if (!allowed)
            return refuse(res, 401, err);
    }
    if (!method || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0))
        return refuse(res, 405, err);
    return handler->serve(req, res, err);
}

/* A short text for the client when nothing has been sent yet. */
static int explain(struct response *res, const struct err *cause)
{
    cleanup_str struct str body = STR_INIT;
    struct err err;

    str_clear(&res->headers);
    response_header(res, "X-Content-Type-Options", "nosniff");
    str_printf(&body, "%s\n", cause->msg);
    return response_text(res, status_of(cause->class), "text/plain; charset=utf-8", str_get(&body),
                         &err);
}

static void log_failure(const struct request *req, const struct response *res,
                        const struct err *err)
{
    if (err->class == ERR_PEER)
        log_info("%s: the client left after %llu bytes", req->path, (unsigned long long)res->sent);
    else if (res->begun)
        log_error("%s: aborted after %llu bytes: %s", req->path, (unsigned long long)res->sent,
                  err->msg);
    else if (status_of(err->class) >= 500)
        log_error("%s: %s", req->path, err->msg);
}

static void sleep_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

/*
 * lighttpd that finds the head, all of the body and the end of the connection at once takes this
 * for the whole, and says its length: a clean end. So before a connection is cut it must have taken
 * what was sent; then the head is on its way before it looks again.
 */
static void let_head_out(const struct response *res)
{
    int left;

    while (ioctl(res->fd, SIOCOUTQ, &left) == 0 && left > 0 && !response_peer_left(res))
        sleep_ms(WAKE_INTERVAL_MS);
    sleep_ms(HEAD_OUT_MS);
}

/* Answers one request; false when the body is broken and the connection must be cut. */
static bool handle(char **envp, int fd, uint16_t id)
{
    struct request req;
    struct response res;
    struct err err;
    bool whole = true;

    request_init(&req, envp, !id, &volumes);
    response_init(&res, fd, id, req.head);
    if (answer(&req, &res, &err) < 0) {
        log_failure(&req, &res, &err);
        whole = !res.begun && explain(&res, &err) == 0;
        if (!whole && res.id)
            let_head_out(&res);
    }
    response_release(&res);
    return whole;
}

static volatile sig_atomic_t drain;

static void *accept_loop(void *unused)
{
    FCGX_Request req;

    (void)unused;
    FCGX_InitRequest(&req, LISTEN_FD, 0);
    while (!__atomic_load_n(&drain, __ATOMIC_ACQUIRE)) {
        if (FCGX_Accept_r(&req) < 0) {
            if (!__atomic_load_n(&drain, __ATOMIC_ACQUIRE))
                sleep_ms(RETRY_ACCEPT_MS);
            continue;
        }
        if (handle(req.envp, req.ipcFd, (uint16_t)req.requestId))
            FCGX_Finish_r(&req);
        else
            FCGX_Free(&req, 1);
    }
    FCGX_Free(&req, 1);
    return NULL;
}

static void on_wake(int signo)
{
    (void)signo; /* its work is to interrupt accept(2) */
}

static void set_signal(int signo, void (*action)(int))
{
    struct sigaction sa = {.sa_handler = action};

    sigaction(signo, &sa, NULL);
}

/* Waits until every thread has left, waking those that sit in accept(2). */
static void drain_threads(pthread_t *thread, unsigned count)
{
    while (count) {
        for (unsigned i = 0; i < count;) {
            if (pthread_tryjoin_np(thread[i], NULL) == 0)
                thread[i] = thread[--count];
            else
                pthread_kill(thread[i++], SIGUSR2);
        }
        sleep_ms(WAKE_INTERVAL_MS);
    }
}

static int serve_fastcgi(unsigned threads)
{
    cleanup_free pthread_t *thread = calloc(threads, sizeof(*thread));
    pthread_attr_t attr;
    unsigned started = 0;
    sigset_t stop, old;
    int signo;

    set_signal(SIGUSR2, on_wake);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, &old);
    FCGX_Init();
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    while (thread && started < threads &&
           pthread_create(&thread[started], &attr, accept_loop, NULL) == 0)
        started++;
    pthread_attr_destroy(&attr);
    if (!started) {
        log_error("cannot start a thread");
        return EXIT_FAILURE;
    }
    if (started < threads)
        log_warning("only %u of %u threads could be started", started, threads);
    sigwait(&stop, &signo);
    __atomic_store_n(&drain, 1, __ATOMIC_RELEASE);
    FCGX_ShutdownPending();
    drain_threads(thread, started);
    return EXIT_SUCCESS;
}

int handler_main(const struct handler *h)
{
    const char *text = getenv("VMEXPORT_VOLUMES");
    unsigned threads = h->threads;
    struct err err;

    handler = h;
    log_open(h->name);
    prctl(PR_SET_DUMPABLE,
          0); /* the token is in memory: no core dump, no debugger of the same user */
    set_signal(SIGPIPE, SIG_IGN);
    set_signal(SIGINT, SIG_IGN);
    if (volume_table_parse(&volumes, text ? text : "", &err) < 0 ||
        (h->start && h->start(&threads, &err) < 0)) {
        log_error("%s", err.msg);
        return EXIT_FAILURE;
    }
    if (FCGX_IsCGI())
        return handle(environ, STDOUT_FILENO, 0) ? EXIT_SUCCESS : EXIT_FAILURE;
    return serve_fastcgi(threads);
}
