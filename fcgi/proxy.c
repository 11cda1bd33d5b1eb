/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in from outside: passes a request for an export on to the Service of its pod.
 *
 * It asks no Kubernetes API and has no rights there, so there is none to steal. Which exports are
 * ready it learns from the cluster's DNS and network: the name of an export's Service exists as long as the export does, and
 * leads somewhere only while the export is Ready or about to be, as the controller removes the pod when
 * it no longer is. Who gets in is for the pod to say: it has the token, which only passes through here.
 *
 * A Service that somebody else gave such a name gets nothing: before anything is sent, it must show a
 * certificate for that name by the exports' CA, which signs for the controller's own Services only.
 *
 * The proxy speaks for the paths of one API group. What it passes on is in hop.h, and where
 * redirects lead in export_path.h.
 */
#include "base/cleanup.h"
#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "export_path.h"
#include "handler.h"
#include "hop.h"
#include "trust.h"
#include "upstream.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    THREADS = 128,    /* downloads at a time: some 200 KiB each; the rest wait */
    DOMAIN_MAX = 100, /* of the cluster's domain: with a Service's name it must be one of 253 */
};

#define RETRY_SECONDS "5"

static struct {
    const char *group, *domain;
    const struct names_scheme *names;
    pthread_key_t upstream; /* a thread's own */
    struct metric *requests, *bytes, *in_flight, *errors, *first_byte;
} proxy;

/* One request. */
struct passage {
    const struct request *req;
    struct response *res;
    struct export_path path;
    struct str host; /* of the Service */
    struct str head; /* of the answer, line by line */
    struct timespec start;
};

/* ---- the answer ---- */

static void count_answer(const struct passage *passage, int status)
{
    struct timespec now;
    char code[12];

    snprintf(code, sizeof(code), "%d", status);
    metric_add(proxy.requests, LABELS(code), 1);
    clock_gettime(CLOCK_MONOTONIC, &now);
    metric_observe(proxy.first_byte, NULL,
                   (double)(now.tv_sec - passage->start.tv_sec) +
                       (double)(now.tv_nsec - passage->start.tv_nsec) / 1e9);
}

static void take_line(void *ctx, const char *line, size_t len)
{
    struct passage *passage = ctx;

    /* An interim answer's head goes before the one that counts. */
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0)
        str_clear(&passage->head);
    str_append(&passage->head, line, len);
    str_putc(&passage->head, '\n');
}

/* A line of the head as its name, which `*name_len` bytes of it are, and its value; NULL at the end. */
static char *next_header(char **text, size_t *name_len, char **value)
{
    char *line;

    while ((line = strsep(text, "\n"))) {
        *name_len = strcspn(line, ":");
        if (!line[*name_len])
            continue; /* the status line */
        *value = line + *name_len + 1;
        *value += strspn(*value, " \t");
        return line;
    }
    return NULL;
}

/* All values of the Connection headers, joined. */
static void find_connection(const struct str *head, struct str *connection)
{
    cleanup_free char *copy = strdup(str_get(head));
    char *text = copy, *line, *value;
    size_t len;

    if (!copy)
        abort();
    while ((line = next_header(&text, &len, &value)))
        if (len == strlen("Connection") && strncasecmp(line, "Connection", len) == 0)
            str_printf(connection, "%s,", value);
}

static void pass_location(const struct passage *passage, const char *value)
{
    const char *host = request_param(passage->req, "HTTP_HOST");
    const char *const hosts[] = {str_get(&passage->host), host, NULL};
    cleanup_str struct str location = STR_INIT;

    export_path_location(&passage->path, value, hosts, &location);
    response_header(passage->res, "Location", "%s", str_get(&location));
}

static int begin(void *ctx, int status, struct err *err)
{
    struct passage *passage = ctx;
    cleanup_str struct str connection = STR_INIT;
    char *text = passage->head.data, *line, *value;
    size_t len;

    find_connection(&passage->head, &connection);
    while ((line = next_header(&text, &len, &value))) {
        line[len] = '\0';
        if (strcasecmp(line, "Location") == 0)
            pass_location(passage, value);
        else if (hop_passes_back(line, len, str_get(&connection)))
            response_header(passage->res, line, "%s", value);
    }
    count_answer(passage, status);
    return response_begin(passage->res, status, err);
}

