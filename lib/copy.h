/* SPDX-License-Identifier: MIT */
/* Copies of small messages without a call: two overlapping moves of a fixed size each. */
#ifndef QR_LIB_COPY_H
#define QR_LIB_COPY_H

#include <stddef.h>
#include <string.h>

typedef long long qr_copy_16 __attribute__((vector_size(16)));
#define QR_COPY_INLINE_MAX 64u

#define QR_COPY_TWICE(type, to, from, size)                                         \
    do {                                                                            \
        type first_, last_;                                                         \
        memcpy(&first_, (from), sizeof(type));                                      \
        memcpy(&last_, (const char *)(from) + (size) - sizeof(type), sizeof(type)); \
        memcpy((to), &first_, sizeof(type));                                        \
        memcpy((char *)(to) + (size) - sizeof(type), &last_, sizeof(type));         \
    } while (0)

/* At most QR_COPY_INLINE_MAX bytes. */
static inline void qr_copy_small(void *to, const void *from, size_t size)
{
    if (size >= 16) {
        if (size > 32)
            QR_COPY_TWICE(qr_copy_16, (char *)to + 16, (const char *)from + 16, size - 32);
        QR_COPY_TWICE(qr_copy_16, to, from, size);
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
