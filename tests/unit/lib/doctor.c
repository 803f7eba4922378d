/* SPDX-License-Identifier: MIT */
/* quire_doctor when calls fail, and that it leaves nothing behind. What it says of real file
 * systems is in tests/cli. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <pages/io.h>
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALLS_MAX 2000u /* more than any run makes: only ends a test that has failed */

static char root[512];
static char path[sizeof root + 8]; /* of the channel */

static int remove_entry(const char *name, const struct stat *info, int type, struct FTW *level)
{
    (void)info;
    (void)type;
    (void)level;
    return remove(name);
}

static unsigned entries(const char *directory)
{
    unsigned n = 0;
    DIR *open = opendir(directory);
    cr_assert_not_null(open);
    while (readdir(open) != NULL)
        n++;
    closedir(open);
    return n;
}

static void setup(void)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    quire_t *channel;
    unsetenv("QUIRE_ENGINE");
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/quire-doctor-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/c", root);
    options.flags = QUIRE_CREATE;
    options.page_size = 4096;
    options.max_pages = 2;
    cr_assert_eq(quire_open(&channel, path, &options), 0);
    cr_assert_eq(quire_close(channel), 0);
}

static void teardown(void)
{
    qr_io_fault(0, 0, 0);
    cr_assert_eq(nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(doctor, .init = setup, .fini = teardown);

Test(doctor, looks_at_the_machine_alone)
{
    struct quire_doctor d;
    memset(&d, 0xff, sizeof d);
    cr_expect_eq(quire_doctor(NULL, NULL), QUIRE_EINVAL);
    cr_expect_eq(quire_doctor(NULL, &d), 0);
    cr_expect_eq(d.engine, d.uring_error == 0 ? QUIRE_ENGINE_URING : QUIRE_ENGINE_THREADS);
    cr_expect_eq(d.uring_error == 0, d.uring_reason[0] == '\0');
    cr_expect_eq(d.uring_error == 0, d.uring_blocker == QUIRE_BLOCKER_NONE);
    cr_expect_eq(d.engine_error, 0);
    cr_expect_neq(d.kernel[0], '\0');
    cr_expect_eq(d.place, QUIRE_PLACE_NONE);
    cr_expect_eq(d.file_system[0], '\0');
}

Test(doctor, a_refused_engine_is_named)
{
    struct quire_doctor d;
    qr_io_fault_kind(QR_IO_URING_SETUP, 1, ENOSYS, 1);
    cr_expect_eq(quire_doctor(NULL, &d), 0);
    cr_expect_eq(d.engine, QUIRE_ENGINE_THREADS);
    cr_expect_eq(d.uring_error, -ENOSYS);
    cr_expect_neq(d.uring_blocker, QUIRE_BLOCKER_NONE);
    setenv("QUIRE_ENGINE", "uring", 1);
    cr_expect_eq(quire_doctor(NULL, &d), 0);
    cr_expect_eq(d.engine, QUIRE_ENGINE_AUTO);
    cr_expect_eq(d.engine_error, QUIRE_EENGINE);
    cr_expect_eq(d.asked, QUIRE_ENGINE_URING);
    setenv("QUIRE_ENGINE", "threads", 1);
    cr_expect_eq(quire_doctor(NULL, &d), 0);
    cr_expect_eq(d.engine, QUIRE_ENGINE_THREADS);
    cr_expect_eq(d.uring_error, -ENOSYS, "the machine's answer does not depend on what is asked");
}

Test(doctor, a_place_is_a_channel_or_a_directory)
{
    struct quire_doctor d;
    char file[sizeof path + 32];
    cr_expect_eq(quire_doctor(path, &d), 0);
    cr_expect_eq(d.place, QUIRE_PLACE_CHANNEL);
    cr_expect_eq(d.files, 3);
    cr_expect_eq(d.files_shared, 0);
    cr_expect_gt(d.bytes, 0);
    cr_expect_neq(d.file_system[0], '\0');
    cr_expect_eq(quire_doctor(root, &d), 0);
    cr_expect_eq(d.place, QUIRE_PLACE_DIRECTORY);
    cr_expect_eq(d.files, 0);
    snprintf(file, sizeof file, "%s/nowhere", root);
    cr_expect_eq(quire_doctor(file, &d), QUIRE_ENOENT);
    snprintf(file, sizeof file, "%s/control", path);
    cr_expect_eq(quire_doctor(file, &d), -ENOTDIR);
    /* What lies where a page file should be is not opened for what it is not. */
    snprintf(file, sizeof file, "%s/pages/00009.page", path);
    cr_assert_eq(mkfifo(file, 0600), 0);
    cr_expect_eq(quire_doctor(path, &d), 0);
    cr_expect_eq(d.files, 4);
    cr_expect_geq(d.files_unknown, 1);
}

Test(doctor, without_unnamed_files_a_named_one_is_gone_again)
{
    struct quire_doctor d;
    unsigned before = entries(root);
    /* The second open of a path is the unnamed file's: the directory, then the file. */
    for (uint64_t nth = 1; nth < CALLS_MAX; nth++) {
        qr_io_fault_kind(QR_IO_OPEN, nth, EOPNOTSUPP, 0);
        int rc = quire_doctor(root, &d);
        int hit = qr_io_fault_hit();
        uint64_t unlinked = qr_io_count_kind(QR_IO_UNLINK);
        cr_expect_eq(entries(root), before);
        if (unlinked > 0) {
            cr_expect_eq(rc, 0);
            cr_expect_eq(d.allocate_error, 0);
            return;
        }
        cr_assert(hit, "no open of an unnamed file was met");
    }
}

Test(doctor, the_failure_of_any_call_is_survived)
{
    static const int errors[] = {EIO, ENOSPC, ENOMEM, EACCES, EOPNOTSUPP};
    struct quire_doctor d;
    unsigned names = entries(path);
    for (size_t e = 0; e < 2 * (sizeof errors / sizeof errors[0]); e++) {
        int hit = 1;
        unsigned fds = entries("/proc/self/fd");
        for (uint64_t nth = 1; hit; nth++) {
            cr_assert_lt(nth, CALLS_MAX);
            qr_io_fault(nth, errors[e / 2], (int)(e % 2));
            int rc = quire_doctor(path, &d);
            hit = qr_io_fault_hit();
            qr_io_fault(0, 0, 0);
            cr_expect_leq(rc, 0);
            cr_expect_eq(entries("/proc/self/fd"), fds, "call %llu", (unsigned long long)nth);
            cr_expect_eq(entries(path), names, "call %llu", (unsigned long long)nth);
        }
    }
}
