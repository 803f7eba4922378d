/* SPDX-License-Identifier: MIT */
/* quire dead: the dead letters of a group: to see them, to give them again, to be rid of them. */
#include <tools/quire/commands.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/exits.h>
#include <tools/quire/groups.h>
#include <tools/quire/json.h>
#include <tools/quire/letters.h>
#include <tools/quire/number.h>
#include <tools/quire/table.h>
#include <tools/quire/talk.h>
#include <tools/quire/where.h>

#define FIRST_BYTES 256 /* of a message, in JSON */
#define FIRST_SHOWN 40  /* in the table */

typedef int (*action)(quire_t *channel, const char *group, uint64_t position);

struct dead {
    const char *path;
    const char *group;
    action act; /* NULL: list them */
    const char *done;
    const char *chosen; /* POSITION or all */
    int json;
};

/* The beginning of a message, copied out of its page. */
struct beginning {
    uint32_t size; /* of the message */
    uint32_t have; /* bytes below */
    unsigned char bytes[FIRST_BYTES];
};

/*
 * Somebody else may finish the letter meanwhile and its page be used again: then asking twice
 * fails. Returns 0 or the code of quire_peek.
 */
static int look(quire_t *channel, uint64_t position, struct beginning *b)
{
    const void *data;
    int error = quire_peek(channel, position, &data, &b->size);
    if (error != 0)
        return error;
    b->have = b->size < FIRST_BYTES ? b->size : FIRST_BYTES;
    memcpy(b->bytes, data, b->have);
    return quire_peek(channel, position, &data, &b->size);
}

static void cell_of_bytes(struct cli_table *table, const struct beginning *b)
{
    char text[FIRST_SHOWN + 3];
    uint32_t n = b->have < FIRST_SHOWN ? b->have : FIRST_SHOWN;
    for (uint32_t i = 0; i < n; i++)
        text[i] = (char)(b->bytes[i] >= ' ' && b->bytes[i] < 0x7f ? b->bytes[i] : '.');
    snprintf(text + n, sizeof(text) - n, "%s", n < b->size ? ".." : "");
    cli_table_cell(table, "%s", text);
}

static int print_text(quire_t *channel, const struct cli_letters *letters, uint32_t attempts)
{
    static const char *const head[] = {"POSITION", "attempts", "bytes", "begins with"};
    struct cli_table table;
    struct beginning b;
    char at[CLI_POSITION_TEXT], size[CLI_TEXT];
    if (letters->count == 0) {
        printf("  no dead letters\n");
        return 0;
    }
    cli_table_init(&table, "rrrl");
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < letters->count; i++) {
        int error = look(channel, letters->positions[i], &b);
        cli_table_cell(&table, "%s", cli_position_text(at, letters->positions[i]));
        cli_table_cell(&table, "%u", attempts);
        if (error == 0) {
            cli_table_cell(&table, "%s", cli_text_grouped(size, b.size));
            cell_of_bytes(&table, &b);
        } else {
            cli_table_cell(&table, "%s", "-");
            cli_table_cell(&table, "%s", error == QUIRE_CORRUPT ? "(damaged)" : "(gone meanwhile)");
        }
    }
    return cli_table_print(&table, stdout, 2);
}

/* Text that was cut inside a character loses that character; other bytes are told in base64. */
static void put_bytes(struct cli_json *json, const struct beginning *b)
{
    uint32_t n = b->have;
    for (uint32_t cut = 0; b->size > b->have && cut < 4 && !cli_utf8_valid(b->bytes, n); cut++)
        n = b->have - cut;
    cli_json_u64(json, "size", b->size);
    if (cli_utf8_valid(b->bytes, n))
        cli_json_bytes(json, "begins", b->bytes, n);
    else
        cli_json_base64(json, "begins_base64", b->bytes, b->have);
}

