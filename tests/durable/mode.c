/* SPDX-License-Identifier: MIT */
/*
 * When commits happen: by count, by time, for the groups' places, with a deadline; and what there
 * is to be done about a channel that is closed in the middle of one.
 */
#include <errno.h>
#include <pages/io.h>
#include <quire/loop.h>
#include <sched.h>
#include <tests/durable/rig.h>

#define HOUR (3600ull * 1000 * CLOCK_MS)

/* Only the count can bring a commit about. */
static void commits_after_so_many_messages(void)
{
    static const uint64_t counts[] = {1, 2, 5, 16, 40, 100};
    for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 32);
        struct rig rig;
        options.sync_every = counts[i];
        options.sync_delay_ns = HOUR;
        disk_begin();
        rig_open(&rig, &options);
        for (uint64_t round = 1; round <= 3; round++) {
            uint64_t commits = rig_commits(rig.channel);
            for (uint64_t n = 0; n < counts[i]; n++) {
                CHECK_OK(rig_send(&rig));
            }
            rig_await_commits(rig.channel, commits + 1);
        }
        rig_close(&rig);
        disk_end();
        temp_remove(rig.path);
    }
}

/* Pumps until nothing happens any more: no call of the seam, no commit, over 30 looks. */
static void await_rest(quire_t *channel)
{
    for (int quiet = 0; quiet < 30;) {
        uint64_t calls = qr_io_count(), commits = rig_commits(channel);
        uint64_t stat_calls = qr_io_count() - calls; /* those that the look itself makes */
        rig_pump(channel);
        quiet =
            qr_io_count() == calls + stat_calls && rig_commits(channel) == commits ? quiet + 1 : 0;
    }
}

/* Only the time can; and then the keeper rests. */
static void one_message_and_then_nothing(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 8);
    struct rig rig;
    options.sync_delay_ns = CLOCK_MS;
    disk_begin();
    rig_open(&rig, &options);
    for (uint64_t n = 1; n <= 5; n++) {
        CHECK_OK(rig_send(&rig));
        rig_await_durable(rig.channel, n);
        CHECK(disk_lacks(n - 1, 0, n - 1, rig_size(0, n - 1)) == NULL);
        await_rest(rig.channel);
        uint64_t commits = rig_commits(rig.channel);
        await_rest(rig.channel);
        CHECK_EQ(rig_commits(rig.channel), commits);
    }
    rig_close(&rig);
    disk_end();
}

static void receive(quire_rx_t *rx, uint32_t count)
{
    struct quire_msg msg;
    for (uint32_t i = 0; i < count; i++) {
        CHECK_OK(quire_rx_try_recv(rx, &msg));
    }
}

/* The places of groups: by count, then by time. */
static void make_places_durable(enum quire_durability durability, uint64_t every, uint64_t delay_ns,
                                uint32_t count)
{
    struct quire_options options = rig_options(durability, 8);
    struct quire_rx_options one = QUIRE_RX_OPTIONS_INIT;
    struct rig rig;
    quire_rx_t *rx;
    options.sync_every = 1000000;
    options.sync_delay_ns = HOUR;
    options.commit_every = every;
    options.commit_delay_ns = delay_ns;
    one.run_max = 1;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, &one, &rx));
    for (uint32_t i = 0; i < PER_PAGE; i++) {
        CHECK_OK(rig_send(&rig));
    }
    for (uint32_t round = 0; round < 3; round++) {
        uint64_t syncs = disk_syncs(DISK_GROUP, 1);
        receive(rx, count);
        while (disk_syncs(DISK_GROUP, 1) == syncs) {
            rig_pump(rig.channel);
        }
        rig_await_commits(rig.channel, 1);
        await_rest(rig.channel);
    }
    quire_rx_close(rx);
    rig_close(&rig);
    disk_end();
    temp_remove(rig.path);
}

static void places_become_durable(void)
{
    make_places_durable(QUIRE_DURABLE_INTERVAL, 5, HOUR, 5);
    make_places_durable(QUIRE_DURABLE_INTERVAL, 1000000, CLOCK_MS, 1);
    make_places_durable(QUIRE_DURABLE_EACH, 5, HOUR, 5);
    make_places_durable(QUIRE_DURABLE_EACH, 1000000, CLOCK_MS, 1);
}

/* A commit that was to take the places along cannot open a file: a later one takes them. All
 * frames are in use, so that nobody else opens one. */
