/* SPDX-License-Identifier: MIT */
/* Who does the slow work, and when: a thread of the library, or the caller and nobody else. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <pages/io.h>
#include <poll.h>
#include <quire/loop.h>
#include <sched.h>
#include <stdlib.h>
#include <tests/durable/rig.h>
#include <unistd.h>

static int readable(quire_t *channel, int timeout_ms)
{
    struct pollfd ready = {.fd = quire_fd(channel), .events = POLLIN};
    CHECK(ready.fd >= 0);
    return poll(&ready, 1, timeout_ms) == 1;
}

/* Only the caller drives: no thread, and no commit, however long it is due. */
static void nothing_without_dispatch(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 8);
    struct rig rig;
    if (cell.keeper != QUIRE_KEEPER_CALLER) {
        test_skip("there is a thread");
    }
    options.sync_every = 2;
    options.sync_delay_ns = CLOCK_MS;
    int threads = process_threads();
    disk_begin();
    rig_open(&rig, &options);
    for (uint32_t i = 0; i < PER_PAGE + 3; i++) {
        CHECK_OK(rig_send(&rig));
    }
    uint64_t calls = qr_io_count_kind(QR_IO_FDATASYNC);
    CHECK(readable(rig.channel, -1));
    for (uint32_t i = 0; i < 10; i++) {
        CHECK(readable(rig.channel, 2) || 1); /* time goes by */
    }
    CHECK_EQ(rig_commits(rig.channel), 0);
    CHECK_EQ(qr_io_count_kind(QR_IO_FDATASYNC), calls);
    if (cell.engine == QUIRE_ENGINE_URING) {
        CHECK_EQ(process_threads(), threads);
    }
    int ended = 0;
    while (rig_commits(rig.channel) == 0) {
        CHECK(readable(rig.channel, -1)); /* there is always a reason to look, or it comes */
        int n = quire_dispatch(rig.channel);
        CHECK(n >= 0);
        ended += n;
    }
    CHECK(ended > 0);
    CHECK(quire_durable_position(rig.channel) >= PER_PAGE);
    rig_close(&rig);
    disk_end();
}

/* A commit that was asked for ends, and the descriptor says so. */
static void the_descriptor_tells_of_commits(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    CHECK(quire_fd(rig.channel) >= 0);
    for (uint64_t n = 1; n <= 20; n++) {
        CHECK_OK(rig_send(&rig));
        CHECK_OK(quire_sync_start(rig.channel));
        uint64_t end = quire_tx_position(rig.tx) + 1;
        while (quire_durable_position(rig.channel) < end) {
            CHECK(readable(rig.channel, -1));
            CHECK(quire_dispatch(rig.channel) >= 0);
        }
        while (readable(rig.channel, 0)) { /* and is quiet when all was taken */
            CHECK(quire_dispatch(rig.channel) >= 0);
        }
    }
    rig_close(&rig);
    disk_end();
}

/* Nobody dispatches: senders make their pages and their commits themselves. */
static void senders_help_themselves(void)
{
    for (uint32_t mode = QUIRE_DURABLE_NONE; mode <= QUIRE_DURABLE_EACH; mode++) {
        struct quire_options options = rig_options(mode, 2);
        struct quire_plan plan;
        struct rig rig;
        options.full_policy = QUIRE_FULL_GROW;
        CHECK_OK(quire_plan(&options, 1, &plan));
        options.max_bytes = 24 * plan.page_bytes;
        disk_begin();
        rig_open(&rig, &options);
        for (uint32_t i = 0; i < 8 * PER_PAGE; i++) {
            CHECK_OK(rig_send(&rig));
        }
        CHECK_EQ(rig_stat(rig.channel).tail_page, 7);
        CHECK_EQ(rig_receive(rig.channel, "g", 0), 8 * PER_PAGE);
        rig_close(&rig);
        disk_end();
        temp_remove(rig.path);
    }
}

/* The engine has a commit in hand that only this thread could end, and it waits for it. */
static void a_single_thread_waits_for_a_commit(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 32);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    for (uint64_t n = 0; n < 3 * PER_PAGE; n++) {
        qr_io_late(n % 3 ? 2 : 0);
        CHECK_OK(quire_sync_start(rig.channel));
        CHECK_OK(rig_send(&rig));
        uint64_t position = quire_tx_position(rig.tx);
        CHECK(disk_lacks(position, 0, n, rig_size(0, n)) == NULL);
        CHECK_OK(quire_sync_start(rig.channel));
        CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
    }
    qr_io_late(0);
    rig_close(&rig);
    disk_end();
}

