/* SPDX-License-Identifier: MIT */
/*
 * The cell of the matrix (backing x wait strategy x checksum) that this run is about, and the
 * small steps that the cases are made of. A step that does not go as it must ends the case.
 */
#ifndef CONFORMANCE_CELL_H
#define CONFORMANCE_CELL_H

#include <quire.h>
#include <stddef.h>
#include <stdint.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/temp.h>

struct cell {
    int directory;     /* 1: a directory; 0: memory */
    uint32_t wait;     /* enum quire_wait */
    uint32_t checksum; /* enum quire_checksum */
    /* What the environment asks for; see main.c. */
    uint32_t durability; /* enum quire_durability, of directories */
    uint32_t keeper;     /* enum quire_keeper */
    int no_uring;        /* 1: the kernel refuses io_uring */
};
extern struct cell cell;

#define SMALL_PAGE 4096u
#define POOL_LARGE 32u /* pages that most cases never fill */
/* Of a 4 KiB page: the record of the largest message fills it. */
#define RECORD_HEAD 8u
#define SMALL_MAX   (SMALL_PAGE - RECORD_HEAD)

/* Options of a new channel of this cell: geometry as given, BLOCK, creation asked for. */
struct quire_options cell_options(uint64_t page_size, uint32_t max_pages);
/* What of them is not stored, for an open without the others. */
void cell_keeps(struct quire_options *options);
/* Where the channel of a directory cell lies. buffer has TEMP_PATH_MAX bytes. */
const char *cell_path(char *buffer);
/* A new channel. options: from cell_options. */
quire_t *cell_open(const struct quire_options *options);
/* The same with 4 KiB pages and the policy BLOCK. */
quire_t *cell_small(uint32_t max_pages);
quire_t *cell_policy(uint32_t max_pages, enum quire_full_policy policy);
/* The same as cell_small where nothing happens between calls: no thread of the library. */
quire_t *cell_still(uint32_t max_pages);
/* Directory cells: opens the channel that is there. */
quire_t *cell_reopen(void);

quire_tx_t *open_tx(quire_t *channel);
/* Joins from the oldest message on; run_max 0 is the default. */
quire_rx_t *open_rx(quire_t *channel, const char *group);
quire_rx_t *open_rx_run(quire_t *channel, const char *group, uint32_t run_max);
quire_rx_t *open_rx_at(quire_t *channel, const char *group, enum quire_where_kind kind,
                       uint64_t value);

/* Sends the message (stream, number) of size bytes, at most SMALL_MAX. */
void put(quire_tx_t *tx, uint64_t stream, uint64_t number, size_t size);
int try_put(quire_tx_t *tx, uint64_t stream, uint64_t number, size_t size);
/* Sends messages from, from + 1, ... of stream until the channel is full; returns how many. */
uint64_t fill(quire_tx_t *tx, uint64_t stream, uint64_t from, size_t size);

/* Receives the message that must be there now, over a page end. */
struct quire_msg take(quire_rx_t *rx);
/* ... and it must be this one. */
struct quire_msg take_number(quire_rx_t *rx, uint64_t stream, uint64_t number, size_t size);
void is_number(const struct quire_msg *msg, uint64_t stream, uint64_t number, size_t size);
/* There is nothing to receive. */
void take_nothing(quire_rx_t *rx);

struct quire_stat stat_of(quire_t *channel);
struct quire_group_stat group_of(quire_t *channel, const char *name);
/* The handle of a group that is the only one of its kind in it. */
struct quire_handle_stat handle_of(quire_t *channel, const char *group,
                                   enum quire_handle_kind kind);
/* Messages that the handles of the group have claimed and not delivered. */
uint64_t claimed_of(quire_t *channel, const char *group);

/* Bytes of the record of a message. */
uint64_t record_bytes(size_t size);
/* Messages of size bytes in one page. */
uint64_t page_room(uint64_t page_size, size_t size);

/* A deadline that passes soon, and one that only a broken library meets. */
uint64_t deadline_soon(void);
uint64_t deadline_far(void);

#endif
