/* SPDX-License-Identifier: MIT */
/* Numbers read from and written for people. Reading is strict: the whole text or nothing. */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum cli_number_error {
    CLI_NUMBER_OK = 0,
    CLI_NUMBER_SYNTAX = -1,  /* not a number of this kind */
    CLI_NUMBER_OVERFLOW = -2 /* a number, but too large to hold */
};

/* Digits, then optionally one of K, M, G, T (or k, m, g, t): times 1024, 1024^2, ... */
int cli_number_size(const char *text, uint64_t *value);

/* Digits only. */
int cli_number_decimal(const char *text, uint64_t *value);

/* Octal digits only, as of chmod. */
int cli_number_octal(const char *text, uint64_t *value);

/* Seconds with an optional fraction ("1.5"), or "forever": UINT64_MAX. */
int cli_number_seconds(const char *text, uint64_t *ns);

/*
 * A time in UTC: "@SECONDS" since 1970 or "2025-01-31T10:00:00Z" (RFC 3339), both with an optional
 * fraction. *ns is nanoseconds since 1970.
 */
int cli_number_time(const char *text, uint64_t *ns);

#define CLI_TEXT 32 /* bytes that hold every text made below */

/* "1.50 MiB", "512 B". Returns text. */
char *cli_text_bytes(char text[CLI_TEXT], double bytes);

/* "1.50 M", "512". Powers of 1000. Returns text. */
char *cli_text_count(char text[CLI_TEXT], double count);

/* "1.50 us", "20 ns". Returns text. */
char *cli_text_ns(char text[CLI_TEXT], double ns);

/* How long ago something was: "0 s", "119 s", "3 min", "47 h", "5 days". Returns text. */
char *cli_text_age(char text[CLI_TEXT], uint64_t ns);

/* "1,234,567". Returns text. */
char *cli_text_grouped(char text[CLI_TEXT], uint64_t value);

#endif
