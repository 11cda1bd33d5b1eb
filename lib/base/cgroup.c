/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/self/cgroup says in which group the process is, per hierarchy: "0::/path" (v2) or
 * "4:cpu,cpuacct:/path" (v1). /proc/self/mountinfo says where each hierarchy is mounted, and which
 * of its groups is the root of that mount: in a container that is usually the container's own
 * group, so that the path must be taken relative to it. Limits of parents count too: the walk goes
 * up to the mount.
 */
#include "cgroup.h"
#include "io.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROC_FILE_MAX = 1 << 20 };

/* One limit in one group: the number of bytes or of processors, 0 when there is none. */
typedef double limit_fn(const char *dir);

static int read_text(const char *dir, const char *name, char *buf, size_t size)
{
    cleanup_str struct str path = STR_INIT, text = STR_INIT;
    struct err err;

    str_printf(&path, "%s/%s", dir, name);
    if (io_read_file(str_get(&path), size - 1, &text, &err) < 0)
        return -1;
    memcpy(buf, str_get(&text), text.len + 1);
    return 0;
}

static double cpu_v2(const char *dir)
{
    char text[128];
    double quota, period;

    if (read_text(dir, "cpu.max", text, sizeof(text)) < 0 ||
        sscanf(text, "%lf %lf", &quota, &period) != 2 || quota <= 0 || period <= 0)
        return 0;
    return quota / period;
}

static double cpu_v1(const char *dir)
{
    char quota[64], period[64];

    if (read_text(dir, "cpu.cfs_quota_us", quota, sizeof(quota)) < 0 ||
        read_text(dir, "cpu.cfs_period_us", period, sizeof(period)) < 0 || atof(quota) <= 0 ||
        atof(period) <= 0)
        return 0;
    return atof(quota) / atof(period);
}

static double memory_v2(const char *dir)
{
    char text[64];

    return read_text(dir, "memory.max", text, sizeof(text)) < 0 ? 0 : strtod(text, NULL);
}

static double memory_v1(const char *dir)
{
    char text[64];
    double limit = 0;

    if (read_text(dir, "memory.limit_in_bytes", text, sizeof(text)) == 0)
        limit = strtod(text, NULL);
    return limit < 0x1p62 ? limit : 0; /* v1 says "unlimited" by a huge number */
}

/* Whether the comma-separated `list` of `len` bytes has the word `name`. */
static bool list_has(const char *list, size_t len, const char *name)
{
    size_t want = strlen(name);

    while (len) {
        size_t word = strcspn(list, ", \n");

        word = word < len ? word : len;
        if (word == want && memcmp(list, name, want) == 0)
            return true;
        word += word < len;
        list += word;
        len -= word;
    }
    return false;
}

/* The process's group in the hierarchy of `controller` ("" is v2), from the text of
 * /proc/self/cgroup. */
static bool group_path(const char *text, const char *controller, struct str *out)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *list = strchr(line, ':');
        const char *path = list ? strchr(list + 1, ':') : NULL;
        size_t len = path ? (size_t)(path - list - 1) : 0;

        if (!path || path > line + strcspn(line, "\n"))
            continue;
        if (*controller ? list_has(list + 1, len, controller) : len == 0) {
            str_append(out, path + 1, strcspn(path + 1, "\n"));
            return true;
        }
    }
    return false;
}

/* Where that hierarchy is mounted and which group the mount shows, from the text of mountinfo
 * (proc(5)). */
static bool mount_of(const char *text, const char *controller, struct str *mount, struct str *shown)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char group[1024], where[1024], type[64], options[1024];
        const char *dash = strstr(line, " - ");

        if (!dash || dash > line + strcspn(line, "\n") ||
            sscanf(line, "%*s %*s %*s %1023s %1023s", group, where) != 2 ||
            sscanf(dash, " - %63s %*s %1023s", type, options) != 2)
            continue;
        if (*controller
                ? strcmp(type, "cgroup") == 0 && list_has(options, strlen(options), controller)
                : strcmp(type, "cgroup2") == 0) {
            str_puts(mount, where);
            str_puts(shown, group);
            return true;
        }
    }
    return false;
}

static bool is_below(const char *group, const char *parent)
{
    return str_starts(group, parent) && strchr("/", group[strlen(parent)]);
}

/* The lowest limit of the process's group and its parents in one hierarchy; 0 when none is set. */
static double lowest(const char *root, const char *controller, limit_fn *limit)
{
    cleanup_str struct str file = STR_INIT, groups = STR_INIT, mounts = STR_INIT, path = STR_INIT,
                           mount = STR_INIT, shown = STR_INIT, dir = STR_INIT;
    struct err err;
    const char *below;
    double least = 0;
    size_t base;

    str_printf(&file, "%s/proc/self/cgroup", root);
    if (io_read_file(str_get(&file), PROC_FILE_MAX, &groups, &err) < 0)
        return 0;
    str_clear(&file);
    str_printf(&file, "%s/proc/self/mountinfo", root);
    if (io_read_file(str_get(&file), PROC_FILE_MAX, &mounts, &err) < 0 ||
        !group_path(str_get(&groups), controller, &path) ||
        !mount_of(str_get(&mounts), controller, &mount, &shown))
        return 0;
    below = str_get(&path);
    if (strcmp(str_get(&shown), "/") != 0)
        below = is_below(below, str_get(&shown)) ? below + shown.len : "";
    str_printf(&dir, "%s%s", root, str_get(&mount));
    base = dir.len;
    if (strcmp(below, "/") != 0)
        str_puts(&dir, below);
    for (;;) {
        double here = limit(str_get(&dir));
        char *slash;

        if (here > 0 && (least == 0 || here < least))
            least = here;
        slash = strrchr(dir.data, '/');
        if (dir.len <= base || !slash)
            return least;
        dir.len = (size_t)(slash - dir.data);
        *slash = '\0';
    }
}

static double either(const char *root, limit_fn *v2, const char *controller, limit_fn *v1)
{
    double a = lowest(root, "", v2), b = lowest(root, controller, v1);

    return a > 0 && (b == 0 || a < b) ? a : b;
}

double cgroup_cpu_quota_below(const char *root)
{
    return either(root, cpu_v2, "cpu", cpu_v1);
}

uint64_t cgroup_memory_limit_below(const char *root)
{
    return (uint64_t)either(root, memory_v2, "memory", memory_v1);
}

unsigned cgroup_cpus(void)
{
    double quota = cgroup_cpu_quota_below("");
    cpu_set_t set;
    unsigned cpus = 1;

    /* A set has room for 1024 processors; a larger machine is asked for how many it has. */
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        cpus = (unsigned)CPU_COUNT(&set);
    else if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
        cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (quota > 0 && quota < cpus)
        cpus = (unsigned)quota + (quota > (unsigned)quota);
    return cpus ? cpus : 1;
}

uint64_t cgroup_memory(void)
{
    uint64_t limit = cgroup_memory_limit_below("");
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE);

    return limit && limit < machine ? limit : machine;
}
