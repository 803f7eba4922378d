/* SPDX-License-Identifier: MIT */
/* Groups as tables for a terminal, and as JSON. */
#include <tools/quire/groups.h>

#include <stdio.h>
#include <tools/quire/clock.h>
#include <tools/quire/json.h>
#include <tools/quire/number.h>
#include <tools/quire/table.h>
#include <tools/quire/where.h>

/* How old the oldest message that the group has not finished is at most, by the time at which its
 * page was begun; 0 when there is none, or no time of it. */
static uint64_t age_ns(const struct cli_snapshot *snapshot, const struct quire_holder *oldest,
                       uint64_t now_ns)
{
    for (size_t i = 0; oldest != NULL && i < snapshot->pages_count; i++) {
        const struct quire_page_stat *page = &snapshot->pages[i];
        if (page->page_no == oldest->page_no && page->opened_ns != 0 && page->opened_ns < now_ns)
            return now_ns - page->opened_ns;
    }
    return 0;
}

static int print_places(const struct cli_snapshot *snapshot, const struct cli_holders *holders,
                        uint64_t now_ns)
{
    static const char *const head[] = {"GROUP",  "mode", "hold", "members",
                                       "paused", "next", "lag",  "oldest"};
    struct cli_table table;
    char a[CLI_TEXT], b[CLI_TEXT], at[CLI_POSITION_TEXT];
    cli_table_init(&table, "lrrrrrrr");
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < snapshot->groups_count; i++) {
        const struct quire_group_stat *group = &snapshot->groups[i];
        uint64_t age = age_ns(snapshot, cli_holders_oldest(holders, group->name), now_ns);
        cli_table_cell(&table, "%s", group->name);
        cli_table_cell(&table, "%s", cli_args_word_of(cli_words_mode, group->mode));
        cli_table_cell(&table, "%s", cli_args_word_of(cli_words_hold, group->hold));
        cli_table_cell(&table, "%u", group->members);
        cli_table_cell(&table, "%s", group->paused ? "yes" : "no");
        cli_table_cell(&table, "%s", cli_position_text(at, group->position));
        cli_table_cell(&table, "%s", cli_text_grouped(a, group->lag_messages));
        cli_table_cell(&table, "%s", age > 0 ? cli_text_age(b, age) : "-");
    }
    return cli_table_print(&table, stdout, 2);
}

/* What groups of mode auto never have is a dash. */
static void cell_of_ack(struct cli_table *table, const struct quire_group_stat *group, uint64_t n)
{
    char text[CLI_TEXT];
    cli_table_cell(table, "%s", group->mode == QUIRE_GROUP_ACK ? cli_text_grouped(text, n) : "-");
}

static int print_accounts(const struct cli_snapshot *snapshot)
{
    static const char *const head[] = {"GROUP", "lost",     "returned", "leased",
                                       "dead",  "attempts", "lease"};
    struct cli_table table;
    char a[CLI_TEXT], b[CLI_TEXT];
    cli_table_init(&table, "lrrrrrr");
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < snapshot->groups_count; i++) {
        const struct quire_group_stat *group = &snapshot->groups[i];
        cli_table_cell(&table, "%s", group->name);
        cli_table_cell(&table, "%s", cli_text_grouped(a, group->lost));
        cli_table_cell(&table, "%s", cli_text_grouped(b, group->returned));
        cell_of_ack(&table, group, group->leased);
        cell_of_ack(&table, group, group->dead);
        if (group->mode == QUIRE_GROUP_ACK && group->max_attempts == 0)
            cli_table_cell(&table, "%s", "any");
        else
            cell_of_ack(&table, group, group->max_attempts);
        if (group->mode == QUIRE_GROUP_ACK && group->lease_ns != 0)
            cli_table_cell(&table, "%s", cli_text_ns(a, (double)group->lease_ns));
        else
            cli_table_cell(&table, "%s", group->mode == QUIRE_GROUP_ACK ? "no end" : "-");
    }
    putchar('\n');
    return cli_table_print(&table, stdout, 2);
}

int cli_groups_text(const char *path, const struct cli_snapshot *snapshot,
                    const struct cli_holders *holders, uint64_t now_ns)
{
    printf("%s\n", path);
    if (snapshot->groups_count == 0) {
        printf("  no groups: nobody has subscribed yet\n");
        return 0;
    }
    int error = print_places(snapshot, holders, now_ns);
    return error == 0 ? print_accounts(snapshot) : error;
}

/* Null where the group has no such bound. */
static void put_limits(struct cli_json *json, const struct quire_group_stat *group)
{
    if (group->max_attempts != 0)
        cli_json_u64(json, "max_attempts", group->max_attempts);
    else
        cli_json_null(json, "max_attempts");
    if (group->lease_ns != 0)
        cli_json_real(json, "lease_s", cli_seconds(group->lease_ns), 3);
    else
        cli_json_null(json, "lease_s");
}

static void put_oldest(struct cli_json *json, const struct quire_holder *oldest, uint64_t age)
{
    if (oldest != NULL)
        cli_json_u64(json, "oldest_page", oldest->page_no);
    else
        cli_json_null(json, "oldest_page");
    if (age > 0)
        cli_json_real(json, "oldest_s_at_most", cli_seconds(age), 3);
    else
        cli_json_null(json, "oldest_s_at_most");
}

void cli_groups_json(const char *path, const struct cli_snapshot *snapshot,
                     const struct cli_holders *holders, uint64_t now_ns)
{
    struct cli_json json = {.out = stdout};
    cli_json_object(&json, NULL);
    cli_json_string(&json, "path", path);
    cli_json_array(&json, "groups");
    for (size_t i = 0; i < snapshot->groups_count; i++) {
        const struct quire_group_stat *group = &snapshot->groups[i];
        const struct quire_holder *oldest = cli_holders_oldest(holders, group->name);
        cli_json_object(&json, NULL);
        cli_json_string(&json, "name", group->name);
        cli_json_string(&json, "mode", cli_args_word_of(cli_words_mode, group->mode));
        cli_json_string(&json, "hold", cli_args_word_of(cli_words_hold, group->hold));
        cli_json_u64(&json, "members", group->members);
        cli_json_bool(&json, "paused", group->paused != 0);
        cli_json_u64(&json, "position", group->position);
        cli_json_u64(&json, "page", QUIRE_PAGE_OF(group->position));
        cli_json_u64(&json, "slot", QUIRE_SLOT_OF(group->position));
        cli_json_u64(&json, "lag_messages", group->lag_messages);
        cli_json_u64(&json, "lag_bytes", group->lag_bytes);
        cli_json_u64(&json, "lost", group->lost);
        cli_json_u64(&json, "returned", group->returned);
        cli_json_u64(&json, "leased", group->leased);
        cli_json_u64(&json, "dead", group->dead);
        put_limits(&json, group);
        put_oldest(&json, oldest, age_ns(snapshot, oldest, now_ns));
        cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    putchar('\n');
}
