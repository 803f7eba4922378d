/* SPDX-License-Identifier: MIT */
/*
 * After a crash of the machine the files may be of different ages, and so may the blocks of one.
 * What the slots say counts: what was published is received once, what is sent afterwards too, and
 * the pool does not wait for pages that are gone.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <lib/channel.h>
#include <lib/claim.h>
#include <lib/lease.h>
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

/* Receives all there is, which are the numbers from first on, without those of a gap from gap to
 * behind: where it ended. */
static uint32_t receive_around(uint32_t first, uint32_t gap, uint32_t behind)
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
        first = first == gap ? behind : first;
        cr_assert_eq(*(const uint32_t *)msg.data, first);
        first++;
    }
    quire_rx_close(rx);
    return first;
}

static uint32_t receive_numbers(uint32_t first)
{
    return receive_around(first, UINT32_MAX, 0);
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

static FILE *open_file(const char *name)
{
    char file[TEMP_PATH_MAX + 32];
    snprintf(file, sizeof file, "%s/%s", path, name);
    FILE *stream = fopen(file, "r+");
    cr_assert_not_null(stream, "%s", file);
    return stream;
}

static void get(FILE *file, uint64_t at, void *bytes, size_t size)
{
    cr_assert_eq(fseek(file, (long)at, SEEK_SET), 0);
    cr_assert_eq(fread(bytes, size, 1, file), 1);
}

static void put(FILE *file, uint64_t at, const void *bytes, size_t size)
{
    cr_assert_eq(fseek(file, (long)at, SEEK_SET), 0);
    cr_assert_eq(fwrite(bytes, size, 1, file), 1);
}

/* The channel, which is closed, was open when the machine went down. */
static void forge_boot(FILE *control)
{
    const uint8_t boot[16] = {0xb0, 0x07};
    put(control, QR_LIVE_OFFSET + offsetof(struct qr_live, boot_id), boot, sizeof boot);
    cr_assert_eq(fclose(control), 0);
}

static void forge_claims(enum age age)
{
    struct qr_superblock sb;
    const uint64_t tail_page = 0;
    FILE *control = open_file("control");
    get(control, 0, &sb, sizeof sb);
    for (uint32_t f = 0; f < sb.frames_cap; f++) {
        uint64_t word, at = sb.claims_offset + f * sizeof(struct qr_claim_line);
        get(control, at, &word, sizeof word);
        word = aged(word, age);
        put(control, at, &word, sizeof word);
    }
    put(control, QR_LIVE_OFFSET + offsetof(struct qr_live, tail_page), &tail_page,
        sizeof tail_page);
    forge_boot(control);
}

/* The file of the frame that holds the page. */
static FILE *open_page(uint64_t page_no)
{
    for (uint32_t f = 0; f < PAGES; f++) {
        char name[32];
        uint64_t held;
        snprintf(name, sizeof name, "pages/%05u.page", f);
        FILE *file = open_file(name);
        get(file, offsetof(struct qr_frame_header, page_no), &held, sizeof held);
        if (held == page_no)
            return file;
        fclose(file);
    }
    cr_assert_fail("no frame holds page %llu", (unsigned long long)page_no);
    return NULL;
}

/* No sync had written the header of the page. */
static void forget_page(uint64_t page_no)
{
    const uint64_t none = QR_PAGE_NO_NONE;
    FILE *file = open_page(page_no);
    put(file, offsetof(struct qr_frame_header, page_no), &none, sizeof none);
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
    forge_claims(crash->age);
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

/* Sends and receives many pages, from number on. */
static void go_round(uint32_t number)
{
    for (uint32_t n = number; n < number + 20 * PER_PAGE; n += PER_PAGE) {
        cr_assert_eq(send_numbers(n, n + PER_PAGE), n + PER_PAGE, "full at %u", n);
        cr_assert_eq(receive_numbers(n), n + PER_PAGE, "not received at %u", n);
    }
}

TestSuite(recover, .init = set_up, .fini = take_down, .timeout = 30);

/* A page that was prepared and never opened is synced by nobody, though the control file names it.
 */
Test(recover, a_prepared_page_is_gone)
{
    open_channel();
    cr_assert_eq(send_numbers(0, 5), 5);
    cr_assert_eq(receive_numbers(0), 5); /* who comes to the tail prepares the next page */
    close_channel();
    forget_page(1);
    forge_boot(open_file("control"));
    open_channel();
    cr_assert_eq(send_numbers(5, 45), 45);
    cr_assert_eq(receive_numbers(5), 45);
    close_channel();
}

/* The control file names a page that is not on the disk: the account must not wait for it. */
Test(recover, an_open_page_is_gone)
{
    open_channel();
    cr_assert_eq(send_numbers(0, PER_PAGE + 4), PER_PAGE + 4);
    close_channel();
    forget_page(1);
    forge_boot(open_file("control"));
    open_channel();
    uint32_t received = receive_numbers(0);
    cr_assert_eq(received, PER_PAGE, "%u received", received);
    go_round(PER_PAGE);
    close_channel();
}

/* Only the first of the pages is there; group and account were further. */
Test(recover, pages_are_gone_that_were_received)
{
    open_channel();
    cr_assert_eq(send_numbers(0, 3 * PER_PAGE + 4), 3 * PER_PAGE + 4);
    cr_assert_eq(receive_numbers(0), 3 * PER_PAGE + 4);
    close_channel();
    forget_page(1);
    forget_page(3);
    forget_page(4); /* prepared, of the frame of page 2 */
    forge_boot(open_file("control"));
    open_channel();
    go_round(100);
    close_channel();
}

Test(recover, a_page_is_gone_that_was_received)
{
    open_channel();
    cr_assert_eq(send_numbers(0, PER_PAGE + 4), PER_PAGE + 4);
    cr_assert_eq(receive_numbers(0), PER_PAGE + 4);
    close_channel();
    forget_page(1);
    forge_boot(open_file("control"));
    open_channel();
    go_round(100);
    close_channel();
}

/* Of three pages the one in the middle was never written. */
Test(recover, a_page_in_the_middle_is_gone)
{
    open_channel();
    cr_assert_eq(receive_numbers(0), 0); /* there is a group */
    cr_assert_eq(send_numbers(0, 2 * PER_PAGE + 4), 2 * PER_PAGE + 4);
    close_channel();
    forget_page(1);
    forge_boot(open_file("control"));
    open_channel();
    cr_assert_eq(receive_around(0, PER_PAGE, 2 * PER_PAGE), 2 * PER_PAGE + 4);
    go_round(100);
    close_channel();
}

/* The place of a group is on the disk, and what it had received is not. */
Test(recover, a_head_is_ahead_of_the_slots)
{
    const uint64_t nothing[PER_PAGE - 5] = {0};
    open_channel();
    cr_assert_eq(send_numbers(0, 10), 10);
    cr_assert_eq(receive_numbers(0), 10);
    close_channel();
    FILE *file = open_page(0);
    put(file, QR_BLOCK + 5 * sizeof nothing[0], nothing, sizeof nothing);
    cr_assert_eq(fclose(file), 0);
    forge_boot(open_file("control"));
    open_channel();
    cr_assert_eq(send_numbers(100, 108), 108);
    cr_assert_eq(receive_numbers(100), 108, "what was sent after the crash is not received");
    close_channel();
}

static void copy_control(int back)
{
    char from[TEMP_PATH_MAX + 16], to[TEMP_PATH_MAX + 16], command[3 * TEMP_PATH_MAX];
    snprintf(from, sizeof from, "%s/control", path);
    snprintf(to, sizeof to, "%s.control", path);
    snprintf(command, sizeof command, "cp '%s' '%s'", back ? to : from, back ? from : to);
    cr_assert_eq(system(command), 0);
}

/* The control file is older than the pages: what is sent under the same numbers is no ghost. */
Test(recover, the_control_file_is_older)
{
    open_channel();
    cr_assert_eq(send_numbers(0, 10), 10);
    close_channel();
    copy_control(0);
    open_channel();
    cr_assert_eq(send_numbers(10, 45), 45);
    close_channel();
    copy_control(1);
    forge_boot(open_file("control"));
    open_channel();
    cr_assert_eq(receive_numbers(0), PER_PAGE); /* the page that the control file knows */
    cr_assert_eq(send_numbers(1000, 1001), 1001);
    cr_assert_eq(receive_numbers(1000), 1001, "slots of before pass for sent ones");
    cr_assert_eq(send_numbers(1001, 1035), 1035);
    cr_assert_eq(receive_numbers(1001), 1035);
    close_channel();
}

/* Puts the words of the frame that holds page 0 into the hands of a later page. */
static void forge_words_of_a_later_page(void)
{
    struct qr_lease_layout l;
    FILE *file = open_file("groups/a.group");
    qr_lease_layout(&l, PER_PAGE);
    for (uint32_t f = 0; f < PAGES; f++) {
        uint64_t word, at = QR_BLOCK + f * l.bytes + l.words;
        if (fseek(file, (long)at, SEEK_SET) != 0 || fread(&word, sizeof word, 1, file) != 1)
            break;
        if (qr_lease_tag(word) != qr_slot_tag(0))
            continue;
        word = qr_lease_word(qr_slot_tag(2), 0, 0);
        put(file, at, &word, sizeof word);
    }
    cr_assert_eq(fclose(file), 0);
}

/* The group's file is younger than what says which page a frame holds: it had finished the page. */
Test(recover, the_file_of_an_ack_group_is_younger)
{
    struct quire_group_options group = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct quire_msg msg;
    quire_rx_t *rx;
    group.mode = QUIRE_GROUP_ACK;
    options.group = &group;
    open_channel();
    cr_assert_eq(send_numbers(0, PER_PAGE + 1), PER_PAGE + 1);
    cr_assert_eq(quire_rx_subscribe(channel, "a", NULL, &options, &rx), 0);
    for (uint32_t i = 0; i < PER_PAGE; i++) {
        cr_assert_eq(quire_rx_try_recv(rx, &msg), 0);
        cr_assert_eq(quire_rx_ack(rx, msg.position), 0);
    }
    quire_rx_close(rx);
    close_channel();
    forge_words_of_a_later_page();
    forge_boot(open_file("control"));
    open_channel();
    cr_assert_eq(quire_rx_subscribe(channel, "a", NULL, &options, &rx), 0);
    cr_assert_eq(quire_rx_try_recv(rx, &msg), 0);
    cr_assert_eq(*(const uint32_t *)msg.data, PER_PAGE, "what was finished comes again");
    quire_rx_close(rx);
    close_channel();
}
