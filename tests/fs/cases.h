/* SPDX-License-Identifier: MIT */
/* The cases, by source file. */
#ifndef FS_CASES_H
#define FS_CASES_H

#include <tests/support/harness.h>

extern const struct test_table full_cases;
extern const struct test_table copies_cases;
extern const struct test_table blocks_cases;

#endif
