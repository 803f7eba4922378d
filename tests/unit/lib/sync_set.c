/* SPDX-License-Identifier: MIT */
/*
 * How far a commit may say that everything is published: what happens between its look for the
 * last claim and its walk is made to happen here, so the source is included and not linked.
 */
#include <criterion/criterion.h>
#include <lib/sync_set.c>
#include <quire.h>
#include <tests/support/temp.h>

#define PER_PAGE 16u

static quire_t *channel;
static quire_tx_t *tx;
static quire_rx_t *rx;

static void set_up(void)
{
    char path[TEMP_PATH_MAX];
    struct quire_options options = QUIRE_OPTIONS_INIT;
    temp_begin();
    options.flags = QUIRE_CREATE;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_messages = PER_PAGE;
    options.max_pages = 2;
    cr_assert_eq(quire_open(&channel, temp_path(path, "channel"), &options), 0);
    cr_assert_eq(quire_tx_open(channel, NULL, &tx), 0);
    cr_assert_eq(quire_rx_subscribe(channel, "g", NULL, NULL, &rx), 0);
}

static void take_down(void)
{
    quire_rx_close(rx);
    quire_tx_close(tx);
    cr_assert_eq(quire_close(channel), 0);
    temp_end();
}

TestSuite(sync_set, .init = set_up, .fini = take_down);

static void send_messages(uint32_t count)
{
    while (count-- > 0)
        cr_assert_eq(quire_tx_send(tx, "x", 1), 0);
}

static void receive_messages(uint32_t count)
{
    struct quire_msg msg;
    while (count > 0) {
        int rc = quire_rx_try_recv(rx, &msg);
        if (rc == QUIRE_PAGE_END)
            cr_assert_eq(quire_rx_next_page(rx), 0);
        else
            count--;
        cr_assert(rc == 0 || rc == QUIRE_PAGE_END);
    }
    cr_assert_eq(quire_rx_release(rx), 0);
}

static uint64_t walked(uint64_t from, uint64_t end)
{
    cr_assert_eq(walk(channel, &from, end), 0);
    return from;
}

Test(sync_set, walks_to_the_last_claim)
{
    send_messages(PER_PAGE + 3);
    cr_expect_eq(walked(0, QUIRE_POSITION(1, 3)), QUIRE_POSITION(1, 3));
}

Test(sync_set, stops_before_what_is_not_published)
{
    void *data;
    send_messages(2);
    cr_assert_eq(quire_tx_reserve(tx, 1, &data, 0), 0);
    cr_expect_eq(walked(0, QUIRE_POSITION(0, 3)), QUIRE_POSITION(0, 2));
    cr_assert_eq(quire_tx_abort(tx), 0);
    cr_expect_eq(walked(0, QUIRE_POSITION(0, 3)), QUIRE_POSITION(0, 3));
}

/* The last claim was seen in page 0; since then its frame, and that of page 1, went to 2 and 3. */
Test(sync_set, does_not_walk_into_pages_that_were_opened_since)
{
    uint64_t end = QUIRE_POSITION(0, 5);
    send_messages(PER_PAGE);
    receive_messages(PER_PAGE);
    send_messages(PER_PAGE);
    receive_messages(PER_PAGE);
    send_messages(PER_PAGE + 1);
    cr_expect_eq(walked(0, end), end);
}

/* The same, and nothing is held from there on. */
Test(sync_set, walks_over_pages_that_are_gone)
{
    uint64_t end = QUIRE_POSITION(9, 5);
    cr_expect_eq(walked(QUIRE_POSITION(8, 0), end), end);
}
