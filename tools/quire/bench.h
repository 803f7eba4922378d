/* SPDX-License-Identifier: MIT */
/*
 * quire bench: generated messages from producers to the consumers of one group, timed, and every
 * one accounted for.
 *
 * Message: 8 bytes of identity (producer << 48 | number), 8 bytes of time (0 when this message is
 * not timed), then a body that differs from buffer to buffer. Shorter messages hold what fits.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <quire/rx.h>
#include <quire/stat.h>
#include <quire/tx.h>
#include <stddef.h>
#include <stdint.h>
#include <tools/quire/crew.h>
#include <tools/quire/hash.h>
#include <tools/quire/histogram.h>

#define CLI_BENCH_THREADS_MAX 256u
#define CLI_BENCH_RUNS_MAX    1000u
#define CLI_BENCH_BATCH_MAX   4096u
#define CLI_BENCH_SAMPLE      64u /* without --rate every 64th message is timed */

enum cli_bench_quantile { CLI_P50, CLI_P90, CLI_P99, CLI_P99_9, CLI_MAX, CLI_QUANTILES };
extern const char *const cli_bench_quantile_names[CLI_QUANTILES];

/* One run. */
struct cli_bench_result {
    double seconds;
    double messages_per_s;
    double bytes_per_s;
    double latency_ns[CLI_QUANTILES];
    uint64_t latency_samples;
    double minor_faults;
    /* with a durability other than none */
    double durable_per_s; /* messages, until the last of them was durable */
    double commits;
    double commit_ns; /* the mean time of one; 0 when there was none */
};

struct cli_bench {
    /* asked for */
    uint32_t producers;
    uint32_t consumers;
    uint64_t size; /* bytes of a message */
    uint32_t batch;
    uint64_t messages;
    uint32_t runs;
    uint64_t rate;      /* messages per second, 0: as fast as possible */
    int messages_given; /* 0: the default */
    int directory;
    const char *parent; /* where the channel's directory is made */
    int json;
    struct quire_options options;
    struct quire_plan plan;
    /* the run under way */
    quire_t *channel;
    struct cli_crew crew;
    struct cli_bench_thread *threads; /* producers, then consumers */
    uint64_t run_messages;
    struct cli_bench_result *results; /* runs of them */
    struct quire_stat stat;           /* after the last run */
};

static inline int cli_bench_durable(const struct cli_bench *bench)
{
    return bench->options.durability != QUIRE_DURABLE_NONE;
}

/* The thread's own until it is joined. */
struct cli_bench_thread {
    struct cli_bench *bench;
    uint32_t index;
    int producer;
    unsigned char *buffers; /* producers: slots of them */
    struct quire_vec *vec;  /* producers: one for each slot */
    size_t slots;
    uint64_t *body_sums;         /* producers: of each slot */
    struct cli_account expected; /* producers: of what they are to send, computed before */
    struct cli_account account;  /* consumers: of what they received */
    uint64_t wrong_size;
    uint64_t last_ns;    /* when a message was last seen to arrive ... */
    uint64_t last_count; /* ... and how many had by then */
    struct cli_histogram latency;
};

static inline int cli_bench_timed(const struct cli_bench *bench)
{
    return bench->size >= 16;
}

static inline uint64_t cli_bench_share(const struct cli_bench *bench, uint32_t producer)
{
    return (bench->run_messages - producer + bench->producers - 1) / bench->producers;
}

/* Whether a message carries a time: also the last of each producer, which ends the clock. */
static inline int cli_bench_sampled(const struct cli_bench *bench, uint64_t number, uint64_t share)
{
    return bench->rate != 0 || number % CLI_BENCH_SAMPLE == 0 || number + 1 == share;
}

/* Where the body begins. */
static inline size_t cli_bench_body(uint64_t size)
{
    return size >= 16 ? 16 : size >= 8 ? 8 : 0;
}

/* The sum of the words of a body; the compiler makes vectors of it. */
static inline uint64_t cli_bench_body_sum(const unsigned char *data, size_t size)
{
    uint64_t sum = 0;
    size_t i = cli_bench_body(size);
    for (; i + 8 <= size; i += 8)
        sum += cli_hash_load(data + i, 8);
    return i < size ? sum + cli_hash_load(data + i, size - i) : sum;
}

static inline uint64_t cli_bench_hash(uint64_t identity, uint64_t body_sum)
{
    return cli_hash_mix(identity + body_sum * CLI_HASH_ODD);
}

/* Makes and frees what the threads need for messages. Returns 0 or -ENOMEM. */
int cli_bench_prepare(struct cli_bench *bench);
void cli_bench_unprepare(struct cli_bench *bench);

/* Computes what a producer's messages of this run will add up to, without the channel. */
void cli_bench_expect(struct cli_bench_thread *thread);

/* Sends all messages of a producer. Returns 0 or a code. */
int cli_bench_produce(struct cli_bench_thread *thread, quire_tx_t *tx);

/* Receives until the group has everything. Returns 0 or a code. */
int cli_bench_consume(struct cli_bench_thread *thread, quire_rx_t *rx);

/*
 * One run of bench->run_messages on the open channel. Returns 0 with *result filled in, or a code;
 * QUIRE_CORRUPT when what was received is not what was sent (said). After a failure the channel
 * is closed and NULL.
 */
int cli_bench_run(struct cli_bench *bench, struct cli_bench_result *result);

/* Medians with the least and the greatest of all runs. */
int cli_bench_report_text(const struct cli_bench *bench);
void cli_bench_report_json(const struct cli_bench *bench);

#endif