static void places_are_not_forgotten(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 2);
    struct rig rig;
    quire_rx_t *rx;
    options.sync_delay_ns = HOUR;
    options.commit_delay_ns = CLOCK_MS;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
    for (uint32_t i = 0; i < PER_PAGE + 1; i++) {
        CHECK_OK(rig_send(&rig));
    }
    uint64_t syncs = disk_syncs(DISK_GROUP, 1);
    qr_io_fault_kind(QR_IO_OPEN, 1, EMFILE, 1);
    receive(rx, 1);
    while (!qr_io_fault_hit()) {
        rig_pump(rig.channel);
    }
    qr_io_fault(0, 0, 0);
    while (disk_syncs(DISK_GROUP, 1) == syncs) {
        rig_pump(rig.channel);
    }
    quire_rx_close(rx);
    rig_close(&rig);
    disk_end();
}

/* --- deadlines, while a commit is held in its first sync --- */

static qr_atomic_u32 holding; /* 1: hold the next sync; 2: it is held; 0: go on */

static void hold(enum disk_kind kind, int phase)
{
    uint32_t one = 1;
    if (kind == DISK_PAGE && phase == 0 && qr_cas_acq_rel(&holding, &one, 2u)) {
        while (qr_load_acquire(&holding) == 2) {
            sched_yield();
        }
    }
}

static void await_held(void)
{
    while (qr_load_acquire(&holding) != 2) {
        sched_yield();
    }
}

struct committer {
    struct thread thread;
    quire_t *channel;
    quire_tx_t *tx; /* sends with it, or NULL: syncs */
    int rc;
};

static void commit(void *context)
{
    struct committer *c = context;
    c->rc =
        c->tx ? quire_tx_send(c->tx, "held", 4) : quire_sync(c->channel, UINT64_MAX, QUIRE_FOREVER);
}

static void start_held(struct committer *c)
{
    qr_store_release(&holding, 1u);
    disk_set_hook(hold);
    thread_start(&c->thread, commit, c);
    await_held();
}

static void end_held(struct committer *c)
{
    qr_store_release(&holding, 0u);
    thread_join(&c->thread);
    CHECK_OK(c->rc);
    disk_set_hook(NULL);
}

static void syncs_with_deadlines(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    for (uint64_t n = 1; n <= 3; n++) {
        CHECK_OK(rig_send(&rig));
        /* Nobody else is at it: the caller commits itself. */
        CHECK_OK(quire_sync(rig.channel, UINT64_MAX, n == 1 ? 0 : n == 2 ? 1 : QUIRE_FOREVER));
        CHECK_EQ(quire_durable_position(rig.channel), n);
    }
    uint64_t commits = rig_commits(rig.channel);
    CHECK_OK(quire_sync(rig.channel, 2, 0)); /* it is durable */
    CHECK_EQ(rig_commits(rig.channel), commits);
    CHECK_OK(rig_send(&rig));
    struct committer other = {.channel = rig.channel};
    start_held(&other);
    CHECK_OK(rig_send(&rig)); /* is not covered by that commit */
    CHECK_CODE(quire_sync(rig.channel, UINT64_MAX, 0), QUIRE_EAGAIN);
    CHECK_CODE(quire_sync(rig.channel, UINT64_MAX, 1), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_sync(rig.channel, UINT64_MAX, clock_now() + 3 * CLOCK_MS), QUIRE_TIMEDOUT);
    CHECK_OK(quire_sync(rig.channel, 1, 0));
    CHECK_EQ(quire_durable_position(rig.channel), 3);
    end_held(&other);
    CHECK(disk_lacks(3, 0, 3, rig_size(0, 3)) == NULL);
    CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
    CHECK_EQ(quire_durable_position(rig.channel), 5);
    CHECK(disk_lacks(4, 0, 4, rig_size(0, 4)) == NULL);
    rig_close(&rig);
    disk_end();
}

/* Sent, and not known to be durable. */
static void sends_with_deadlines(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 8);
    struct quire_vec vec = {"more", 4};
    struct rig rig;
    struct quire_msg msg;
    quire_tx_t *held;
    quire_rx_t *rx;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
    CHECK_OK(quire_tx_open(rig.channel, NULL, &held));
    struct committer other = {.channel = rig.channel, .tx = held};
    start_held(&other);
    CHECK_CODE(quire_tx_send_until(rig.tx, "late", 4, clock_now() + 2 * CLOCK_MS), QUIRE_UNSYNCED);
    CHECK_EQ(quire_tx_position(rig.tx), 1);
    CHECK_CODE(quire_tx_send_batch(rig.tx, &vec, 1, 1), QUIRE_UNSYNCED);
    CHECK_EQ(quire_tx_position(rig.tx), 2);
    for (uint64_t n = 0; n < 3; n++) {
        CHECK_OK(quire_rx_try_recv(rx, &msg));
        CHECK_EQ(msg.position, n);
    }
    end_held(&other);
    CHECK_OK(quire_tx_try_send(rig.tx, "last", 4)); /* not to wait is about pages */
    CHECK_EQ(quire_durable_position(rig.channel), 4);
    quire_tx_close(held);
    quire_rx_close(rx);
    rig_close(&rig);
    disk_end();
}

