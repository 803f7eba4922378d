/* SPDX-License-Identifier: MIT */
/* Directory channels: creation, refusals, what lies on disk. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <unistd.h>

/* Opening path with these flags must give this code and leave nothing behind. */
static void refused(const char *path, uint32_t flags, int wanted)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    quire_t *channel = (quire_t *)&options;
    int files = process_files();

    options.flags = flags;
    CHECK_CODE(quire_open(&channel, path, &options), wanted);
    CHECK(channel == NULL);
    CHECK_EQ(process_files(), files);
}

static unsigned entries(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    unsigned count = 0;

    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(directory);
    return count;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK_EQ(fclose(file), 0);
}

static void missing(void)
{
    char path[TEMP_PATH_MAX];

    refused(cell_path(path), 0, QUIRE_ENOENT);
    refused(path, QUIRE_READ_ONLY, QUIRE_ENOENT);
    refused(temp_path(path, "no/such/parent"), QUIRE_CREATE, QUIRE_ENOENT);
    CHECK_EQ(entries(temp_directory()), 0);
}

static void not_a_channel(void)
{
    char path[TEMP_PATH_MAX], inside[TEMP_PATH_MAX];

    write_file(temp_path(path, "file"), "some text\n");
    refused(path, 0, QUIRE_ENOTQUIRE);
    refused(path, QUIRE_CREATE, QUIRE_ENOTQUIRE);
    refused(path, QUIRE_READ_ONLY, QUIRE_ENOTQUIRE);
    refused(path, QUIRE_CREATE | QUIRE_EXCLUSIVE, QUIRE_EEXIST);

    CHECK_EQ(mkdir(temp_path(path, "empty"), 0700), 0);
    refused(path, 0, QUIRE_ENOTQUIRE);
    refused(path, QUIRE_CREATE, QUIRE_ENOTQUIRE);
    refused(path, QUIRE_CREATE | QUIRE_EXCLUSIVE, QUIRE_EEXIST);
    CHECK_EQ(entries(path), 0);

    CHECK_EQ(mkdir(temp_path(path, "other"), 0700), 0);
    write_file(temp_path(inside, "other/control"), "not a superblock\n");
    refused(path, 0, QUIRE_ENOTQUIRE);
    refused(path, QUIRE_CREATE, QUIRE_ENOTQUIRE);
    CHECK_EQ(entries(path), 1);
    CHECK_EQ(entries(temp_directory()), 3);
}

static void exclusive(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    char path[TEMP_PATH_MAX];
    quire_t *channel;

    options.flags |= QUIRE_EXCLUSIVE;
    channel = cell_open(&options);
    refused(cell_path(path), QUIRE_CREATE | QUIRE_EXCLUSIVE, QUIRE_EEXIST);
    CHECK_OK(quire_close(channel));
    refused(path, QUIRE_CREATE | QUIRE_EXCLUSIVE, QUIRE_EEXIST);
    channel = cell_reopen();
    CHECK_OK(quire_close(channel));
    CHECK_EQ(entries(temp_directory()), 1);
}

static void one_opener(void)
{
    char path[TEMP_PATH_MAX];
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);

    refused(cell_path(path), 0, QUIRE_EBUSY);
    refused(path, QUIRE_CREATE, QUIRE_EBUSY);
    /* Another open and close does not take the lock away, as a POSIX lock would be. */
    refused(path, 0, QUIRE_EBUSY);
    CHECK_OK(quire_close(channel));
    refused(path, 0, QUIRE_EBUSY); /* a handle is left */
    quire_tx_close(tx);
    CHECK_OK(quire_close(cell_reopen()));
}

