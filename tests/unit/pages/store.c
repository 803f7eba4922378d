/* SPDX-License-Identifier: MIT */
/* Opening and closing a channel directory: round trips, damage of every file, who may open. */
#include "store_fixture.h"
#include <sys/wait.h>

TestSuite(store, .init = scratch_make, .fini = scratch_remove);

static int open_result(int read_only)
{
    struct qr_store *store = (struct qr_store *)scratch; /* must be set, whatever happens */
    int before = open_descriptors();
    uint64_t mapped = mapped_bytes(NULL);
    int rc = qr_store_open(&store, chan, read_only, CLOSED);
    cr_assert_eq(rc == 0, store != NULL);
    qr_store_close(store);
    cr_assert_eq(open_descriptors(), before);
    cr_assert_eq(mapped_bytes(NULL), mapped);
    return rc;
}

static void check_fresh_words(const struct qr_store_view *v)
{
    for (uint32_t f = 0; f < CAP; f++) {
        uint64_t page = f < BASE ? QR_PAGE_FREE : QR_PAGE_ABSENT;
        cr_assert_eq(qr_load_acquire(&v->life[f]), qr_life(page, 0));
    }
    for (uint32_t i = 0; i < v->sb->directory_size; i++)
        cr_assert_eq(qr_load_acquire(&v->directory[i]), QR_DIRENT_NONE);
    cr_assert_eq(qr_load_acquire(&v->live->clean), 1u);
    cr_assert_eq(qr_load_acquire(&v->live->tail_page), 0u);
    cr_assert_eq(qr_load_acquire(&v->live->opens), 0u);
    for (uint32_t i = 0; i < v->sb->handles; i++)
        cr_assert_eq(qr_load_acquire(&v->handles[i].state), 0u);
    for (uint32_t i = 0; i < v->sb->participants; i++)
        cr_assert_eq(qr_load_acquire(&v->participants[i].state), 0u);
}

Test(store, a_new_channel_opens_as_it_was_asked_for)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    const struct qr_store_view *v = qr_store_view(store);
    cr_assert_eq(v->sb->page_size, small.page_size);
    cr_assert_eq(v->sb->max_messages, small.max_messages);
    cr_assert_eq(v->sb->frames_base, BASE);
    cr_assert_eq(v->sb->frames_cap, CAP);
    cr_assert_eq(v->sb->incompat, QR_INCOMPAT_CHECKSUM);
    cr_assert_neq(v->sb->created_ns, 0u);
    cr_assert_eq(v->directory_backed, 1);
    cr_assert_eq(v->read_only, 0);
    check_fresh_words(v);
    const unsigned char *control = (const unsigned char *)v->live - QR_LIVE_OFFSET;
    cr_assert_eq((const unsigned char *)v->life, control + v->sb->life_offset);
    cr_assert_eq((const unsigned char *)v->directory, control + v->sb->directory_offset);
    cr_assert_eq((const unsigned char *)v->handles, control + v->sb->handles_offset);
    cr_assert_eq((const unsigned char *)v->participants, control + v->sb->participants_offset);
    qr_store_close(store);
    cr_assert_eq(names_under(chan), 5 + (int)BASE); /* nothing came, nothing went */
}

Test(store, two_channels_have_different_uuids)
{
    make_channel();
    char other[PATH_SIZE];
    snprintf(other, sizeof other, "%s/other", scratch);
    cr_assert_eq(qr_store_create(other, &small, 0, CLOSED), 0);
    uint8_t a[16], b[16];
    char control[PATH_SIZE + 16];
    snprintf(control, sizeof control, "%s/control", other);
    peek(in("control"), offsetof(struct qr_superblock, uuid), a, 16);
    peek(control, offsetof(struct qr_superblock, uuid), b, 16);
    cr_assert_neq(memcmp(a, b, 16), 0);
}

Test(store, what_is_written_is_there_after_a_reopen)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    qr_store_release(&qr_store_view(store)->live->tail_page, 77u);
    qr_store_release(&qr_store_view(store)->directory[3], qr_dirent(3, 1));
    for (uint32_t f = 0; f < BASE; f++) {
        const struct qr_frame *frame = frame_of(store, f);
        qr_store_release(&frame->slots[999], 1000u + f);
        memset(frame->data, (int)f + 1, PAGE_BYTES);
    }
    qr_store_close(store);
    store = open_channel(0);
    cr_assert_eq(qr_load_acquire(&qr_store_view(store)->live->tail_page), 77u);
    cr_assert_eq(qr_load_acquire(&qr_store_view(store)->directory[3]), qr_dirent(3, 1));
    for (uint32_t f = 0; f < BASE; f++) {
        const struct qr_frame *frame = frame_of(store, f);
        cr_assert_eq(qr_load_acquire(&frame->slots[999]), 1000u + f);
        cr_assert_eq(frame->data[0], f + 1);
        cr_assert_eq(frame->data[PAGE_BYTES - 1], f + 1);
    }
    qr_store_close(store);
}

