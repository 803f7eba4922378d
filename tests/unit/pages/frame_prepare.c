/* SPDX-License-Identifier: MIT */
/* A frame made in steps: what each step leaves, what a failure leaves, who may come between. */
#define _GNU_SOURCE
#include "store_fixture.h"
#include <pthread.h>
#include <sys/mman.h>

TestSuite(frame_prepare, .init = scratch_make, .fini = scratch_remove);

#define BACKINGS 3
#define NEW      4u /* a frame that is not of the preset pool */
static struct qr_store *open_backing(int backing)
{
    if (backing > 0)
        return open_in_memory(backing - 1);
    make_channel();
    return open_channel(0);
}

/* The caller's steps, up to one of them. */
enum step { BEGIN, ALLOCATE, MAP, POPULATE };
static void walk(struct qr_store *store, uint32_t frame, struct qr_frame_prep *prep, enum step to)
{
    cr_assert_eq(qr_store_prep_begin(store, frame, prep), 0);
    if (to >= ALLOCATE && prep->size != 0)
        cr_assert_eq(qr_io_fallocate(prep->fd, prep->offset, prep->size), 0);
    if (to >= MAP)
        cr_assert_eq(qr_store_prep_map(store, prep), 0);
    if (to >= POPULATE)
        cr_assert_eq(qr_store_populate(prep->address, prep->bytes), 0);
}

static void check_usable(struct qr_store *store, uint32_t number)
{
    const struct qr_superblock *sb = qr_store_view(store)->sb;
    const struct qr_frame *frame = qr_store_frame_mapped(store, number);
    cr_assert_not_null(frame);
    cr_assert_eq(qr_frame_header_check(frame->header, sb, number), 0);
    memset(frame->data, 1, PAGE_BYTES);
    cr_assert_eq(frame_of(store, number), frame);
}

Test(frame_prepare, nobody_sees_the_frame_before_the_end)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        const struct qr_frame *frame;
        struct qr_frame_prep prep;
        int descriptors = open_descriptors();
        set_life(store, NEW, QR_PAGE_BUSY);
        walk(store, NEW, &prep, POPULATE);
        cr_assert_geq(prep.fd, 0);
        cr_assert_eq(prep.bytes, qr_store_view(store)->sb->frame_bytes);
        cr_assert_null(qr_store_frame_mapped(store, NEW));
        cr_assert_eq(qr_store_frame(store, NEW, &frame), QUIRE_ENOENT);
        cr_assert_eq(qr_store_prep_finish(store, &prep, 0), 0);
        set_life(store, NEW, QR_PAGE_FREE);
        check_usable(store, NEW);
        cr_assert_eq(qr_load_acquire(frame_of(store, NEW)->claim), CLOSED);
        cr_assert_eq(open_descriptors(), descriptors);
        qr_store_close(store);
        cr_assert_eq(mapped_bytes(NULL), 0u);
    }
}

/* A power loss after the caller's syncs finds the frame whole. */
Test(frame_prepare, what_is_synced_before_the_end_is_whole)
{
    struct qr_store *store = open_backing(0);
    struct qr_frame_prep prep;
    set_life(store, NEW, QR_PAGE_BUSY);
    walk(store, NEW, &prep, ALLOCATE);
    cr_assert_eq(qr_store_frame_whole(store, NEW), 0);
    cr_assert_eq(qr_store_prep_map(store, &prep), 0);
    cr_assert_eq(qr_store_frame_whole(store, NEW), 1);
    cr_assert_eq(qr_io_fsync(prep.fd), 0);
    cr_assert_eq(qr_io_fsync(qr_store_pages_fd(store)), 0);
    cr_assert_eq(stat_of(page_path(NEW)).st_nlink, 1u);
    cr_assert_eq(qr_store_prep_finish(store, &prep, 0), 0);
    check_usable(store, NEW);
    qr_store_close(store);
}

/* Of the preset frames one is used, given back, and made again; of the others one is new. */
static void check_failure(struct qr_store *store, uint32_t number, enum step at)
{
    struct qr_frame_prep prep;
    set_life(store, number, QR_PAGE_BUSY);
    uint64_t bytes = qr_store_bytes(store);
    uint64_t mapped = mapped_bytes(NULL);
    int descriptors = open_descriptors();
    int file = access(page_path(number), F_OK);
    static const int results[][2] = {
        {-EIO, -EIO}, {-EFAULT, QUIRE_ENOSPC}, {-ENOSPC, QUIRE_ENOSPC}, {-EDQUOT, QUIRE_ENOSPC}};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        walk(store, number, &prep, at);
        cr_assert_eq(qr_store_prep_finish(store, &prep, results[i][0]), results[i][1]);
        cr_assert_eq(qr_store_bytes(store), bytes);
        cr_assert_eq(mapped_bytes(NULL), mapped);
        cr_assert_eq(open_descriptors(), descriptors);
        cr_assert_eq(access(page_path(number), F_OK), file);
    }
    walk(store, number, &prep, POPULATE);
    cr_assert_eq(qr_store_prep_finish(store, &prep, 0), 0);
    set_life(store, number, QR_PAGE_FREE);
    check_usable(store, number);
}

