/* SPDX-License-Identifier: MIT */
/*
 * A directory for the files of one test, removed with all that is in it. The harness begins and
 * ends it around each case; a program without the harness calls temp_begin and temp_end itself.
 */
#ifndef TEST_TEMP_H
#define TEST_TEMP_H

/* Makes the directory, under $TMPDIR or /tmp. Ends the program when that fails. */
void temp_begin(void);
/* Removes it. Does nothing when there is none. */
void temp_end(void);

/* The directory. */
const char *temp_directory(void);

/*
 * Writes the path of name in the directory into buffer (TEMP_PATH_MAX bytes) and returns buffer.
 * Makes nothing.
 */
#define TEMP_PATH_MAX 512
char *temp_path(char *buffer, const char *name);

/* Removes path, a file or a whole tree. */
void temp_remove(const char *path);

#endif
