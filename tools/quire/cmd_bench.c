/* SPDX-License-Identifier: MIT */
/* quire bench: options and order of runs. */
#define _GNU_SOURCE
#include <tools/quire/commands.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <tools/quire/args.h>
#include <tools/quire/bench.h>
#include <tools/quire/channel.h>
#include <tools/quire/durability.h>
#include <tools/quire/exits.h>
#include <tools/quire/geometry.h>
#include <tools/quire/signals.h>
#include <tools/quire/talk.h>
#include <unistd.h>

#define WARM_UP_SHARE 10u /* of the messages of a run go through before the first is timed ... */
#define WARM_UP_MIN   1000u
#define WARM_UP_MAX   2000000u

#define MESSAGES_DEFAULT      10000000u
#define MESSAGES_DEFAULT_EACH 10000u /* each of them may wait for the device */

static const struct cli_word backing_words[] = {{"memory", 0}, {"directory", 1}, {0}};

enum {
    PRODUCERS = CLI_ARGS_FIRST,
    CONSUMERS,
    SIZE,
    BATCH,
    MESSAGES,
    BACKING,
    PARENT,
    WAIT,
    RUNS,
    RATE,
    JSON
};

static int parse_option(struct cli_bench *bench, int option)
{
    uint32_t backing;
    switch (option) {
    case PRODUCERS:
        return cli_args_u32("producers", optarg, 1, CLI_BENCH_THREADS_MAX, &bench->producers);
    case CONSUMERS:
        return cli_args_u32("consumers", optarg, 1, CLI_BENCH_THREADS_MAX, &bench->consumers);
    case SIZE:
        return cli_args_size("size", optarg, 0, QUIRE_PAGE_SIZE_MAX, &bench->size);
    case BATCH:
        return cli_args_u32("batch", optarg, 1, CLI_BENCH_BATCH_MAX, &bench->batch);
    case MESSAGES:
        bench->messages_given = 1;
        return cli_args_size("messages", optarg, 1, 1ull << 40, &bench->messages);
    case BACKING:
        if (cli_args_word("backing", optarg, backing_words, &backing) != CLI_OK)
            return CLI_USAGE;
        bench->directory = (int)backing;
        return CLI_OK;
    case PARENT:
        bench->parent = optarg;
        return CLI_OK;
    case WAIT:
        return cli_args_word("wait", optarg, cli_words_wait, &bench->options.wait);
    case RUNS:
        return cli_args_u32("runs", optarg, 1, CLI_BENCH_RUNS_MAX, &bench->runs);
    case RATE:
        return cli_args_size("rate", optarg, 1, 1ull << 40, &bench->rate);
    case JSON:
        bench->json = 1;
        return CLI_OK;
    case CLI_ARGS_ERROR:
        return CLI_USAGE;
    default:
        return cli_durability_is(option) ? cli_durability_option(option, optarg, &bench->options)
                                         : cli_geometry_option(option, optarg, &bench->options);
    }
}

static int check(struct cli_bench *bench)
{
    if (cli_durability_check(&bench->options, bench->directory) != CLI_OK)
        return CLI_USAGE;
    if (!bench->messages_given && bench->options.durability == QUIRE_DURABLE_EACH)
        bench->messages = MESSAGES_DEFAULT_EACH;
    if (bench->parent != NULL && !bench->directory)
        return cli_usage("--path needs --backing directory");
    if (bench->parent == NULL)
        bench->parent = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    if (bench->options.checksum == QUIRE_CHECKSUM_DEFAULT)
        bench->options.checksum = bench->directory ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF;
    int status = cli_geometry_plan(&bench->options, bench->directory, &bench->plan);
    if (status == CLI_OK && bench->size > bench->plan.message_bytes_max)
        return cli_usage("--size: a page of this channel holds messages up to %llu bytes",
                         (unsigned long long)bench->plan.message_bytes_max);
    return status;
}

