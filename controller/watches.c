/* SPDX-License-Identifier: Apache-2.0 */
#include "watches.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    struct watches *watches;
    enum kind kind;
};

struct watches {
    struct watches_config config;
    struct watch watch[KINDS];
    pthread_mutex_t lock;
    struct kube_reflector *reflectors[KINDS]; /* below the lock; NULL before their start */
    char *problems[KINDS]; /* below the lock; the last of one that is not synced; NULL: none */
};

static struct kube_reflector *reflector(struct watches *watches, enum kind kind)
{
    struct kube_reflector *found;

    pthread_mutex_lock(&watches->lock);
    found = watches->reflectors[kind];
    pthread_mutex_unlock(&watches->lock);
    return found;
}

/* ---- what reflectors tell ---- */

/* Takes the text over. */
static void set_problem(struct watches *watches, enum kind kind, char *problem)
{
    pthread_mutex_lock(&watches->lock);
    free(watches->problems[kind]);
    watches->problems[kind] = problem;
    pthread_mutex_unlock(&watches->lock);
}

static void on_served(void *ctx)
{
    struct watch *watch = ctx;
    struct watches *watches = watch->watches;
    bool served = kube_reflector_served(reflector(watches, watch->kind));
    bool before = atomic_exchange(&watches->config.cache->served[watch->kind], served);

    set_problem(watches, watch->kind, NULL);
    watches->config.changed(watches->config.ctx);
    if (served == before)
        return;
    if (kind_table[watch->kind].optional)
        log_info("%s of %s %s", kind_table[watch->kind].resource.plural,
                 kind_table[watch->kind].resource.group,
                 served ? "are served" : "are no longer served");
    routes_add_all(watches->config.routes);
}

static void on_problem(void *ctx, const char *message)
{
    const struct watch *watch = ctx;
    struct watches *watches = watch->watches;
    cleanup_str struct str problem = STR_INIT;

    log_warning("%s: %s", kind_table[watch->kind].resource.plural, message);
    str_puts(&problem, message);
    if (watch->kind == KIND_EXPORT && strstr(message, "404")) {
        cleanup_str struct str missing = STR_INIT;

        str_printf(&missing,
                   "the CRD of virtualmachineexports.%s is not installed: apply it "
                   "(docs/operations.md)",
                   watches->config.cache->settings->api_group);
        log_warning("%s", str_get(&missing));
        str_printf(&problem, "; %s", str_get(&missing));
    }
    if (!watches_synced(watches, watch->kind))
        set_problem(watches, watch->kind, str_steal(&problem));
}

/* ---- begin and end ---- */

struct watches *watches_new(const struct watches_config *config)
{
    struct watches *watches = calloc(1, sizeof(*watches));

    if (!watches)
        abort();
    watches->config = *config;
    pthread_mutex_init(&watches->lock, NULL);
    return watches;
}

static int start(struct watches *watches, enum kind kind, struct err *err)
{
    const struct kind_info *info = &kind_table[kind];
    struct watch *watch = &watches->watch[kind];
    const struct kube_reflector_config config = {
        .client = watches->config.client,
        .what = {.resource = kind == KIND_EXPORT ? watches->config.exports : &info->resource,
                 .ns = info->own_namespace ? watches->config.cache->settings->namespace_ : NULL,
                 .label_selector = info->label_selector,
                 .metadata_only = info->metadata_only,
                 .unread = info->unread},
        .store = watches->config.cache->stores[kind],
        .optional = info->optional,
        .changed = on_served,
        .problem = on_problem,
        .ctx = watch,
    };
    int rc = 0;

    *watch = (struct watch){watches, kind};
    pthread_mutex_lock(&watches->lock); /* on_served waits until the reflector is in its place */
    watches->reflectors[kind] = kube_reflector_start(&config, err);
    if (!watches->reflectors[kind])
        rc = -1;
    pthread_mutex_unlock(&watches->lock);
    return rc;
}

int watches_start_exports(struct watches *watches, struct err *err)
{
    return start(watches, KIND_EXPORT, err);
}

int watches_start_others(struct watches *watches, struct err *err)
{
    for (int kind = KIND_EXPORT + 1; kind < KINDS; kind++)
        if (start(watches, (enum kind)kind, err) < 0)
            return -1;
    return 0;
}

void watches_stop(struct watches *watches)
{
    if (!watches)
        return;
    for (int kind = 0; kind < KINDS; kind++)
        if (watches->reflectors[kind])
            kube_reflector_stop(watches->reflectors[kind]);
    /* Only now: a CRD that came while they stopped asked after all of them (watches_crd). */
    for (int kind = 0; kind < KINDS; kind++) {
        kube_reflector_free(watches->reflectors[kind]);
        free(watches->problems[kind]);
    }
    pthread_mutex_destroy(&watches->lock);
    free(watches);
}

/* ---- what is asked of them ---- */

bool watches_synced(struct watches *watches, enum kind kind)
{
    struct kube_reflector *found = reflector(watches, kind);

    return found && kube_reflector_synced(found);
}

enum kind watches_behind(struct watches *watches)
{
    int kind = 0;

    while (kind < KINDS && watches_synced(watches, (enum kind)kind))
        kind++;
    return (enum kind)kind;
}

void watches_why_behind(struct watches *watches, enum kind kind, struct str *out)
{
    pthread_mutex_lock(&watches->lock);
    str_puts(out, watches->problems[kind] ? watches->problems[kind] : "");
    pthread_mutex_unlock(&watches->lock);
}

void watches_crd(struct watches *watches, const char *name)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct kube_reflector *found = reflector(watches, (enum kind)kind);
        cleanup_str struct str crd = STR_INIT;

        if (!kind_table[kind].optional || !found || kube_reflector_served(found))
            continue;
        kind_crd_name((enum kind)kind, &crd);
        if (strcmp(str_get(&crd), name) == 0)
            kube_reflector_wake(found);
    }
}

char *watches_version(struct watches *watches, enum kind kind)
{
    struct kube_reflector *found = reflector(watches, kind);

    return found ? kube_reflector_version(found) : NULL;
}

unsigned long watches_restarts(struct watches *watches, enum kind kind)
{
    struct kube_reflector *found = reflector(watches, kind);

    return found ? kube_reflector_restarts(found) : 0;
}
