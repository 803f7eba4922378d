/* SPDX-License-Identifier: MIT */
/* Frames: mapping, making, giving back, in both backings. */
#define _GNU_SOURCE
#include "store_fixture.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>

TestSuite(frame, .init = scratch_make, .fini = scratch_remove);

/* Every backing there is; the last two are one where the machine has no huge page pool. */
#define BACKINGS 3
static struct qr_store *open_backing(int backing)
{
    if (backing > 0)
        return open_in_memory(backing - 1);
    make_channel();
    return open_channel(0);
}

static void check_frame(const struct qr_store *store, const struct qr_frame *frame, uint32_t id)
{
    const struct qr_superblock *sb = qr_store_view(store)->sb;
    cr_assert_eq(qr_frame_header_check(frame->header, sb, id), 0);
    cr_assert_eq((unsigned char *)frame->slots, (unsigned char *)frame->header + QR_BLOCK);
    cr_assert_eq(frame->data, (unsigned char *)frame->header + sb->data_offset);
    cr_assert_eq(qr_load_acquire(frame->claim), CLOSED);
    for (uint32_t slot = 0; slot < sb->max_messages; slot++)
        cr_assert_eq(qr_load_acquire(&frame->slots[slot]), 0u);
    for (uint64_t at = 0; at < sb->page_size; at++)
        cr_assert_eq(frame->data[at], 0);
}

Test(frame, is_mapped_once_and_stays)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    int before = open_descriptors();
    for (uint32_t f = 0; f < BASE; f++) {
        cr_assert_null(qr_store_frame_mapped(store, f));
        const struct qr_frame *frame = frame_of(store, f);
        check_frame(store, frame, f);
        cr_assert_eq(frame_of(store, f), frame);
        cr_assert_eq(qr_store_frame_mapped(store, f), frame);
    }
    cr_assert_eq(open_descriptors(), before, "a descriptor for each frame is too many");
    const struct qr_superblock *sb = qr_store_view(store)->sb;
    cr_assert_eq(mapped_bytes("rw-s"), sb->control_bytes + BASE * sb->frame_bytes);
    qr_store_close(store);
    cr_assert_eq(mapped_bytes(NULL), 0u);
}

Test(frame, that_has_no_storage_or_no_number_is_refused)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        const struct qr_frame *frame;
        struct qr_extent extent;
        cr_assert_eq(qr_store_frame(store, CAP - 1, &frame), QUIRE_ENOENT);
        cr_assert_eq(qr_store_frame(store, CAP, &frame), QUIRE_EBADFILE);
        cr_assert_eq(qr_store_frame(store, UINT32_MAX, &frame), QUIRE_EBADFILE);
        cr_assert_null(qr_store_frame_mapped(store, CAP));
        cr_assert_null(qr_store_frame_mapped(store, UINT32_MAX));
        cr_assert_eq(qr_store_frame_make(store, CAP), QUIRE_EBADFILE);
        cr_assert_eq(qr_store_frame_extent(store, CAP, &extent), QUIRE_EBADFILE);
        qr_store_extent_done(store, &extent);
        cr_assert_eq(qr_store_frame_whole(store, CAP), 0);
        qr_store_close(store);
    }
}

struct racer {
    struct qr_store *store;
    pthread_barrier_t *start;
    uint32_t number;
    int make;
    int result;
    const struct qr_frame *frame;
};

static void *race(void *argument)
{
    struct racer *r = argument;
    pthread_barrier_wait(r->start);
    r->result = r->make ? make_frame(r->store, r->number) : 0;
    if (r->result == 0)
        r->result = qr_store_frame(r->store, r->number, &r->frame);
    return NULL;
}

