/* SPDX-License-Identifier: MIT */
/* JSON writer. */
#include <tools/quire/json.h>

#include <math.h>
#include <string.h>

size_t cli_utf8_length(const unsigned char *p, size_t size)
{
    if (size == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return length;
}

int cli_utf8_valid(const void *data, size_t size)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < size;) {
        size_t length = cli_utf8_length(p + i, size - i);
        if (length == 0)
            return 0;
        i += length;
    }
    return 1;
}

static void write_escaped(FILE *out, const unsigned char *p, size_t size)
{
    static const char letters[] = "btnvfr"; /* of the bytes 8 to 13 */
    fputc('"', out);
    for (size_t i = 0; i < size;) {
        size_t length = cli_utf8_length(p + i, size - i);
        if (length == 0)
            fputs("\\ufffd", out);
        else if (p[i] == '"' || p[i] == '\\')
            fprintf(out, "\\%c", p[i]);
        else if (p[i] >= 8 && p[i] <= 13 && p[i] != 11)
            fprintf(out, "\\%c", letters[p[i] - 8]);
        else if (p[i] < 0x20 || p[i] == 0x7f)
            fprintf(out, "\\u%04x", p[i]);
        else
            fwrite(p + i, 1, length, out);
        i += length == 0 ? 1 : length;
    }
    fputc('"', out);
}

/* What stands before every value. */
static void begin(struct cli_json *json, const char *name)
{
    if (json->separate)
        fputc(',', json->out);
    json->separate = 1;
    if (name != NULL) {
        write_escaped(json->out, (const unsigned char *)name, strlen(name));
        fputc(':', json->out);
    }
}

static void open_level(struct cli_json *json, const char *name, char bracket)
{
    begin(json, name);
    fputc(bracket, json->out);
    json->separate = 0;
}

static void close_level(struct cli_json *json, char bracket)
{
    fputc(bracket, json->out);
    json->separate = 1;
}

void cli_json_object(struct cli_json *json, const char *name)
{
    open_level(json, name, '{');
}

void cli_json_object_end(struct cli_json *json)
{
    close_level(json, '}');
}

void cli_json_array(struct cli_json *json, const char *name)
{
    open_level(json, name, '[');
}

void cli_json_array_end(struct cli_json *json)
{
    close_level(json, ']');
}

void cli_json_string(struct cli_json *json, const char *name, const char *value)
{
    cli_json_bytes(json, name, value, strlen(value));
}

void cli_json_bytes(struct cli_json *json, const char *name, const void *value, size_t size)
{
    begin(json, name);
    write_escaped(json->out, value, size);
}

void cli_json_base64(struct cli_json *json, const char *name, const void *value, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = value;
    begin(json, name);
    fputc('"', json->out);
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)p[i] << 16;
        bits |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)p[i + 2] : 0;
        fputc(digits[bits >> 18], json->out);
        fputc(digits[bits >> 12 & 63], json->out);
        fputc(left > 1 ? digits[bits >> 6 & 63] : '=', json->out);
        fputc(left > 2 ? digits[bits & 63] : '=', json->out);
    }
    fputc('"', json->out);
}

void cli_json_u64(struct cli_json *json, const char *name, uint64_t value)
{
    begin(json, name);
    fprintf(json->out, "%llu", (unsigned long long)value);
}

void cli_json_real(struct cli_json *json, const char *name, double value, int decimals)
{
    if (!isfinite(value)) {
        cli_json_null(json, name);
        return;
    }
    begin(json, name);
    fprintf(json->out, "%.*f", decimals, value);
}

void cli_json_bool(struct cli_json *json, const char *name, int value)
{
    begin(json, name);
    fputs(value ? "true" : "false", json->out);
}

void cli_json_null(struct cli_json *json, const char *name)
{
    begin(json, name);
    fputs("null", json->out);
}
