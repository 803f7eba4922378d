/* SPDX-License-Identifier: MIT */
/* Making a channel directory: exact sizes, real blocks, permissions, refusals, a full disk. */
#define _GNU_SOURCE
#include "store_fixture.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>

TestSuite(store_create, .init = scratch_make, .fini = scratch_remove);

static struct qr_superblock planned(void)
{
    struct qr_superblock sb = {0};
    qr_superblock_layout(&sb, &small);
    return sb;
}

Test(store_create, files_have_their_exact_size_and_every_block)
{
    struct qr_superblock sb = planned();
    make_channel();
    cr_assert_eq((uint64_t)stat_of(in("control")).st_size, sb.control_bytes);
    cr_assert_geq(allocated(in("control")), sb.control_bytes);
    for (uint32_t f = 0; f < BASE; f++) {
        cr_assert_eq((uint64_t)stat_of(page_path(f)).st_size, sb.frame_bytes);
        cr_assert_geq(allocated(page_path(f)), sb.frame_bytes);
    }
    cr_assert_eq(names_under(in("pages")), 1 + (int)BASE);
    cr_assert_eq(names_under(in("groups")), 1);
    cr_assert_eq(names_under(in("quarantine")), 1);
    cr_assert_eq(names_under(chan), 5 + (int)BASE);
    cr_assert_eq(names_under(scratch), 1 + names_under(chan)); /* nothing beside it */
}

Test(store_create, both_superblocks_are_good_and_the_same)
{
    make_channel();
    struct qr_superblock copy[2];
    peek(in("control"), 0, copy, sizeof copy);
    int observe_only;
    cr_assert_eq(qr_superblock_check(&copy[0], planned().control_bytes, &observe_only), 0);
    cr_assert_eq(memcmp(&copy[0], &copy[1], sizeof copy[0]), 0);
}

Test(store_create, every_frame_is_closed_and_knows_its_number)
{
    make_channel();
    struct qr_superblock sb;
    peek(in("control"), 0, &sb, sizeof sb);
    for (uint32_t f = 0; f < sb.frames_cap; f++) {
        struct qr_claim_line line;
        peek(in("control"), sb.claims_offset + f * sizeof line, &line, sizeof line);
        cr_assert_eq(qr_load_acquire(&line.word), CLOSED);
    }
    for (uint32_t f = 0; f < BASE; f++) {
        struct qr_frame_header header;
        peek(page_path(f), 0, &header, sizeof header);
        cr_assert_eq(qr_frame_header_check(&header, &sb, f), 0);
        cr_assert_eq(qr_load_acquire(&header.page_no), QR_PAGE_NO_NONE);
    }
}

static void check_modes(uint32_t mode, mode_t file, mode_t directory)
{
    cr_assert_eq(qr_store_create(chan, &small, mode, CLOSED), 0);
    cr_assert_eq(stat_of(chan).st_mode & 07777u, directory);
    cr_assert_eq(stat_of(in("pages")).st_mode & 07777u, directory);
    cr_assert_eq(stat_of(in("groups")).st_mode & 07777u, directory);
    cr_assert_eq(stat_of(in("quarantine")).st_mode & 07777u, directory);
    cr_assert_eq(stat_of(in("control")).st_mode & 07777u, file);
    cr_assert_eq(stat_of(page_path(0)).st_mode & 07777u, file);
    struct qr_store *store = open_channel(0);
    struct qr_group_map map;
    cr_assert_eq(qr_store_group_create(
                     store, "g", 1, &(struct qr_group_traits){.head = 0, .walked_from = 0}, &map),
                 0);
    cr_assert_eq(make_frame(store, 5), 0);
    cr_assert_eq(stat_of(in("groups/g.group")).st_mode & 07777u, file);
    cr_assert_eq(stat_of(page_path(5)).st_mode & 07777u, file);
    qr_store_group_close(store, &map);
    qr_store_close(store);
    scratch_remove();
    scratch_make();
}

Test(store_create, later_files_take_the_permissions_of_the_first)
{
    umask(0);
    check_modes(0, 0600, 0700);
    check_modes(0640, 0640, 0750);
    check_modes(0664, 0664, 0775);
    check_modes(0620, 0620, 0720); /* x only where r is */
    umask(0077);
    check_modes(0666, 0600, 0700); /* the umask counts, as for any new file */
}

