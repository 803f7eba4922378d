/* SPDX-License-Identifier: MIT */
/* Order and exactly once, with threads: invariants I1..I5. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

enum { PRODUCERS = 3, CONSUMERS = 3, SIZE_HIGH = 300 };

/* What the threads of one case share. */
struct crowd {
    quire_t *channel;
    const char *group;
    uint64_t each;          /* messages of one producer */
    uint64_t wanted;        /* messages of all */
    qr_atomic_u64 received; /* of the group */
    unsigned char *seen;    /* PRODUCERS * each, one writer per cell: who received it */
};

struct member {
    struct crowd *crowd;
    uint64_t stream;
};

static void produce(void *context)
{
    const struct member *member = context;
    quire_tx_t *tx = open_tx(member->crowd->channel);
    unsigned char data[SIZE_HIGH];
    uint64_t last = 0;

    for (uint64_t i = 0; i < member->crowd->each; i++) {
        size_t size = content_size(member->stream, i, CONTENT_NAMED_MIN, sizeof(data));

        content_fill(data, size, member->stream, i);
        CHECK_OK(quire_tx_send(tx, data, size));
        CHECK(i == 0 || quire_tx_position(tx) > last);
        last = quire_tx_position(tx);
    }
    quire_tx_close(tx);
}

/* Notes one message; next[] is what this consumer may see of each stream at least (I2). */
static void note(struct crowd *crowd, const struct quire_msg *msg, uint64_t *next)
{
    uint64_t stream, number;

    CHECK(content_read(msg->data, msg->size, &stream, &number));
    CHECK(stream < PRODUCERS && number < crowd->each);
    CHECK_EQ(msg->size, content_size(stream, number, CONTENT_NAMED_MIN, SIZE_HIGH));
    CHECK(number >= next[stream]);
    next[stream] = number + 1;
    CHECK_EQ(crowd->seen[stream * crowd->each + number], 0);
    crowd->seen[stream * crowd->each + number] = 1;
}

static void consume(void *context)
{
    const struct member *member = context;
    struct crowd *crowd = member->crowd;
    quire_rx_t *rx = open_rx_run(crowd->channel, crowd->group, (uint32_t)(1 + member->stream * 30));
    uint64_t next[PRODUCERS] = {0}, last = 0, mine = 0;

    /* Relaxed: the counter only says when to stop; nobody reads data through it. */
    while (qr_load_relaxed(&crowd->received) < crowd->wanted) {
        struct quire_msg msg;
        int code = quire_rx_recv_until(rx, &msg, deadline_soon());

        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        if (code == QUIRE_TIMEDOUT) {
            continue;
        }
        CHECK_OK(code);
        CHECK_EQ(msg.flags, 0);
        CHECK(mine == 0 || msg.position > last);
        last = msg.position;
        note(crowd, &msg, next);
        mine++;
        qr_add_relaxed(&crowd->received, 1);
    }
    quire_rx_close(rx);
}

static void crowd_open(struct crowd *crowd, quire_t *channel, const char *group, uint64_t each)
{
    quire_rx_t *rx;

    memset(crowd, 0, sizeof(*crowd));
    crowd->channel = channel;
    crowd->group = group;
    crowd->each = each;
    crowd->wanted = each * PRODUCERS;
    crowd->seen = calloc(crowd->wanted, 1);
    CHECK(crowd->seen != NULL);
    rx = open_rx(channel, group); /* the group begins before the first message */
    quire_rx_close(rx);
}

static void crowd_close(struct crowd *crowd)
{
    CHECK_EQ(qr_load_relaxed(&crowd->received), crowd->wanted);
    for (uint64_t i = 0; i < crowd->wanted; i++) {
        CHECK_EQ(crowd->seen[i], 1);
    }
    CHECK_EQ(group_of(crowd->channel, crowd->group).lag_messages, 0);
    CHECK_EQ(group_of(crowd->channel, crowd->group).lost, 0);
    free(crowd->seen);
}

