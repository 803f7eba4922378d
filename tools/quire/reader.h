/* SPDX-License-Identifier: MIT */
/*
 * Messages from a file or a pipe: lines, or bytes behind their length. Whatever is complete is
 * handed out before more is read, so a slow pipe is not delayed.
 */
#ifndef CLI_READER_H
#define CLI_READER_H

#include <quire/tx.h>
#include <stddef.h>
#include <stdint.h>

enum cli_framing {
    CLI_LINES = 0, /* '\n' ends a message and is not part of it; so does the end of the input */
    CLI_LENGTH = 1 /* u32, little-endian, then that many bytes */
};

enum cli_reader_error {
    CLI_READER_TOO_LARGE = -6001, /* the next message is larger than max */
    CLI_READER_CUT = -6002        /* the input ends inside a message */
};

struct cli_reader {
    int fd;
    enum cli_framing framing;
    size_t max;      /* bytes of the largest message */
    uint64_t number; /* messages handed out; the next line is number + 1 */
    uint64_t offset; /* bytes of the input before the next message */
    unsigned char *buffer;
    size_t capacity;
    size_t start;   /* first byte not handed out */
    size_t scanned; /* no message ends between start and here */
    size_t end;     /* first byte not read */
    int at_end;     /* read() said so */
};

/* Reads from fd, which stays the caller's. Returns 0 or -ENOMEM. */
int cli_reader_open(struct cli_reader *reader, int fd, enum cli_framing framing, size_t max);
void cli_reader_close(struct cli_reader *reader);

/*
 * Up to count messages, valid until the next call. Returns how many; 0 at the end;
 * CLI_READER_TOO_LARGE or CLI_READER_CUT about message number + 1; or -errno (-EINTR after a
 * signal).
 */
long cli_reader_next(struct cli_reader *reader, struct quire_vec *vec, size_t count);

#endif
