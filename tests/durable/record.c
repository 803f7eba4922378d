/* SPDX-License-Identifier: MIT */
/*
 * Nothing is called durable before the disk has it (I9): by a send, a batch or a commit with EACH,
 * by quire_sync, by the durable position.
 */
#include <pages/io.h>
#include <string.h>
#include <sys/wait.h>
#include <tests/durable/ledger.h>
#include <tests/durable/rig.h>
#include <unistd.h>

static uint64_t send_noted(quire_tx_t *tx, uint64_t stream, uint64_t number)
{
    unsigned char bytes[SIZE_MAX_OF_MESSAGE];
    size_t size = rig_size(stream, number);
    content_fill(bytes, size, stream, number);
    CHECK_OK(quire_tx_send(tx, bytes, size));
    ledger_note(quire_tx_position(tx), stream, number);
    return quire_tx_position(tx);
}

/* Two messages in one claim. */
static uint64_t batch_noted(quire_tx_t *tx, uint64_t stream, uint64_t number)
{
    unsigned char bytes[2][SIZE_MAX_OF_MESSAGE];
    struct quire_vec vec[2];
    for (uint64_t i = 0; i < 2; i++) {
        vec[i] = (struct quire_vec){bytes[i], rig_size(stream, number + i)};
        content_fill(bytes[i], vec[i].size, stream, number + i);
    }
    CHECK_EQ(quire_tx_send_batch(tx, vec, 2, QUIRE_FOREVER), 2);
    ledger_note(quire_tx_position(tx) - 1, stream, number);
    ledger_note(quire_tx_position(tx), stream, number + 1);
    return quire_tx_position(tx);
}

static void reserve_noted(quire_tx_t *tx, uint64_t stream, uint64_t number)
{
    void *data;
    size_t size = rig_size(stream, number);
    CHECK_OK(quire_tx_reserve(tx, size, &data, QUIRE_FOREVER));
    content_fill(data, size, stream, number);
}

static uint64_t commit_noted(quire_tx_t *tx, uint64_t stream, uint64_t number)
{
    CHECK_OK(quire_tx_commit(tx, rig_size(stream, number)));
    ledger_note(quire_tx_position(tx), stream, number);
    return quire_tx_position(tx);
}

struct producer {
    struct thread thread;
    quire_t *channel;
    uint64_t stream;
    uint64_t count;
    int each; /* what a send returned for is durable */
};

static void produce(void *context)
{
    struct producer *p = context;
    quire_tx_t *tx;
    CHECK_OK(quire_tx_open(p->channel, NULL, &tx));
    for (uint64_t n = 0; n < p->count;) {
        uint64_t position;
        if (n % 5 == 3) {
            position = batch_noted(tx, p->stream, n);
            n += 2;
            if (p->each) {
                ledger_check(position - 1);
            }
        } else if (n % 5 == 2) {
            reserve_noted(tx, p->stream, n);
            position = commit_noted(tx, p->stream, n++);
        } else {
            position = send_noted(tx, p->stream, n++);
        }
        if (p->each) {
            ledger_check(position);
        }
        ledger_check_below(quire_durable_position(p->channel));
    }
    quire_tx_close(tx);
}

#define PRODUCERS 4u

/* Producers send count messages each, a multiple of 5. */
static void produce_all(quire_t *channel, uint64_t count, int each)
{
    struct producer producers[PRODUCERS];
    uint64_t sent = 0;
    for (uint64_t i = 0; i < PRODUCERS; i++) {
        producers[i] =
            (struct producer){.channel = channel, .stream = 1 + i, .count = count, .each = each};
        thread_start(&producers[i].thread, produce, &producers[i]);
    }
    for (uint32_t i = 0; i < PRODUCERS;) {
        rig_pump(channel);
        i += (uint32_t)thread_done(&producers[i].thread);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        thread_join(&producers[i].thread);
        sent += producers[i].count;
    }
    rig_await_durable(channel, rig_stat(channel).end_position);
    CHECK_EQ(ledger_check_below(quire_durable_position(channel)), sent);
}

