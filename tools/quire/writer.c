/* SPDX-License-Identifier: MIT */
/* Writing of received messages, straight from the page. */
#define _GNU_SOURCE
#include <tools/quire/writer.h>

#include <errno.h>
#include <poll.h>
#include <quire/ack.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <tools/quire/json.h>
#include <tools/quire/signals.h>
#include <unistd.h>

/* The library's messages are never changed: struct iovec only lacks the const. */
static void *plain(const void *data)
{
    return (void *)(uintptr_t)data;
}

/* Whether to try again after a failed write: not once a signal has asked us to stop. */
static int may_retry(int fd, int error)
{
    if (cli_signals_stop() != 0)
        return 0;
    if (error == EINTR)
        return 1;
    if (error != EAGAIN)
        return 0;
    /* Whoever shares our standard output may have made it non-blocking. */
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, -1) > 0;
}

/* Writes all parts; *out counts the bytes that went out, also on an error. */
static int write_all(int fd, struct iovec *iov, size_t count, size_t *out)
{
    *out = 0;
    while (count > 0) {
        ssize_t n = writev(fd, iov, (int)count);
        if (n < 0) {
            int error = errno;
            if (may_retry(fd, error))
                continue;
            return -error;
        }
        *out += (size_t)n;
        size_t left = (size_t)n;
        while (count > 0 && left >= iov->iov_len) {
            left -= iov->iov_len;
            iov++;
            count--;
        }
        if (count > 0) {
            iov->iov_base = (char *)iov->iov_base + left;
            iov->iov_len -= left;
        }
    }
    return 0;
}

/* How many messages lie wholly in the first size bytes; frame bytes go with each. */
static size_t whole(const struct quire_msg *msgs, size_t count, size_t frame, size_t size)
{
    size_t n = 0;
    while (n < count && size >= msgs[n].size + frame)
        size -= msgs[n++].size + frame;
    return n;
}

static int put_framed(int fd, enum cli_format format, const struct quire_msg *msgs, size_t count,
                      size_t *written)
{
    struct iovec iov[2 * CLI_WRITER_BATCH];
    unsigned char prefix[CLI_WRITER_BATCH][4];
    static const char newline[] = "\n";
    size_t frame = format == CLI_FORMAT_LENGTH ? 4 : 1, out;
    for (size_t i = 0; i < count; i++) {
        struct iovec body = {plain(msgs[i].data), msgs[i].size};
        if (format == CLI_FORMAT_LINES) {
            iov[2 * i] = body;
            iov[2 * i + 1] = (struct iovec){plain(newline), 1};
            continue;
        }
        for (unsigned b = 0; b < 4; b++)
            prefix[i][b] = (unsigned char)(msgs[i].size >> (8 * b));
        iov[2 * i] = (struct iovec){prefix[i], 4};
        iov[2 * i + 1] = body;
    }
    int error = write_all(fd, iov, 2 * count, &out);
    *written = whole(msgs, count, frame, out);
    return error;
}

static void write_object(FILE *out, const struct quire_msg *msg)
{
    struct cli_json json = {.out = out};
    cli_json_object(&json, NULL);
    cli_json_u64(&json, "position", msg->position);
    cli_json_u64(&json, "page", QUIRE_PAGE_OF(msg->position));
    cli_json_u64(&json, "slot", QUIRE_SLOT_OF(msg->position));
    cli_json_u64(&json, "size", msg->size);
    if (msg->flags & QUIRE_MSG_RETURNED)
        cli_json_bool(&json, "returned", 1);
    if (quire_msg_attempt(msg) > 1)
        cli_json_u64(&json, "attempt", quire_msg_attempt(msg));
    if (cli_utf8_valid(msg->data, msg->size))
        cli_json_bytes(&json, "data", msg->data, msg->size);
    else
        cli_json_base64(&json, "data_base64", msg->data, msg->size);
    cli_json_object_end(&json);
    fputc('\n', out);
}

static int put_json(int fd, const struct quire_msg *msgs, size_t count, size_t *written)
{
    *written = 0;
    for (size_t i = 0; i < count; i++) {
        char *text = NULL;
        size_t size = 0, out;
        FILE *memory = open_memstream(&text, &size);
        if (memory == NULL)
            return -errno;
        write_object(memory, &msgs[i]);
        int error = ferror(memory) ? -ENOMEM : 0;
        if (fclose(memory) != 0)
            error = -ENOMEM;
        struct iovec iov = {text, size};
        if (error == 0)
            error = write_all(fd, &iov, 1, &out);
        free(text);
        if (error != 0)
            return error;
        ++*written;
    }
    return 0;
}

int cli_writer_put(int fd, enum cli_format format, const struct quire_msg *msgs, size_t count,
                   size_t *written)
{
    return format == CLI_FORMAT_JSON ? put_json(fd, msgs, count, written)
                                     : put_framed(fd, format, msgs, count, written);
}
