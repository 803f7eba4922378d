/* SPDX-License-Identifier: MIT */
/* Who keeps which page of a channel, read once. */
#ifndef CLI_HOLDERS_H
#define CLI_HOLDERS_H

#include <quire/stat.h>
#include <stddef.h>

struct cli_holders {
    struct quire_holder *list; /* pages ascending */
    size_t count;
};

/* Returns 0, or a code with nothing allocated. cli_holders_free frees the list. */
int cli_holders_read(quire_t *channel, struct cli_holders *holders);
void cli_holders_free(struct cli_holders *holders);

/* The page with the oldest message that the group, or a member of it, has not finished; NULL when
 * it has finished everything. */
const struct quire_holder *cli_holders_oldest(const struct cli_holders *holders, const char *group);

/* A row for each group and handle that keeps pages. Returns 0 or -ENOMEM. */
int cli_holders_text(const char *path, const struct cli_holders *holders);

/* One object with every entry. */
void cli_holders_json(const char *path, const struct cli_holders *holders);

#endif
