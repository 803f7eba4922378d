/* SPDX-License-Identifier: MIT */
/*
 * Format version 2, byte by byte, against files written once and kept: a change of any byte that
 * a channel leaves on disk shows here. The files in tests/golden are text (offset, then up to 16
 * bytes in hex; bytes not named are zero), so that a reviewer can read a difference.
 *
 * QUIRE_GOLDEN_WRITE=1 in the environment writes them anew: only together with a new format
 * version, since channels of the old one stay in the world.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <pages/base/checksum.h>
#include <pages/format.h>
#include <quire/channel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *golden_path(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/tests/golden/format3-%s.hex", QUIRE_SOURCE_DIR, name);
    return path;
}

static void golden_write(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    for (size_t at = 0; at < size; at += 16) {
        int used = 0;
        for (size_t i = 0; i < 16; i++)
            used |= bytes[at + i];
        if (!used)
            continue;
        fprintf(file, "%04zx:", at);
        for (size_t i = 0; i < 16; i++)
            fprintf(file, " %02x", (unsigned)bytes[at + i]);
        fprintf(file, "\n");
    }
    cr_assert_eq(fclose(file), 0);
}

/* One line into bytes; returns how many bytes it named, -1 when it is not such a line. */
static int golden_line(const char *line, unsigned char *bytes, size_t size)
{
    char *end;
    unsigned long at = strtoul(line, &end, 16);
    int count = 0;
    if (end == line || *end != ':')
        return -1;
    for (const char *next = end + 1;; next = end) {
        unsigned long byte = strtoul(next, &end, 16);
        if (end == next)
            return *next == '\n' || *next == '\0' ? count : -1;
        if (byte > 0xff || at >= size)
            return -1;
        bytes[at++] = (unsigned char)byte;
        count++;
    }
}

static void golden_read(const char *path, unsigned char *bytes, size_t size)
{
    char line[128];
    int count = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    memset(bytes, 0, size);
    while (fgets(line, sizeof line, file) != NULL) {
        int n = golden_line(line, bytes, size);
        cr_assert_geq(n, 0, "%s: %s", path, line);
        count += n;
    }
    fclose(file);
    cr_assert_gt(count, 0, "%s holds nothing", path);
}

static void compare(const char *name, const void *block)
{
    char path[4096];
    const unsigned char *bytes = block;
    unsigned char golden[QR_BLOCK];
    const char *write = getenv("QUIRE_GOLDEN_WRITE");
    golden_path(name, path, sizeof path);
    if (write != NULL && strcmp(write, "1") == 0)
        golden_write(path, bytes, QR_BLOCK);
    golden_read(path, golden, sizeof golden);
    for (size_t i = 0; i < QR_BLOCK; i++)
        cr_assert_eq(bytes[i], golden[i], "%s: byte %zu is %02x, was %02x", name, i,
                     (unsigned)bytes[i], (unsigned)golden[i]);
}

static struct qr_superblock golden_superblock(void)
{
    static const struct qr_geometry geometry = {.page_size = 1u << 20,
                                                .max_messages = 43690,
                                                .frames_base = 16,
                                                .frames_cap = 1000,
                                                .full_policy = QUIRE_FULL_GROW,
                                                .checksum = 1,
                                                .max_queued = 0x0102030405060708ull};
    struct qr_superblock sb;
    memset(&sb, 0, sizeof sb);
    qr_superblock_layout(&sb, &geometry);
    memcpy(sb.uuid, "\x10\x32\x54\x76\x98\xba\xdc\xfe\x0f\x1e\x2d\x3c\x4b\x5a\x69\x78", 16);
    sb.created_ns = 1735689600000000001ull;
    qr_superblock_finish(&sb);
    return sb;
}

/* What is on disk must also still be accepted, whatever writes today. */
Test(golden, superblock)
{
    char path[4096];
    struct qr_superblock sb = golden_superblock();
    int observe_only = -1;
    compare("superblock", &sb);
    golden_read(golden_path("superblock", path, sizeof path), (unsigned char *)&sb, sizeof sb);
    cr_assert_eq(qr_superblock_check(&sb, sb.control_bytes, &observe_only), 0);
    cr_assert_eq(observe_only, 0);
}

/* Of the first version one file is kept: it is refused for what it is. */
Test(golden, superblock_of_another_version)
{
    char path[4096];
    struct qr_superblock sb;
    int observe_only;
    snprintf(path, sizeof path, "%s/tests/golden/format1-superblock.hex", QUIRE_SOURCE_DIR);
    golden_read(path, (unsigned char *)&sb, sizeof sb);
    cr_assert_eq(qr_superblock_check(&sb, sb.control_bytes, &observe_only), QUIRE_EVERSION);
}

Test(golden, frame_header)
{
    char path[4096];
    struct qr_superblock sb = golden_superblock();
    struct qr_frame_header header;
    qr_frame_header_init(&header, &sb, 11);
    compare("frame", &header);
    golden_read(golden_path("frame", path, sizeof path), (unsigned char *)&header, sizeof header);
    cr_assert_eq(qr_frame_header_check(&header, &sb, 11), 0);
}

Test(golden, group_block)
{
    char path[4096];
    struct qr_superblock sb = golden_superblock();
    struct qr_group_block block;
    struct qr_group_traits traits = {.mode = QR_GROUP_ACK,
                                     .hold = QR_HOLD_LOSSY,
                                     .max_attempts = 7,
                                     .lease_ms = 30000,
                                     .head = 0x123456789abull,
                                     .walked_from = 99,
                                     .begin = 0x450003};
    qr_group_block_init(&block, &sb, "Billing-2.eu_west", 5, 1735689601000000002ull, &traits);
    compare("group", &block);
    golden_read(golden_path("group", path, sizeof path), (unsigned char *)&block, sizeof block);
    cr_assert_eq(qr_group_block_check(&block, &sb, "Billing-2.eu_west"), 0);
}

/* Two records in one block: their checksum is part of the format too. */
Test(golden, records)
{
    _Alignas(8) unsigned char block[QR_BLOCK] = {0};
    static const char text[] = "a gathering of pages";
    unsigned char bytes[1000];
    struct qr_record record = {.length = sizeof text - 1};
    record.crc = qr_record_crc(77ull << 16 | 5, record.length, text);
    memcpy(block, &record, sizeof record);
    memcpy(block + 8, text, record.length);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31 + 7);
    record.length = sizeof bytes;
    record.crc = qr_record_crc(77ull << 16 | 6, record.length, bytes);
    memcpy(block + 32, &record, sizeof record);
    memcpy(block + 40, bytes, sizeof bytes);
    compare("records", block);
}
