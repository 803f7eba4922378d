/* SPDX-License-Identifier: MIT */
/* What is left of a channel that is shut down, and waiting until nothing is. */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/conformance/ends.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define SIZE 40u

/* Looks. Garbage in what is to be filled must not show. */
static struct quire_left look(quire_t *channel, int code)
{
    struct quire_left left;

    memset(&left, 0xa5, sizeof(left));
    CHECK_CODE(quire_drain(channel, 0, &left), code);
    CHECK_CODE(quire_drain(channel, 0, NULL), code);
    CHECK_EQ(left.reserved, 0);
    return left;
}

static void left_is(quire_t *channel, uint64_t messages, const char *group, uint32_t groups)
{
    struct quire_left left = look(channel, messages > 0 ? QUIRE_TIMEDOUT : 0);

    CHECK_EQ(left.messages, messages);
    CHECK(strcmp(left.group, group) == 0);
    CHECK_EQ(left.groups, groups);
    CHECK_EQ(left.unsynced, 0);
}

/* Nobody but these cases makes commits, and they do not look at them. */
static quire_t *open_channel(uint32_t max_pages, enum quire_full_policy policy)
{
    struct quire_options options = cell_options(SMALL_PAGE, max_pages);

    options.durability = QUIRE_DURABLE_NONE;
    options.full_policy = policy;
    return cell_open(&options);
}

static void receive_all(quire_t *channel, const char *group)
{
    quire_rx_t *rx = open_rx(channel, group);
    long code;

    while ((code = receive_by(rx, BY_COPY, 0)) == 0) {
    }
    CHECK_CODE(code, QUIRE_EAGAIN);
    quire_rx_close(rx);
}

