/* SPDX-License-Identifier: MIT */
/*
 * Makes a channel with everything in it that a reader of the files can meet, and prints what such
 * a reader must find, in the words of read_channel.py. Small pages, so that every frame lives
 * several lives; messages of many sizes, voids, two groups that receive at different places, and
 * two that acknowledge: one in every way, one from the middle of a page on.
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
#define EMPTY         290u /* messages of no bytes: many in one page */
#define BEHIND        30u  /* what the slow group leaves */
#define LATE_AT       53u  /* empty messages sent before the late group is made */
#define LATE_TAKES    5u
#define ATTEMPTS      3u
#define PAGES_OPEN    3u /* in so many pages the tasks leave some of the messages leased */
#define SIZE_MAX_SENT 300u

enum kind { MESSAGE, VOID, OPEN };
enum lease { UNCLAIMED, LEASED, RETURNED, ACKED, DEAD };
enum acking { TASKS, LATE, ACKING };

struct entry {
    enum kind kind;
    enum lease lease[ACKING]; /* of a message, in each group that acknowledges */
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
    quire_rx_t *ack[ACKING];
    uint64_t late_from; /* what was sent before is none of the late group's */
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

static quire_rx_t *subscribe_ack(quire_t *channel, const char *group, uint32_t kind,
                                 uint32_t max_attempts)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct quire_where where = {kind, 0, 0};
    quire_rx_t *rx;

    as.mode = QUIRE_GROUP_ACK;
    as.max_attempts = max_attempts;
    options.group = &as;
    check(quire_rx_subscribe(channel, group, &where, &options, &rx), "subscribe");
    return rx;
}

static struct entry *at_position(struct writer *w, uint64_t position)
{
    for (unsigned i = w->count; i > 0; i--)
        if (w->log[i - 1].kind == MESSAGE && w->log[i - 1].position == position)
            return &w->log[i - 1];
    fprintf(stderr, "write_channel: received what was not sent\n");
    exit(1);
}

static void acknowledge(struct writer *w, enum acking group, struct entry *entry)
{
    check(quire_rx_ack(w->ack[group], entry->position), "quire_rx_ack");
    entry->lease[group] = ACKED;
}

static void give_back(struct writer *w, enum acking group, struct entry *entry)
{
    check(quire_rx_nack(w->ack[group], entry->position), "quire_rx_nack");
    entry->lease[group] = RETURNED;
}

/* One message, if there is one. */
static struct entry *lease_one(struct writer *w, enum acking group)
{
    struct quire_msg msg;
    int rc = quire_rx_try_recv(w->ack[group], &msg);

    if (rc == QUIRE_EAGAIN)
        return NULL;
    check(rc, "quire_rx_try_recv");
    struct entry *entry = at_position(w, msg.position);
    entry->lease[group] = LEASED;
    return entry;
}

/* Some messages stay leased until the channel is a few pages further, the first one for good; some
 * are returned once. */
static void do_tasks(struct writer *w)
{
    struct entry *entry, *last = &w->log[w->count - 1];
    uint64_t page = QUIRE_PAGE_OF(last->position);

    while ((entry = lease_one(w, TASKS)) != NULL) {
        unsigned number = (unsigned)(entry - w->log);

        if (number % 6 == 0)
            continue;
        if (number % 11 == 1) {
            give_back(w, TASKS, entry);
            if (lease_one(w, TASKS) != entry)
                check(QUIRE_EINVAL, "what was returned comes first");
        }
        acknowledge(w, TASKS, entry);
    }
    if (page <= PAGES_OPEN)
        return;
    uint64_t before = QUIRE_POSITION(page - PAGES_OPEN, 0);
    uint64_t from = w->log[0].position + 1;
    check((int)quire_rx_ack_range(w->ack[TASKS], from, before - 1), "quire_rx_ack_range");
    for (unsigned i = 1; i < w->count; i++)
        if (w->log[i].lease[TASKS] == LEASED && w->log[i].position < before)
            w->log[i].lease[TASKS] = ACKED;
}

/* Of what is leased in the end a part dies, a part is returned, a part acknowledged. */
static void end_tasks(struct writer *w)
{
    for (unsigned i = 0, n = 0; i < w->count; i++) {
        struct entry *entry = &w->log[i];

        if (entry->lease[TASKS] != LEASED || n++ % 4 != 1)
            continue;
        for (unsigned attempt = 1; attempt < ATTEMPTS; attempt++) {
            give_back(w, TASKS, entry);
            if (lease_one(w, TASKS) != entry)
                check(QUIRE_EINVAL, "what was returned comes first");
        }
        give_back(w, TASKS, entry);
        entry->lease[TASKS] = DEAD;
    }
    for (unsigned i = 0, n = 0; i < w->count; i++) {
        if (w->log[i].lease[TASKS] != LEASED)
            continue;
        n++;
        if (n % 3 == 2)
            give_back(w, TASKS, &w->log[i]);
        else if (n % 3 == 0)
            acknowledge(w, TASKS, &w->log[i]);
    }
}

