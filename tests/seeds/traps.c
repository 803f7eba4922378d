/* SPDX-License-Identifier: MIT */
/*
 * Traps that the seed projects fall into, one case each: what went wrong there must not here.
 * (What only a crash shows is in tests/crash.)
 *
 *   traps memory|directory
 */
#define _GNU_SOURCE 1
#include <ftw.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>
#include <unistd.h>

#define SIZE 100u

static void needs_directory(void)
{
    if (!cell.directory) {
        test_skip("about files");
    }
}

/* disk-chan made over 1000 page files in 4 s and threw unread messages away. */
static void a_message_larger_than_a_page(void)
{
    static unsigned char data[3 * SMALL_PAGE];
    quire_t *channel = cell_policy(2, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t bytes;

    put(tx, 1, 0, SIZE);
    bytes = stat_of(channel).bytes;
    for (int i = 0; i < 1000; i++) {
        CHECK_CODE(quire_tx_send(tx, data, sizeof(data)), QUIRE_EMSGSIZE);
    }
    CHECK_EQ(stat_of(channel).bytes, bytes);
    put(tx, 1, 1, SIZE);
    take_number(rx, 1, 0, SIZE);
    take_number(rx, 1, 1, SIZE);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct flow {
    quire_t *channel;
    uint64_t count;
};

static void send_flow(void *context)
{
    const struct flow *flow = context;
    quire_tx_t *tx = open_tx(flow->channel);
    unsigned char data[SIZE];

    for (uint64_t i = 0; i < flow->count; i++) {
        content_fill(data, sizeof(data), 1, i);
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
    }
    quire_tx_close(tx);
}

/* disk-chan: a slow consumer lost 720,885 of 1,000,000 messages without a word. */
static void a_slow_consumer(void)
{
    struct flow flow = {cell_small(3), test_scale(100000)};
    quire_rx_t *rx = open_rx(flow.channel, "g");
    struct thread sender;

    thread_start(&sender, send_flow, &flow);
    for (uint64_t i = 0; i < flow.count; i++) {
        struct quire_msg msg;
        int code = quire_rx_recv(rx, &msg);

        if (code == QUIRE_PAGE_END) {
            /* Slow: the producer fills whatever it can before it gets a page back. */
            thread_settle(&sender);
            CHECK_OK(quire_rx_next_page(rx));
            code = quire_rx_recv(rx, &msg);
        }
        CHECK_OK(code);
        is_number(&msg, 1, i, SIZE);
    }
    thread_join(&sender);
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(flow.channel));
}

/* disk-chan: each cancelled receive lost one message; polling one 16 times panicked. */
static void cancelled_receives(void)
{
    struct flow flow = {cell_small(3), test_scale(20000)};
    quire_rx_t *rx[2];
    struct thread sender;
    uint64_t received = 0;

    rx[0] = open_rx_run(flow.channel, "g", 1);
    rx[1] = open_rx_run(flow.channel, "g", 1);
    thread_start(&sender, send_flow, &flow);
    for (unsigned turn = 0; received < flow.count; turn++) {
        quire_rx_t *mine = rx[turn % 2];
        struct quire_msg msg;
        int code = turn % 3 ? quire_rx_try_recv(mine, &msg) : quire_rx_recv_until(mine, &msg, 1);

        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(mine));
        } else if (code == 0) {
            is_number(&msg, 1, received++, SIZE);
        } else {
            CHECK_CODE(code, turn % 3 ? QUIRE_EAGAIN : QUIRE_TIMEDOUT);
            CHECK_OK(quire_rx_release(mine));
            sched_yield();
        }
    }
    thread_join(&sender);
    quire_rx_close(rx[0]);
    quire_rx_close(rx[1]);
    CHECK_OK(quire_close(flow.channel));
}

