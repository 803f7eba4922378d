/* SPDX-License-Identifier: MIT */
/*
 * A disk under the explorer: the channel in memory is made to commit, and what its syncs cover is
 * kept. A sync takes what is published when it begins. One that fails does so once: what it should
 * have written is never written by a later one, though that succeeds, as the kernel does it.
 */
#ifndef EXPLORE_DURABLE_H
#define EXPLORE_DURABLE_H

#include <tests/explore/world.h>

/* Makes the channel of the world one whose sends return when durable. Before handles are opened.
 * failing: which sync of a page fails, 1-based; 0 none. */
void durable_begin(struct world *w, uint32_t failing);
/* A sync of a descriptor that the store gave out: 0 or -EIO. */
int durable_sync(int fd);

/* Coroutines: index is the tx, count the messages; and who drives the engine. */
void do_send_durable(void *argument);
void do_commit(void *argument);
/* A consumer that polls its descriptor: index is the rx. */
void do_recv_bell(void *argument);

#endif
