/* SPDX-License-Identifier: MIT */
/* Places in a channel and names of groups. */
#include <tools/quire/where.h>

#include <quire/stat.h>
#include <stdio.h>
#include <string.h>
#include <tools/quire/exits.h>
#include <tools/quire/number.h>
#include <tools/quire/snapshot.h>
#include <tools/quire/talk.h>

#define PAGE_MAX    (UINT64_MAX >> 16)
#define GROUP_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* PAGE:SLOT. Returns 0 when text is one. */
static int page_and_slot(const char *text, uint64_t *position)
{
    char page_text[CLI_TEXT];
    const char *colon = strchr(text, ':');
    uint64_t page, slot;
    if (colon == NULL || (size_t)(colon - text) >= sizeof(page_text))
        return -1;
    snprintf(page_text, sizeof(page_text), "%.*s", (int)(colon - text), text);
    if (cli_number_decimal(page_text, &page) != 0 || cli_number_decimal(colon + 1, &slot) != 0 ||
        page > PAGE_MAX || slot >= QUIRE_MESSAGES_MAX)
        return -1;
    *position = QUIRE_POSITION(page, slot);
    return 0;
}

int cli_where_parse(const char *text, struct quire_where *where)
{
    static const char prefix[] = "position:";
    *where = (struct quire_where){.kind = QUIRE_OLDEST};
    if (strcmp(text, "oldest") == 0)
        return CLI_OK;
    if (strcmp(text, "newest") == 0) {
        where->kind = QUIRE_NEWEST;
        return CLI_OK;
    }
    where->kind = QUIRE_PAGE;
    if (cli_number_decimal(text, &where->value) == 0 && where->value <= PAGE_MAX)
        return CLI_OK;
    where->kind = QUIRE_AT;
    if (page_and_slot(text, &where->value) == 0)
        return CLI_OK;
    if (strncmp(text, prefix, sizeof(prefix) - 1) == 0 &&
        cli_number_decimal(text + sizeof(prefix) - 1, &where->value) == 0)
        return CLI_OK;
    return cli_usage("--from: '%s' is none of: oldest, newest, PAGE, PAGE:SLOT, position:P", text);
}

int cli_group_check(const char *name)
{
    size_t length = strlen(name);
    if (length > 0 && length <= QUIRE_GROUP_NAME_MAX && name[0] != '.' &&
        strspn(name, GROUP_BYTES) == length)
        return CLI_OK;
    return cli_usage("--group: '%s' is not a group name: 1 to %u letters, digits, '.', '_' or '-', "
                     "not starting with '.'",
                     name, QUIRE_GROUP_NAME_MAX);
}

int cli_where_note(quire_t *channel, const char *path, const char *group, const char *from)
{
    struct cli_snapshot snapshot;
    if (from == NULL)
        return CLI_OK;
    int error = cli_snapshot_read(channel, &snapshot);
    if (error != 0)
        return cli_fail(path, error);
    for (size_t i = 0; i < snapshot.groups_count; i++) {
        if (strcmp(snapshot.groups[i].name, group) == 0)
            cli_note("group %s exists and goes on where it is; --from %s has no effect", group,
                     from);
    }
    cli_snapshot_free(&snapshot);
    return CLI_OK;
}

int cli_where_fail(quire_t *channel, const char *path, const char *from,
                   const struct quire_where *where, int error)
{
    struct quire_stat stat;
    const int place = where->kind == QUIRE_PAGE || where->kind == QUIRE_AT;
    if (!place || (error != QUIRE_ENOENT && error != QUIRE_EINVAL) ||
        quire_stat(channel, &stat) != 0)
        return cli_fail(path, error);
    cli_error("%s: --from %s: %s; it holds pages %llu to %llu", path, from,
              error == QUIRE_ENOENT ? "that page is no longer held" : "that place is not there yet",
              (unsigned long long)stat.first_page, (unsigned long long)stat.tail_page);
    return error == QUIRE_ENOENT ? CLI_NOT_CHANNEL : CLI_USAGE;
}
