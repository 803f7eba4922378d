/* SPDX-License-Identifier: MIT */
/*
 * Every system call of every operation fails once, and from then on, with each of several errors:
 * the operation says so, leaves no file, descriptor or mapping, and works the next time.
 */
#include "store_fixture.h"

TestSuite(store_faults, .init = scratch_make, .fini = scratch_remove, .timeout = 100);

static const int errors[] = {EIO, ENOSPC, ENOMEM, EMFILE};
#define ERRORS    (sizeof errors / sizeof errors[0])
#define CALLS_MAX 1000u /* of one operation; more is a loop that does not end */

static struct qr_store *store;
static struct qr_group_map map;
static unsigned tolerated; /* calls that failed while the operation succeeded */

/* One operation, and what surrounds it. run() is the only one that meets faults. */
struct operation {
    void (*before)(void);
    int (*run)(void);
    void (*success)(void); /* checks that it worked, and undoes it */
    void (*after)(void);
    unsigned calls_min;     /* it makes at least so many calls, or the sweep was in vain */
    unsigned tolerated_max; /* so many of them may fail without harm: advice, tidying */
};

struct state {
    int names;
    int descriptors;
    uint64_t mapped;
    uint64_t bytes;
};

static struct state look_around(void)
{
    return (struct state){names_under(scratch), open_descriptors(), mapped_bytes(NULL),
                          store == NULL ? 0 : qr_store_bytes(store)};
}

static int code_of(int error)
{
    return error == ENOSPC ? QUIRE_ENOSPC : -error;
}

static void check_unchanged(const struct state *before, int sticky)
{
    struct state now = look_around();
    cr_assert_eq(now.descriptors, before->descriptors, "descriptors %d, were %d", now.descriptors,
                 before->descriptors);
    if (sticky) /* what takes back fails as well */
        return;
    cr_assert_eq(now.names, before->names, "names %d, were %d", now.names, before->names);
    cr_assert_eq(now.mapped, before->mapped, "mapped %lu, was %lu", (unsigned long)now.mapped,
                 (unsigned long)before->mapped);
    cr_assert_eq(now.bytes, before->bytes, "bytes %lu, were %lu", (unsigned long)now.bytes,
                 (unsigned long)before->bytes);
}

/* One run with the nth call failing; whether there was such a call. */
static int run_once(const struct operation *op, unsigned nth, int error, int sticky)
{
    op->before();
    struct state before = look_around();
    qr_io_fault(nth, error, sticky);
    int rc = op->run();
    int hit = qr_io_fault_hit();
    qr_io_fault(0, 0, 0);
    if (rc == 0) { /* not hit, or where failing does not matter */
        tolerated += hit != 0;
        op->success();
    } else {
        cr_assert(hit, "failed with %d and no fault", rc);
        cr_assert(rc == code_of(error) || rc == -ENOMEM, /* memory has one way to fail */
                  "call %u error %d: result %d", nth, error, rc);
        check_unchanged(&before, sticky);
        if (!sticky) {
            cr_assert_eq(op->run(), 0, "call %u error %d: not the next time", nth, error);
            op->success();
        }
    }
    op->after();
    return hit;
}

static void sweep(const struct operation *op)
{
    for (size_t e = 0; e < ERRORS; e++) {
        for (int sticky = 0; sticky < 2; sticky++) {
            unsigned nth = 1;
            tolerated = 0;
            while (run_once(op, nth, errors[e], sticky))
                cr_assert_lt(++nth, CALLS_MAX);
            cr_assert_gt(nth, op->calls_min, "only %u calls", nth - 1);
            cr_assert_leq(tolerated, op->tolerated_max, "%u failures hidden", tolerated);
        }
    }
}

static void nothing(void) {}

static void new_scratch(void)
{
    scratch_remove();
    scratch_make();
}

static void close_store(void)
{
    qr_store_group_close(store, &map);
    qr_store_close(store);
    store = NULL;
}

/* The operations follow. */

static int run_create(void)
{
    return qr_store_create(chan, &small, 0, CLOSED);
}
static void created(void)
{
    cr_assert_eq(names_under(scratch), 6 + (int)BASE);
    qr_store_close(open_channel(0));
}

