/* SPDX-License-Identifier: MIT */
/* quire send: messages from files and standard input into a channel. */
#include <tools/quire/commands.h>

#include <errno.h>
#include <fcntl.h>
#include <quire/sync.h>
#include <quire/tx.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tools/quire/args.h>
#include <tools/quire/channel.h>
#include <tools/quire/clock.h>
#include <tools/quire/durability.h>
#include <tools/quire/exits.h>
#include <tools/quire/json.h>
#include <tools/quire/number.h>
#include <tools/quire/progress.h>
#include <tools/quire/reader.h>
#include <tools/quire/signals.h>
#include <tools/quire/talk.h>
#include <unistd.h>

#define BATCH    512
#define SLICE_NS (100 * CLI_MS) /* how late a signal is noticed while waiting for a page */

struct send {
    const char *path;
    char **files;
    int files_count;
    enum cli_framing framing;
    int create;
    int json;
    uint64_t timeout_ns;
    struct quire_options options;
    quire_t *channel;
    quire_tx_t *tx;
    uint64_t max; /* bytes of the largest message */
    uint64_t messages;
    uint64_t bytes;
    uint64_t input_bytes; /* of the inputs that are done */
    uint64_t input_total; /* of all inputs; 0 unless every one is a regular file */
    struct cli_progress progress;
};

static int parse(int argc, char **argv, struct send *send)
{
    enum { CREATE = CLI_ARGS_FIRST, JSON, LENGTH_PREFIXED, TIMEOUT };
    static const struct option options[] = {{"create", no_argument, NULL, CREATE},
                                            {"json", no_argument, NULL, JSON},
                                            {"length-prefixed", no_argument, NULL, LENGTH_PREFIXED},
                                            {"timeout", required_argument, NULL, TIMEOUT},
                                            CLI_DURABILITY_OPTIONS,
                                            CLI_ARGS_COMMON,
                                            {0}};
    static char stdin_name[] = "-";
    static char *only_stdin[] = {stdin_name};
    for (;;) {
        int option = cli_args_next(argc, argv, options);
        switch (option) {
        case CLI_ARGS_END:
            if (optind == argc)
                return cli_usage("which PATH?");
            send->path = argv[optind];
            send->files_count = argc - optind - 1;
            send->files = argv + optind + 1;
            if (send->files_count == 0) {
                send->files_count = 1;
                send->files = only_stdin;
            }
            return cli_durability_check(&send->options, 1);
        case CREATE:
            send->create = 1;
            break;
        case JSON:
            send->json = 1;
            break;
        case LENGTH_PREFIXED:
            send->framing = CLI_LENGTH;
            break;
        case TIMEOUT:
            if (cli_args_seconds("timeout", optarg, &send->timeout_ns) != CLI_OK)
                return CLI_USAGE;
            break;
        default:
            if (!cli_durability_is(option) ||
                cli_durability_option(option, optarg, &send->options) != CLI_OK)
                return CLI_USAGE;
        }
    }
}

static const char *name_of(const char *file)
{
    return strcmp(file, "-") == 0 ? "standard input" : file;
}

/*
 * Looks at every input before the channel is touched, so that a wrong name leaves nothing half
 * done, and adds up their sizes for the progress bar.
 */
static int check_files(struct send *send)
{
    int countable = 1;
    for (int i = 0; i < send->files_count; i++) {
        const char *file = send->files[i];
        const int is_stdin = strcmp(file, "-") == 0;
        struct stat info;
        if (!is_stdin && access(file, R_OK) != 0)
            return cli_fail(file, -errno);
        if (is_stdin ? fstat(STDIN_FILENO, &info) : stat(file, &info))
            return cli_fail(name_of(file), -errno);
        if (S_ISDIR(info.st_mode))
            return cli_fail(name_of(file), -EISDIR);
        countable &= S_ISREG(info.st_mode);
        send->input_total += (uint64_t)info.st_size;
    }
    if (!countable)
        send->input_total = 0;
    return CLI_OK;
}

/*
 * quire_tx_send_batch, but when EACH waits for a page, too: a deadline is then also one for the
 * disk, and only of a single message it is clear that it was sent and is not durable yet. Where
 * no commit could be made at all, the sync says why.
 */
