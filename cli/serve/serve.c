/* SPDX-License-Identifier: Apache-2.0 */
/* `vmexport serve`: a disk or a directory over HTTPS as an export pod gives them out. */
#include "base/cleanup.h"
#include "commands.h"
#include "interrupt.h"
#include "say.h"
#include "serve/local_pod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What there is of each volume, and what to do with it: `curl URL AFTER`. */
static const struct {
    const char *volume, *format, *path, *before, *after;
} formats[] = {{"disk", "raw", "disk.img", "-O ", ""},
               {"disk", "gzip", "disk.img.gz", "", " | gzip -d > disk.img"},
               {"tree", "dir", "dir/", "", ""},
               {"tree", "tar.gz", "disk.tar.gz", "", " | tar xz"}};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

/* ---- what is served ---- */

static int cannot_read(const char *flag, const char *path, struct err *err)
{
    return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot read %s %s",
                     flag, path);
}

/* The real path of what a flag names, in `real`, which the caller frees; NULL without the flag. */
static int take_path(const char *flag, const char *path, struct stat *st, char **real,
                     struct err *err)
{
    if (!path)
        return 0;
    *real = realpath(path, NULL);
    if (!*real || access(*real, R_OK) < 0 || stat(*real, st) < 0)
        return cannot_read(flag, path, err);
    if (strchr(*real, '\n'))
        return err_set(err, ERR_INPUT, "%s: a path with a line break cannot be served", flag);
    return 0;
}

static int take_disk(const struct options *options, char **real, struct err *err)
{
    struct stat st;

    if (take_path("--disk", options->disk, &st, real, err) < 0)
        return -1;
    if (!*real || S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
        return 0;
    return err_set(err, ERR_INPUT, "--disk %s is no disk image and no block device%s%s",
                   options->disk, S_ISDIR(st.st_mode) ? ": did you mean --dir " : "",
                   S_ISDIR(st.st_mode) ? options->disk : "");
}

static int take_dir(const struct options *options, char **real, struct err *err)
{
    struct stat st;

    if (take_path("--dir", options->dir, &st, real, err) < 0)
        return -1;
    if (!*real || S_ISDIR(st.st_mode))
        return 0;
    return err_set(err, ERR_INPUT, "--dir %s is no directory: did you mean --disk %s", options->dir,
                   options->dir);
}

/* ---- what is said of it ---- */

static void show_urls(const struct local_pod *pod, const char *volume, const char *source)
{
    if (!source)
        return;
    printf("\n  %s, volume \"%s\":\n", source, volume);
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(formats[i].volume, volume) == 0)
            printf("    %-8s%s/volumes/%s/%s\n", formats[i].format, str_get(&pod->url), volume,
                   formats[i].path);
}

/* The header comes from a file: a token in a command line is in the list of processes. */
static void show_curl(const struct local_pod *pod, const char *volume, const char *source)
{
    const char *folder = str_get(&pod->folder);

    for (size_t i = 0; source && i < FORMATS; i++)
        if (strcmp(formats[i].volume, volume) == 0)
            printf("  curl -f --cacert %s/tls.crt -H @%s/curl-header %s%s/volumes/%s/%s%s\n",
                   folder, folder, formats[i].before, str_get(&pod->url), volume, formats[i].path,
                   formats[i].after);
}

static void show(const struct local_pod *pod, const char *disk, const char *dir)
{
    const char *url = str_get(&pod->url), *token = str_get(&pod->token);

    printf("Serving on %s until Ctrl-C. Log: %s/log\n", url, str_get(&pod->folder));
    show_urls(pod, "disk", disk);
    show_urls(pod, "tree", dir);
    printf("\n  export TOKEN=%s\n", token);
    show_curl(pod, "disk", disk);
    show_curl(pod, "tree", dir);
    printf("\nAn overview for a browser: %s/?" LOCAL_POD_HEADER "=%s\n"
           "The same from a cluster: vmexport download NAME --pvc=CLAIM --format=raw "
           "--output=disk.img\n",
           url, token);
    fflush(stdout);
}

int command_serve(const struct options *options, struct err *err)
{
    cleanup_local_pod struct local_pod pod = LOCAL_POD_INIT;
    cleanup_free char *disk = NULL, *dir = NULL;

    if (!options->disk && !options->dir)
        return err_set(err, ERR_INPUT,
                       "nothing to serve: name a disk image or block device by --disk, a directory "
                       "by --dir, or both");
    if (take_disk(options, &disk, err) < 0 || take_dir(options, &dir, err) < 0 ||
        local_pod_start(&pod, disk, dir, options->listen, err) < 0)
        return -1;
    if (!interrupt_came())
        show(&pod, disk, dir);
    if (local_pod_wait(&pod, err) < 0)
        return -1;
    say("stopping: downloads under way may finish; interrupt again to end at once");
    if (!local_pod_stop(&pod))
        say_warning("downloads were cut");
    return 0;
}