/* Each group gets every message, each message goes to one member, in order (I1, I2). */
static void members_share_groups_see_all(uint32_t pages)
{
    static const char *const names[] = {"a", "b"};
    quire_t *channel = cell_small(pages);
    struct crowd crowds[2];
    struct member producers[PRODUCERS], members[2][CONSUMERS];
    struct thread senders[PRODUCERS], receivers[2][CONSUMERS];
    uint64_t each = test_scale(2000);

    for (unsigned g = 0; g < 2; g++) {
        crowd_open(&crowds[g], channel, names[g], each);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct member){&crowds[0], i};
        thread_start(&senders[i], produce, &producers[i]);
    }
    for (unsigned g = 0; g < 2; g++) {
        for (unsigned i = 0; i < CONSUMERS; i++) {
            members[g][i] = (struct member){&crowds[g], i};
            thread_start(&receivers[g][i], consume, &members[g][i]);
        }
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        thread_join(&senders[i]);
    }
    for (unsigned g = 0; g < 2; g++) {
        for (unsigned i = 0; i < CONSUMERS; i++) {
            thread_join(&receivers[g][i]);
        }
        crowd_close(&crowds[g]);
    }
    CHECK_EQ(stat_of(channel).messages, PRODUCERS * each);
    CHECK_EQ(stat_of(channel).voids, 0);
    CHECK_OK(quire_close(channel));
}

static void share_few_pages(void)
{
    members_share_groups_see_all(2);
}

static void share_many_pages(void)
{
    members_share_groups_see_all(16);
}

struct claim_order {
    quire_t *channel;
    qr_atomic_u64 highest; /* position + 1 of the latest send that has returned */
    uint64_t count;
};

static void send_in_order(void *context)
{
    struct claim_order *order = context;
    quire_tx_t *tx = open_tx(order->channel);

    for (uint64_t i = 0; i < order->count; i++) {
        /* Pairs with the exchange below: that send returned before this one begins. */
        uint64_t before = qr_load_acquire(&order->highest);
        uint64_t position, seen;

        CHECK_OK(quire_tx_send(tx, &i, sizeof(i)));
        position = quire_tx_position(tx) + 1;
        CHECK(position > before);
        seen = before;
        while (seen < position && !qr_cas_acq_rel(&order->highest, &seen, position)) {
        }
    }
    quire_tx_close(tx);
}

/* I3: if a send returned before another began, in any thread, its position is smaller. */
static void claim_order_is_real_time(void)
{
    enum { THREADS = 4 };
    struct quire_options options = cell_options(SMALL_PAGE, 4);
    struct claim_order order = {.count = test_scale(5000)};
    struct thread threads[THREADS];

    options.full_policy = QUIRE_FULL_DROP_OLDEST; /* never waits: turns all the time */
    order.channel = cell_open(&options);
    for (unsigned i = 0; i < THREADS; i++) {
        thread_start(&threads[i], send_in_order, &order);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(&threads[i]);
    }
    CHECK_EQ(stat_of(order.channel).messages, THREADS * order.count);
    CHECK_OK(quire_close(order.channel));
}

/*
 * I4: a handle that slept through lives of its frame, also exactly as many as the short tag of
 * the claim word can tell apart (2^14), sends right in the page that is there now.
 */
