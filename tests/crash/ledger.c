/* SPDX-License-Identifier: MIT */
#include <tests/crash/ledger.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>

void ledger_note(struct ledger *ledger, uint32_t group, const struct quire_msg *msg)
{
    uint64_t stream;
    uint64_t number;
    if (!content_read(msg->data, msg->size, &stream, &number)) {
        test_fail(__FILE__, __LINE__, "I10: the message at %llx is not intact",
                  (unsigned long long)msg->position);
    }
    CHECK(stream < LEDGER_STREAMS);
    /* acquire: a message cannot be here before its send was noted as started */
    CHECK(number < qr_load_acquire(&ledger->stream[stream].started));
    qr_atomic_u32 *word = &ledger->group[group].noted[stream][number / 32];
    uint32_t mask = 1u << (number % 32);
    uint32_t old = qr_or_acq_rel(word, mask); /* only the bit counts */
    if (old & mask) {
        test_fail(__FILE__, __LINE__, "I10: %llu of %llu came to %s again%s",
                  (unsigned long long)number, (unsigned long long)stream, ledger_group_name(group),
                  msg->flags & QUIRE_MSG_RETURNED ? " (returned)" : "");
    }
    qr_add_relaxed(&ledger->group[group].deliveries, 1); /* read after the victim's end */
}

size_t ledger_size(const struct plan *plan, uint64_t stream, uint64_t number)
{
    size_t most = plan->max_messages && plan->max_messages < 64 ? 200 : plan->page_size / 8;
    return content_size(stream, number, CONTENT_NAMED_MIN, most);
}

const char *ledger_group_name(uint32_t group)
{
    static const char *const names[LEDGER_GROUPS] = {"red", "green", "blue", "late"};
    return names[group];
}
