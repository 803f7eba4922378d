/* SPDX-License-Identifier: MIT */
/* The options that shape a new channel, for the commands that make one. */
#ifndef CLI_GEOMETRY_H
#define CLI_GEOMETRY_H

#include <quire/channel.h>
#include <tools/quire/args.h>

enum cli_geometry_option {
    CLI_PAGE_SIZE = CLI_ARGS_FIRST + 100,
    CLI_MAX_PAGES,
    CLI_MAX_MESSAGES,
    CLI_POLICY,
    CLI_MAX_BYTES,
    CLI_MAX_QUEUED,
    CLI_CHECKSUM,
    CLI_MODE
};

/* For tables of struct option: the pool, and the rest of the shape. */
#define CLI_GEOMETRY_POOL                                            \
    {"page-size", required_argument, NULL, CLI_PAGE_SIZE},           \
        {"max-pages", required_argument, NULL, CLI_MAX_PAGES},       \
        {"max-messages", required_argument, NULL, CLI_MAX_MESSAGES}, \
    {                                                                \
        "checksum", required_argument, NULL, CLI_CHECKSUM            \
    }
#define CLI_GEOMETRY_REST                                        \
    {"policy", required_argument, NULL, CLI_POLICY},             \
        {"max-bytes", required_argument, NULL, CLI_MAX_BYTES},   \
        {"max-queued", required_argument, NULL, CLI_MAX_QUEUED}, \
    {                                                            \
        "mode", required_argument, NULL, CLI_MODE                \
    }

/* Reads one of these options into *options. Returns CLI_OK or CLI_USAGE (said). */
int cli_geometry_option(int option, const char *value, struct quire_options *options);

/*
 * Fills *plan for the options, or says why they do not fit together. Returns CLI_OK or
 * CLI_USAGE.
 */
int cli_geometry_plan(const struct quire_options *options, int directory, struct quire_plan *plan);

#endif
