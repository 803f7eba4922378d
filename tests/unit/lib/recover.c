/* SPDX-License-Identifier: MIT */
/*
 * After a crash of the machine claim words and tail may be of any age: what the slots say counts.
 * What was claimed before must not be claimed again, and a page that is over stays over.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <lib/channel.h>
#include <lib/claim.h>
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/temp.h>

#define PER_PAGE 16u
#define PAGES    4u

enum age { NEVER, ZERO, OLDER, NEWER, AGES };

struct crash {
    uint32_t sent;
    enum age age;
};

static char path[TEMP_PATH_MAX];
static quire_t *channel;
static quire_tx_t *tx;

static void set_up(void)
{
    temp_begin();
    temp_path(path, "channel");
}

static void take_down(void)
{
    temp_end();
}

static void open_channel(void)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    options.flags = QUIRE_CREATE;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_messages = PER_PAGE;
    options.max_pages = PAGES;
    options.full_policy = QUIRE_FULL_REJECT;
    cr_assert_eq(quire_open(&channel, path, &options), 0);
    cr_assert_eq(quire_tx_open(channel, NULL, &tx), 0);
}

static void close_channel(void)
{
    quire_tx_close(tx);
    cr_assert_eq(quire_close(channel), 0);
}

/* Sends the numbers from first to below end, or until the pool is full: where it ended. */
static uint32_t send_numbers(uint32_t first, uint32_t end)
{
    int rc = 0;
    while (first < end && (rc = quire_tx_send(tx, &first, sizeof first)) == 0)
        first++;
    cr_assert(rc == 0 || rc == QUIRE_FULL);
    return first;
}

/* Receives all there is, which are the numbers from first on: where it ended. */
static uint32_t receive_numbers(uint32_t first)
{
    quire_rx_t *rx;
    struct quire_msg msg;
    int rc;
    cr_assert_eq(quire_rx_subscribe(channel, "g", NULL, NULL, &rx), 0);
    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == QUIRE_PAGE_END) {
            cr_assert_eq(quire_rx_next_page(rx), 0);
            continue;
        }
        cr_assert_eq(rc, 0);
        cr_assert_eq(msg.size, sizeof first);
        cr_assert_eq(*(const uint32_t *)msg.data, first);
        first++;
    }
    quire_rx_close(rx);
    return first;
}

static uint64_t aged(uint64_t word, enum age age)
{
    switch (age) {
    case NEVER:
        return QR_CLAIM_CLOSED;
    case ZERO:
        return 0;
    case OLDER: /* when three messages were missing; over or not */
        return word - qr_claim_add(3 * qr_claim_need(sizeof(uint32_t)), 3);
    default:
        return word + qr_claim_add(2 * qr_claim_need(sizeof(uint32_t)), 2);
    }
}

/* The channel is closed, and its files are what a crash of the machine may leave of it. */
static void forge(enum age age)
{
    char control[TEMP_PATH_MAX + 16];
    struct qr_superblock sb;
    snprintf(control, sizeof control, "%s/control", path);
    FILE *file = fopen(control, "r+");
    cr_assert_not_null(file);
    cr_assert_eq(fread(&sb, sizeof sb, 1, file), 1);
    for (uint32_t f = 0; f < sb.frames_cap; f++) {
        uint64_t word, at = sb.claims_offset + f * sizeof(struct qr_claim_line);
        cr_assert_eq(fseek(file, (long)at, SEEK_SET), 0);
        cr_assert_eq(fread(&word, sizeof word, 1, file), 1);
        word = aged(word, age);
        cr_assert_eq(fseek(file, (long)at, SEEK_SET), 0);
        cr_assert_eq(fwrite(&word, sizeof word, 1, file), 1);
    }
    const uint64_t tail_page = 0;
    cr_assert_eq(fseek(file, QR_LIVE_OFFSET + offsetof(struct qr_live, tail_page), SEEK_SET), 0);
    cr_assert_eq(fwrite(&tail_page, sizeof tail_page, 1, file), 1);
    const uint8_t boot[16] = {0xb0, 0x07};
    cr_assert_eq(fseek(file, QR_LIVE_OFFSET + offsetof(struct qr_live, boot_id), SEEK_SET), 0);
    cr_assert_eq(fwrite(boot, sizeof boot, 1, file), 1);
    cr_assert_eq(fclose(file), 0);
}

ParameterizedTestParameters(recover, claims_of_another_age)
{
    /* Within a page, at its end, with one page more, all pages full and the last one sealed. */
    static const uint32_t sent[] = {0, 5, 16, 17, 40, PAGES * PER_PAGE, PAGES * PER_PAGE + 1};
    static struct crash crashes[sizeof sent / sizeof sent[0] * AGES];
    size_t count = 0;
    for (size_t i = 0; i < sizeof sent / sizeof sent[0]; i++)
        for (int age = 0; age < AGES; age++)
            crashes[count++] = (struct crash){sent[i], (enum age)age};
    return cr_make_param_array(struct crash, crashes, count);
}

ParameterizedTest(struct crash *crash, recover, claims_of_another_age, .init = set_up,
                  .fini = take_down)
{
    open_channel();
    uint32_t sent = send_numbers(0, crash->sent);
    close_channel();
    forge(crash->age);
    open_channel();
    uint32_t before = send_numbers(sent, sent + 3);
    cr_assert_eq(before, sent + 3 < PAGES * PER_PAGE ? sent + 3 : PAGES * PER_PAGE);
    uint32_t received = receive_numbers(0);
    cr_assert_eq(received, before, "%u sent, %u received", before, received);
    uint32_t after = send_numbers(before, before + 2 * PER_PAGE);
    cr_assert_eq(after, before + 2 * PER_PAGE);
    cr_assert_eq(receive_numbers(received), after);
    close_channel();
}
