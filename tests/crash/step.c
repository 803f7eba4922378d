/* SPDX-License-Identifier: MIT */
/*
 * I10: a kill between any two instructions. A process is single-stepped through one operation;
 * whenever a byte of the channel's files has changed, their state is what a kill at this moment
 * would leave: it is written out as a channel of its own, opened, and held against what the
 * operation may have done by then. So every distinct state of the files is tried.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <tests/crash/image.h>
#include <tests/crash/step_ops.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/temp.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define INSTRUMENTED 1
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED 0
#endif

#define STEPS_MAX 20000000u

/* --- what a state of the files must be worth --- */

struct found {
    uint64_t came; /* bit per message number */
    uint64_t count;
    uint64_t lost;
};

static void drain(quire_t *channel, struct found *found)
{
    uint64_t next_min = 0;
    quire_rx_t *rx;
    CHECK_OK(quire_rx_subscribe(channel, STEP_GROUP, NULL, NULL, &rx));
    for (;;) {
        struct quire_msg msg;
        uint64_t stream;
        uint64_t number;
        int rc = quire_rx_try_recv(rx, &msg);
        if (rc == QUIRE_EAGAIN) {
            break;
        }
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        if (rc == QUIRE_LAPPED) {
            found->lost += quire_rx_lost(rx).count;
            continue;
        }
        CHECK_OK(rc);
        CHECK(content_read(msg.data, msg.size, &stream, &number));
        CHECK(number < 64 && !(found->came >> number & 1));
        if (!(msg.flags & QUIRE_MSG_RETURNED)) {
            CHECK(number >= next_min);
            next_min = number + 1;
        }
        found->came |= 1ull << number;
        found->count++;
    }
    quire_rx_close(rx);
}

static uint64_t range(uint64_t begin, uint64_t end)
{
    return end > begin ? ((1ull << end) - 1) & ~((1ull << begin) - 1) : 0;
}

/* claimed = published + void: what was sent, and perhaps what was being sent. A state that fails
 * here only is told of at the end, so that the states after it are looked at as well. */
static int account_closes(const struct step_op *op, const struct quire_stat *stat)
{
    uint64_t voids_max = op->voids_max > 1 ? op->voids_max : 1;
    int closes = stat->messages >= op->sent_min + stat->voids &&
                 stat->messages <= op->sent_max + stat->voids && stat->voids <= voids_max;
    if (!closes) {
        printf("     the account: %llu claimed, %llu void; %llu to %llu were published\n",
               (unsigned long long)stat->messages, (unsigned long long)stat->voids,
               (unsigned long long)op->sent_min, (unsigned long long)op->sent_max);
    }
    return closes;
}

static void check_found(const struct step_op *op, const struct found *found)
{
    uint64_t must = range(op->given_max, op->sent_min);
    uint64_t may = range(op->given_min, op->sent_max);
    uint64_t missing = must & ~found->came;
    CHECK_EQ(found->came & ~may, 0);
    if (op->drops) {
        CHECK((uint64_t)__builtin_popcountll(missing) <= found->lost);
        CHECK(found->lost + found->count + op->given_min >= op->sent_min);
        CHECK(found->lost + found->count + op->given_min <= op->sent_max);
    } else {
        CHECK_EQ(missing, 0);
        CHECK_EQ(found->lost, 0);
    }
}

/* A channel that was repaired is a channel like any other. */
static void check_usable(quire_t *channel)
{
    unsigned char bytes[40];
    struct found found = {0};
    quire_tx_t *tx;
    content_fill(bytes, sizeof(bytes), 0, 63);
    CHECK_OK(quire_tx_open(channel, NULL, &tx));
    CHECK_OK(quire_tx_try_send(tx, bytes, sizeof(bytes)));
    quire_tx_close(tx);
    drain(channel, &found);
    CHECK_EQ(found.came, 1ull << 63);
}

/* 1 when the account of the channel closes. */
static int check_state(const struct step_op *op, const char *path)
{
    struct quire_stat stat;
    struct found found = {0};
    quire_t *channel;
    CHECK_OK(quire_open(&channel, path, NULL));
    CHECK_OK(quire_stat(channel, &stat));
    uint64_t recoveries = stat.recoveries;
    CHECK_EQ(stat.damaged, 0);
    CHECK_EQ(stat.handles, 0);
    if (op->was) {
        step_ack_check(op, channel);
    } else {
        drain(channel, &found);
        check_found(op, &found);
        check_usable(channel);
    }
    int closes = account_closes(op, &stat);
    CHECK_OK(quire_close(channel));
    CHECK_OK(quire_open(&channel, path, NULL));
    CHECK_OK(quire_stat(channel, &stat));
    CHECK_EQ(stat.recoveries, recoveries);
    CHECK_OK(quire_close(channel));
    return closes;
}

