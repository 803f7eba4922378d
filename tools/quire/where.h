/* SPDX-License-Identifier: MIT */
/* Places in a channel and names of groups, as people write them. */
#ifndef CLI_WHERE_H
#define CLI_WHERE_H

#include <quire/rx.h>

/*
 * oldest | newest | PAGE | PAGE:SLOT | position:P. Returns CLI_OK or CLI_USAGE (said).
 */
int cli_where_parse(const char *text, struct quire_where *where);

/* Whether a name may be that of a group. Returns CLI_OK or CLI_USAGE (said). */
int cli_group_check(const char *name);

/*
 * Notes that from (NULL: not given) has no effect when the group exists already.
 * Returns CLI_OK or the status of a failure (said).
 */
int cli_where_note(quire_t *channel, const char *path, const char *group, const char *from);

/* Says why subscribing at a place failed; names what the channel still holds. Returns status. */
int cli_where_fail(quire_t *channel, const char *path, const char *from,
                   const struct quire_where *where, int error);

#endif
