/* SPDX-License-Identifier: MIT */
/* What quire doctor found, as findings: each with what to do about it. */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include <quire/doctor.h>
#include <stddef.h>

#define CLI_FINDINGS_MAX 16
#define CLI_FINDING_TEXT 256

enum cli_level {
    CLI_FINE = 0,
    CLI_NOTED = 1, /* costs something, and stands in nobody's way */
    CLI_WRONG = 2  /* no io_uring, or durability in doubt */
};

struct cli_finding {
    enum cli_level level;
    const char *name;
    char text[CLI_FINDING_TEXT];
    char advice[CLI_FINDING_TEXT]; /* empty: nothing to do */
};

struct cli_findings {
    size_t count;
    struct cli_finding list[CLI_FINDINGS_MAX];
};

/* poisoned: 1 when the place is a channel one of whose syncs has failed. */
void cli_findings_make(const struct quire_doctor *report, int poisoned,
                       struct cli_findings *findings);

/* 1 when one of them is CLI_WRONG. */
int cli_findings_wrong(const struct cli_findings *findings);

/* Lines of at most 80 columns. */
void cli_findings_text(const struct cli_findings *findings);

/* One JSON object: every figure of the report, then the findings. path may be NULL. */
void cli_findings_json(const char *path, const struct quire_doctor *report, int poisoned,
                       const struct cli_findings *findings);

#endif