static void print_json(quire_t *channel, const struct dead *dead, const struct cli_letters *letters,
                       uint32_t attempts)
{
    struct cli_json json = {.out = stdout};
    struct beginning b;
    cli_json_object(&json, NULL);
    cli_json_string(&json, "path", dead->path);
    cli_json_string(&json, "group", dead->group);
    cli_json_array(&json, "dead");
    for (size_t i = 0; i < letters->count; i++) {
        uint64_t position = letters->positions[i];
        int error = look(channel, position, &b);
        cli_json_object(&json, NULL);
        cli_json_u64(&json, "position", position);
        cli_json_u64(&json, "page", QUIRE_PAGE_OF(position));
        cli_json_u64(&json, "slot", QUIRE_SLOT_OF(position));
        cli_json_u64(&json, "attempts", attempts);
        if (error == 0)
            put_bytes(&json, &b);
        else
            cli_json_string(&json, "error", quire_errname(error));
        cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    putchar('\n');
}

static int list(const struct dead *dead, quire_t *channel)
{
    struct quire_group_stat group;
    struct cli_letters letters;
    int status = cli_group_look_ack(channel, dead->path, dead->group, &group);
    if (status != CLI_OK)
        return status;
    int error = cli_letters_read(channel, dead->group, &letters);
    if (error != 0)
        return cli_fail(dead->path, error);
    /* A message dies of its last attempt, so all of them had as many. */
    if (dead->json)
        print_json(channel, dead, &letters, group.max_attempts);
    else {
        printf("%s, group %s\n", dead->path, dead->group);
        error = print_text(channel, &letters, group.max_attempts);
    }
    cli_letters_free(&letters);
    return error == 0 ? cli_finish_stdout() : cli_fail(dead->path, error);
}

static int act_on(const struct dead *dead, quire_t *channel, const uint64_t *positions,
                  size_t count)
{
    char at[CLI_POSITION_TEXT];
    for (size_t i = 0; i < count; i++) {
        int error = dead->act(channel, dead->group, positions[i]);
        if (error == QUIRE_ENOLEASE) {
            cli_error("%s: %s is no dead letter of group %s", dead->path,
                      cli_position_text(at, positions[i]), dead->group);
            return cli_exit_of(error);
        }
        if (error != 0)
            return cli_fail(dead->path, error);
    }
    cli_note("%s: %zu dead letter%s of group %s %s %s", dead->path, count, count == 1 ? "" : "s",
             dead->group, count == 1 ? "is" : "are", dead->done);
    return CLI_OK;
}

static int act(const struct dead *dead, quire_t *channel)
{
    struct quire_group_stat group;
    struct cli_letters letters;
    uint64_t position;
    int status = cli_group_look_ack(channel, dead->path, dead->group, &group);
    if (status != CLI_OK)
        return status;
    if (cli_position_parse(dead->chosen, &position))
        return act_on(dead, channel, &position, 1);
    int error = cli_letters_read(channel, dead->group, &letters);
    if (error != 0)
        return cli_fail(dead->path, error);
    status = act_on(dead, channel, letters.positions, letters.count);
    cli_letters_free(&letters);
    return status;
}

static int choose(struct dead *dead, const char *option, action act, const char *done)
{
    uint64_t position;
    if (dead->act != NULL)
        return cli_usage("one of --requeue and --discard, once");
    if (strcmp(optarg, "all") != 0 && !cli_position_parse(optarg, &position))
        return cli_usage("%s: '%s' is none of: PAGE:SLOT, POSITION, all", option, optarg);
    dead->act = act;
    dead->done = done;
    dead->chosen = optarg;
    return CLI_OK;
}

static int parse(int argc, char **argv, struct dead *dead)
{
    enum { REQUEUE = CLI_ARGS_FIRST, DISCARD, JSON };
    static const struct option options[] = {{"requeue", required_argument, NULL, REQUEUE},
                                            {"discard", required_argument, NULL, DISCARD},
                                            {"json", no_argument, NULL, JSON},
                                            CLI_ARGS_COMMON,
                                            {0}};
    for (;;) {
        int status = CLI_OK;
        switch (cli_args_next(argc, argv, options)) {
        case CLI_ARGS_END:
            if (argc - optind != 2)
                return cli_usage(argc == optind       ? "which CHANNEL?"
                                 : argc - optind == 1 ? "which GROUP?"
                                                      : "one CHANNEL and one GROUP only");
            if (dead->json && dead->act != NULL)
                return cli_usage("--json is for the list");
            dead->path = argv[optind];
            dead->group = argv[optind + 1];
            return cli_group_check("GROUP", dead->group);
        case REQUEUE:
            status = choose(dead, "--requeue", quire_group_requeue, "given again");
            break;
        case DISCARD:
            status = choose(dead, "--discard", quire_group_discard, "discarded");
            break;
        case JSON:
            dead->json = 1;
            break;
        default:
            return CLI_USAGE;
        }
        if (status != CLI_OK)
            return status;
    }
}

int cli_cmd_dead(int argc, char **argv)
{
    struct dead dead = {0};
    struct quire_options options = QUIRE_OPTIONS_INIT;
    quire_t *channel;
    int status = parse(argc, argv, &dead);
    if (status != CLI_OK)
        return status;
    /* The list can be had while another process has the channel open. */
    options.flags = dead.act == NULL ? QUIRE_READ_ONLY : 0;
    status = cli_channel_open(&channel, dead.path, &options);
    if (status != CLI_OK)
        return status;
    status = dead.act == NULL ? list(&dead, channel) : act(&dead, channel);
    int closed = cli_channel_close(channel, dead.path);
    return status == CLI_OK ? closed : status;
}