Test(frame_prepare, a_failure_takes_all_of_it_away)
{
    for (int backing = 0; backing < 2; backing++) {
        struct qr_store *store = open_backing(backing);
        for (enum step at = BEGIN; at <= POPULATE; at++) {
            check_failure(store, NEW, at); /* first absent, then given back */
            cr_assert_eq(give_frame_back(store, NEW), 0);
        }
        qr_store_close(store);
    }
}

Test(frame_prepare, a_frame_that_was_given_back_gets_its_body_only)
{
    for (int backing = 0; backing < 2; backing++) {
        struct qr_store *store = open_backing(backing);
        struct qr_frame_prep prep;
        cr_assert_eq(make_frame(store, NEW), 0);
        const struct qr_frame *frame = frame_of(store, NEW);
        qr_store_release(frame->claim, 4711u);
        cr_assert_eq(give_frame_back(store, NEW), 0);
        set_life(store, NEW, QR_PAGE_BUSY);
        walk(store, NEW, &prep, POPULATE);
        cr_assert_eq(prep.address, frame->slots);
        cr_assert_eq(prep.bytes, qr_store_view(store)->sb->frame_bytes - QR_BLOCK);
        cr_assert_eq(prep.size, prep.bytes);
        cr_assert_eq(qr_store_prep_finish(store, &prep, 0), 0);
        cr_assert_eq(qr_store_frame_mapped(store, NEW), frame);
        cr_assert_eq(qr_load_acquire(frame->claim), 4711u);
        qr_store_close(store);
    }
}

Test(frame_prepare, a_frame_with_storage_is_mapped)
{
    struct qr_store *store = open_backing(0);
    struct qr_frame_prep prep;
    uint64_t bytes = qr_store_bytes(store);
    uint64_t mapped = mapped_bytes(NULL);
    walk(store, 1, &prep, POPULATE);
    cr_assert_eq(prep.size, 0u);
    cr_assert_eq(prep.bytes, qr_store_view(store)->sb->frame_bytes);
    cr_assert_eq(qr_store_prep_finish(store, &prep, -EIO), -EIO); /* its storage is not ours */
    cr_assert_eq(qr_store_bytes(store), bytes);
    cr_assert_eq(mapped_bytes(NULL), mapped);
    cr_assert_eq(qr_store_frame_whole(store, 1), 1);
    walk(store, 1, &prep, POPULATE);
    cr_assert_null(qr_store_frame_mapped(store, 1));
    cr_assert_eq(qr_store_prep_finish(store, &prep, 0), 0);
    check_usable(store, 1);
    walk(store, 1, &prep, POPULATE); /* again: nothing is left to do */
    cr_assert_eq(prep.size + prep.bytes, 0u);
    cr_assert_eq(qr_store_prep_finish(store, &prep, -EIO), -EIO);
    check_usable(store, 1);
    qr_store_close(store);
}

Test(frame_prepare, somebody_may_map_it_first)
{
    for (enum step at = BEGIN; at <= POPULATE; at++) {
        struct qr_store *store = open_backing(0);
        const struct qr_superblock *sb = qr_store_view(store)->sb;
        struct qr_frame_prep prep;
        walk(store, 1, &prep, at);
        const struct qr_frame *frame = frame_of(store, 1);
        void *header = frame->header;
        if (at < MAP)
            cr_assert_eq(qr_store_prep_map(store, &prep), 0);
        cr_assert_eq(qr_store_prep_finish(store, &prep, 0), 0);
        cr_assert_eq(qr_store_frame_mapped(store, 1), frame);
        cr_assert_eq(frame->header, header);
        cr_assert_eq(mapped_bytes(NULL), sb->control_bytes + sb->frame_bytes);
        check_usable(store, 1);
        qr_store_close(store);
        scratch_remove();
        scratch_make();
    }
}

