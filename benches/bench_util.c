/* SPDX-License-Identifier: MIT */
/* Clock, processors, directories and channels for the benches. */
#include <benches/bench_message.h>
#include <errno.h>
#include <ftw.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t bench_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_minflt;
}

/* The processors the process started with: a pinned thread must not narrow the answer. */
static const cpu_set_t *start_cpus(void)
{
    static cpu_set_t cpus;

    if (CPU_COUNT(&cpus) == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
        CPU_SET(0, &cpus);
    return &cpus;
}

unsigned bench_cpus(void)
{
    return (unsigned)CPU_COUNT(start_cpus());
}

int bench_pin(unsigned index)
{
    const cpu_set_t *cpus = start_cpus();
    unsigned skip = index % bench_cpus();
    cpu_set_t one;

    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, cpus) || skip-- > 0)
            continue;
        CPU_SET(cpu, &one);
        break;
    }
    if (sched_setaffinity(0, sizeof(one), &one) != 0)
        return bench_fail("sched_setaffinity", -errno);
    return 0;
}

int bench_fail(const char *what, int code)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, quire_strerror(code));
    return code < 0 ? code : QUIRE_EINVAL;
}

uint64_t bench_expected(uint64_t first, uint64_t count, uint32_t size)
{
    uint64_t sum = 0;

    for (uint64_t id = first; id != first + count; id++)
        for (uint64_t i = 0; i < size / 16; i++)
            sum += (id + i) * ((id + i) ^ BENCH_MIX);
    return sum;
}

int bench_dir_make(const char *parent, char *path, size_t size)
{
    struct statfs fs;
    int length = snprintf(path, size, "%s/quire-bench-XXXXXX", parent);

    if (length < 0 || (size_t)length >= size)
        return bench_fail(parent, -ENAMETOOLONG);
    if (statfs(parent, &fs) != 0)
        return bench_fail(parent, -errno);
    if (fs.f_type == TMPFS_MAGIC) {
        fprintf(stderr, "%s: %s is on tmpfs; name a directory on a disk with --dir\n",
                program_invocation_short_name, parent);
        return QUIRE_EINVAL;
    }
    if (!mkdtemp(path))
        return bench_fail(path, -errno);
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void bench_dir_remove(const char *path)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        fprintf(stderr, "%s: %s could not be removed: %s\n", program_invocation_short_name, path,
                strerror(errno));
}

int bench_channel_open(const struct bench_shape *shape, struct bench_channel *out)
{
    static unsigned number;
    struct quire_options options = QUIRE_OPTIONS_INIT;
    int rc;

    options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    options.page_size = shape->page_size;
    options.max_pages = shape->max_pages;
    options.checksum = shape->checksum;
    options.wait = shape->wait;
    options.durability = shape->durability;
    options.engine = shape->engine;
    if (shape->backing == BENCH_DIRECTORY) {
        snprintf(out->path, sizeof(out->path), "%s/channel-%u", shape->dir, number++);
        rc = quire_open(&out->channel, out->path, &options);
    } else {
        options.flags = 0;
        out->path[0] = '\0';
        rc = quire_open(&out->channel, NULL, &options);
    }
    return rc == 0 ? 0 : bench_fail("quire_open", rc);
}

int bench_channel_close(struct bench_channel *bench)
{
    int rc = quire_close(bench->channel);

    bench->channel = NULL;
    if (bench->path[0] != '\0')
        bench_dir_remove(bench->path);
    return rc == 0 ? 0 : bench_fail("quire_close", rc);
}