static void nothing_is_left(void)
{
    quire_t *channel = open_channel(4, QUIRE_FULL_BLOCK);
    quire_tx_t *tx = open_tx(channel);

    left_is(channel, 0, "", 0);
    CHECK_OK(quire_drain(channel, QUIRE_FOREVER, NULL));
    put(tx, 1, 0, SIZE); /* for a group that may come */
    left_is(channel, 0, "", 0);
    CHECK_OK(quire_drain(channel, QUIRE_FOREVER, NULL));
    receive_all(channel, "g");
    left_is(channel, 0, "", 0);
    CHECK_OK(quire_drain(channel, 1, NULL));
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void the_group_that_lags_most(void)
{
    quire_t *channel = open_channel(POOL_LARGE, QUIRE_FULL_BLOCK);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *a = open_rx(channel, "a"), *b = open_rx(channel, "b");

    quire_rx_close(open_rx(channel, "absent"));
    for (uint64_t i = 0; i < 300; i++) { /* some pages */
        put(tx, 1, i, SIZE);
    }
    for (uint64_t i = 0; i < 200; i++) {
        take_number(a, 1, i, SIZE);
    }
    take_number(b, 1, 0, SIZE);
    left_is(channel, 300, "absent", 3);
    receive_all(channel, "absent");
    for (uint64_t i = 1; i < 250; i++) {
        if (i < 200) {
            left_is(channel, 300 - i, "b", 2);
        }
        take_number(b, 1, i, SIZE);
    }
    left_is(channel, 100, "a", 2);
    for (uint64_t i = 200; i < 300; i++) {
        take_number(a, 1, i, SIZE);
    }
    left_is(channel, 50, "b", 1);
    for (uint64_t i = 250; i < 300; i++) {
        left_is(channel, 300 - i, "b", 1);
        take_number(b, 1, i, SIZE);
    }
    left_is(channel, 0, "", 0);
    quire_rx_close(a);
    quire_rx_close(b);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Claimed is not received, and neither is what comes back; what was never sent is not missing. */
static void what_counts(void)
{
    quire_t *channel = open_channel(4, QUIRE_FULL_BLOCK);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg;
    void *room;

    for (uint64_t i = 0; i < 10; i++) {
        put(tx, 1, i, SIZE);
    }
    take_number(rx, 1, 0, SIZE);
    CHECK_EQ(claimed_of(channel, "g"), 9);
    left_is(channel, 9, "g", 1);
    quire_rx_close(rx);
    left_is(channel, 9, "g", 1);
    rx = open_rx(channel, "g");
    CHECK_OK(quire_rx_recv(rx, &msg));
    CHECK_EQ(msg.flags, QUIRE_MSG_RETURNED);
    left_is(channel, 8, "g", 1);
    for (uint64_t i = 2; i < 10; i++) {
        CHECK_OK(quire_rx_recv(rx, &msg));
    }
    left_is(channel, 0, "", 0);
    CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
    left_is(channel, 0, "", 0);
    CHECK_OK(quire_drain(channel, QUIRE_FOREVER, NULL));
    put(other, 1, 10, SIZE); /* waits behind the reservation */
    left_is(channel, 1, "g", 1);
    CHECK_OK(quire_tx_abort(tx));
    left_is(channel, 1, "g", 1);
    take_number(rx, 1, 10, SIZE);
    CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
    CHECK_OK(quire_tx_abort(tx));
    left_is(channel, 0, "", 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

/* Who borrows is named and not waited for. */
static void who_borrows(void)
{
    quire_t *channel = open_channel(4, QUIRE_FULL_BLOCK);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *a = open_rx(channel, "a"), *b = open_rx(channel, "b");

    put(tx, 1, 0, SIZE);
    CHECK_EQ(look(channel, QUIRE_TIMEDOUT).borrowing, 0);
    take_number(a, 1, 0, SIZE);
    CHECK_EQ(look(channel, QUIRE_TIMEDOUT).borrowing, 1);
    take_number(b, 1, 0, SIZE);
    CHECK_EQ(look(channel, 0).borrowing, 2);
    CHECK_OK(quire_drain(channel, QUIRE_FOREVER, NULL));
    CHECK_OK(quire_rx_release(a));
    CHECK_EQ(look(channel, 0).borrowing, 1);
    quire_rx_close(b);
    CHECK_EQ(look(channel, 0).borrowing, 0);
    quire_rx_close(a);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* What was taken from a group is not left for it. */
static void what_was_dropped(void)
{
    quire_t *channel = open_channel(2, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg;
    struct quire_left left;

    for (uint64_t i = 0; i < 500; i++) {
        put(tx, 1, i, SIZE);
    }
    left = look(channel, QUIRE_TIMEDOUT);
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_LAPPED);
    CHECK_EQ(left.messages, 500 - quire_rx_lost(rx).count);
    quire_rx_close(rx);
    receive_all(channel, "g");
    left_is(channel, 0, "", 0);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void deadlines_pass(void)
{
    quire_t *channel = open_channel(4, QUIRE_FULL_BLOCK);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    put(tx, 1, 0, SIZE);
    CHECK_CODE(quire_drain(channel, 1, NULL), QUIRE_TIMEDOUT);
    for (int i = 0; i < 5; i++) {
        uint64_t deadline = clock_now() + 7 * (uint64_t)i * CLOCK_MS;
        struct quire_left left = {.messages = 99};

        CHECK_CODE(quire_drain(channel, deadline, &left), QUIRE_TIMEDOUT);
        CHECK(clock_now() >= deadline);
        CHECK_EQ(left.messages, 1);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct drainer {
    quire_t *channel;
    uint64_t deadline_ns;
    struct quire_left left;
    int code;
};

static void drain_it(void *context)
{
    struct drainer *drainer = context;

    drainer->code = quire_drain(drainer->channel, drainer->deadline_ns, &drainer->left);
}

/* Waits for the last message of the last group. */
static void waits_for_the_last(void)
{
    quire_t *channel = open_channel(4, QUIRE_FULL_BLOCK);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *a = open_rx(channel, "a"), *b = open_rx(channel, "b");

    for (uint64_t turn = 0; turn < 10; turn++) {
        struct drainer drainer = {channel, turn % 2 ? QUIRE_FOREVER : deadline_far(), {0}, 1};
        struct thread thread;

        for (uint64_t i = 0; i < 5; i++) {
            put(tx, turn, i, SIZE);
        }
        thread_start(&thread, drain_it, &drainer);
        for (uint64_t i = 0; i < 5; i++) {
            take_number(a, turn, i, SIZE);
        }
        for (uint64_t i = 0; i < 5; i++) {
            thread_settle(&thread);
            CHECK(!thread_done(&thread));
            take_number(b, turn, i, SIZE);
        }
        thread_join(&thread);
        CHECK_CODE(drainer.code, 0);
        CHECK_EQ(drainer.left.messages, 0);
        CHECK_EQ(drainer.left.groups, 0);
    }
    quire_rx_close(a);
    quire_rx_close(b);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* What is sent after the call is not waited for: this group is never done. */
static void only_what_was_there(void)
{
    quire_t *channel = open_channel(4, QUIRE_FULL_BLOCK);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct drainer drainer = {channel, QUIRE_FOREVER, {0}, 1};
    struct thread thread;
    uint64_t sent = 0, got = 0;

    for (; sent < 5; sent++) {
        put(tx, 1, sent, SIZE);
    }
    thread_start(&thread, drain_it, &drainer);
    while (!thread_done(&thread)) {
        put(tx, 1, sent++, SIZE);
        take_number(rx, 1, got++, SIZE);
    }
    thread_join(&thread);
    CHECK_CODE(drainer.code, 0);
    CHECK(got >= 5);
    left_is(channel, 5, "g", 1);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A handle keeps what is closed from being gone before the call has begun. */
static void closed_meanwhile(void)
{
    for (int turn = 0; turn < 6; turn++) {
        quire_t *channel = open_channel(4, QUIRE_FULL_BLOCK);
        quire_tx_t *tx = open_tx(channel);
        struct drainer drainer = {channel, QUIRE_FOREVER, {0}, 1};
        struct thread thread;

        quire_rx_close(open_rx(channel, "g"));
        put(tx, 1, 0, SIZE);
        thread_start(&thread, drain_it, &drainer);
        if (turn % 2) {
            thread_settle(&thread);
        }
        CHECK_OK(quire_close(channel));
        thread_join(&thread);
        CHECK_CODE(drainer.code, QUIRE_CLOSED);
        CHECK_EQ(drainer.left.messages, 1);
        quire_tx_close(tx);
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

struct worker {
    quire_t *channel;
    quire_tx_t *tx;
    const char *group;
    uint64_t count;
};

static void work_off(void *context)
{
    const struct worker *worker = context;
    quire_rx_t *rx = open_rx_ends(worker->channel, worker->group, 16);
    long code;

    while ((code = receive_by(rx, BY_COPY, QUIRE_FOREVER)) == 0) {
    }
    CHECK_CODE(code, QUIRE_ENDED);
    quire_rx_close(rx);
}

static void send_some(void *context)
{
    const struct worker *worker = context;
    unsigned char data[SIZE];

    for (uint64_t i = 0; i < worker->count; i++) {
        content_fill(data, sizeof(data), 1, i);
        CHECK_OK(quire_tx_send(worker->tx, data, sizeof(data)));
    }
}

/* Drained under traffic: whenever it says so, everything that was sent before has been received. */
static void under_traffic(void)
{
    enum { MEMBERS = 4, PRODUCERS = 2 };
    quire_t *channel = open_channel(3, QUIRE_FULL_BLOCK);
    struct worker members[MEMBERS], producers[PRODUCERS];
    struct thread member_threads[MEMBERS], producer_threads[PRODUCERS];

    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct worker){channel, open_tx(channel), NULL, 500};
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = (struct worker){channel, NULL, i % 2 ? "a" : "b", 0};
        quire_rx_close(open_rx(channel, members[i].group));
        thread_start(&member_threads[i], work_off, &members[i]);
    }
    for (uint64_t turn = 0; turn < test_scale(20); turn++) {
        struct quire_left left;

        for (unsigned i = 0; i < PRODUCERS; i++) {
            thread_start(&producer_threads[i], send_some, &producers[i]);
        }
        CHECK_OK(quire_drain(channel, QUIRE_FOREVER, NULL));
        for (unsigned i = 0; i < PRODUCERS; i++) {
            thread_join(&producer_threads[i]);
        }
        CHECK_OK(quire_drain(channel, QUIRE_FOREVER, &left));
        CHECK_EQ(left.messages, 0);
        CHECK_EQ(group_of(channel, "a").lag_messages, 0);
        CHECK_EQ(group_of(channel, "b").lag_messages, 0);
        CHECK_EQ(claimed_of(channel, "a") + claimed_of(channel, "b"), 0);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        quire_tx_close(producers[i].tx);
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        thread_join(&member_threads[i]);
    }
    CHECK_OK(quire_close(channel));
}

/* With INTERVAL and a delay that never passes, nobody but the drain makes the commit. */
static void makes_durable(void)
{
    static const uint32_t modes[] = {QUIRE_DURABLE_INTERVAL, QUIRE_DURABLE_EACH};

    if (!cell.directory) {
        test_skip("a channel in memory is not made durable");
    }
    for (unsigned i = 0; i < 2; i++) {
        struct quire_options options = cell_options(SMALL_PAGE, 4);
        char path[TEMP_PATH_MAX];
        struct quire_left left;
        quire_t *channel;
        quire_tx_t *tx;
        void *room;

        options.durability = modes[i];
        options.sync_delay_ns = i == 0 ? 3600000 * CLOCK_MS : 0;
        channel = cell_open(&options);
        tx = open_tx(channel);
        put(tx, 1, 0, SIZE);
        put(tx, 1, 1, SIZE);
        left = look(channel, i == 0 ? QUIRE_TIMEDOUT : 0);
        CHECK_EQ(left.unsynced, i == 0);
        CHECK_EQ(left.groups, 0);
        CHECK_OK(quire_drain(channel, QUIRE_FOREVER, &left));
        CHECK_EQ(left.unsynced, 0);
        CHECK(quire_durable_position(channel) > quire_tx_position(tx));
        CHECK_EQ(look(channel, 0).unsynced, 0);
        /* A message that a group has not received is made durable all the same. */
        quire_rx_close(open_rx_at(channel, "g", QUIRE_NEWEST, 0));
        put(tx, 1, 2, SIZE);
        CHECK_CODE(quire_drain(channel, deadline_soon(), &left), QUIRE_TIMEDOUT);
        CHECK_EQ(left.messages, 1);
        CHECK_EQ(left.unsynced, 0);
        CHECK(quire_durable_position(channel) > quire_tx_position(tx));
        receive_all(channel, "g");
        CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
        CHECK_OK(quire_drain(channel, QUIRE_FOREVER, &left));
        CHECK_EQ(left.unsynced, 0);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        temp_remove(cell_path(path));
    }
}

static void refusals(void)
{
    struct quire_left left;

    CHECK_CODE(quire_drain(NULL, 0, &left), QUIRE_EINVAL);
    CHECK_CODE(quire_drain(NULL, QUIRE_FOREVER, NULL), QUIRE_EINVAL);
    if (cell.directory) {
        struct quire_options options = QUIRE_OPTIONS_INIT;
        quire_t *channel = open_channel(4, QUIRE_FULL_BLOCK), *observer;

        options.flags = QUIRE_READ_ONLY;
        observer = cell_open(&options);
        CHECK_CODE(quire_drain(observer, QUIRE_FOREVER, &left), QUIRE_ERDONLY);
        CHECK_OK(quire_close(observer));
        CHECK_OK(quire_close(channel));
    }
}

static const struct test_case cases[] = {
    {"drain: nothing is left", nothing_is_left, 0},
    {"drain: the group that lags most", the_group_that_lags_most, 0},
    {"drain: what counts", what_counts, 0},
    {"drain: who borrows", who_borrows, 0},
    {"drain: what was dropped", what_was_dropped, 0},
    {"drain: deadlines", deadlines_pass, 0},
    {"drain: waits for the last message of the last group", waits_for_the_last, 0},
    {"drain: only what was there", only_what_was_there, 0},
    {"drain: the channel is closed meanwhile", closed_meanwhile, 0},
    {"drain: under traffic", under_traffic, 120},
    {"drain: makes durable", makes_durable, 0},
    {"drain: refusals", refusals, 0},
};
const struct test_table drain_table = TEST_TABLE(cases);
