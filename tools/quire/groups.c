/* SPDX-License-Identifier: MIT */
/* Groups of an open channel, by name. */
#include <tools/quire/groups.h>

#include <stdio.h>
#include <string.h>
#include <tools/quire/exits.h>
#include <tools/quire/suggest.h>
#include <tools/quire/talk.h>
#include <tools/quire/where.h>

#define NAMED 5 /* groups that an error names */

const struct cli_word cli_words_mode[] = {
    {"auto", QUIRE_GROUP_AUTO}, {"ack", QUIRE_GROUP_ACK}, {0}};
const struct cli_word cli_words_hold[] = {
    {"required", QUIRE_HOLD_REQUIRED}, {"lossy", QUIRE_HOLD_LOSSY}, {0}};

const struct quire_group_stat *cli_group_in(const struct cli_snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->groups_count; i++) {
        if (strcmp(snapshot->groups[i].name, name) == 0)
            return &snapshot->groups[i];
    }
    return NULL;
}

/* Says that there is none, and which there are; the one that may be meant. */
static void tell_groups(const struct cli_snapshot *snapshot, const char *path, const char *name)
{
    const char *nearest = NULL;
    char names[(QUIRE_GROUP_NAME_MAX + 3) * NAMED + 8] = "";
    if (snapshot->groups_count == 0) {
        cli_error("%s: there is no group '%s', nor any other", path, name);
        return;
    }
    for (size_t i = 0; i < snapshot->groups_count; i++) {
        const char *known = snapshot->groups[i].name;
        size_t used = strlen(names);
        if (i < NAMED)
            snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "", known);
        else if (i == NAMED)
            snprintf(names + used, sizeof(names) - used, ", ...");
        const char *pair[] = {known, nearest};
        nearest = cli_suggest(name, pair, 2);
    }
    if (nearest != NULL)
        cli_error("%s: there is no group '%s'; did you mean '%s'?", path, name, nearest);
    else
        cli_error("%s: there is no group '%s', but %s", path, name, names);
}

int cli_group_look(quire_t *channel, const char *path, const char *name,
                   struct quire_group_stat *group)
{
    struct cli_snapshot snapshot;
    int error = cli_snapshot_read(channel, &snapshot);
    if (error != 0)
        return cli_fail(path, error);
    const struct quire_group_stat *found = cli_group_in(&snapshot, name);
    if (found != NULL)
        *group = *found;
    else
        tell_groups(&snapshot, path, name);
    cli_snapshot_free(&snapshot);
    return found != NULL ? CLI_OK : cli_exit_of(QUIRE_ENOENT);
}

int cli_group_look_ack(quire_t *channel, const char *path, const char *name,
                       struct quire_group_stat *group)
{
    int status = cli_group_look(channel, path, name, group);
    if (status != CLI_OK || group->mode == QUIRE_GROUP_ACK)
        return status;
    cli_error("%s: group %s does not acknowledge (mode auto): nothing is returned to it and it has "
              "no dead letters",
              path, name);
    return CLI_USAGE;
}

void cli_group_tell_lost(const char *path, const char *group, struct quire_lost lost)
{
    char first[CLI_POSITION_TEXT], last[CLI_POSITION_TEXT];
    cli_error("%s: group %s lost %llu messages that were overwritten, from %s to %s", path, group,
              (unsigned long long)lost.count, cli_position_text(first, lost.first),
              cli_position_text(last, lost.last));
}
