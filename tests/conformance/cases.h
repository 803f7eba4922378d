/* SPDX-License-Identifier: MIT */
/* The tables of cases, one from each file. */
#ifndef CONFORMANCE_CASES_H
#define CONFORMANCE_CASES_H

#include <tests/support/harness.h>

/* Every cell. */
extern const struct test_table options_table;
extern const struct test_table transfer_table;
extern const struct test_table pages_table;
extern const struct test_table copy_table;
extern const struct test_table batch_table;
extern const struct test_table reserve_table;
extern const struct test_table order_table;
extern const struct test_table groups_table;
extern const struct test_table where_table;
extern const struct test_table returned_table;
extern const struct test_table ack_table;
extern const struct test_table admin_table;
extern const struct test_table lease_table;
extern const struct test_table full_table;
extern const struct test_table bound_table;
extern const struct test_table bound_wait_table;
extern const struct test_table drop_table;
extern const struct test_table grow_table;
extern const struct test_table wait_table;
extern const struct test_table loop_table;
extern const struct test_table select_table;
extern const struct test_table serve_table;
extern const struct test_table close_table;
extern const struct test_table ends_table;
extern const struct test_table ends_tx_table;
extern const struct test_table drain_table;
extern const struct test_table stat_table;
extern const struct test_table random_table;
/* Directory cells only. */
extern const struct test_table directory_table;
extern const struct test_table reopen_table;
extern const struct test_table bound_reopen_table;
extern const struct test_table engine_table;
extern const struct test_table observe_table;

#endif
