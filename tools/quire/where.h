/* SPDX-License-Identifier: MIT */
/* Places in a channel and names of groups, as people write them. */
#ifndef CLI_WHERE_H
#define CLI_WHERE_H

#include <quire/rx.h>

/*
 * oldest | newest | PAGE | PAGE:SLOT | position:P | @SECONDS | 2025-01-31T10:00:00Z. option is
 * named in what is said. Returns CLI_OK or CLI_USAGE (said).
 */
int cli_where_parse(const char *option, const char *text, struct quire_where *where);

/* One message: PAGE:SLOT, P or position:P. Returns 1 when text is one. */
int cli_position_parse(const char *text, uint64_t *position);

/* "12:34", as cli_position_parse reads it. Returns text. */
#define CLI_POSITION_TEXT 32
char *cli_position_text(char text[CLI_POSITION_TEXT], uint64_t position);

/* Whether a name may be that of a group; what names it in what is said ("--group"). Returns CLI_OK
 * or CLI_USAGE (said). */
int cli_group_check(const char *what, const char *name);

/* Says why a place that option names cannot be had; names what the channel still holds. Returns
 * the status. */
int cli_where_fail(quire_t *channel, const char *path, const char *option, const char *text,
                   const struct quire_where *where, int error);

#endif
