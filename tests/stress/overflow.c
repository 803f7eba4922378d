/* SPDX-License-Identifier: MIT */
/*
 * I12: the fields of the claim word never overflow into each other. The arithmetic holds for the
 * worst that the handles can do, and as many handles as there are, adding the largest batches to
 * pages that are full, leave the account of the channel exact.
 */
#include <lib/claim.h>
#include <quire.h>
#include <sched.h>
#include <stdlib.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/thread.h>

/* Each handle adds at most once to a word that is over, and at most one add takes it over. */
static void fields_hold_the_worst(void)
{
    const uint64_t handles = QUIRE_HANDLES_MAX;
    uint64_t count = QUIRE_MESSAGES_MAX + handles * QR_CLAIM_COUNT_MAX;
    CHECK(count <= QR_CLAIM_COUNT_MASK);
    for (uint64_t size = QUIRE_PAGE_SIZE_MIN; size <= QUIRE_PAGE_SIZE_MAX; size *= 2) {
        uint64_t capacity = size / 8;
        uint64_t units = capacity + handles * qr_claim_add_max(capacity);
        CHECK(units <= QR_CLAIM_UNITS_MASK);
        /* a run is at most an eighth of a page, or the rest is done by compare-exchange */
        CHECK(qr_claim_add_max(capacity) > 0);
    }
    uint64_t word = qr_claim_open(5);
    word += qr_claim_add(QR_CLAIM_UNITS_CAP, QUIRE_MESSAGES_MAX);
    for (uint64_t i = 0; i < handles; i++) {
        word += qr_claim_add(qr_claim_add_max(QR_CLAIM_UNITS_CAP), QR_CLAIM_COUNT_MAX);
        CHECK(qr_claim_over(word, QUIRE_MESSAGES_MAX, QR_CLAIM_UNITS_CAP));
    }
    CHECK_EQ(qr_claim_tag(word), 5);
    CHECK_EQ(qr_claim_count(word), count);
}

#define THREADS    48u
#define PER_THREAD (QUIRE_HANDLES_MAX / THREADS)

struct crowd {
    quire_t *channel;
    pthread_barrier_t barrier;
    uint64_t rounds;
    size_t size; /* of each message */
    qr_atomic_u64 sent;
    struct thread thread[THREADS];
    quire_tx_t *tx[THREADS][PER_THREAD];
    qr_atomic_u32 next; /* which thread is which */
};

static uint64_t batch_once(struct crowd *crowd, quire_tx_t *tx, uint64_t stream)
{
    unsigned char bytes[64];
    struct quire_vec vec[QR_CLAIM_COUNT_MAX];
    content_fill(bytes, crowd->size, stream, 0);
    for (uint32_t i = 0; i < QR_CLAIM_COUNT_MAX; i++) {
        vec[i].data = bytes;
        vec[i].size = crowd->size;
    }
    long n = quire_tx_send_batch(tx, vec, QR_CLAIM_COUNT_MAX, 0);
    if (n < 0) {
        CHECK_CODE(n, QUIRE_FULL);
        return 0;
    }
    CHECK(n > 0 && n <= (long)QR_CLAIM_COUNT_MAX);
    return (uint64_t)n;
}

/* Every round the ring has become empty: all handles rush at it until each was told FULL. */
static void crowd_main(void *context)
{
    struct crowd *crowd = context;
    uint32_t me = qr_add_relaxed(&crowd->next, 1); /* a number of its own */
    for (uint64_t round = 0; round < crowd->rounds; round++) {
        uint64_t sent = 0;
        pthread_barrier_wait(&crowd->barrier);
        for (uint32_t i = 0; i < PER_THREAD; i++) {
            sent += batch_once(crowd, crowd->tx[me][i], me * PER_THREAD + i);
        }
        qr_add_relaxed(&crowd->sent, sent); /* read after the barrier */
        pthread_barrier_wait(&crowd->barrier);
        pthread_barrier_wait(&crowd->barrier); /* main drains between these two */
    }
}

