/* SPDX-License-Identifier: MIT */
/*
 * Runs a table of cases, each in a process of its own, so that a case that fails, crashes, hangs
 * or is stopped by a sanitizer neither hides the others nor leaves files behind. A case has a
 * watchdog, a directory that is removed after it, and must leave as many open files as it found.
 *
 * Plain programs, not Criterion: they run under ThreadSanitizer too. Exit 0 pass, 1 fail, 77 all
 * skipped.
 */
#ifndef TEST_HARNESS_H
#define TEST_HARNESS_H

#include <stddef.h>
#include <stdint.h>

struct test_case {
    const char *name;
    void (*run)(void);
    unsigned seconds; /* watchdog; 0: TEST_SECONDS */
};
#define TEST_SECONDS 60u

/* A part of the cases of a program, from one source file. */
struct test_table {
    const struct test_case *cases;
    size_t count;
};
#define TEST_TABLE(cases)                           \
    {                                               \
        (cases), sizeof(cases) / sizeof((cases)[0]) \
    }

/*
 * Runs the cases whose names contain filter (NULL: all), one line each. Returns what main
 * returns. With QUIRE_TEST_NOFORK=1 in the environment they run in the caller's process, for a
 * debugger.
 */
int test_run(const struct test_table *tables, size_t count, const char *filter);

/* count scaled by QUIRE_TEST_SCALE percent (default 100), at least 1. */
uint64_t test_scale(uint64_t count);

/* Ends the case. Any thread of it. */
void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void test_skip(const char *reason) __attribute__((noreturn));

/* Called by the macros below: end the case unless the relation holds. */
void test_equal(const char *file, int line, const char *left_text, const char *right_text,
                uint64_t left, uint64_t right);
void test_code(const char *file, int line, const char *text, long got, long wanted);

#define CHECK(condition)                                             \
    do {                                                             \
        if (!(condition)) {                                          \
            test_fail(__FILE__, __LINE__, "not so: %s", #condition); \
        }                                                            \
    } while (0)

/* Integers of any kind; both are shown. */
#define CHECK_EQ(left, right) \
    test_equal(__FILE__, __LINE__, #left, #right, (uint64_t)(left), (uint64_t)(right))

/* The result code of a call of the library, by name. */
#define CHECK_CODE(call, wanted) test_code(__FILE__, __LINE__, #call, (long)(call), (long)(wanted))
#define CHECK_OK(call)           CHECK_CODE(call, 0)

#endif