Test(frame_prepare, what_cannot_be_begun_needs_no_end)
{
    for (int backing = 0; backing < 2; backing++) {
        struct qr_store *store = open_backing(backing);
        struct qr_frame_prep prep;
        int descriptors = open_descriptors();
        cr_assert_eq(qr_store_prep_begin(store, CAP, &prep), QUIRE_EBADFILE);
        cr_assert_eq(qr_store_prep_begin(store, NEW, &prep), QUIRE_ENOENT);
        cr_assert_eq(open_descriptors(), descriptors);
        qr_store_close(store);
    }
    struct qr_store *observer = open_channel(1);
    struct qr_frame_prep prep;
    cr_assert_eq(qr_store_prep_begin(observer, 1, &prep), QUIRE_ERDONLY);
    qr_store_close(observer);
}

/* A frame is not damaged because somebody is at work on its file. */
Test(frame_prepare, a_busy_frame_is_not_mapped_by_others)
{
    struct qr_store *store = open_backing(0);
    struct qr_store *observer = open_channel(1);
    struct qr_frame_prep prep;
    const struct qr_frame *frame;
    set_life(store, NEW, QR_PAGE_BUSY);
    walk(store, NEW, &prep, BEGIN);
    cr_assert_eq(qr_store_frame(observer, NEW, &frame), QUIRE_ENOENT);
    cr_assert_eq(qr_store_prep_finish(store, &prep, -EIO), -EIO);
    cr_assert_eq(qr_store_frame(observer, NEW, &frame), QUIRE_ENOENT);
    qr_store_close(observer);
    qr_store_close(store);
}

Test(frame_prepare, one_descriptor_is_kept_to_sync_a_frame)
{
    struct qr_store *store = open_backing(0);
    int before = open_descriptors();
    int fd = qr_store_frame_fd(store, 1);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    frame_of(store, 1)->data[0] = 9;
    cr_assert_eq(fdatasync(fd), 0);
    struct stat st;
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_ino, stat_of(page_path(1)).st_ino);
    cr_assert_eq(qr_store_frame_fd(store, 1), fd);
    cr_assert_eq(open_descriptors(), before + 1);
    cr_assert_eq(qr_store_frame_fd(store, CAP), QUIRE_EBADFILE);
    cr_assert_eq(qr_store_frame_fd(store, NEW), QUIRE_EBADFILE);
    cr_assert_eq(fsync(qr_store_control_fd(store)), 0);
    cr_assert_eq(fsync(qr_store_pages_fd(store)), 0);
    qr_store_close(store);
    cr_assert_eq(fcntl(fd, F_GETFD), -1);
    store = open_backing(1);
    cr_assert_eq(make_frame(store, 1), 0);
    cr_assert_eq(qr_store_frame_fd(store, 1), QUIRE_EINVAL);
    cr_assert_eq(qr_store_control_fd(store), QUIRE_EINVAL);
    cr_assert_eq(qr_store_pages_fd(store), QUIRE_EINVAL);
    qr_store_close(store);
}

Test(frame_prepare, the_descriptor_goes_with_a_file_that_is_replaced)
{
    struct qr_store *store = open_backing(0);
    struct stat st;
    struct qr_frame_prep prep;
    cr_assert_geq(qr_store_frame_fd(store, 2), 0);
    set_life(store, 2, QR_PAGE_BUSY);
    copy_file(page_path(0), page_path(2));
    walk(store, 2, &prep, POPULATE);
    cr_assert_eq(qr_store_prep_finish(store, &prep, 0), 0);
    set_life(store, 2, QR_PAGE_FREE);
    check_usable(store, 2);
    cr_assert_eq(fstat(qr_store_frame_fd(store, 2), &st), 0);
    cr_assert_eq(st.st_ino, stat_of(page_path(2)).st_ino);
    qr_store_close(store);
}

struct racer {
    struct qr_store *store;
    pthread_barrier_t *start;
    int fd;
};

static void *race(void *argument)
{
    struct racer *r = argument;
    pthread_barrier_wait(r->start);
    r->fd = qr_store_frame_fd(r->store, 1);
    return NULL;
}

Test(frame_prepare, threads_that_sync_at_once_get_the_same_descriptor)
{
    make_channel();
    for (int round = 0; round < 20; round++) {
        struct qr_store *store = open_channel(0);
        struct racer racers[4];
        pthread_t threads[4];
        pthread_barrier_t start;
        int before = open_descriptors();
        pthread_barrier_init(&start, NULL, 4);
        for (int i = 0; i < 4; i++) {
            racers[i] = (struct racer){store, &start, -1};
            cr_assert_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < 4; i++)
            cr_assert_eq(racers[i].fd, racers[0].fd);
        cr_assert_geq(racers[0].fd, 0);
        cr_assert_eq(open_descriptors(), before + 1);
        pthread_barrier_destroy(&start);
        qr_store_close(store);
    }
}
