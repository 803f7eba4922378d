/* SPDX-License-Identifier: MIT */
/*
 * Makes a channel with everything in it that a reader of the files can meet, and prints what such
 * a reader must find, in the words of read_channel.py. Small pages, so that every frame lives
 * several lives; messages of many sizes, voids, and two groups at different places.
 *
 * usage: write_channel PATH CHECKSUM(0|1) END(clean|killed)
 * killed leaves a message half sent and ends without closing anything.
 */
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES      500u
#define EMPTY         290u /* messages of no bytes: as many as only a large index has */
#define BEHIND        30u  /* what the slow group leaves */
#define SIZE_MAX_SENT 300u

enum kind { MESSAGE, VOID, OPEN };

struct entry {
    enum kind kind;
    uint64_t position;
    size_t size;
    unsigned char bytes[SIZE_MAX_SENT];
};

struct writer {
    quire_t *channel;
    quire_tx_t *tx;
    quire_tx_t *other;
    quire_rx_t *fast;
    quire_rx_t *slow;
    uint64_t received_fast;
    uint64_t received_slow;
    uint64_t sent;
    unsigned count;
    struct entry log[MESSAGES + EMPTY + 16];
};

static void check(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "write_channel: %s: %s\n", what, quire_strerror(rc));
    exit(1);
}

static void receive(quire_rx_t *rx, uint64_t *received)
{
    struct quire_msg msg;
    int rc;

    while ((rc = quire_rx_recv(rx, &msg)) == QUIRE_PAGE_END)
        quire_rx_next_page(rx);
    check(rc, "quire_rx_recv");
    ++*received;
}

static struct entry *add(struct writer *w, enum kind kind)
{
    struct entry *entry = &w->log[w->count++];

    entry->kind = kind;
    return entry;
}

/* What is not a message has no position to ask for: it is the one before the next message. */
static void place_gap(struct writer *w, uint64_t next)
{
    struct entry *last = &w->log[w->count > 0 ? w->count - 1 : 0];

    if (last->kind == MESSAGE)
        return;
    last->position = QUIRE_SLOT_OF(next) > 0 ? next - 1 : last[-1].position + 1;
}

static void log_sent(struct writer *w, quire_tx_t *tx, const void *bytes, size_t size)
{
    uint64_t position = quire_tx_position(tx);

    place_gap(w, position);
    struct entry *entry = add(w, MESSAGE);
    entry->position = position;
    entry->size = size;
    memcpy(entry->bytes, bytes, size);
    w->sent++;
}

static void send_one(struct writer *w, quire_tx_t *tx, const char *text)
{
    check(quire_tx_send(tx, text, strlen(text)), "quire_tx_send");
    log_sent(w, tx, text, strlen(text));
}

/* By turns: sent, written in place with less than was reserved, aborted. */
static void send_number(struct writer *w, unsigned i)
{
    unsigned char bytes[SIZE_MAX_SENT];
    size_t size = i * 7 % (SIZE_MAX_SENT - 20);
    void *room;

    for (size_t at = 0; at < size; at++)
        bytes[at] = (unsigned char)(i * 31 + at);
    if (i % 3 == 0) {
        check(quire_tx_send(w->tx, bytes, size), "quire_tx_send");
        log_sent(w, w->tx, bytes, size);
        return;
    }
    check(quire_tx_reserve(w->tx, size + i % 5 * 4, &room, QUIRE_FOREVER), "quire_tx_reserve");
    memcpy(room, bytes, size);
    if (i % 13 == 1) {
        check(quire_tx_abort(w->tx), "quire_tx_abort");
        add(w, VOID);
        /* Tells where the void was. */
        check(quire_tx_send(w->tx, "", 0), "quire_tx_send");
        log_sent(w, w->tx, bytes, 0);
        return;
    }
    check(quire_tx_commit(w->tx, size), "quire_tx_commit");
    log_sent(w, w->tx, bytes, size);
}

