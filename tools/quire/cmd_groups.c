/* SPDX-License-Identifier: MIT */
/* quire groups: what the groups of a channel are, and what an operator does with them. */
#include <tools/quire/commands.h>

#include <quire/rx.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/clock.h>
#include <tools/quire/exits.h>
#include <tools/quire/groups.h>
#include <tools/quire/suggest.h>
#include <tools/quire/talk.h>
#include <tools/quire/where.h>

#define LEASE_MAX_NS (UINT32_MAX * CLI_MS)

enum {
    FROM = CLI_ARGS_FIRST,
    MODE,
    HOLD,
    MAX_ATTEMPTS,
    LEASE,
    TO,
    JSON,
    OPTIONS_END,
    OPTIONS = OPTIONS_END - CLI_ARGS_FIRST
};

struct groups {
    const struct verb *verb;
    const char *path;
    const char *name;
    const char *place; /* --from or --to, as given, or NULL */
    struct quire_where where;
    struct quire_group_options group;
    int json;
    const char *given[OPTIONS]; /* as written: to refuse what the verb has no use for */
};

#define BIT(option) (1u << ((option)-CLI_ARGS_FIRST))

struct verb {
    const char *word;
    int (*run)(const struct groups *groups);
    int named; /* takes a NAME */
    unsigned takes;
};

static uint64_t realtime(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * CLI_SECOND + (uint64_t)t.tv_nsec;
}

static int print_groups(const struct groups *groups, const struct cli_holders *holders,
                        quire_t *channel)
{
    struct cli_snapshot snapshot;
    int error = cli_snapshot_read(channel, &snapshot);
    if (error == 0 && groups->json)
        cli_groups_json(groups->path, &snapshot, holders, realtime());
    else if (error == 0)
        error = cli_groups_text(groups->path, &snapshot, holders, realtime());
    cli_snapshot_free(&snapshot);
    return error;
}

static int print_holders(const struct groups *groups, const struct cli_holders *holders,
                         quire_t *channel)
{
    (void)channel;
    if (!groups->json)
        return cli_holders_text(groups->path, holders);
    cli_holders_json(groups->path, holders);
    return 0;
}

/* To look only: also while another process has the channel open. */
static int look(const struct groups *groups,
                int (*print)(const struct groups *groups, const struct cli_holders *holders,
                             quire_t *channel))
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct cli_holders holders;
    quire_t *channel;
    options.flags = QUIRE_READ_ONLY;
    int status = cli_channel_open(&channel, groups->path, &options);
    if (status != CLI_OK)
        return status;
    int error = cli_holders_read(channel, &holders);
    if (error == 0)
        error = print(groups, &holders, channel);
    if (error != 0)
        status = cli_fail(groups->path, error);
    cli_holders_free(&holders);
    int closed = cli_channel_close(channel, groups->path);
    int flushed = cli_finish_stdout();
    if (status == CLI_OK)
        status = closed;
    return status == CLI_OK ? flushed : status;
}

static int run_list(const struct groups *groups)
{
    return look(groups, print_groups);
}

static int run_holders(const struct groups *groups)
{
    return look(groups, print_holders);
}

/* Where the group is now. */
static int tell_place(const struct groups *groups, quire_t *channel, const char *did)
{
    struct quire_group_stat group;
    char at[CLI_POSITION_TEXT];
    int status = cli_group_look(channel, groups->path, groups->name, &group);
    if (status == CLI_OK)
        cli_note("%s: group %s %s %s; %llu messages lie before it", groups->path, groups->name, did,
                 cli_position_text(at, group.position), (unsigned long long)group.lag_messages);
    return status;
}

static int create_in(const struct groups *groups, quire_t *channel)
{
    int error = quire_group_create(channel, groups->name, &groups->where, &groups->group);
    if (error == QUIRE_EEXIST) {
        cli_error("%s: there is a group %s already", groups->path, groups->name);
        return cli_exit_of(error);
    }
    if (error != 0)
        return cli_where_fail(channel, groups->path, "--from", groups->place, &groups->where,
                              error);
    return tell_place(groups, channel, "was made and begins at");
}

static int seek_in(const struct groups *groups, quire_t *channel)
{
    int error = quire_group_seek(channel, groups->name, &groups->where);
    if (error != 0)
        return cli_where_fail(channel, groups->path, "--to", groups->place, &groups->where, error);
    return tell_place(groups, channel, "goes on at");
}

static int change_in(const struct groups *groups, quire_t *channel)
{
    static const struct {
        const char *word;
        int (*call)(quire_t *channel, const char *group);
        const char *done;
    } calls[] = {{"delete", quire_group_delete, "is deleted"},
                 {"pause", quire_group_pause, "is paused: it receives nothing and holds on"},
                 {"resume", quire_group_resume, "receives again"}};
    int error = QUIRE_EINVAL;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(calls[i].word, groups->verb->word) != 0)
            continue;
        error = calls[i].call(channel, groups->name);
        if (error == 0)
            cli_note("%s: group %s %s", groups->path, groups->name, calls[i].done);
    }
    return error == 0 ? CLI_OK : cli_fail(groups->path, error);
}

/* For the verbs that change something: with the channel open, and a group of that name in it unless
 * it is to be made. */
