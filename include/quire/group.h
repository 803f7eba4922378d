/* SPDX-License-Identifier: MIT */
/*
 * Groups. Every group sees every message; within a group each message goes to one member (handle).
 * What "finished" means is the group's mode, chosen when it is made and kept for ever:
 *
 *   auto   a message is finished when it was received (at most once after a crash of a consumer)
 *   ack    a message is finished when it was acknowledged (at least once): quire/ack.h
 *
 * A page of messages is reused when every group that holds it has finished all of them.
 */
#ifndef QUIRE_GROUP_H
#define QUIRE_GROUP_H

#include <quire/channel.h>

QUIRE_BEGIN_DECLS

enum quire_group_mode { QUIRE_GROUP_AUTO = 0, QUIRE_GROUP_ACK = 1 };

enum quire_group_hold {
    QUIRE_HOLD_DEFAULT = 0,  /* LOSSY in a DROP_OLDEST channel, else REQUIRED */
    QUIRE_HOLD_REQUIRED = 1, /* pages are kept until the group has finished them */
    QUIRE_HOLD_LOSSY = 2     /* a full channel may take pages from it: QUIRE_LAPPED */
};

/* Start from QUIRE_GROUP_OPTIONS_INIT. Zero in a field means its default. */
struct quire_group_options {
    uint32_t size;         /* sizeof(struct quire_group_options) */
    uint32_t mode;         /* enum quire_group_mode; default AUTO */
    uint32_t hold;         /* enum quire_group_hold */
    uint32_t max_attempts; /* ACK: deliveries of a message, 1..255; when the last one was returned
                              the message is a dead letter; default: no limit */
    uint64_t lease_ns; /* ACK: how long a lease lasts, rounded up to ms, at most 2^32 - 1 ms; then
                          run_max of the members is 1. Default: until its handle is closed */
    uint64_t reserved[3]; /* zero */
};
#define QUIRE_GROUP_OPTIONS_INIT                        \
    {                                                   \
        sizeof(struct quire_group_options), 0, 0, 0, 0, \
        {                                               \
            0                                           \
        }                                               \
    }

QUIRE_END_DECLS

#endif
