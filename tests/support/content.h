/* SPDX-License-Identifier: MIT */
/*
 * What messages hold: bytes that follow from who sent them (stream), which one it is (number) and
 * the size, so that a receiver can tell a right message from any wrong, torn, shifted or old one.
 */
#ifndef TEST_CONTENT_H
#define TEST_CONTENT_H

#include <stddef.h>
#include <stdint.h>

/* From this size on a message says itself which it is; from 24 it also proves it. */
#define CONTENT_NAMED_MIN 16u

void content_fill(void *data, size_t size, uint64_t stream, uint64_t number);

/* 1 when data is exactly what content_fill writes. */
int content_matches(const void *data, size_t size, uint64_t stream, uint64_t number);

/*
 * Of a message of at least CONTENT_NAMED_MIN bytes: reads which it is, then checks every byte.
 * 1 when it is whole.
 */
int content_read(const void *data, size_t size, uint64_t *stream, uint64_t *number);

/* A size in low .. high that follows from stream and number, small ones more often. */
size_t content_size(uint64_t stream, uint64_t number, size_t low, size_t high);

#endif