static int run_with(const struct groups *groups,
                    int (*work)(const struct groups *groups, quire_t *channel))
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_group_stat group;
    quire_t *channel;
    int status = cli_channel_open(&channel, groups->path, &options);
    if (status != CLI_OK)
        return status;
    if (work != create_in)
        status = cli_group_look(channel, groups->path, groups->name, &group);
    if (status == CLI_OK)
        status = work(groups, channel);
    int closed = cli_channel_close(channel, groups->path);
    return status == CLI_OK ? closed : status;
}

static int run_create(const struct groups *groups)
{
    if (groups->group.mode == QUIRE_GROUP_AUTO && groups->group.max_attempts != 0)
        return cli_usage("--max-attempts needs --mode ack");
    if (groups->group.mode == QUIRE_GROUP_AUTO && groups->group.lease_ns != 0)
        return cli_usage("--lease needs --mode ack");
    return run_with(groups, create_in);
}

static int run_seek(const struct groups *groups)
{
    return groups->place != NULL ? run_with(groups, seek_in) : cli_usage("seek: where --to?");
}

static int run_change(const struct groups *groups)
{
    return run_with(groups, change_in);
}

static const struct verb verbs[] = {
    {"list", run_list, 0, BIT(JSON)},
    {"holders", run_holders, 0, BIT(JSON)},
    {"create", run_create, 1, BIT(FROM) | BIT(MODE) | BIT(HOLD) | BIT(MAX_ATTEMPTS) | BIT(LEASE)},
    {"delete", run_change, 1, 0},
    {"seek", run_seek, 1, BIT(TO)},
    {"pause", run_change, 1, 0},
    {"resume", run_change, 1, 0},
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int parse_option(struct groups *groups, int option)
{
    switch (option) {
    case FROM:
    case TO:
        groups->place = optarg;
        return cli_where_parse(option == FROM ? "--from" : "--to", optarg, &groups->where);
    case MODE:
        return cli_args_word("mode", optarg, cli_words_mode, &groups->group.mode);
    case HOLD:
        return cli_args_word("hold", optarg, cli_words_hold, &groups->group.hold);
    case MAX_ATTEMPTS:
        return cli_args_u32("max-attempts", optarg, 1, 255, &groups->group.max_attempts);
    case LEASE:
        return cli_args_span("lease", optarg, LEASE_MAX_NS, &groups->group.lease_ns);
    case JSON:
        groups->json = 1;
        return CLI_OK;
    default:
        return CLI_USAGE;
    }
}

/* [VERB] CHANNEL [NAME]. A path of the name of a verb can be written ./create. */
static int parse_operands(struct groups *groups, int count, char **operands)
{
    const char *words[VERBS];
    groups->verb = &verbs[0];
    for (size_t i = 0; i < VERBS; i++) {
        words[i] = verbs[i].word;
        if (count > 0 && strcmp(operands[0], words[i]) == 0)
            groups->verb = &verbs[i];
    }
    int said = count > 0 && strcmp(operands[0], groups->verb->word) == 0;
    if (!said && count > 1) {
        const char *nearest = cli_suggest(operands[0], words, VERBS);
        if (nearest != NULL)
            return cli_usage("'%s' is nothing to do with groups; did you mean '%s'?", operands[0],
                             nearest);
        return cli_usage("'%s' is nothing to do with groups: list, holders, create, delete, seek, "
                         "pause or resume",
                         operands[0]);
    }
    operands += said;
    count -= said;
    if (count < 1)
        return cli_usage("which CHANNEL?");
    if (groups->verb->named && count < 2)
        return cli_usage("%s: NAME of which group?", groups->verb->word);
    if (count > 1 + groups->verb->named)
        return cli_usage("%s: '%s' is too much", groups->verb->word, operands[count - 1]);
    groups->path = operands[0];
    groups->name = groups->verb->named ? operands[1] : NULL;
    return groups->name != NULL ? cli_group_check("NAME", groups->name) : CLI_OK;
}

/* Every option is known to every verb, so that what it is of no use for can say so. */
static int check_options(const struct groups *groups, const struct option *options)
{
    for (const struct option *o = options; o->val >= CLI_ARGS_FIRST; o++) {
        if (groups->given[o->val - CLI_ARGS_FIRST] != NULL &&
            (groups->verb->takes & BIT(o->val)) == 0)
            return cli_usage("'groups %s' has no --%s", groups->verb->word, o->name);
    }
    return CLI_OK;
}

static int parse(int argc, char **argv, struct groups *groups)
{
    static const struct option options[] = {{"from", required_argument, NULL, FROM},
                                            {"mode", required_argument, NULL, MODE},
                                            {"hold", required_argument, NULL, HOLD},
                                            {"max-attempts", required_argument, NULL, MAX_ATTEMPTS},
                                            {"lease", required_argument, NULL, LEASE},
                                            {"to", required_argument, NULL, TO},
                                            {"json", no_argument, NULL, JSON},
                                            CLI_ARGS_COMMON,
                                            {0}};
    int option;
    while ((option = cli_args_next(argc, argv, options)) != CLI_ARGS_END) {
        int status = parse_option(groups, option);
        if (status != CLI_OK)
            return status;
        groups->given[option - CLI_ARGS_FIRST] = optarg != NULL ? optarg : "";
    }
    int status = parse_operands(groups, argc - optind, argv + optind);
    return status == CLI_OK ? check_options(groups, options) : status;
}

int cli_cmd_groups(int argc, char **argv)
{
    struct groups groups = {.group = QUIRE_GROUP_OPTIONS_INIT};
    int status = parse(argc, argv, &groups);
    return status == CLI_OK ? groups.verb->run(&groups) : status;
}
