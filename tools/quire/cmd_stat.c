/* SPDX-License-Identifier: MIT */
/* quire stat: what a channel holds, how far its groups are, who holds what. Changes nothing. */
#include <tools/quire/commands.h>

#include <quire/channel.h>
#include <stddef.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/exits.h>
#include <tools/quire/report.h>
#include <tools/quire/talk.h>

struct stat_args {
    const char *path;
    int json;
    int all;
};

static int parse(int argc, char **argv, struct stat_args *args)
{
    enum { ALL = CLI_ARGS_FIRST, JSON };
    static const struct option options[] = {
        {"all", no_argument, NULL, ALL}, {"json", no_argument, NULL, JSON}, CLI_ARGS_COMMON, {0}};
    for (;;) {
        switch (cli_args_next(argc, argv, options)) {
        case CLI_ARGS_END:
            if (argc - optind != 1)
                return cli_usage(optind == argc ? "which PATH?" : "one PATH only");
            args->path = argv[optind];
            return CLI_OK;
        case ALL:
            args->all = 1;
            break;
        case JSON:
            args->json = 1;
            break;
        default:
            return CLI_USAGE;
        }
    }
}

int cli_cmd_stat(int argc, char **argv)
{
    struct stat_args args = {0};
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct cli_snapshot snapshot;
    quire_t *channel;
    int status = parse(argc, argv, &args);
    if (status != CLI_OK)
        return status;
    options.flags = QUIRE_READ_ONLY;
    status = cli_channel_open(&channel, args.path, &options);
    if (status != CLI_OK)
        return status;
    int error = cli_snapshot_read(channel, &snapshot);
    if (error == 0 && args.json)
        cli_report_json(args.path, &snapshot);
    else if (error == 0)
        error = cli_report_text(args.path, &snapshot, args.all);
    if (error != 0)
        status = cli_fail(args.path, error);
    cli_snapshot_free(&snapshot);
    int closed = cli_channel_close(channel, args.path);
    int flushed = cli_finish_stdout();
    if (status == CLI_OK)
        status = closed;
    return status == CLI_OK ? flushed : status;
}
