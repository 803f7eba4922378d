/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sched_getcpu: of memory that the kernel keeps up to date, no system call */
#include <lib/rotate.h>
#include <sched.h>

/* Several times a second-level cache, and no large part of a third. */
#define ROTATION_BYTES (8ull << 20)
/* Pages that are entered where they were opened before producers and consumers count as one. */
#define APART_PAGES 32u

void qr_rotate_opened(struct quire *ch)
{
    uint32_t cpu = (uint32_t)sched_getcpu();
    if (qr_load_relaxed(&ch->opener_cpu) != cpu) /* relaxed, both: hints, as all of this is */
        qr_store_relaxed(&ch->opener_cpu, cpu);
}

void qr_rotate_entered(struct quire *ch)
{
    uint32_t apart = qr_load_relaxed(&ch->apart); /* relaxed, all: as above */
    if (qr_load_relaxed(&ch->opener_cpu) != (uint32_t)sched_getcpu()) {
        if (apart != APART_PAGES)
            qr_store_relaxed(&ch->apart, APART_PAGES);
    } else if (apart != 0) {
        qr_store_relaxed(&ch->apart, apart - 1);
    }
}

int qr_rotate_wants(struct quire *ch)
{
    /* relaxed: a counter */
    return qr_rotates(ch) &&
           qr_load_relaxed(&ch->made_ahead) * ch->view.sb->frame_bytes < ROTATION_BYTES;
}