static uint64_t drain(struct crowd *crowd, quire_rx_t *rx)
{
    uint64_t got = 0;
    for (;;) {
        struct quire_msg msg;
        uint64_t stream;
        uint64_t number;
        int rc = quire_rx_try_recv(rx, &msg);
        if (rc == QUIRE_EAGAIN) {
            return got;
        }
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        CHECK_OK(rc);
        CHECK_EQ(msg.size, crowd->size);
        CHECK(content_read(msg.data, msg.size, &stream, &number));
        CHECK(stream < THREADS * PER_THREAD);
        got++;
    }
}

static void open_crowd(struct crowd *crowd, uint32_t max_messages, quire_rx_t **rx)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    options.page_size = 65536;
    options.max_pages = 2;
    options.max_messages = max_messages;
    options.full_policy = QUIRE_FULL_REJECT;
    CHECK_OK(quire_open(&crowd->channel, NULL, &options));
    CHECK_OK(quire_rx_subscribe(crowd->channel, "all", NULL, NULL, rx));
    for (uint32_t i = 0; i < THREADS; i++) {
        for (uint32_t k = 0; k < PER_THREAD; k++) {
            CHECK_OK(quire_tx_open(crowd->channel, NULL, &crowd->tx[i][k]));
        }
    }
}

static void check_round(struct crowd *crowd, quire_rx_t *rx, uint64_t *received)
{
    struct quire_stat stat;
    *received += drain(crowd, rx);
    CHECK_OK(quire_rx_release(rx));
    CHECK_EQ(*received, qr_load_relaxed(&crowd->sent)); /* all threads stand at the barrier */
    CHECK_OK(quire_stat(crowd->channel, &stat));
    CHECK_EQ(stat.messages, *received);
    CHECK_EQ(stat.voids, 0);
}

static void crowd_run(uint32_t max_messages, size_t size)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    quire_rx_t *rx;
    uint64_t received = 0;
    CHECK(crowd != NULL);
    crowd->rounds = test_scale(60);
    crowd->size = size;
    CHECK_EQ(pthread_barrier_init(&crowd->barrier, NULL, THREADS + 1), 0);
    open_crowd(crowd, max_messages, &rx);
    for (uint32_t i = 0; i < THREADS; i++) {
        thread_start(&crowd->thread[i], crowd_main, crowd);
    }
    for (uint64_t round = 0; round < crowd->rounds; round++) {
        pthread_barrier_wait(&crowd->barrier);
        pthread_barrier_wait(&crowd->barrier);
        uint64_t before = received;
        check_round(crowd, rx, &received);
        /* both pages were free, and the first run fits in an empty one whole */
        CHECK(received - before >= QR_CLAIM_COUNT_MAX);
        pthread_barrier_wait(&crowd->barrier);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        thread_join(&crowd->thread[i]);
        for (uint32_t k = 0; k < PER_THREAD; k++) {
            quire_tx_close(crowd->tx[i][k]);
        }
    }
    quire_rx_close(rx);
    CHECK_OK(quire_close(crowd->channel));
    pthread_barrier_destroy(&crowd->barrier);
    free(crowd);
}

static void crowd_of_handles_out_of_slots(void)
{
    crowd_run(100, 16);
}

static void crowd_of_handles_out_of_bytes(void)
{
    crowd_run(65535, 64);
}

static void no_more_handles_than_there_are(void)
{
    static quire_tx_t *tx[QUIRE_HANDLES_MAX];
    quire_tx_t *more;
    quire_t *channel;
    CHECK_OK(quire_open(&channel, NULL, NULL));
    for (uint32_t i = 0; i < QUIRE_HANDLES_MAX; i++) {
        CHECK_OK(quire_tx_open(channel, NULL, &tx[i]));
    }
    CHECK_CODE(quire_tx_open(channel, NULL, &more), QUIRE_EHANDLES);
    quire_tx_close(tx[7]);
    CHECK_OK(quire_tx_open(channel, NULL, &tx[7]));
    for (uint32_t i = 0; i < QUIRE_HANDLES_MAX; i++) {
        CHECK_OK(quire_tx_send(tx[i], &i, sizeof(i)));
        quire_tx_close(tx[i]);
    }
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"fields_hold_the_worst", fields_hold_the_worst, 0},
    {"crowd_of_handles_out_of_slots", crowd_of_handles_out_of_slots, 140},
    {"crowd_of_handles_out_of_bytes", crowd_of_handles_out_of_bytes, 140},
    {"no_more_handles_than_there_are", no_more_handles_than_there_are, 0},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
