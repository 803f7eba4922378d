/* SPDX-License-Identifier: MIT */
/* The boot id is the kernel's, or zero. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pages/io.h>
#include <pages/store.h>
#include <stdio.h>
#include <string.h>

Test(boot_id, is_what_the_kernel_says)
{
    uint8_t id[16];
    char text[40] = "";
    char printed[40];
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file == NULL)
        cr_skip("this kernel shows no boot id");
    cr_assert_not_null(fgets(text, sizeof text, file));
    fclose(file);
    text[36] = '\0';
    qr_boot_id(id);
    for (int i = 0, at = 0; i < 16; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        at += snprintf(printed + at, sizeof printed - (size_t)at, "%s%02x", dash, id[i]);
    }
    cr_assert_str_eq(printed, text);
}

Test(boot_id, is_zero_when_unknown)
{
    static const uint8_t zero[16];
    for (uint64_t nth = 1; nth <= 2; nth++) {
        uint8_t id[16];
        memset(id, 0xff, sizeof id);
        qr_io_fault(nth, EACCES, 0);
        qr_boot_id(id);
        cr_assert(qr_io_fault_hit());
        qr_io_fault(0, 0, 0);
        cr_assert_eq(memcmp(id, zero, sizeof id), 0);
    }
}
