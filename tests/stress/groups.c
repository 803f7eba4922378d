/* SPDX-License-Identifier: MIT */
/* I1 for every group, also for those made in the middle; I3: the order of claims. */
#include <tests/stress/rig.h>
#include <tests/support/harness.h>

static void five_groups(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 2,
                          .groups = 5,
                          .messages = 12000,
                          .max_messages = 6,
                          .size_high = 64,
                          .send_ways = RIG_SEND_ONE | RIG_SEND_BATCH,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 21};
    rig_run(&s);
}

static void groups_made_meanwhile(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 2,
                          .messages = 30000,
                          .max_messages = 4,
                          .max_pages = 4,
                          .size_high = 64,
                          .late = 6,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 22};
    rig_run(&s);
}

static void groups_made_in_a_directory(void)
{
    struct rig_shape s = {.producers = 3,
                          .consumers = 2,
                          .messages = 12000,
                          .max_messages = 4,
                          .max_pages = 4,
                          .directory = 1,
                          .size_high = 64,
                          .late = 6,
                          .rx_life = 30,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 23};
    rig_run(&s);
}

static void claim_order_2x1(void)
{
    struct rig_shape s = {.producers = 2,
                          .messages = 50000,
                          .max_messages = 2,
                          .size_high = 32,
                          .ordered = 1,
                          .seed = 24};
    rig_run(&s);
}

static void claim_order_8x2(void)
{
    struct rig_shape s = {.producers = 8,
                          .consumers = 2,
                          .messages = 8000,
                          .max_messages = 5,
                          .max_pages = 4,
                          .size_high = 32,
                          .ordered = 1,
                          .seed = 25};
    rig_run(&s);
}

static const struct test_case cases[] = {
    {"five_groups", five_groups, 140},
    {"groups_made_meanwhile", groups_made_meanwhile, 140},
    {"groups_made_in_a_directory", groups_made_in_a_directory, 140},
    {"claim_order_2x1", claim_order_2x1, 140},
    {"claim_order_8x2", claim_order_8x2, 140},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
