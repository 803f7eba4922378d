/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <tests/seeds/steps.h>
#include <unistd.h>

void needs_directory(void)
{
    if (!cell.directory) {
        test_skip("about files");
    }
}

quire_rx_t *open_ack(quire_t *channel, const char *group, uint32_t run_max)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx = NULL;

    as.mode = QUIRE_GROUP_ACK;
    options.group = &as;
    options.run_max = run_max;
    CHECK_OK(quire_rx_subscribe(channel, group, NULL, &options, &rx));
    return rx;
}

quire_rx_t *open_rx_told(quire_t *channel, const char *group)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx = NULL;

    options.flags = QUIRE_RX_ENDS;
    CHECK_OK(quire_rx_subscribe(channel, group, NULL, &options, &rx));
    return rx;
}

quire_tx_t *open_tx_told(quire_t *channel)
{
    struct quire_tx_options options = QUIRE_TX_OPTIONS_INIT;
    quire_tx_t *tx = NULL;

    options.flags = QUIRE_TX_ENDS;
    CHECK_OK(quire_tx_open(channel, &options, &tx));
    return tx;
}

int receive(quire_rx_t *rx, struct quire_msg *msg, uint64_t deadline_ns)
{
    int code;

    while ((code = quire_rx_recv_until(rx, msg, deadline_ns)) == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(rx));
    }
    return code;
}

struct quire_msg await_number(quire_rx_t *rx, uint64_t stream, uint64_t number, size_t size)
{
    struct quire_msg msg;

    CHECK_OK(receive(rx, &msg, deadline_far()));
    is_number(&msg, stream, number, size);
    return msg;
}

void run_and_kill(void (*run)(void))
{
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        run();
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

quire_t *reopen_when_free(void)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    char path[TEMP_PATH_MAX];
    quire_t *channel = NULL;
    int code;

    cell_keeps(&options);
    do {
        code = quire_open(&channel, cell_path(path), &options);
    } while (code == QUIRE_EBUSY);
    CHECK_OK(code);
    return channel;
}

const char *channel_file(char *buffer, const char *name)
{
    char path[TEMP_PATH_MAX];

    snprintf(buffer, TEMP_PATH_MAX, "%.400s/%.100s", cell_path(path), name);
    return buffer;
}