/* Advice for each frame's mapping, and its end, are no reason to have no channel, nor is the boot
 * id (two calls), without which the next open looks everything through. */
Test(store_faults, create)
{
    map.fd = -1;
    sweep(&(struct operation){nothing, run_create, created, new_scratch, 40, 2 * BASE + 2});
}

static int opened_read_only;
static int run_open(void)
{
    int rc = qr_store_open(&store, chan, opened_read_only, CLOSED);
    cr_assert_eq(rc == 0, store != NULL);
    return rc;
}
static void opened(void)
{
    for (uint32_t f = 0; f < BASE; f++)
        frame_of(store, f);
    close_store();
}

Test(store_faults, open)
{
    map.fd = -1;
    for (opened_read_only = 0; opened_read_only < 2; opened_read_only++)
        sweep(&(struct operation){make_channel, run_open, opened, new_scratch, 15, 3});
}

static void make_damaged_channel(void)
{
    make_channel();
    uint64_t zero = 0;
    scribble(in("control"), 0, &zero, sizeof zero);
}

Test(store_faults, open_with_a_repair)
{
    map.fd = -1;
    sweep(&(struct operation){make_damaged_channel, run_open, opened, new_scratch, 17, 3});
}

static int huge_pages;
static int run_open_memory(void)
{
    int rc = qr_store_open_memory(&store, &small, huge_pages, CLOSED);
    cr_assert_eq(rc == 0, store != NULL);
    return rc;
}
static void opened_memory(void)
{
    cr_assert_eq(make_frame(store, 1), 0);
    frame_of(store, 1)->data[PAGE_BYTES - 1] = 1;
    close_store();
}

/* Each of four steps towards the huge page pool, and of three towards advice, may fail; and
 * both calls that look for the boot id. */
Test(store_faults, open_memory)
{
    map.fd = -1;
    for (huge_pages = 0; huge_pages < 2; huge_pages++)
        sweep(&(struct operation){nothing, run_open_memory, opened_memory, nothing, 10, 9});
}

/* The rest runs on an open store of either backing. */
static int backing;
static void open_backing(void)
{
    map.fd = -1;
    if (backing > 0) {
        huge_pages = backing - 1;
        cr_assert_eq(run_open_memory(), 0);
        return;
    }
    make_channel();
    opened_read_only = 0;
    cr_assert_eq(run_open(), 0);
}
static void close_backing(void)
{
    close_store();
    new_scratch();
}

static int run_frame(void)
{
    const struct qr_frame *frame;
    return qr_store_frame(store, 1, &frame);
}
static void framed(void)
{
    memset(frame_of(store, 1)->data, 1, PAGE_BYTES);
}

Test(store_faults, frame)
{
    backing = 0;
    sweep(&(struct operation){open_backing, run_frame, framed, close_backing, 6, 2});
}

static int run_make(void)
{
    return make_frame(store, 4);
}
static void made(void)
{
    const struct qr_frame *frame = frame_of(store, 4);
    cr_assert_eq(qr_frame_header_check(frame->header, qr_store_view(store)->sb, 4), 0);
    cr_assert_eq(qr_load_acquire(frame->claim), CLOSED);
    memset(frame->data, 1, PAGE_BYTES);
}

Test(store_faults, frame_make)
{
    for (backing = 0; backing < 3; backing++)
        sweep(&(struct operation){open_backing, run_make, made, close_backing, 3, 1});
}

static void open_and_give_back(void)
{
    open_backing();
    cr_assert_eq(make_frame(store, 4), 0);
    cr_assert_eq(give_frame_back(store, 4), 0);
}

Test(store_faults, frame_make_again)
{
    for (backing = 0; backing < 2; backing++)
        sweep(&(struct operation){open_and_give_back, run_make, made, close_backing, 2, 0});
}

static struct qr_extent extent;
static int run_extent(void)
{
    int rc = qr_store_frame_extent(store, 1, &extent);
    if (rc < 0)
        qr_store_extent_done(store, &extent);
    return rc;
}
static void extended(void)
{
    cr_assert_eq(qr_io_punch(extent.fd, extent.offset, extent.size), 0);
    qr_store_extent_done(store, &extent);
}

