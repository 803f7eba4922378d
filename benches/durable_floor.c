/* SPDX-License-Identifier: MIT */
/* What the device and the kernel take, with nothing of ours between. */
#include <benches/durable.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK   4096u
#define BLOCKS  256u
#define STRIDE  16u /* between the blocks that one commit dirties */
#define RALLIES 1000u

static int open_file(const char *dir, const char *name, int flags)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
    return fd >= 0 ? fd : -errno;
}

/* Blocks that exist and are written, as those of a channel in use are; one by one, so that the
 * page cache holds them in small folios. */
static int fill(struct durable_floor *floor)
{
    size_t bytes = (size_t)BLOCK * BLOCKS;

    if (fallocate(floor->mapped, 0, 0, (off_t)bytes) != 0)
        return -errno;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, floor->mapped, 0);
    if (map == MAP_FAILED)
        return -errno;
    floor->map = map;
    for (uint32_t i = 0; i < BLOCKS; i++)
        floor->map[(size_t)i * BLOCK] = 1;
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (pwrite(floor->direct, floor->block, BLOCK, (off_t)i * BLOCK) != (ssize_t)BLOCK)
            return errno != 0 ? -errno : -EIO;
    return fsync(floor->mapped) == 0 && fsync(floor->direct) == 0 ? 0 : -errno;
}

int durable_floor_open(const char *dir, struct durable_floor *floor)
{
    int rc = 0;

    *floor = (struct durable_floor){.direct = -1, .mapped = -1};
    floor->block = aligned_alloc(BLOCK, BLOCK);
    if (!floor->block)
        return bench_fail("memory", -ENOMEM);
    memset(floor->block, 0x5a, BLOCK);
    floor->direct = open_file(dir, "floor-direct", O_DIRECT | O_DSYNC);
    floor->mapped = open_file(dir, "floor-mapped", 0);
    if (floor->direct < 0 || floor->mapped < 0)
        rc = floor->direct < 0 ? floor->direct : floor->mapped;
    if (rc == 0)
        rc = fill(floor);
    if (rc == 0)
        return 0;
    durable_floor_close(floor);
    return bench_fail("the files of the floor", rc);
}

void durable_floor_close(struct durable_floor *floor)
{
    if (floor->map)
        munmap(floor->map, (size_t)BLOCK * BLOCKS);
    if (floor->direct >= 0)
        close(floor->direct);
    if (floor->mapped >= 0)
        close(floor->mapped);
    free(floor->block);
}

int durable_floor_direct(struct durable_floor *floor, uint64_t *ns)
{
    off_t at = (off_t)(floor->next++ % BLOCKS) * BLOCK;
    uint64_t begin = bench_now_ns();
    ssize_t wrote = pwrite(floor->direct, floor->block, BLOCK, at);

    *ns = bench_now_ns() - begin;
    return wrote == (ssize_t)BLOCK ? 0 : bench_fail("a direct write", wrote < 0 ? -errno : -EIO);
}

int durable_floor_mapped(struct durable_floor *floor, uint32_t blocks, uint64_t *ns)
{
    uint64_t begin = bench_now_ns();

    floor->next++;
    for (uint32_t i = 0; i < blocks; i++)
        floor->map[(size_t)((floor->next + i * STRIDE) % BLOCKS) * BLOCK]++;
    int rc = fdatasync(floor->mapped);
    *ns = bench_now_ns() - begin;
    return rc == 0 ? 0 : bench_fail("fdatasync", -errno);
}

/*
 * Each side wakes the other and then sleeps, on a word of its own that never changes. A wake that
 * finds nobody asleep yet is made again, so every one that counts ends a sleep.
 */
struct side {
    uint32_t word;
    struct side *other;
    uint64_t *ns; /* of the side that begins; NULL: the other */
    int rc;
};

/* When the wake began that found the other side asleep. */
static uint64_t wake(struct side *side)
{
    uint64_t begin, first = bench_now_ns();
    long woken;

    do {
        begin = bench_now_ns();
        woken = syscall(SYS_futex, &side->other->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        if (woken < 0 || begin - first > 1000000000u)
            side->rc = woken < 0 ? -errno : QUIRE_TIMEDOUT;
    } while (woken == 0 && side->rc == 0);
    return begin;
}

static int sleep_until_woken(struct side *side)
{
    const struct timespec long_enough = {2, 0};
    long rc;

    do
        rc = syscall(SYS_futex, &side->word, FUTEX_WAIT_PRIVATE, 0, &long_enough, NULL, 0);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? 0 : -errno;
}

static void *rally(void *argument)
{
    struct side *side = argument;

    side->rc = bench_pin(side->ns ? 0 : 1);
    for (uint32_t i = 0; i < RALLIES && side->rc == 0; i++) {
        uint64_t begin = side->ns ? wake(side) : 0;
        if (side->rc == 0)
            side->rc = sleep_until_woken(side);
        if (side->rc == 0 && !side->ns)
            (void)wake(side);
        if (side->ns)
            side->ns[i] = bench_now_ns() - begin;
    }
    return NULL;
}

int durable_floor_wake(double *ns)
{
    static uint64_t times[RALLIES];
    struct side sides[2] = {{.other = &sides[1], .ns = times}, {.other = &sides[0]}};
    pthread_t threads[2];

    for (unsigned i = 0; i < 2; i++) {
        int error = pthread_create(&threads[i], NULL, rally, &sides[i]);
        if (error != 0)
            return bench_fail("pthread_create", -error); /* main ends the process */
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    *ns = durable_percentile(times, RALLIES, 50);
    int rc = sides[0].rc != 0 ? sides[0].rc : sides[1].rc;
    return rc == 0 ? 0 : bench_fail("futex", rc);
}