Test(store_create, whatever_exists_is_refused_and_left_alone)
{
    int before = open_descriptors();
    cr_assert_eq(mkdir(chan, 0700), 0);
    cr_assert_eq(qr_store_create(chan, &small, 0, CLOSED), QUIRE_EEXIST);
    cr_assert_eq(rmdir(chan), 0);
    cr_assert_eq(symlink("nowhere", chan), 0);
    cr_assert_eq(qr_store_create(chan, &small, 0, CLOSED), QUIRE_EEXIST);
    cr_assert_eq(unlink(chan), 0);
    int fd = open(chan, O_CREAT | O_WRONLY, 0600);
    close(fd);
    cr_assert_eq(qr_store_create(chan, &small, 0, CLOSED), QUIRE_EEXIST);
    cr_assert_eq(unlink(chan), 0);
    make_channel();
    struct stat st = stat_of(in("control"));
    qr_io_fault(0, 0, 0); /* counts from here */
    cr_assert_eq(qr_store_create(chan, &small, 0, CLOSED), QUIRE_EEXIST);
    cr_assert_eq(qr_io_count_kind(QR_IO_MKDIR), 0u, "seen before anything is made");
    cr_assert_eq(stat_of(in("control")).st_ino, st.st_ino);
    cr_assert_eq(qr_store_create("/", &small, 0, CLOSED), QUIRE_EEXIST);
    cr_assert_eq(qr_store_create(".", &small, 0, CLOSED), QUIRE_EEXIST);
    cr_assert_eq(qr_store_create("..", &small, 0, CLOSED), QUIRE_EEXIST);
    cr_assert_eq(names_under(scratch), 1 + names_under(chan));
    cr_assert_eq(open_descriptors(), before);
}

Test(store_create, a_parent_that_is_not_there_is_refused)
{
    int before = open_descriptors();
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/no/such", scratch);
    cr_assert_eq(qr_store_create(path, &small, 0, CLOSED), QUIRE_ENOENT);
    cr_assert_eq(qr_store_create("", &small, 0, CLOSED), QUIRE_ENOENT);
    int fd = open(chan, O_CREAT | O_WRONLY, 0600);
    close(fd);
    snprintf(path, sizeof path, "%s/below", chan);
    cr_assert_eq(qr_store_create(path, &small, 0, CLOSED), -ENOTDIR);
    cr_assert_eq(open_descriptors(), before);
}

static void check_path(const char *path)
{
    cr_assert_eq(qr_store_create(path, &small, 0, CLOSED), 0, "%s", path);
    struct qr_store *store;
    cr_assert_eq(qr_store_open(&store, path, 0, CLOSED), 0, "%s", path);
    qr_store_close(store);
}

Test(store_create, paths_in_every_shape)
{
    cr_assert_eq(chdir(scratch), 0);
    check_path("plain");
    check_path("./dotted");
    check_path("slashed///");
    check_path("plain/below"); /* a channel holds what it is given */
    check_path(".hidden");
    check_path("with space and \xc3\xa4");
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    check_path(longest);
    char too_long[300];
    memset(too_long, 'y', 299);
    too_long[299] = '\0';
    cr_assert_eq(qr_store_create(too_long, &small, 0, CLOSED), -ENAMETOOLONG);
    cr_assert_eq(chdir("/"), 0);
}

static void *create_in_thread(void *result)
{
    *(int *)result = qr_store_create(chan, &small, 0, CLOSED);
    return NULL;
}

Test(store_create, of_several_at_once_one_wins)
{
    for (int round = 0; round < 10; round++) {
        pthread_t threads[4];
        int results[4];
        int won = 0;
        for (int i = 0; i < 4; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, create_in_thread, &results[i]), 0);
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            cr_assert(results[i] == 0 || results[i] == QUIRE_EEXIST, "%d", results[i]);
            won += results[i] == 0;
        }
        cr_assert_eq(won, 1);
        cr_assert_eq(names_under(scratch), 1 + 5 + (int)BASE); /* the losers cleaned up */
        qr_store_close(open_channel(0));
        scratch_remove();
        scratch_make();
    }
}

/* In a child with its own mounts: creates on a file system of 256 KiB. */
static int create_on_a_small_disk(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", scratch, "tmpfs", 0, "size=256k") < 0)
        return 77;
    struct statfs before, after;
    if (statfs(scratch, &before) < 0)
        return 1;
    if (qr_store_create(chan, &small, 0, CLOSED) != QUIRE_ENOSPC)
        return 2;
    if (names_under(scratch) != 1)
        return 3;
    if (statfs(scratch, &after) < 0 || after.f_bfree != before.f_bfree)
        return 4;
    struct qr_geometry tiny = small;
    tiny.page_size = 4096;
    tiny.max_messages = 1;
    tiny.frames_base = 1;
    tiny.frames_cap = 1;
    return qr_store_create(chan, &tiny, 0, CLOSED) == 0 ? 0 : 5;
}

Test(store_create, a_full_disk_is_named_and_nothing_stays)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(create_on_a_small_disk());
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        scratch_remove(); /* a test that is skipped is not finished */
        cr_skip("needs the right to mount");
    }
    cr_assert_eq(WEXITSTATUS(status), 0);
}
