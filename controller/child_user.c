/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the export pod runs as: the settings' user and groups, unless the export has annotations of
 * its own, for volumes whose files are not KubeVirt's. An annotation that cannot be read is not
 * passed over: the pod would run as somebody else than is wanted, and files be missing from what it
 * gives out.
 */
#include "plan.h"
#include "user_id.h"

#include <string.h>

/* NULL when it is not set. */
static const char *annotation(const struct json *object, const char *key)
{
    return json_string(json_get(json_at(object, "metadata.annotations"), key));
}

bool child_user_wanted(const struct world *world, struct child_user *user)
{
    const struct settings *settings = world->settings;
    const char *run_as = annotation(world->export, EXPORT_RUN_AS);
    const char *fs_group = annotation(world->export, EXPORT_FS_GROUP);

    *user = (struct child_user){settings->run_as_user, settings->run_as_group, settings->fs_group};
    return (!run_as || user_ids_read(run_as, &user->user, &user->group)) &&
           (!fs_group || user_id_read(fs_group, &user->fs_group));
}

void child_user(struct children *children)
{
    struct world *world = children->world;
    const char *run_as = annotation(world->export, EXPORT_RUN_AS);
    const char *fs_group = annotation(world->export, EXPORT_FS_GROUP);
    int ignored;

    if (run_as && !user_ids_read(run_as, &ignored, &ignored))
        child_trouble(children, "AnnotationInvalid",
                      world_printf(world,
                                   "the annotation " EXPORT_RUN_AS
                                   " of the export is '%.64s': make "
                                   "it \"UID:GID\", both from 1 to %d, or take it away",
                                   run_as, USER_ID_MAX));
    if (fs_group && !user_id_read(fs_group, &ignored))
        child_trouble(children, "AnnotationInvalid",
                      world_printf(world,
                                   "the annotation " EXPORT_FS_GROUP " of the export is '%.64s': "
                                   "make it a group from 1 to %d, or take it away",
                                   fs_group, USER_ID_MAX));
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool child_user_changed(const struct world *world, const struct json *pod)
{
    static const char *const keys[] = {EXPORT_RUN_AS, EXPORT_FS_GROUP};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!same(annotation(world->export, keys[i]), annotation(pod, keys[i])))
            return true;
    return false;
}
