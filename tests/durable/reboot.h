/* SPDX-License-Identifier: MIT */
/*
 * The channel that a machine finds that was started again after a power loss, of the one that the
 * recorder watches. That goes on; the other is a copy, to be opened when the recorder has ended.
 */
#ifndef TEST_DURABLE_REBOOT_H
#define TEST_DURABLE_REBOOT_H

#include <stdint.h>

/*
 * Writes it to path, which must not exist. With seed 0 there is what is on the disk for certain;
 * else each block may be as it is in memory instead, as if it had been written in time.
 */
void reboot_write(const char *path, uint64_t seed);

#endif