static void each_of_several_producers(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 32);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    produce_all(rig.channel, 50, 1);
    CHECK(rig_commits(rig.channel) < 200); /* they share commits */
    rig_close(&rig);
    disk_end();
}

/* Completions come late, each over one reap. */
static void interval_by_count(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 64);
    struct rig rig;
    options.sync_every = 10;
    options.sync_delay_ns = 2 * CLOCK_MS;
    disk_begin();
    rig_open(&rig, &options);
    qr_io_late(1000);
    produce_all(rig.channel, 100, 0);
    qr_io_late(0);
    rig_close(&rig);
    disk_end();
}

static void sync_and_sync_start(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 32);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    for (uint64_t n = 0; n < 200; n++) {
        uint64_t position = send_noted(rig.tx, 1, n);
        if (n % 10 == 4) {
            CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
        } else if (n % 10 == 9) {
            CHECK_OK(quire_sync_start(rig.channel));
            rig_await_durable(rig.channel, position + 1);
        } else {
            continue;
        }
        CHECK(quire_durable_position(rig.channel) > position);
        CHECK_EQ(ledger_check_below(position + 1), n + 1);
    }
    rig_close(&rig);
    disk_end();
}

static quire_tx_t *meddler;
static qr_atomic_u64 meddled; /* messages it has sent */
static qr_atomic_u32 meddles; /* 1: at the next end of a sync */

/* What is published when the sync has just ended is not on the disk. */
static void meddle(enum disk_kind kind, int phase)
{
    uint32_t yes = 1;
    if (kind == DISK_PAGE && phase == 1 && qr_cas_acq_rel(&meddles, &yes, 0u)) {
        send_noted(meddler, 2, qr_add_acq_rel(&meddled, 1u));
    }
}

static void what_is_sent_while_a_commit_ends(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 32);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_tx_open(rig.channel, NULL, &meddler));
    disk_set_hook(meddle);
    for (uint64_t n = 0; n < 40; n++) {
        uint64_t position = send_noted(rig.tx, 1, n);
        qr_store_release(&meddles, 1u);
        if (n % 2 == 0) {
            CHECK_OK(quire_sync(rig.channel, position, QUIRE_FOREVER));
        } else {
            CHECK_OK(quire_sync_start(rig.channel));
            rig_await_durable(rig.channel, position + 1);
        }
        ledger_check_below(quire_durable_position(rig.channel));
    }
    CHECK_EQ(qr_load_acquire(&meddled), 40);
    disk_set_hook(NULL);
    quire_tx_close(meddler);
    rig_close(&rig);
    disk_end();
}

/* A producer dawdles, others go on across pages: they are durable, and the durable position waits
 * for the hole. */
static void dawdle(struct rig *rig, quire_tx_t *slow, uint64_t number, int aborts)
{
    uint64_t position = send_noted(rig->tx, 1, rig->sent++);
    reserve_noted(slow, 2, number);
    uint64_t hole = position + 1;
    if (QUIRE_SLOT_OF(hole) == PER_PAGE) {
        hole = QUIRE_POSITION(QUIRE_PAGE_OF(hole) + 1, 0);
    }
    for (uint32_t i = 0; i < 2 * PER_PAGE + 3; i++) {
        ledger_check(send_noted(rig->tx, 1, rig->sent++));
        CHECK(quire_durable_position(rig->channel) <= hole);
    }
    CHECK_OK(quire_sync(rig->channel, UINT64_MAX, QUIRE_FOREVER)); /* does not wait for it */
    CHECK_EQ(quire_durable_position(rig->channel), hole);
    if (aborts) {
        ledger_note_void(hole);
        CHECK_OK(quire_tx_abort(slow));
        ledger_check(send_noted(rig->tx, 1, rig->sent++));
    } else {
        CHECK_EQ(commit_noted(slow, 2, number), hole);
    }
    ledger_check(hole);
    CHECK(quire_durable_position(rig->channel) > quire_tx_position(rig->tx));
    ledger_check_below(quire_durable_position(rig->channel));
}

