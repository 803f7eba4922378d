/* SPDX-License-Identifier: MIT */
/*
 * mmap_ringbuffer's cases, and filechannel's of reading back: small rings, odd and mixed sizes,
 * several writers and readers, a reopened file.
 *
 *   ring memory|directory
 */
#include <string.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>

static void write_one_read_one(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg;

    take_nothing(rx);
    CHECK_OK(quire_tx_send(tx, "hello", 5));
    msg = take(rx);
    CHECK(msg.size == 5 && memcmp(msg.data, "hello", 5) == 0);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* There, 0 is an invalid size; here it is a message. Larger than the buffer is refused in both. */
static void sizes_that_are_odd(void)
{
    static unsigned char data[SMALL_PAGE + 1];
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    CHECK_OK(quire_tx_send(tx, data, 0));
    CHECK_EQ(take(rx).size, 0);
    CHECK_CODE(quire_tx_try_send(tx, data, SMALL_PAGE + 1), QUIRE_EMSGSIZE);
    CHECK_CODE(quire_tx_try_send(tx, data, SMALL_PAGE), QUIRE_EMSGSIZE);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void full_then_read_then_full(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = 0, received = 0;

    for (int turn = 0; turn < 20; turn++) {
        sent += fill(tx, 1, sent, 333);
        CHECK_CODE(try_put(tx, 1, sent, 333), QUIRE_FULL);
        while (received < sent) {
            take_number(rx, 1, received++, 333);
        }
        take_nothing(rx);
        CHECK_OK(quire_rx_release(rx));
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* There, small rings with odd sizes gave wrong data, false empties and panics. */
static void wrap_around_with_odd_sizes(void)
{
    for (uint32_t pages = 1; pages <= 3; pages++) {
        quire_t *channel = cell_small(pages);
        quire_tx_t *tx = open_tx(channel);
        quire_rx_t *rx = open_rx(channel, "g");
        struct random random = {pages};
        uint64_t sent = 0, received = 0;

        while (received < 20000) {
            uint64_t burst = random_below(&random, 40);

            while (burst-- > 0 && sent - received < 2000) {
                int code = try_put(tx, 1, sent, (size_t)(1 + 2 * (sent * 37 % 100)));

                if (code == QUIRE_FULL) {
                    break;
                }
                CHECK_OK(code);
                sent++;
            }
            burst = random_below(&random, 40);
            while (burst-- > 0 && received < sent) {
                take_number(rx, 1, received, (size_t)(1 + 2 * (received * 37 % 100)));
                received++;
            }
            if (received == sent) {
                take_nothing(rx);
                CHECK_OK(quire_rx_release(rx));
            }
        }
        quire_rx_close(rx);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

static void exact_fit(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t i = 0; i < 50; i++) {
        /* One that is all of the ring, then two that are all of it together. */
        put(tx, 1, i, SMALL_MAX);
        CHECK_CODE(try_put(tx, 1, i, 0), QUIRE_FULL);
        take_number(rx, 1, i, SMALL_MAX);
        CHECK_OK(quire_rx_release(rx));
        put(tx, 2, i, 1000);
        put(tx, 3, i, SMALL_MAX - record_bytes(1000));
        CHECK_CODE(try_put(tx, 1, i, 0), QUIRE_FULL);
        take_number(rx, 2, i, 1000);
        take_number(rx, 3, i, SMALL_MAX - record_bytes(1000));
        take_nothing(rx);
        CHECK_OK(quire_rx_release(rx));
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void mixed_sizes(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (unsigned turn = 0; turn < 20; turn++) {
        for (size_t size = 1; size <= 200; size++) {
            put(tx, turn, size, size);
            take_number(rx, turn, size, size);
        }
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

enum { WRITERS = 3, READERS = 2, EACH = 100 };

struct shared {
    quire_t *channel;
    qr_atomic_u64 received;
    qr_atomic_u32 seen[WRITERS * EACH];
};

struct worker {
    struct shared *shared;
    uint64_t stream;
    struct thread thread;
};

static void write_some(void *context)
{
    const struct worker *worker = context;
    quire_tx_t *tx = open_tx(worker->shared->channel);
    unsigned char data[256];

    for (uint64_t i = 0; i < EACH; i++) {
        size_t size = content_size(worker->stream, i, CONTENT_NAMED_MIN, sizeof(data));

        content_fill(data, size, worker->stream, i);
        CHECK_OK(quire_tx_send(tx, data, size));
    }
    quire_tx_close(tx);
}

static void read_some(void *context)
{
    const struct worker *worker = context;
    struct shared *shared = worker->shared;
    quire_rx_t *rx = open_rx(shared->channel, "g");

    /* Relaxed: only says when to stop. */
    while (qr_load_relaxed(&shared->received) < WRITERS * EACH) {
        uint64_t stream, number;
        struct quire_msg msg;
        int code = quire_rx_recv_until(rx, &msg, deadline_soon());

        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
        } else if (code != QUIRE_TIMEDOUT) {
            CHECK_OK(code);
            CHECK(content_read(msg.data, msg.size, &stream, &number));
            CHECK(stream < WRITERS && number < EACH);
            CHECK_EQ(qr_add_acq_rel(&shared->seen[stream * EACH + number], 1), 0);
            qr_add_relaxed(&shared->received, 1);
        }
    }
    quire_rx_close(rx);
}

static void three_writers_two_readers(void)
{
    for (unsigned round = 0; round < 20; round++) {
        static struct worker workers[WRITERS + READERS];
        static struct shared shared;

        memset(&shared, 0, sizeof(shared));
        shared.channel = cell_small(1 + round % 4);
        quire_rx_close(open_rx(shared.channel, "g"));
        for (unsigned i = 0; i < WRITERS + READERS; i++) {
            workers[i].shared = &shared;
            workers[i].stream = i;
            thread_start(&workers[i].thread, i < WRITERS ? write_some : read_some, &workers[i]);
        }
        for (unsigned i = 0; i < WRITERS + READERS; i++) {
            thread_join(&workers[i].thread);
        }
        for (unsigned i = 0; i < WRITERS * EACH; i++) {
            CHECK_EQ(qr_load_relaxed(&shared.seen[i]), 1);
        }
        CHECK_OK(quire_close(shared.channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

static void reopen_and_read(void)
{
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    if (!cell.directory) {
        test_skip("a channel in memory is not reopened");
    }
    channel = cell_small(4);
    tx = open_tx(channel);
    for (uint64_t i = 0; i < 10; i++) {
        put(tx, 1, i, (size_t)(i * 21 + 1));
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    rx = open_rx(channel, "g");
    for (uint64_t i = 0; i < 10; i++) {
        take_number(rx, 1, i, (size_t)(i * 21 + 1));
    }
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* filechannel: strings of 0..512 bytes, read back by independent receivers, then nothing more. */
static void strings_read_by(unsigned receivers, uint64_t count)
{
    struct quire_options options = cell_options(1u << 20, 16);
    static const char *const names[] = {"a", "b", "c", "d"};
    unsigned char data[512];
    quire_rx_t *rx[4];
    quire_t *channel;
    quire_tx_t *tx;

    options.max_messages = QUIRE_MESSAGES_MAX;
    channel = cell_open(&options);
    tx = open_tx(channel);
    for (unsigned r = 0; r < receivers; r++) {
        rx[r] = open_rx(channel, names[r]);
    }
    for (uint64_t i = 0; i < count; i++) {
        size_t size = content_size(1, i, 0, 512);

        content_fill(data, size, 1, i);
        CHECK_OK(quire_tx_try_send(tx, data, size));
    }
    for (unsigned r = 0; r < receivers; r++) {
        struct quire_msg msg;

        for (uint64_t i = 0; i < count; i++) {
            take_number(rx[r], 1, i, content_size(1, i, 0, 512));
        }
        CHECK_CODE(quire_rx_recv_until(rx[r], &msg, deadline_soon()), QUIRE_TIMEDOUT);
        quire_rx_close(rx[r]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void strings_read_by_one(void)
{
    strings_read_by(1, 32768);
}

static void strings_read_by_four(void)
{
    strings_read_by(4, 32768);
}

/* filechannel: 2 Mi messages of 12 bytes, followed by a reader. */
static void many_small_messages(void)
{
    struct quire_options options = cell_options(1u << 20, 4);
    uint64_t count = test_scale(2u << 20);
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t i = 0; i < count; i++) {
        put(tx, 1, i, 12);
        take_number(rx, 1, i, 12);
    }
    take_nothing(rx);
    CHECK(stat_of(channel).pages_made <= 4);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"ring: write one, read one", write_one_read_one, 0},
    {"ring: nothing and too much", sizes_that_are_odd, 0},
    {"ring: full, read, full again", full_then_read_then_full, 0},
    {"ring: wrap around with odd sizes", wrap_around_with_odd_sizes, 0},
    {"ring: exact fit", exact_fit, 0},
    {"ring: mixed sizes 1..200", mixed_sizes, 0},
    {"ring: 3 writers, 2 readers, 300 messages", three_writers_two_readers, 0},
    {"ring: reopen and read", reopen_and_read, 0},
    {"ring: strings of 0..512 bytes read by one", strings_read_by_one, 0},
    {"ring: strings of 0..512 bytes read by four", strings_read_by_four, 0},
    {"ring: 2 Mi messages of 12 bytes", many_small_messages, 120},
};

int main(int argc, char **argv)
{
    const struct test_table tables[] = {TEST_TABLE(cases)};

    cell.directory = argc > 1 && strcmp(argv[1], "directory") == 0;
    return test_run(tables, 1, argc > 2 ? argv[2] : NULL);
}
