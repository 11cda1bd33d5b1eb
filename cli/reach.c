/* SPDX-License-Identifier: Apache-2.0 */
#include "reach.h"
#include "api/port_forward.h"
#include "api/wait.h"
#include "kube/secret.h"
#include "say.h"

#include <string.h>
#include <unistd.h>

static int wait_until_ready(struct reach *reach, bool must_exist, struct json **object,
                            struct err *err)
{
    struct wait_options wait = {
        .side = reach->side,
        .need_service = reach->forward != NULL || reach->options->port_forward,
        .must_exist = must_exist,
        .wait_for_source = reach->options->wait_for_source,
        .timeout_ms = reach->options->readiness_timeout_ms,
    };

    return wait_ready(reach->exports, reach->options->name, &wait, object, err);
}

/* Takes over `object`: what is asked for from now on is as it says; or all stays as it was. */
static int use(struct reach *reach, struct json *object, struct err *err)
{
    struct reach before = *reach;

    if (exports_token(reach->exports, object, &reach->token, err)) {
        reach->token = before.token;
        json_free(object);
        return -1;
    }
    const struct json *links = links_of(object, reach->side);
    reach->object = object;
    reach->source.peer.token = reach->token;
    reach->source.peer.ca = links_cert(links);
    if (reach->choose && reach->choose(reach, links, err)) {
        json_free(object);
        secret_free(reach->token);
        *reach = before;
        return -1;
    }
    json_free(before.object);
    secret_free(before.token);
    return 0;
}

/* Ready with the links that are needed, as it was a moment ago: there is nothing to wait for. */
static bool is_ready(const struct reach *reach, const struct json *object)
{
    const char *phase = json_text(object, "status.phase");

    return phase && strcmp(phase, "Ready") == 0 && links_of(object, reach->side);
}

static int refresh(struct source *source, struct err *err)
{
    struct reach *reach = (struct reach *)source; /* its first member */
    const struct kube_resource *resource;
    struct json *object = NULL;

    if (exports_get(reach->exports, reach->options->name, &resource, &object, err)) {
        if (err->class != ERR_NOT_FOUND && err->class != ERR_FORBIDDEN)
            err->class = ERR_PEER; /* the API server's trouble is not the download's */
        return -1;
    }
    if (!is_ready(reach, object)) {
        json_free(object);
        object = NULL;
        if (wait_until_ready(reach, true, &object, err))
            return -1;
    }
    return use(reach, object, err);
}

/* ---- through the API server ---- */

static int open_forward(struct reach *reach, struct err *err)
{
    const char *service = json_text(reach->object, "status.serviceName");

    if (!service)
        return err_set(err, ERR_UNAVAILABLE, "the export names no Service");
    reach->forward = port_forward_new(reach->exports->cluster, service);
    int fd = port_forward_connect(reach->forward, err); /* whether it is a way in at all */
    if (fd < 0)
        return -1;
    close(fd);
    reach->source.peer.socket = port_forward_socket(reach->forward, err);
    if (!reach->source.peer.socket)
        return -1;
    unsigned port = reach->options->local_port;
    return port ? port_forward_listen(reach->forward, port, err) : 0;
}

/* Ready, and nothing leads there from outside. */
static int fall_back(struct reach *reach, struct err *err)
{
    say("no external link: there is no Ingress or Route to the export proxy, nor a host set for "
        "it; "
        "going through the API server instead (--port-forward)");
    reach->side = LINKS_INTERNAL;
    struct json *object = NULL;
    if (wait_until_ready(reach, true, &object, err) == 0 && use(reach, object, err) == 0 &&
        open_forward(reach, err) == 0)
        return 0;
    if (err->class == ERR_LIMIT || err->class == ERR_PEER)
        err->class = ERR_UNAVAILABLE;
    return err_wrap(err, "the export has no external link (give the export proxy an Ingress, a "
                         "Route or external.host), and port-forward does not lead to it");
}

int reach_open(struct reach *reach, struct exports *exports, const struct options *options,
               struct err *err)
{
    *reach = (struct reach){.exports = exports, .options = options};
    reach->source.refresh = refresh;
    reach->source.peer.insecure = options->insecure;
    reach->source.peer.via = options->service_url;
    reach->side = options->service_url || options->port_forward ? LINKS_INTERNAL : LINKS_EXTERNAL;
    if (options->insecure)
        say_warning("--insecure: whoever answers is believed, and gets the token");
    struct json *object = NULL;
    if (wait_until_ready(reach, false, &object, err)) {
        if (err->class == ERR_LIMIT && reach->side == LINKS_EXTERNAL)
            return fall_back(reach, err);
        return -1;
    }
    if (use(reach, object, err))
        return -1;
    return options->port_forward ? open_forward(reach, err) : 0;
}

int reach_choose(struct reach *reach,
                 int (*choose)(struct reach *reach, const struct json *links, struct err *err),
                 void *ctx, struct err *err)
{
    reach->choose = choose;
    reach->choose_ctx = ctx;
    return choose(reach, links_of(reach->object, reach->side), err);
}

void reach_close(struct reach *reach)
{
    port_forward_free(reach->forward);
    json_free(reach->object);
    secret_free(reach->token);
    *reach = (struct reach){0};
}
