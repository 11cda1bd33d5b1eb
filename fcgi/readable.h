/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the volumes this process' user cannot read, so that it can be told before somebody
 * downloads: how many files of each volume, never their names, as nobody is asked for a token here.
 *
 * Nothing is changed and no file is opened, but for block devices: their cgroup decides only then.
 */
#pragma once

#include "volume.h"

#include <stdatomic.h>

struct readable_volume {
    atomic_uint unreadable; /* files, and directories whose content is not to be had */
    atomic_bool more;       /* not all of it was looked at */
    atomic_bool block;
};

struct readable {
    const struct volume_table *volumes;
    struct readable_volume *volume; /* as many */
    atomic_bool inspecting;
};

/* Of all volumes together. */
struct readable_limits {
    unsigned ms;
    unsigned entries;
};

enum { READABLE_DEPTH_MAX = 256 }; /* levels of directories, each with a descriptor */

/* `volumes` must outlive it. A volume of which nothing is known yet has 0. */
int readable_init(struct readable *readable, const struct volume_table *volumes, struct err *err);
void readable_free(struct readable *readable);

/* Looks at all volumes: disks first, as they take no time. */
void readable_inspect(struct readable *readable, const struct readable_limits *limits);

/*
 * The same in a thread of its own that takes only time that nobody else wants, for a minute at
 * most. `readable` must live as long as the process.
 */
int readable_start(struct readable *readable, struct err *err);

/*
 * Appends what is known by now; any thread may ask:
 * {"uid":107,"gid":107,"inspecting":false,"volumes":[{"name":"disk","unreadable":3,"more":false,"block":false}]}
 */
void readable_print(const struct readable *readable, struct str *out);
