/* SPDX-License-Identifier: MIT */
/* One message from a producer to a consumer: sizes, refusals, positions. */
#include <stdlib.h>
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>

static void send_one_receive_one(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg;

    CHECK_OK(quire_tx_send(tx, "a gathering of pages", 20));
    CHECK_OK(quire_rx_recv(rx, &msg));
    CHECK_EQ(msg.size, 20);
    CHECK_EQ(msg.flags, 0);
    CHECK_EQ(msg.position, QUIRE_POSITION(0, 0));
    CHECK(memcmp(msg.data, "a gathering of pages", 20) == 0);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void empty_is_eagain(void)
{
    quire_t *channel = cell_small(2);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg, before;

    memset(&msg, 0x5a, sizeof(msg));
    before = msg;
    for (int i = 0; i < 3; i++) {
        CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN);
        CHECK(memcmp(&msg, &before, sizeof(msg)) == 0);
    }
    CHECK_CODE(quire_rx_recv_until(rx, &msg, deadline_soon()), QUIRE_TIMEDOUT);
    CHECK(memcmp(&msg, &before, sizeof(msg)) == 0);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static void empty_after_the_last(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t i = 0; i < 1000; i++) {
        put(tx, 1, i, 24);
        take_number(rx, 1, i, 24);
        take_nothing(rx);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void zero_length_is_a_message(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg;

    for (unsigned i = 0; i < 1000; i++) {
        CHECK_OK(quire_tx_send(tx, i % 2 ? NULL : "x", 0));
        put(tx, 1, i, 8);
        msg = take(rx);
        CHECK_EQ(msg.size, 0);
        CHECK(msg.data != NULL);
        take_number(rx, 1, i, 8);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void every_size(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (size_t size = 0; size <= SMALL_MAX; size++) {
        put(tx, 1, size, size);
        take_number(rx, 1, size, size);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* The trap of disk-chan: a message larger than a page made send loop for ever. */
static void too_large_claims_nothing(void)
{
    static const size_t sizes[] = {SMALL_MAX + 1, SMALL_PAGE, SMALL_PAGE + 1, 1u << 20};
    static unsigned char data[1u << 20];
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_stat before, after;
    void *room;

    put(tx, 1, 0, SMALL_MAX);
    before = stat_of(channel);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct quire_vec vec = {data, sizes[i]};

        CHECK_CODE(quire_tx_send(tx, data, sizes[i]), QUIRE_EMSGSIZE);
        CHECK_CODE(quire_tx_try_send(tx, data, sizes[i]), QUIRE_EMSGSIZE);
        CHECK_CODE(quire_tx_send_until(tx, data, sizes[i], deadline_far()), QUIRE_EMSGSIZE);
        CHECK_CODE(quire_tx_send_batch(tx, &vec, 1, QUIRE_FOREVER), QUIRE_EMSGSIZE);
        CHECK_CODE(quire_tx_reserve(tx, sizes[i], &room, QUIRE_FOREVER), QUIRE_EMSGSIZE);
        CHECK_CODE(quire_tx_commit(tx, 0), QUIRE_ESTATE);
    }
    CHECK_CODE(quire_tx_send(tx, data, SIZE_MAX), QUIRE_EMSGSIZE);
    CHECK_CODE(quire_tx_send(tx, data, (size_t)UINT32_MAX + 1), QUIRE_EMSGSIZE);
    CHECK_CODE(quire_tx_send(tx, data, (size_t)UINT32_MAX + 9), QUIRE_EMSGSIZE);
    after = stat_of(channel);
    CHECK_EQ(after.messages, before.messages);
    CHECK_EQ(after.end_position, before.end_position);
    CHECK_EQ(after.tail_page, before.tail_page);
    CHECK_EQ(after.turns, before.turns);
    CHECK_EQ(after.voids, 0);
    CHECK_EQ(quire_tx_position(tx), QUIRE_POSITION(0, 0));
    put(tx, 1, 1, SMALL_MAX);
    take_number(rx, 1, 0, SMALL_MAX);
    take_number(rx, 1, 1, SMALL_MAX);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* mmap_ringbuffer: a message that fits exactly. */
static void largest_is_what_the_plan_says(void)
{
    struct quire_options options = cell_options(16384, 2);
    static unsigned char data[16384];
    struct quire_plan plan;
    struct quire_msg msg;
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    channel = cell_open(&options);
    tx = open_tx(channel);
    rx = open_rx(channel, "g");
    content_fill(data, plan.message_bytes_max, 7, 7);
    CHECK_CODE(quire_tx_try_send(tx, data, plan.message_bytes_max + 1), QUIRE_EMSGSIZE);
    CHECK_OK(quire_tx_try_send(tx, data, plan.message_bytes_max));
    msg = take(rx);
    CHECK_EQ(msg.size, plan.message_bytes_max);
    CHECK(content_matches(msg.data, msg.size, 7, 7));
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Messages of many megabytes in a page that holds one or two of them. */
static void large_messages(void)
{
    enum { LARGE = 16 << 20 };
    struct quire_options options = cell_options(LARGE, 2);
    unsigned char *data = malloc(LARGE);
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    CHECK(data != NULL);
    options.max_messages = 16;
    channel = cell_open(&options);
    tx = open_tx(channel);
    rx = open_rx(channel, "g");
    for (uint64_t i = 0; i < 4; i++) {
        size_t size = i % 2 ? LARGE / 2 - RECORD_HEAD : LARGE - RECORD_HEAD;
        struct quire_msg msg;

        content_fill(data, size, 1, i);
        CHECK_OK(quire_tx_try_send(tx, data, size));
        msg = take(rx);
        CHECK_EQ(msg.size, size);
        CHECK(content_matches(msg.data, size, 1, i));
        CHECK_OK(quire_rx_release(rx));
    }
    free(data);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void a_page_holds_what_fits(void)
{
    static const size_t sizes[] = {0, 1, 8, 9, 24, 100, 1000, 2040, 2041, SMALL_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct quire_options options = cell_options(SMALL_PAGE, 3);
        quire_t *channel;
        quire_tx_t *tx;

        options.max_messages = 600;
        options.full_policy = QUIRE_FULL_REJECT;
        channel = cell_open(&options);
        tx = open_tx(channel);
        CHECK_EQ(fill(tx, 1, 0, sizes[i]), 3 * page_room(SMALL_PAGE, sizes[i]));
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

static void a_page_holds_max_messages(void)
{
    for (uint32_t max = 1; max <= 4; max++) {
        struct quire_options options = cell_options(SMALL_PAGE, 3);
        quire_t *channel;
        quire_tx_t *tx;
        quire_rx_t *rx;

        options.max_messages = max;
        channel = cell_open(&options);
        tx = open_tx(channel);
        rx = open_rx(channel, "g");
        CHECK_EQ(fill(tx, 1, 0, 10), 3 * max);
        for (uint32_t i = 0; i < 3 * max; i++) {
            struct quire_msg msg = take_number(rx, 1, i, 10);

            CHECK_EQ(msg.position, QUIRE_POSITION(i / max, i % max));
        }
        take_nothing(rx);
        quire_rx_close(rx);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

/* The format's ceiling: slot 65535 is never a message. */
static void a_page_holds_65535_messages(void)
{
    struct quire_options options = cell_options(1u << 20, 2);
    struct quire_msg msg = {0};
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    options.max_messages = QUIRE_MESSAGES_MAX;
    channel = cell_open(&options);
    tx = open_tx(channel);
    rx = open_rx(channel, "g");
    for (uint32_t i = 0; i < QUIRE_MESSAGES_MAX + 1; i++) {
        CHECK_OK(quire_tx_try_send(tx, &i, sizeof(i)));
    }
    CHECK_EQ(quire_tx_position(tx), QUIRE_POSITION(1, 0));
    for (uint32_t i = 0; i < QUIRE_MESSAGES_MAX + 1; i++) {
        msg = take(rx);
        CHECK_EQ(msg.position, QUIRE_POSITION(i / 65535, i % 65535));
        CHECK(msg.size == sizeof(i) && memcmp(msg.data, &i, sizeof(i)) == 0);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void position_of_the_last_sent(void)
{
    quire_t *channel = cell_policy(2, QUIRE_FULL_REJECT);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
    uint64_t last;

    CHECK_EQ(quire_tx_position(tx), UINT64_MAX);
    put(tx, 1, 0, 8);
    CHECK_EQ(quire_tx_position(tx), QUIRE_POSITION(0, 0));
    CHECK_EQ(quire_tx_position(other), UINT64_MAX);
    put(other, 2, 0, 8);
    CHECK_EQ(quire_tx_position(other), QUIRE_POSITION(0, 1));
    CHECK_EQ(quire_tx_position(tx), QUIRE_POSITION(0, 0));
    fill(tx, 1, 1, 8);
    last = quire_tx_position(tx);
    CHECK_CODE(try_put(tx, 1, 0, 8), QUIRE_FULL);
    CHECK_EQ(quire_tx_position(tx), last);
    CHECK_EQ(QUIRE_PAGE_OF(last), 1);
    CHECK_EQ(QUIRE_SLOT_OF(last) + 1, stat_of(channel).max_messages);
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

/* What the consumer sees is what the producer was told. */
static void positions_agree(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t last = 0;

    for (uint64_t i = 0; i < 3000; i++) {
        size_t size = content_size(1, i, 0, 400);
        struct quire_msg msg;

        put(tx, 1, i, size);
        msg = take_number(rx, 1, i, size);
        CHECK_EQ(msg.position, quire_tx_position(tx));
        CHECK(i == 0 || msg.position > last);
        last = msg.position;
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"transfer: send one, receive one", send_one_receive_one, 0},
    {"transfer: nothing there is EAGAIN and the message stays untouched", empty_is_eagain, 0},
    {"transfer: empty again after each message", empty_after_the_last, 0},
    {"transfer: a zero-length message is a message", zero_length_is_a_message, 0},
    {"transfer: every size from 0 to the largest", every_size, 0},
    {"transfer: a message larger than a page claims nothing", too_large_claims_nothing, 0},
    {"transfer: the largest message is what the plan says", largest_is_what_the_plan_says, 0},
    {"transfer: messages of many megabytes", large_messages, 0},
    {"transfer: a page holds as many as fit", a_page_holds_what_fits, 0},
    {"transfer: a page holds max_messages", a_page_holds_max_messages, 0},
    {"transfer: a page holds 65535 messages", a_page_holds_65535_messages, 0},
    {"transfer: position of the last message sent", position_of_the_last_sent, 0},
    {"transfer: producer and consumer agree on positions", positions_agree, 0},
};
const struct test_table transfer_table = TEST_TABLE(cases);