Test(store, one_writer_at_a_time_and_observers_beside_it)
{
    make_channel();
    struct qr_store *writer = open_channel(0);
    cr_assert_eq(open_result(0), QUIRE_EBUSY);
    struct qr_store *observer = open_channel(1);
    struct qr_store *another = open_channel(1);
    cr_assert_eq(qr_store_view(observer)->read_only, 1);
    qr_store_release(&qr_store_view(writer)->live->tail_page, 5u);
    cr_assert_eq(qr_load_acquire(&qr_store_view(observer)->live->tail_page), 5u);
    qr_store_close(another);
    qr_store_close(writer);
    cr_assert_eq(open_result(0), 0); /* the lock went with the writer, observers hold none */
    qr_store_close(observer);
}

Test(store, an_observer_maps_nothing_writable)
{
    make_channel();
    struct qr_store *observer = open_channel(1);
    const struct qr_superblock *sb = qr_store_view(observer)->sb;
    frame_of(observer, 0);
    cr_assert_eq(mapped_bytes("rw"), 0u);
    cr_assert_eq(mapped_bytes("r--s"), sb->control_bytes + sb->frame_bytes);
    qr_store_close(observer);
}

Test(store, what_is_no_channel_is_refused_as_such)
{
    cr_assert_eq(open_result(0), QUIRE_ENOENT);
    cr_assert_eq(mkdir(chan, 0700), 0);
    cr_assert_eq(open_result(0), QUIRE_ENOTQUIRE); /* no control file */
    cr_assert_eq(mkfifo(in("control"), 0600), 0);
    cr_assert_eq(open_result(0), QUIRE_ENOTQUIRE);
    cr_assert_eq(open_result(1), QUIRE_ENOTQUIRE); /* and does not hang */
    cr_assert_eq(unlink(in("control")), 0);
    cr_assert_eq(mkdir(in("control"), 0700), 0);
    cr_assert_eq(open_result(0), QUIRE_ENOTQUIRE);
    cr_assert_eq(rmdir(in("control")), 0);
    cr_assert_eq(symlink("/etc/passwd", in("control")), 0);
    cr_assert_eq(open_result(1), QUIRE_ENOTQUIRE);
    cr_assert_eq(unlink(in("control")), 0);
    cr_assert_eq(rmdir(chan), 0);
    int fd = open(chan, O_CREAT | O_WRONLY, 0600);
    close(fd);
    cr_assert_eq(open_result(0), QUIRE_ENOTQUIRE); /* a regular file */
}

Test(store, one_damaged_superblock_is_repaired_by_a_writer_only)
{
    make_channel();
    struct qr_superblock good, now;
    peek(in("control"), 0, &good, sizeof good);
    for (unsigned copy = 0; copy < 2; copy++) {
        for (size_t at = 0; at < sizeof good; at += 97) {
            unsigned char byte = (unsigned char)~((unsigned char *)&good)[at];
            scribble(in("control"), copy * QR_BLOCK + at, &byte, 1);
            cr_assert_eq(open_result(1), 0);
            peek(in("control"), copy * QR_BLOCK, &now, sizeof now);
            cr_assert_neq(memcmp(&now, &good, sizeof now), 0, "an observer wrote");
            cr_assert_eq(open_result(0), 0, "copy %u byte %zu", copy, at);
            peek(in("control"), copy * QR_BLOCK, &now, sizeof now);
            cr_assert_eq(memcmp(&now, &good, sizeof now), 0, "not repaired");
        }
    }
}

Test(store, two_damaged_superblocks_are_refused)
{
    make_channel();
    char zero[QR_BLOCK] = {0};
    unsigned char flipped;
    size_t at = offsetof(struct qr_superblock, page_size);
    peek(in("control"), at, &flipped, 1);
    flipped = (unsigned char)~flipped;
    scribble(in("control"), at, &flipped, 1);
    scribble(in("control"), QR_BLOCK, zero, sizeof zero);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE); /* one is still seen to be ours */
    scribble(in("control"), 0, zero, sizeof zero);
    cr_assert_eq(open_result(0), QUIRE_ENOTQUIRE);
    cr_assert_eq(open_result(1), QUIRE_ENOTQUIRE);
}

Test(store, two_good_superblocks_that_differ_are_refused)
{
    make_channel();
    struct qr_superblock sb;
    peek(in("control"), 0, &sb, sizeof sb);
    sb.uuid[0] ^= 1u;
    qr_superblock_finish(&sb);
    scribble(in("control"), QR_BLOCK, &sb, sizeof sb);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE);
}

