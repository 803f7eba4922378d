/* SPDX-License-Identifier: MIT */
/*
 * A writer of JSON: commas and escapes are its business, matching begin and end is the caller's.
 * Output is one line, without a space. Errors stay in the stream (ferror).
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct cli_json {
    FILE *out;
    int separate; /* 1: a value was written at this level, so the next needs a comma */
};

/* name: the key inside an object; NULL inside an array or at the top. */
void cli_json_object(struct cli_json *json, const char *name);
void cli_json_object_end(struct cli_json *json);
void cli_json_array(struct cli_json *json, const char *name);
void cli_json_array_end(struct cli_json *json);

void cli_json_string(struct cli_json *json, const char *name, const char *value);
/* Bytes that need not be text: sequences that are not UTF-8 become U+FFFD. */
void cli_json_bytes(struct cli_json *json, const char *name, const void *value, size_t size);
void cli_json_base64(struct cli_json *json, const char *name, const void *value, size_t size);
void cli_json_u64(struct cli_json *json, const char *name, uint64_t value);
/* With the given number of decimals; null when not finite. */
void cli_json_real(struct cli_json *json, const char *name, double value, int decimals);
void cli_json_bool(struct cli_json *json, const char *name, int value);
void cli_json_null(struct cli_json *json, const char *name);

/* The length of the UTF-8 sequence at p, 0 when it is none. */
size_t cli_utf8_length(const unsigned char *p, size_t size);
/* 1 when all bytes are UTF-8. */
int cli_utf8_valid(const void *data, size_t size);

#endif
