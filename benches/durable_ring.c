/* SPDX-License-Identifier: MIT */
/* The ring of plain memory that paced sends are compared with. */
#include <benches/durable_paced.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int make_file(const char *dir)
{
    char path[512];
    int fd;

    if (dir) {
        snprintf(path, sizeof(path), "%s/ring", dir);
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    } else {
        fd = memfd_create("quire-bench-ring", MFD_CLOEXEC);
    }
    return fd >= 0 ? fd : -errno;
}

/* Allocated, mapped, and each of its pages written to. */
static int make_present(struct paced_ring *ring)
{
    if (fallocate(ring->fd, 0, 0, (off_t)ring->size) != 0)
        return -errno;
    void *map = mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    ring->map = map;
    memset(map, 1, ring->size);
    return 0;
}

int paced_ring_open(const char *dir, struct paced_ring *ring)
{
    struct quire_plan plan;
    int rc = quire_plan(NULL, dir != NULL, &plan);

    if (rc != 0)
        return bench_fail("quire_plan", rc);
    *ring = (struct paced_ring){.size = plan.page_size * plan.max_pages};
    ring->fd = make_file(dir);
    if (ring->fd < 0)
        return bench_fail("a ring of plain memory", ring->fd);
    rc = make_present(ring);
    if (rc == 0)
        return 0;
    paced_ring_close(ring);
    return bench_fail("a ring of plain memory", rc);
}

void paced_ring_close(struct paced_ring *ring)
{
    if (ring->map)
        munmap(ring->map, ring->size);
    close(ring->fd);
}

int paced_ring_verify(const struct paced_ring *ring, uint64_t count, size_t size)
{
    size_t step = paced_ring_step(size);
    size_t slots = (ring->size - size) / step + 1;

    for (uint64_t id = count > slots ? count - slots : 0; id < count; id++) {
        uint64_t first;
        memcpy(&first, ring->map + (size_t)(id % slots) * step, sizeof(first));
        if (first != id)
            return bench_fail("the copies are not in the ring", QUIRE_CORRUPT);
    }
    return 0;
}
