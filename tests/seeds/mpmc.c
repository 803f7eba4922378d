/* SPDX-License-Identifier: MIT */
/*
 * disk-chan's case of many: 4 producers and 4 consumers in one group, 16 pages of 16 MiB,
 * 5,000,000 messages of 100 bytes. Its ring lost half of them without a word. Here nothing may be
 * lost when the policy is to block, and every loss is in the account when it is to drop.
 *
 *   mpmc memory|directory
 */
#include <stdlib.h>
#include <string.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

enum { PRODUCERS = 4, CONSUMERS = 4 };
#define COUNT 5000000u
#define SIZE  100u

struct job {
    quire_t *channel;
    uint64_t each;          /* messages of one producer */
    unsigned char *seen;    /* PRODUCERS * each; one writer per cell unless there is a bug */
    qr_atomic_u64 received; /* by all consumers */
    qr_atomic_u64 told;     /* losses, by all consumers */
    qr_atomic_u32 sending;  /* producers that have not ended */
};

struct worker {
    struct job *job;
    uint64_t stream;
    struct thread thread;
};

static void produce(void *context)
{
    const struct worker *worker = context;
    quire_tx_t *tx = open_tx(worker->job->channel);
    unsigned char data[SIZE];

    for (uint64_t i = 0; i < worker->job->each; i++) {
        content_fill(data, sizeof(data), worker->stream, i);
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
    }
    quire_tx_close(tx);
    /* Pairs with the acquire in consume: all of this producer is sent. */
    qr_sub_acq_rel(&worker->job->sending, 1);
}

static void note(struct job *job, const struct quire_msg *msg, uint64_t *next)
{
    uint64_t stream, number;

    CHECK_EQ(msg->size, SIZE);
    CHECK(content_read(msg->data, msg->size, &stream, &number));
    CHECK(stream < PRODUCERS && number < job->each);
    CHECK(number >= next[stream]);
    next[stream] = number + 1;
    CHECK_EQ(job->seen[stream * job->each + number], 0);
    job->seen[stream * job->each + number] = 1;
}

/* Until nothing has come although every producer had ended before the last look. */
static void consume(void *context)
{
    const struct worker *worker = context;
    struct job *job = worker->job;
    quire_rx_t *rx = open_rx(job->channel, "g");
    uint64_t next[PRODUCERS] = {0}, received = 0, told = 0;

    for (;;) {
        /* Pairs with the end of produce. */
        int over = qr_load_acquire(&job->sending) == 0;
        struct quire_msg msg;
        int code = quire_rx_recv_until(rx, &msg, over ? 1 : deadline_soon());

        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
        } else if (code == QUIRE_LAPPED) {
            told += quire_rx_lost(rx).count;
        } else if (code == QUIRE_TIMEDOUT) {
            if (over) {
                break;
            }
        } else {
            CHECK_OK(code);
            note(job, &msg, next);
            received++;
        }
    }
    quire_rx_close(rx);
    qr_add_relaxed(&job->received, received); /* relaxed: read after the join */
    qr_add_relaxed(&job->told, told);
}

static void run(struct job *job)
{
    static struct worker producers[PRODUCERS], consumers[CONSUMERS];

    job->each = test_scale(COUNT) / PRODUCERS;
    job->seen = calloc(PRODUCERS, job->each);
    CHECK(job->seen != NULL);
    qr_store_relaxed(&job->sending, PRODUCERS); /* relaxed: no thread runs yet */
    quire_rx_close(open_rx(job->channel, "g"));
    for (unsigned i = 0; i < CONSUMERS; i++) {
        consumers[i].job = job;
        thread_start(&consumers[i].thread, consume, &consumers[i]);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i].job = job;
        producers[i].stream = i;
        thread_start(&producers[i].thread, produce, &producers[i]);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        thread_join(&producers[i].thread);
    }
    for (unsigned i = 0; i < CONSUMERS; i++) {
        thread_join(&consumers[i].thread);
    }
    CHECK_EQ(stat_of(job->channel).messages, PRODUCERS * job->each);
    CHECK_EQ(stat_of(job->channel).voids, 0);
    CHECK_EQ(group_of(job->channel, "g").lag_messages, 0);
}

static void nothing_is_lost(void)
{
    struct quire_options options = cell_options(16u << 20, 16);
    struct job job = {0};

    job.channel = cell_open(&options);
    run(&job);
    CHECK_EQ(qr_load_relaxed(&job.told), 0);
    CHECK_EQ(qr_load_relaxed(&job.received), PRODUCERS * job.each);
    for (uint64_t i = 0; i < PRODUCERS * job.each; i++) {
        CHECK_EQ(job.seen[i], 1);
    }
    free(job.seen);
    CHECK_OK(quire_close(job.channel));
}

/* A group that looks only when all is over: most is lost to it, and it is told how much. */
static void drain_late(quire_t *channel, quire_rx_t *late, uint64_t sent)
{
    uint64_t received = 0, told = 0;
    struct quire_msg msg;
    int code;

    while ((code = quire_rx_try_recv(late, &msg)) != QUIRE_EAGAIN) {
        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(late));
        } else if (code == QUIRE_LAPPED) {
            told += quire_rx_lost(late).count;
        } else {
            CHECK_OK(code);
            received++;
        }
    }
    CHECK(told > 0);
    CHECK_EQ(received + told, sent);
    CHECK_EQ(group_of(channel, "late").lost, told);
}

static void every_loss_is_counted(void)
{
    struct quire_options options = cell_options(65536, 16);
    struct job job = {0};
    uint64_t seen = 0;
    quire_rx_t *late;

    options.full_policy = QUIRE_FULL_DROP_OLDEST;
    job.channel = cell_open(&options);
    late = open_rx(job.channel, "late");
    run(&job);
    for (uint64_t i = 0; i < PRODUCERS * job.each; i++) {
        seen += job.seen[i];
    }
    CHECK_EQ(qr_load_relaxed(&job.received), seen);
    CHECK_EQ(seen + qr_load_relaxed(&job.told), PRODUCERS * job.each);
    CHECK_EQ(group_of(job.channel, "g").lost, qr_load_relaxed(&job.told));
    CHECK_EQ(stat_of(job.channel).dropped, 0);
    drain_late(job.channel, late, PRODUCERS * job.each);
    free(job.seen);
    quire_rx_close(late);
    CHECK_OK(quire_close(job.channel));
}

static const struct test_case cases[] = {
    {"mpmc: nothing is lost", nothing_is_lost, 300},
    {"mpmc: every loss is counted (vector#8209)", every_loss_is_counted, 300},
};

int main(int argc, char **argv)
{
    const struct test_table tables[] = {TEST_TABLE(cases)};

    cell.directory = argc > 1 && strcmp(argv[1], "directory") == 0;
    return test_run(tables, 1, argc > 2 ? argv[2] : NULL);
}
