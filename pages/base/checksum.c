/* SPDX-License-Identifier: MIT */
/*
 * CRC32C. isa-l does the work; only short records, where two calls into it cost several times
 * more than the bytes, go through the processor's own instruction, one word after the other.
 */
#include <limits.h>
#include <pages/base/checksum.h>
#include <string.h>

#include <isa-l/crc.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

/* Up to here the instruction is at least as fast as isa-l, whose set-up pays only beyond. */
#define SHORT_BYTES 256u

/* State is the inverted checksum: what isa-l and the instructions take and give. */
static uint32_t state_add(uint32_t state, const void *data, size_t size)
{
    const unsigned char *at = data;
    while (size > 0) {
        int part = size > INT_MAX ? INT_MAX : (int)size;
        /* isa-l's prototype lacks the const; it only reads. */
        state = crc32_iscsi((unsigned char *)(uintptr_t)at, part, state);
        at += part;
        size -= (size_t)part;
    }
    return state;
}

uint32_t qr_crc32c(uint32_t seed, const void *data, size_t size)
{
    return ~state_add(~seed, data, size);
}

#if defined(__x86_64__)
#define STEP_TARGET  __attribute__((target("sse4.2")))
#define step64(s, v) ((uint32_t)_mm_crc32_u64((s), (v)))
#define step32(s, v) _mm_crc32_u32((s), (v))
#define step16(s, v) _mm_crc32_u16((s), (v))
#define step8(s, v)  _mm_crc32_u8((s), (v))

static int step_supported(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}
#elif defined(__aarch64__)
#define STEP_TARGET
#define STEP(name, type, text)                                              \
    static inline uint32_t name(uint32_t state, type value)                 \
    {                                                                       \
        __asm__(".arch_extension crc\n\t" text : "+r"(state) : "r"(value)); \
        return state;                                                       \
    }
STEP(step64, uint64_t, "crc32cx %w0, %w0, %x1")
STEP(step32, uint32_t, "crc32cw %w0, %w0, %w1")
STEP(step16, uint16_t, "crc32ch %w0, %w0, %w1")
STEP(step8, uint8_t, "crc32cb %w0, %w0, %w1")

static int step_supported(void)
{
    return (getauxval(AT_HWCAP) & (1ul << 7)) != 0; /* HWCAP_CRC32 */
}
#endif

#ifdef STEP_TARGET
/* Set before main and never again. A caller that is even earlier sees 0 and takes the long way
 * to the same result. */
static int have_step;
__attribute__((constructor)) static void have_step_set(void)
{
    have_step = step_supported();
}

STEP_TARGET static uint32_t short_record(uint64_t position, uint32_t length, const void *payload)
{
    const unsigned char *at = payload;
    uint32_t left = length;
    uint32_t state = step32(step64(UINT32_MAX, position), length);
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        state = step64(state, word);
    }
    if (left & 4) {
        uint32_t word;
        memcpy(&word, at, 4);
        state = step32(state, word);
        at += 4;
    }
    if (left & 2) {
        uint16_t word;
        memcpy(&word, at, 2);
        state = step16(state, word);
        at += 2;
    }
    if (left & 1)
        state = step8(state, *at);
    return ~state;
}
#endif

uint32_t qr_record_crc(uint64_t position, uint32_t length, const void *payload)
{
#ifdef STEP_TARGET
    if (have_step && length <= SHORT_BYTES)
        return short_record(position, length, payload);
#endif
    unsigned char prefix[12];
    memcpy(prefix, &position, 8);
    memcpy(prefix + 8, &length, 4);
    return ~state_add(state_add(UINT32_MAX, prefix, sizeof prefix), payload, length);
}