static void open_all(struct writer *w, const char *path, int checksum)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;

    options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_pages = 5;
    options.max_messages = 300;
    options.checksum = checksum ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF;
    check(quire_open(&w->channel, path, &options), "quire_open");
    check(quire_tx_open(w->channel, NULL, &w->tx), "quire_tx_open");
    check(quire_tx_open(w->channel, NULL, &w->other), "quire_tx_open");
    check(quire_rx_subscribe(w->channel, "fast", NULL, NULL, &w->fast), "subscribe");
    check(quire_rx_subscribe(w->channel, "slow-1.x_y", NULL, NULL, &w->slow), "subscribe");
}

static void follow(struct writer *w)
{
    while (w->received_fast < w->sent)
        receive(w->fast, &w->received_fast);
    while (w->received_slow + BEHIND < w->sent)
        receive(w->slow, &w->received_slow);
}

static void fill(struct writer *w)
{
    for (unsigned i = 0; w->count < MESSAGES; i++) {
        send_number(w, i);
        follow(w);
    }
    for (unsigned i = 0; i < EMPTY; i++) {
        send_one(w, w->tx, "");
        follow(w);
    }
    send_one(w, w->tx, "needle in a page");
    receive(w->fast, &w->received_fast);
}

/* A producer stops in the middle of a message while another one goes on. */
static void stop_half_way(struct writer *w)
{
    void *room;

    check(quire_tx_reserve(w->tx, 50, &room, QUIRE_FOREVER), "quire_tx_reserve");
    memset(room, 'x', 50);
    add(w, OPEN);
    send_one(w, w->other, "after the hole");
    send_one(w, w->other, "and after that");
}

static void print_entry(const struct entry *entry)
{
    static const char *const names[] = {"message", "void", "open"};

    printf("%s %llu %u", names[entry->kind], (unsigned long long)QUIRE_PAGE_OF(entry->position),
           QUIRE_SLOT_OF(entry->position));
    if (entry->kind == MESSAGE)
        printf(entry->size == 0 ? " -" : " ");
    for (size_t i = 0; entry->kind == MESSAGE && i < entry->size; i++)
        printf("%02x", entry->bytes[i]);
    putchar('\n');
}

static unsigned voids(const struct writer *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->count; i++)
        n += w->log[i].kind == VOID;
    return n;
}

static void print_expected(const struct writer *w, const struct quire_stat *stat, int clean)
{
    printf("channel ");
    for (int i = 0; i < 16; i++)
        printf("%02x", stat->uuid[i]);
    printf(" page_size %llu max_messages %u checksum %d clean %d claimed %u voids %u\n",
           (unsigned long long)stat->page_size, stat->max_messages,
           stat->checksum == QUIRE_CHECKSUM_ON, clean, w->count, voids(w));
    for (unsigned i = 0; i < w->count; i++)
        if (QUIRE_PAGE_OF(w->log[i].position) >= stat->first_page)
            print_entry(&w->log[i]);
    printf("group fast %llu\n", (unsigned long long)(w->sent - w->received_fast));
    printf("group slow-1.x_y %llu\n", (unsigned long long)(w->sent - w->received_slow));
}

int main(int argc, char **argv)
{
    static struct writer w;
    struct quire_stat stat;

    if (argc != 4)
        return 2;
    int killed = strcmp(argv[3], "killed") == 0;
    open_all(&w, argv[1], strcmp(argv[2], "1") == 0);
    fill(&w);
    if (killed)
        stop_half_way(&w);
    check(quire_stat(w.channel, &stat), "quire_stat");
    print_expected(&w, &stat, !killed);
    if (fflush(stdout) != 0)
        return 1;
    if (killed)
        _exit(0);
    quire_tx_close(w.tx);
    quire_tx_close(w.other);
    quire_rx_close(w.fast);
    quire_rx_close(w.slow);
    check(quire_close(w.channel), "quire_close");
    return 0;
}
