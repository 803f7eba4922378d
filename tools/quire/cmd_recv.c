/* SPDX-License-Identifier: MIT */
/*
 * quire recv: messages of a group to standard output. Each batch is written before more is
 * received. Receiving a message finishes it for a group of mode auto, so what could not be written
 * is named; for a group of mode ack only what was written is acknowledged, and the rest comes
 * again.
 */
#include <tools/quire/commands.h>

#include <errno.h>
#include <quire/ack.h>
#include <quire/stat.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/clock.h>
#include <tools/quire/durability.h>
#include <tools/quire/exits.h>
#include <tools/quire/groups.h>
#include <tools/quire/number.h>
#include <tools/quire/progress.h>
#include <tools/quire/signals.h>
#include <tools/quire/talk.h>
#include <tools/quire/where.h>
#include <tools/quire/writer.h>
#include <unistd.h>

#define SLICE_NS (100 * CLI_MS) /* how late a signal is noticed while waiting for a message */

struct recv {
    const char *path;
    const char *group;
    const char *from; /* as given, or NULL */
    struct quire_where where;
    struct quire_group_options made; /* what a new group is to be */
    int follow;
    uint64_t count; /* messages to receive at most */
    uint64_t timeout_ns;
    enum cli_format format;
    struct quire_options options;
    quire_rx_t *rx;
    uint64_t messages;
    uint64_t bytes;
    uint64_t lost;
    uint64_t damaged;
    uint64_t late; /* written, but the lease had ended */
    int timed_out; /* --timeout ended it */
    struct cli_progress progress;
};

enum {
    FROM = CLI_ARGS_FIRST,
    GROUP,
    ACK,
    MAX_ATTEMPTS,
    FOLLOW,
    COUNT,
    JSON,
    LENGTH_PREFIXED,
    TIMEOUT
};

static int parse_option(struct recv *recv, int option)
{
    switch (option) {
    case FROM:
        recv->from = optarg;
        return cli_where_parse("--from", optarg, &recv->where);
    case GROUP:
        recv->group = optarg;
        return cli_group_check("--group", optarg);
    case ACK:
        recv->made.mode = QUIRE_GROUP_ACK;
        return CLI_OK;
    case MAX_ATTEMPTS:
        return cli_args_u32("max-attempts", optarg, 1, 255, &recv->made.max_attempts);
    case FOLLOW:
        recv->follow = 1;
        return CLI_OK;
    case COUNT:
        return cli_args_size("count", optarg, 1, UINT64_MAX, &recv->count);
    case JSON:
        recv->format = CLI_FORMAT_JSON;
        return CLI_OK;
    case LENGTH_PREFIXED:
        recv->format = CLI_FORMAT_LENGTH;
        return CLI_OK;
    case TIMEOUT:
        return cli_args_seconds("timeout", optarg, &recv->timeout_ns);
    default:
        return cli_durability_is(option) ? cli_durability_option(option, optarg, &recv->options)
                                         : CLI_USAGE;
    }
}

static int parse(int argc, char **argv, struct recv *recv)
{
    static const struct option options[] = {{"from", required_argument, NULL, FROM},
                                            {"group", required_argument, NULL, GROUP},
                                            {"ack", no_argument, NULL, ACK},
                                            {"max-attempts", required_argument, NULL, MAX_ATTEMPTS},
                                            {"follow", no_argument, NULL, FOLLOW},
                                            {"count", required_argument, NULL, COUNT},
                                            {"json", no_argument, NULL, JSON},
                                            {"length-prefixed", no_argument, NULL, LENGTH_PREFIXED},
                                            {"timeout", required_argument, NULL, TIMEOUT},
                                            CLI_COMMIT_OPTIONS,
                                            CLI_ARGS_COMMON,
                                            {0}};
    recv->count = UINT64_MAX;
    int option;
    while ((option = cli_args_next(argc, argv, options)) != CLI_ARGS_END) {
        int status = parse_option(recv, option);
        if (status != CLI_OK)
            return status;
    }
    if (argc - optind != 1)
        return cli_usage(optind == argc ? "which PATH?" : "one PATH only");
    if (recv->group == NULL)
        return cli_usage("which --group?");
    if (recv->made.max_attempts != 0 && recv->made.mode != QUIRE_GROUP_ACK)
        return cli_usage("--max-attempts needs --ack");
    recv->path = argv[optind];
    if (recv->options.commit_every != 0 || recv->options.commit_delay_ns != 0)
        recv->options.durability = QUIRE_DURABLE_INTERVAL;
    return CLI_OK;
}

