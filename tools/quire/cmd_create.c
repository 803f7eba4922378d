/* SPDX-License-Identifier: MIT */
/* quire create: makes a channel, or says exactly what it would take. */
#include <tools/quire/commands.h>

#include <quire/channel.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/exits.h>
#include <tools/quire/geometry.h>
#include <tools/quire/json.h>
#include <tools/quire/number.h>
#include <tools/quire/table.h>
#include <tools/quire/talk.h>

struct create {
    const char *path;
    int dry_run;
    int json;
    struct quire_options options;
    struct quire_plan plan;
};

static int parse(int argc, char **argv, struct create *create)
{
    enum { DRY_RUN = CLI_ARGS_FIRST, JSON };
    static const struct option options[] = {{"dry-run", no_argument, NULL, DRY_RUN},
                                            {"json", no_argument, NULL, JSON},
                                            CLI_GEOMETRY_POOL,
                                            CLI_GEOMETRY_REST,
                                            CLI_ARGS_COMMON,
                                            {0}};
    for (;;) {
        int option = cli_args_next(argc, argv, options), status;
        switch (option) {
        case CLI_ARGS_END:
            if (argc - optind != 1)
                return cli_usage(optind == argc ? "which PATH?" : "one PATH only");
            create->path = argv[optind];
            return cli_geometry_plan(&create->options, 1, &create->plan);
        case CLI_ARGS_ERROR:
            return CLI_USAGE;
        case DRY_RUN:
            create->dry_run = 1;
            break;
        case JSON:
            create->json = 1;
            break;
        default:
            status = cli_geometry_option(option, optarg, &create->options);
            if (status != CLI_OK)
                return status;
        }
    }
}

static void print_json(const struct create *create)
{
    const struct quire_plan *plan = &create->plan;
    struct cli_json json = {.out = stdout};
    cli_json_object(&json, NULL);
    cli_json_string(&json, "path", create->path);
    cli_json_bool(&json, "created", !create->dry_run);
    cli_json_u64(&json, "page_size", plan->page_size);
    cli_json_u64(&json, "max_pages", plan->max_pages);
    cli_json_u64(&json, "max_messages", plan->max_messages);
    cli_json_string(&json, "policy",
                    cli_args_word_of(cli_words_policy, create->options.full_policy));
    cli_json_u64(&json, "message_bytes_max", plan->message_bytes_max);
    cli_json_u64(&json, "control_bytes", plan->control_bytes);
    cli_json_u64(&json, "page_bytes", plan->page_bytes);
    cli_json_u64(&json, "index_bytes", plan->index_bytes);
    cli_json_u64(&json, "group_bytes", plan->group_bytes);
    cli_json_u64(&json, "total_bytes", plan->total_bytes);
    cli_json_u64(&json, "limit_bytes", plan->limit_bytes);
    cli_json_object_end(&json);
    putchar('\n');
}

static void row(struct cli_table *table, const char *what, uint64_t count, uint64_t each)
{
    char text[CLI_TEXT];
    cli_table_cell(table, "%s", what);
    cli_table_cell(table, "%s", cli_text_grouped(text, count));
    cli_table_cell(table, "%s", cli_text_grouped(text, each));
    cli_table_cell(table, "%s", cli_text_grouped(text, count * each));
    cli_table_cell(table, "%s", cli_text_bytes(text, (double)(count * each)));
}

static void sum(struct cli_table *table, const char *what, uint64_t bytes)
{
    char text[CLI_TEXT];
    cli_table_cell(table, "%s", what);
    cli_table_cell(table, "%s", "");
    cli_table_cell(table, "%s", "");
    cli_table_cell(table, "%s", cli_text_grouped(text, bytes));
    cli_table_cell(table, "%s", cli_text_bytes(text, (double)bytes));
}

static int print_text(const struct create *create)
{
    const struct quire_plan *plan = &create->plan;
    struct cli_table table;
    char text[CLI_TEXT];
    cli_table_init(&table, "lrrrr");
    cli_table_cell(&table, "%s", "");
    cli_table_cell(&table, "%s", "files");
    cli_table_cell(&table, "%s", "bytes each");
    cli_table_cell(&table, "%s", "bytes");
    cli_table_cell(&table, "%s", "");
    row(&table, "control file", 1, plan->control_bytes);
    row(&table, "page files", plan->max_pages, plan->page_bytes);
    sum(&table, "at creation", plan->total_bytes);
    if (plan->limit_bytes != plan->total_bytes)
        sum(&table, "at most", plan->limit_bytes);
    row(&table, "each group adds", 1, plan->group_bytes);
    printf("%s: %s\n", create->path,
           create->dry_run ? "not created, this is a dry run" : "created");
    int error = cli_table_print(&table, stdout, 2);
    printf("A page holds up to %s messages", cli_text_grouped(text, plan->max_messages));
    printf(" in %s of data;", cli_text_bytes(text, (double)plan->page_size));
    printf(" the largest message\nhas %s bytes.\n",
           cli_text_grouped(text, plan->message_bytes_max));
    return error == 0 ? CLI_OK : cli_fail("table", error);
}

int cli_cmd_create(int argc, char **argv)
{
    struct create create = {.options = QUIRE_OPTIONS_INIT};
    int status = parse(argc, argv, &create);
    if (status == CLI_OK && !create.dry_run) {
        quire_t *channel;
        create.options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
        status = cli_channel_open(&channel, create.path, &create.options);
        if (status == CLI_OK)
            status = cli_channel_close(channel, create.path);
    }
    if (status != CLI_OK)
        return status;
    if (create.json)
        print_json(&create);
    else if (create.dry_run || !cli_quiet)
        status = print_text(&create);
    int flushed = cli_finish_stdout();
    return status == CLI_OK ? flushed : status;
}