/* filechannel: the slice that receive returned was overwritten by the next receive. */
static void received_is_not_overwritten(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg held[30];

    for (uint64_t i = 0; i < 30; i++) {
        put(tx, 1, i, SIZE);
        CHECK_OK(quire_rx_recv(rx, &held[i]));
    }
    for (uint64_t i = 0; i < 30; i++) {
        is_number(&held[i], 1, i, SIZE);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* filechannel: a zero-filled tail was read as 512 valid empty messages. */
static void a_zero_tail_is_empty(void)
{
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    needs_directory();
    channel = cell_small(4);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    rx = open_rx(channel, "before");
    take_nothing(rx);
    quire_rx_close(rx);
    tx = open_tx(channel);
    put(tx, 1, 0, SIZE);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    rx = open_rx(channel, "after");
    take_number(rx, 1, 0, SIZE);
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* mmap_ringbuffer: creating over an existing file zeroed it. */
static void creating_over_a_channel(void)
{
    struct quire_options options = cell_options(65536, 8);
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    needs_directory();
    channel = cell_small(4);
    tx = open_tx(channel);
    put(tx, 1, 0, SIZE);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_open(&options); /* CREATE, with another geometry */
    CHECK_EQ(stat_of(channel).page_size, SMALL_PAGE);
    rx = open_rx(channel, "g");
    take_number(rx, 1, 0, SIZE);
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static uint64_t names_sum;

static int add_name(const char *path, const struct stat *st, int type, struct FTW *at)
{
    uint64_t hash = 0;

    (void)type;
    (void)at;
    for (const char *c = path; *c; c++) {
        hash = random_mix(hash + (unsigned char)*c);
    }
    names_sum += random_mix(hash + (uint64_t)st->st_ino);
    return 0;
}

/* disk-chan: reopening with fewer pages deleted the wrong files. */
static void reopening_with_fewer_pages(void)
{
    struct quire_options fewer = cell_options(SMALL_PAGE, 2);
    char path[TEMP_PATH_MAX];
    uint64_t before, sent;
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    needs_directory();
    channel = cell_small(16);
    tx = open_tx(channel);
    sent = fill(tx, 1, 0, SIZE);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    names_sum = 0;
    CHECK_EQ(nftw(cell_path(path), add_name, 16, FTW_PHYS), 0);
    before = names_sum;
    channel = cell_open(&fewer);
    CHECK_EQ(stat_of(channel).max_pages, 16);
    CHECK_OK(quire_close(channel));
    names_sum = 0;
    CHECK_EQ(nftw(path, add_name, 16, FTW_PHYS), 0);
    CHECK_EQ(names_sum, before);
    channel = cell_reopen();
    rx = open_rx(channel, "g");
    for (uint64_t i = 0; i < sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* walchan: two processes wrote one log, both were told "accepted", nothing was recoverable. */
static void two_processes(void)
{
    quire_t *channel;
    int status;
    pid_t child;

    needs_directory();
    channel = cell_small(4);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct quire_options options = QUIRE_OPTIONS_INIT;
        char path[TEMP_PATH_MAX];
        quire_t *mine;

        _exit(quire_open(&mine, cell_path(path), &options) == QUIRE_EBUSY ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(quire_close(channel));
}

/*
 * Any ring: recycled files hold old, valid records. No run, however long, ever takes one in. All
 * lives leave the same sizes at the same places; only the content differs.
 */
static void old_records(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 255);

    for (uint64_t i = 0; i < 3000; i++) {
        put(tx, 1, i, SIZE);
        take_number(rx, 1, i, SIZE);
        take_nothing(rx);
        if (cell.directory && i % 61 == 60) {
            quire_rx_close(rx);
            quire_tx_close(tx);
            CHECK_OK(quire_close(channel));
            channel = cell_reopen();
            tx = open_tx(channel);
            rx = open_rx_run(channel, "g", 255);
            take_nothing(rx);
        }
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* filechannel: close blocked while any sender was open. */
static void close_does_not_block(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    put(tx, 1, 0, SIZE);
    CHECK_OK(quire_close(channel));
    CHECK_CODE(quire_tx_send(tx, "x", 1), QUIRE_CLOSED);
    quire_tx_close(tx);
    quire_rx_close(rx);
}

static const struct test_case cases[] = {
    {"traps: a message larger than a page is refused, nothing grows", a_message_larger_than_a_page,
     0},
    {"traps: a slow consumer loses nothing", a_slow_consumer, 120},
    {"traps: cancelled receives lose nothing", cancelled_receives, 120},
    {"traps: what was received is not overwritten", received_is_not_overwritten, 0},
    {"traps: a zero-filled tail is empty", a_zero_tail_is_empty, 0},
    {"traps: creating over a channel keeps it", creating_over_a_channel, 0},
    {"traps: reopening with fewer pages deletes nothing", reopening_with_fewer_pages, 0},
    {"traps: two processes never write one channel", two_processes, 0},
    {"traps: old records never surface", old_records, 0},
    {"traps: close does not wait for senders", close_does_not_block, 0},
};

int main(int argc, char **argv)
{
    const struct test_table tables[] = {TEST_TABLE(cases)};

    cell.directory = argc > 1 && strcmp(argv[1], "directory") == 0;
    return test_run(tables, 1, argc > 2 ? argv[2] : NULL);
}
