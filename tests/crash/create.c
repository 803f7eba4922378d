/* SPDX-License-Identifier: MIT */
/*
 * Creation is all or nothing: a process that creates a channel is killed before its first, its
 * second, ... system call until one gets through. Whatever is left, the path is then either not
 * there or a whole channel, and creating it again works.
 */
#include <quire.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/temp.h>
#include <unistd.h>

#define CALLS_MAX 2000u

static void create_options(struct quire_options *options, uint32_t policy)
{
    struct quire_options fresh = QUIRE_OPTIONS_INIT;
    *options = fresh;
    options->flags = QUIRE_CREATE;
    options->page_size = QUIRE_PAGE_SIZE_MIN;
    options->max_messages = 4;
    options->max_pages = 3;
    options->full_policy = policy;
}

static _Noreturn void creator(const char *path, uint32_t policy)
{
    struct quire_options options;
    quire_t *channel;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    create_options(&options, policy);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(77);
    }
    raise(SIGSTOP);
    CHECK_OK(quire_open(&channel, path, &options));
    _exit(0);
}

/* Runs the creator up to the entry of its system call number calls, counted from 0, and kills it
 * there. 0: it ended before. -1: ptrace is refused. */
static int create_and_die(const char *path, uint32_t policy, uint32_t calls)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        creator(path, policy);
    }
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    if (WIFEXITED(status)) {
        CHECK_EQ(WEXITSTATUS(status), 77);
        return -1;
    }
    /* Each call stops twice, at its entry and at its end. */
    for (uint32_t stop = 0; stop < 2 * calls + 1; stop++) {
        CHECK_EQ(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        CHECK_EQ(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            CHECK_EQ(WEXITSTATUS(status), 0);
            return 0;
        }
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
    }
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return 1;
}

/* Sends and receives one message. */
static void use(quire_t *channel)
{
    unsigned char bytes[40];
    struct quire_msg msg;
    quire_tx_t *tx;
    quire_rx_t *rx;
    content_fill(bytes, sizeof(bytes), 1, 2);
    CHECK_OK(quire_rx_subscribe(channel, "red", NULL, NULL, &rx));
    CHECK_OK(quire_tx_open(channel, NULL, &tx));
    CHECK_OK(quire_tx_try_send(tx, bytes, sizeof(bytes)));
    CHECK_OK(quire_rx_try_recv(rx, &msg));
    CHECK(content_matches(msg.data, msg.size, 1, 2));
    quire_tx_close(tx);
    quire_rx_close(rx);
}

static void check_whole(const char *path, uint32_t policy)
{
    struct quire_options options;
    struct quire_stat stat;
    quire_t *channel;
    int rc = quire_open(&channel, path, NULL);
    if (rc == 0) {
        CHECK_OK(quire_stat(channel, &stat));
        CHECK_EQ(stat.messages, 0);
        CHECK_EQ(stat.pages_made, 3);
        CHECK_OK(quire_close(channel));
    } else {
        CHECK_CODE(rc, QUIRE_ENOENT);
    }
    create_options(&options, policy);
    CHECK_OK(quire_open(&channel, path, &options));
    use(channel);
    CHECK_OK(quire_close(channel));
}

static void create_under_fire(uint32_t policy)
{
    char path[TEMP_PATH_MAX];
    uint32_t calls = 0;
    int rc;
    temp_path(path, "channel");
    while ((rc = create_and_die(path, policy, calls)) == 1) {
        check_whole(path, policy);
        temp_remove(path);
        CHECK(++calls < CALLS_MAX);
    }
    if (rc < 0) {
        test_skip("ptrace is refused here");
    }
    printf("     killed at each of %u system calls\n", calls);
    CHECK(calls > 10);
    check_whole(path, policy);
}

static void create_block(void)
{
    create_under_fire(QUIRE_FULL_BLOCK);
}

static void create_drop_oldest(void)
{
    create_under_fire(QUIRE_FULL_DROP_OLDEST);
}

static const struct test_case cases[] = {
    {"create_block", create_block, 120},
    {"create_drop_oldest", create_drop_oldest, 120},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
