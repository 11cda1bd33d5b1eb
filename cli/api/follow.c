/* SPDX-License-Identifier: Apache-2.0 */
#include "api/follow.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "interrupt.h"
#include "kube/reflector.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

enum { POLL_MS = 1000 };

struct follow {
    struct cluster *cluster;
    const struct kube_resource *resource;
    const char *name;
    char *selector;
    struct kube_store *store;
    struct kube_reflector *reflector; /* NULL until the first GET was answered */
    int wake;                         /* an eventfd: the store has changed */
    uint64_t poll_at;
    bool told;
    char *version; /* of what was told last; NULL: there was no object */
};

/* ---- the watch ---- */

static void wake(struct follow *follow)
{
    eventfd_write(follow->wake, 1);
}

static void on_served(void *ctx)
{
    wake(ctx);
}

static void on_change(void *ctx, const struct json *before, const struct json *after)
{
    (void)before;
    (void)after;
    wake(ctx);
}

/* Without the watch it goes by GETs. */
static void start_watch(struct follow *follow)
{
    const struct kube_reflector_config config = {
        .client = follow->cluster->client,
        .what = {.resource = follow->resource,
                 .ns = follow->cluster->ns,
                 .field_selector = follow->selector},
        .store = follow->store,
        .changed = on_served,
        .ctx = follow,
    };
    struct err ignored;

    follow->reflector = kube_reflector_start(&config, &ignored);
}

struct follow *follow_new(struct cluster *cluster, const struct kube_resource *resource,
                          const char *name)
{
    struct follow *follow = calloc(1, sizeof(*follow));
    struct kube_store_config config = {.change = on_change, .ctx = follow};
    struct str selector = STR_INIT;

    if (!follow)
        abort();
    str_printf(&selector, "metadata.name=%s", name);
    follow->cluster = cluster;
    follow->resource = resource;
    follow->name = name;
    follow->selector = str_steal(&selector);
    follow->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    follow->store = kube_store_new(&config);
    return follow;
}

void follow_free(struct follow *follow)
{
    if (!follow)
        return;
    if (follow->reflector)
        kube_reflector_stop(follow->reflector);
    kube_reflector_free(follow->reflector);
    kube_store_free(follow->store);
    if (follow->wake >= 0)
        close(follow->wake);
    free(follow->selector);
    free(follow->version);
    free(follow);
}

/* ---- what to tell ---- */

static bool is_news(const struct follow *follow, const struct json *object)
{
    const char *version = json_text(object, "metadata.resourceVersion");

    if (!follow->told || !version || !follow->version)
        return !follow->told || version || follow->version;
    return strcmp(version, follow->version) != 0;
}

/* Takes `object` over. */
static enum follow_news tell(struct follow *follow, struct json *object, struct json **out)
{
    const char *version = json_text(object, "metadata.resourceVersion");

    if (!is_news(follow, object)) {
        json_free(object);
        return FOLLOW_NOTHING;
    }
    free(follow->version);
    follow->version = version ? strdup(version) : NULL;
    follow->told = true;
    *out = object;
    return FOLLOW_STATE;
}

static enum follow_news ask(struct follow *follow, struct json **out, struct err *err)
{
    cleanup_json struct json *object = NULL;
    int rc = kube_get(follow->cluster->conn, follow->resource, follow->cluster->ns, follow->name,
                      &object, err);

    follow->poll_at = clock_ms() + POLL_MS;
    if (rc == 0 || rc == -KUBE_NOT_FOUND)
        return tell(follow, steal_ptr(object), out);
    cluster_fail(rc, err);
    return !follow->told || err->class == ERR_FORBIDDEN || rc == -KUBE_CANCELLED ? FOLLOW_FAILED
                                                                                 : FOLLOW_NOTHING;
}

static enum follow_news look(struct follow *follow, struct json **out, struct err *err)
{
    if (follow->reflector && kube_reflector_synced(follow->reflector))
        return tell(follow, kube_store_get(follow->store, follow->cluster->ns, follow->name), out);
    if (clock_ms() >= follow->poll_at)
        return ask(follow, out, err);
    return FOLLOW_NOTHING;
}

/* Until the store changes, an interrupt, the next GET or `until`. */
static void rest(struct follow *follow, uint64_t until)
{
    struct pollfd fds[] = {{follow->wake, POLLIN, 0}, {interrupt_fd(), POLLIN, 0}};
    bool watching = follow->reflector && kube_reflector_synced(follow->reflector);
    uint64_t end = watching || until < follow->poll_at ? until : follow->poll_at;
    uint64_t now = clock_ms(), longest = follow->wake < 0 ? POLL_MS : 60000;
    eventfd_t ignored;

    if (now < end)
        (void)poll(fds, 2, (int)(end - now < longest ? end - now : longest));
    eventfd_read(follow->wake, &ignored);
}

enum follow_news follow_next(struct follow *follow, uint64_t until, struct json **object,
                             struct err *err)
{
    for (;;) {
        enum follow_news news = look(follow, object, err);

        if (interrupt_came() && news != FOLLOW_STATE) {
            err_set(err, ERR_IO, "interrupted");
            return FOLLOW_FAILED;
        }
        if (news != FOLLOW_NOTHING)
            return news;
        if (!follow->reflector)
            start_watch(follow);
        if (clock_ms() >= until)
            return FOLLOW_NOTHING;
        rest(follow, until);
    }
}
