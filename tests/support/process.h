/* SPDX-License-Identifier: MIT */
/* What the process holds, as the kernel counts it: for tests that nothing leaks. */
#ifndef TEST_PROCESS_H
#define TEST_PROCESS_H

#include <stdint.h>

/* Open file descriptors; -1 when /proc does not say. */
int process_files(void);

/* Threads; -1 when /proc does not say. */
int process_threads(void);

/* 1 for a thread of the process that the kernel made, for its io_uring. */
int process_is_io_worker(long thread);

/* Mappings whose file name contains part. */
int process_mappings(const char *part);

/* CLOCK_MONOTONIC in nanoseconds: what deadlines are made of. */
uint64_t clock_now(void);
#define CLOCK_MS 1000000ull /* nanoseconds */

#endif
