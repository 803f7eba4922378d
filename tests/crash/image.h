/* SPDX-License-Identifier: MIT */
/*
 * The files of a channel as another process is changing them: mapped, compared with what they
 * were at the last look, and written out as a directory of their own when they differ.
 */
#ifndef CRASH_IMAGE_H
#define CRASH_IMAGE_H

#include <stddef.h>

struct image;

/* Of the channel directory path. Ends the case when it cannot. */
struct image *image_open(const char *path);
void image_close(struct image *image);

/* Looks for files that came or went. 1 when there are any. */
int image_rescan(struct image *image);
/* 1 when any byte differs from what it was at the last look; takes it as the new look. */
int image_changed(struct image *image);
/* Writes the last look as a channel directory; the path must not exist. */
void image_write(const struct image *image, const char *path);

#endif
