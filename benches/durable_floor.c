/* SPDX-License-Identifier: MIT */
/* What the device and the kernel take, with nothing of ours between. */
#include <benches/durable.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pages/base/atomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

static void rally(qr_atomic_u32 *ball, uint32_t from, uint64_t *ns)
{
    for (uint32_t i = 0; i < RALLIES; i++) {
        uint32_t mine = 2 * i + from;
        uint64_t begin = bench_now_ns();
        /* acquire and release: each side's write is the other's read */
        while (qr_load_acquire(ball) != mine)
            syscall(SYS_futex, ball, FUTEX_WAIT_PRIVATE, mine - 1, NULL, NULL, 0);
        qr_store_release(ball, mine + 1);
        syscall(SYS_futex, ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        if (ns)
            ns[i] = bench_now_ns() - begin;
    }
}

struct side {
    qr_atomic_u32 *ball;
    uint32_t from; /* 0 serves, 1 answers: also its processor */
    uint64_t *ns;
};

static void *play(void *argument)
{
    const struct side *side = argument;

    (void)bench_pin(side->from); /* said; slower or faster without */
    rally(side->ball, side->from, side->ns);
    return NULL;
}

int durable_floor_wake(double *ns)
{
    static uint64_t times[RALLIES];
    qr_atomic_u32 ball;
    struct side sides[2] = {{&ball, 0, times}, {&ball, 1, NULL}};
    pthread_t threads[2];

    qr_store_relaxed(&ball, 0u); /* relaxed: alone */
    for (unsigned i = 0; i < 2; i++) {
        int error = pthread_create(&threads[i], NULL, play, &sides[i]);
        if (error != 0)
            return bench_fail("pthread_create", -error); /* main ends the process */
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    *ns = durable_percentile(times, RALLIES, 50);
    return 0;
}