/* Root may do all: only without privileges can a refusal be seen. */
static void no_permission(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    quire_t *channel = cell_small(2);
    char path[TEMP_PATH_MAX], other[TEMP_PATH_MAX];
    int was_root = geteuid() == 0;

    CHECK_OK(quire_close(channel));
    cell_path(path);
    if (was_root) {
        CHECK_EQ(chmod(temp_directory(), 0755), 0);
        CHECK_EQ(seteuid(65534), 0);
    } else {
        CHECK_EQ(chmod(path, 0), 0);
        CHECK_EQ(chmod(temp_directory(), 0555), 0);
    }
    refused(path, 0, QUIRE_EPERM);
    refused(path, QUIRE_READ_ONLY, QUIRE_EPERM);
    CHECK_CODE(quire_open(&channel, temp_path(other, "new"), &options), QUIRE_EPERM);
    CHECK(channel == NULL);
    if (was_root) {
        CHECK_EQ(seteuid(0), 0);
    } else {
        CHECK_EQ(chmod(path, 0700), 0);
        CHECK_EQ(chmod(temp_directory(), 0700), 0);
    }
    CHECK_EQ(entries(temp_directory()), 1);
}

/* What the walk over a channel's files adds up. */
static struct {
    uint64_t blocks; /* bytes allocated */
    uint64_t size;
    unsigned files, pages, groups, sparse;
    mode_t file_mode, directory_mode; /* bits of any */
} tree;

static int add_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)at;
    if (type == FTW_D) {
        tree.directory_mode |= st->st_mode & 07777;
        return 0;
    }
    CHECK_EQ(type, FTW_F);
    tree.files++;
    tree.pages += strstr(path, "/pages/") != NULL;
    tree.groups += strstr(path, "/groups/") != NULL;
    tree.blocks += (uint64_t)st->st_blocks * 512;
    tree.size += (uint64_t)st->st_size;
    tree.sparse += (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;
    tree.file_mode |= st->st_mode & 07777;
    return 0;
}

static void walk(const char *path)
{
    memset(&tree, 0, sizeof(tree));
    CHECK_EQ(nftw(path, add_entry, 16, FTW_PHYS), 0);
}

/* What the plan promised is what lies there: real blocks, never sparse. */
static void disk_use_is_as_planned(void)
{
    struct quire_options options = cell_options(65536, 5);
    struct quire_plan plan;
    char path[TEMP_PATH_MAX];
    quire_t *channel;

    CHECK_OK(quire_plan(&options, 1, &plan));
    channel = cell_open(&options);
    walk(cell_path(path));
    CHECK_EQ(tree.pages, 5);
    CHECK_EQ(tree.groups, 0);
    CHECK_EQ(tree.files, 6);
    CHECK_EQ(tree.size, plan.total_bytes);
    CHECK_EQ(tree.sparse, 0);
    CHECK_EQ(stat_of(channel).bytes, tree.blocks);
    quire_rx_close(open_rx(channel, "a"));
    quire_rx_close(open_rx(channel, "b"));
    walk(path);
    CHECK_EQ(tree.groups, 2);
    CHECK_EQ(tree.files, 8);
    CHECK_EQ(tree.size, plan.total_bytes + 2 * plan.group_bytes);
    CHECK_EQ(stat_of(channel).bytes, tree.blocks);
    CHECK_OK(quire_close(channel));
    walk(path);
    CHECK_EQ(tree.files, 8);
    CHECK_EQ(entries(temp_directory()), 1);
}

static void modes(void)
{
    static const struct {
        uint32_t asked;
        mode_t files, directories;
    } rows[] = {{0, 0600, 0700}, {0640, 0640, 0750}, {0666, 0666, 0777}, {0600, 0600, 0700}};

    umask(0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct quire_options options = cell_options(SMALL_PAGE, 2);
        char path[TEMP_PATH_MAX];
        quire_t *channel;

        options.mode = rows[i].asked;
        channel = cell_open(&options);
        quire_rx_close(open_rx(channel, "g"));
        CHECK_OK(quire_close(channel));
        walk(cell_path(path));
        CHECK_EQ(tree.file_mode, rows[i].files);
        CHECK_EQ(tree.directory_mode, rows[i].directories);
        temp_remove(path);
    }
}

