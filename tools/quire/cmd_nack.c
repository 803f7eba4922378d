/* SPDX-License-Identifier: MIT */
/*
 * quire nack: another attempt for messages that nobody has, now or later.
 *
 * Only who has a message can put it off, and a group gives what was returned in its own order. So
 * to put off a message, this receives what comes before it as well, and returns that at once. Each
 * receive counts as an attempt; a message at its last one would die of it, and is given all its
 * attempts anew.
 */
#include <tools/quire/commands.h>

#include <errno.h>
#include <quire/ack.h>
#include <stdio.h>
#include <stdlib.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/clock.h>
#include <tools/quire/exits.h>
#include <tools/quire/groups.h>
#include <tools/quire/letters.h>
#include <tools/quire/talk.h>
#include <tools/quire/where.h>

#define DELAY_MAX_NS (2ull * 365 * 86400 * CLI_SECOND)

struct nack {
    const char *path;
    const char *group;
    uint64_t delay_ns;
    uint64_t *positions; /* ascending, each once */
    size_t count;
    unsigned char *found; /* of each position: this process has it */
    size_t found_count;
    uint64_t *others; /* received on the way */
    size_t others_count, others_room;
    int lost;
    quire_rx_t *rx;
};

static int fail_at(const struct nack *nack, uint64_t position, const char *why, int code)
{
    char at[CLI_POSITION_TEXT];
    cli_error("%s: %s %s", nack->path, cli_position_text(at, position), why);
    return cli_exit_of(code);
}

/* Without a delay: dead letters are given again; the rest is refused before anything is done. */
static int requeue_all(const struct nack *nack, quire_t *channel, const struct cli_letters *letters)
{
    for (size_t i = 0; i < nack->count; i++) {
        if (!cli_letters_have(letters, nack->positions[i]))
            return fail_at(nack, nack->positions[i],
                           "is no dead letter; what was returned is given again without this, "
                           "--delay puts it off",
                           QUIRE_ENOLEASE);
    }
    for (size_t i = 0; i < nack->count; i++) {
        int error = quire_group_requeue(channel, nack->group, nack->positions[i]);
        if (error != 0)
            return cli_fail(nack->path, error);
    }
    cli_note("%s: %zu message%s of group %s will be given again", nack->path, nack->count,
             nack->count == 1 ? "" : "s", nack->group);
    return CLI_OK;
}

/* Keeps the lease on a message: as one that was asked for, or as another. */
static int keep(struct nack *nack, uint64_t position)
{
    for (size_t i = 0; i < nack->count; i++) {
        if (nack->positions[i] == position) {
            nack->found[i] = 1;
            nack->found_count++;
            return 0;
        }
    }
    if (nack->others_count == nack->others_room) {
        size_t room = nack->others_room * 2 + 64;
        uint64_t *others = realloc(nack->others, room * sizeof(*others));
        if (others == NULL)
            return -ENOMEM;
        nack->others = others;
        nack->others_room = room;
    }
    nack->others[nack->others_count++] = position;
    return 0;
}

/* A message at its last attempt: returned it is dead, and requeued it is given again, as the first
 * time. */
static int begin_anew(const struct nack *nack, quire_t *channel, uint64_t position)
{
    int error = quire_rx_nack(nack->rx, position);
    return error == 0 ? quire_group_requeue(channel, nack->group, position) : error;
}

/* Receives until every position was found, or nothing that was returned is left. */
static int find(struct nack *nack, quire_t *channel, uint32_t max_attempts)
{
    struct quire_msg msg = {0};
    int error = 0, fresh = 0;
    while (error == 0 && !fresh && nack->found_count < nack->count) {
        error = quire_rx_try_recv(nack->rx, &msg);
        if (error == QUIRE_PAGE_END) {
            error = quire_rx_next_page(nack->rx);
        } else if (error == QUIRE_LAPPED || error == QUIRE_CORRUPT) {
            if (error == QUIRE_LAPPED)
                cli_group_tell_lost(nack->path, nack->group, quire_rx_lost(nack->rx));
            else
                cli_error("%s: %s", nack->path, quire_strerror(error));
            nack->lost = 1;
            error = 0;
        } else if (error == 0 && max_attempts != 0 && quire_msg_attempt(&msg) >= max_attempts) {
            error = begin_anew(nack, channel, msg.position);
        } else if (error == 0) {
            error = keep(nack, msg.position);
            fresh = (msg.flags & QUIRE_MSG_RETURNED) == 0;
        }
    }
    return error == QUIRE_EAGAIN ? 0 : error;
}

/* Returns what is had: later, and at once what was not asked for. */
static int give_back(const struct nack *nack)
{
    int first = 0;
    for (size_t i = 0; i < nack->count; i++) {
        int error =
            nack->found[i] ? quire_rx_nack_later(nack->rx, nack->positions[i], nack->delay_ns) : 0;
        first = first != 0 ? first : error;
    }
    for (size_t i = 0; i < nack->others_count; i++) {
        int error = quire_rx_nack(nack->rx, nack->others[i]);
        first = first != 0 ? first : error;
    }
    return first;
}

