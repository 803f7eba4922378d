/* SPDX-License-Identifier: MIT */
/* CRC32C (isa-l). */
#ifndef QR_BASE_CHECKSUM_H
#define QR_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C of size bytes; chain by passing the last result as seed, 0 to begin. */
uint32_t qr_crc32c(uint32_t seed, const void *data, size_t size);

/* Checksum of one record: position and length first, so that a record of an earlier life of the
 * frame, or at another slot, never validates. */
uint32_t qr_record_crc(uint64_t position, uint32_t length, const void *payload);

#endif
