/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main program of every handler. Here, and nowhere else: the accept loop, the token, the
 * methods, the errors, the abort of a broken body, the drain on SIGTERM. A handler is a `struct
 * handler` and its code:
 *
 *     static int serve(const struct request *req, struct response *res, struct err *err) { ... }
 *
 *     int main(void)
 *     {
 *         static const struct handler ready = {.name = "ready", .threads = 4, .serve = serve};
 *         return handler_main(&ready);
 *     }
 *
 * Started by a web server or the pod's supervisor (a listening socket as descriptor 0), the program
 * answers FastCGI requests until SIGTERM, and then finishes those under way. Started from a shell
 * it is a CGI program:
 *
 *     VMEXPORT_VOLUMES='disk disk - ./disk.img' REQUEST_METHOD=GET \
 *         PATH_INFO=/volumes/disk/disk.img.gz gzip
 */
#pragma once

#include "request.h"
#include "response.h"

struct handler {
    const char *name;
    unsigned threads; /* requests at a time; those beyond wait in the socket's backlog */
    bool open_to_all; /* no token is asked for */
    /* Once, before the first request; NULL when there is nothing to do. May lower `threads`. */
    int (*start)(unsigned *threads, struct err *err);
    /*
     * Answers one request. Called by several threads at once. On failure before response_begin the
     * handler's loop answers with the status of the error's class; after it the loop aborts the
     * connection and logs.
     */
    int (*serve)(const struct request *req, struct response *res, struct err *err);
};

/* Runs the handler; returns the program's exit status. */
int handler_main(const struct handler *handler);