/* --- the process that is stepped --- */

static void create(const struct step_op *op)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_plan plan;
    quire_rx_t *rx;
    quire_t *channel;
    options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_messages = op->max_messages;
    options.max_pages = op->max_pages;
    options.full_policy = op->policy;
    CHECK_OK(quire_plan(&options, 1, &plan));
    if (op->policy == QUIRE_FULL_GROW) {
        options.max_bytes = plan.total_bytes + 2 * plan.page_bytes;
    }
    CHECK_OK(quire_open(&channel, op->path, &options));
    step_join(op, channel, &rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static _Noreturn void stepped_main(struct step_op *op)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    op->before(op);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(77);
    }
    raise(SIGSTOP);
    op->act(op);
    raise(SIGSTOP);
    _exit(0);
}

/* 1 when the next instruction is a system call: files may come and go in it. */
static int at_syscall(pid_t child)
{
#if defined(__x86_64__)
    struct user_regs_struct regs;
    CHECK_EQ(ptrace(PTRACE_GETREGS, child, NULL, &regs), 0);
    errno = 0;
    long word = ptrace(PTRACE_PEEKTEXT, child, (void *)regs.rip, NULL);
    return errno == 0 && (word & 0xffff) == 0x050f;
#else
    (void)child;
    return 1;
#endif
}

struct tally {
    uint64_t steps;
    uint64_t states;
    uint64_t accounts; /* states whose account did not close */
};

static void try_state(const struct step_op *op, const struct image *image, struct tally *tally)
{
    char path[TEMP_PATH_MAX];
    temp_path(path, "state");
    image_write(image, path);
    tally->states++;
    tally->accounts += check_state(op, path) ? 0u : 1u;
    temp_remove(path);
}

/* One instruction. 0 when the operation has ended. */
static int one_step(pid_t child)
{
    int status;
    CHECK_EQ(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
        test_fail(__FILE__, __LINE__, "the operation failed: exit status %d", WEXITSTATUS(status));
    }
    CHECK(WIFSTOPPED(status));
    if (WSTOPSIG(status) == SIGSTOP) {
        return 0;
    }
    CHECK_EQ(WSTOPSIG(status), SIGTRAP);
    return 1;
}

static void step_through(const struct step_op *op, pid_t child, struct tally *tally)
{
    struct image *image = image_open(op->path);
    int in_call = at_syscall(child);
    try_state(op, image, tally);
    while (one_step(child)) {
        int came = in_call ? image_rescan(image) : 0;
        if (image_changed(image) || came) {
            try_state(op, image, tally);
        }
        in_call = at_syscall(child);
        CHECK(++tally->steps < STEPS_MAX);
    }
    image_close(image);
}

/* Returns 0 when this kernel or sandbox does not let us step. */
static int step_op_run(struct step_op *op, struct tally *tally)
{
    char path[TEMP_PATH_MAX];
    int status;
    op->path = temp_path(path, "channel");
    create(op);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        stepped_main(op);
    }
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        return 0;
    }
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    step_through(op, child, tally);
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    temp_remove(path);
    return 1;
}

static void run_op(struct step_op *op)
{
    struct tally tally = {0};
    if (INSTRUMENTED) {
        test_skip("the instructions of a sanitizer are not those of the library");
    }
    if (!step_op_run(op, &tally)) {
        test_skip("ptrace is refused here");
    }
    printf("     %s: %llu instructions, %llu states\n", op->name, (unsigned long long)tally.steps,
           (unsigned long long)tally.states);
    /* an operation that changes nothing would prove nothing */
    CHECK(tally.states > 1);
    CHECK_EQ(tally.accounts, 0);
}

/* The table of cases has functions without arguments: one process each, chosen by name. */
static struct step_op *chosen;

static void run_chosen(void)
{
    run_op(chosen);
}

static void run_table(struct step_op *ops, size_t count, const char *name, int *failed, int *ran)
{
    for (size_t i = 0; i < count; i++) {
        struct test_case one = {ops[i].name, run_chosen, 60};
        struct test_table table = {&one, 1};
        if (name && strcmp(name, ops[i].name) != 0) {
            continue;
        }
        chosen = &ops[i];
        int rc = test_run(&table, 1, NULL);
        *failed |= rc == 1;
        *ran |= rc == 0;
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    int failed = 0;
    int ran = 0;
    run_table(step_ops, step_ops_count, name, &failed, &ran);
    run_table(step_ack_ops, step_ack_ops_count, name, &failed, &ran);
    return failed ? 1 : ran ? 0 : 77;
}