/* What the group lost to DROP_OLDEST, as the library tells one member of it. */
static void tell_lost(struct recv *recv)
{
    struct quire_lost lost = quire_rx_lost(recv->rx);
    recv->lost += lost.count;
    cli_progress_end(&recv->progress);
    cli_group_tell_lost(recv->path, recv->group, lost);
}

/* Acknowledges what is written. Returns CLI_OK or the status that ends the command. */
static int acknowledge(struct recv *recv, const struct quire_msg *msgs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int error = quire_rx_ack(recv->rx, msgs[i].position);
        if (error == QUIRE_ENOLEASE)
            recv->late++;
        else if (error != 0)
            return cli_fail(recv->path, error);
    }
    return CLI_OK;
}

/* What became of the messages of a batch that are not written, from position at on. */
static void tell_unwritten(const struct recv *recv, size_t count, uint64_t at)
{
    char text[CLI_POSITION_TEXT];
    cli_position_text(text, at);
    const char *were = count == 1 ? " was" : "s were";
    if (recv->made.mode == QUIRE_GROUP_ACK)
        cli_error(
            "%zu message%s not written and not acknowledged: returned to the group, from %s on",
            count, were, text);
    else
        cli_error("%zu message%s received and not written; they begin at %s", count, were, text);
}

/* Writes a batch. Returns CLI_OK or the status that ends the command. */
static int put(struct recv *recv, const struct quire_msg *msgs, size_t count)
{
    const int acks = recv->made.mode == QUIRE_GROUP_ACK;
    size_t written;
    int error = cli_writer_put(STDOUT_FILENO, recv->format, msgs, count, &written);
    /* What was put into a pipe that nobody reads any more has reached nobody. */
    if (acks && error == -EPIPE)
        written = 0;
    for (size_t i = 0; i < written; i++)
        recv->bytes += msgs[i].size;
    recv->messages += written;
    int status = acks ? acknowledge(recv, msgs, written) : CLI_OK;
    if (error == 0)
        return status;
    cli_progress_end(&recv->progress);
    if (error != -EPIPE && error != -EINTR)
        cli_fail("standard output", error);
    if (written < count)
        tell_unwritten(recv, count - written, msgs[written].position);
    if (error == -EPIPE)
        return CLI_SIGNAL + SIGPIPE;
    return error == -EINTR ? CLI_SIGNAL + cli_signals_stop() : cli_exit_of(error);
}

/* Until when the next receive waits: not at all, or a slice of what is left. */
static uint64_t next_deadline(const struct recv *recv, uint64_t idle_since)
{
    if (!recv->follow && recv->timeout_ns == 0)
        return 0;
    uint64_t now = cli_now();
    uint64_t slice = now + SLICE_NS;
    if (recv->timeout_ns == 0 || recv->timeout_ns > UINT64_MAX - idle_since)
        return slice;
    uint64_t end = idle_since + recv->timeout_ns;
    return end < slice ? end : slice;
}

/* Nothing was ready by the deadline. Returns 1 when that ends the command. */
static int nothing_came(struct recv *recv, uint64_t *idle_since)
{
    if (!recv->follow && recv->timeout_ns == 0)
        return 1;
    uint64_t now = cli_now();
    if (*idle_since == 0)
        *idle_since = now;
    /* An idle handle that still borrows would hold its page for nothing. */
    quire_rx_release(recv->rx);
    recv->timed_out = recv->timeout_ns != 0 && now - *idle_since >= recv->timeout_ns;
    return recv->timed_out;
}

static int receive(struct recv *recv)
{
    struct quire_msg msgs[CLI_WRITER_BATCH];
    uint64_t idle_since = cli_now();
    while (recv->messages < recv->count && cli_signals_stop() == 0) {
        uint64_t left = recv->count - recv->messages;
        size_t want = left < CLI_WRITER_BATCH ? (size_t)left : CLI_WRITER_BATCH;
        uint64_t deadline = next_deadline(recv, idle_since);
        long got = quire_rx_recv_batch(recv->rx, msgs, want, deadline);
        if (got > 0) {
            int status = put(recv, msgs, (size_t)got);
            if (status != CLI_OK)
                return status;
            cli_progress_update(&recv->progress, recv->messages);
            idle_since = recv->timeout_ns != 0 ? cli_now() : 0;
        } else if (got == QUIRE_PAGE_END) {
            quire_rx_next_page(recv->rx);
        } else if (got == QUIRE_EAGAIN || got == QUIRE_TIMEDOUT) {
            if (nothing_came(recv, &idle_since))
                return CLI_OK;
        } else if (got == QUIRE_LAPPED) {
            tell_lost(recv);
        } else if (got == QUIRE_CORRUPT) {
            recv->damaged++;
            cli_progress_end(&recv->progress);
            cli_error("%s: %s", recv->path, quire_strerror((int)got));
        } else {
            return cli_fail(recv->path, got);
        }
    }
    return CLI_OK;
}

