/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /exportready and, of the proxy, /healthz: what a readiness probe asks for. It says that requests are
 * answered. Who asks /exportready for JSON is told besides what of the volumes cannot be read
 * (readable.h): the controller does, to say so in the export's status.
 */
#include "base/log.h"
#include "handler.h"
#include "readable.h"

#include <stdlib.h>
#include <string.h>

static struct volume_table volumes;
static struct readable readable;

static int serve_readable(struct response *res, struct err *err)
{
    cleanup_str struct str body = STR_INIT;

    readable_print(&readable, &body);
    response_header(res, "Cache-Control", "no-store");
    return response_text(res, 200, "application/json", str_get(&body), err);
}

static int serve(const struct request *req, struct response *res, struct err *err)
{
    bool of_export = strcmp(req->path, "/exportready") == 0;

    if (!of_export && strcmp(req->path, "/healthz") != 0)
        return err_set(err, ERR_NOT_FOUND, "there is nothing at this path");
    if (of_export && request_accepts(req, "application/json"))
        return serve_readable(res, err);
    return response_text(res, 200, "text/plain", "OK", err);
}

/* A pod that cannot inspect its volumes is ready all the same. */
static int start(unsigned *threads, struct err *err)
{
    const char *text = getenv("VMEXPORT_VOLUMES");
    struct err trouble;

    (void)threads;
    if (volume_table_parse(&volumes, text ? text : "", err) < 0 ||
        readable_init(&readable, &volumes, err) < 0)
        return -1;
    if (readable_start(&readable, &trouble) < 0)
        log_warning("%s", trouble.msg);
    return 0;
}

int main(void)
{
    static const struct handler ready = {
        .name = "ready", .threads = 4, .open_to_all = true, .start = start, .serve = serve};

    return handler_main(&ready);
}
