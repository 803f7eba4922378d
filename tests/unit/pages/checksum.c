/* SPDX-License-Identifier: MIT */
/* CRC32C: published vectors, chaining, and every short length against a bit-by-bit reference. */
#include <criterion/criterion.h>
#include <pages/base/checksum.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The definition, one bit at a time: reflected polynomial 0x1EDC6F41, inverted in and out. */
static uint32_t reference(uint32_t seed, const void *data, size_t size)
{
    const unsigned char *at = data;
    uint32_t state = ~seed;
    for (size_t i = 0; i < size; i++) {
        state ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            state = (state >> 1) ^ (0x82f63b78u & (0u - (state & 1)));
    }
    return ~state;
}

static void fill(unsigned char *bytes, size_t size)
{
    uint32_t x = 2463534242u;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        bytes[i] = (unsigned char)x;
    }
}

Test(checksum, known_vectors)
{
    unsigned char bytes[32];
    cr_assert_eq(qr_crc32c(0, "123456789", 9), 0xe3069283u);
    cr_assert_eq(qr_crc32c(0, "", 0), 0u);
    cr_assert_eq(qr_crc32c(0, NULL, 0), 0u);
    /* RFC 3720, B.4 */
    memset(bytes, 0, sizeof bytes);
    cr_assert_eq(qr_crc32c(0, bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    cr_assert_eq(qr_crc32c(0, bytes, sizeof bytes), 0x62a8ab43u);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    cr_assert_eq(qr_crc32c(0, bytes, sizeof bytes), 0x46dd794eu);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(31 - i);
    cr_assert_eq(qr_crc32c(0, bytes, sizeof bytes), 0x113fdb5cu);
}

Test(checksum, chains_at_every_split)
{
    unsigned char bytes[100];
    fill(bytes, sizeof bytes);
    uint32_t whole = qr_crc32c(0, bytes, sizeof bytes);
    cr_assert_eq(whole, reference(0, bytes, sizeof bytes));
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = qr_crc32c(0, bytes, cut);
        cr_assert_eq(qr_crc32c(first, bytes + cut, sizeof bytes - cut), whole, "cut %zu", cut);
    }
}

/* isa-l counts in int: more than that goes in parts. Pages that were never written cost nothing. */
Test(checksum, more_than_int_max)
{
    size_t part = (size_t)1 << 30;
    size_t size = 2 * part + 12345;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    unsigned char *zeroes = mmap(NULL, size, PROT_READ, flags, -1, 0);
    cr_assert_neq(zeroes, MAP_FAILED);
    uint32_t crc = qr_crc32c(0, zeroes, part);
    crc = qr_crc32c(crc, zeroes, part);
    crc = qr_crc32c(crc, zeroes, 12345);
    cr_assert_eq(qr_crc32c(0, zeroes, size), crc);
    munmap(zeroes, size);
}

static uint32_t record_reference(uint64_t position, uint32_t length, const void *payload)
{
    unsigned char prefix[12];
    for (unsigned i = 0; i < 8; i++)
        prefix[i] = (unsigned char)(position >> (8 * i));
    for (unsigned i = 0; i < 4; i++)
        prefix[8 + i] = (unsigned char)(length >> (8 * i));
    return reference(reference(0, prefix, sizeof prefix), payload, length);
}

/* Both sides of the switch from the instruction to isa-l, at every alignment. */
Test(checksum, record_of_every_short_length)
{
    uint64_t position = 0x0123456789abcdefull;
    unsigned char *bytes = malloc(1024);
    cr_assert_not_null(bytes);
    fill(bytes, 1024);
    for (uint32_t length = 0; length <= 600; length++) {
        for (size_t skew = 0; skew < 8; skew++) {
            uint32_t got = qr_record_crc(position + length, length, bytes + skew);
            uint32_t want = record_reference(position + length, length, bytes + skew);
            cr_assert_eq(got, want, "length %u skew %zu", length, skew);
        }
    }
    free(bytes);
}

/* ASan sees a read beyond the payload: the block is exactly as long as the record. */
Test(checksum, record_reads_no_byte_beyond)
{
    for (uint32_t length = 1; length <= 300; length++) {
        unsigned char *bytes = malloc(length);
        cr_assert_not_null(bytes);
        fill(bytes, length);
        cr_assert_eq(qr_record_crc(7, length, bytes), record_reference(7, length, bytes));
        free(bytes);
    }
    cr_assert_eq(qr_record_crc(7, 0, NULL), record_reference(7, 0, ""));
}

Test(checksum, record_depends_on_every_part)
{
    unsigned char bytes[40];
    uint64_t position = 5ull << 16 | 3;
    fill(bytes, sizeof bytes);
    uint32_t crc = qr_record_crc(position, sizeof bytes, bytes);
    for (unsigned bit = 0; bit < 64; bit++)
        cr_assert_neq(qr_record_crc(position ^ 1ull << bit, sizeof bytes, bytes), crc);
    for (uint32_t length = 0; length < sizeof bytes; length++)
        cr_assert_neq(qr_record_crc(position, length, bytes), crc);
    for (unsigned bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        cr_assert_neq(qr_record_crc(position, sizeof bytes, bytes), crc);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    cr_assert_eq(qr_record_crc(position, sizeof bytes, bytes), crc);
}