static void change_both(void (*change)(struct qr_superblock *sb))
{
    struct qr_superblock sb;
    peek(in("control"), 0, &sb, sizeof sb);
    change(&sb);
    qr_superblock_finish(&sb);
    scribble(in("control"), 0, &sb, sizeof sb);
    scribble(in("control"), QR_BLOCK, &sb, sizeof sb);
}

static void newer_version(struct qr_superblock *sb)
{
    sb->version++;
}
static void readers_feature(struct qr_superblock *sb)
{
    sb->ro_compat |= 0x8000u;
}

Test(store, another_version_is_refused)
{
    make_channel();
    change_both(newer_version);
    cr_assert_eq(open_result(0), QUIRE_EVERSION);
    cr_assert_eq(open_result(1), QUIRE_EVERSION);
}

Test(store, an_unknown_feature_for_writers_lets_observers_in)
{
    make_channel();
    change_both(readers_feature);
    cr_assert_eq(open_result(0), QUIRE_EVERSION);
    cr_assert_eq(open_result(1), 0);
}

Test(store, a_control_file_of_another_size_is_refused)
{
    make_channel();
    off_t size = stat_of(in("control")).st_size;
    const off_t sizes[] = {size + 1,     size + QR_BLOCK, size - 1,     size - QR_BLOCK,
                           2 * QR_BLOCK, QR_BLOCK,        QR_BLOCK - 1, 8};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cr_assert_eq(truncate(in("control"), sizes[i]), 0);
        cr_assert_eq(open_result(0), QUIRE_EBADFILE, "size %ld", (long)sizes[i]);
        cr_assert_eq(open_result(1), QUIRE_EBADFILE, "size %ld", (long)sizes[i]);
    }
    cr_assert_eq(truncate(in("control"), 0), 0);
    cr_assert_eq(open_result(0), QUIRE_ENOTQUIRE);
}

Test(store, garbage_in_the_control_file_is_refused)
{
    make_channel();
    unsigned char garbage[2 * QR_BLOCK];
    uint32_t x = 2463534242u;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof garbage; i++) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            garbage[i] = (unsigned char)x;
        }
        scribble(in("control"), 0, garbage, sizeof garbage);
        cr_assert_eq(open_result(0), QUIRE_ENOTQUIRE);
    }
}

Test(store, a_directory_without_its_parts_is_refused)
{
    make_channel();
    cr_assert_eq(rename(in("groups"), in("elsewhere")), 0);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE);
    cr_assert_eq(symlink("elsewhere", in("groups")), 0);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE);
    cr_assert_eq(unlink(in("groups")), 0);
    cr_assert_eq(rename(in("elsewhere"), in("groups")), 0);
    cr_assert_eq(open_result(0), 0);
    cr_assert_eq(rename(in("pages"), in("elsewhere")), 0);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE);
}

Test(store, a_frame_of_another_size_is_refused)
{
    make_channel();
    off_t size = stat_of(page_path(1)).st_size;
    const off_t sizes[] = {0, 1, QR_BLOCK, size - 1, size + 1, 2 * size};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cr_assert_eq(truncate(page_path(1), sizes[i]), 0);
        cr_assert_eq(open_result(0), QUIRE_EBADFILE, "size %ld", (long)sizes[i]);
        cr_assert_eq(open_result(1), QUIRE_EBADFILE, "size %ld", (long)sizes[i]);
    }
}

Test(store, a_frame_that_is_not_this_channels_is_refused)
{
    make_channel();
    char other[PATH_SIZE];
    snprintf(other, sizeof other, "%s/other", scratch);
    cr_assert_eq(qr_store_create(other, &small, 0, CLOSED), 0);
    char foreign[PATH_SIZE + 32];
    snprintf(foreign, sizeof foreign, "%s/pages/00001.page", other);
    char kept[PATH_SIZE];
    snprintf(kept, sizeof kept, "%s/kept", scratch);

    cr_assert_eq(rename(page_path(1), kept), 0);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE); /* missing */
    copy_file(foreign, page_path(1));
    cr_assert_eq(open_result(0), QUIRE_EBADFILE); /* another channel's */
    copy_file(page_path(0), page_path(1));
    cr_assert_eq(open_result(0), QUIRE_EBADFILE); /* another frame's */
    cr_assert_eq(unlink(page_path(1)), 0);
    cr_assert_eq(mkfifo(page_path(1), 0600), 0);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE);
    cr_assert_eq(open_result(1), QUIRE_EBADFILE);
    cr_assert_eq(unlink(page_path(1)), 0);
    cr_assert_eq(symlink(kept, page_path(1)), 0);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE);
    cr_assert_eq(unlink(page_path(1)), 0);
    cr_assert_eq(rename(kept, page_path(1)), 0);
    cr_assert_eq(open_result(0), 0);
    uint32_t garbage = 0xdeadbeefu;
    scribble(page_path(1), 8, &garbage, sizeof garbage);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE);
}

