/* SPDX-License-Identifier: MIT */
/* Splitting of input into messages. */
#include <tools/quire/reader.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_MIN (256u * 1024u)
#define PREFIX     4u

int cli_reader_open(struct cli_reader *reader, int fd, enum cli_framing framing, size_t max)
{
    *reader = (struct cli_reader){.fd = fd, .framing = framing, .max = max};
    reader->buffer = malloc(BUFFER_MIN);
    if (reader->buffer == NULL)
        return -ENOMEM;
    reader->capacity = BUFFER_MIN;
    return 0;
}

void cli_reader_close(struct cli_reader *reader)
{
    free(reader->buffer);
    *reader = (struct cli_reader){.fd = -1};
}

/* Takes size bytes at start plus what frames them; the caller has checked that they are there. */
static long take(struct cli_reader *reader, struct quire_vec *vec, size_t skip, size_t size,
                 size_t tail)
{
    if (size > reader->max)
        return CLI_READER_TOO_LARGE;
    *vec = (struct quire_vec){reader->buffer + reader->start + skip, size};
    reader->start += skip + size + tail;
    reader->scanned = reader->start;
    reader->offset += skip + size + tail;
    reader->number++;
    return 1;
}

/* Each: 1 a message was taken, 0 more input is needed, or an error. */
static long take_line(struct cli_reader *reader, struct quire_vec *vec)
{
    const unsigned char *from = reader->buffer + reader->scanned;
    const unsigned char *newline = memchr(from, '\n', reader->end - reader->scanned);
    size_t size = reader->end - reader->start;
    if (newline != NULL) {
        size = (size_t)(newline - reader->buffer) - reader->start;
        return take(reader, vec, 0, size, 1);
    }
    reader->scanned = reader->end;
    if (reader->at_end && size > 0)
        return take(reader, vec, 0, size, 0);
    return size > reader->max ? CLI_READER_TOO_LARGE : 0;
}

static long take_record(struct cli_reader *reader, struct quire_vec *vec)
{
    const unsigned char *p = reader->buffer + reader->start;
    size_t left = reader->end - reader->start;
    long missing = reader->at_end && left > 0 ? CLI_READER_CUT : 0;
    if (left < PREFIX)
        return missing;
    size_t size = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (size > reader->max)
        return CLI_READER_TOO_LARGE;
    return left - PREFIX < size ? missing : take(reader, vec, PREFIX, size, 0);
}

/* Room for at least one more byte: the rest moves to the front, or the buffer grows. */
static int make_room(struct cli_reader *reader)
{
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->scanned -= reader->start;
        reader->start = 0;
    }
    if (reader->end < reader->capacity)
        return 0;
    size_t capacity = reader->capacity * 2;
    unsigned char *buffer = realloc(reader->buffer, capacity);
    if (buffer == NULL)
        return -ENOMEM;
    reader->buffer = buffer;
    reader->capacity = capacity;
    return 0;
}

static int fill(struct cli_reader *reader)
{
    int error = make_room(reader);
    if (error != 0)
        return error;
    ssize_t got = read(reader->fd, reader->buffer + reader->end, reader->capacity - reader->end);
    if (got < 0)
        return -errno;
    reader->at_end = got == 0;
    reader->end += (size_t)got;
    return 0;
}

long cli_reader_next(struct cli_reader *reader, struct quire_vec *vec, size_t count)
{
    for (;;) {
        long result = 1;
        size_t taken = 0;
        while (taken < count && result == 1) {
            result = reader->framing == CLI_LINES ? take_line(reader, &vec[taken])
                                                  : take_record(reader, &vec[taken]);
            taken += result == 1;
        }
        /* An error waits until the messages before it are out: it comes up again next time. */
        if (taken > 0)
            return (long)taken;
        if (result != 0 || reader->at_end)
            return result;
        int error = fill(reader);
        if (error != 0)
            return error;
    }
}
