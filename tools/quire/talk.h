/* SPDX-License-Identifier: MIT */
/* What the command says to people, all of it on standard error and starting with its name. */
#ifndef CLI_TALK_H
#define CLI_TALK_H

#define CLI_PRINTF(at, first) __attribute__((format(printf, at, first)))

/* The subcommand named in every message; "" before it is known. Static storage. */
extern const char *cli_command;

/* No message but errors when set. */
extern int cli_quiet;

/* "quire send: TEXT". Says nothing else, decides nothing. */
CLI_PRINTF(1, 2) void cli_error(const char *format, ...);

/* As cli_error, unless quiet: progress of the work, not failure. */
CLI_PRINTF(1, 2) void cli_note(const char *format, ...);

/* An error of the command line, with where to read about it. Returns CLI_USAGE. */
CLI_PRINTF(1, 2) int cli_usage(const char *format, ...);

/* "quire send: SUBJECT: sentence of the code". Returns the exit status for the code. */
int cli_fail(const char *subject, long code);

/* Flushes standard output; returns CLI_OK, or says why it failed and returns the status. */
int cli_finish_stdout(void);

#endif
