/* SPDX-License-Identifier: MIT */
/* Reading of all statistics of a channel. */
#include <tools/quire/snapshot.h>

#include <errno.h>
#include <stdlib.h>

/* Lists may grow between two calls: ask again, with some room, until one fits. */
#define READ_LIST(channel, read, list, count_out)                               \
    do {                                                                        \
        size_t room = 0;                                                        \
        long found = (read)((channel), NULL, 0);                                \
        while (found > (long)room) {                                            \
            room = (size_t)found + 8;                                           \
            free(list);                                                         \
            (list) = calloc(room, sizeof(*(list)));                             \
            found = (list) == NULL ? -ENOMEM : (read)((channel), (list), room); \
        }                                                                       \
        if (found < 0)                                                          \
            return (int)found;                                                  \
        (count_out) = (size_t)found;                                            \
    } while (0)

static int read_lists(quire_t *channel, struct cli_snapshot *snapshot)
{
    READ_LIST(channel, quire_stat_pages, snapshot->pages, snapshot->pages_count);
    READ_LIST(channel, quire_stat_groups, snapshot->groups, snapshot->groups_count);
    READ_LIST(channel, quire_stat_handles, snapshot->handles, snapshot->handles_count);
    return 0;
}

int cli_snapshot_read(quire_t *channel, struct cli_snapshot *snapshot)
{
    *snapshot = (struct cli_snapshot){0};
    int error = quire_stat(channel, &snapshot->stat);
    if (error == 0)
        error = read_lists(channel, snapshot);
    if (error != 0)
        cli_snapshot_free(snapshot);
    return error;
}

void cli_snapshot_free(struct cli_snapshot *snapshot)
{
    free(snapshot->pages);
    free(snapshot->groups);
    free(snapshot->handles);
    *snapshot = (struct cli_snapshot){0};
}
