/* SPDX-License-Identifier: MIT */
/* The count of voids of a frame whose pages are 65536 apart, which its words cannot tell apart. */
#include <criterion/criterion.h>
#include <lib/account.h>
#include <quire.h>
#include <string.h>

static quire_t *channel;
static const struct qr_frame *frame;

static void open_channel(void)
{
    cr_assert_eq(quire_open(&channel, NULL, NULL), 0);
    frame = qr_store_frame_mapped(channel->store, 0);
    cr_assert_not_null(frame);
}

static void close_channel(void)
{
    cr_assert_eq(quire_close(channel), 0);
}

TestSuite(account, .init = open_channel, .fini = close_channel);

/* Frame 0 goes to a page, which then has voids. relaxed throughout: one thread. */
static void turn(uint64_t page_no, uint32_t voids)
{
    qr_store_relaxed(&channel->view.life[0], qr_life(page_no, 0));
    qr_void_turn(channel, frame->header, 0, page_no);
    if (voids > 0)
        qr_void_add(frame->header, page_no, voids);
}

Test(account, voids_of_pages_far_apart)
{
    turn(3, 2);
    cr_expect_eq(qr_void_total(channel), 2);
    turn(8, 0);
    cr_expect_eq(qr_void_total(channel), 2);
    turn(65536 + 3, 0);
    cr_expect_eq(qr_void_total(channel), 2, "the old count passed for the new page's");
    turn(65536 + 9, 0);
    cr_expect_eq(qr_void_total(channel), 2);
}

Test(account, voids_of_pages_next_but_far_apart)
{
    turn(3, 2);
    turn(65536 + 3, 5);
    cr_expect_eq(qr_void_total(channel), 7, "the new count replaced the old one");
    turn(2 * 65536 + 3, 1);
    cr_expect_eq(qr_void_total(channel), 8);
    turn(4, 0);
    cr_expect_eq(qr_void_total(channel), 8);
}

Test(account, a_turn_that_is_helped_counts_once)
{
    turn(3, 2);
    turn(65536 + 3, 0);
    turn(65536 + 3, 0);
    turn(65536 + 3, 1);
    turn(65536 + 3, 0);
    cr_expect_eq(qr_void_total(channel), 3);
}

Test(account, a_page_the_frame_is_taken_for_once_more)
{
    turn(3, 2);
    turn(8, 1);
    turn(3, 0);
    cr_expect_eq(qr_void_total(channel), 3, "what had gone into the sum was counted again");
    turn(9, 0);
    cr_expect_eq(qr_void_total(channel), 3);
}

Test(account, and_where_nothing_came_between)
{
    turn(3, 2);
    turn(8, 0);
    turn(3, 0);
    cr_expect_eq(qr_void_total(channel), 2);
    turn(3, 0);
    turn(65536 + 3, 4);
    cr_expect_eq(qr_void_total(channel), 6);
}
