/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "example.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *produce(void *argument)
{
    quire_tx_t *tx = argument;
    int rc = 0;

    for (uint64_t number = 0; number < EXAMPLE_MESSAGES && rc == 0; number++)
        rc = quire_tx_send(tx, &number, sizeof(number));
    if (rc != 0 && rc != QUIRE_CLOSED)
        fprintf(stderr, "quire_tx_send: %s\n", quire_strerror(rc));
    quire_tx_close(tx);
    return NULL;
}

/* The channel, then its handles, then their descriptors. */
static int open_all(struct example *example, enum quire_durability durability)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    char path[64];
    int rc;

    options.flags = QUIRE_CREATE;
    options.page_size = 64 * 1024; /* small, so that there are many pages to prepare */
    options.max_pages = 4;
    options.durability = durability;
    options.keeper = QUIRE_KEEPER_CALLER; /* this loop is the one who calls quire_dispatch */
    snprintf(path, sizeof(path), "%s/channel", example->dir);
    rc = quire_open(&example->channel, path, &options);
    if (rc == 0)
        rc = quire_rx_subscribe(example->channel, "loop", NULL, NULL, &example->rx);
    if (rc == 0)
        rc = example->fd = quire_fd(example->channel);
    if (rc >= 0)
        rc = example->rx_fd = quire_rx_fd(example->rx);
    if (rc >= 0)
        rc = quire_tx_open(example->channel, NULL, &example->tx);
    return rc;
}

int example_begin(struct example *example, enum quire_durability durability)
{
    int rc;

    memset(example, 0, sizeof(*example));
    strcpy(example->dir, "quire-example-XXXXXX");
    alarm(60); /* an example that hangs has failed */
    if (!mkdtemp(example->dir))
        return -errno;
    rc = open_all(example, durability);
    if (rc != 0)
        return rc;
    rc = pthread_create(&example->producer, NULL, produce, example->tx);
    if (rc != 0) {
        quire_tx_close(example->tx);
        example->tx = NULL;
    }
    return -rc;
}

static int take(struct example *example, const struct quire_msg *msg)
{
    uint64_t number;

    if (msg->size != sizeof(number))
        return QUIRE_CORRUPT;
    memcpy(&number, msg->data, sizeof(number));
    if (number != example->received)
        return QUIRE_CORRUPT; /* one is missing, or came twice */
    example->received++;
    example->sum += number;
    example->last = msg->position;
    return 0;
}

int example_receive(struct example *example)
{
    struct quire_msg msg;
    int rc;

    /* Only a receive that finds nothing makes the descriptor unreadable, and is told of the next
     * message. A loop that has other work may stop earlier: the descriptor stays readable. */
    while ((rc = quire_rx_try_recv(example->rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == 0)
            rc = take(example, &msg);
        else if (rc == QUIRE_PAGE_END) /* nothing borrowed from the page is needed any more */
            rc = quire_rx_next_page(example->rx);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int example_dispatch(struct example *example)
{
    int ended = quire_dispatch(example->channel); /* how many operations: of no interest here */

    return ended < 0 ? ended : 0;
}

int example_received_all(const struct example *example)
{
    return example->received == EXAMPLE_MESSAGES;
}

int example_is_done(const struct example *example)
{
    return example_received_all(example) &&
           quire_durable_position(example->channel) > example->last;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

int example_end(struct example *example, int rc)
{
    const uint64_t sum = (uint64_t)EXAMPLE_MESSAGES * (EXAMPLE_MESSAGES - 1) / 2;
    int done = rc == 0 && example_is_done(example) && example->sum == sum;
    int closed;

    quire_rx_close(example->rx);
    closed = quire_close(example->channel); /* a producer that waits returns QUIRE_CLOSED */
    if (example->tx)
        pthread_join(example->producer, NULL);
    nftw(example->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    printf("%llu received, sum %llu: %s\n", (unsigned long long)example->received,
           (unsigned long long)example->sum, done ? "all durable" : quire_strerror(rc));
    if (rc == QUIRE_EENGINE)
        return 77;
    return done && closed == 0 ? 0 : 1;
}
