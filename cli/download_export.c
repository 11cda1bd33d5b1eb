/* SPDX-License-Identifier: Apache-2.0 */
#include "download_export.h"
#include "api/snapshot.h"
#include "base/cleanup.h"
#include "say.h"

#include <string.h>

/* The export owns the snapshot, so that they end together, whoever ends it. */
static int own_snapshot(struct exports *exports, const struct download_export *made,
                        struct err *err)
{
    return made->snapshot ? snapshot_own(exports->cluster, made->snapshot, made->object, err) : 0;
}

static int make_snapshot(struct exports *exports, const struct options *options,
                         struct option_source *source, struct download_export *made,
                         struct err *err)
{
    if (snapshot_make(exports->cluster, source->name, options->name, options->readiness_timeout_ms,
                      &made->snapshot, err))
        return -1;
    source->group = "snapshot.kubevirt.io";
    source->kind = "VirtualMachineSnapshot";
    source->name = made->snapshot;
    return 0;
}

/* The snapshot of an export that was not made is of no use to anybody. */
static void drop_snapshot(struct exports *exports, struct download_export *made)
{
    struct err err;

    if (made->snapshot && snapshot_delete(exports->cluster, made->snapshot, &err))
        say_warning("VirtualMachineSnapshot %s is left: %s", made->snapshot, err.msg);
    free(steal_ptr(made->snapshot));
}

static bool same_text(const struct json *object, const char *path, const char *text)
{
    const char *there = json_text(object, path);

    return strcmp(there ? there : "", text ? text : "") == 0;
}

/* One that is there already is used, if it is of the same source: nobody wants another's disk. */
static int use_existing(struct exports *exports, const struct options *options,
                        const struct option_source *source, struct err *err)
{
    const struct kube_resource *resource;
    cleanup_json struct json *object = NULL;

    if (exports_get(exports, options->name, &resource, &object, err))
        return -1;
    const char *kind = json_text(object, "spec.source.kind"),
               *name = json_text(object, "spec.source.name");
    if (same_text(object, "spec.source.kind", source->kind) &&
        same_text(object, "spec.source.name", source->name)) {
        say("VirtualMachineExport '%s/%s' already exists: using it, and leaving it",
            exports->cluster->ns, options->name);
        return 0;
    }
    return err_set(err, ERR_INPUT,
                   "VirtualMachineExport '%s/%s' already exists, and is of %s '%s': choose another "
                   "name, or leave %s out to download that",
                   exports->cluster->ns, options->name, kind ? kind : "?", name ? name : "?",
                   source->flag);
}

int download_make(struct exports *exports, const struct options *options,
                  struct option_source source, struct download_export *made, struct err *err)
{
    const struct kube_resource *resource;
    struct err none;

    if (options->snapshot_first && exports_get(exports, options->name, &resource, NULL, &none) &&
        make_snapshot(exports, options, &source, made, err))
        return -1;
    if (exports_create(exports, options, &source, options->name, &made->object, err)) {
        drop_snapshot(exports, made);
        return err->class == ERR_PRECONDITION ? use_existing(exports, options, &source, err) : -1;
    }
    made->created = true;
    return own_snapshot(exports, made, err);
}

int download_clean_up(struct exports *exports, const struct options *options,
                      const struct download_export *made, struct err *err)
{
    bool was_there;

    if (options->manifest || !(options->delete_vme || (made->created && !options->keep_vme)))
        return 0;
    if (exports_delete(exports, options->name, made->uid, &was_there, err))
        return err_wrap(err, "the download is whole, but the export could not be deleted");
    return 0;
}

void download_tell_kept(const struct options *options, const struct download_export *made,
                        const char *ns)
{
    if (made->created)
        say("VirtualMachineExport '%s/%s' is kept%s%s: 'vmexport download %s' tries again, "
            "'vmexport "
            "delete %s' removes it",
            ns, options->name, made->snapshot ? ", as is VirtualMachineSnapshot " : "",
            made->snapshot ? made->snapshot : "", options->name, options->name);
}

void download_export_free(struct download_export *made)
{
    json_free(made->object);
    free(made->snapshot);
    free(made->uid);
}
