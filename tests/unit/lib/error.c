/* SPDX-License-Identifier: MIT */
/* Result codes: every code of the public header has a name and a sentence of its own. */
#include <quire/error.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CODES_MAX 64

struct code {
    int value;
    char name[40];
};

/* The codes as the header itself declares them, so that a new one cannot be forgotten here. */
static size_t codes_of_header(struct code *codes)
{
    FILE *header = fopen(QUIRE_SOURCE_DIR "/include/quire/error.h", "r");
    cr_assert_not_null(header);
    char line[256];
    size_t count = 0;
    while (fgets(line, sizeof(line), header) != NULL) {
        if (count < CODES_MAX &&
            sscanf(line, " %39[A-Z_] = %d", codes[count].name, &codes[count].value) == 2)
            count++;
    }
    fclose(header);
    return count;
}

Test(error, header_is_read)
{
    struct code codes[CODES_MAX];
    size_t count = codes_of_header(codes);
    cr_assert_eq(count, 30, "read %zu codes from the header", count);
    cr_assert_str_eq(codes[0].name, "QUIRE_OK");
    cr_assert_str_eq(codes[count - 1].name, "QUIRE_EPOISONED");
    cr_assert_eq(codes[count - 1].value, QUIRE_EPOISONED);
}

Test(error, every_code_has_its_name)
{
    struct code codes[CODES_MAX];
    size_t count = codes_of_header(codes);
    for (size_t i = 0; i < count; i++)
        cr_expect_str_eq(quire_errname(codes[i].value), codes[i].name);
}

Test(error, every_code_has_a_sentence_of_its_own)
{
    struct code codes[CODES_MAX];
    size_t count = codes_of_header(codes);
    for (size_t i = 0; i < count; i++) {
        const char *text = quire_strerror(codes[i].value);
        cr_expect_str_neq(text, quire_strerror(INT_MIN), "%s is not known", codes[i].name);
        cr_expect_gt(strlen(text), 6u);
        cr_expect_leq(strlen(text), 76u, "%s does not fit on a terminal line", codes[i].name);
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(text, quire_strerror(codes[j].value));
    }
}

Test(error, system_errors_have_the_systems_text)
{
    const int known[] = {EPERM, ENOENT, ENOMEM, EACCES, ENOSPC, EMFILE, EIO, EROFS};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        cr_expect_str_eq(quire_errname(-known[i]), "errno");
        cr_expect_str_eq(quire_strerror(-known[i]), strerror(known[i]));
    }
}

Test(error, own_codes_are_no_system_errors)
{
    struct code codes[CODES_MAX];
    size_t count = codes_of_header(codes);
    for (size_t i = 1; i < count; i++)
        cr_expect_lt(codes[i].value, -4095, "%s could be -errno", codes[i].name);
}

Test(error, unknown_codes_get_a_sentence)
{
    const int unknown[] = {INT_MIN, -5000, -5010, -5019, -5050, -5061, -4095, -100000};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        cr_expect_str_eq(quire_strerror(unknown[i]), "Unknown result code");
        cr_expect_str_eq(quire_errname(unknown[i]), "unknown");
    }
}

Test(error, counts_are_success)
{
    const int counts[] = {1, 63, INT_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        cr_expect_str_eq(quire_errname(counts[i]), "QUIRE_OK");
        cr_expect_str_eq(quire_strerror(counts[i]), "Success (a count)");
    }
}

Test(error, asking_leaves_errno_alone)
{
    errno = 77;
    (void)quire_strerror(-ENOENT);
    (void)quire_strerror(-100000);
    (void)quire_errname(QUIRE_FULL);
    cr_expect_eq(errno, 77);
}