static void run_racers(struct racer *racers, int count)
{
    pthread_t threads[8];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (int i = 0; i < count; i++) {
        racers[i].start = &start;
        cr_assert_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
}

Test(frame, threads_that_need_it_at_once_get_the_same_mapping)
{
    make_channel();
    for (int round = 0; round < 20; round++) {
        struct qr_store *store = open_channel(0);
        struct racer racers[8];
        for (int i = 0; i < 8; i++)
            racers[i] = (struct racer){.store = store, .number = 1};
        run_racers(racers, 8);
        for (int i = 0; i < 8; i++) {
            cr_assert_eq(racers[i].result, 0);
            cr_assert_eq(racers[i].frame, racers[0].frame);
        }
        const struct qr_superblock *sb = qr_store_view(store)->sb;
        cr_assert_eq(mapped_bytes(NULL), sb->control_bytes + sb->frame_bytes);
        qr_store_close(store);
    }
}

Test(frame, several_are_made_at_once)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        struct racer racers[CAP];
        int count = 0;
        for (uint32_t f = 0; f < CAP; f++)
            if (life_of(store, f) == QR_PAGE_ABSENT)
                racers[count++] = (struct racer){.store = store, .number = f, .make = 1};
        run_racers(racers, count);
        for (int i = 0; i < count; i++) {
            cr_assert_eq(racers[i].result, 0);
            check_frame(store, racers[i].frame, racers[i].number);
            memset(racers[i].frame->data, i + 1, PAGE_BYTES);
        }
        for (int i = 0; i < count; i++) /* no two share a byte */
            for (size_t at = 0; at < PAGE_BYTES; at++)
                cr_assert_eq(racers[i].frame->data[at], i + 1);
        qr_store_close(store);
        cr_assert_eq(mapped_bytes(NULL), 0u);
    }
}

Test(frame, that_is_made_has_its_blocks_and_opens_again)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    uint64_t size = qr_store_view(store)->sb->frame_bytes;
    cr_assert_eq(make_frame(store, 4), 0);
    check_frame(store, frame_of(store, 4), 4);
    cr_assert_eq((uint64_t)stat_of(page_path(4)).st_size, size);
    cr_assert_geq(allocated(page_path(4)), size);
    frame_of(store, 4)->data[0] = 42;
    qr_store_close(store);
    store = open_channel(0);
    cr_assert_eq(frame_of(store, 4)->data[0], 42);
    qr_store_close(store);
}

Test(frame, in_memory_takes_space_when_it_is_made)
{
    struct qr_store *store = open_in_memory(0);
    const struct qr_superblock *sb = qr_store_view(store)->sb;
    uint64_t empty = qr_store_bytes(store);
    cr_assert_leq(empty, sb->control_bytes + QR_BLOCK);
    cr_assert_eq(make_frame(store, 5), 0); /* in any order */
    cr_assert_eq(make_frame(store, 0), 0);
    cr_assert_eq(qr_store_bytes(store), empty + 2 * sb->frame_bytes);
    qr_store_close(store);
}

/* The claim word and whatever else the header page holds must outlive the storage. */
static void check_give_back(struct qr_store *store, uint32_t number)
{
    uint64_t before = qr_store_bytes(store);
    cr_assert_eq(make_frame(store, number), 0);
    uint64_t made = qr_store_bytes(store);
    const struct qr_frame *frame = frame_of(store, number);
    struct qr_frame was = *frame;
    uint64_t mapped = mapped_bytes(NULL);
    qr_store_release(frame->claim, 4711u);
    qr_store_release(&frame->header->page_no, 12u);
    qr_store_release(&frame->slots[0], 1u);
    memset(frame->data, 0xee, PAGE_BYTES);

    struct qr_extent extent;
    cr_assert_eq(qr_store_frame_extent(store, number, &extent), 0);
    uint64_t size = extent.size;
    qr_store_extent_done(store, &extent);
    if (size != 0) {
        cr_assert_eq(give_frame_back(store, number), 0);
        cr_assert_leq(qr_store_bytes(store), made - size);
        cr_assert_lt(qr_store_bytes(store), before + 2 * QR_BLOCK);
        cr_assert_eq(qr_load_acquire(frame->claim), 4711u); /* by who looks late */
    }
    cr_assert_eq(make_frame(store, number), 0);
    cr_assert_eq(frame_of(store, number), frame);
    cr_assert_eq(memcmp(frame, &was, sizeof was), 0);
    cr_assert_eq(qr_load_acquire(frame->claim), 4711u);
    cr_assert_eq(qr_load_acquire(&frame->header->page_no), 12u);
    cr_assert_eq(qr_store_bytes(store), made);
    cr_assert_eq(mapped_bytes(NULL), mapped);
    if (size != 0)
        cr_assert_eq(frame->data[PAGE_BYTES - 1], 0);
}

Test(frame, that_was_given_back_keeps_its_header_page)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        int descriptors = open_descriptors();
        check_give_back(store, 4);
        check_give_back(store, 3);
        cr_assert_eq(open_descriptors(), descriptors);
        qr_store_close(store);
    }
}

