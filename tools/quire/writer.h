/* SPDX-License-Identifier: MIT */
/*
 * Received messages to a file descriptor, without a buffer that could be lost: what
 * cli_writer_put returned for is written.
 */
#ifndef CLI_WRITER_H
#define CLI_WRITER_H

#include <quire/rx.h>
#include <stddef.h>

#define CLI_WRITER_BATCH 256 /* messages in one put, at most */

enum cli_format {
    CLI_FORMAT_LINES = 0,  /* the message, then '\n' */
    CLI_FORMAT_LENGTH = 1, /* u32, little-endian, then the message */
    CLI_FORMAT_JSON = 2    /* one object a line */
};

/*
 * Writes count messages. Returns 0, or -errno with *written = how many are out completely
 * (-EINTR after a signal).
 */
int cli_writer_put(int fd, enum cli_format format, const struct quire_msg *msgs, size_t count,
                   size_t *written);

#endif