static void nobody_waits_for_who_dawdles(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 32);
    struct rig rig;
    quire_tx_t *slow;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_tx_open(rig.channel, NULL, &slow));
    for (uint64_t i = 0; i < 6; i++) {
        dawdle(&rig, slow, i, i % 2 != 0);
    }
    quire_tx_close(slow);
    rig_close(&rig);
    disk_end();
}

static void receive_some(quire_rx_t *rx, uint32_t count)
{
    struct quire_msg msg;
    while (count > 0) {
        int rc = quire_rx_try_recv(rx, &msg);
        if (rc == QUIRE_EAGAIN) {
            break;
        }
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
        } else {
            CHECK_OK(rc);
            count--;
        }
    }
    CHECK_OK(quire_rx_release(rx));
}

/* Frames go round: a message is held as long as its page is. */
static void frames_that_are_recycled(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 3);
    struct rig rig;
    quire_rx_t *rx;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
    for (uint64_t n = 0; n < 12 * PER_PAGE; n++) {
        ledger_check(send_noted(rig.tx, 1, n));
        ledger_check_below(quire_durable_position(rig.channel));
        receive_some(rx, n >= PER_PAGE);
    }
    CHECK(rig_stat(rig.channel).turns > 10);
    quire_rx_close(rx);
    rig_close(&rig);
    disk_end();
}

static void the_oldest_is_dropped(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 3);
    struct rig rig;
    options.full_policy = QUIRE_FULL_DROP_OLDEST;
    disk_begin();
    rig_open(&rig, &options);
    for (uint64_t n = 0; n < 12 * PER_PAGE; n++) {
        ledger_check(send_noted(rig.tx, 1, n));
        ledger_check_below(quire_durable_position(rig.channel));
    }
    CHECK(rig_stat(rig.channel).dropped > 0);
    rig_close(&rig);
    disk_end();
}

static struct quire_options growing(enum quire_durability durability)
{
    struct quire_options options = rig_options(durability, 2);
    struct quire_plan plan;
    options.full_policy = QUIRE_FULL_GROW;
    CHECK_OK(quire_plan(&options, 1, &plan));
    options.max_bytes = 24 * plan.page_bytes;
    return options;
}

/* New files, whose names are to be on the disk too; given back, and made once more. */
static void the_pool_grows(void)
{
    struct quire_options options = growing(QUIRE_DURABLE_EACH);
    struct rig rig;
    quire_rx_t *rx;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
    for (uint64_t round = 0, n = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 10 * PER_PAGE; i++) {
            ledger_check(send_noted(rig.tx, 1, n++));
        }
        CHECK_EQ(ledger_check_below(quire_durable_position(rig.channel)), n);
        receive_some(rx, UINT32_MAX);
        while (rig_stat(rig.channel).pages_made > 6) {
            ledger_check(send_noted(rig.tx, 1, n++));
            receive_some(rx, UINT32_MAX);
            rig_pump(rig.channel);
        }
    }
    quire_rx_close(rx);
    rig_close(&rig);
    disk_end();
}

