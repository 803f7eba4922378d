/* SPDX-License-Identifier: MIT */
/* Options of a channel: validation, defaults, and the geometry they amount to. */
#ifndef QR_OPTIONS_H
#define QR_OPTIONS_H

#include <pages/format.h>
#include <quire/channel.h>

/* Frames that can be named: ids 0..65533, so that neither 65535 nor an id + 1 of it is one. */
#define QR_FRAMES_NAMED 65534u

/*
 * Checks options (NULL: all defaults) for a directory channel (directory != 0) or one in memory,
 * and fills in what is left to the library: *resolved has no zero where zero means a default,
 * but for max_bytes, which stays 0 unless the policy is GROW.
 * Returns 0 or QUIRE_EINVAL; the results are then untouched.
 */
int qr_options_resolve(const struct quire_options *options, int directory,
                       struct quire_options *resolved, struct qr_geometry *geometry);

#endif
