/* SPDX-License-Identifier: MIT */
/* Channels with a bound: the steps that their cases are made of, which lie in two files. */
#ifndef CONFORMANCE_BOUND_H
#define CONFORMANCE_BOUND_H

#include <tests/conformance/cell.h>

#define BOUND_SIZE 16u /* bytes of a message */

/* A channel of small pages, never short of them, with max_queued n. */
struct quire_options bound_options(uint64_t n);
quire_t *bounded(uint64_t n);
/* Closes it, and removes the directory so that another may be made. */
void bound_close(quire_t *channel);
/* A member of a group of enum quire_group_mode, enum quire_group_hold. */
quire_rx_t *bound_join(quire_t *channel, const char *group, uint32_t mode, uint32_t hold,
                       uint32_t max_attempts);

/* Sends until the channel is full: there was room for just so many. */
#define HAS_ROOM(tx, n) CHECK_EQ(fill((tx), 1, 0, BOUND_SIZE), (n))

#endif
