/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "serve/local_pod_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* From the folder of this program. */
static const struct {
    const char *program, *conf;
} places[] = {
    {"../lighttpd/pod", "../../../lighttpd/export.conf"}, /* build/VARIANT/cli */
    {"../libexec/vmexport/pod", NULL},                    /* PREFIX/bin: pod finds its own */
};

/* The folder of the running program, through all links: `kubectl-vmexport` is one. */
static int own_folder(struct str *folder, struct err *err)
{
    cleanup_free char *path = realpath("/proc/self/exe", NULL);
    const char *slash = path ? strrchr(path, '/') : NULL;

    if (!slash)
        return err_errno(err, ERR_SYSTEM, errno, "cannot find out where this program is");
    str_append(folder, path, (size_t)(slash - path));
    return 0;
}

static bool take(struct str *program, const char *folder, const char *name)
{
    str_clear(program);
    str_printf(program, "%s/%s", folder, name);
    return access(str_get(program), X_OK) == 0;
}

int local_pod_find(struct str *program, struct str *conf, struct err *err)
{
    const char *chosen = getenv("VMEXPORT_LIBEXEC");
    cleanup_str struct str folder = STR_INIT, tried = STR_INIT;

    if (chosen && take(program, chosen, "pod"))
        return 0;
    if (chosen)
        return err_errno(err, ERR_SYSTEM, errno, "VMEXPORT_LIBEXEC: cannot execute '%s'",
                         str_get(program));
    if (own_folder(&folder, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (take(program, str_get(&folder), places[i].program)) {
            if (places[i].conf)
                str_printf(conf, "%s/%s", str_get(&folder), places[i].conf);
            return 0;
        }
        str_printf(&tried, "%s'%s'", tried.len ? ", " : "", str_get(program));
    }
    return err_set(
        err, ERR_SYSTEM,
        "the export server's programs are not there (looked for %s): install them too, or "
        "name their folder in VMEXPORT_LIBEXEC",
        str_get(&tried));
}