/* Consumers keep up: no producer ever waits for a page. */
static void turns_without_waiting(void)
{
    for (uint32_t mode = QUIRE_DURABLE_NONE; mode <= QUIRE_DURABLE_EACH; mode++) {
        struct quire_options options = rig_options(mode, 8);
        struct rig rig;
        struct quire_msg msg;
        quire_rx_t *rx;
        options.pages_ahead = 2;
        disk_begin();
        rig_open(&rig, &options);
        CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
        for (uint32_t i = 0; i < 16 * PER_PAGE; i++) {
            CHECK_OK(rig_send(&rig));
            int rc = quire_rx_try_recv(rx, &msg);
            if (rc == QUIRE_PAGE_END) {
                CHECK_OK(quire_rx_next_page(rx));
                rc = quire_rx_try_recv(rx, &msg);
            }
            CHECK_OK(rc);
        }
        struct quire_stat stat = rig_stat(rig.channel);
        CHECK(stat.turns >= 16);
        CHECK_EQ(stat.turns_waited, 0);
        quire_rx_close(rx);
        rig_close(&rig);
        disk_end();
        temp_remove(rig.path);
    }
}

/* No thread is to be had: what must be done is done by those who need it, and the keeper comes
 * when there are threads again. */
static void threads_that_cannot_be_had(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 4);
    struct rig rig;
    options.sync_every = 1;
    disk_begin();
    qr_io_fault_kind(QR_IO_THREAD, 1, EAGAIN, 1);
    rig_open(&rig, &options);
    for (uint32_t i = 0; i < 2 * PER_PAGE; i++) {
        CHECK_OK(rig_send(&rig));
    }
    CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
    qr_io_fault(0, 0, 0);
    CHECK_OK(rig_send(&rig));
    rig_await_durable(rig.channel, quire_tx_position(rig.tx) + 1);
    CHECK_EQ(rig_receive(rig.channel, "g", 0), rig.sent);
    rig_close(&rig);
    disk_end();
}

/* Threads of the process that may run on cpus, but for this one and the kernel's. Not all the
 * others are the library's: a sanitizer has one, too. */
static uint32_t threads_on(const cpu_set_t *cpus)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    uint32_t count = 0;
    CHECK(tasks != NULL);
    while ((entry = readdir(tasks)) != NULL) {
        cpu_set_t theirs;
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread == 0 || thread == gettid() || process_is_io_worker(thread)) {
            continue;
        }
        CHECK_OK(sched_getaffinity(thread, sizeof(theirs), &theirs));
        if (CPU_EQUAL(&theirs, cpus)) {
            count++;
        }
    }
    CHECK_OK(closedir(tasks));
    return count;
}

/* Whoever is the first to need the thread may be bound to a processor, and busy on it. */
static void runs_where_the_opener_might(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    struct rig rig;
    cpu_set_t all, one;
    CHECK_OK(sched_getaffinity(0, sizeof(all), &all));
    if (cell.keeper == QUIRE_KEEPER_CALLER || CPU_COUNT(&all) < 2) {
        test_skip("there is no thread, or one processor");
    }
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
    CHECK_OK(rig_send(&rig));
    CHECK_OK(quire_sync_start(rig.channel));
    rig_await_durable(rig.channel, 1);
    CHECK(threads_on(&all) > 0);
    CHECK_OK(sched_setaffinity(0, sizeof(all), &all));
    rig_close(&rig);
    disk_end();
}

static const struct test_case cases[] = {
    {"keeper_nothing_without_dispatch", nothing_without_dispatch, 0},
    {"keeper_the_descriptor_tells_of_commits", the_descriptor_tells_of_commits, 0},
    {"keeper_senders_help_themselves", senders_help_themselves, 0},
    {"keeper_a_single_thread_waits_for_a_commit", a_single_thread_waits_for_a_commit, 0},
    {"keeper_turns_without_waiting", turns_without_waiting, 0},
    {"keeper_runs_where_the_opener_might", runs_where_the_opener_might, 0},
    {"keeper_threads_that_cannot_be_had", threads_that_cannot_be_had, 0},
};
const struct test_table keeper_table = TEST_TABLE(cases);
