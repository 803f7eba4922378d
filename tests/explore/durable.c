/* SPDX-License-Identifier: MIT */
#include <tests/explore/durable.h>

#include <errno.h>
#include <lib/channel.h>
#include <lib/commit.h>
#include <lib/keeper.h>
#include <poll.h>
#include <string.h>
#include <tests/explore/actors.h>
#include <tests/explore/sched.h>
#include <tests/explore/wraps.h>

#define FRAMES     8u
#define SLOTS      4u
#define FRAME_FD   1000
#define CONTROL_FD 900
#define PAGES_FD   901

static struct {
    struct quire *channel; /* NULL: no scenario of this kind */
    uint64_t slot[FRAMES][SLOTS];
    uint64_t lost[FRAMES][SLOTS]; /* clean in the page cache, and not on the disk */
    uint64_t directory[64];
    uint32_t failing;
    uint32_t syncs;
} disk;

int __wrap_qr_store_frame_fd(struct qr_store *store, uint32_t frame);
int __wrap_qr_store_control_fd(const struct qr_store *store);
int __wrap_qr_store_pages_fd(const struct qr_store *store);
int __wrap_qr_io_fdatasync(int fd);
int __wrap_qr_io_fsync(int fd);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
uint64_t __real_qr_now(void);
uint64_t __wrap_qr_now(void);

int __wrap_qr_store_frame_fd(struct qr_store *store, uint32_t frame)
{
    (void)store;
    return FRAME_FD + (int)frame;
}
int __wrap_qr_store_control_fd(const struct qr_store *store)
{
    (void)store;
    return CONTROL_FD;
}
int __wrap_qr_store_pages_fd(const struct qr_store *store)
{
    (void)store;
    return PAGES_FD;
}
int __wrap_qr_io_fdatasync(int fd)
{
    return durable_sync(fd);
}
int __wrap_qr_io_fsync(int fd)
{
    return durable_sync(fd);
}

/* Who sleeps until the engine has something lets others run. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (!sched_active()) {
        return __real_poll(fds, count, timeout);
    }
    sched_spin();
    return 0;
}

/* Time passes with each look at it, the same in each run. */
uint64_t __wrap_qr_now(void)
{
    static uint64_t now;
    if (!sched_active()) {
        return __real_qr_now();
    }
    return now += 1000;
}

void durable_begin(struct world *w, uint32_t failing)
{
    memset(&disk, 0, sizeof disk);
    memset(disk.directory, 0xff, sizeof disk.directory); /* QR_DIRENT_NONE */
    disk.channel = w->channel;
    disk.failing = failing;
    w->channel->durability = QUIRE_DURABLE_EACH;
    w->durable = 1;
    if (w->channel->frames_cap > FRAMES || w->channel->max_messages > SLOTS ||
        w->channel->directory_mask >= 64 || qr_commit_new(w->channel) != 0) {
        sched_fail("the scenario is too large for the explorer's disk");
    }
}

/* While the device is at work others run. */
static void device_works(void)
{
    if (sched_active()) {
        sched_wrote();
        qr_sched_point(QR_RMW, &disk);
    }
}

static int sync_frame(uint32_t frame)
{
    const struct qr_frame *f = qr_store_frame_mapped(disk.channel->store, frame);
    uint64_t begun[SLOTS];
    int fails = ++disk.syncs == disk.failing;
    for (uint32_t i = 0; i < SLOTS; i++) {
        begun[i] = __atomic_load_n((const uint64_t *)&f->slots[i], __ATOMIC_SEQ_CST);
    }
    device_works();
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (fails && begun[i] != disk.slot[frame][i]) {
            disk.lost[frame][i] = begun[i];
        } else if (begun[i] != disk.lost[frame][i]) {
            disk.slot[frame][i] = begun[i];
        }
    }
    return fails ? -EIO : 0;
}

int durable_sync(int fd)
{
    if (!disk.channel) {
        return 0;
    }
    if (fd >= FRAME_FD) {
        return sync_frame((uint32_t)(fd - FRAME_FD));
    }
    if (fd == CONTROL_FD) {
        for (uint32_t i = 0; i <= disk.channel->directory_mask; i++) {
            disk.directory[i] = __atomic_load_n((const uint64_t *)&disk.channel->view.directory[i],
                                                __ATOMIC_SEQ_CST);
        }
        device_works();
    }
    return 0;
}

static int on_disk(uint64_t position)
{
    uint64_t page = QUIRE_PAGE_OF(position);
    uint64_t entry = disk.directory[page & disk.channel->directory_mask];
    return entry != QR_DIRENT_NONE && qr_dirent_page(entry) == page &&
           qr_slot_is(disk.slot[qr_dirent_frame(entry)][QUIRE_SLOT_OF(position)],
                      qr_slot_tag(page));
}

/* I9, for all slots that were claimed. */
static void check_watermark(uint64_t end)
{
    uint64_t durable = quire_durable_position(disk.channel);
    for (uint64_t page = 0; page <= QUIRE_PAGE_OF(durable); page++) {
        for (uint32_t slot = 0; slot < disk.channel->max_messages; slot++) {
            uint64_t at = QUIRE_POSITION(page, slot);
            if (at < durable && at < end && !on_disk(at)) {
                sched_fail("the durable position is %llu.%u, and %llu.%u is not on the disk",
                           (unsigned long long)QUIRE_PAGE_OF(durable), QUIRE_SLOT_OF(durable),
                           (unsigned long long)page, slot);
            }
        }
    }
}

void do_send_durable(void *argument)
{
    const struct actor *a = argument;
    int poisoned = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        int rc = world_send_or_poisoned(a->w, a->index, ACTOR_SIZE);
        uint64_t position = quire_tx_position(a->w->tx[a->index]);
        if (rc == 0 && poisoned) {
            sched_fail("a send went well after the channel was poisoned");
        }
        if (rc == 0 && !on_disk(position)) {
            sched_fail("%llu.%u was called durable and is not on the disk",
                       (unsigned long long)QUIRE_PAGE_OF(position), QUIRE_SLOT_OF(position));
        }
        poisoned |= rc != 0;
        if (rc == 0) {
            check_watermark(position);
        }
    }
}

void do_commit(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        qr_keeper_want(a->w->channel, QR_WANT_COMMIT);
        qr_keeper_drive(a->w->channel);
    }
}

static int readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return __real_poll(&p, 1, 0) == 1;
}

/* Who is told the end waits for that, not for the last message. */
static int bell_done(const struct world *w, uint32_t group)
{
    return w->rx_ends ? w->group[group].ended : world_group_done(w, group);
}

void do_recv_bell(void *argument)
{
    const struct actor *a = argument;
    struct world_rx *rx = &a->w->rx[a->index];
    int fd = quire_rx_fd(rx->rx);
    if (fd < 0) {
        sched_fail("quire_rx_fd: %s", quire_errname(fd));
    }
    while (!bell_done(a->w, rx->group)) {
        if (world_try_recv(a->w, a->index) != 0) {
            continue;
        }
        /* Another member may have had the last one. */
        while (!readable(fd) && !bell_done(a->w, rx->group)) {
            sched_spin();
        }
    }
}
