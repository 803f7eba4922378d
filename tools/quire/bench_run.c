/* SPDX-License-Identifier: MIT */
/* One run of quire bench: threads, time, page faults, and the check of what came out. */
#include <tools/quire/bench.h>

#include <errno.h>
#include <quire/sync.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <tools/quire/clock.h>
#include <tools/quire/talk.h>

#define GROUP "bench"

static void *produce(void *argument)
{
    struct cli_bench_thread *thread = argument;
    struct cli_crew *crew = &thread->bench->crew;
    quire_tx_t *tx = NULL;
    int error = quire_tx_open(thread->bench->channel, NULL, &tx);
    if (error != 0)
        cli_crew_fail(crew, "producer", error);
    if (cli_crew_gate(crew)) {
        error = cli_bench_produce(thread, tx);
        if (error != 0)
            cli_crew_fail(crew, "producer", error);
    }
    quire_tx_close(tx);
    return NULL;
}

static void *consume(void *argument)
{
    struct cli_bench_thread *thread = argument;
    struct cli_crew *crew = &thread->bench->crew;
    quire_rx_t *rx = NULL;
    int error = quire_rx_subscribe(thread->bench->channel, GROUP, NULL, NULL, &rx);
    if (error != 0)
        cli_crew_fail(crew, "consumer", error);
    if (cli_crew_gate(crew)) {
        error = cli_bench_consume(thread, rx);
        if (error != 0)
            cli_crew_fail(crew, "consumer", error);
    }
    quire_rx_close(rx);
    return NULL;
}

static uint64_t minor_faults(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_minflt : 0;
}

static void reset(struct cli_bench *bench)
{
    for (uint32_t i = 0; i < bench->producers + bench->consumers; i++) {
        struct cli_bench_thread *thread = &bench->threads[i];
        thread->account = (struct cli_account){0};
        thread->wrong_size = 0;
        thread->last_ns = 0;
        thread->last_count = 0;
        cli_histogram_reset(&thread->latency);
        if (thread->producer)
            cli_bench_expect(thread);
    }
}

/* Says what differs. Returns 0 or QUIRE_CORRUPT. */
static int verify(const struct cli_bench *bench)
{
    struct cli_account sent = {0}, received = {0};
    uint64_t wrong_size = 0;
    for (uint32_t i = 0; i < bench->producers + bench->consumers; i++) {
        const struct cli_bench_thread *thread = &bench->threads[i];
        cli_account_merge(&sent, &thread->expected);
        cli_account_merge(&received, &thread->account);
        wrong_size += thread->wrong_size;
    }
    if (wrong_size == 0 && cli_account_equal(&sent, &received))
        return 0;
    cli_error("what came out is not what went in: sent %llu messages (sum %016llx, xor %016llx), "
              "received %llu (sum %016llx, xor %016llx) and %llu of a wrong size",
              (unsigned long long)sent.count, (unsigned long long)sent.sum,
              (unsigned long long)sent.xored, (unsigned long long)received.count,
              (unsigned long long)received.sum, (unsigned long long)received.xored,
              (unsigned long long)wrong_size);
    return QUIRE_CORRUPT;
}

static void measure(const struct cli_bench *bench, struct cli_bench_result *result)
{
    static const double shares[CLI_MAX] = {0.5, 0.9, 0.99, 0.999};
    struct cli_histogram all;
    uint64_t ended_ns = bench->crew.started_ns;
    cli_histogram_reset(&all);
    for (uint32_t i = bench->producers; i < bench->producers + bench->consumers; i++) {
        const struct cli_bench_thread *thread = &bench->threads[i];
        ended_ns = thread->last_ns > ended_ns ? thread->last_ns : ended_ns;
        cli_histogram_merge(&all, &thread->latency);
    }
    result->seconds = cli_seconds(ended_ns - bench->crew.started_ns);
    result->messages_per_s = (double)bench->run_messages / result->seconds;
    result->bytes_per_s = result->messages_per_s * (double)bench->size;
    result->latency_samples = all.count;
    for (int q = 0; q < CLI_MAX; q++)
        result->latency_ns[q] = (double)cli_histogram_quantile(&all, shares[q]);
    result->latency_ns[CLI_MAX] = (double)all.max;
}

/*
 * Ends the clock of durability: what the run has sent is durable when this returns. Takes the
 * figures of its commits; before holds those of the runs before.
 */
static int measure_durable(struct cli_bench *bench, const struct quire_stat *before,
                           struct cli_bench_result *result)
{
    /* All that was sent, and no commit more where the senders have seen to it. */
    int error = quire_stat(bench->channel, &bench->stat);
    if (error == 0 && cli_bench_durable(bench))
        error = quire_sync(bench->channel, bench->stat.end_position - 1, QUIRE_FOREVER);
    uint64_t ended_ns = cli_now();
    if (error == 0)
        error = quire_stat(bench->channel, &bench->stat);
    if (error != 0 || !cli_bench_durable(bench))
        return error;
    double commits = (double)(bench->stat.commits - before->commits);
    double ns = (double)(bench->stat.commit_ns - before->commit_ns);
    result->durable_per_s =
        (double)bench->run_messages / cli_seconds(ended_ns - bench->crew.started_ns);
    result->commits = commits;
    result->commit_ns = commits > 0 ? ns / commits : 0;
    return 0;
}

static int run_threads(struct cli_bench *bench, pthread_t *ids, struct cli_progress *progress)
{
    struct cli_crew *crew = &bench->crew;
    size_t started = 0, count = bench->producers + bench->consumers;
    for (; started < count; started++) {
        struct cli_bench_thread *thread = &bench->threads[started];
        int error =
            cli_crew_thread(crew, &ids[started], thread->producer ? produce : consume, thread);
        if (error != 0) {
            cli_crew_fail(crew, "thread", error);
            break;
        }
    }
    cli_crew_start(crew);
    int code = cli_crew_watch(crew, progress);
    cli_progress_end(progress);
    if (code != 0) {
        /* Frees threads that wait in the channel; their handles stay valid until they close. */
        int ignored = quire_close(bench->channel);
        (void)ignored;
        bench->channel = NULL;
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    return code;
}

int cli_bench_run(struct cli_bench *bench, struct cli_bench_result *result)
{
    struct cli_progress progress;
    struct quire_stat before;
    pthread_t *ids = calloc(bench->producers + bench->consumers, sizeof(*ids));
    if (ids == NULL)
        return -ENOMEM;
    int code = quire_stat(bench->channel, &before);
    if (code == 0)
        code = cli_crew_init(&bench->crew, &bench->run_messages, 1);
    if (code == 0) {
        reset(bench);
        cli_progress_start(&progress, "bench", "messages", bench->run_messages, 1);
        uint64_t faults = minor_faults();
        code = run_threads(bench, ids, &progress);
        result->minor_faults = (double)(minor_faults() - faults);
        cli_crew_destroy(&bench->crew);
        if (code == 0)
            code = measure_durable(bench, &before, result);
    }
    free(ids);
    if (code == 0)
        code = verify(bench);
    if (code == 0)
        measure(bench, result);
    return code;
}
