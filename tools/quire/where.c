/* SPDX-License-Identifier: MIT */
/* Places in a channel and names of groups. */
#include <tools/quire/where.h>

#include <quire/stat.h>
#include <stdio.h>
#include <string.h>
#include <tools/quire/exits.h>
#include <tools/quire/number.h>
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

/* position:P */
static int position_word(const char *text, uint64_t *position)
{
    static const char prefix[] = "position:";
    return strncmp(text, prefix, sizeof(prefix) - 1) == 0 &&
           cli_number_decimal(text + sizeof(prefix) - 1, position) == 0;
}

int cli_where_parse(const char *option, const char *text, struct quire_where *where)
{
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
    if (page_and_slot(text, &where->value) == 0 || position_word(text, &where->value))
        return CLI_OK;
    where->kind = QUIRE_TIME;
    int error = cli_number_time(text, &where->value);
    if (error == 0)
        return CLI_OK;
    if (error == CLI_NUMBER_OVERFLOW)
        return cli_usage("%s: %s is out of range (up to the year 2554)", option, text);
    return cli_usage("%s: '%s' is none of: oldest, newest, PAGE, PAGE:SLOT, position:P, @SECONDS, "
                     "2025-01-31T10:00:00Z",
                     option, text);
}

int cli_position_parse(const char *text, uint64_t *position)
{
    return (page_and_slot(text, position) == 0 || cli_number_decimal(text, position) == 0 ||
            position_word(text, position)) &&
           QUIRE_SLOT_OF(*position) < QUIRE_MESSAGES_MAX;
}

char *cli_position_text(char text[CLI_POSITION_TEXT], uint64_t position)
{
    snprintf(text, CLI_POSITION_TEXT, "%llu:%u", (unsigned long long)QUIRE_PAGE_OF(position),
             QUIRE_SLOT_OF(position));
    return text;
}

int cli_group_check(const char *what, const char *name)
{
    size_t length = strlen(name);
    if (length > 0 && length <= QUIRE_GROUP_NAME_MAX && name[0] != '.' &&
        strspn(name, GROUP_BYTES) == length)
        return CLI_OK;
    return cli_usage("%s: '%s' is not a group name: 1 to %u letters, digits, '.', '_' or '-', "
                     "not starting with '.'",
                     what, name, QUIRE_GROUP_NAME_MAX);
}

int cli_where_fail(quire_t *channel, const char *path, const char *option, const char *text,
                   const struct quire_where *where, int error)
{
    struct quire_stat stat;
    const int place = where->kind == QUIRE_PAGE || where->kind == QUIRE_AT;
    if (!place || (error != QUIRE_ENOENT && error != QUIRE_EINVAL) ||
        quire_stat(channel, &stat) != 0)
        return cli_fail(path, error);
    cli_error("%s: %s %s: %s; it holds pages %llu to %llu", path, option, text,
              error == QUIRE_ENOENT ? "that page is no longer held" : "that place is not there yet",
              (unsigned long long)stat.first_page, (unsigned long long)stat.tail_page);
    return error == QUIRE_ENOENT ? CLI_NOT_CHANNEL : CLI_USAGE;
}
