/* SPDX-License-Identifier: MIT */
/* Everything quire/stat.h tells about a channel, read once. */
#ifndef CLI_SNAPSHOT_H
#define CLI_SNAPSHOT_H

#include <quire/stat.h>
#include <stddef.h>

struct cli_snapshot {
    struct quire_stat stat;
    struct quire_page_stat *pages;
    size_t pages_count;
    struct quire_group_stat *groups;
    size_t groups_count;
    struct quire_handle_stat *handles;
    size_t handles_count;
};

/* Returns 0, or a code with nothing allocated. cli_snapshot_free frees what the lists hold. */
int cli_snapshot_read(quire_t *channel, struct cli_snapshot *snapshot);
void cli_snapshot_free(struct cli_snapshot *snapshot);

#endif
