/* SPDX-License-Identifier: MIT */
/*
 * A power loss in the first life of a channel, before anything was committed: nothing was promised,
 * and what was written all the same is of any age. What is sent afterwards arrives.
 */
#include <string.h>
#include <tests/durable/reboot.h>
#include <tests/durable/rig.h>

#define FIRST 9u
#define AFTER 40u

/* Of stream 0 what has survived, each once and in order, before all of stream 1. */
static void receive_after(quire_t *channel)
{
    uint64_t stream, number, next[2] = {0};
    struct quire_msg msg;
    quire_rx_t *rx;
    int rc;
    CHECK_OK(quire_rx_subscribe(channel, "g", NULL, NULL, &rx));
    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        CHECK_OK(rc);
        CHECK(content_read(msg.data, msg.size, &stream, &number) && stream < 2);
        CHECK(number >= next[stream] && number < (stream ? AFTER : FIRST));
        CHECK(stream == 1 || next[1] == 0);
        CHECK(stream == 0 || number == next[1]);
        next[stream] = number + 1;
    }
    CHECK_EQ(next[1], AFTER);
    quire_rx_close(rx);
}

static void send_after(quire_tx_t *tx)
{
    unsigned char bytes[SIZE_MAX_OF_MESSAGE];
    for (uint64_t n = 0; n < AFTER; n++) {
        size_t size = rig_size(1, n);
        content_fill(bytes, size, 1, n);
        CHECK_OK(quire_tx_send(tx, bytes, size));
    }
}

static void power_lost_in_the_first_life(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    for (uint64_t seed = 0; seed < test_scale(60); seed++) {
        char after[TEMP_PATH_MAX];
        struct rig rig;
        quire_rx_t *rx;
        disk_begin();
        rig_open(&rig, &options);
        CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
        for (uint32_t i = 0; i < FIRST; i++) {
            CHECK_OK(rig_send(&rig));
        }
        reboot_write(temp_path(after, "after"), seed);
        quire_rx_close(rx);
        rig_close(&rig);
        disk_end();
        temp_remove(rig.path);
        memcpy(rig.path, after, sizeof(after));
        rig_reopen(&rig, &options);
        send_after(rig.tx);
        receive_after(rig.channel);
        rig_close(&rig);
        temp_remove(after);
    }
}

static const struct test_case cases[] = {
    {"young_power_lost_in_the_first_life", power_lost_in_the_first_life, 0},
};
const struct test_table young_table = TEST_TABLE(cases);
