/* SPDX-License-Identifier: MIT */
/* quire demo: options, input and order of events. */
#include <tools/quire/commands.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/demo.h>
#include <tools/quire/durability.h>
#include <tools/quire/exits.h>
#include <tools/quire/geometry.h>
#include <tools/quire/signals.h>
#include <tools/quire/talk.h>

#define PAGE_SIZE_DEFAULT (256u << 10)
#define PAGES_DEFAULT     16u
#define MESSAGES_GOOD     6000000u     /* what a run of a few seconds takes ... */
#define BYTES_GOOD        (5ull << 30) /* ... or, for long messages, this much text */

static const struct cli_word split_words[] = {
    {"paragraph", CLI_PARAGRAPHS}, {"line", CLI_EVERY_LINE}, {0}};

enum { PRODUCERS = CLI_ARGS_FIRST, CONSUMERS, PASSES, SPLIT, INPUT, DIRECTORY, KEEP, JSON };

static int parse_option(struct cli_demo *demo, int option)
{
    uint32_t split;
    switch (option) {
    case PRODUCERS:
        return cli_args_u32("producers", optarg, 1, CLI_DEMO_THREADS_MAX, &demo->producers);
    case CONSUMERS:
        return cli_args_u32("consumers", optarg, 1, CLI_DEMO_THREADS_MAX, &demo->consumers);
    case PASSES:
        return cli_args_size("passes", optarg, 1, 1u << 30, &demo->passes);
    case SPLIT:
        if (cli_args_word("split", optarg, split_words, &split) != CLI_OK)
            return CLI_USAGE;
        demo->split = (enum cli_split)split;
        return CLI_OK;
    case INPUT:
        demo->files[demo->files_count++] = optarg;
        return CLI_OK;
    case DIRECTORY:
        demo->directory = optarg;
        return CLI_OK;
    case KEEP:
        demo->keep = 1;
        return CLI_OK;
    case JSON:
        demo->json = 1;
        return CLI_OK;
    case CLI_ARGS_ERROR:
        return CLI_USAGE;
    default:
        return cli_durability_is(option) ? cli_durability_option(option, optarg, &demo->options)
                                         : cli_geometry_option(option, optarg, &demo->options);
    }
}

static int parse(int argc, char **argv, struct cli_demo *demo)
{
    static const struct option options[] = {{"producers", required_argument, NULL, PRODUCERS},
                                            {"consumers", required_argument, NULL, CONSUMERS},
                                            {"passes", required_argument, NULL, PASSES},
                                            {"split", required_argument, NULL, SPLIT},
                                            {"input", required_argument, NULL, INPUT},
                                            {"directory", required_argument, NULL, DIRECTORY},
                                            {"keep", no_argument, NULL, KEEP},
                                            {"json", no_argument, NULL, JSON},
                                            CLI_GEOMETRY_POOL,
                                            CLI_DURABILITY_OPTIONS,
                                            CLI_ARGS_COMMON,
                                            {0}};
    int option;
    while ((option = cli_args_next(argc, argv, options)) != CLI_ARGS_END) {
        int status = parse_option(demo, option);
        if (status != CLI_OK)
            return status;
    }
    /* --input a b c: the other names are inputs too. */
    if (optind < argc && demo->files_count == 0)
        return cli_usage("'%s' is no option; files are given by --input", argv[optind]);
    while (optind < argc)
        demo->files[demo->files_count++] = argv[optind++];
    if (demo->keep && demo->directory == NULL)
        return cli_usage("--keep needs --directory");
    return cli_durability_check(&demo->options, demo->directory != NULL);
}

static int load_input(struct cli_demo *demo)
{
    for (size_t i = 0; i < demo->files_count; i++) {
        int error = cli_corpus_add(&demo->corpus, demo->files[i], demo->split);
        if (error != 0)
            return cli_fail(demo->files[i], error);
    }
    if (demo->files_count == 0) {
        int error = cli_corpus_find(&demo->corpus, demo->split);
        if (error == -ENOENT)
            return cli_usage("no text was found on this machine; name files with --input");
        if (error != 0)
            return cli_fail("input", error);
    }
    if (demo->corpus.pieces_count == 0)
        return cli_usage("there is no text in the input");
    return CLI_OK;
}

