/* SPDX-License-Identifier: MIT */
/* A snapshot of a channel as one JSON object, and the words both reports use. */
#include <tools/quire/report.h>

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <tools/quire/args.h>
#include <tools/quire/clock.h>
#include <tools/quire/json.h>

const char *cli_report_page_state(uint32_t state)
{
    static const struct cli_word words[] = {
        {"free", QUIRE_PAGE_FREE},     {"prepared", QUIRE_PAGE_PREPARED}, {"open", QUIRE_PAGE_OPEN},
        {"sealed", QUIRE_PAGE_SEALED}, {"empty", QUIRE_PAGE_EMPTY},       {0}};
    return cli_args_word_of(words, state);
}

const char *cli_report_handle_kind(uint32_t kind)
{
    static const struct cli_word words[] = {{"producer", QUIRE_HANDLE_TX},
                                            {"consumer", QUIRE_HANDLE_RX},
                                            {"returned", QUIRE_HANDLE_RETURNED},
                                            {0}};
    return cli_args_word_of(words, kind);
}

void cli_report_uuid(const uint8_t uuid[16], char text[CLI_UUID_TEXT])
{
    char *p = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        p += snprintf(p, 3, "%02x", uuid[i]);
    }
}

void cli_report_time(uint64_t ns, char text[CLI_TIME_TEXT])
{
    time_t seconds = (time_t)(ns / CLI_SECOND);
    struct tm parts;
    if (ns == 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, CLI_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(text, CLI_TIME_TEXT, "-");
}

/* Bytes of unknown origin up to a NUL that may be missing. */
static void put_name(struct cli_json *json, const char *key, const char *name)
{
    cli_json_bytes(json, key, name, strnlen(name, QUIRE_GROUP_NAME_MAX + 1));
}

uint64_t cli_report_undurable(const struct cli_snapshot *snapshot)
{
    const uint64_t durable = snapshot->stat.durable_position;
    uint64_t n = 0;
    for (size_t i = 0; i < snapshot->pages_count; i++) {
        const struct quire_page_stat *page = &snapshot->pages[i];
        if (page->page_no == UINT64_MAX || page->page_no < QUIRE_PAGE_OF(durable) ||
            (page->state != QUIRE_PAGE_OPEN && page->state != QUIRE_PAGE_SEALED))
            continue;
        uint32_t covered = page->page_no == QUIRE_PAGE_OF(durable) ? QUIRE_SLOT_OF(durable) : 0;
        n += page->messages > covered ? page->messages - covered : 0;
    }
    return n;
}

/* A channel in memory is never durable, and says nothing of it. */
static void put_durability(struct cli_json *json, const struct cli_snapshot *snapshot)
{
    const struct quire_stat *stat = &snapshot->stat;
    if (!stat->directory)
        return;
    cli_json_u64(json, "durable_position", stat->durable_position);
    cli_json_u64(json, "undurable", cli_report_undurable(snapshot));
    cli_json_bool(json, "poisoned", stat->poisoned != 0);
}

static void put_channel(struct cli_json *json, const struct quire_stat *stat)
{
    char uuid[CLI_UUID_TEXT];
    cli_report_uuid(stat->uuid, uuid);
    cli_json_string(json, "uuid", uuid);
    cli_json_string(json, "backing", stat->directory ? "directory" : "memory");
    cli_json_bool(json, "huge_pages", stat->huge_pages != 0);
    cli_json_u64(json, "page_size", stat->page_size);
    cli_json_u64(json, "max_pages", stat->max_pages);
    cli_json_u64(json, "max_messages", stat->max_messages);
    cli_json_string(json, "policy", cli_args_word_of(cli_words_policy, stat->full_policy));
    cli_json_string(json, "checksum", cli_args_word_of(cli_words_checksum, stat->checksum));
    cli_json_u64(json, "bytes", stat->bytes);
    cli_json_u64(json, "pages_used", stat->pages_used);
    cli_json_u64(json, "pages_free", stat->pages_free);
    cli_json_u64(json, "pages_made", stat->pages_made);
    cli_json_u64(json, "first_page", stat->first_page);
    cli_json_u64(json, "tail_page", stat->tail_page);
    cli_json_u64(json, "end_position", stat->end_position);
    cli_json_u64(json, "messages", stat->messages);
    cli_json_u64(json, "voids", stat->voids);
    cli_json_u64(json, "damaged", stat->damaged);
    cli_json_u64(json, "dropped", stat->dropped);
    cli_json_u64(json, "turns", stat->turns);
    cli_json_u64(json, "turns_waited", stat->turns_waited);
    cli_json_u64(json, "recoveries", stat->recoveries);
    cli_json_bool(json, "clean", stat->clean != 0);
    cli_json_u64(json, "open_handles", stat->handles);
}

static void put_page(struct cli_json *json, const struct quire_page_stat *page)
{
    char opened[CLI_TIME_TEXT];
    cli_json_object(json, NULL);
    if (page->page_no != UINT64_MAX)
        cli_json_u64(json, "page", page->page_no);
    else
        cli_json_null(json, "page");
    cli_json_u64(json, "frame", page->frame_id);
    cli_json_string(json, "state", cli_report_page_state(page->state));
    cli_json_u64(json, "messages", page->messages);
    cli_json_u64(json, "bytes", page->bytes);
    cli_report_time(page->opened_ns, opened);
    cli_json_string(json, "opened", opened);
    cli_json_object_end(json);
}

static void put_group(struct cli_json *json, const struct quire_group_stat *group)
{
    cli_json_object(json, NULL);
    put_name(json, "name", group->name);
    cli_json_u64(json, "position", group->position);
    cli_json_u64(json, "lag_messages", group->lag_messages);
    cli_json_u64(json, "lag_bytes", group->lag_bytes);
    cli_json_u64(json, "lost", group->lost);
    cli_json_u64(json, "members", group->members);
    cli_json_u64(json, "returned", group->returned);
    cli_json_object_end(json);
}

static void put_handle(struct cli_json *json, const struct quire_handle_stat *handle)
{
    char since[CLI_TIME_TEXT];
    cli_json_object(json, NULL);
    cli_json_u64(json, "handle", handle->handle);
    cli_json_string(json, "kind", cli_report_handle_kind(handle->kind));
    cli_json_u64(json, "pid", handle->pid);
    if (handle->group[0] != '\0')
        put_name(json, "group", handle->group);
    else
        cli_json_null(json, "group");
    if (handle->page_no != UINT64_MAX)
        cli_json_u64(json, "page", handle->page_no);
    else
        cli_json_null(json, "page");
    cli_json_u64(json, "claimed", handle->claimed);
    if (handle->claimed > 0)
        cli_json_u64(json, "next", handle->next);
    else
        cli_json_null(json, "next");
    cli_report_time(handle->since_ns, since);
    cli_json_string(json, "since", since);
    cli_json_object_end(json);
}

void cli_report_json(const char *path, const struct cli_snapshot *snapshot)
{
    struct cli_json json = {.out = stdout};
    cli_json_object(&json, NULL);
    cli_json_string(&json, "path", path);
    put_channel(&json, &snapshot->stat);
    put_durability(&json, snapshot);
    cli_json_array(&json, "pages");
    for (size_t i = 0; i < snapshot->pages_count; i++)
        put_page(&json, &snapshot->pages[i]);
    cli_json_array_end(&json);
    cli_json_array(&json, "groups");
    for (size_t i = 0; i < snapshot->groups_count; i++)
        put_group(&json, &snapshot->groups[i]);
    cli_json_array_end(&json);
    cli_json_array(&json, "handles");
    for (size_t i = 0; i < snapshot->handles_count; i++)
        put_handle(&json, &snapshot->handles[i]);
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    putchar('\n');
}
