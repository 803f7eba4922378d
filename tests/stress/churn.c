/* SPDX-License-Identifier: MIT */
/*
 * Handles that come and go, and handles that rest: I1 (what a leaving member had claimed goes to
 * another, marked RETURNED), I4 (a producer handle that slept through many lives of its frame),
 * I8 (nobody's page is recycled under it).
 */
#include <tests/stress/rig.h>
#include <tests/support/harness.h>

static void members_come_and_go(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 6,
                          .messages = 25000,
                          .max_messages = 8,
                          .max_pages = 4,
                          .size_high = 64,
                          .rx_life = 5,
                          .run_max = 8,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 11};
    rig_run(&s);
}

static void members_leave_after_one(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 3,
                          .messages = 12000,
                          .max_messages = 64,
                          .size_high = 48,
                          .rx_life = 1,
                          .run_max = 64,
                          .send_ways = RIG_SEND_ONE | RIG_SEND_BATCH,
                          .seed = 12};
    rig_run(&s);
}

static void producers_come_and_go(void)
{
    struct rig_shape s = {.producers = 6,
                          .consumers = 2,
                          .messages = 8000,
                          .max_messages = 3,
                          .size_high = 64,
                          .tx_life = 2,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 13};
    rig_run(&s);
}

static void all_come_and_go(void)
{
    struct rig_shape s = {.producers = 4,
                          .consumers = 4,
                          .groups = 3,
                          .messages = 5000,
                          .max_messages = 5,
                          .max_pages = 4,
                          .size_high = 128,
                          .tx_life = 3,
                          .rx_life = 4,
                          .run_max = 5,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 14};
    rig_run(&s);
}

/* Thirty handles open all the time; each sends again after some thousand turns of the ring. */
static void stale_producers(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 2,
                          .messages = 30000,
                          .max_messages = 1,
                          .max_pages = 2,
                          .size_high = 64,
                          .resting = 30,
                          .rests = 12,
                          .seed = 15};
    rig_run(&s);
}

/* The frame of a resting handle has had more lives than the claim word's tag has values. */
static void stale_beyond_the_tag(void)
{
    struct rig_shape s = {.messages = 80000,
                          .max_messages = 1,
                          .max_pages = 2,
                          .size_high = 16,
                          .resting = 3,
                          .rests = 3,
                          .seed = 16};
    rig_run(&s);
}

static void stale_in_all_ways(void)
{
    struct rig_shape s = {.producers = 3,
                          .consumers = 3,
                          .groups = 2,
                          .messages = 10000,
                          .max_messages = 4,
                          .size_high = 300,
                          .resting = 12,
                          .rests = 8,
                          .tx_life = 50,
                          .rx_life = 40,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 17};
    rig_run(&s);
}

static const struct test_case cases[] = {
    {"members_come_and_go", members_come_and_go, 140},
    {"members_leave_after_one", members_leave_after_one, 140},
    {"producers_come_and_go", producers_come_and_go, 140},
    {"all_come_and_go", all_come_and_go, 140},
    {"stale_producers", stale_producers, 140},
    {"stale_beyond_the_tag", stale_beyond_the_tag, 140},
    {"stale_in_all_ways", stale_in_all_ways, 140},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