static int pass_body(void *ctx, const void *data, size_t len, struct err *err)
{
    struct passage *passage = ctx;

    metric_add(proxy.bytes, NULL, (double)len);
    return response_write(passage->res, data, len, err);
}

static bool client_left(void *ctx)
{
    const struct passage *passage = ctx;

    return response_peer_left(passage->res);
}

/* ---- the request ---- */

static void pass_headers(const struct passage *passage, struct upstream *upstream)
{
    const char *connection = request_param(passage->req, "HTTP_CONNECTION");
    cleanup_str struct str name = STR_INIT;

    for (char **p = passage->req->envp; *p; p++) {
        size_t len = strcspn(*p, "=");

        if ((*p)[len] && hop_passes_on(*p, len, connection, &name))
            upstream_header(upstream, str_get(&name), *p + len + 1);
    }
}

/* What libcurl would say by itself, and who asks. */
static void add_headers(const struct passage *passage, struct upstream *upstream)
{
    const struct request *req = passage->req;
    const char *host = request_param(req, "HTTP_HOST"),
               *so_far = request_param(req, "HTTP_X_FORWARDED_FOR"),
               *peer = request_param(req, "REMOTE_ADDR");
    cleanup_str struct str forwarded = STR_INIT;

    if (!request_param(req, "HTTP_ACCEPT"))
        upstream_no_header(upstream, "Accept");
    upstream_header(upstream, "Host", host && *host ? host : str_get(&passage->host));
    str_printf(&forwarded, "%s%s%s", so_far ? so_far : "", so_far && *so_far ? ", " : "",
               peer ? peer : "unknown");
    upstream_header(upstream, "X-Forwarded-For", str_get(&forwarded));
}

static struct upstream *own_upstream(void)
{
    struct upstream *upstream = pthread_getspecific(proxy.upstream);

    if (!upstream) {
        upstream = upstream_new();
        pthread_setspecific(proxy.upstream, upstream);
    }
    return upstream;
}

static void end_upstream(void *upstream)
{
    upstream_free(upstream);
}

/* ---- failures ---- */

static const int statuses[UPSTREAM_CAUSES] = {
    [UPSTREAM_NO_NAME] = 404, [UPSTREAM_NO_LOOKUP] = 502, [UPSTREAM_NO_TRUST] = 503,
    [UPSTREAM_REFUSED] = 503, [UPSTREAM_TIMEOUT] = 504,   [UPSTREAM_TLS] = 502,
    [UPSTREAM_BROKEN] = 502,
};

/* Answers in the place of an export that has not. */
static int answer_for(const struct passage *passage, enum upstream_cause cause,
                      const struct err *why, struct err *err)
{
    cleanup_str struct str body = STR_INIT;

    metric_add(proxy.errors, LABELS(upstream_cause_name(cause)), 1);
    if (cause != UPSTREAM_NO_NAME && cause != UPSTREAM_REFUSED)
        log_error("%s: %s", passage->req->path, why->msg);
    if (statuses[cause] == 503)
        response_header(passage->res, "Retry-After", RETRY_SECONDS);
    response_header(passage->res, "X-Content-Type-Options", "nosniff");
    str_printf(&body, "%s\n", why->msg);
    count_answer(passage, statuses[cause]);
    return response_text(passage->res, statuses[cause], "text/plain; charset=utf-8", str_get(&body),
                         err);
}

/* ---- serving ---- */

static int pass(struct passage *passage, struct err *err)
{
    const struct upstream_sink sink = {passage, take_line, begin, pass_body, client_left};
    struct upstream *upstream = own_upstream();
    cleanup_str struct str target = STR_INIT;
    enum upstream_cause cause;
    struct err why;

    export_path_inside(&passage->path, &target);
    str_printf(&passage->host, "%s.%s.svc.%s", names_service(proxy.names, passage->path.name).text,
               passage->path.ns, proxy.domain);
    pass_headers(passage, upstream);
    add_headers(passage, upstream);
    if (upstream_fetch(upstream, str_get(&passage->host), str_get(&target), passage->req->head,
                       &sink, &cause, &why) == 0)
        return 0;
    if (!passage->res->begun && why.class != ERR_PEER)
        return answer_for(passage, cause, &why, err);
    if (why.class != ERR_PEER)
        metric_add(proxy.errors, LABELS("cut"), 1);
    *err = why;
    return -1;
}

