/* SPDX-License-Identifier: MIT */
/* The dead letters of a group, read once. */
#ifndef CLI_LETTERS_H
#define CLI_LETTERS_H

#include <quire/group.h>
#include <stddef.h>
#include <stdint.h>

struct cli_letters {
    uint64_t *positions; /* ascending */
    size_t count;
};

/* Returns 0, or a code with nothing allocated. cli_letters_free frees the list. */
int cli_letters_read(quire_t *channel, const char *group, struct cli_letters *letters);
void cli_letters_free(struct cli_letters *letters);

/* Whether position is one of them. */
int cli_letters_have(const struct cli_letters *letters, uint64_t position);

#endif