/* Pages that every group has finished are not written; one that somebody borrows from is. */
static void pages_that_are_finished(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    struct rig rig;
    quire_rx_t *rx;
    struct quire_msg msg;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
    for (uint32_t i = 0; i < 4 * PER_PAGE + 1; i++) {
        CHECK_OK(rig_send(&rig));
    }
    for (uint32_t i = 0; i < 3 * PER_PAGE; i++) {
        int rc = quire_rx_try_recv(rx, &msg);
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            rc = quire_rx_try_recv(rx, &msg);
        }
        CHECK_OK(rc);
    }
    uint64_t syncs = disk_syncs(DISK_PAGE, 1);
    CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
    CHECK_EQ(disk_syncs(DISK_PAGE, 1), syncs + 3); /* of the last message received, and after it */
    CHECK_EQ(quire_durable_position(rig.channel), QUIRE_POSITION(4, 1));
    for (uint64_t n = 2 * PER_PAGE; n < rig.sent; n++) {
        uint64_t position = QUIRE_POSITION(n / PER_PAGE, n % PER_PAGE);
        CHECK(disk_lacks(position, 0, n, rig_size(0, n)) == NULL);
    }
    quire_rx_close(rx);
    /* A new group needs them after all. */
    CHECK_OK(quire_rx_subscribe(rig.channel, "later", NULL, NULL, &rx));
    CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
    for (uint64_t n = 0; n < rig.sent; n++) {
        uint64_t position = QUIRE_POSITION(n / PER_PAGE, n % PER_PAGE);
        CHECK(disk_lacks(position, 0, n, rig_size(0, n)) == NULL);
    }
    quire_rx_close(rx);
    rig_close(&rig);
    disk_end();
}

/* Somebody else made the files, and was killed before their names were on the disk. No page is
 * turned after it, so that no file is made. */
#define OF_THE_DEAD (6u * PER_PAGE - 3)
static void files_of_a_process_that_was_killed(void)
{
    struct quire_options options = growing(QUIRE_DURABLE_NONE);
    struct rig rig;
    int status;
    disk_begin();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        rig_open(&rig, &options);
        for (uint64_t n = 0; n < OF_THE_DEAD; n++) {
            CHECK_EQ(send_noted(rig.tx, 1, n), QUIRE_POSITION(n / PER_PAGE, n % PER_PAGE));
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    for (uint64_t n = 0; n < OF_THE_DEAD; n++) {
        ledger_note(QUIRE_POSITION(n / PER_PAGE, n % PER_PAGE), 1, n);
    }
    options.durability = QUIRE_DURABLE_EACH;
    rig_open(&rig, &options);
    ledger_check(send_noted(rig.tx, 1, OF_THE_DEAD));
    CHECK_EQ(ledger_check_below(quire_durable_position(rig.channel)), OF_THE_DEAD + 1);
    rig_close(&rig);
    disk_end();
}

/* Places are durable with the commits that are asked to take them along, and at the close. */
static void reopened_channels(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 16);
    struct rig rig;
    uint64_t n = 0;
    disk_begin();
    for (uint32_t round = 0; round < 4; round++) {
        rig_open(&rig, &options);
        for (uint32_t i = 0; i < PER_PAGE + 5; i++) {
            send_noted(rig.tx, 1, n++);
        }
        rig_close(&rig); /* with a last commit */
        rig_open(&rig, &options);
        CHECK_EQ(quire_durable_position(rig.channel), rig_stat(rig.channel).end_position);
        CHECK_EQ(ledger_check_below(quire_durable_position(rig.channel)), n);
        rig_close(&rig);
    }
    disk_end();
}

static const struct test_case cases[] = {
    {"record_each_of_several_producers", each_of_several_producers, 0},
    {"record_interval_by_count", interval_by_count, 0},
    {"record_sync_and_sync_start", sync_and_sync_start, 0},
    {"record_what_is_sent_while_a_commit_ends", what_is_sent_while_a_commit_ends, 0},
    {"record_nobody_waits_for_who_dawdles", nobody_waits_for_who_dawdles, 0},
    {"record_frames_that_are_recycled", frames_that_are_recycled, 0},
    {"record_the_oldest_is_dropped", the_oldest_is_dropped, 0},
    {"record_the_pool_grows", the_pool_grows, 0},
    {"record_pages_that_are_finished", pages_that_are_finished, 0},
    {"record_files_of_a_process_that_was_killed", files_of_a_process_that_was_killed, 0},
    {"record_reopened_channels", reopened_channels, 0},
};
const struct test_table record_table = TEST_TABLE(cases);
