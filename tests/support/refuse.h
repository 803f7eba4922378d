/* SPDX-License-Identifier: MIT */
/* A kernel that refuses a system call, as older ones and sandboxes do. */
#ifndef TEST_REFUSE_H
#define TEST_REFUSE_H

/*
 * From now on the call fails with EPERM in this thread and in all threads and processes that come
 * of it; there is no way back. 0, or -1 when the kernel does not let itself be told.
 */
int refuse_call(long number);

#endif
