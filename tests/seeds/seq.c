/* SPDX-License-Identifier: MIT */
/*
 * disk-chan's sequential case: 5,000,000 messages of 100 bytes sent, then received, by one
 * thread, with pages of 16 MiB and as many of them as it takes.
 *
 *   seq memory|directory
 */
#include <string.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>

#define COUNT 5000000u
#define SIZE  100u

static quire_t *open_large(void)
{
    struct quire_options options = cell_options(16u << 20, 2);

    options.full_policy = QUIRE_FULL_GROW;
    return cell_open(&options);
}

static void one_at_a_time(void)
{
    uint64_t count = test_scale(COUNT);
    quire_t *channel = open_large();
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    unsigned char data[SIZE];

    for (uint64_t i = 0; i < count; i++) {
        content_fill(data, sizeof(data), 1, i);
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
    }
    CHECK_EQ(stat_of(channel).messages, count);
    CHECK_EQ(group_of(channel, "g").lag_messages, count);
    CHECK_EQ(group_of(channel, "g").lag_bytes, count * record_bytes(SIZE));
    for (uint64_t i = 0; i < count; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void in_batches(void)
{
    enum { BATCH = 50 };
    uint64_t count = test_scale(COUNT / 5) / BATCH * BATCH + BATCH, received = 0;
    quire_t *channel = open_large();
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    static unsigned char data[BATCH][SIZE];
    struct quire_vec vec[BATCH];
    struct quire_msg msgs[BATCH];

    for (uint64_t sent = 0; sent < count; sent += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            content_fill(data[i], SIZE, 1, sent + i);
            vec[i] = (struct quire_vec){data[i], SIZE};
        }
        CHECK_EQ(quire_tx_send_batch(tx, vec, BATCH, QUIRE_FOREVER), BATCH);
    }
    while (received < count) {
        long got = quire_rx_recv_batch(rx, msgs, BATCH, QUIRE_FOREVER);

        if (got == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        CHECK(got > 0);
        for (long i = 0; i < got; i++) {
            is_number(&msgs[i], 1, received++, SIZE);
        }
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"seq: 5 M messages sent, then received", one_at_a_time, 300},
    {"seq: 1 M messages in batches", in_batches, 300},
};

int main(int argc, char **argv)
{
    const struct test_table tables[] = {TEST_TABLE(cases)};

    cell.directory = argc > 1 && strcmp(argv[1], "directory") == 0;
    return test_run(tables, 1, argc > 2 ? argv[2] : NULL);
}