Test(frame, that_was_given_back_and_closed_is_made_anew)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    cr_assert_eq(make_frame(store, 4), 0);
    qr_store_release(frame_of(store, 4)->claim, 4711u);
    cr_assert_eq(give_frame_back(store, 4), 0);
    qr_store_close(store);
    cr_assert_eq(access(page_path(4), F_OK), -1);
    store = open_channel(0);
    cr_assert_eq(make_frame(store, 4), 0);
    check_frame(store, frame_of(store, 4), 4);
    qr_store_close(store);
}

static void leave(const char *what)
{
    unlink(page_path(4));
    if (strcmp(what, "fifo") == 0) {
        cr_assert_eq(mkfifo(page_path(4), 0600), 0);
    } else if (strcmp(what, "short") == 0) {
        copy_file(page_path(0), page_path(4));
        cr_assert_eq(truncate(page_path(4), QR_BLOCK), 0);
    } else if (strcmp(what, "another's") == 0) {
        copy_file(page_path(0), page_path(4));
    } else {
        int fd = open(page_path(4), O_CREAT | O_WRONLY, 0600);
        cr_assert_geq(fd, 0);
        close(fd);
    }
}

Test(frame, replaces_what_a_crash_left_in_its_place)
{
    static const char *const whats[] = {"fifo", "short", "another's", "empty"};
    make_channel();
    for (size_t i = 0; i < sizeof whats / sizeof whats[0]; i++) {
        struct qr_store *store = open_channel(0);
        leave(whats[i]);
        cr_assert_eq(make_frame(store, 4), 0, "%s", whats[i]);
        check_frame(store, frame_of(store, 4), 4);
        cr_assert_geq(allocated(page_path(4)), qr_store_view(store)->sb->frame_bytes);
        set_life(store, 4, QR_PAGE_ABSENT);
        qr_store_close(store);
    }
}

Test(frame, whose_mapped_file_was_replaced_is_not_made_again)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    cr_assert_eq(make_frame(store, 4), 0);
    cr_assert_eq(give_frame_back(store, 4), 0);
    leave("empty");
    cr_assert_eq(make_frame(store, 4), QUIRE_EBADFILE);
    cr_assert_eq(unlink(page_path(4)), 0);
    cr_assert_eq(make_frame(store, 4), QUIRE_EBADFILE);
    qr_store_close(store);
}

Test(frame, that_was_damaged_since_the_open_is_not_mapped)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    const struct qr_frame *frame;
    int before = open_descriptors();
    cr_assert_eq(truncate(page_path(0), QR_BLOCK), 0);
    cr_assert_eq(qr_store_frame(store, 0, &frame), QUIRE_EBADFILE);
    cr_assert_eq(unlink(page_path(1)), 0);
    cr_assert_eq(qr_store_frame(store, 1, &frame), QUIRE_EBADFILE);
    copy_file(page_path(2), page_path(1));
    cr_assert_eq(qr_store_frame(store, 1, &frame), QUIRE_EBADFILE);
    cr_assert_null(qr_store_frame_mapped(store, 1));
    cr_assert_eq(open_descriptors(), before);
    cr_assert_eq(mapped_bytes(NULL), qr_store_view(store)->sb->control_bytes);
    check_frame(store, frame_of(store, 2), 2);
    qr_store_close(store);
}

Test(frame, is_whole_only_with_size_identity_and_blocks)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    off_t size = stat_of(page_path(0)).st_size;
    cr_assert_eq(qr_store_frame_whole(store, 0), 1);
    cr_assert_eq(qr_store_frame_whole(store, 5), 0); /* never made */
    cr_assert_eq(give_frame_back(store, 0), 0);
    cr_assert_eq(qr_store_frame_whole(store, 0), 0);
    cr_assert_eq(make_frame(store, 0), 0);
    cr_assert_eq(qr_store_frame_whole(store, 0), 1);
    cr_assert_eq(truncate(page_path(1), size - 1), 0);
    cr_assert_eq(qr_store_frame_whole(store, 1), 0);
    cr_assert_eq(truncate(page_path(1), size), 0);
    copy_file(page_path(0), page_path(1));
    cr_assert_eq(qr_store_frame_whole(store, 1), 0);
    cr_assert_eq(truncate(page_path(2), QR_BLOCK), 0);
    cr_assert_eq(truncate(page_path(2), size), 0);
    cr_assert_eq(qr_store_frame_whole(store, 2), 0); /* the right size, but a hole */
    set_life(store, 2, QR_PAGE_ABSENT);
    cr_assert_eq(make_frame(store, 2), 0);
    cr_assert_eq(qr_store_frame_whole(store, 2), 1);
    qr_store_close(store);
    store = open_in_memory(0);
    cr_assert_eq(qr_store_frame_whole(store, 0), 0);
    qr_store_close(store);
}

