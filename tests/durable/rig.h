/* SPDX-License-Identifier: MIT */
/* What the durability tests share: the cell they run in, channels with tiny pages, who drives. */
#ifndef TEST_DURABLE_RIG_H
#define TEST_DURABLE_RIG_H

#include <quire.h>
#include <tests/durable/disk.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/temp.h>
#include <tests/support/thread.h>

/* Which engine and keeper a run of the program is for. */
struct cell {
    uint32_t engine; /* enum quire_engine */
    uint32_t keeper; /* enum quire_keeper */
};
extern struct cell cell;

/* Messages of a page, so small that the count ends it, never the bytes. */
#define PER_PAGE            16u
#define SIZE_MAX_OF_MESSAGE 200u

/* The cell's options, QUIRE_CREATE, tiny pages. */
struct quire_options rig_options(enum quire_durability durability, uint32_t max_pages);

/* A channel in the test's directory, with a producer. */
struct rig {
    char path[TEMP_PATH_MAX];
    quire_t *channel;
    quire_tx_t *tx;
    uint64_t sent; /* messages of stream 0 */
};
void rig_open(struct rig *rig, const struct quire_options *options);
/* The same channel once more. */
void rig_reopen(struct rig *rig, const struct quire_options *options);
/* The same after its process was killed: what that had in the ring of an io_uring keeps the lock
 * until it is done. */
void rig_reopen_when_free(struct rig *rig, const struct quire_options *options);
void rig_close(struct rig *rig);

/* Sends the next message of stream 0. */
int rig_send(struct rig *rig);
/* The size of a message. */
size_t rig_size(uint64_t stream, uint64_t number);

/* One look at what there is to do: dispatches where the caller keeps, and waits a little. */
void rig_pump(quire_t *channel);
/* Pumps until the durable position is at least that. */
void rig_await_durable(quire_t *channel, uint64_t position);
/* Pumps until so many commits have ended. */
void rig_await_commits(quire_t *channel, uint64_t commits);

uint64_t rig_commits(quire_t *channel);
struct quire_stat rig_stat(quire_t *channel);

/* Receives all there is with a group of its own and checks it: the messages of stream 0 from
 * number on, none left out. Returns one more than the last number. */
uint64_t rig_receive(quire_t *channel, const char *group, uint64_t number);

extern const struct test_table record_table, fault_table, poison_table, mode_table, refusal_table,
    keeper_table, ack_table, ack_kill_table, young_table;

#endif
