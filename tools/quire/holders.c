/* SPDX-License-Identifier: MIT */
/* Who keeps which page: as a table of holders, and as JSON. */
#include <tools/quire/holders.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tools/quire/json.h>
#include <tools/quire/number.h>
#include <tools/quire/report.h>
#include <tools/quire/table.h>

/* One who keeps pages: all entries of one group, or of one handle. */
struct keeper {
    struct quire_holder oldest; /* the first entry */
    uint64_t last_page;
    uint64_t pages;
    uint64_t messages;
};

int cli_holders_read(quire_t *channel, struct cli_holders *holders)
{
    size_t room = 0;
    *holders = (struct cli_holders){0};
    long found = quire_holders(channel, NULL, 0);
    /* There may be more of them the second time: ask again, with some room, until all fit. */
    while (found > (long)room) {
        room = (size_t)found + 8;
        free(holders->list);
        holders->list = calloc(room, sizeof(*holders->list));
        found = holders->list == NULL ? -ENOMEM : quire_holders(channel, holders->list, room);
    }
    if (found < 0) {
        cli_holders_free(holders);
        return (int)found;
    }
    holders->count = (size_t)found;
    return 0;
}

void cli_holders_free(struct cli_holders *holders)
{
    free(holders->list);
    *holders = (struct cli_holders){0};
}

const struct quire_holder *cli_holders_oldest(const struct cli_holders *holders, const char *group)
{
    for (size_t i = 0; i < holders->count; i++) {
        /* A handle that only borrows keeps a page whose messages are finished. */
        if (holders->list[i].messages > 0 && strcmp(holders->list[i].group, group) == 0)
            return &holders->list[i];
    }
    return NULL;
}

static int is_same(const struct quire_holder *a, const struct quire_holder *b)
{
    return a->kind == b->kind && (a->kind == QUIRE_HOLDER_HANDLE ? a->handle == b->handle
                                                                 : strcmp(a->group, b->group) == 0);
}

/* Gathers the entries of each keeper, in the order of their oldest pages. Returns how many. */
static size_t gather(const struct cli_holders *holders, struct keeper *keepers)
{
    size_t count = 0;
    for (size_t i = 0; i < holders->count; i++) {
        const struct quire_holder *holder = &holders->list[i];
        size_t k = 0;
        while (k < count && !is_same(&keepers[k].oldest, holder))
            k++;
        if (k == count)
            keepers[count++] = (struct keeper){.oldest = *holder};
        keepers[k].last_page = holder->page_no;
        keepers[k].pages++;
        keepers[k].messages += holder->messages;
    }
    return count;
}

static void keeper_row(struct cli_table *table, const struct keeper *keeper)
{
    const struct quire_holder *oldest = &keeper->oldest;
    char text[CLI_TEXT], since[CLI_TIME_TEXT];
    if (oldest->kind == QUIRE_HOLDER_GROUP)
        cli_table_cell(table, "group %s", oldest->group);
    else
        cli_table_cell(table, "%s %u of %s", oldest->pid != 0 ? "handle" : "closed", oldest->handle,
                       oldest->group);
    if (oldest->pid != 0)
        cli_table_cell(table, "%u", oldest->pid);
    else
        cli_table_cell(table, "%s", "-");
    cli_table_cell(table, "%s", cli_text_grouped(text, keeper->pages));
    cli_table_cell(table, "%llu", (unsigned long long)oldest->page_no);
    cli_table_cell(table, "%llu", (unsigned long long)keeper->last_page);
    cli_table_cell(table, "%s", cli_text_grouped(text, keeper->messages));
    cli_report_time(oldest->since_ns, since);
    cli_table_cell(table, "%s", since);
}

int cli_holders_text(const char *path, const struct cli_holders *holders)
{
    static const char *const head[] = {"HOLDER", "pid", "pages", "from", "to", "messages", "since"};
    struct cli_table table;
    printf("%s\n", path);
    if (holders->count == 0) {
        printf("  no holders: nobody keeps a page\n");
        return 0;
    }
    struct keeper *keepers = calloc(holders->count, sizeof(*keepers));
    if (keepers == NULL)
        return -ENOMEM;
    size_t count = gather(holders, keepers);
    cli_table_init(&table, "lrrrrrr");
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < count; i++)
        keeper_row(&table, &keepers[i]);
    free(keepers);
    return cli_table_print(&table, stdout, 2);
}

void cli_holders_json(const char *path, const struct cli_holders *holders)
{
    struct cli_json json = {.out = stdout};
    char since[CLI_TIME_TEXT];
    cli_json_object(&json, NULL);
    cli_json_string(&json, "path", path);
    cli_json_array(&json, "holders");
    for (size_t i = 0; i < holders->count; i++) {
        const struct quire_holder *holder = &holders->list[i];
        const int is_handle = holder->kind == QUIRE_HOLDER_HANDLE;
        cli_json_object(&json, NULL);
        cli_json_u64(&json, "page", holder->page_no);
        cli_json_string(&json, "kind", is_handle ? "handle" : "group");
        cli_json_string(&json, "group", holder->group);
        if (is_handle)
            cli_json_u64(&json, "handle", holder->handle);
        if (is_handle)
            cli_json_u64(&json, "pid", holder->pid);
        cli_json_u64(&json, "messages", holder->messages);
        cli_report_time(holder->since_ns, since);
        if (holder->since_ns != 0)
            cli_json_string(&json, "since", since);
        else
            cli_json_null(&json, "since");
        cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    putchar('\n');
}
