/* SPDX-License-Identifier: MIT */
/* Options of the command line: getopt_long with our own sentences, and the readers of values. */
#include <tools/quire/args.h>

#include <quire/channel.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tools/quire/clock.h>
#include <tools/quire/commands.h>
#include <tools/quire/exits.h>
#include <tools/quire/number.h>
#include <tools/quire/talk.h>

const struct cli_word cli_words_wait[] = {
    {"block", QUIRE_WAIT_BLOCK}, {"yield", QUIRE_WAIT_YIELD}, {"busy", QUIRE_WAIT_BUSY}, {0}};
const struct cli_word cli_words_policy[] = {{"block", QUIRE_FULL_BLOCK},
                                            {"reject", QUIRE_FULL_REJECT},
                                            {"drop-oldest", QUIRE_FULL_DROP_OLDEST},
                                            {"grow", QUIRE_FULL_GROW},
                                            {0}};
const struct cli_word cli_words_checksum[] = {
    {"on", QUIRE_CHECKSUM_ON}, {"off", QUIRE_CHECKSUM_OFF}, {0}};

int cli_args_next(int argc, char **argv, const struct option *options)
{
    opterr = 0;
    /* A leading ':' tells a missing value from an unknown option. */
    int option;
    while ((option = getopt_long(argc, argv, ":hq", options, NULL)) == 'q')
        cli_quiet = 1;
    if (option == 'h')
        exit(cli_help(cli_command)); /* options come first: nothing is open yet */
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (option == ':')
        cli_usage("option '%s' needs a value", word);
    else if (option == '?' && optopt > 0 && optopt < CLI_ARGS_FIRST && word[1] != '-')
        cli_usage("unknown option '-%c'", optopt);
    else if (option == '?' && optopt != 0)
        cli_usage("option '%s' takes no value", word);
    else if (option == '?')
        cli_usage("unknown or ambiguous option '%s'", word);
    else
        return option;
    return CLI_ARGS_ERROR;
}

/* Says why text is not a number of min..max. */
static int refuse(const char *option, const char *text, int error, uint64_t min, uint64_t max)
{
    if (error == CLI_NUMBER_SYNTAX)
        return cli_usage("--%s: '%s' is not a number (digits, then K, M, G or T for powers of "
                         "1024)",
                         option, text);
    return cli_usage("--%s: %s is out of range (%llu to %llu)", option, text,
                     (unsigned long long)min, (unsigned long long)max);
}

int cli_args_size(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    uint64_t n = 0;
    int error = cli_number_size(text, &n);
    if (error != CLI_NUMBER_OK || n < min || n > max)
        return refuse(option, text, error, min, max);
    *value = n;
    return CLI_OK;
}

int cli_args_u32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
    uint64_t n = 0;
    int status = cli_args_size(option, text, min, max, &n);
    if (status == CLI_OK)
        *value = (uint32_t)n;
    return status;
}

int cli_args_seconds(const char *option, const char *text, uint64_t *ns)
{
    if (cli_number_seconds(text, ns) == CLI_NUMBER_OK)
        return CLI_OK;
    return cli_usage("--%s: '%s' is not a number of seconds (such as 5, 0.25 or forever)", option,
                     text);
}

int cli_args_span(const char *option, const char *text, uint64_t max_ns, uint64_t *ns)
{
    uint64_t n = 0;
    if (cli_number_seconds(text, &n) != CLI_NUMBER_OK)
        return cli_usage("--%s: '%s' is not a number of seconds (such as 5 or 0.25)", option, text);
    if (n == 0 || n > max_ns)
        return cli_usage("--%s: %s is out of range (up to %llu seconds)", option, text,
                         (unsigned long long)(max_ns / CLI_SECOND));
    *ns = n;
    return CLI_OK;
}

int cli_args_word(const char *option, const char *text, const struct cli_word *words,
                  uint32_t *value)
{
    char known[128] = "";
    for (const struct cli_word *w = words; w->word != NULL; w++) {
        if (strcmp(w->word, text) == 0) {
            *value = w->value;
            return CLI_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "", w->word);
    }
    return cli_usage("--%s: '%s' is none of: %s", option, text, known);
}

const char *cli_args_word_of(const struct cli_word *words, uint32_t value)
{
    for (const struct cli_word *w = words; w->word != NULL; w++) {
        if (w->value == value)
            return w->word;
    }
    return "unknown";
}
