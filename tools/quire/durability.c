/* SPDX-License-Identifier: MIT */
/* Options that say how durable messages are and who syncs them. */
#include <tools/quire/durability.h>

#include <stddef.h>
#include <tools/quire/clock.h>
#include <tools/quire/exits.h>
#include <tools/quire/talk.h>

#define DELAY_MAX_MS 3600000u /* an hour, as the library */

const struct cli_word cli_words_durability[] = {{"none", QUIRE_DURABLE_NONE},
                                                {"interval", QUIRE_DURABLE_INTERVAL},
                                                {"each", QUIRE_DURABLE_EACH},
                                                {0}};
const struct cli_word cli_words_engine[] = {
    {"uring", QUIRE_ENGINE_URING}, {"threads", QUIRE_ENGINE_THREADS}, {0}};

static int delay(const char *option, const char *text, uint64_t *ns)
{
    uint64_t ms;
    int status = cli_args_size(option, text, 1, DELAY_MAX_MS, &ms);
    if (status == CLI_OK)
        *ns = ms * CLI_MS;
    return status;
}

int cli_durability_option(int option, const char *value, struct quire_options *options)
{
    switch (option) {
    case CLI_DURABILITY:
        return cli_args_word("durability", value, cli_words_durability, &options->durability);
    case CLI_SYNC_EVERY:
        return cli_args_size("sync-every", value, 1, UINT64_MAX, &options->sync_every);
    case CLI_SYNC_DELAY:
        return delay("sync-delay", value, &options->sync_delay_ns);
    case CLI_COMMIT_EVERY:
        return cli_args_size("commit-every", value, 1, UINT64_MAX, &options->commit_every);
    case CLI_COMMIT_DELAY:
        return delay("commit-delay", value, &options->commit_delay_ns);
    case CLI_ENGINE:
        return cli_args_word("engine", value, cli_words_engine, &options->engine);
    default:
        return cli_usage("unknown option");
    }
}

int cli_durability_check(const struct quire_options *options, int directory)
{
    if (options->durability != QUIRE_DURABLE_INTERVAL &&
        (options->sync_every != 0 || options->sync_delay_ns != 0))
        return cli_usage("--%s belongs to --durability interval and needs it",
                         options->sync_every != 0 ? "sync-every" : "sync-delay");
    if (options->durability != QUIRE_DURABLE_NONE && !directory)
        return cli_usage("--durability %s: a channel in memory cannot be made durable, only one "
                         "in a directory",
                         cli_args_word_of(cli_words_durability, options->durability));
    return CLI_OK;
}

void cli_durability_json(struct cli_json *json, const struct quire_stat *stat)
{
    if (stat->engine == QUIRE_ENGINE_AUTO)
        cli_json_null(json, "engine");
    else
        cli_json_string(json, "engine", cli_args_word_of(cli_words_engine, stat->engine));
    if (stat->engine_reason[0] == '\0')
        cli_json_null(json, "engine_reason");
    else
        cli_json_string(json, "engine_reason", stat->engine_reason);
}
