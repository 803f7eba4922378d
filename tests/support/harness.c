/* SPDX-License-Identifier: MIT */
/* The runner of the plain test programs: a process for each case, its watchdog, its verdict. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <inttypes.h>
#include <quire/error.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/temp.h>
#include <unistd.h>

enum { EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_SKIP = 77 };

static const char *current_case = "";

/* One write, so that lines of several threads do not mix. */
static void say(const char *text)
{
    ssize_t ignored = write(STDOUT_FILENO, text, strlen(text));
    (void)ignored;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char reason[600];
    char text[1000];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    snprintf(text, sizeof(text), "     %s: %s:%d: %s\n", current_case, file, line, reason);
    say(text);
    /* Not exit(): other threads still run, and a leak report would bury the reason. */
    _exit(EXIT_FAIL);
}

void test_skip(const char *reason)
{
    char text[400];

    snprintf(text, sizeof(text), "     %s: %s\n", current_case, reason);
    say(text);
    _exit(EXIT_SKIP);
}

void test_equal(const char *file, int line, const char *left_text, const char *right_text,
                uint64_t left, uint64_t right)
{
    if (left == right) {
        return;
    }
    test_fail(file, line, "%s is %" PRIu64 " (0x%" PRIx64 "), %s is %" PRIu64 " (0x%" PRIx64 ")",
              left_text, left, left, right_text, right, right);
}

void test_code(const char *file, int line, const char *text, long got, long wanted)
{
    if (got == wanted) {
        return;
    }
    test_fail(file, line, "%s gave %ld (%s), not %ld (%s)", text, got,
              got < 0 ? quire_errname((int)got) : "no error", wanted,
              wanted < 0 ? quire_errname((int)wanted) : "no error");
}

uint64_t test_scale(uint64_t count)
{
    const char *text = getenv("QUIRE_TEST_SCALE");
    uint64_t percent = text ? strtoull(text, NULL, 10) : 100;
    uint64_t scaled = count / 100 * percent + count % 100 * percent / 100;

    return scaled > 0 ? scaled : 1;
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    say("     watchdog: the case did not end: ");
    say(current_case);
    say("\n");
    _exit(EXIT_FAIL);
}

static void run_here(const struct test_case *test)
{
    int files = process_files();

    signal(SIGALRM, on_alarm);
    alarm(test->seconds ? test->seconds : TEST_SECONDS);
    test->run();
    alarm(0);
    test_equal("after the case", 0, "open files", "open files before it", (uint64_t)process_files(),
               (uint64_t)files);
}

static volatile sig_atomic_t running; /* the child; 0: none */
static volatile sig_atomic_t stopped; /* the signal that asked for an end */

/* Ends the case, so that its files are removed as after any other. */
static void on_stop(int signal_number)
{
    stopped = signal_number;
    if (running > 0) {
        kill(running, SIGKILL);
    }
}

static int run_in_child(const struct test_case *test)
{
    int status;
    pid_t child = fork();

    running = child;
    if (child < 0) {
        perror("fork");
        return EXIT_FAIL;
    }
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_here(test);
        exit(EXIT_PASS); /* sanitizers look for leaks here */
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            perror("waitpid");
            return EXIT_FAIL;
        }
    }
    running = 0;
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    printf("     %s: killed by signal %d\n", test->name, WTERMSIG(status));
    return EXIT_FAIL;
}

static int forks(void)
{
    const char *nofork = getenv("QUIRE_TEST_NOFORK");

    return !nofork || nofork[0] != '1';
}

/* Returns the exit status of the case. */
static int run_case(const struct test_case *test)
{
    int verdict = EXIT_PASS;

    current_case = test->name;
    temp_begin();
    fflush(NULL);
    if (!forks()) {
        run_here(test);
    } else {
        verdict = run_in_child(test);
    }
    temp_end();
    printf("%s %s\n",
           verdict == EXIT_PASS   ? "ok  "
           : verdict == EXIT_SKIP ? "skip"
                                  : "FAIL",
           test->name);
    return verdict;
}

int test_run(const struct test_table *tables, size_t count, const char *filter)
{
    size_t passed = 0, failed = 0, skipped = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (forks()) {
        signal(SIGINT, on_stop);
        signal(SIGTERM, on_stop);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < tables[i].count; k++) {
            const struct test_case *test = &tables[i].cases[k];
            int verdict;

            if (filter && !strstr(test->name, filter)) {
                continue;
            }
            verdict = run_case(test);
            if (stopped) {
                return 128 + stopped;
            }
            passed += verdict == EXIT_PASS;
            skipped += verdict == EXIT_SKIP;
            failed += verdict != EXIT_PASS && verdict != EXIT_SKIP;
        }
    }
    printf("%zu passed, %zu failed, %zu skipped\n", passed, failed, skipped);
    if (failed > 0 || passed + skipped == 0) {
        return EXIT_FAIL;
    }
    return passed == 0 ? EXIT_SKIP : EXIT_PASS;
}
