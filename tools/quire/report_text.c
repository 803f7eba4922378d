/* SPDX-License-Identifier: MIT */
/* A snapshot of a channel as tables for a terminal. */
#include <tools/quire/report.h>

#include <stdio.h>
#include <tools/quire/args.h>
#include <tools/quire/number.h>
#include <tools/quire/table.h>

#define PAGES_SHOWN 8 /* at each end of a long list */

typedef unsigned long long ull;

static void fact(struct cli_table *table, const char *name, const char *value)
{
    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", value);
}

static void durable_fact(struct cli_table *table, const struct cli_snapshot *snapshot)
{
    const struct quire_stat *stat = &snapshot->stat;
    uint64_t undurable = cli_report_undurable(snapshot);
    char line[160], a[CLI_TEXT];
    if (!stat->directory)
        return;
    if (undurable == 0)
        snprintf(line, sizeof(line), "everything");
    else
        snprintf(line, sizeof(line), "up to page %llu, slot %u; not the %s from there on",
                 (ull)QUIRE_PAGE_OF(stat->durable_position), QUIRE_SLOT_OF(stat->durable_position),
                 cli_text_grouped(a, undurable));
    fact(table, "durable", line);
    if (stat->poisoned)
        fact(table, "POISONED", "a sync to disk has failed: nothing more is taken");
}

static int print_channel(const char *path, const struct cli_snapshot *snapshot)
{
    const struct quire_stat *stat = &snapshot->stat;
    char line[160], a[CLI_TEXT], b[CLI_TEXT], c[CLI_TEXT], uuid[CLI_UUID_TEXT];
    struct cli_table table;
    cli_report_uuid(stat->uuid, uuid);
    printf("%s\n", path);
    cli_table_init(&table, "ll");
    fact(&table, "uuid", uuid);
    snprintf(line, sizeof(line), "%u of %s, %s messages each at most", stat->max_pages,
             cli_text_bytes(a, (double)stat->page_size), cli_text_grouped(b, stat->max_messages));
    fact(&table, "pool", line);
    snprintf(line, sizeof(line), "%s when full, checksum %s, %s",
             cli_args_word_of(cli_words_policy, stat->full_policy),
             cli_args_word_of(cli_words_checksum, stat->checksum),
             stat->clean ? "closed cleanly" : "open, or not closed cleanly");
    fact(&table, "state", line);
    snprintf(line, sizeof(line), "%u in use, %u free, %u made; %s (%s bytes)", stat->pages_used,
             stat->pages_free, stat->pages_made, cli_text_bytes(a, (double)stat->bytes),
             cli_text_grouped(b, stat->bytes));
    fact(&table, "pages", line);
    snprintf(line, sizeof(line), "%s claimed in all, %llu void, %llu damaged, %llu dropped",
             cli_text_grouped(a, stat->messages), (ull)stat->voids, (ull)stat->damaged,
             (ull)stat->dropped);
    fact(&table, "messages", line);
    snprintf(line, sizeof(line), "page %llu, slot %u; the oldest page held is %llu",
             (ull)QUIRE_PAGE_OF(stat->end_position), QUIRE_SLOT_OF(stat->end_position),
             (ull)stat->first_page);
    fact(&table, "end", line);
    durable_fact(&table, snapshot);
    snprintf(line, sizeof(line), "%s, of which %s had to wait for a page",
             cli_text_grouped(a, stat->turns), cli_text_grouped(b, stat->turns_waited));
    fact(&table, "turns", line);
    fact(&table, "repairs", cli_text_grouped(c, stat->recoveries));
    return cli_table_print(&table, stdout, 2);
}

/* Frames that hold nothing anybody needs are of interest only when all are. */
static int is_shown(const struct quire_page_stat *page, int all)
{
    return all || (page->state != QUIRE_PAGE_FREE && page->state != QUIRE_PAGE_EMPTY);
}

static void page_row(struct cli_table *table, const struct quire_page_stat *page)
{
    char a[CLI_TEXT], b[CLI_TEXT], opened[CLI_TIME_TEXT];
    cli_report_time(page->opened_ns, opened);
    if (page->page_no == UINT64_MAX)
        cli_table_cell(table, "%s", "-");
    else
        cli_table_cell(table, "%llu", (ull)page->page_no);
    cli_table_cell(table, "%u", page->frame_id);
    cli_table_cell(table, "%s", cli_report_page_state(page->state));
    cli_table_cell(table, "%s", cli_text_grouped(a, page->messages));
    cli_table_cell(table, "%s", cli_text_grouped(b, page->bytes));
    cli_table_cell(table, "%s", opened);
}

