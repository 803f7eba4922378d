/* SPDX-License-Identifier: MIT */
/* Copies of small messages without a call, by overlapping moves of a fixed size. */
#ifndef QR_LIB_COPY_H
#define QR_LIB_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define QR_COPY_INLINE_MAX 64u

#define QR_COPY_TWICE(type, to, from, size)                                         \
    do {                                                                            \
        type first_, last_;                                                         \
        memcpy(&first_, (from), sizeof(type));                                      \
        memcpy(&last_, (const char *)(from) + (size) - sizeof(type), sizeof(type)); \
        memcpy((to), &first_, sizeof(type));                                        \
        memcpy((char *)(to) + (size) - sizeof(type), &last_, sizeof(type));         \
    } while (0)

/*
 * 16 bytes as two words, kept apart: a message was often built by single stores just before, and
 * a load that is wider than the stores has to wait until they have left the processor.
 */
static inline void qr_copy_16b(char *to, const char *from)
{
    uint64_t first, last;
    memcpy(&first, from, 8);
    memcpy(&last, from + 8, 8);
    __asm__("" : "+r"(first), "+r"(last));
    memcpy(to, &first, 8);
    memcpy(to + 8, &last, 8);
}

/* At most QR_COPY_INLINE_MAX bytes. */
static inline void qr_copy_small(void *to, const void *from, size_t size)
{
    if (size >= 16) {
        char *t = to;
        const char *f = from;
        qr_copy_16b(t, f);
        if (size > 16) {
            if (size > 32) {
                qr_copy_16b(t + 16, f + 16);
                qr_copy_16b(t + size - 32, f + size - 32);
            }
            qr_copy_16b(t + size - 16, f + size - 16);
        }
    } else if (size >= 8)
        QR_COPY_TWICE(unsigned long long, to, from, size);
    else if (size >= 4)
        QR_COPY_TWICE(unsigned int, to, from, size);
    else if (size > 0) {
        ((char *)to)[0] = ((const char *)from)[0];
        if (size > 1)
            QR_COPY_TWICE(unsigned short, to, from, size);
    }
}

static inline void qr_copy(void *to, const void *from, size_t size)
{
    if (size > QR_COPY_INLINE_MAX)
        memcpy(to, from, size);
    else
        qr_copy_small(to, from, size);
}

#endif