/* How often to go over the input when --passes does not say. */
static void plan_passes(struct cli_demo *demo)
{
    uint64_t by_count = MESSAGES_GOOD / demo->corpus.pieces_count;
    uint64_t by_bytes = BYTES_GOOD / demo->corpus.bytes;
    if (demo->passes == 0)
        demo->passes = by_count < by_bytes ? by_count : by_bytes;
    if (demo->passes == 0)
        demo->passes = 1;
    demo->messages = demo->passes * demo->corpus.pieces_count;
}

static int check_sizes(const struct cli_demo *demo)
{
    struct quire_plan plan;
    int status = cli_geometry_plan(&demo->options, demo->directory != NULL, &plan);
    size_t largest = 0;
    for (size_t i = 0; i < demo->corpus.pieces_count; i++)
        largest = demo->corpus.pieces[i].size > largest ? demo->corpus.pieces[i].size : largest;
    if (status == CLI_OK && largest + sizeof(struct cli_demo_header) > plan.message_bytes_max)
        return cli_usage("--page-size: the largest message of this input has %zu bytes",
                         largest + sizeof(struct cli_demo_header));
    return status;
}

static int report_failure(const struct cli_demo *demo, int code)
{
    if (code == -EINTR) {
        cli_error("stopped by a signal; nothing was proved");
        return CLI_SIGNAL + cli_signals_stop();
    }
    if (demo->crew.code != 0)
        return cli_fail(demo->crew.what, code);
    cli_error("nothing moved for half a minute: work received %llu and audit %llu of %llu",
              (unsigned long long)demo->crew.got[CLI_DEMO_WORK],
              (unsigned long long)demo->crew.got[CLI_DEMO_AUDIT],
              (unsigned long long)demo->messages);
    return CLI_FAILED;
}

static int run(struct cli_demo *demo)
{
    int status = cli_channel_open(&demo->channel, demo->directory, &demo->options);
    if (status != CLI_OK)
        return status;
    int code = cli_demo_run(demo);
    if (demo->channel != NULL)
        status = cli_channel_close(demo->channel, demo->directory);
    if (demo->directory != NULL && !demo->keep) {
        int error = cli_channel_remove(demo->directory);
        if (error != 0)
            status = cli_fail(demo->directory, error);
    }
    if (code != 0)
        return report_failure(demo, code);
    if (demo->json)
        cli_demo_report_json(demo);
    else if (cli_demo_report_text(demo) != 0)
        status = cli_fail("report", -ENOMEM);
    if (!demo->verified) {
        cli_error("what came out is not what went in");
        return CLI_FAILED;
    }
    if (demo->keep)
        cli_note("the channel is kept: quire stat %s", demo->directory);
    return status;
}

int cli_cmd_demo(int argc, char **argv)
{
    struct cli_demo demo = {.producers = 2, .consumers = 2, .options = QUIRE_OPTIONS_INIT};
    demo.options.page_size = PAGE_SIZE_DEFAULT;
    demo.options.max_pages = PAGES_DEFAULT;
    demo.options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    demo.files = calloc((size_t)argc + 1, sizeof(*demo.files));
    if (demo.files == NULL)
        return cli_fail("options", -ENOMEM);
    cli_corpus_init(&demo.corpus);
    int status = parse(argc, argv, &demo);
    if (status == CLI_OK)
        status = load_input(&demo);
    if (status == CLI_OK)
        status = check_sizes(&demo);
    if (status == CLI_OK) {
        plan_passes(&demo);
        cli_signals_catch();
        int error = cli_demo_expect(&demo);
        status = error == 0 ? run(&demo) : cli_fail("expectation", error);
    }
    free(demo.files);
    free(demo.threads);
    cli_corpus_free(&demo.corpus);
    int flushed = cli_finish_stdout();
    return status == CLI_OK ? flushed : status;
}
