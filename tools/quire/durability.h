/* SPDX-License-Identifier: MIT */
/* The options that say how durable messages and places of groups are, and who syncs them. */
#ifndef CLI_DURABILITY_H
#define CLI_DURABILITY_H

#include <quire/stat.h>
#include <tools/quire/args.h>
#include <tools/quire/json.h>

enum cli_durability_option {
    CLI_DURABILITY = CLI_ARGS_FIRST + 200,
    CLI_SYNC_EVERY,
    CLI_SYNC_DELAY,
    CLI_COMMIT_EVERY,
    CLI_COMMIT_DELAY,
    CLI_ENGINE
};

/* For tables of struct option: of who sends. */
#define CLI_DURABILITY_OPTIONS                                   \
    {"durability", required_argument, NULL, CLI_DURABILITY},     \
        {"sync-every", required_argument, NULL, CLI_SYNC_EVERY}, \
        {"sync-delay", required_argument, NULL, CLI_SYNC_DELAY}, \
    {                                                            \
        "engine", required_argument, NULL, CLI_ENGINE            \
    }

/* Of who receives: how often a group's place is made durable. */
#define CLI_COMMIT_OPTIONS                                           \
    {"commit-every", required_argument, NULL, CLI_COMMIT_EVERY},     \
        {"commit-delay", required_argument, NULL, CLI_COMMIT_DELAY}, \
    {                                                                \
        "engine", required_argument, NULL, CLI_ENGINE                \
    }

extern const struct cli_word cli_words_durability[];
extern const struct cli_word cli_words_engine[];

/* Whether an option is one of these. */
static inline int cli_durability_is(int option)
{
    return option >= CLI_DURABILITY && option <= CLI_ENGINE;
}

/* Reads one of these options into *options. Returns CLI_OK or CLI_USAGE (said). */
int cli_durability_option(int option, const char *value, struct quire_options *options);

/* Whether they fit together, and to a channel in memory (directory = 0) or on disk. */
int cli_durability_check(const struct quire_options *options, int directory);

/* Who does the slow work of this open, as members of a JSON object: engine, engine_reason; null
 * where there was no need of one yet. */
void cli_durability_json(struct cli_json *json, const struct quire_stat *stat);

#endif
