/* SPDX-License-Identifier: MIT */
/* Which engine does the slow work, and why. */
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <unistd.h>

static int uring_works(void)
{
    struct io_uring_params params;

    memset(&params, 0, sizeof(params));
    long fd = syscall(SYS_io_uring_setup, 4, &params);
    if (fd < 0) {
        return 0;
    }
    close((int)fd);
    return 1;
}

static void the_one_asked_for(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    const char *named = getenv("QUIRE_ENGINE");
    quire_t *channel = cell_open(&options);

    CHECK(quire_fd(channel) >= 0); /* in memory it is opened with the first need */
    struct quire_stat stat = stat_of(channel);
    CHECK_EQ(stat.keeper, cell.keeper);
    if (named && strcmp(named, "threads") == 0) {
        CHECK_EQ(stat.engine, QUIRE_ENGINE_THREADS);
        CHECK_EQ(stat.engine_error, 0);
        CHECK(strlen(stat.engine_reason) > 0);
    } else if (cell.no_uring) {
        CHECK_EQ(stat.engine, QUIRE_ENGINE_THREADS);
        CHECK_EQ(stat.engine_error, -EPERM);
        CHECK(strstr(stat.engine_reason, "seccomp") != NULL);
    } else if (uring_works()) {
        CHECK_EQ(stat.engine, QUIRE_ENGINE_URING);
        CHECK_EQ(stat.engine_error, 0);
        CHECK_EQ(strlen(stat.engine_reason), 0);
    } else {
        CHECK_EQ(stat.engine, QUIRE_ENGINE_THREADS);
        CHECK(stat.engine_error < 0);
        CHECK(strlen(stat.engine_reason) > 0);
    }
    CHECK_OK(quire_close(channel));
}

static void one_that_is_refused(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    char path[TEMP_PATH_MAX];
    quire_t *channel = NULL;

    options.engine = QUIRE_ENGINE_URING;
    int rc = quire_open(&channel, cell.directory ? cell_path(path) : NULL, &options);
    CHECK_CODE(rc, uring_works() ? 0 : QUIRE_EENGINE);
    CHECK((channel != NULL) == (rc == 0));
    CHECK_OK(quire_close(channel));
    /* Nothing is held: the other engine opens it. */
    options.engine = QUIRE_ENGINE_THREADS;
    channel = cell_open(&options);
    CHECK(quire_fd(channel) >= 0);
    CHECK_EQ(stat_of(channel).engine, QUIRE_ENGINE_THREADS);
    CHECK_OK(quire_close(channel));
}

/* A loop that has no more than the two descriptors gets every message. */
static void a_loop_of_ones_own(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct pollfd fds[2] = {{.fd = quire_rx_fd(rx), .events = POLLIN},
                            {.fd = quire_fd(channel), .events = POLLIN}};
    uint64_t sent = 0, received = 0;
    struct quire_msg msg;

    CHECK(fds[0].fd >= 0 && fds[1].fd >= 0);
    CHECK_EQ(quire_rx_fd(rx), fds[0].fd);
    while (received < 2000) {
        while (sent < 2000 && try_put(tx, 1, sent, 64) == 0) {
            sent++;
        }
        CHECK(poll(fds, 2, -1) > 0);
        if (fds[1].revents) {
            CHECK(quire_dispatch(channel) >= 0);
        }
        for (int rc = 0; fds[0].revents && rc != QUIRE_EAGAIN;) {
            rc = quire_rx_try_recv(rx, &msg);
            CHECK(rc == 0 || rc == QUIRE_EAGAIN || rc == QUIRE_PAGE_END);
            if (rc == QUIRE_PAGE_END) {
                CHECK_OK(quire_rx_next_page(rx));
            } else if (rc == 0) {
                is_number(&msg, 1, received++, 64);
            }
        }
    }
    CHECK_EQ(poll(fds, 1, 0), 0); /* drained: not readable */
    put(tx, 1, sent, 64);
    CHECK_EQ(poll(fds, 1, -1), 1);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"engine: the one asked for", the_one_asked_for, 0},
    {"engine: one that is refused", one_that_is_refused, 0},
    {"engine: a loop of one's own", a_loop_of_ones_own, 0},
};
const struct test_table engine_table = TEST_TABLE(cases);
