/* SPDX-License-Identifier: MIT */
/* Which message is at which position, and the question whether the disk has it. Any thread. */
#ifndef TEST_DURABLE_LEDGER_H
#define TEST_DURABLE_LEDGER_H

#include <stdint.h>

/* What was sent; rig_size says how large it is. */
void ledger_note(uint64_t position, uint64_t stream, uint64_t number);
void ledger_note_void(uint64_t position);
void ledger_clear(void);

/* The disk must hold what is at the position: the library has called it durable. */
void ledger_check(uint64_t position);
/* The same for all that was noted and lies before position. Returns how many that were. */
uint64_t ledger_check_below(uint64_t position);

#endif
