/* SPDX-License-Identifier: MIT */
/* Batches on both sides. */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define COUNT_MAX 2000u
static unsigned char bytes[COUNT_MAX][256];
static struct quire_vec vec[COUNT_MAX];

/* Messages from, from + 1, ... of stream 1. */
static void make(uint64_t from, size_t count, size_t size)
{
    CHECK(count <= COUNT_MAX && size <= sizeof(bytes[0]));
    for (size_t i = 0; i < count; i++) {
        content_fill(bytes[i], size, 1, from + i);
        vec[i].data = bytes[i];
        vec[i].size = size;
    }
}

static void none_is_none(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);

    make(0, 1, 8);
    CHECK_EQ(quire_tx_send_batch(tx, vec, 0, QUIRE_FOREVER), 0);
    CHECK_EQ(quire_tx_send_batch(tx, NULL, 0, 0), 0);
    CHECK_EQ(stat_of(channel).messages, 0);
    CHECK_EQ(quire_tx_position(tx), UINT64_MAX);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* One, up to the longest run, across it, and many runs: all arrive, in order, once. */
static void batches_of_every_length(void)
{
    static const size_t counts[] = {1, 2, 3, 62, 63, 64, 65, 126, 127, 200, 500};
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = 0;

    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        for (size_t size = 0; size <= 72; size += 8) {
            make(sent, counts[c], size);
            CHECK_EQ(quire_tx_send_batch(tx, vec, counts[c], QUIRE_FOREVER), counts[c]);
            for (size_t i = 0; i < counts[c]; i++) {
                struct quire_msg msg = take_number(rx, 1, sent + i, size);

                CHECK(i + 1 < counts[c] || msg.position == quire_tx_position(tx));
            }
            take_nothing(rx);
            sent += counts[c];
        }
    }
    CHECK_EQ(stat_of(channel).messages, sent);
    CHECK_EQ(stat_of(channel).voids, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void larger_than_a_page_in_sum(void)
{
    quire_t *channel = cell_small(128);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    make(0, COUNT_MAX, 200);
    CHECK_EQ(quire_tx_send_batch(tx, vec, COUNT_MAX, QUIRE_FOREVER), COUNT_MAX);
    for (size_t i = 0; i < COUNT_MAX; i++) {
        take_number(rx, 1, i, 200);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Sizes from nothing to a whole page in one batch: a run is at most an eighth of a page. */
static void mixed_sizes_in_one_batch(void)
{
    enum { COUNT = 300 };
    static unsigned char data[COUNT][SMALL_MAX];
    quire_t *channel = cell_small(160);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (size_t i = 0; i < COUNT; i++) {
        vec[i].size = i % 50 == 0 ? SMALL_MAX : content_size(1, i, 0, SMALL_MAX);
        vec[i].data = data[i];
        content_fill(data[i], vec[i].size, 1, i);
    }
    CHECK_EQ(quire_tx_send_batch(tx, vec, COUNT, QUIRE_FOREVER), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        take_number(rx, 1, i, vec[i].size);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* All but one of a size, and that one of a size that is hard to tell from it. */
static void one_size_but_for_one(void)
{
    enum { COUNT = 9 };
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = 0;

    for (size_t size = 8; size <= 64; size *= 2) {
        const size_t others[] = {0, size / 2, size - 1, size + 1, 2 * size};
        for (size_t o = 0; o < sizeof(others) / sizeof(others[0]); o++) {
            for (size_t at = 0; at < COUNT; at++) {
                make(sent, COUNT, size);
                vec[at].size = others[o];
                content_fill(bytes[at], others[o], 1, sent + at);
                CHECK_EQ(quire_tx_send_batch(tx, vec, COUNT, QUIRE_FOREVER), COUNT);
                for (size_t i = 0; i < COUNT; i++) {
                    take_number(rx, 1, sent + i, vec[i].size);
                }
                take_nothing(rx);
                sent += COUNT;
            }
        }
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void too_large_sends_none(void)
{
    static unsigned char large[SMALL_MAX + 1];
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    static const size_t places[] = {0, 1, 63, 64, 199};

    put(tx, 1, 0, 8);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        make(1, 200, 8);
        vec[places[i]].data = large;
        vec[places[i]].size = sizeof(large);
        CHECK_CODE(quire_tx_send_batch(tx, vec, 200, QUIRE_FOREVER), QUIRE_EMSGSIZE);
        CHECK_EQ(stat_of(channel).messages, 1);
        CHECK_EQ(quire_tx_position(tx), 0);
    }
    take_number(rx, 1, 0, 8);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* The count returned is exactly what consumers get. */
static void full_in_the_middle(enum quire_full_policy policy)
{
    static const uint64_t deadlines[] = {0, 1};
    quire_t *channel = cell_policy(3, policy);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = 0, received = 0;

    for (int turn = 0; turn < 40; turn++) {
        long count;

        make(sent, 400, 40);
        count = quire_tx_send_batch(tx, vec, 400, deadlines[turn % 2]);
        CHECK(count > 0 && count < 400);
        sent += (uint64_t)count;
        CHECK_EQ(stat_of(channel).messages, sent);
        count = quire_tx_send_batch(tx, vec + count, 100, deadlines[turn % 2]);
        CHECK_CODE(count, policy == QUIRE_FULL_REJECT || deadlines[turn % 2] == 0 ? QUIRE_FULL
                                                                                  : QUIRE_TIMEDOUT);
        CHECK_EQ(stat_of(channel).messages, sent);
        while (received < sent) {
            struct quire_msg msg = take_number(rx, 1, received, 40);

            CHECK(received + 1 < sent || msg.position == quire_tx_position(tx));
            received++;
        }
        take_nothing(rx);
        CHECK_OK(quire_rx_release(rx));
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void full_in_the_middle_block(void)
{
    full_in_the_middle(QUIRE_FULL_BLOCK);
}

static void full_in_the_middle_reject(void)
{
    full_in_the_middle(QUIRE_FULL_REJECT);
}

enum { ADJACENT = 8, ADJACENT_SENDERS = 3 };

struct batcher {
    quire_t *channel;
    uint64_t stream, count;
};

static void send_batches(void *context)
{
    const struct batcher *batcher = context;
    quire_tx_t *tx = open_tx(batcher->channel);
    unsigned char data[ADJACENT][24];
    struct quire_vec batch[ADJACENT];

    for (uint64_t i = 0; i < batcher->count; i += ADJACENT) {
        for (unsigned k = 0; k < ADJACENT; k++) {
            content_fill(data[k], sizeof(data[k]), batcher->stream, i + k);
            batch[k] = (struct quire_vec){data[k], sizeof(data[k])};
        }
        CHECK_EQ(quire_tx_send_batch(tx, batch, ADJACENT, QUIRE_FOREVER), ADJACENT);
    }
    quire_tx_close(tx);
}

/* A batch within the limits of a run is one run: nobody comes in between. */
static void a_run_is_adjacent(void)
{
    quire_t *channel = cell_small(4);
    quire_rx_t *rx = open_rx(channel, "g");
    struct batcher batchers[ADJACENT_SENDERS];
    struct thread threads[ADJACENT_SENDERS];
    uint64_t count = test_scale(2000) / ADJACENT * ADJACENT + ADJACENT;
    uint64_t first = 0, stream = 0;

    for (unsigned i = 0; i < ADJACENT_SENDERS; i++) {
        batchers[i] = (struct batcher){channel, i, count};
        thread_start(&threads[i], send_batches, &batchers[i]);
    }
    for (uint64_t i = 0; i < ADJACENT_SENDERS * count; i++) {
        uint64_t of, number;
        struct quire_msg msg;
        int code = quire_rx_recv(rx, &msg);

        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            code = quire_rx_recv(rx, &msg);
        }
        CHECK_OK(code);
        CHECK(content_read(msg.data, msg.size, &of, &number));
        if (i % ADJACENT == 0) {
            first = msg.position;
            stream = of;
        }
        CHECK_EQ(of, stream);
        CHECK_EQ(number % ADJACENT, i % ADJACENT);
        CHECK_EQ(msg.position, first + i % ADJACENT);
    }
    for (unsigned i = 0; i < ADJACENT_SENDERS; i++) {
        thread_join(&threads[i]);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* Receives what is ready, at most count, and never beyond the page. */
static void receive_what_is_ready(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msgs[300];
    uint64_t sent = 0;

    for (size_t ready = 1; ready < 150; ready += 7) {
        uint64_t received = 0;

        for (size_t i = 0; i < ready; i++) {
            put(tx, 1, sent + i, 40);
        }
        while (received < ready) {
            size_t wanted = 1 + (size_t)((sent + received) % 31);
            long count = quire_rx_recv_batch(rx, msgs, wanted, deadline_far());

            if (count == QUIRE_PAGE_END) {
                CHECK_OK(quire_rx_next_page(rx));
                continue;
            }
            CHECK(count >= 1 && (size_t)count <= wanted && received + (size_t)count <= ready);
            for (long i = 0; i < count; i++) {
                is_number(&msgs[i], 1, sent + received + (uint64_t)i, 40);
                CHECK_EQ(QUIRE_PAGE_OF(msgs[i].position), QUIRE_PAGE_OF(msgs[0].position));
                CHECK(i == 0 || msgs[i].position > msgs[i - 1].position);
            }
            received += (uint64_t)count;
        }
        sent += ready;
        CHECK_CODE(quire_rx_recv_batch(rx, msgs, 8, deadline_soon()), QUIRE_TIMEDOUT);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* When many are ready one call brings more than one. */
static void receive_brings_many(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 32);
    struct quire_msg msgs[64];
    long count;

    for (uint64_t i = 0; i < 64; i++) {
        put(tx, 1, i, 8);
    }
    count = quire_rx_recv_batch(rx, msgs, 64, QUIRE_FOREVER);
    CHECK(count >= 32);
    for (long i = 0; i < count; i++) {
        is_number(&msgs[i], 1, (uint64_t)i, 8);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"batch: none is none", none_is_none, 0},
    {"batch: of every length", batches_of_every_length, 0},
    {"batch: larger than a page in sum", larger_than_a_page_in_sum, 0},
    {"batch: mixed sizes up to a page", mixed_sizes_in_one_batch, 0},
    {"batch: one size but for one message", one_size_but_for_one, 0},
    {"batch: one message too large sends none", too_large_sends_none, 0},
    {"batch: full in the middle, block", full_in_the_middle_block, 0},
    {"batch: full in the middle, reject", full_in_the_middle_reject, 0},
    {"batch: a run is adjacent", a_run_is_adjacent, 0},
    {"batch: receive what is ready", receive_what_is_ready, 0},
    {"batch: receive brings many at once", receive_brings_many, 0},
};
const struct test_table batch_table = TEST_TABLE(cases);
