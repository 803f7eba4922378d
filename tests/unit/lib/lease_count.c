/* SPDX-License-Identifier: MIT */
/* What a group has leased, and how many pages hold something, while frames come to pages and lose
 * them. */
#include <criterion/criterion.h>
#include <lib/channel.h>
#include <quire.h>

#define PER_PAGE 16u
#define LEASED   5u

static uint64_t leased(quire_t *channel)
{
    struct quire_group_stat stat;
    cr_assert_eq(quire_stat_groups(channel, &stat, 1), 1);
    return stat.leased;
}

static uint32_t used(quire_t *channel)
{
    struct quire_stat stat;
    cr_assert_eq(quire_stat(channel, &stat), 0);
    return stat.pages_used;
}

/* Frames that say they have the page. */
static uint32_t holders(quire_t *channel, uint64_t page_no)
{
    struct quire_page_stat stats[16];
    long count = quire_stat_pages(channel, stats, 16);
    uint32_t n = 0;
    cr_assert(count > 0 && count <= 16);
    for (long i = 0; i < count; i++)
        n += stats[i].page_no == page_no;
    return n;
}

/* Two that prepare one page both take a frame for it, and one gives its own back: between the two
 * there are two frames of that number, of which one has nothing to say of the page. */
Test(lease_count, a_frame_that_loses_its_page_counts_for_nothing)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_group_options acks = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options how = QUIRE_RX_OPTIONS_INIT;
    struct quire_msg msg;
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    options.keeper = QUIRE_KEEPER_CALLER;
    options.page_size = 4096;
    options.max_pages = 4;
    options.max_messages = PER_PAGE;
    acks.mode = QUIRE_GROUP_ACK;
    how.group = &acks;
    cr_assert_eq(quire_open(&channel, NULL, &options), 0);
    cr_assert_eq(quire_tx_open(channel, NULL, &tx), 0);
    cr_assert_eq(quire_rx_subscribe(channel, "g", NULL, &how, &rx), 0);
    /* Some pages, so that there are frames; then some messages of the page at hand. */
    for (uint64_t i = 0; i < 4 * PER_PAGE + LEASED; i++) {
        int rc;
        cr_assert_eq(quire_tx_send(tx, &i, sizeof(i)), 0);
        while ((rc = quire_rx_recv(rx, &msg)) == QUIRE_PAGE_END)
            quire_rx_next_page(rx);
        cr_assert_eq(rc, 0);
        if (i < 4 * PER_PAGE)
            cr_assert_eq(quire_rx_ack(rx, msg.position), 0);
    }
    cr_assert_eq(leased(channel), LEASED);
    uint64_t page_no = QUIRE_PAGE_OF(msg.position);
    /* relaxed, all: one thread. */
    uint64_t own = qr_load_relaxed(&channel->view.directory[page_no & channel->directory_mask]);
    uint32_t rival = qr_dirent_frame(own) == 0;
    uint32_t pages = used(channel);
    uint64_t life = qr_load_relaxed(&channel->view.life[rival]);
    cr_assert_lt(rival, qr_load_relaxed(&channel->frames_high));
    qr_store_relaxed(&channel->view.life[rival], qr_life(page_no, 0));
    cr_expect_eq(leased(channel), LEASED);
    cr_expect_eq(used(channel), pages);
    cr_expect_eq(holders(channel, page_no), 1);
    qr_store_relaxed(&channel->view.life[rival], life);
    quire_rx_close(rx);
    quire_tx_close(tx);
    cr_assert_eq(quire_close(channel), 0);
}