static void stale_producer(void)
{
    static const uint64_t sleeps[] = {1, 2, 3, 16382, 16383, 16384, 16385, 32767, 32768, 32769};
    struct quire_options options = cell_options(SMALL_PAGE, 1);
    quire_t *channel;
    quire_tx_t *stale, *tx;
    quire_rx_t *rx;
    uint64_t number = 0, last = 0;

    options.max_messages = 2;
    channel = cell_open(&options);
    stale = open_tx(channel);
    tx = open_tx(channel);
    rx = open_rx(channel, "g");
    /* The longest last, and not all of them where every step is slow. */
    for (size_t i = 0; i < test_scale(sizeof(sleeps) / sizeof(sleeps[0])); i++) {
        for (unsigned part = 0; part < 2; part++) {
            put(stale, 9, number, 24);
            CHECK(number == 0 || quire_tx_position(stale) > last);
            last = take_number(rx, 9, number, 24).position;
            CHECK_EQ(quire_tx_position(stale), last);
            CHECK_OK(quire_rx_release(rx));
            number++;
            /* Two messages a page: an odd number in all, so that both slots are met. */
            for (uint64_t k = 0; k < 2 * sleeps[i] - part; k++) {
                put(tx, 1, k, 24);
                last = take_number(rx, 1, k, 24).position;
                CHECK_OK(quire_rx_release(rx));
            }
        }
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    quire_tx_close(stale);
    CHECK_OK(quire_close(channel));
}

static void leave_a_void(quire_tx_t *tx)
{
    void *room;

    CHECK_OK(quire_tx_reserve(tx, 8, &room, 0));
    CHECK_OK(quire_tx_abort(tx));
}

/* Uses all frames at once, then the newest ones over and over, and at page start all of them. */
static void idle_until(uint64_t start)
{
    enum { PAGES = 3 };
    struct quire_options options = cell_options(SMALL_PAGE, PAGES);
    uint64_t received = 0, sent;
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    options.max_messages = 1; /* a page is a message or a void */
    channel = cell_open(&options);
    tx = open_tx(channel);
    rx = open_rx(channel, "g");
    leave_a_void(tx);
    sent = fill(tx, 1, 0, 8);
    CHECK_EQ(sent, PAGES - 1);
    while (sent < start) {
        if (received == sent) {
            put(tx, 1, sent++, 8);
        }
        take_number(rx, 1, received++, 8);
        CHECK_OK(quire_rx_release(rx));
    }
    while (received < sent) {
        take_number(rx, 1, received++, 8);
        CHECK_OK(quire_rx_release(rx));
    }
    leave_a_void(tx);
    CHECK_EQ(fill(tx, 1, sent, 8), PAGES - 1);
    for (unsigned i = 0; i < PAGES - 1; i++) {
        take_number(rx, 1, sent++, 8);
    }
    take_nothing(rx);
    CHECK_EQ(stat_of(channel).voids, 2);
    CHECK_EQ(stat_of(channel).messages, sent + 2);
    CHECK_EQ(stat_of(channel).tail_page, sent + 1);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    if (cell.directory) {
        char path[TEMP_PATH_MAX];

        temp_remove(cell_path(path));
    }
}

/*
 * A frame that lay idle for as many pages as the short tags of its words can tell apart, or
 * nearly: it is neither taken for the page that it is to become nor counted as one.
 */
static void idle_frame(void)
{
    static const uint64_t tags[] = {16383, 2 * 16383, 65536};

    for (unsigned i = 0; i < 3; i++) {
        uint64_t around = test_scale(4);

        for (uint64_t start = tags[i] - around; start <= tags[i] + around; start++) {
            idle_until(start);
        }
    }
}

/* The same for a consumer that comes back late: it goes on in order, page by page. */
static void late_member(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *busy = open_rx_run(channel, "g", 1), *late = open_rx_run(channel, "g", 1);
    uint64_t number = 0;

    for (unsigned turn = 0; turn < 20; turn++) {
        put(tx, 1, number, 700);
        take_number(late, 1, number, 700);
        CHECK_OK(quire_rx_release(late));
        number++;
        for (unsigned i = 0; i < 50 + turn; i++) {
            put(tx, 1, number, 700);
            take_number(busy, 1, number, 700);
            number++;
        }
    }
    take_nothing(late);
    take_nothing(busy);
    quire_rx_close(busy);
    quire_rx_close(late);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Handles come and go all the time; the streams go on. */
static void handles_come_and_go(void)
{
    quire_t *channel = cell_small(4);
    uint64_t count = test_scale(3000);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t i = 0; i < count; i++) {
        quire_tx_t *tx = open_tx(channel);

        put(tx, 1, i, 100);
        quire_tx_close(tx);
        take_number(rx, 1, i, 100);
        if (i % 3 == 0) {
            quire_rx_close(rx);
            rx = open_rx(channel, "g");
        }
    }
    CHECK_EQ(stat_of(channel).handles, 1);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"order: members share, groups see all, two pages", share_few_pages, 120},
    {"order: members share, groups see all, sixteen pages", share_many_pages, 120},
    {"order: claims follow real time", claim_order_is_real_time, 0},
    {"order: a producer that slept through lives of its frame", stale_producer, 120},
    {"order: a frame that lay idle for all its tags", idle_frame, 120},
    {"order: a consumer that comes back late", late_member, 0},
    {"order: handles come and go", handles_come_and_go, 0},
};
const struct test_table order_table = TEST_TABLE(cases);
