/* SPDX-License-Identifier: Apache-2.0 */
/* Each test makes the files of a machine below a scratch directory. */
#include "base/cgroup.h"
#include "support.h"

#define V2_MOUNT(group) \
    "30 24 0:26 " group " /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"
#define V1_MOUNT(group, name) \
    "31 30 0:27 " group " /sys/fs/cgroup/" name " rw,nosuid shared:9 - cgroup cgroup rw," name "\n"
#define NOISE_MOUNTS \
    "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw,errors=remount-ro\n" \
    "23 22 0:21 / /proc rw - proc proc rw\n"

/* Makes `path` below the scratch directory with its directories. */
static void put(const char *path, const char *text)
{
    char full[512];

    snprintf(full, sizeof(full), "%s", scratch_path(path));
    for (char *slash = strchr(full + strlen(scratch) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    scratch_puts(path, text);
}

static void machine(const char *groups, const char *mounts)
{
    char text[4096];

    snprintf(text, sizeof(text), NOISE_MOUNTS "%s", mounts);
    put("proc/self/cgroup", groups);
    put("proc/self/mountinfo", text);
}

static double cpu(void)
{
    return cgroup_cpu_quota_below(scratch);
}

static unsigned long memory(void)
{
    return (unsigned long)cgroup_memory_limit_below(scratch);
}

static void assert_limits(double processors, unsigned long bytes)
{
    if (cpu() != processors || memory() != bytes)
        fail_msg("%g processors, %lu bytes", cpu(), memory());
}

static void no_files_no_limits(void **state)
{
    (void)state;
    assert_limits(0, 0);
    put("proc/self/cgroup", "");
    put("proc/self/mountinfo", "");
    assert_limits(0, 0);
    put("proc/self/cgroup", "rubbish\n::\n:\n0:\n");
    put("proc/self/mountinfo", "rubbish\n - \n30 24 - cgroup2\n");
    assert_limits(0, 0);
    machine("0::/a\n", ""); /* a group, but no mount that shows it */
    assert_limits(0, 0);
}

static void v2(void **state)
{
    (void)state;
    machine("0::/pod/box\n", V2_MOUNT("/"));
    assert_limits(0, 0);
    put("sys/fs/cgroup/pod/box/cpu.max", "150000 100000\n");
    put("sys/fs/cgroup/pod/box/memory.max", "1073741824\n");
    assert_limits(1.5, 1073741824);
    put("sys/fs/cgroup/pod/box/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/pod/box/memory.max", "max\n");
    assert_limits(0, 0);
    put("sys/fs/cgroup/pod/box/cpu.max", "rubbish");
    put("sys/fs/cgroup/pod/box/memory.max", "");
    assert_limits(0, 0);
}

static void a_lower_limit_above_counts(void **state)
{
    (void)state;
    machine("0::/pod/box/in\n", V2_MOUNT("/"));
    put("sys/fs/cgroup/pod/box/in/cpu.max", "400000 100000");
    put("sys/fs/cgroup/pod/cpu.max", "200000 100000");
    put("sys/fs/cgroup/pod/box/memory.max", "4000");
    put("sys/fs/cgroup/memory.max", "3000");
    put("sys/fs/memory.max", "1000"); /* outside of the mount */
    assert_limits(2, 3000);
    put("sys/fs/cgroup/pod/box/in/cpu.max", "50000 100000");
    put("sys/fs/cgroup/pod/box/memory.max", "2000");
    assert_limits(0.5, 2000);
}

/* A container without a namespace of its own sees its group as the root of the mount. */
static void a_container_sees_its_own_group_as_root(void **state)
{
    (void)state;
    machine("0::/kubepods/pod1/box\n", V2_MOUNT("/kubepods/pod1/box"));
    put("sys/fs/cgroup/cpu.max", "100000 100000");
    put("sys/fs/cgroup/memory.max", "5000");
    assert_limits(1, 5000);
    machine("0::/kubepods/pod1/box/child\n", V2_MOUNT("/kubepods/pod1/box"));
    put("sys/fs/cgroup/child/memory.max", "4000");
    assert_limits(1, 4000);
}

/* "/box" is no parent of "/boxes", however alike they look. */
static void a_longer_name_is_no_child(void **state)
{
    (void)state;
    machine("0::/boxes\n", V2_MOUNT("/box"));
    put("sys/fs/cgroup/memory.max", "5000");
    put("sys/fs/cgroupes/memory.max", "1000");
    assert_limits(0, 5000);
}

static void a_container_with_a_namespace(void **state)
{
    (void)state;
    machine("0::/\n", V2_MOUNT("/"));
    put("sys/fs/cgroup/cpu.max", "100000 100000");
    put("sys/fs/cgroup/memory.max", "5000");
    assert_limits(1, 5000);
}

static void v1(void **state)
{
    (void)state;
    machine("5:memory:/pod/box\n4:cpu,cpuacct:/pod/box\n1:name=systemd:/x\n",
            V1_MOUNT("/", "cpu,cpuacct") V1_MOUNT("/", "memory"));
    assert_limits(0, 0);
    put("sys/fs/cgroup/cpu,cpuacct/pod/box/cpu.cfs_quota_us", "250000\n");
    put("sys/fs/cgroup/cpu,cpuacct/pod/box/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/memory/pod/box/memory.limit_in_bytes", "6000\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_limits(2.5, 6000);
    put("sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "5000\n");
    assert_limits(2.5, 5000);
    put("sys/fs/cgroup/cpu,cpuacct/pod/box/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/memory/pod/box/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "9223372036854771712\n");
    assert_limits(0, 0);
}

/* "cpuacct" and "cpuset" are not "cpu". */
static void v1_controllers_are_whole_words(void **state)
{
    (void)state;
    machine("3:cpuset:/a\n4:cpuacct:/b\n5:cpu:/c\n",
            V1_MOUNT("/", "cpuset") V1_MOUNT("/", "cpuacct") V1_MOUNT("/", "cpu"));
    put("sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us", "100000");
    put("sys/fs/cgroup/cpuset/a/cpu.cfs_period_us", "100000");
    put("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "300000");
    put("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000");
    assert_limits(3, 0);
}

static void v1_in_a_container(void **state)
{
    (void)state;
    machine("5:memory:/docker/abc\n4:cpuacct,cpu:/docker/abc\n",
            V1_MOUNT("/docker/abc", "cpuacct,cpu") V1_MOUNT("/docker/abc", "memory"));
    put("sys/fs/cgroup/cpuacct,cpu/cpu.cfs_quota_us", "50000");
    put("sys/fs/cgroup/cpuacct,cpu/cpu.cfs_period_us", "100000");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "7000");
    assert_limits(0.5, 7000);
}

/* v2 beside v1, each with some of the controllers: the lower limit counts. */
static void hybrid(void **state)
{
    (void)state;
    machine("5:memory:/m\n4:cpu:/c\n0::/u\n",
            V1_MOUNT("/", "cpu") V1_MOUNT(
                "/", "memory") "40 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "200000");
    put("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000");
    put("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "8000");
    assert_limits(2, 8000);
    put("sys/fs/cgroup/unified/u/memory.max", "3000");
    put("sys/fs/cgroup/unified/u/cpu.max", "300000 100000");
    assert_limits(2, 3000);
}

static void this_machine(void **state)
{
    (void)state;
    assert_in_range(cgroup_cpus(), 1, sysconf(_SC_NPROCESSORS_CONF));
    assert_in_range(cgroup_memory(), 1 << 20,
                    (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_set_up, scratch_tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(no_files_no_limits),
        TEST(v2),
        TEST(a_lower_limit_above_counts),
        TEST(a_container_sees_its_own_group_as_root),
        TEST(a_longer_name_is_no_child),
        TEST(a_container_with_a_namespace),
        TEST(v1),
        TEST(v1_controllers_are_whole_words),
        TEST(v1_in_a_container),
        TEST(hybrid),
        TEST(this_machine),
    };

    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
