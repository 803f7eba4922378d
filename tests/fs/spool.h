/* SPDX-License-Identifier: MIT */
/* A channel on the disk with one producer and one consumer that count: no message is lost, none is
 * wrong. */
#ifndef FS_SPOOL_H
#define FS_SPOOL_H

#include <quire.h>
#include <stdint.h>

#define SPOOL_BYTES 4000u /* of a message */

/* Bytes of a page. Small on btrfs: it looks for space for seconds before each of its stores finds
 * that it needs none. */
uint64_t spool_page(void);
/* What quire_open is to make of it. */
struct quire_options spool_options(uint32_t pages);

struct spool {
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    uint64_t sent;
    uint64_t received;
};

/* Opens, or makes, the channel of that name on the disk: the result of quire_open. sent and
 * received stay as they are. */
int spool_open(struct spool *spool, const char *name, uint32_t pages);
void spool_close(struct spool *spool);
/* Sends up to count messages; stops at the first that is refused and returns its result. */
int spool_send(struct spool *spool, uint64_t count);
/* Receives all that was sent and checks every byte. */
void spool_receive(struct spool *spool);
/*
 * Uses every block again and again, with all of it written to the disk in between: where a store
 * needs a new block, and there is none, that ends in SIGBUS.
 */
void spool_churn(struct spool *spool);

#endif
