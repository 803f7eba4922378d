/* SPDX-License-Identifier: MIT */
/* The descriptor of a consumer: readable while the handle is not known to have nothing. */
#include <poll.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/process.h>
#include <tests/support/thread.h>

#define SIZE  24u
#define BATCH 3u

struct sender {
    quire_tx_t *tx;
    qr_atomic_u64 received; /* messages */
    uint64_t batches;
};

/* A batch when the last one was received, about when the receiver goes to sleep. */
static void send_batches(void *context)
{
    struct sender *sender = context;
    static unsigned char data[BATCH][SIZE];
    struct quire_vec vec[BATCH];

    for (uint64_t n = 0; n < sender->batches; n++) {
        for (uint64_t i = 0; i < BATCH; i++) {
            content_fill(data[i], SIZE, 1, n * BATCH + i);
            vec[i] = (struct quire_vec){data[i], SIZE};
        }
        /* Relaxed: only the moment matters. */
        while (qr_load_relaxed(&sender->received) < n * BATCH) {
            qr_pause();
        }
        for (uint64_t spins = n % 97 * 8; spins > 0; spins--) {
            qr_pause();
        }
        CHECK_EQ(quire_tx_send_batch(sender->tx, vec, BATCH, QUIRE_FOREVER), BATCH);
    }
}

/*
 * One receive each time the descriptor is readable. The look that a receive makes after it was
 * counted among the sleepers may find the first message of a batch whose sender saw nobody asleep:
 * the others must be told of as well.
 */
static void one_receive_at_a_time(void)
{
    quire_t *channel = cell_small(4);
    quire_rx_t *rx = open_rx_run(channel, "g", 1);
    struct sender sender = {open_tx(channel), 0, test_scale(30000)};
    struct pollfd fd = {.fd = quire_rx_fd(rx), .events = POLLIN};
    uint64_t number = 0;
    struct thread thread;

    thread_start(&thread, send_batches, &sender);
    while (number < sender.batches * BATCH) {
        struct quire_msg msg;
        int code;

        CHECK_EQ(poll(&fd, 1, -1), 1);
        code = quire_rx_try_recv(rx, &msg);
        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
        } else if (code != QUIRE_EAGAIN) {
            CHECK_OK(code);
            is_number(&msg, 1, number, SIZE);
            /* Relaxed: see send_batches. */
            qr_store_relaxed(&sender.received, ++number);
        }
    }
    thread_join(&thread);
    quire_rx_close(rx);
    quire_tx_close(sender.tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"loop: one receive each time the descriptor is readable", one_receive_at_a_time, 0},
};
const struct test_table loop_table = TEST_TABLE(cases);
