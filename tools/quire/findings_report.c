/* SPDX-License-Identifier: MIT */
/* Findings of quire doctor for a terminal and for machines. */
#include <tools/quire/findings.h>

#include <stdio.h>
#include <string.h>
#include <tools/quire/args.h>
#include <tools/quire/durability.h>
#include <tools/quire/json.h>

#define COLUMNS 80
#define INDENT  21 /* of the sentences */

static const struct cli_word level_words[] = {
    {"ok", CLI_FINE}, {"note", CLI_NOTED}, {"WRONG", CLI_WRONG}, {0}};
static const struct cli_word level_keys[] = {
    {"ok", CLI_FINE}, {"note", CLI_NOTED}, {"wrong", CLI_WRONG}, {0}};
static const struct cli_word place_words[] = {
    {"channel", QUIRE_PLACE_CHANNEL}, {"directory", QUIRE_PLACE_DIRECTORY}, {0}};
static const struct cli_word sync_words[] = {{"believed", QUIRE_SYNC_BELIEVED},
                                             {"unknown", QUIRE_SYNC_UNKNOWN},
                                             {"ignored", QUIRE_SYNC_IGNORED},
                                             {"memory", QUIRE_SYNC_MEMORY},
                                             {0}};
static const struct cli_word blocker_words[] = {{"none", QUIRE_BLOCKER_NONE},
                                                {"sysctl", QUIRE_BLOCKER_SYSCTL},
                                                {"seccomp", QUIRE_BLOCKER_SECCOMP},
                                                {"memlock", QUIRE_BLOCKER_MEMLOCK},
                                                {"kernel", QUIRE_BLOCKER_KERNEL},
                                                {"other", QUIRE_BLOCKER_OTHER},
                                                {0}};

/* Goes on at column, a word at a time, on as many lines as it takes. Returns where it ended. */
static size_t put_words(const char *text, size_t column)
{
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        if (column > INDENT && column + 1 + length > COLUMNS) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        if (column > INDENT) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    return column;
}

void cli_findings_text(const struct cli_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct cli_finding *finding = &findings->list[i];
        printf("  %-5s  %-12s", cli_args_word_of(level_words, finding->level), finding->name);
        size_t column = put_words(finding->text, INDENT);
        if (finding->advice[0] != '\0') {
            column = put_words("->", column);
            put_words(finding->advice, column);
        }
        putchar('\n');
    }
}

static void put_text(struct cli_json *json, const char *name, const char *text)
{
    if (text[0] != '\0')
        cli_json_bytes(json, name, text, strlen(text));
    else
        cli_json_null(json, name);
}

static void put_engine(struct cli_json *json, const char *name, uint32_t engine)
{
    put_text(json, name,
             engine != QUIRE_ENGINE_AUTO ? cli_args_word_of(cli_words_engine, engine) : "");
}

static void put_machine(struct cli_json *json, const struct quire_doctor *d)
{
    put_engine(json, "engine", d->engine);
    put_engine(json, "engine_asked", d->asked);
    cli_json_bool(json, "io_uring", d->uring_error == 0);
    cli_json_string(json, "io_uring_blocker", cli_args_word_of(blocker_words, d->uring_blocker));
    put_text(json, "io_uring_reason", d->uring_reason);
    cli_json_string(json, "kernel", d->kernel);
    cli_json_bool(json, "membarrier", d->membarrier != 0);
    if (d->memlock_bytes != UINT64_MAX)
        cli_json_u64(json, "memlock_bytes", d->memlock_bytes);
    else
        cli_json_null(json, "memlock_bytes");
    cli_json_u64(json, "huge_page_bytes", d->huge_page_bytes);
    cli_json_u64(json, "huge_pages", d->huge_pages);
    cli_json_u64(json, "huge_pages_free", d->huge_pages_free);
}

static void put_place(struct cli_json *json, const char *path, const struct quire_doctor *d,
                      int poisoned)
{
    cli_json_string(json, "path", path);
    cli_json_string(json, "place", cli_args_word_of(place_words, d->place));
    cli_json_string(json, "file_system", d->file_system);
    cli_json_string(json, "sync", cli_args_word_of(sync_words, d->sync));
    put_text(json, "sync_option", d->sync_option);
    cli_json_u64(json, "bytes", d->bytes);
    cli_json_u64(json, "free_bytes", d->free_bytes);
    cli_json_bool(json, "read_only", d->read_only != 0);
    cli_json_bool(json, "preallocation", d->allocate_error == 0);
    cli_json_bool(json, "copy_on_write", d->copy_on_write != 0);
    if (d->place != QUIRE_PLACE_CHANNEL)
        return;
    cli_json_bool(json, "poisoned", poisoned);
    cli_json_u64(json, "files", d->files);
    cli_json_u64(json, "files_shared", d->files_shared);
    cli_json_u64(json, "files_sparse", d->files_sparse);
    cli_json_u64(json, "files_unknown", d->files_unknown);
}

void cli_findings_json(const char *path, const struct quire_doctor *report, int poisoned,
                       const struct cli_findings *findings)
{
    struct cli_json json = {.out = stdout};
    cli_json_object(&json, NULL);
    cli_json_bool(&json, "ok", !cli_findings_wrong(findings));
    put_machine(&json, report);
    if (path != NULL)
        put_place(&json, path, report, poisoned);
    cli_json_array(&json, "findings");
    for (size_t i = 0; i < findings->count; i++) {
        const struct cli_finding *finding = &findings->list[i];
        cli_json_object(&json, NULL);
        cli_json_string(&json, "name", finding->name);
        cli_json_string(&json, "level", cli_args_word_of(level_keys, finding->level));
        put_text(&json, "text", finding->text);
        put_text(&json, "advice", finding->advice);
        cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    putchar('\n');
}
