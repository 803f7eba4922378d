/* SPDX-License-Identifier: MIT */
/*
 * Options of the command line. Each reader says what is wrong, naming the option, and returns
 * CLI_OK or CLI_USAGE.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <getopt.h>
#include <stdint.h>

/* What cli_args_next returns apart from the values of the option table. */
enum cli_args {
    CLI_ARGS_END = -1,   /* no more options: operands start at optind */
    CLI_ARGS_ERROR = 1,  /* said already: return CLI_USAGE */
    CLI_ARGS_FIRST = 256 /* values for the options of a command start here */
};

/* The options every command has. */
#define CLI_ARGS_COMMON                 \
    {"help", no_argument, NULL, 'h'},   \
    {                                   \
        "quiet", no_argument, NULL, 'q' \
    }

/*
 * The next option: CLI_ARGS_END, CLI_ARGS_ERROR, or its value in the table. --quiet is taken
 * care of here, and so is --help, which ends the program.
 */
int cli_args_next(int argc, char **argv, const struct option *options);

/* A number with an optional K, M, G, T, within min..max. */
int cli_args_size(const char *option, const char *text, uint64_t min, uint64_t max,
                  uint64_t *value);

/* The same for a 32-bit result. */
int cli_args_u32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *value);

/* Seconds with an optional fraction, or "forever". */
int cli_args_seconds(const char *option, const char *text, uint64_t *ns);

/* The same, from a nanosecond to max_ns. */
int cli_args_span(const char *option, const char *text, uint64_t max_ns, uint64_t *ns);

/* One of a list of words, ended by a NULL word. */
struct cli_word {
    const char *word;
    uint32_t value;
};
int cli_args_word(const char *option, const char *text, const struct cli_word *words,
                  uint32_t *value);

/* The word for a value, or "unknown". */
const char *cli_args_word_of(const struct cli_word *words, uint32_t value);

/* Words that several commands share. */
extern const struct cli_word cli_words_wait[];
extern const struct cli_word cli_words_policy[];
extern const struct cli_word cli_words_checksum[];

#endif