static int tell(const struct nack *nack)
{
    int status = nack->lost ? CLI_FAILED : CLI_OK;
    if (nack->found_count > 0)
        cli_note("%s: %zu message%s of group %s put off", nack->path, nack->found_count,
                 nack->found_count == 1 ? "" : "s", nack->group);
    if (nack->others_count > 0)
        cli_note("%zu other message%s of the group had to be received and returned: one attempt "
                 "more",
                 nack->others_count, nack->others_count == 1 ? "" : "s");
    for (size_t i = 0; i < nack->count; i++) {
        if (!nack->found[i])
            status = fail_at(nack, nack->positions[i],
                             "does not wait to be given again: it was acknowledged, is put off "
                             "already, or was never given",
                             QUIRE_ENOLEASE);
    }
    return status;
}

static int put_off(struct nack *nack, quire_t *channel, const struct quire_group_stat *group,
                   const struct cli_letters *letters)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    if (group->max_attempts == 1)
        return cli_usage("group %s gives every message once: to put it off would be that attempt",
                         nack->group);
    if (group->paused) {
        cli_error("%s: group %s is paused and gives nothing: 'quire groups resume' first",
                  nack->path, nack->group);
        return CLI_FAILED;
    }
    options.run_max = 1; /* nothing is claimed that is not looked at */
    int error = quire_rx_subscribe(channel, nack->group, NULL, &options, &nack->rx);
    for (size_t i = 0; error == 0 && i < nack->count; i++) {
        if (cli_letters_have(letters, nack->positions[i]))
            error = quire_group_requeue(channel, nack->group, nack->positions[i]);
    }
    if (error == 0)
        error = find(nack, channel, group->max_attempts);
    if (error == 0)
        error = give_back(nack);
    quire_rx_close(nack->rx);
    return error == 0 ? tell(nack) : cli_fail(nack->path, error);
}

static int run(struct nack *nack, quire_t *channel)
{
    struct quire_group_stat group;
    struct cli_letters letters;
    int status = cli_group_look_ack(channel, nack->path, nack->group, &group);
    if (status != CLI_OK)
        return status;
    int error = cli_letters_read(channel, nack->group, &letters);
    if (error != 0)
        return cli_fail(nack->path, error);
    status = nack->delay_ns == 0 ? requeue_all(nack, channel, &letters)
                                 : put_off(nack, channel, &group, &letters);
    cli_letters_free(&letters);
    return status;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int parse_positions(struct nack *nack, size_t count, char **texts)
{
    nack->positions = calloc(count, sizeof(*nack->positions));
    nack->found = calloc(count, sizeof(*nack->found));
    if (nack->positions == NULL || nack->found == NULL)
        return cli_fail("memory", -ENOMEM);
    for (size_t i = 0; i < count; i++) {
        if (!cli_position_parse(texts[i], &nack->positions[i]))
            return cli_usage("'%s' is no POSITION: PAGE:SLOT, or one number", texts[i]);
    }
    qsort(nack->positions, count, sizeof(*nack->positions), ascending);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || nack->positions[i] != nack->positions[i - 1])
            nack->positions[nack->count++] = nack->positions[i];
    }
    return CLI_OK;
}

static int parse(int argc, char **argv, struct nack *nack)
{
    enum { DELAY = CLI_ARGS_FIRST };
    static const struct option options[] = {
        {"delay", required_argument, NULL, DELAY}, CLI_ARGS_COMMON, {0}};
    int option;
    while ((option = cli_args_next(argc, argv, options)) != CLI_ARGS_END) {
        if (option != DELAY)
            return CLI_USAGE;
        int status = cli_args_span("delay", optarg, DELAY_MAX_NS, &nack->delay_ns);
        if (status != CLI_OK)
            return status;
    }
    if (argc - optind < 3)
        return cli_usage(argc == optind       ? "which CHANNEL?"
                         : argc - optind == 1 ? "which GROUP?"
                                              : "which POSITION?");
    nack->path = argv[optind];
    nack->group = argv[optind + 1];
    int status = cli_group_check("GROUP", nack->group);
    return status == CLI_OK ? parse_positions(nack, (size_t)(argc - optind - 2), argv + optind + 2)
                            : status;
}

int cli_cmd_nack(int argc, char **argv)
{
    struct nack nack = {0};
    struct quire_options options = QUIRE_OPTIONS_INIT;
    quire_t *channel;
    int status = parse(argc, argv, &nack);
    if (status == CLI_OK)
        status = cli_channel_open(&channel, nack.path, &options);
    if (status == CLI_OK) {
        status = run(&nack, channel);
        int closed = cli_channel_close(channel, nack.path);
        status = status == CLI_OK ? closed : status;
    }
    free(nack.positions);
    free(nack.found);
    free(nack.others);
    return status;
}
