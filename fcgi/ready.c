/* SPDX-License-Identifier: Apache-2.0 */
/* /exportready: what the pod's readiness probe asks for. It says that requests are answered. */
#include "handler.h"

#include <string.h>

static int serve(const struct request *req, struct response *res, struct err *err)
{
    if (strcmp(req->path, "/exportready") != 0)
        return err_set(err, ERR_NOT_FOUND, "there is nothing at this path");
    return response_text(res, 200, "text/plain", "OK", err);
}

int main(void)
{
    static const struct handler ready = {
        .name = "ready", .threads = 4, .open_to_all = true, .serve = serve};

    return handler_main(&ready);
}
