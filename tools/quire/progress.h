/* SPDX-License-Identifier: MIT */
/*
 * A progress bar on standard error, when that is a terminal and the work takes longer than a
 * second. One line, redrawn at most ten times a second and wiped at the end.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdint.h>

struct cli_progress {
    const char *label;
    const char *unit;    /* of the counts: "messages" or "bytes" */
    uint64_t total;      /* 0: unknown, a count without a bar */
    uint64_t started_ns; /* 0: no terminal, never draws */
    uint64_t next_ns;
    int width; /* columns of the terminal */
    int shown;
};

/* enabled = 0 keeps it off whatever standard error is. */
void cli_progress_start(struct cli_progress *progress, const char *label, const char *unit,
                        uint64_t total, int enabled);

/* Cheap enough for every batch: one reading of the clock. */
void cli_progress_update(struct cli_progress *progress, uint64_t done);

/* Wipes the line; must come before anything else is said. */
void cli_progress_end(struct cli_progress *progress);

#endif
