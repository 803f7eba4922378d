/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>
#include <tests/durable/ledger.h>
#include <tests/durable/rig.h>

#define PAGES 1024u

enum state { UNKNOWN, MESSAGE, VOID };

static struct {
    qr_atomic_u32 state;
    uint64_t stream;
    uint64_t number;
} ledger[PAGES * PER_PAGE];

static uint64_t index_of(uint64_t position)
{
    CHECK(QUIRE_PAGE_OF(position) < PAGES && QUIRE_SLOT_OF(position) < PER_PAGE);
    return QUIRE_PAGE_OF(position) * PER_PAGE + QUIRE_SLOT_OF(position);
}

void ledger_note(uint64_t position, uint64_t stream, uint64_t number)
{
    uint64_t i = index_of(position);
    /* relaxed: no two producers have the same position */
    CHECK_EQ(qr_load_relaxed(&ledger[i].state), UNKNOWN);
    ledger[i].stream = stream;
    ledger[i].number = number;
    qr_store_release(&ledger[i].state, MESSAGE); /* pairs with the acquire of lacks() */
}

void ledger_note_void(uint64_t position)
{
    qr_store_release(&ledger[index_of(position)].state, VOID);
}

void ledger_clear(void)
{
    memset(ledger, 0, sizeof(ledger));
}

static const char *lacks(uint64_t position, uint32_t *state)
{
    uint64_t i = index_of(position);
    *state = qr_load_acquire(&ledger[i].state); /* pairs with the release of ledger_note */
    if (*state == UNKNOWN) {
        return NULL;
    }
    if (*state == VOID) {
        return disk_lacks_void(position);
    }
    return disk_lacks(position, ledger[i].stream, ledger[i].number,
                      rig_size(ledger[i].stream, ledger[i].number));
}

static uint32_t check(uint64_t position)
{
    uint32_t state;
    const char *lack = lacks(position, &state);
    if (lack) {
        test_fail(__FILE__, __LINE__, "page %" PRIu64 " slot %u was called durable: %s",
                  QUIRE_PAGE_OF(position), QUIRE_SLOT_OF(position), lack);
    }
    return state;
}

void ledger_check(uint64_t position)
{
    CHECK(check(position) != UNKNOWN);
}

uint64_t ledger_check_below(uint64_t position)
{
    uint64_t n = 0;
    for (uint64_t page = 0; page <= QUIRE_PAGE_OF(position); page++) {
        uint32_t end = page < QUIRE_PAGE_OF(position) ? PER_PAGE : QUIRE_SLOT_OF(position);
        for (uint32_t slot = 0; slot < end; slot++) {
            n += check(QUIRE_POSITION(page, slot)) != UNKNOWN;
        }
    }
    return n;
}
