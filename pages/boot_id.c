/* SPDX-License-Identifier: MIT */
/* The machine's boot id: whether memory survived since a channel was last open. */
#include <fcntl.h>
#include <pages/io.h>
#include <pages/store.h>
#include <string.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_TEXT 36 /* 8-4-4-4-12 hexadecimal digits */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static int parse(const char text[BOOT_ID_TEXT], uint8_t out[16])
{
    int at = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            if (text[at++] != '-')
                return -1;
        int high = digit(text[at]);
        int low = digit(text[at + 1]);
        if (high < 0 || low < 0)
            return -1;
        out[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return 0;
}

void qr_boot_id(uint8_t out[16])
{
    char text[BOOT_ID_TEXT];
    ssize_t got = -1;
    int fd = qr_io_open(AT_FDCWD, BOOT_ID_PATH, O_RDONLY, 0);
    if (fd >= 0) {
        got = qr_io_pread(fd, text, sizeof text, 0);
        qr_io_close(fd);
    }
    if (got != BOOT_ID_TEXT || parse(text, out) < 0)
        memset(out, 0, 16);
}