static void summary(struct recv *recv, uint64_t elapsed_ns)
{
    char bytes[CLI_TEXT], time[CLI_TEXT], rate[CLI_TEXT], count[CLI_TEXT];
    double seconds = cli_seconds(elapsed_ns);
    cli_note("%llu message%s, %s in %s (%s messages/s, %s/s)%s", (unsigned long long)recv->messages,
             recv->messages == 1 ? "" : "s", cli_text_bytes(bytes, (double)recv->bytes),
             cli_text_ns(time, (double)elapsed_ns),
             cli_text_count(count, (double)recv->messages / seconds),
             cli_text_bytes(rate, (double)recv->bytes / seconds),
             recv->timed_out ? "; the time was up" : "");
    if (recv->lost > 0 || recv->damaged > 0)
        cli_error("%llu messages were lost, %llu damaged", (unsigned long long)recv->lost,
                  (unsigned long long)recv->damaged);
    if (recv->late > 0)
        cli_error("%llu messages were written after their leases had ended: they come again",
                  (unsigned long long)recv->late);
}

/* A group that is there stays as it was made. Returns CLI_OK or the status of a refusal (said). */
static int check_group(const struct recv *recv, const struct quire_group_stat *group)
{
    if (group->mode != recv->made.mode)
        return group->mode == QUIRE_GROUP_ACK
                   ? cli_usage("group %s was made to acknowledge (mode ack): receive with --ack",
                               recv->group)
                   : cli_usage("group %s does not acknowledge (mode auto): receive without --ack, "
                               "or as another group",
                               recv->group);
    if (recv->from != NULL)
        cli_note("group %s exists and goes on where it is; --from %s has no effect", recv->group,
                 recv->from);
    if (recv->made.max_attempts != 0 && recv->made.max_attempts != group->max_attempts)
        cli_note("group %s exists and keeps its limit of attempts; --max-attempts %u has no effect",
                 recv->group, recv->made.max_attempts);
    if (group->paused)
        cli_note("group %s is paused: 'quire groups resume' lets it receive", recv->group);
    return CLI_OK;
}

static int join(struct recv *recv, quire_t *channel)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct cli_snapshot snapshot;
    int error = cli_snapshot_read(channel, &snapshot);
    if (error != 0)
        return cli_fail(recv->path, error);
    const struct quire_group_stat *group = cli_group_in(&snapshot, recv->group);
    int status = group != NULL ? check_group(recv, group) : CLI_OK;
    cli_snapshot_free(&snapshot);
    if (status != CLI_OK)
        return status;
    options.group = &recv->made;
    error = quire_rx_subscribe(channel, recv->group, &recv->where, &options, &recv->rx);
    if (error != 0)
        return cli_where_fail(channel, recv->path, "--from", recv->from, &recv->where, error);
    return CLI_OK;
}

static int receive_all(struct recv *recv, quire_t *channel)
{
    int status = join(recv, channel);
    if (status != CLI_OK)
        return status;
    uint64_t started = cli_now();
    /* On a terminal the messages themselves are the progress. */
    cli_progress_start(&recv->progress, "recv", "messages",
                       recv->count == UINT64_MAX ? 0 : recv->count, !isatty(STDOUT_FILENO));
    status = receive(recv);
    cli_progress_end(&recv->progress);
    summary(recv, cli_now() - started);
    quire_rx_close(recv->rx);
    if (status == CLI_OK && cli_signals_stop() != 0)
        return CLI_SIGNAL + cli_signals_stop();
    if (status == CLI_OK && (recv->lost > 0 || recv->damaged > 0))
        return CLI_FAILED;
    if (status == CLI_OK && recv->timed_out && recv->count != UINT64_MAX)
        return CLI_FULL;
    return status;
}

int cli_cmd_recv(int argc, char **argv)
{
    struct recv recv = {.options = QUIRE_OPTIONS_INIT, .made = QUIRE_GROUP_OPTIONS_INIT};
    quire_t *channel;
    int status = parse(argc, argv, &recv);
    if (status != CLI_OK)
        return status;
    cli_signals_catch();
    status = cli_channel_open(&channel, recv.path, &recv.options);
    if (status != CLI_OK)
        return status;
    status = receive_all(&recv, channel);
    int closed = cli_channel_close(channel, recv.path);
    return status == CLI_OK ? closed : status;
}