static long send_some(struct send *send, const struct quire_vec *vec, size_t count,
                      uint64_t deadline)
{
    if (send->options.durability == QUIRE_DURABLE_EACH && deadline != 0)
        count = 1;
    long code = quire_tx_send_batch(send->tx, vec, count, deadline);
    if (code != QUIRE_UNSYNCED)
        return code;
    int error = quire_sync(send->channel, UINT64_MAX, QUIRE_FOREVER);
    return error != 0 ? error : count == 1 ? 1 : code;
}

/*
 * Sends a batch, waiting as long as --timeout says for each page, in slices so that a signal is
 * noticed. Returns the messages sent; fewer than count leaves the cause in *code.
 */
static size_t send_batch(struct send *send, const struct quire_vec *vec, size_t count, long *code)
{
    size_t sent = 0;
    uint64_t since = 0; /* when waiting began */
    *code = 0;
    while (sent < count) {
        uint64_t deadline = 0;
        if (since != 0) {
            uint64_t now = cli_now();
            if (now - since >= send->timeout_ns || cli_signals_stop() != 0)
                break;
            uint64_t left = send->timeout_ns - (now - since);
            deadline = now + (left < SLICE_NS ? left : SLICE_NS);
        }
        *code = send_some(send, vec + sent, count - sent, deadline);
        if (*code > 0) {
            sent += (size_t)*code;
            since = 0;
        } else if (*code != QUIRE_FULL && *code != QUIRE_TIMEDOUT && *code != QUIRE_EAGAIN) {
            break;
        } else if (send->timeout_ns == 0) {
            *code = QUIRE_FULL;
            break;
        } else if (since == 0) {
            since = cli_now();
        }
    }
    for (size_t i = 0; i < sent; i++)
        send->bytes += vec[i].size;
    send->messages += sent;
    return sent;
}

/* Names the message that was not sent and why. */
static int stopped_at(const struct send *send, const char *file, uint64_t number, long code)
{
    const char *what = send->framing == CLI_LINES ? "line" : "message";
    const char *name = name_of(file);
    unsigned long long n = (unsigned long long)number;
    if (cli_signals_stop() != 0) {
        cli_error("%s: stopped by a signal; %s %llu and what follows were not sent", name, what, n);
        return CLI_SIGNAL + cli_signals_stop();
    }
    if (code == QUIRE_FULL || code == QUIRE_TIMEDOUT) {
        cli_error("%s: the channel is full; %s %llu of %s and what follows were not sent",
                  send->path, what, n, name);
        return CLI_FULL;
    }
    if (code == CLI_READER_TOO_LARGE || code == QUIRE_EMSGSIZE) {
        cli_error("%s: %s %llu is larger than a page of %s can hold (%llu bytes); nothing of it "
                  "was sent, nor what follows",
                  name, what, n, send->path, (unsigned long long)send->max);
        return CLI_TOO_LARGE;
    }
    if (code == CLI_READER_CUT) {
        cli_error("%s: the input ends inside message %llu; that message was not sent", name, n);
        return CLI_FAILED;
    }
    int each = send->options.durability == QUIRE_DURABLE_EACH;
    cli_error("%s: %s %llu and what follows were not sent%s", name, what, n,
              each ? ", or are not known to be durable" : "");
    return cli_fail(send->path, code);
}

static int send_reader(struct send *send, const char *file, struct cli_reader *reader)
{
    struct quire_vec vec[BATCH];
    while (cli_signals_stop() == 0) {
        long got = cli_reader_next(reader, vec, BATCH);
        if (got == 0)
            return CLI_OK;
        if (got == -EINTR)
            continue;
        if (got == CLI_READER_TOO_LARGE || got == CLI_READER_CUT)
            return stopped_at(send, file, reader->number + 1, got);
        if (got < 0)
            return cli_fail(name_of(file), got);
        /* What a signal leaves of the input may be cut short: it ends the pipeline, not a line. */
        if (cli_signals_stop() != 0)
            return stopped_at(send, file, reader->number - (size_t)got + 1, 0);
        long code;
        size_t sent = send_batch(send, vec, (size_t)got, &code);
        if (sent < (size_t)got)
            return stopped_at(send, file, reader->number - (size_t)got + sent + 1, code);
        cli_progress_update(&send->progress, send->input_bytes + reader->offset);
    }
    return stopped_at(send, file, reader->number + 1, 0);
}

