/* SPDX-License-Identifier: MIT */
/*
 * The full-policies under load. REJECT and GROW lose nothing; DROP_OLDEST loses what it says, to
 * the message, per group (received + told of = sent), and never what is borrowed (I6).
 */
#include <tests/stress/rig.h>
#include <tests/support/harness.h>

static void reject_4x4(void)
{
    struct rig_shape s = {.producers = 4,
                          .consumers = 4,
                          .messages = 12000,
                          .max_messages = 4,
                          .policy = QUIRE_FULL_REJECT,
                          .size_high = 64,
                          .send_ways = RIG_SEND_TRY | RIG_SEND_BATCH | RIG_SEND_RESERVE,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 31};
    rig_run(&s);
}

static void grow_4x2(void)
{
    struct rig_shape s = {.producers = 4,
                          .consumers = 2,
                          .messages = 12000,
                          .max_messages = 4,
                          .max_pages = 2,
                          .grow_pages = 12,
                          .policy = QUIRE_FULL_GROW,
                          .size_high = 64,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 32};
    rig_run(&s);
}

static void grow_in_a_directory(void)
{
    struct rig_shape s = {.producers = 3,
                          .consumers = 2,
                          .groups = 2,
                          .messages = 8000,
                          .max_messages = 8,
                          .max_pages = 1,
                          .grow_pages = 6,
                          .policy = QUIRE_FULL_GROW,
                          .directory = 1,
                          .size_high = 64,
                          .rx_life = 50,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 33};
    rig_run(&s);
}

static void drop_oldest_1x1(void)
{
    struct rig_shape s = {.messages = 80000,
                          .max_messages = 2,
                          .policy = QUIRE_FULL_DROP_OLDEST,
                          .size_high = 64,
                          .seed = 34};
    rig_run(&s);
}

static void drop_oldest_4x4(void)
{
    struct rig_shape s = {.producers = 4,
                          .consumers = 4,
                          .messages = 15000,
                          .max_messages = 4,
                          .max_pages = 4,
                          .policy = QUIRE_FULL_DROP_OLDEST,
                          .size_high = 64,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 35};
    rig_run(&s);
}

static void drop_oldest_groups(void)
{
    struct rig_shape s = {.producers = 3,
                          .consumers = 2,
                          .groups = 4,
                          .messages = 12000,
                          .max_messages = 5,
                          .max_pages = 3,
                          .policy = QUIRE_FULL_DROP_OLDEST,
                          .size_high = 100,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 36};
    rig_run(&s);
}

static void drop_oldest_members_come_and_go(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 4,
                          .groups = 2,
                          .messages = 15000,
                          .max_messages = 6,
                          .max_pages = 3,
                          .policy = QUIRE_FULL_DROP_OLDEST,
                          .size_high = 64,
                          .rx_life = 6,
                          .tx_life = 10,
                          .run_max = 6,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 37};
    rig_run(&s);
}

static void drop_oldest_in_a_directory(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 2,
                          .groups = 2,
                          .messages = 10000,
                          .max_messages = 16,
                          .max_pages = 2,
                          .policy = QUIRE_FULL_DROP_OLDEST,
                          .directory = 1,
                          .size_high = SIZE_MAX,
                          .resting = 4,
                          .rests = 5,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 38};
    rig_run(&s);
}

static const struct test_case cases[] = {
    {"reject_4x4", reject_4x4, 140},
    {"grow_4x2", grow_4x2, 140},
    {"grow_in_a_directory", grow_in_a_directory, 140},
    {"drop_oldest_1x1", drop_oldest_1x1, 140},
    {"drop_oldest_4x4", drop_oldest_4x4, 140},
    {"drop_oldest_groups", drop_oldest_groups, 140},
    {"drop_oldest_members_come_and_go", drop_oldest_members_come_and_go, 140},
    {"drop_oldest_in_a_directory", drop_oldest_in_a_directory, 140},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
