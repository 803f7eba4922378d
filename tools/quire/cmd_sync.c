/* SPDX-License-Identifier: MIT */
/* quire sync: makes everything in a channel durable and says up to where that is. */
#include <tools/quire/commands.h>

#include <quire/stat.h>
#include <quire/sync.h>
#include <stdio.h>
#include <tools/quire/channel.h>
#include <tools/quire/clock.h>
#include <tools/quire/durability.h>
#include <tools/quire/exits.h>
#include <tools/quire/number.h>
#include <tools/quire/signals.h>
#include <tools/quire/talk.h>

struct sync {
    const char *path;
    uint64_t timeout_ns;
    struct quire_options options;
    int json;
};

static int parse(int argc, char **argv, struct sync *sync)
{
    enum { ENGINE = CLI_ARGS_FIRST, JSON, TIMEOUT };
    static const struct option options[] = {{"json", no_argument, NULL, JSON},
                                            {"engine", required_argument, NULL, ENGINE},
                                            {"timeout", required_argument, NULL, TIMEOUT},
                                            CLI_ARGS_COMMON,
                                            {0}};
    sync->timeout_ns = UINT64_MAX;
    for (;;) {
        int status = CLI_OK;
        switch (cli_args_next(argc, argv, options)) {
        case CLI_ARGS_END:
            if (argc - optind != 1)
                return cli_usage(optind == argc ? "which PATH?" : "one PATH only");
            sync->path = argv[optind];
            return CLI_OK;
        case ENGINE:
            status = cli_durability_option(CLI_ENGINE, optarg, &sync->options);
            break;
        case JSON:
            sync->json = 1;
            break;
        case TIMEOUT:
            status = cli_args_seconds("timeout", optarg, &sync->timeout_ns);
            break;
        default:
            return CLI_USAGE;
        }
        if (status != CLI_OK)
            return status;
    }
}

static void print_json(const struct sync *sync, const struct quire_stat *stat, uint64_t took_ns)
{
    struct cli_json json = {.out = stdout};
    cli_json_object(&json, NULL);
    cli_json_string(&json, "path", sync->path);
    cli_json_u64(&json, "durable_position", stat->durable_position);
    cli_json_u64(&json, "end_position", stat->end_position);
    cli_json_u64(&json, "commits", stat->commits);
    cli_json_real(&json, "seconds", cli_seconds(took_ns), 6);
    cli_durability_json(&json, stat);
    cli_json_object_end(&json);
    putchar('\n');
}

static int run(const struct sync *sync, quire_t *channel)
{
    struct quire_stat stat;
    char time[CLI_TEXT];
    uint64_t started = cli_now();
    uint64_t deadline =
        sync->timeout_ns > UINT64_MAX - started ? QUIRE_FOREVER : started + sync->timeout_ns;
    int error = quire_sync(channel, UINT64_MAX, deadline);
    uint64_t took = cli_now() - started;
    if (error == 0)
        error = quire_stat(channel, &stat);
    if (error != 0)
        return cli_fail(sync->path, error);
    if (sync->json)
        print_json(sync, &stat, took);
    else if (!cli_quiet)
        printf("Durable before page %llu, slot %u (position %llu); it took %s.\n",
               (unsigned long long)QUIRE_PAGE_OF(stat.durable_position),
               QUIRE_SLOT_OF(stat.durable_position), (unsigned long long)stat.durable_position,
               cli_text_ns(time, (double)took));
    return CLI_OK;
}

int cli_cmd_sync(int argc, char **argv)
{
    struct sync sync = {.options = QUIRE_OPTIONS_INIT};
    quire_t *channel;
    int status = parse(argc, argv, &sync);
    if (status != CLI_OK)
        return status;
    cli_signals_catch(); /* a sync is not cut short: the channel is closed in order first */
    status = cli_channel_open(&channel, sync.path, &sync.options);
    if (status != CLI_OK)
        return status;
    status = run(&sync, channel);
    int closed = cli_channel_close(channel, sync.path);
    int flushed = cli_finish_stdout();
    if (status == CLI_OK)
        status = closed != CLI_OK ? closed : flushed;
    return status == CLI_OK && cli_signals_stop() != 0 ? CLI_SIGNAL + cli_signals_stop() : status;
}