/* --- closing --- */

/* Closed in the middle of whatever there is: all is there again. */
static void close_in_the_middle(enum quire_durability durability, uint64_t count)
{
    struct quire_options options = rig_options(durability, 2);
    struct quire_plan plan;
    struct rig rig;
    options.full_policy = QUIRE_FULL_GROW;
    options.sync_delay_ns = count % 3 == 0 ? HOUR : CLOCK_MS / 10;
    options.sync_every = 1 + count % 7;
    CHECK_OK(quire_plan(&options, 1, &plan));
    options.max_bytes = 8 * plan.page_bytes;
    disk_begin();
    rig_open(&rig, &options);
    qr_io_late(count % 2 ? 50 : 0);
    for (uint64_t n = 0; n < count; n++) {
        CHECK_OK(rig_send(&rig));
        if (n % 6 == 5) {
            CHECK_OK(quire_sync_start(rig.channel));
        }
    }
    if (count % 4 != 0) {
        CHECK_OK(quire_sync_start(rig.channel));
    }
    rig_close(&rig); /* with a last commit */
    qr_io_late(0);
    for (uint64_t i = 0; i < count && durability != QUIRE_DURABLE_NONE; i++) {
        uint64_t position = QUIRE_POSITION(i / PER_PAGE, i % PER_PAGE);
        CHECK(disk_lacks(position, 0, i, rig_size(0, i)) == NULL);
    }
    uint64_t sent = rig.sent;
    rig_open(&rig, &options);
    CHECK_EQ(rig_stat(rig.channel).recoveries, 0);
    CHECK_EQ(rig_receive(rig.channel, "g", 0), sent);
    rig_close(&rig);
    disk_end();
    temp_remove(rig.path);
}

static void closed_in_the_middle(void)
{
    for (uint64_t count = 0; count < 5 * PER_PAGE; count += 5) {
        close_in_the_middle(QUIRE_DURABLE_NONE, count);
        close_in_the_middle(QUIRE_DURABLE_INTERVAL, count);
        close_in_the_middle(QUIRE_DURABLE_EACH, count);
    }
}

/* Nothing but the close makes a commit of these. */
static void the_last_commit(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 8);
    struct rig rig;
    options.sync_every = 1000000;
    options.sync_delay_ns = HOUR;
    disk_begin();
    rig_open(&rig, &options);
    for (uint64_t n = 0; n < PER_PAGE + 3; n++) {
        CHECK_OK(rig_send(&rig));
    }
    CHECK_EQ(rig_commits(rig.channel), 0);
    rig_close(&rig);
    for (uint64_t i = 0; i < PER_PAGE + 3; i++) {
        uint64_t position = QUIRE_POSITION(i / PER_PAGE, i % PER_PAGE);
        CHECK(disk_lacks(position, 0, i, rig_size(0, i)) == NULL);
    }
    disk_end();
}

/* A producer waits for its commit: it is done before the handle is gone. */
static void closed_while_a_send_waits(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 8);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    struct committer other = {.channel = rig.channel, .tx = rig.tx};
    start_held(&other);
    CHECK_OK(quire_close(rig.channel));
    end_held(&other);
    CHECK_CODE(quire_tx_send(rig.tx, "more", 4), QUIRE_CLOSED);
    quire_tx_close(rig.tx);
    rig_reopen(&rig, &options);
    CHECK_EQ(rig_stat(rig.channel).messages, 1);
    rig_close(&rig);
    disk_end();
}

static const struct test_case cases[] = {
    {"mode_commits_after_so_many_messages", commits_after_so_many_messages, 0},
    {"mode_one_message_and_then_nothing", one_message_and_then_nothing, 0},
    {"mode_places_become_durable", places_become_durable, 0},
    {"mode_places_are_not_forgotten", places_are_not_forgotten, 0},
    {"mode_syncs_with_deadlines", syncs_with_deadlines, 0},
    {"mode_sends_with_deadlines", sends_with_deadlines, 0},
    {"mode_closed_in_the_middle", closed_in_the_middle, 0},
    {"mode_the_last_commit", the_last_commit, 0},
    {"mode_closed_while_a_send_waits", closed_while_a_send_waits, 0},
};
const struct test_table mode_table = TEST_TABLE(cases);