Test(store_faults, frame_extent)
{
    backing = 0;
    sweep(&(struct operation){open_backing, run_extent, extended, close_backing, 3, 0});
}

static int run_group_create(void)
{
    int rc = qr_store_group_create(store, "g", 1,
                                   &(struct qr_group_traits){.head = 2, .walked_from = 3}, &map);
    if (rc < 0)
        cr_assert(map.block == NULL && map.fd == -1);
    return rc;
}
static int run_group_open(void)
{
    int rc = qr_store_group_open(store, "g", &map);
    if (rc < 0)
        cr_assert(map.block == NULL && map.fd == -1);
    return rc;
}
static void grouped(void)
{
    cr_assert_eq(qr_group_block_check(map.block, qr_store_view(store)->sb, "g"), 0);
    cr_assert_eq(qr_load_acquire(&map.block->head), 2u);
    qr_store_group_close(store, &map);
    cr_assert_eq(run_group_open(), 0);
}

/* The memfd of the groups keeps the block it has allocated; the next group takes it. */
static void open_with_room(void)
{
    struct qr_group_map other;
    open_backing();
    qr_io_fault_kind(QR_IO_MMAP, 1, ENOMEM, 0);
    cr_assert_eq(qr_store_group_create(
                     store, "g", 1, &(struct qr_group_traits){.head = 2, .walked_from = 3}, &other),
                 -ENOMEM);
    qr_io_fault(0, 0, 0);
}

Test(store_faults, group_create)
{
    backing = 0;
    sweep(&(struct operation){open_backing, run_group_create, grouped, close_backing, 8, 0});
    backing = 1;
    sweep(&(struct operation){open_with_room, run_group_create, grouped, close_backing, 4, 0});
}

static void open_with_group(void)
{
    open_backing();
    cr_assert_eq(run_group_create(), 0);
    qr_store_group_close(store, &map);
}

Test(store_faults, group_open)
{
    backing = 0;
    sweep(&(struct operation){open_with_group, run_group_open, grouped, close_backing, 5, 0});
}

static int listed;
static int count_group(void *context, const char *name)
{
    (void)context;
    (void)name;
    listed++;
    return 0;
}
static int run_group_list(void)
{
    listed = 0;
    return qr_store_group_list(store, count_group, NULL);
}
static void all_listed(void)
{
    cr_assert_eq(listed, 1);
}

Test(store_faults, group_list)
{
    backing = 0;
    sweep(&(struct operation){open_with_group, run_group_list, all_listed, close_backing, 1, 0});
}

static struct qr_zone zone;
static int times; /* are asked for */
static int run_zone(void)
{
    const struct qr_zone before = zone;
    int rc = qr_store_zone_open(store, &map, 1, times, &zone);
    if (rc < 0)
        cr_assert_eq(memcmp(&zone, &before, sizeof before), 0); /* of use as it was */
    return rc;
}
static void zoned(void)
{
    struct qr_lease_layout l;
    qr_lease_layout(&l, small.max_messages);
    cr_assert(zone.head != NULL && (qr_zone_times(&zone) != NULL || !times));
    if (!opened_read_only) /* every block is there */
        memset(zone.mapping, 1, times ? l.bytes : l.times);
    cr_assert_eq(((const unsigned char *)zone.mapping)[l.times - 1], opened_read_only ? 2 : 1);
}
static void close_zone(void)
{
    opened_read_only = 0;
    qr_store_zone_close(store, &zone);
    close_backing();
}

static void open_with_ack_group(void)
{
    open_backing();
    cr_assert_eq(
        qr_store_group_create(store, "g", 1, &(struct qr_group_traits){.mode = QR_GROUP_ACK}, &map),
        0);
}

/* A zone keeps the blocks it has allocated, and is given the same again. */
static void open_with_blocks(void)
{
    open_with_ack_group();
    cr_assert_eq(qr_store_zone_open(store, &map, 1, 1, &zone), 0);
    qr_store_zone_close(store, &zone);
}