static void end_late(struct writer *w)
{
    struct entry *entry[LATE_TAKES];

    for (unsigned i = 0; i < LATE_TAKES; i++) {
        entry[i] = lease_one(w, LATE);
        if (!entry[i] || entry[i]->position != w->late_from + i)
            check(QUIRE_EINVAL, "where the late group begins");
    }
    acknowledge(w, LATE, entry[3]);
    acknowledge(w, LATE, entry[0]);
    give_back(w, LATE, entry[1]);
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
    options.max_pages = 8;
    options.max_messages = 1000;
    options.checksum = checksum ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF;
    check(quire_open(&w->channel, path, &options), "quire_open");
    check(quire_tx_open(w->channel, NULL, &w->tx), "quire_tx_open");
    check(quire_tx_open(w->channel, NULL, &w->other), "quire_tx_open");
    check(quire_rx_subscribe(w->channel, "fast", NULL, NULL, &w->fast), "subscribe");
    check(quire_rx_subscribe(w->channel, "slow-1.x_y", NULL, NULL, &w->slow), "subscribe");
    w->ack[TASKS] = subscribe_ack(w->channel, "tasks", QUIRE_OLDEST, ATTEMPTS);
}

static void follow(struct writer *w)
{
    while (w->received_fast < w->sent)
        receive(w->fast, &w->received_fast);
    while (w->received_slow + BEHIND < w->sent)
        receive(w->slow, &w->received_slow);
    do_tasks(w);
}

/* Its first message is the next one sent, in the middle of one of its words. */
static void make_late(struct writer *w)
{
    uint64_t next = w->log[w->count - 1].position + 1;

    if (QUIRE_SLOT_OF(next) < 16 || QUIRE_SLOT_OF(next) % 16 == 0)
        check(QUIRE_EINVAL, "the place of the late group");
    w->late_from = next;
    w->ack[LATE] = subscribe_ack(w->channel, "late", QUIRE_NEWEST, 0);
}

static void fill(struct writer *w)
{
    for (unsigned i = 0; w->count < MESSAGES; i++) {
        send_number(w, i);
        follow(w);
    }
    for (unsigned i = 0; i < EMPTY; i++) {
        if (i == LATE_AT)
            make_late(w);
        send_one(w, w->tx, "");
        follow(w);
    }
    send_one(w, w->tx, "needle in a page");
    receive(w->fast, &w->received_fast);
    end_tasks(w);
    end_late(w);
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

static struct quire_group_stat stat_of(const struct writer *w, const char *name)
{
    struct quire_group_stat stats[8];
    long n = quire_stat_groups(w->channel, stats, 8);

    check((int)n, "quire_stat_groups");
    for (long i = 0; i < n; i++)
        if (strcmp(stats[i].name, name) == 0)
            return stats[i];
    check(QUIRE_ENOENT, name);
    exit(1);
}

/* What was done to the messages, and that the library says the same. */
static void print_ack_group(const struct writer *w, enum acking group, const char *name, int clean)
{
    struct quire_group_stat stat = stat_of(w, name);
    uint64_t n[DEAD + 1] = {0}, open = 0;

    for (unsigned i = 0; i < w->count; i++) {
        const struct entry *e = &w->log[i];
        enum lease lease = e->lease[group];

        open += e->kind == OPEN;
        if (e->kind != MESSAGE || (group == LATE && e->position < w->late_from))
            continue;
        if (lease == UNCLAIMED && e->position < stat.position)
            lease = LEASED; /* claimed ahead */
        n[clean && lease == LEASED ? RETURNED : lease]++;
    }
    uint64_t left = n[UNCLAIMED] + n[LEASED] + n[RETURNED];
    if (stat.leased != n[LEASED] || stat.returned != n[RETURNED] || stat.dead != n[DEAD] ||
        stat.lag_messages != left + open)
        check(QUIRE_EINVAL, name);
    printf("group %s %llu leased %llu returned %llu dead %llu\n", name, (unsigned long long)left,
           (unsigned long long)n[LEASED], (unsigned long long)n[RETURNED],
           (unsigned long long)n[DEAD]);
}

static void print_expected(const struct writer *w, const struct quire_stat *stat, int clean)
{
    uint64_t first_task = QUIRE_PAGE_OF(w->log[0].position);

    /* The tasks' first message keeps its page while pages after it were used again. */
    if (stat->first_page <= first_task + 1)
        check(QUIRE_EINVAL, "a page that was kept alone");
    printf("channel ");
    for (int i = 0; i < 16; i++)
        printf("%02x", stat->uuid[i]);
    printf(" page_size %llu max_messages %u checksum %d clean %d claimed %u voids %u\n",
           (unsigned long long)stat->page_size, stat->max_messages,
           stat->checksum == QUIRE_CHECKSUM_ON, clean, w->count, voids(w));
    for (unsigned i = 0; i < w->count; i++)
        if (QUIRE_PAGE_OF(w->log[i].position) >= stat->first_page ||
            QUIRE_PAGE_OF(w->log[i].position) == first_task)
            print_entry(&w->log[i]);
    printf("group fast %llu\n", (unsigned long long)(w->sent - w->received_fast));
    print_ack_group(w, LATE, "late", clean);
    printf("group slow-1.x_y %llu\n", (unsigned long long)(w->sent - w->received_slow));
    print_ack_group(w, TASKS, "tasks", clean);
}

static void close_consumers(struct writer *w)
{
    quire_rx_close(w->fast);
    quire_rx_close(w->slow);
    for (int i = 0; i < ACKING; i++)
        quire_rx_close(w->ack[i]);
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
    else
        close_consumers(&w);
    check(quire_stat(w.channel, &stat), "quire_stat");
    print_expected(&w, &stat, !killed);
    if (fflush(stdout) != 0)
        return 1;
    if (killed)
        _exit(0);
    quire_tx_close(w.tx);
    quire_tx_close(w.other);
    check(quire_close(w.channel), "quire_close");
    return 0;
}
