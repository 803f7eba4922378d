/* SPDX-License-Identifier: MIT */
/* What the commands share about channels: opening with errors people understand, and removal. */
#ifndef CLI_CHANNEL_H
#define CLI_CHANNEL_H

#include <quire/channel.h>
#include <stdint.h>

/*
 * quire_open, with the cause on standard error when it fails. Returns the exit status; *channel
 * is NULL unless that is CLI_OK.
 */
int cli_channel_open(quire_t **channel, const char *path, const struct quire_options *options);

/* quire_close; a failure is reported as one of path. Returns the exit status. */
int cli_channel_close(quire_t *channel, const char *path);

/* Bytes of the largest message of an open channel, by what its files say. 0 or an error code. */
int cli_channel_message_max(quire_t *channel, uint64_t *bytes);

/*
 * Removes a channel directory that this process made. The caller has closed the channel.
 * Returns 0 or -errno.
 */
int cli_channel_remove(const char *path);

#endif
