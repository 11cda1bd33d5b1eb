/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk holds one open directory a level and no names: a directory may have any number of them.
 * Each is opened below its parent and never through a symbolic link, so that nothing leads out of
 * the volume. Only a refusal (EACCES) makes a file unreadable; what is not there, or what fails
 * otherwise, is told by a download.
 */
#include "readable.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct readable_limits limits_of_a_pod = {.ms = 60 * 1000, .entries = 1000000};

struct walk {
    struct readable_volume *out;
    DIR *dir[READABLE_DEPTH_MAX]; /* from the volume's root to where the walk is */
    size_t depth;
};

/* What is left of the limits. */
struct budget {
    uint64_t end;
    unsigned entries;
};

int readable_init(struct readable *readable, const struct volume_table *volumes, struct err *err)
{
    *readable = (struct readable){.volumes = volumes};
    readable->volume = calloc(volumes->count + 1, sizeof(*readable->volume));
    if (!readable->volume)
        return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot inspect volumes");
    atomic_store(&readable->inspecting, true);
    return 0;
}

void readable_free(struct readable *readable)
{
    free(readable->volume);
    readable->volume = NULL;
}

static bool spend(struct budget *budget)
{
    if (!budget->entries || clock_ms() >= budget->end)
        return false;
    budget->entries--;
    return true;
}

/* Counts a refusal; what else went wrong leaves something that was not looked at. */
static void note_failure(struct readable_volume *out, int error)
{
    if (error == EACCES)
        atomic_fetch_add(&out->unreadable, 1);
    else if (error != ENOENT)
        atomic_store(&out->more, true);
}

/* ---- disks ---- */

/* Whether a device may be opened is known when it is: its cgroup says EPERM. */
static void look_at_device(struct readable_volume *out, const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    atomic_store(&out->block, true);
    if (fd < 0)
        note_failure(out, errno == EPERM ? EACCES : errno);
}

static void look_at_file(struct readable_volume *out, int dir, const char *name)
{
    if (faccessat(dir, name, R_OK, AT_EACCESS) < 0)
        note_failure(out, errno);
}

/* A disk that is missing, or is no file, is not one that cannot be read. */
static void look_at_disk(struct readable_volume *out, const char *path)
{
    cleanup_close int dir = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    if (dir < 0 || fstat(dir, &st) < 0) {
        note_failure(out, errno);
        return;
    }
    if (S_ISBLK(st.st_mode))
        look_at_device(out, path);
    else if (!S_ISDIR(st.st_mode))
        look_at_file(out, AT_FDCWD, path);
    else if (fstatat(dir, "disk.img", &st, AT_SYMLINK_NOFOLLOW) < 0)
        note_failure(out, errno);
    else if (S_ISREG(st.st_mode))
        look_at_file(out, dir, "disk.img");
}

/* ---- archives ---- */

/* Goes into a directory, if it can be listed and what it lists can be reached. */
static void enter(struct walk *walk, int at, const char *name, int flags)
{
    int fd;
    DIR *dir;

    if (walk->depth == READABLE_DEPTH_MAX) {
        atomic_store(&walk->out->more, true);
        return;
    }
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    if (fd < 0) {
        note_failure(walk->out, errno);
        return;
    }
    dir = faccessat(fd, ".", X_OK, AT_EACCESS) == 0 ? fdopendir(fd) : NULL;
    if (dir) {
        walk->dir[walk->depth++] = dir;
        return;
    }
    note_failure(walk->out, errno);
    close(fd);
}

static unsigned char type_of(int dir, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

/* The file system's own, for root only, which no archive has. */
static bool is_left_out(const struct walk *walk, const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           (walk->depth == 1 && strcmp(name, "lost+found") == 0);
}

static void look_at_entry(struct walk *walk, const struct dirent *entry)
{
    int dir = dirfd(walk->dir[walk->depth - 1]);
    unsigned char type = type_of(dir, entry);

    if (type == DT_DIR && !is_left_out(walk, entry->d_name))
        enter(walk, dir, entry->d_name, O_NOFOLLOW);
    else if (type == DT_REG)
        look_at_file(walk->out, dir, entry->d_name);
}

static void look_at_archive(struct readable_volume *out, const char *path, struct budget *budget)
{
    struct walk walk = {.out = out};

    enter(&walk, AT_FDCWD, path, 0);
    while (walk.depth) {
        const struct dirent *entry = NULL;
        bool may = spend(budget);

        errno = 0;
        if (may)
            entry = readdir(walk.dir[walk.depth - 1]);
        if (!may || (!entry && errno))
            atomic_store(&out->more, true);
        if (entry)
            look_at_entry(&walk, entry);
        else
            closedir(walk.dir[--walk.depth]);
    }
}

/* ---- all of them ---- */

void readable_inspect(struct readable *readable, const struct readable_limits *limits)
{
    const struct volume_table *volumes = readable->volumes;
    struct budget budget = {.end = clock_ms() + limits->ms, .entries = limits->entries};

    for (size_t i = 0; i < volumes->count; i++)
        if (volumes->volume[i].content == VOLUME_DISK)
            look_at_disk(&readable->volume[i], volumes->volume[i].path);
    for (size_t i = 0; i < volumes->count; i++)
        if (volumes->volume[i].content == VOLUME_ARCHIVE)
            look_at_archive(&readable->volume[i], volumes->volume[i].path, &budget);
    atomic_store(&readable->inspecting, false);
}

static void *run(void *arg)
{
    /* Where it may not be, it is as any other thread. */
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
    readable_inspect(arg, &limits_of_a_pod);
    return NULL;
}

int readable_start(struct readable *readable, struct err *err)
{
    pthread_t thread;
    sigset_t all, old;
    int rc;

    sigfillset(&all); /* signals are for the other threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&thread, NULL, run, readable);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return err_errno(err, ERR_SYSTEM, rc, "cannot start a thread to inspect volumes");
    pthread_detach(thread);
    return 0;
}

void readable_print(const struct readable *readable, struct str *out)
{
    cleanup_json struct json *all = json_new_object();
    struct json *volumes = json_new_array();
    /* Before the counts are read: what is said to be over has its last ones. */
    bool inspecting = atomic_load(&readable->inspecting);

    for (size_t i = 0; i < readable->volumes->count; i++) {
        const struct readable_volume *volume = &readable->volume[i];

        json_append(volumes,
                    json_format("{'name':%s,'unreadable':%d,'more':%b,'block':%b}",
                                readable->volumes->volume[i].name,
                                (int)atomic_load(&volume->unreadable),
                                (int)atomic_load(&volume->more), (int)atomic_load(&volume->block)));
    }
    json_set(all, "uid", json_new_number(geteuid()));
    json_set(all, "gid", json_new_number(getegid()));
    json_set(all, "inspecting", json_new_bool(inspecting));
    json_set(all, "volumes", volumes);
    json_print(all, 0, out);
}
