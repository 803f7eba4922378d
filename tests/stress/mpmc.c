/* SPDX-License-Identifier: MIT */
/* I1, I2, I4, I5, I6, I8: producers x consumers, sizes and ways of sending and receiving. */
#include <tests/stress/rig.h>
#include <tests/support/harness.h>

/* A page of one message: every send turns the page, every receive ends one. */
static void turns_1x1(void)
{
    struct rig_shape s = {.messages = 60000, .max_messages = 1, .max_pages = 2, .size_high = 64};
    rig_run(&s);
}

static void turns_2x2(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 2,
                          .messages = 30000,
                          .max_messages = 2,
                          .size_high = 64,
                          .send_ways = RIG_SEND_ONE | RIG_SEND_TRY};
    rig_run(&s);
}

static void turns_4x4(void)
{
    struct rig_shape s = {.producers = 4,
                          .consumers = 4,
                          .messages = 15000,
                          .max_messages = 3,
                          .size_high = 200,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 1};
    rig_run(&s);
}

static void turns_8x8(void)
{
    struct rig_shape s = {.producers = 8,
                          .consumers = 8,
                          .messages = 6000,
                          .max_messages = 5,
                          .max_pages = 4,
                          .size_high = 100,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 2};
    rig_run(&s);
}

static void one_page_ring(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 2,
                          .messages = 20000,
                          .max_messages = 4,
                          .max_pages = 1,
                          .size_high = 64};
    rig_run(&s);
}

static void fan_in_8x1(void)
{
    struct rig_shape s = {.producers = 8,
                          .messages = 10000,
                          .max_messages = 8,
                          .size_low = 16,
                          .size_high = 300,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_ONE | RIG_RECV_BATCH | RIG_RECV_COPY,
                          .seed = 3};
    rig_run(&s);
}

static void fan_out_1x8(void)
{
    struct rig_shape s = {.consumers = 8,
                          .messages = 60000,
                          .max_messages = 8,
                          .size_high = 64,
                          .send_ways = RIG_SEND_ONE | RIG_SEND_BATCH,
                          .recv_ways = RIG_RECV_BORROWED,
                          .run_max = 3,
                          .seed = 4};
    rig_run(&s);
}

/* Pages that run out of bytes before slots; sizes 0 .. the whole page. */
static void whole_pages(void)
{
    struct rig_shape s = {.producers = 3,
                          .consumers = 2,
                          .messages = 6000,
                          .page_size = 8192,
                          .size_high = SIZE_MAX,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 5};
    rig_run(&s);
}

static void large_pages_batches(void)
{
    struct rig_shape s = {.producers = 4,
                          .consumers = 4,
                          .messages = 80000,
                          .page_size = 65536,
                          .max_pages = 4,
                          .size_low = 16,
                          .size_high = 128,
                          .send_ways = RIG_SEND_BATCH,
                          .recv_ways = RIG_RECV_BATCH,
                          .seed = 6};
    rig_run(&s);
}

static void copies_only(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 3,
                          .messages = 20000,
                          .max_messages = 7,
                          .size_low = 16,
                          .size_high = 500,
                          .recv_ways = RIG_RECV_COPY,
                          .seed = 7};
    rig_run(&s);
}

static void busy_waiting(void)
{
    struct rig_shape s = {.producers = 2,
                          .consumers = 2,
                          .messages = 4000,
                          .max_messages = 6,
                          .wait = QUIRE_WAIT_BUSY,
                          .size_high = 64,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 8};
    rig_run(&s);
}

static void yield_waiting(void)
{
    struct rig_shape s = {.producers = 4,
                          .consumers = 4,
                          .messages = 10000,
                          .max_messages = 6,
                          .wait = QUIRE_WAIT_YIELD,
                          .size_high = 64,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 9};
    rig_run(&s);
}

static void in_a_directory(void)
{
    struct rig_shape s = {.producers = 4,
                          .consumers = 4,
                          .groups = 2,
                          .messages = 8000,
                          .max_messages = 8,
                          .directory = 1,
                          .size_high = 400,
                          .send_ways = RIG_SEND_ALL,
                          .recv_ways = RIG_RECV_BORROWED,
                          .seed = 10};
    rig_run(&s);
}

static const struct test_case cases[] = {
    {"turns_1x1", turns_1x1, 140},
    {"turns_2x2", turns_2x2, 140},
    {"turns_4x4", turns_4x4, 140},
    {"turns_8x8", turns_8x8, 140},
    {"one_page_ring", one_page_ring, 140},
    {"fan_in_8x1", fan_in_8x1, 140},
    {"fan_out_1x8", fan_out_1x8, 140},
    {"whole_pages", whole_pages, 140},
    {"large_pages_batches", large_pages_batches, 140},
    {"copies_only", copies_only, 140},
    {"busy_waiting", busy_waiting, 140},
    {"yield_waiting", yield_waiting, 140},
    {"in_a_directory", in_a_directory, 140},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