static int print_pages(const struct cli_snapshot *snapshot, int all)
{
    static const char *const head[] = {"PAGE", "frame", "state", "messages", "bytes", "opened"};
    struct cli_table table;
    size_t needed = 0, row = 0, left_out = 0;
    for (size_t i = 0; i < snapshot->pages_count; i++)
        needed += (size_t)is_shown(&snapshot->pages[i], all);
    cli_table_init(&table, "rrlrrl");
    for (size_t i = 0; i < 6; i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < snapshot->pages_count; i++) {
        if (!is_shown(&snapshot->pages[i], all))
            continue;
        if (all || row < PAGES_SHOWN || row + PAGES_SHOWN >= needed)
            page_row(&table, &snapshot->pages[i]);
        else
            left_out++;
        row++;
    }
    putchar('\n');
    int error = cli_table_print(&table, stdout, 2);
    if (left_out > 0)
        printf("  %zu pages between them are left out (--all shows them)\n", left_out);
    if (needed < snapshot->pages_count)
        printf("  %zu more frames hold nothing that anybody needs\n",
               snapshot->pages_count - needed);
    return error;
}

static int print_groups(const struct cli_snapshot *snapshot)
{
    static const char *const head[] = {"GROUP", "next",    "lag",     "lag bytes",
                                       "lost",  "members", "returned"};
    struct cli_table table;
    char a[CLI_TEXT], b[CLI_TEXT], c[CLI_TEXT];
    if (snapshot->groups_count == 0) {
        printf("\n  no groups: nobody has subscribed yet\n");
        return 0;
    }
    cli_table_init(&table, "lrrrrrr");
    for (size_t i = 0; i < 7; i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < snapshot->groups_count; i++) {
        const struct quire_group_stat *group = &snapshot->groups[i];
        cli_table_cell(&table, "%.*s", (int)QUIRE_GROUP_NAME_MAX, group->name);
        cli_table_cell(&table, "%llu:%u", (ull)QUIRE_PAGE_OF(group->position),
                       QUIRE_SLOT_OF(group->position));
        cli_table_cell(&table, "%s", cli_text_grouped(a, group->lag_messages));
        cli_table_cell(&table, "%s", cli_text_grouped(b, group->lag_bytes));
        cli_table_cell(&table, "%s", cli_text_grouped(c, group->lost));
        cli_table_cell(&table, "%u", group->members);
        cli_table_cell(&table, "%u", group->returned);
    }
    putchar('\n');
    return cli_table_print(&table, stdout, 2);
}

static int print_handles(const struct cli_snapshot *snapshot)
{
    static const char *const head[] = {"HOLDER", "group", "pid", "page", "claimed", "since"};
    struct cli_table table;
    char since[CLI_TIME_TEXT];
    if (snapshot->handles_count == 0) {
        printf("\n  no holders: no handle is open\n");
        return 0;
    }
    cli_table_init(&table, "llrrrl");
    for (size_t i = 0; i < 6; i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < snapshot->handles_count; i++) {
        const struct quire_handle_stat *handle = &snapshot->handles[i];
        cli_report_time(handle->since_ns, since);
        cli_table_cell(&table, "%u %s", handle->handle, cli_report_handle_kind(handle->kind));
        cli_table_cell(&table, "%.*s", (int)QUIRE_GROUP_NAME_MAX,
                       handle->group[0] != '\0' ? handle->group : "-");
        cli_table_cell(&table, "%u", handle->pid);
        if (handle->page_no == UINT64_MAX)
            cli_table_cell(&table, "%s", "-");
        else
            cli_table_cell(&table, "%llu", (ull)handle->page_no);
        cli_table_cell(&table, "%u", handle->claimed);
        cli_table_cell(&table, "%s", since);
    }
    putchar('\n');
    return cli_table_print(&table, stdout, 2);
}

int cli_report_text(const char *path, const struct cli_snapshot *snapshot, int all)
{
    int error = print_channel(path, snapshot);
    if (error == 0)
        error = print_pages(snapshot, all);
    if (error == 0)
        error = print_groups(snapshot);
    if (error == 0)
        error = print_handles(snapshot);
    return error;
}
