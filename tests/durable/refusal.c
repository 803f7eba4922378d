/* SPDX-License-Identifier: MIT */
/* Where durability is not to be had: memory, observers, children of fork. */
#include <quire/loop.h>
#include <sys/wait.h>
#include <tests/durable/rig.h>
#include <unistd.h>

static void channels_in_memory(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 4);
    quire_t *channel;
    options.flags = 0;
    CHECK_OK(quire_open(&channel, NULL, &options));
    CHECK_CODE(quire_sync(channel, UINT64_MAX, QUIRE_FOREVER), QUIRE_ENODISK);
    CHECK_CODE(quire_sync(channel, 0, 0), QUIRE_ENODISK);
    CHECK_CODE(quire_sync_start(channel), QUIRE_ENODISK);
    CHECK_EQ(quire_durable_position(channel), 0);
    CHECK_OK(quire_close(channel));
    for (uint32_t mode = QUIRE_DURABLE_INTERVAL; mode <= QUIRE_DURABLE_EACH; mode++) {
        options.durability = mode;
        CHECK_CODE(quire_open(&channel, NULL, &options), QUIRE_EINVAL);
    }
    CHECK_CODE(quire_sync(NULL, 0, 0), QUIRE_EINVAL);
    CHECK_CODE(quire_sync_start(NULL), QUIRE_EINVAL);
    CHECK_CODE(quire_fd(NULL), QUIRE_EINVAL);
    CHECK_CODE(quire_dispatch(NULL), QUIRE_EINVAL);
}

static void check_observer(const char *path, uint64_t durable)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 4);
    quire_t *observer;
    options.flags = QUIRE_READ_ONLY;
    CHECK_OK(quire_open(&observer, path, &options));
    CHECK_CODE(quire_sync(observer, UINT64_MAX, QUIRE_FOREVER), QUIRE_ERDONLY);
    CHECK_CODE(quire_sync_start(observer), QUIRE_ERDONLY);
    CHECK_CODE(quire_fd(observer), QUIRE_ERDONLY);
    CHECK_CODE(quire_dispatch(observer), QUIRE_ERDONLY);
    CHECK_EQ(quire_durable_position(observer), durable);
    CHECK_OK(quire_close(observer));
}

static void observers(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 4);
    struct rig rig;
    rig_open(&rig, &options);
    CHECK_OK(rig_send(&rig));
    check_observer(rig.path, 1);
    CHECK_OK(rig_send(&rig));
    rig_close(&rig);
    check_observer(rig.path, 2);
}

static void in_the_child(struct rig *rig)
{
    uint64_t durable = quire_durable_position(rig->channel);
    CHECK_CODE(quire_sync(rig->channel, UINT64_MAX, QUIRE_FOREVER), QUIRE_EFORKED);
    CHECK_CODE(quire_sync_start(rig->channel), QUIRE_EFORKED);
    CHECK_CODE(quire_drain(rig->channel, 0, NULL), QUIRE_EFORKED);
    CHECK_CODE(quire_fd(rig->channel), QUIRE_EFORKED);
    CHECK_CODE(quire_dispatch(rig->channel), QUIRE_EFORKED);
    CHECK(quire_durable_position(rig->channel) >= durable); /* the parent goes on */
    quire_tx_close(rig->tx);
    CHECK_CODE(quire_close(rig->channel), QUIRE_EFORKED);
    _exit(0);
}

/* With commits under way when the child begins. */
static void children_of_fork(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 8);
    struct rig rig;
    int status;
    options.sync_delay_ns = CLOCK_MS / 2;
    disk_begin();
    rig_open(&rig, &options);
    for (uint64_t round = 1; round <= 8; round++) {
        CHECK_OK(rig_send(&rig));
        CHECK_OK(quire_sync_start(rig.channel));
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            in_the_child(&rig);
        }
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
        rig_await_durable(rig.channel, round);
        CHECK(disk_lacks(round - 1, 0, round - 1, rig_size(0, round - 1)) == NULL);
        CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
    }
    CHECK_EQ(rig_receive(rig.channel, "g", 0), 8);
    rig_close(&rig);
    disk_end();
}

static const struct test_case cases[] = {
    {"refusal_channels_in_memory", channels_in_memory, 0},
    {"refusal_observers", observers, 0},
    {"refusal_children_of_fork", children_of_fork, 0},
};
const struct test_table refusal_table = TEST_TABLE(cases);
