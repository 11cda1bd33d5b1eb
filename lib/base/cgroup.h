/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits under which this process runs, as the kernel enforces them: cgroup v2 (cpu.max,
 * memory.max) or v1 (cpu.cfs_quota_us, memory.limit_in_bytes), of the process's own group and every
 * group above it. https://docs.kernel.org/admin-guide/cgroup-v2.html
 */
#pragma once

#include <stdint.h>

/* Processors that may be used: the affinity mask, lowered to the CPU quota rounded up. At least 1.
 */
unsigned cgroup_cpus(void);

/* Bytes of memory that may be used: the lowest limit, or the machine's memory. */
uint64_t cgroup_memory(void);

/*
 * The same under another root than "/" (for tests): `root`/proc/self/{cgroup,mountinfo} and the
 * mount points named there are read. 0 when no limit is set.
 */
double cgroup_cpu_quota_below(const char *root);
uint64_t cgroup_memory_limit_below(const char *root);
