/* SPDX-License-Identifier: MIT */
/* Parts of the command that need no channel: numbers, JSON, histogram, reader, table. */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <quire/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tools/quire/exits.h>
#include <tools/quire/hash.h>
#include <tools/quire/histogram.h>
#include <tools/quire/json.h>
#include <tools/quire/number.h>
#include <tools/quire/reader.h>
#include <tools/quire/suggest.h>
#include <tools/quire/table.h>
#include <unistd.h>

static void size_is(const char *text, int error, uint64_t wanted)
{
    uint64_t got = 12345;
    cr_expect_eq(cli_number_size(text, &got), error, "%s", text);
    cr_expect_eq(got, error == 0 ? wanted : 12345, "%s", text);
}

Test(number, sizes_are_whole_and_do_not_overflow)
{
    size_is("0", 0, 0);
    size_is("007", 0, 7);
    size_is("4096", 0, 4096);
    size_is("1K", 0, 1024);
    size_is("3m", 0, 3u << 20);
    size_is("2G", 0, 2ull << 30);
    size_is("1T", 0, 1ull << 40);
    size_is("18446744073709551615", 0, UINT64_MAX);
    size_is("16777215T", 0, 16777215ull << 40);
    size_is("16777216T", CLI_NUMBER_OVERFLOW, 0);
    size_is("18446744073709551616", CLI_NUMBER_OVERFLOW, 0);
    size_is("99999999999999999999999", CLI_NUMBER_OVERFLOW, 0);
    static const char *const bad[] = {"",   "K",    "-1",  "+1",  " 1",  "1 ", "1KB",   "1KK",
                                      "1B", "0x10", "1.5", "1,0", "1\n", "1@", "1k\x01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        size_is(bad[i], CLI_NUMBER_SYNTAX, 0);
}

Test(number, octal_and_decimal)
{
    uint64_t n;
    cr_expect_eq(cli_number_octal("0660", &n), 0);
    cr_expect_eq(n, 0660);
    cr_expect_eq(cli_number_octal("0680", &n), CLI_NUMBER_SYNTAX);
    cr_expect_eq(cli_number_octal("", &n), CLI_NUMBER_SYNTAX);
    cr_expect_eq(cli_number_decimal("90", &n), 0);
    cr_expect_eq(n, 90);
    cr_expect_eq(cli_number_decimal("9K", &n), CLI_NUMBER_SYNTAX);
}

static void seconds_are(const char *text, int error, uint64_t wanted)
{
    uint64_t got = 0;
    cr_expect_eq(cli_number_seconds(text, &got), error, "%s", text);
    if (error == 0)
        cr_expect_eq(got, wanted, "%s: %llu", text, (unsigned long long)got);
}

Test(number, seconds)
{
    seconds_are("5", 0, 5000000000ull);
    seconds_are("0.25", 0, 250000000ull);
    seconds_are("1.000000001", 0, 1000000001ull);
    seconds_are("1.0000000009", 0, 1000000000ull);
    seconds_are("forever", 0, UINT64_MAX);
    seconds_are("18446744074", CLI_NUMBER_OVERFLOW, 0);
    seconds_are("1.", CLI_NUMBER_SYNTAX, 0);
    seconds_are(".5", CLI_NUMBER_SYNTAX, 0);
    seconds_are("1.5s", CLI_NUMBER_SYNTAX, 0);
    seconds_are("-1", CLI_NUMBER_SYNTAX, 0);
    seconds_are("ever", CLI_NUMBER_SYNTAX, 0);
}

Test(number, texts)
{
    char text[CLI_TEXT];
    cr_expect_str_eq(cli_text_bytes(text, 0), "0 B");
    cr_expect_str_eq(cli_text_bytes(text, 1023), "1023 B");
    cr_expect_str_eq(cli_text_bytes(text, 1024), "1.00 KiB");
    cr_expect_str_eq(cli_text_bytes(text, 1.5 * (1 << 20)), "1.50 MiB");
    cr_expect_str_eq(cli_text_count(text, 999), "999");
    cr_expect_str_eq(cli_text_count(text, 999999), "1.00 M");
    cr_expect_str_eq(cli_text_ns(text, 31415), "31.4 us");
    cr_expect_str_eq(cli_text_ns(text, 1e12), "1000 s");
    cr_expect_str_eq(cli_text_grouped(text, 0), "0");
    cr_expect_str_eq(cli_text_grouped(text, 999), "999");
    cr_expect_str_eq(cli_text_grouped(text, 1000), "1,000");
    cr_expect_str_eq(cli_text_grouped(text, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void time_is(const char *text, int error, uint64_t wanted)
{
    uint64_t got = 12345;
    cr_expect_eq(cli_number_time(text, &got), error, "%s", text);
    cr_expect_eq(got, error == 0 ? wanted : 12345, "%s: %llu", text, (unsigned long long)got);
}

Test(number, times_are_seconds_or_utc)
{
    time_is("@0", 0, 0);
    time_is("@1738317600.25", 0, 1738317600250000000ull);
    time_is("1970-01-01T00:00:00Z", 0, 0);
    time_is("2025-01-31T10:00:00Z", 0, 1738317600000000000ull);
    time_is("2024-02-29T23:59:59.000000001Z", 0, 1709251199000000001ull);
    time_is("2554-07-21T23:34:33Z", 0, 18446744073000000000ull);
    time_is("@18446744073.709551615", 0, UINT64_MAX);
    time_is("@18446744073.709551616", CLI_NUMBER_OVERFLOW, 0);
    time_is("@18446744074", CLI_NUMBER_OVERFLOW, 0);
    time_is("2554-07-21T23:34:34Z", CLI_NUMBER_OVERFLOW, 0);
    time_is("@99999999999999999999999", CLI_NUMBER_OVERFLOW, 0);
    static const char *const bad[] = {"",
                                      "@",
                                      "@x",
                                      "@-1",
                                      "@ 1",
                                      "@1.",
                                      "@1Z",
                                      "@0x1",
                                      "now",
                                      "2025",
                                      "2025-01-31",
                                      "2025-01-31 10:00:00Z",
                                      "2025-01-31T10:00:00",
                                      "2025-01-31T10:00Z",
                                      "2025-01-31T10:00:00ZZ",
                                      "2025-01-31T10:00:00.Z",
                                      "2025-01-31T10:00:00+00:00",
                                      "2025-02-29T00:00:00Z",
                                      "2025-00-01T00:00:00Z",
                                      "2025-13-01T00:00:00Z",
                                      "2025-01-00T00:00:00Z",
                                      "2025-01-31T24:00:00Z",
                                      "2025-01-31T10:60:00Z",
                                      "2025-01-31T23:59:60Z",
                                      "1969-12-31T23:59:59Z",
                                      "0000-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        time_is(bad[i], CLI_NUMBER_SYNTAX, 0);
}

static void age_is(uint64_t seconds, const char *wanted)
{
    char text[CLI_TEXT];
    cr_expect_str_eq(cli_text_age(text, seconds * 1000000000u), wanted);
}

Test(number, ages)
{
    age_is(0, "0 s");
    age_is(119, "119 s");
    age_is(120, "2 min");
    age_is(7199, "119 min");
    age_is(7200, "2 h");
    age_is(172799, "47 h");
    age_is(172800, "2 days");
    age_is(18446744073u, "213503 days");
}

static void meant(const char *word, const char *wanted)
{
    static const char *const known[] = {"create", "send", NULL, "groups", "recv", "resume"};
    const char *got = cli_suggest(word, known, sizeof(known) / sizeof(known[0]));
    cr_expect((got == NULL) == (wanted == NULL) && (got == NULL || strcmp(got, wanted) == 0),
              "%s: %s", word, got != NULL ? got : "nothing");
}

Test(suggest, what_is_near_and_nothing_else)
{
    meant("creat", "create");
    meant("craete", "create"); /* changed over */
    meant("crate", "create");
    meant("crreate", "create");
    meant("sned", "send");
    meant("gr", "groups"); /* its beginning */
    meant("grupos", "groups");
    meant("resum", "resume");
    meant("", NULL);
    meant("x", NULL);
    meant("s", NULL);
    meant("delete", NULL);
    meant("sxxd", NULL);
    char word[200];
    memset(word, 'c', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    meant(word, NULL);
}

/* What is written between the quotes for some bytes. */
static void bytes_become(const void *bytes, size_t size, const char *wanted)
{
    char *text = NULL;
    size_t length;
    struct cli_json json = {.out = open_memstream(&text, &length)};
    cr_assert_not_null(json.out);
    cli_json_bytes(&json, NULL, bytes, size);
    fclose(json.out);
    cr_expect_eq(length, strlen(wanted) + 2);
    cr_expect_eq(memcmp(text + 1, wanted, strlen(wanted)), 0, "%s, wanted %s", text, wanted);
    free(text);
}

Test(json, escapes)
{
    bytes_become("plain", 5, "plain");
    bytes_become("\"\\/", 3, "\\\"\\\\/");
    bytes_become("\b\t\n\v\f\r", 6, "\\b\\t\\n\\u000b\\f\\r");
    bytes_become("\0\x1f\x7f", 3, "\\u0000\\u001f\\u007f");
    bytes_become("\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\x9c", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\x9c");
    bytes_become("a\x80z", 3, "a\\ufffdz");                   /* a continuation alone */
    bytes_become("\xc3", 1, "\\ufffd");                       /* cut short */
    bytes_become("\xc0\xaf", 2, "\\ufffd\\ufffd");            /* overlong */
    bytes_become("\xed\xa0\x80", 3, "\\ufffd\\ufffd\\ufffd"); /* a surrogate */
    bytes_become("\xf4\x90\x80\x80", 4, "\\ufffd\\ufffd\\ufffd\\ufffd");
    bytes_become("\xe0\x9f\xbf", 3, "\\ufffd\\ufffd\\ufffd");
    bytes_become("\xf0\x8f\xbf\xbf", 4, "\\ufffd\\ufffd\\ufffd\\ufffd");
}

Test(json, structure)
{
    char *text = NULL;
    size_t length;
    struct cli_json json = {.out = open_memstream(&text, &length)};
    cr_assert_not_null(json.out);
    cli_json_object(&json, NULL);
    cli_json_array(&json, "a");
    cli_json_array_end(&json);
    cli_json_array(&json, "b");
    cli_json_object(&json, NULL);
    cli_json_object_end(&json);
    cli_json_u64(&json, NULL, UINT64_MAX);
    cli_json_array_end(&json);
    cli_json_real(&json, "r", 1.25, 1);
    cli_json_real(&json, "n", INFINITY, 1);
    cli_json_bool(&json, "t", 1);
    cli_json_base64(&json, "6", "\xff\x00\xfe\x01", 4);
    cli_json_object_end(&json);
    fclose(json.out);
    cr_expect_str_eq(text, "{\"a\":[],\"b\":[{},18446744073709551615],\"r\":1.2,\"n\":null,"
                           "\"t\":true,\"6\":\"/wD+AQ==\"}");
    free(text);
}

Test(histogram, bins_hold_what_they_say)
{
    static struct cli_histogram h;
    for (uint64_t v = 1; v != 0; v = v > UINT64_MAX / 3 ? 0 : v * 3 + v % 7) {
        cli_histogram_reset(&h);
        cli_histogram_add(&h, v);
        cli_histogram_add(&h, UINT64_MAX); /* so that the largest does not hide the bin's end */
        uint64_t end = cli_histogram_quantile(&h, 0.5);
        cr_expect_geq(end, v);
        cr_expect_leq(end - v, v / 32, "%llu", (unsigned long long)v);
    }
}

Test(histogram, quantiles)
{
    static struct cli_histogram a, b;
    cli_histogram_reset(&a);
    cli_histogram_reset(&b);
    cr_expect_eq(cli_histogram_quantile(&a, 0.5), 0, "empty");
    for (uint64_t v = 1; v <= 30; v++)
        cli_histogram_add(v % 2 == 0 ? &a : &b, v);
    cli_histogram_merge(&a, &b);
    cr_expect_eq(a.count, 30);
    cr_expect_eq(a.min, 1);
    cr_expect_eq(a.max, 30);
    cr_expect_eq(cli_histogram_quantile(&a, 0), 1);
    cr_expect_eq(cli_histogram_quantile(&a, 0.5), 15);
    cr_expect_eq(cli_histogram_quantile(&a, 0.9), 27);
    cr_expect_eq(cli_histogram_quantile(&a, 1), 30);
}

Test(histogram, chart_has_every_value_within_80_columns)
{
    static struct cli_histogram h;
    char *text = NULL;
    size_t length, rows = 0;
    cli_histogram_reset(&h);
    cli_histogram_add(&h, 0);
    cli_histogram_add(&h, 1000);
    cli_histogram_add(&h, 100000000000); /* 100 s */
    FILE *out = open_memstream(&text, &length);
    cr_assert_not_null(out);
    cli_histogram_print(&h, out);
    fclose(out);
    size_t marked = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        rows++;
        marked += strchr(line, '#') != NULL;
        cr_expect_leq(strlen(line), 80, "%s", line);
    }
    cr_expect_leq(rows, 20);
    cr_expect_eq(marked, 3);
    free(text);
}

/* A reader over a pipe that already holds the bytes and is at its end. */
static struct cli_reader reader_over(const void *bytes, size_t size, enum cli_framing framing,
                                     size_t max)
{
    struct cli_reader reader;
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], bytes, size), (ssize_t)size);
    close(ends[1]);
    cr_assert_eq(cli_reader_open(&reader, ends[0], framing, max), 0);
    return reader;
}

static void reader_done(struct cli_reader *reader)
{
    close(reader->fd);
    cli_reader_close(reader);
}

Test(reader, lines_one_at_a_time)
{
    struct cli_reader reader = reader_over("a\n\nlast", 7, CLI_LINES, 4);
    struct quire_vec vec;
    cr_expect_eq(cli_reader_next(&reader, &vec, 1), 1);
    cr_expect(vec.size == 1 && memcmp(vec.data, "a", 1) == 0);
    cr_expect_eq(cli_reader_next(&reader, &vec, 1), 1);
    cr_expect_eq(vec.size, 0);
    cr_expect_eq(cli_reader_next(&reader, &vec, 1), 1);
    cr_expect(vec.size == 4 && memcmp(vec.data, "last", 4) == 0);
    cr_expect_eq(reader.offset, 7);
    cr_expect_eq(cli_reader_next(&reader, &vec, 1), 0);
    cr_expect_eq(cli_reader_next(&reader, &vec, 1), 0);
    reader_done(&reader);
}

Test(reader, what_is_too_large_waits_for_what_is_before)
{
    struct cli_reader reader = reader_over("ab\ncde\nf\n", 9, CLI_LINES, 2);
    struct quire_vec vec[4];
    cr_expect_eq(cli_reader_next(&reader, vec, 4), 1);
    cr_expect_eq(cli_reader_next(&reader, vec, 4), CLI_READER_TOO_LARGE);
    cr_expect_eq(cli_reader_next(&reader, vec, 4), CLI_READER_TOO_LARGE, "and stays");
    cr_expect_eq(reader.number, 1);
    reader_done(&reader);
}

Test(reader, lengths)
{
    static const char bytes[] = "\x00\x00\x00\x00\x02\x00\x00\x00xy\x03\x00\x00\x00z";
    struct cli_reader reader = reader_over(bytes, sizeof(bytes) - 1, CLI_LENGTH, 8);
    struct quire_vec vec[4];
    cr_expect_eq(cli_reader_next(&reader, vec, 4), 2);
    cr_expect_eq(vec[0].size, 0);
    cr_expect(vec[1].size == 2 && memcmp(vec[1].data, "xy", 2) == 0);
    cr_expect_eq(cli_reader_next(&reader, vec, 4), CLI_READER_CUT);
    reader_done(&reader);
    reader = reader_over("\xff\xff\xff\xff", 4, CLI_LENGTH, 8);
    cr_expect_eq(cli_reader_next(&reader, vec, 4), CLI_READER_TOO_LARGE);
    reader_done(&reader);
}

Test(reader, errors_of_read)
{
    struct cli_reader reader;
    struct quire_vec vec;
    cr_assert_eq(cli_reader_open(&reader, -1, CLI_LINES, 8), 0);
    cr_expect_eq(cli_reader_next(&reader, &vec, 1), -EBADF);
    cli_reader_close(&reader);
}

Test(table, cuts_the_widest_text_to_fit)
{
    struct cli_table table;
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    cr_assert_not_null(out);
    cli_table_init(&table, "rll");
    for (int row = 0; row < 2; row++) {
        cli_table_cell(&table, "%d", row);
        cli_table_cell(&table, "%0100d", row);
        cli_table_cell(&table, "%s", row == 0 ? "end" : "");
    }
    cr_expect_eq(cli_table_print(&table, out, 2), 0);
    fclose(out);
    char *second = strchr(text, '\n');
    cr_assert_not_null(second);
    cr_expect_eq(second - text, 80, "%s", text);
    cr_expect_eq(strncmp(second - 7, "..  end\n", 8), 0, "%s", text);
    cr_expect_neq(text[length - 2], ' ', "blanks at the end");
    free(text);
}

Test(hash, accounts_tell_what_is_missing_doubled_or_changed)
{
    struct cli_account a = {0}, b = {0};
    for (uint64_t i = 0; i < 1000; i++)
        cli_account_add(&a, 8, cli_hash_bytes(&i, sizeof(i)));
    for (uint64_t i = 1000; i-- > 0;)
        cli_account_add(&b, 8, cli_hash_bytes(&i, sizeof(i)));
    cr_expect(cli_account_equal(&a, &b), "order does not matter");
    struct cli_account doubled = b;
    uint64_t one = 1, two = 2;
    doubled.sum += cli_hash_bytes(&one, 8) - cli_hash_bytes(&two, 8);
    doubled.xored ^= cli_hash_bytes(&one, 8) ^ cli_hash_bytes(&two, 8);
    cr_expect(!cli_account_equal(&a, &doubled), "one twice, another not at all");
    char bytes[64] = {0};
    uint64_t plain = cli_hash_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < 8 * sizeof(bytes); i++) {
        bytes[i / 8] = (char)(bytes[i / 8] ^ (1 << (i % 8)));
        cr_expect_neq(cli_hash_bytes(bytes, sizeof(bytes)), plain, "bit %zu", i);
        bytes[i / 8] = 0;
    }
    cr_expect_neq(cli_hash_bytes("", 0), cli_hash_bytes("\0", 1), "length counts");
}

Test(exits, kinds_are_told_apart)
{
    cr_expect_eq(cli_exit_of(0), CLI_OK);
    cr_expect_eq(cli_exit_of(7), CLI_OK);
    cr_expect_eq(cli_exit_of(QUIRE_EBUSY), CLI_BUSY);
    cr_expect_eq(cli_exit_of(QUIRE_EVERSION), CLI_NOT_CHANNEL);
    cr_expect_eq(cli_exit_of(-ENOSPC), CLI_NO_SPACE);
    cr_expect_eq(cli_exit_of(-EACCES), CLI_PERMISSION);
    cr_expect_eq(cli_exit_of(QUIRE_CORRUPT), CLI_FAILED);
    cr_expect_eq(cli_exit_of(QUIRE_EPOISONED), CLI_POISONED);
    cr_expect_eq(cli_exit_of(QUIRE_EENGINE), CLI_IN_THE_WAY);
    cr_expect_eq(cli_exit_of(QUIRE_ESHARED), CLI_NOT_CHANNEL);
    cr_expect_eq(cli_exit_of(QUIRE_ENODISK), CLI_USAGE);
    cr_expect_eq(cli_exit_of(QUIRE_UNSYNCED), CLI_FULL);
    cr_expect_eq(cli_exit_of(QUIRE_EFORKED), CLI_FAILED);
    cr_expect_eq(cli_exit_of(QUIRE_ENOLEASE), CLI_NOT_CHANNEL);
    cr_expect_eq(cli_exit_of(QUIRE_ENDED), CLI_FAILED);
    cr_expect_eq(cli_exit_of(QUIRE_EEXIST), CLI_EXISTS);
    cr_expect_eq(cli_exit_of(-EIO), CLI_FAILED);
}