static int parse(int argc, char **argv, struct cli_bench *bench)
{
    static const struct option options[] = {{"producers", required_argument, NULL, PRODUCERS},
                                            {"consumers", required_argument, NULL, CONSUMERS},
                                            {"size", required_argument, NULL, SIZE},
                                            {"batch", required_argument, NULL, BATCH},
                                            {"messages", required_argument, NULL, MESSAGES},
                                            {"backing", required_argument, NULL, BACKING},
                                            {"path", required_argument, NULL, PARENT},
                                            {"wait", required_argument, NULL, WAIT},
                                            {"runs", required_argument, NULL, RUNS},
                                            {"rate", required_argument, NULL, RATE},
                                            {"json", no_argument, NULL, JSON},
                                            CLI_GEOMETRY_POOL,
                                            CLI_DURABILITY_OPTIONS,
                                            CLI_ARGS_COMMON,
                                            {0}};
    int option;
    while ((option = cli_args_next(argc, argv, options)) != CLI_ARGS_END) {
        int status = parse_option(bench, option);
        if (status != CLI_OK)
            return status;
    }
    if (optind < argc)
        return cli_usage("'%s' is no option", argv[optind]);
    return check(bench);
}

static int report_failure(const struct cli_bench *bench, int code)
{
    if (code == -EINTR) {
        cli_error("stopped by a signal; there is no figure");
        return CLI_SIGNAL + cli_signals_stop();
    }
    if (bench->crew.code != 0)
        return cli_fail(bench->crew.what, code);
    if (code == QUIRE_TIMEDOUT) {
        cli_error("nothing moved for half a minute: received %llu of %llu messages",
                  (unsigned long long)bench->crew.got[0], (unsigned long long)bench->run_messages);
        return CLI_FAILED;
    }
    return code == QUIRE_CORRUPT ? CLI_FAILED : cli_fail("bench", code);
}

/* The first run warms up: it touches pages and code, is verified as the others, and not told. */
static int run_all(struct cli_bench *bench)
{
    struct cli_bench_result warm_up;
    bench->run_messages = bench->messages / WARM_UP_SHARE;
    if (bench->run_messages < WARM_UP_MIN)
        bench->run_messages = WARM_UP_MIN;
    if (bench->run_messages > WARM_UP_MAX)
        bench->run_messages = WARM_UP_MAX;
    int code = bench->rate == 0 ? cli_bench_run(bench, &warm_up) : 0;
    bench->run_messages = bench->messages;
    for (uint32_t r = 0; r < bench->runs && code == 0; r++)
        code = cli_bench_run(bench, &bench->results[r]);
    return code;
}

static int run_on(struct cli_bench *bench, const char *path)
{
    bench->options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    int status = cli_channel_open(&bench->channel, path, &bench->options);
    if (status != CLI_OK)
        return status;
    int code = cli_bench_prepare(bench);
    if (code == 0)
        code = run_all(bench);
    if (bench->channel != NULL)
        status = cli_channel_close(bench->channel, path);
    if (path != NULL) {
        int error = cli_channel_remove(path);
        if (error != 0)
            status = cli_fail(path, error);
    }
    return code != 0 ? report_failure(bench, code) : status;
}

static int run(struct cli_bench *bench)
{
    char *path = NULL;
    if (bench->directory &&
        asprintf(&path, "%s/quire-bench-%ld", bench->parent, (long)getpid()) < 0)
        return cli_fail(bench->parent, -ENOMEM);
    int status = run_on(bench, path);
    free(path);
    if (status != CLI_OK)
        return status;
    if (bench->json)
        cli_bench_report_json(bench);
    else if (cli_bench_report_text(bench) != 0)
        return cli_fail("report", -ENOMEM);
    return cli_finish_stdout();
}

int cli_cmd_bench(int argc, char **argv)
{
    struct cli_bench bench = {.producers = 1,
                              .consumers = 1,
                              .size = 64,
                              .batch = 1,
                              .messages = MESSAGES_DEFAULT,
                              .runs = 1,
                              .options = QUIRE_OPTIONS_INIT};
    bench.options.wait = QUIRE_WAIT_BLOCK;
    int status = parse(argc, argv, &bench);
    if (status != CLI_OK)
        return status;
    cli_signals_catch();
    bench.results = calloc(bench.runs, sizeof(*bench.results));
    status = bench.results == NULL ? cli_fail("results", -ENOMEM) : run(&bench);
    cli_bench_unprepare(&bench);
    free(bench.results);
    return status;
}
