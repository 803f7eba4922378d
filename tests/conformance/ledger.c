/* SPDX-License-Identifier: MIT */
/* The account of one group. */
#include <stdlib.h>
#include <tests/conformance/ledger.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){.capacity = 1024};
    ledger->positions = calloc(ledger->capacity, sizeof(*ledger->positions));
    ledger->seen = calloc(ledger->capacity, 1);
    CHECK(ledger->positions && ledger->seen);
}

void ledger_free(struct ledger *ledger)
{
    free(ledger->positions);
    free(ledger->seen);
    free(ledger->reports);
}

void ledger_sent(struct ledger *ledger, uint64_t position)
{
    size_t at;

    if (ledger->count == ledger->capacity) {
        ledger->capacity *= 2;
        ledger->positions =
            realloc(ledger->positions, ledger->capacity * sizeof(*ledger->positions));
        ledger->seen = realloc(ledger->seen, ledger->capacity);
        CHECK(ledger->positions && ledger->seen);
    }
    at = ledger->count++;
    while (at > 0 && ledger->positions[at - 1] > position) {
        ledger->positions[at] = ledger->positions[at - 1];
        ledger->seen[at] = ledger->seen[at - 1];
        at--;
    }
    CHECK(at == 0 || position > ledger->positions[at - 1]);
    ledger->positions[at] = position;
    ledger->seen[at] = 0;
}

/* The index of the message at position, which must have been sent. */
static size_t index_of(const struct ledger *ledger, uint64_t position)
{
    size_t low = 0, high = ledger->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ledger->positions[middle] < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == ledger->count || ledger->positions[low] != position) {
        test_fail(__FILE__, __LINE__, "nothing was sent at page %llu slot %u",
                  (unsigned long long)QUIRE_PAGE_OF(position), QUIRE_SLOT_OF(position));
    }
    return low;
}

void ledger_received(struct ledger *ledger, uint64_t position)
{
    size_t index = index_of(ledger, position);

    if (ledger->seen[index]) {
        test_fail(__FILE__, __LINE__, "page %llu slot %u was received twice",
                  (unsigned long long)QUIRE_PAGE_OF(position), QUIRE_SLOT_OF(position));
    }
    ledger->seen[index] = 1;
    ledger->received++;
}

void ledger_lost(struct ledger *ledger, struct quire_lost lost)
{
    CHECK(lost.count > 0);
    CHECK(lost.first <= lost.last);
    CHECK(!ledger->seen[index_of(ledger, lost.first)]);
    CHECK(!ledger->seen[index_of(ledger, lost.last)]);
    ledger->reports = realloc(ledger->reports, (ledger->told + 1) * sizeof(*ledger->reports));
    CHECK(ledger->reports != NULL);
    ledger->reports[ledger->told++] = lost;
    ledger->lost += lost.count;
}

void ledger_drain(struct ledger *ledger, quire_rx_t *rx)
{
    struct quire_msg msg;
    uint64_t last = 0;
    int code, first = 1;

    while ((code = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
        } else if (code == QUIRE_LAPPED) {
            ledger_lost(ledger, quire_rx_lost(rx));
        } else {
            uint64_t stream, number;

            CHECK_OK(code);
            CHECK(content_read(msg.data, msg.size, &stream, &number));
            ledger_received(ledger, msg.position);
            if (!(msg.flags & QUIRE_MSG_RETURNED)) {
                CHECK(first || msg.position > last);
                last = msg.position;
                first = 0;
            }
        }
    }
}

/* Marks in told what the report is about. */
static void check_report(const struct ledger *ledger, const struct quire_lost *lost,
                         unsigned char *told)
{
    size_t first = index_of(ledger, lost->first), last = index_of(ledger, lost->last);
    uint64_t missing = 0;

    CHECK(!ledger->seen[first] && !ledger->seen[last]);
    for (size_t i = first; i <= last; i++) {
        if (!ledger->seen[i]) {
            CHECK(!told[i]);
            told[i] = 1;
            missing++;
        }
    }
    CHECK_EQ(lost->count, missing);
}

void ledger_check(const struct ledger *ledger)
{
    unsigned char *told = calloc(ledger->count + 1, 1);

    CHECK(told != NULL);
    for (size_t i = 0; i < ledger->told; i++) {
        check_report(ledger, &ledger->reports[i], told);
    }
    for (size_t i = 0; i < ledger->count; i++) {
        if (!ledger->seen[i] && !told[i]) {
            test_fail(__FILE__, __LINE__, "page %llu slot %u was neither received nor told lost",
                      (unsigned long long)QUIRE_PAGE_OF(ledger->positions[i]),
                      QUIRE_SLOT_OF(ledger->positions[i]));
        }
    }
    CHECK_EQ(ledger->received + ledger->lost, ledger->count);
    free(told);
}
