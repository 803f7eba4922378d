/* SPDX-License-Identifier: MIT */
/* What quire bench prints: medians of its runs, with the least and the greatest. */
#include <tools/quire/bench.h>

#include <quire/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <tools/quire/args.h>
#include <tools/quire/durability.h>
#include <tools/quire/json.h>
#include <tools/quire/number.h>
#include <tools/quire/table.h>

const char *const cli_bench_quantile_names[CLI_QUANTILES] = {"p50", "p90", "p99", "p99_9", "max"};

struct spread {
    double median;
    double least;
    double greatest;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the figure that lies at the given offset of every result. */
static struct spread spread_of(const struct cli_bench *bench, size_t offset)
{
    double values[CLI_BENCH_RUNS_MAX];
    size_t n = bench->runs;
    for (size_t i = 0; i < n; i++)
        memcpy(&values[i], (const char *)&bench->results[i] + offset, sizeof(values[i]));
    qsort(values, n, sizeof(values[0]), by_value);
    double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    return (struct spread){median, values[0], values[n - 1]};
}
#define SPREAD(bench, field) spread_of((bench), offsetof(struct cli_bench_result, field))

static struct spread latency_of(const struct cli_bench *bench, size_t quantile)
{
    return spread_of(bench, offsetof(struct cli_bench_result, latency_ns) +
                                quantile * sizeof(bench->results->latency_ns[0]));
}

typedef char *(*to_text)(char text[CLI_TEXT], double value);

static void print_spread(struct cli_table *table, const char *name, struct spread spread,
                         to_text write)
{
    char text[CLI_TEXT];
    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", write(text, spread.median));
    cli_table_cell(table, "%s", write(text, spread.least));
    cli_table_cell(table, "%s", write(text, spread.greatest));
}

static void print_setup(const struct cli_bench *bench)
{
    char a[CLI_TEXT], b[CLI_TEXT];
    printf("%u producers, %u consumers, batches of %u\n", bench->producers, bench->consumers,
           bench->batch);
    printf("%s messages of %s bytes\n", cli_text_grouped(a, bench->messages),
           cli_text_grouped(b, bench->size));
    printf("%s, %u pages of %s, wait %s", bench->directory ? "directory" : "memory",
           bench->plan.max_pages, cli_text_bytes(b, (double)bench->plan.page_size),
           cli_args_word_of(cli_words_wait, bench->options.wait));
    if (bench->rate != 0)
        printf(", %s messages/s asked for", cli_text_count(a, (double)bench->rate));
    printf("\n");
    if (bench->directory)
        printf("durability %s, engine %s\n",
               cli_args_word_of(cli_words_durability, bench->options.durability),
               bench->stat.engine != QUIRE_ENGINE_AUTO
                   ? cli_args_word_of(cli_words_engine, bench->stat.engine)
                   : "not needed");
    printf("\n");
}

int cli_bench_report_text(const struct cli_bench *bench)
{
    static const char *const head[] = {"", "median", "least", "greatest"};
    static const char *const labels[CLI_QUANTILES] = {"latency p50", "latency p90", "latency p99",
                                                      "latency p99.9", "latency max"};
    struct cli_table table;
    print_setup(bench);
    cli_table_init(&table, "lrrr");
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
        cli_table_cell(&table, "%s", head[i]);
    print_spread(&table, "messages/s", SPREAD(bench, messages_per_s), cli_text_count);
    print_spread(&table, "bytes/s", SPREAD(bench, bytes_per_s), cli_text_bytes);
    for (size_t q = 0; q < CLI_QUANTILES && cli_bench_timed(bench); q++)
        print_spread(&table, labels[q], latency_of(bench, q), cli_text_ns);
    print_spread(&table, "minor faults", SPREAD(bench, minor_faults), cli_text_count);
    if (cli_bench_durable(bench)) {
        print_spread(&table, "durable messages/s", SPREAD(bench, durable_per_s), cli_text_count);
        print_spread(&table, "commits", SPREAD(bench, commits), cli_text_count);
        print_spread(&table, "time of a commit", SPREAD(bench, commit_ns), cli_text_ns);
    }
    int error = cli_table_print(&table, stdout, 2);
    printf("\nRuns: %u. Every message was received once and intact.\n", bench->runs);
    return error;
}

static void put_setup(struct cli_json *json, const struct cli_bench *bench)
{
    cli_json_string(json, "command", "bench");
    cli_json_string(json, "version", quire_version());
    cli_json_u64(json, "producers", bench->producers);
    cli_json_u64(json, "consumers", bench->consumers);
    cli_json_u64(json, "size", bench->size);
    cli_json_u64(json, "batch", bench->batch);
    cli_json_u64(json, "messages", bench->messages);
    cli_json_string(json, "backing", bench->directory ? "directory" : "memory");
    cli_json_u64(json, "page_size", bench->plan.page_size);
    cli_json_u64(json, "max_pages", bench->plan.max_pages);
    cli_json_u64(json, "max_messages", bench->plan.max_messages);
    cli_json_string(json, "checksum",
                    cli_args_word_of(cli_words_checksum, bench->options.checksum));
    cli_json_string(json, "wait", cli_args_word_of(cli_words_wait, bench->options.wait));
    if (bench->rate != 0)
        cli_json_u64(json, "rate", bench->rate);
    else
        cli_json_null(json, "rate");
    cli_json_string(json, "durability",
                    cli_args_word_of(cli_words_durability, bench->options.durability));
    cli_durability_json(json, &bench->stat);
    cli_json_u64(json, "runs", bench->runs);
    cli_json_bool(json, "verified", 1); /* a run that does not verify prints nothing */
}

static void put_latency(struct cli_json *json, const struct cli_bench *bench,
                        const struct cli_bench_result *one)
{
    if (!cli_bench_timed(bench)) {
        cli_json_null(json, "latency_ns");
        return;
    }
    cli_json_object(json, "latency_ns");
    for (size_t q = 0; q < CLI_QUANTILES; q++) {
        double value = one != NULL ? one->latency_ns[q] : latency_of(bench, q).median;
        cli_json_real(json, cli_bench_quantile_names[q], value, 0);
    }
    cli_json_object_end(json);
}

/* null where nothing was to be durable */
static void put_durable(struct cli_json *json, const struct cli_bench *bench,
                        const struct cli_bench_result *one)
{
    if (!cli_bench_durable(bench)) {
        cli_json_null(json, "durable_messages_per_s");
        cli_json_null(json, "commits");
        cli_json_null(json, "commit_ns");
        return;
    }
    cli_json_real(json, "durable_messages_per_s",
                  one != NULL ? one->durable_per_s : SPREAD(bench, durable_per_s).median, 1);
    cli_json_real(json, "commits", one != NULL ? one->commits : SPREAD(bench, commits).median, 1);
    cli_json_real(json, "commit_ns", one != NULL ? one->commit_ns : SPREAD(bench, commit_ns).median,
                  0);
}

static void put_result(struct cli_json *json, const struct cli_bench *bench,
                       const struct cli_bench_result *result)
{
    cli_json_object(json, NULL);
    cli_json_real(json, "seconds", result->seconds, 6);
    cli_json_real(json, "messages_per_s", result->messages_per_s, 1);
    cli_json_real(json, "bytes_per_s", result->bytes_per_s, 1);
    put_latency(json, bench, result);
    cli_json_u64(json, "latency_samples", result->latency_samples);
    cli_json_real(json, "minor_faults", result->minor_faults, 0);
    put_durable(json, bench, result);
    cli_json_object_end(json);
}

void cli_bench_report_json(const struct cli_bench *bench)
{
    struct cli_json json = {.out = stdout};
    struct spread rate = SPREAD(bench, messages_per_s);
    cli_json_object(&json, NULL);
    put_setup(&json, bench);
    cli_json_real(&json, "seconds", SPREAD(bench, seconds).median, 6);
    cli_json_real(&json, "messages_per_s", rate.median, 1);
    cli_json_real(&json, "messages_per_s_min", rate.least, 1);
    cli_json_real(&json, "messages_per_s_max", rate.greatest, 1);
    cli_json_real(&json, "bytes_per_s", SPREAD(bench, bytes_per_s).median, 1);
    put_latency(&json, bench, NULL);
    cli_json_real(&json, "minor_faults", SPREAD(bench, minor_faults).median, 1);
    put_durable(&json, bench, NULL);
    cli_json_array(&json, "results");
    for (uint32_t r = 0; r < bench->runs; r++)
        put_result(&json, bench, &bench->results[r]);
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    putchar('\n');
}