Test(store_faults, zone_open)
{
    backing = 0;
    for (times = 0; times < 2; times++)
        sweep(&(struct operation){open_with_blocks, run_zone, zoned, close_zone, 4, 1});
    backing = 1;
    for (times = 0; times < 2; times++)
        sweep(&(struct operation){open_with_ack_group, run_zone, zoned, close_zone, 3, 0});
}

/* However often it fails, a zone takes no more room than it has when it is there. */
Test(store_faults, zone_open_takes_room_once)
{
    backing = 0;
    times = 0;
    open_with_blocks();
    uint64_t bytes = qr_store_bytes(store);
    close_backing();
    open_with_ack_group();
    for (unsigned i = 0; i < 9; i++) {
        const struct state before = look_around();
        if (i % 3 == 0)
            qr_io_fault_kind(QR_IO_MMAP, 1, ENOMEM, 0);
        else if (i % 3 == 1)
            qr_io_fault_kind(QR_IO_FALLOCATE, 1, ENOMEM, 0);
        else
            qr_io_fault_kind(QR_IO_MADVISE, 2, ENOMEM, 0); /* the first is advice */
        cr_assert_eq(run_zone(), -ENOMEM);
        qr_io_fault(0, 0, 0);
        cr_assert_eq(open_descriptors(), before.descriptors);
        cr_assert_eq(mapped_bytes(NULL), before.mapped);
        cr_assert_leq(qr_store_bytes(store), bytes, "failure %u", i);
    }
    close_zone();
}

/* The blocks of the times are there, since the same place would be asked for again. */
static void open_without_times(void)
{
    open_with_ack_group();
    cr_assert_eq(qr_store_zone_open(store, &map, 1, 1, &zone), 0);
    qr_store_relaxed(&zone.times, 0u); /* relaxed: one thread */
}

Test(store_faults, zone_times)
{
    times = 1;
    for (backing = 0; backing < 2; backing++)
        sweep(&(struct operation){open_without_times, run_zone, zoned, close_zone, 2, 0});
}

/* An observer, of a zone that a writer has filled. */
static void observe_zone(void)
{
    open_with_blocks();
    cr_assert_eq(qr_store_zone_open(store, &map, 1, 1, &zone), 0);
    struct qr_lease_layout l;
    qr_lease_layout(&l, small.max_messages);
    memset(zone.mapping, 2, l.bytes);
    qr_store_zone_close(store, &zone);
    close_store();
    opened_read_only = 1;
    cr_assert_eq(run_open(), 0);
    cr_assert_eq(qr_store_group_open(store, "g", &map), 0);
}

Test(store_faults, zone_observed)
{
    backing = 0;
    for (times = 0; times < 2; times++)
        sweep(&(struct operation){observe_zone, run_zone, zoned, close_zone, 3, 1});
}

/* Figures and closing cannot fail; they do what they can. */
Test(store_faults, bytes_and_close_go_on)
{
    map.fd = -1;
    for (int sticky = 0; sticky < 2; sticky++) {
        for (unsigned nth = 1, hit = 1; hit; nth++) {
            int before = open_descriptors();
            make_channel();
            store = open_channel(0);
            cr_assert_eq(make_frame(store, 4), 0);
            cr_assert_eq(give_frame_back(store, 4), 0);
            uint64_t bytes = qr_store_bytes(store);
            qr_io_fault(nth, EIO, sticky);
            cr_assert_leq(qr_store_bytes(store), bytes);
            qr_store_close(store);
            hit = (unsigned)qr_io_fault_hit();
            qr_io_fault(0, 0, 0);
            store = NULL;
            cr_assert_eq(open_descriptors(), before);
            int rc = qr_store_open(&store, chan, 0, CLOSED);
            if (rc == 0) {
                qr_store_close(store); /* unlinks what was left */
                cr_assert_eq(names_under(in("pages")), 1 + (int)BASE);
            } else { /* the control file could not be unmapped: that keeps the lock */
                cr_assert_eq(rc, QUIRE_EBUSY);
                cr_assert_neq(mapped_bytes(NULL), 0u);
            }
            store = NULL;
            new_scratch();
            cr_assert_lt(nth, CALLS_MAX);
        }
    }
}
