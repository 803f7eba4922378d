/* SPDX-License-Identifier: MIT */
/*
 * The control file as bytes: written whole when a channel is made, read and judged when it is
 * opened. Both superblocks say the same; one of them may be damaged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define WORDS (QR_BLOCK / sizeof(uint64_t))

int qr_random(void *out, size_t size)
{
    /* Up to 256 bytes come whole and without EINTR once the pool is ready. */
    ssize_t got = getrandom(out, size, 0);
    return got == (ssize_t)size ? 0 : -EIO;
}

int qr_superblock_identify(struct qr_superblock *sb)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    sb->created_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    int rc = qr_random(sb->uuid, sizeof sb->uuid);
    /* Version 4, variant 1: tools print it as a UUID. */
    sb->uuid[6] = (uint8_t)((sb->uuid[6] & 0x0fu) | 0x40u);
    sb->uuid[8] = (uint8_t)((sb->uuid[8] & 0x3fu) | 0x80u);
    return rc;
}

/* Writes count words: first up to turn, then second. By the block: one large write would leave
 * large folios in the page cache, and every word stored later would write a whole one back. */
static int write_words(int fd, uint64_t offset, uint64_t count, uint64_t turn, uint64_t first,
                       uint64_t second)
{
    uint64_t words[WORDS];
    for (uint64_t at = 0; at < count; at += WORDS) {
        uint64_t n = count - at < WORDS ? count - at : WORDS;
        for (uint64_t i = 0; i < n; i++)
            words[i] = at + i < turn ? first : second;
        ssize_t rc = qr_io_pwrite(fd, words, n * sizeof words[0], offset + at * sizeof words[0]);
        if (rc < 0)
            return (int)rc;
    }
    return 0;
}

static int write_live(int fd)
{
    struct qr_live live;
    memset(&live, 0, sizeof live);
    qr_store_relaxed(&live.clean, 1u); /* relaxed: private until written */
    qr_boot_id(live.boot_id);
    ssize_t rc = qr_io_pwrite(fd, &live, sizeof live, QR_LIVE_OFFSET);
    return rc < 0 ? (int)rc : 0;
}

static int write_claims(int fd, const struct qr_superblock *sb, uint64_t closed)
{
    struct qr_claim_line lines[QR_BLOCK / sizeof(struct qr_claim_line)];
    uint64_t bytes = sb->frames_cap * sizeof lines[0];
    ssize_t rc = 0;
    memset(lines, 0, sizeof lines);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        qr_store_relaxed(&lines[i].word, closed); /* relaxed: private until written */
    for (uint64_t at = 0; at < bytes && rc >= 0; at += sizeof lines)
        rc = qr_io_pwrite(fd, lines, sizeof lines, sb->claims_offset + at);
    return rc < 0 ? (int)rc : 0;
}

int qr_control_write(int fd, const struct qr_superblock *sb, uint32_t frames_made,
                     uint64_t closed_claim)
{
    int rc = qr_io_fallocate(fd, 0, sb->control_bytes);
    if (rc < 0)
        return rc;
    for (unsigned copy = 0; copy < 2; copy++) {
        ssize_t n = qr_io_pwrite(fd, sb, sizeof *sb, (uint64_t)copy * QR_BLOCK);
        if (n < 0)
            return (int)n;
    }
    rc = write_live(fd);
    if (rc == 0)
        rc = write_words(fd, sb->life_offset, sb->frames_cap, frames_made, qr_life(QR_PAGE_FREE, 0),
                         qr_life(QR_PAGE_ABSENT, 0));
    if (rc == 0)
        rc = write_words(fd, sb->directory_offset, sb->directory_size, 0, QR_DIRENT_NONE,
                         QR_DIRENT_NONE);
    if (rc == 0)
        rc = write_claims(fd, sb, closed_claim);
    return rc;
}

/* Which of two refusals says more about the file. */
static int refusal(int a, int b)
{
    if (a == QUIRE_EVERSION || b == QUIRE_EVERSION)
        return QUIRE_EVERSION;
    if (a == QUIRE_EBADFILE || b == QUIRE_EBADFILE)
        return QUIRE_EBADFILE;
    return QUIRE_ENOTQUIRE;
}

/* Reads one copy and judges it: 0 or a refusal in *good. Returns -errno when it cannot be read. */
static int read_copy(int fd, uint64_t file_bytes, unsigned copy, struct qr_superblock *sb,
                     int *good, int *observe_only)
{
    memset(sb, 0, sizeof *sb);
    ssize_t got = qr_io_pread(fd, sb, sizeof *sb, (uint64_t)copy * QR_BLOCK);
    if (got < 0)
        return (int)got;
    *observe_only = 0;
    if (got == sizeof *sb)
        *good = qr_superblock_check(sb, file_bytes, observe_only);
    else /* too short to say more than whose it was */
        *good = sb->magic == QR_MAGIC_CONTROL ? QUIRE_EBADFILE : QUIRE_ENOTQUIRE;
    return 0;
}

static int repair_copy(int fd, const struct qr_superblock *sb, unsigned copy)
{
    ssize_t n = qr_io_pwrite(fd, sb, sizeof *sb, (uint64_t)copy * QR_BLOCK);
    return n < 0 ? (int)n : qr_io_fsync(fd);
}

int qr_control_read(int fd, struct qr_superblock *sb, int read_only)
{
    struct qr_superblock copy[2];
    struct stat st;
    int good[2] = {QUIRE_EBADFILE, QUIRE_EBADFILE};
    int observe_only[2] = {0, 0};
    int rc = qr_io_fstat(fd, &st);
    for (unsigned i = 0; i < 2 && rc == 0; i++)
        rc = read_copy(fd, (uint64_t)st.st_size, i, &copy[i], &good[i], &observe_only[i]);
    if (rc < 0)
        return rc;
    if (good[0] != 0 && good[1] != 0)
        return refusal(good[0], good[1]);
    /* Two good copies that differ: nothing says which one the other files belong to. */
    if (good[0] == 0 && good[1] == 0 && memcmp(&copy[0], &copy[1], sizeof copy[0]) != 0)
        return QUIRE_EBADFILE;
    unsigned from = good[0] == 0 ? 0 : 1;
    *sb = copy[from];
    if ((uint64_t)st.st_size != sb->control_bytes)
        return QUIRE_EBADFILE;
    if (observe_only[from] && !read_only)
        return QUIRE_EVERSION;
    if (good[1 - from] != 0 && !read_only)
        return repair_copy(fd, sb, 1 - from);
    return 0;
}