Test(frame, an_observer_reads_and_makes_nothing)
{
    make_channel();
    struct qr_store *writer = open_channel(0);
    struct qr_store *observer = open_channel(1);
    struct qr_extent extent;
    frame_of(writer, 1)->data[7] = 9;
    cr_assert_eq(frame_of(observer, 1)->data[7], 9);
    cr_assert_eq(qr_store_frame_make(observer, 4), QUIRE_ERDONLY);
    cr_assert_eq(qr_store_frame_extent(observer, 1, &extent), QUIRE_ERDONLY);
    qr_store_extent_done(observer, &extent);
    cr_assert_eq(make_frame(writer, 4), 0);
    cr_assert_eq(frame_of(observer, 4)->data[7], 0);
    cr_assert_eq(qr_store_frame_whole(observer, 4), 1);
    qr_store_close(observer);
    qr_store_close(writer);
}

/* Faults taken by a store into each block. Not instrumented: shadow memory faults too. */
__attribute__((no_sanitize("address", "undefined"))) static long
faults_of_stores(const struct qr_frame *frame, uint64_t size)
{
    struct rusage before, after;
    volatile unsigned char *at = (volatile unsigned char *)frame->header;
    getrusage(RUSAGE_THREAD, &before);
    for (uint64_t i = 0; i < size; i += QR_BLOCK)
        at[i + 64] = at[i + 64]; /* a reserved byte: nothing changes */
    getrusage(RUSAGE_THREAD, &after);
    return after.ru_minflt - before.ru_minflt;
}

/* The fewest of three frames: the system may clean one of them behind our back. */
static long fewest_faults(struct qr_store *store, const uint32_t numbers[3])
{
    uint64_t size = qr_store_view(store)->sb->frame_bytes;
    long fewest = LONG_MAX;
    for (int i = 0; i < 3; i++) {
        long faults = faults_of_stores(frame_of(store, numbers[i]), size);
        fewest = faults < fewest ? faults : fewest;
    }
    return fewest;
}

static void check_populated(struct qr_store *store)
{
    static const uint32_t numbers[] = {3, 4, 5};
    for (int i = 0; i < 3; i++)
        cr_assert_eq(make_frame(store, numbers[i]), 0);
    cr_assert_leq(fewest_faults(store, numbers), 1);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(give_frame_back(store, numbers[i]), 0);
        cr_assert_eq(make_frame(store, numbers[i]), 0);
    }
    cr_assert_leq(fewest_faults(store, numbers), 1, "not populated again");
}

Test(frame, takes_no_fault_once_it_is_there)
{
    static const uint32_t numbers[] = {0, 1, 2};
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        if (backing == 0)
            cr_assert_leq(fewest_faults(store, numbers), 1);
        check_populated(store);
        qr_store_close(store);
    }
}

Test(frame, is_populated_by_touching_where_the_kernel_is_old)
{
    static const uint32_t numbers[] = {0, 1, 2};
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        qr_io_fault_kind(QR_IO_MADVISE, 1, EINVAL, 1);
        if (backing == 0)
            cr_assert_leq(fewest_faults(store, numbers), 1);
        check_populated(store);
        qr_io_fault(0, 0, 0);
        check_frame(store, frame_of(store, 4), 4);
        qr_store_close(store);
    }
}

Test(frame, huge_pages_are_reported_as_they_are)
{
    struct qr_store *store = open_in_memory(0);
    cr_assert_eq(qr_store_view(store)->huge_pages, 0);
    cr_assert_eq(qr_store_view(store)->directory_backed, 0);
    cr_assert_eq(qr_store_view(store)->read_only, 0);
    qr_store_close(store);
    qr_io_fault_kind(QR_IO_MADVISE, 2, EINVAL, 0); /* the first populates the control file */
    store = open_in_memory(1);
    int refused = qr_io_fault_hit();
    qr_io_fault(0, 0, 0);
    /* Without a pool of huge pages the advice was asked for, and refused. */
    cr_assert_eq(qr_store_view(store)->huge_pages, !refused);
    cr_assert_eq(make_frame(store, 2), 0);
    check_frame(store, frame_of(store, 2), 2);
    qr_store_close(store);
}