Test(store, only_frames_that_life_promises_are_looked_at)
{
    make_channel();
    cr_assert_eq(unlink(page_path(1)), 0);
    uint64_t word = qr_life(QR_PAGE_BUSY, 0);
    struct qr_superblock sb;
    peek(in("control"), 0, &sb, sizeof sb);
    scribble(in("control"), sb.life_offset + 8, &word, sizeof word);
    cr_assert_eq(open_result(0), 0);
    word = qr_life(QR_PAGE_ABSENT, 0);
    scribble(in("control"), sb.life_offset + 8, &word, sizeof word);
    cr_assert_eq(open_result(0), 0);
    word = qr_life(12, 3); /* any page at all */
    scribble(in("control"), sb.life_offset + 8, &word, sizeof word);
    cr_assert_eq(open_result(0), QUIRE_EBADFILE);
}

Test(store, closing_unlinks_absent_frames_and_nothing_else)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    set_life(store, 1, QR_PAGE_ABSENT);
    set_life(store, 2, QR_PAGE_BUSY);
    int fd = open(in("pages/notes.txt"), O_CREAT | O_WRONLY, 0600);
    close(fd);
    fd = open(in("pages/00099.page"), O_CREAT | O_WRONLY, 0600); /* beyond the cap: not ours */
    close(fd);
    struct qr_store *observer = open_channel(1);
    qr_store_close(observer);
    cr_assert_eq(names_under(in("pages")), 1 + (int)BASE + 2);
    qr_store_close(store);
    cr_assert_eq(names_under(in("pages")), 1 + (int)BASE + 1);
    cr_assert_eq(access(page_path(1), F_OK), -1);
    cr_assert_eq(access(page_path(2), F_OK), 0);
    qr_store_close(NULL);
}

Test(store, bytes_are_those_of_the_files)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    cr_assert_eq(make_frame(store, 4), 0);
    struct qr_group_map map;
    cr_assert_eq(qr_store_group_create(
                     store, "g", 1, &(struct qr_group_traits){.head = 0, .walked_from = 0}, &map),
                 0);
    uint64_t expected =
        allocated(in("control")) + allocated(in("groups/g.group")) + allocated(page_path(4));
    for (uint32_t f = 0; f < BASE; f++)
        expected += allocated(page_path(f));
    cr_assert_eq(qr_store_bytes(store), expected);
    cr_assert_geq(expected, qr_store_view(store)->sb->control_bytes + 4096u +
                                4 * qr_store_view(store)->sb->frame_bytes);
    cr_assert_eq(give_frame_back(store, 4), 0);
    cr_assert_leq(qr_store_bytes(store), expected - PAGE_BYTES);
    qr_store_group_close(store, &map);
    qr_store_close(store);
}

/* Runs fn in a child that is nobody in particular; its exit code. */
static int as_nobody(int (*fn)(void))
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(99);
        _exit(fn());
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int try_open(void)
{
    struct qr_store *store;
    if (qr_store_open(&store, chan, 0, CLOSED) != QUIRE_EPERM)
        return 1;
    if (qr_store_open(&store, chan, 1, CLOSED) != QUIRE_EPERM)
        return 2;
    return 0;
}

static int try_open_for_reading(void)
{
    struct qr_store *store;
    if (qr_store_open(&store, chan, 0, CLOSED) != QUIRE_EPERM)
        return 1;
    if (qr_store_open(&store, chan, 1, CLOSED) != 0)
        return 2;
    qr_store_close(store);
    return 0;
}

static int try_create(void)
{
    if (qr_store_create(chan, &small, 0, CLOSED) != QUIRE_EPERM)
        return 1;
    return 0;
}

Test(store, permissions_that_refuse_are_named)
{
    cr_assert_eq(chmod(scratch, 0555), 0);
    cr_assert_eq(as_nobody(try_create), 0);
    cr_assert_eq(chmod(scratch, 0755), 0);
    make_channel();
    if (geteuid() == 0) {
        cr_assert_eq(as_nobody(try_open), 0);
    } else {
        cr_assert_eq(chmod(in("control"), 0), 0);
        cr_assert_eq(as_nobody(try_open), 0);
    }
}

Test(store, a_channel_that_all_may_read_lets_observers_in)
{
    cr_assert_eq(chmod(scratch, 0755), 0);
    umask(0022);
    cr_assert_eq(qr_store_create(chan, &small, 0644, CLOSED), 0);
    if (geteuid() != 0)
        cr_assert_eq(chmod(in("control"), 0444), 0);
    cr_assert_eq(as_nobody(try_open_for_reading), 0);
}
