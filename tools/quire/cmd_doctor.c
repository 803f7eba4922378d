/* SPDX-License-Identifier: MIT */
/* quire doctor: which engine there is and what stands in the way of a fast, durable channel. */
#include <tools/quire/commands.h>

#include <quire/stat.h>
#include <stddef.h>
#include <stdio.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/exits.h>
#include <tools/quire/findings.h>
#include <tools/quire/talk.h>

struct doctor_args {
    const char *path;
    int json;
};

static int parse(int argc, char **argv, struct doctor_args *args)
{
    enum { JSON = CLI_ARGS_FIRST };
    static const struct option options[] = {
        {"json", no_argument, NULL, JSON}, CLI_ARGS_COMMON, {0}};
    for (;;) {
        switch (cli_args_next(argc, argv, options)) {
        case CLI_ARGS_END:
            if (argc - optind > 1)
                return cli_usage("one PATH only");
            args->path = optind < argc ? argv[optind] : NULL;
            return CLI_OK;
        case JSON:
            args->json = 1;
            break;
        default:
            return CLI_USAGE;
        }
    }
}

/* Looks inside a channel without changing it. Returns the exit status. */
static int look_inside(const char *path, int *poisoned)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_stat stat;
    quire_t *channel;
    options.flags = QUIRE_READ_ONLY;
    int status = cli_channel_open(&channel, path, &options);
    if (status != CLI_OK)
        return status;
    int error = quire_stat(channel, &stat);
    if (error == 0)
        *poisoned = stat.poisoned != 0;
    else
        status = cli_fail(path, error);
    int closed = cli_channel_close(channel, path);
    return status == CLI_OK ? closed : status;
}

int cli_cmd_doctor(int argc, char **argv)
{
    struct doctor_args args = {0};
    struct quire_doctor report;
    struct cli_findings findings;
    int poisoned = 0;
    int status = parse(argc, argv, &args);
    if (status != CLI_OK)
        return status;
    int error = quire_doctor(args.path, &report);
    if (error != 0)
        return cli_fail(args.path, error);
    if (report.place == QUIRE_PLACE_CHANNEL)
        status = look_inside(args.path, &poisoned);
    if (status != CLI_OK)
        return status;
    cli_findings_make(&report, poisoned, &findings);
    if (args.json)
        cli_findings_json(args.path, &report, poisoned, &findings);
    else if (!cli_quiet)
        cli_findings_text(&findings);
    int flushed = cli_finish_stdout();
    if (flushed != CLI_OK)
        return flushed;
    return cli_findings_wrong(&findings) ? CLI_IN_THE_WAY : CLI_OK;
}