/* A relative path means what it meant when the channel was opened. */
static void relative_path(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    struct quire_plan plan;
    quire_t *channel = NULL;
    quire_tx_t *tx;
    quire_rx_t *rx;

    CHECK_OK(quire_plan(&options, 1, &plan));
    options.full_policy = QUIRE_FULL_GROW;
    options.max_bytes = 6 * plan.page_bytes;
    CHECK_EQ(chdir(temp_directory()), 0);
    CHECK_OK(quire_open(&channel, "channel", &options));
    CHECK_EQ(chdir("/"), 0);
    tx = open_tx(channel);
    rx = open_rx(channel, "made-later");
    CHECK_EQ(fill(tx, 1, 0, 1000), 6 * page_room(SMALL_PAGE, 1000));
    take_number(rx, 1, 0, 1000);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    CHECK_EQ(stat_of(channel).groups, 1);
    CHECK_OK(quire_close(channel));
}

/* A small file system of our own, seen by this process only. */
static void mount_small(char *path, const char *limit)
{
    CHECK_EQ(mkdir(temp_path(path, "small"), 0700), 0);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", path, "tmpfs", 0, limit) != 0) {
        test_skip("no file system of our own can be mounted here");
    }
}

static void no_space_to_create(void)
{
    struct quire_options options = cell_options(1u << 20, 8);
    char small[TEMP_PATH_MAX], path[TEMP_PATH_MAX];
    quire_t *channel;

    mount_small(small, "size=4m");
    temp_path(path, "small/channel");
    for (int i = 0; i < 3; i++) {
        CHECK_CODE(quire_open(&channel, path, &options), QUIRE_ENOSPC);
        CHECK(channel == NULL);
        CHECK_EQ(entries(small), 0);
    }
    options.max_pages = 2;
    CHECK_OK(quire_open(&channel, path, &options));
    CHECK_OK(quire_close(channel));
}

/* The disk fills up while the channel grows: the send says so, nothing is lost, and it goes on. */
static void no_space_to_grow(void)
{
    struct quire_options options = cell_options(65536, 2);
    char small[TEMP_PATH_MAX], path[TEMP_PATH_MAX];
    uint64_t sent = 0, received = 0;
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    int code;

    mount_small(small, "size=3m");
    options.full_policy = QUIRE_FULL_GROW;
    options.max_bytes = 1ull << 30;
    CHECK_OK(quire_open(&channel, temp_path(path, "small/channel"), &options));
    tx = open_tx(channel);
    rx = open_rx(channel, "g");
    for (int turn = 0; turn < 5; turn++) {
        while ((code = try_put(tx, 1, sent, 4000)) == 0) {
            sent++;
            CHECK(sent < 100000);
        }
        CHECK_CODE(code, QUIRE_ENOSPC);
        CHECK_EQ(stat_of(channel).messages, sent);
        while (received < sent) {
            take_number(rx, 1, received++, 4000);
        }
        take_nothing(rx);
        CHECK_OK(quire_rx_release(rx));
        put(tx, 1, sent++, 4000);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"directory: a missing channel is ENOENT, nothing is made", missing, 0},
    {"directory: what is no channel is refused and left alone", not_a_channel, 0},
    {"directory: exclusive creation", exclusive, 0},
    {"directory: one opener at a time", one_opener, 0},
    {"directory: no permission", no_permission, 0},
    {"directory: disk use is as planned, never sparse", disk_use_is_as_planned, 0},
    {"directory: permission bits", modes, 0},
    {"directory: a relative path survives chdir", relative_path, 0},
    {"directory: no space to create leaves nothing", no_space_to_create, 0},
    {"directory: no space to grow loses nothing", no_space_to_grow, 0},
};
const struct test_table directory_table = TEST_TABLE(cases);
