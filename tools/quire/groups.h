/* SPDX-License-Identifier: MIT */
/* What the commands share about groups: finding one by its name, and words for what it is. */
#ifndef CLI_GROUPS_H
#define CLI_GROUPS_H

#include <quire/rx.h>
#include <quire/stat.h>
#include <tools/quire/args.h>
#include <tools/quire/holders.h>
#include <tools/quire/snapshot.h>

extern const struct cli_word cli_words_mode[];
extern const struct cli_word cli_words_hold[];

/* The group of that name, or NULL. */
const struct quire_group_stat *cli_group_in(const struct cli_snapshot *snapshot, const char *name);

/*
 * Figures of one group of an open channel. There being none is an error that names those there
 * are. Returns CLI_OK, or the status (said).
 */
int cli_group_look(quire_t *channel, const char *path, const char *name,
                   struct quire_group_stat *group);

/* The same, for what only a group with acknowledgement has. */
int cli_group_look_ack(quire_t *channel, const char *path, const char *name,
                       struct quire_group_stat *group);

/* Says what the group lost to drop-oldest, as the library tells one member of it, once. */
void cli_group_tell_lost(const char *path, const char *group, struct quire_lost lost);

/* The tables, or one object. now_ns: CLOCK_REALTIME, to tell ages from. */
int cli_groups_text(const char *path, const struct cli_snapshot *snapshot,
                    const struct cli_holders *holders, uint64_t now_ns);
void cli_groups_json(const char *path, const struct cli_snapshot *snapshot,
                     const struct cli_holders *holders, uint64_t now_ns);

#endif