static int serve(const struct request *req, struct response *res, struct err *err)
{
    const char *uri = request_param(req, "REQUEST_URI");
    struct passage passage = {.req = req, .res = res, .host = STR_INIT, .head = STR_INIT};
    int rc;

    clock_gettime(CLOCK_MONOTONIC, &passage.start);
    if (export_path_parse(uri ? uri : "", proxy.group, &passage.path, err) < 0) {
        count_answer(&passage, 400);
        return -1;
    }
    metric_add(proxy.in_flight, NULL, 1);
    rc = pass(&passage, err);
    metric_add(proxy.in_flight, NULL, -1);
    str_free(&passage.host);
    str_free(&passage.head);
    return rc;
}

/* ---- start ---- */

static const char *setting(const char *name, const char *fallback)
{
    const char *text = getenv(name);

    return text && *text ? text : fallback;
}

static void make_metrics(void)
{
    static const double seconds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};

    proxy.requests = metric_counter("vmexport_proxy_requests_total", "code",
                                    "Answers that were begun, by status.");
    proxy.bytes = metric_counter("vmexport_proxy_response_bytes_total", NULL,
                                 "Bytes of bodies that exports sent.");
    proxy.in_flight =
        metric_gauge("vmexport_proxy_requests_in_flight", NULL, "Requests under way.");
    proxy.errors = metric_counter("vmexport_proxy_upstream_errors_total", "cause",
                                  "Exports that did not answer, or broke off (cut).");
    proxy.first_byte = metric_histogram("vmexport_proxy_first_byte_seconds", NULL,
                                        "From a request to the head of its answer.", seconds,
                                        sizeof(seconds) / sizeof(seconds[0]));
    metric_add(proxy.bytes, NULL, 0);
    metric_add(proxy.in_flight, NULL, 0);
    for (int cause = 0; cause < UPSTREAM_CAUSES; cause++)
        metric_add(proxy.errors, LABELS(upstream_cause_name(cause)), 0);
    metric_add(proxy.errors, LABELS("cut"), 0);
}

/* For the cluster only, so it is a port of its own, which no Service has. */
static int start_metrics(struct err *err)
{
    const struct health_config config = {.address = setting("VMEXPORT_METRICS_ADDRESS", NULL),
                                         .metrics = metrics_print};

    make_metrics();
    if (!config.address)
        return 0;
    if (!health_start(&config, err))
        return err_wrap(err, "VMEXPORT_METRICS_ADDRESS");
    return 0;
}

static int start(unsigned *threads, struct err *err)
{
    (void)threads;
    proxy.group = setting("VMEXPORT_API_GROUP", "export.kubevirt.io");
    proxy.domain = setting("VMEXPORT_CLUSTER_DOMAIN", "cluster.local");
    proxy.names = names_of_group(proxy.group);
    if (!proxy.names)
        return err_set(err, ERR_INPUT, "VMEXPORT_API_GROUP: exports have no group '%s'",
                       proxy.group);
    if (!export_path_is_domain(proxy.domain) || strlen(proxy.domain) > DOMAIN_MAX)
        return err_set(err, ERR_INPUT, "VMEXPORT_CLUSTER_DOMAIN is no DNS name: '%s'",
                       proxy.domain);
    trust_open(setting("VMEXPORT_CA_FILE", "/ca/ca.pem"));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        pthread_key_create(&proxy.upstream, end_upstream) != 0)
        return err_set(err, ERR_SYSTEM, "cannot set up libcurl");
    return start_metrics(err);
}

int main(void)
{
    static const struct handler handler = {
        .name = "proxy", .threads = THREADS, .open_to_all = true, .start = start, .serve = serve};

    return handler_main(&handler);
}