static int send_file(struct send *send, const char *file)
{
    struct cli_reader reader;
    int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cli_fail(file, -errno);
    int error = cli_reader_open(&reader, fd, send->framing, send->max);
    int status = error != 0 ? cli_fail(name_of(file), error) : send_reader(send, file, &reader);
    if (error == 0) {
        send->input_bytes += reader.offset;
        cli_reader_close(&reader);
    }
    if (fd != STDIN_FILENO)
        close(fd);
    return status;
}

/* What this open has done for durability, as members of the summary. */
static void put_durability(const struct send *send, struct cli_json *json)
{
    struct quire_stat stat;
    cli_json_string(json, "durability",
                    cli_args_word_of(cli_words_durability, send->options.durability));
    if (quire_stat(send->channel, &stat) != 0)
        return;
    cli_json_u64(json, "durable_position", stat.durable_position);
    cli_json_u64(json, "end_position", stat.end_position);
    cli_json_u64(json, "commits", stat.commits);
    cli_durability_json(json, &stat);
}

static void summary(const struct send *send, uint64_t elapsed_ns, int durable)
{
    char bytes[CLI_TEXT], time[CLI_TEXT], rate[CLI_TEXT], count[CLI_TEXT];
    double seconds = cli_seconds(elapsed_ns);
    if (send->json) {
        struct cli_json json = {.out = stdout};
        cli_json_object(&json, NULL);
        cli_json_string(&json, "path", send->path);
        cli_json_u64(&json, "messages", send->messages);
        cli_json_u64(&json, "bytes", send->bytes);
        cli_json_real(&json, "seconds", seconds, 6);
        cli_json_real(&json, "messages_per_s", (double)send->messages / seconds, 1);
        cli_json_real(&json, "bytes_per_s", (double)send->bytes / seconds, 1);
        put_durability(send, &json);
        cli_json_object_end(&json);
        putchar('\n');
        return;
    }
    cli_note("%llu message%s, %s in %s (%s messages/s, %s/s)", (unsigned long long)send->messages,
             send->messages == 1 ? "" : "s", cli_text_bytes(bytes, (double)send->bytes),
             cli_text_ns(time, (double)elapsed_ns),
             cli_text_count(count, (double)send->messages / seconds),
             cli_text_bytes(rate, (double)send->bytes / seconds));
    if (durable)
        cli_note("what was sent is durable");
}

/* INTERVAL: what the last commit does not cover is made durable before anything is said. */
static int settle(const struct send *send)
{
    if (send->options.durability != QUIRE_DURABLE_INTERVAL)
        return CLI_OK;
    int error = quire_sync(send->channel, UINT64_MAX, QUIRE_FOREVER);
    return error == 0 ? CLI_OK : cli_fail(send->path, error);
}

static int send_all(struct send *send)
{
    int status = CLI_OK;
    int error = cli_channel_message_max(send->channel, &send->max);
    if (error == 0)
        error = quire_tx_open(send->channel, NULL, &send->tx);
    if (error != 0)
        return cli_fail(send->path, error);
    uint64_t started = cli_now();
    cli_progress_start(&send->progress, "send", "bytes", send->input_total, 1);
    for (int i = 0; i < send->files_count && status == CLI_OK; i++)
        status = send_file(send, send->files[i]);
    cli_progress_end(&send->progress);
    int settled = settle(send);
    summary(send, cli_now() - started,
            status != CLI_POISONED && settled == CLI_OK &&
                send->options.durability != QUIRE_DURABLE_NONE);
    if (status == CLI_OK)
        status = settled;
    quire_tx_close(send->tx);
    return status;
}

int cli_cmd_send(int argc, char **argv)
{
    struct send send = {.options = QUIRE_OPTIONS_INIT};
    int status = parse(argc, argv, &send);
    if (status == CLI_OK)
        status = check_files(&send);
    if (status != CLI_OK)
        return status;
    cli_signals_catch();
    send.options.flags = send.create ? QUIRE_CREATE : 0;
    status = cli_channel_open(&send.channel, send.path, &send.options);
    if (status != CLI_OK)
        return status;
    status = send_all(&send);
    int closed = cli_channel_close(send.channel, send.path);
    int flushed = cli_finish_stdout();
    if (status == CLI_OK)
        status = closed;
    return status == CLI_OK ? flushed : status;
}