/* EFAULT is how the kernel says that a store would have raised SIGBUS. */
Test(frame, a_block_that_cannot_be_had_is_said_and_not_mapped)
{
    for (int backing = 0; backing < 2; backing++) {
        struct qr_store *store = open_backing(backing);
        const struct qr_frame *frame;
        uint64_t mapped = mapped_bytes(NULL);
        uint64_t bytes = qr_store_bytes(store);
        uint64_t nth = backing == 0 ? 2 : 1; /* of a file the first is advice */
        qr_io_fault_kind(QR_IO_MADVISE, nth, EFAULT, 0);
        cr_assert_eq(make_frame(store, 4), QUIRE_ENOSPC);
        qr_io_fault_kind(QR_IO_MADVISE, nth, EIO, 0);
        cr_assert_eq(make_frame(store, 4), -EIO);
        qr_io_fault_kind(QR_IO_MADVISE, 3, EFAULT, 0); /* of one that is there, a second too */
        if (backing == 0)
            cr_assert_eq(qr_store_frame(store, 0, &frame), QUIRE_ENOSPC);
        qr_io_fault(0, 0, 0);
        cr_assert_eq(mapped_bytes(NULL), mapped);
        cr_assert_eq(qr_store_bytes(store), bytes);
        cr_assert_eq(make_frame(store, 4), 0);
        qr_store_close(store);
    }
}

Test(frame, of_several_huge_pages_is_given_back)
{
    struct qr_geometry large = small;
    large.page_size = 5u << 20;
    struct qr_store *store;
    cr_assert_eq(qr_store_open_memory(&store, &large, 1, CLOSED), 0);
    uint64_t before = qr_store_bytes(store);
    cr_assert_eq(make_frame(store, 3), 0);
    const struct qr_frame *frame = frame_of(store, 3);
    uint64_t made = qr_store_bytes(store);
    cr_assert_geq(made, before + large.page_size);
    qr_store_release(frame->claim, 4711u);
    memset(frame->data, 0xee, large.page_size);
    cr_assert_eq(give_frame_back(store, 3), 0);
    cr_assert_leq(qr_store_bytes(store), before + (2u << 20)); /* the header's huge page stays */
    cr_assert_eq(make_frame(store, 3), 0);
    cr_assert_eq(qr_store_bytes(store), made);
    cr_assert_eq(qr_load_acquire(frame->claim), 4711u);
    cr_assert_eq(frame->data[large.page_size - 1], 0);
    memset(frame->data, 0xdd, large.page_size);
    qr_store_close(store);
}

static int fill_disk(void)
{
    static char block[4096];
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/filler", scratch);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    while (fd >= 0 && write(fd, block, sizeof block) > 0)
        ;
    return fd < 0 ? -1 : close(fd);
}

/* In a child with its own mounts: frames on a disk that fills up. */
static int make_on_a_full_disk(void)
{
    struct statfs full, after;
    char filler[PATH_SIZE];
    snprintf(filler, sizeof filler, "%s/filler", scratch);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", scratch, "tmpfs", 0, "size=1m") < 0)
        return 77;
    make_channel();
    struct qr_store *store = open_channel(0);
    frame_of(store, 0);
    if (make_frame(store, 3) != 0 || give_frame_back(store, 3) != 0 || fill_disk() < 0)
        return 1;
    if (statfs(scratch, &full) < 0 || full.f_bfree != 0)
        return 2;
    if (make_frame(store, 3) != QUIRE_ENOSPC || make_frame(store, 4) != QUIRE_ENOSPC)
        return 3;
    if (access(page_path(4), F_OK) == 0 || access(page_path(3), F_OK) != 0)
        return 4;
    if (truncate(filler, QR_BLOCK) < 0 || make_frame(store, 3) != 0 || make_frame(store, 4) != 0)
        return 5;
    memset(frame_of(store, 3)->data, 1, PAGE_BYTES);
    memset(frame_of(store, 4)->data, 1, PAGE_BYTES);
    if (statfs(scratch, &after) < 0 || after.f_bfree == 0)
        return 6;
    qr_store_close(store);
    return 0;
}

Test(frame, a_full_disk_is_found_when_it_is_made)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(make_on_a_full_disk());
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status), "killed by %d", WTERMSIG(status));
    if (WEXITSTATUS(status) == 77) {
        scratch_remove(); /* a test that is skipped is not finished */
        cr_skip("needs the right to mount");
    }
    cr_assert_eq(WEXITSTATUS(status), 0);
}
