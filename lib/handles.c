/* SPDX-License-Identifier: MIT */
#include <lib/handles.h>

int qr_handle_take(struct quire *ch)
{
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        /* [A7 line] pairs with R7: an adopter may just have freed it. */
        uint32_t state = qr_load_acquire(&line->state);
        if (qr_handle_state_of(state) != QR_HANDLE_FREE)
            continue;
        /* relaxed: nobody reads a free line; the state below publishes it. */
        qr_store_relaxed(&line->participant, 0u);
        qr_store_relaxed(&line->group_id, 0u);
        qr_store_relaxed(&line->adopting, 0u);
        qr_store_relaxed(&line->intent, QR_INTENT_NONE);
        qr_store_relaxed(&line->next, 0u);
        qr_store_relaxed(&line->stand, 0u);
        qr_store_relaxed(&line->busy, 0u);
        qr_store_relaxed(&line->since_ns, qr_wall());
        /* A new generation: a compare-exchange on the state of an earlier handle fails.
         * [R7 line] pairs with A7. */
        qr_store_release(&line->state,
                         (state & QR_HANDLE_GENERATION) + (1u << 18) + QR_HANDLE_SETUP);
        uint32_t high = qr_load_relaxed(&ch->view.live->handles_high); /* relaxed: under lock */
        if (high < i + 1)
            /* [R7 line] pairs with A7. */
            qr_store_release(&ch->view.live->handles_high, i + 1);
        return (int)i;
    }
    return QUIRE_EHANDLES;
}

void qr_handle_publish(struct quire *ch, uint32_t index, uint32_t state)
{
    qr_atomic_u32 *word = &qr_handle(ch, index)->state;
    uint32_t generation = qr_load_relaxed(word) & QR_HANDLE_GENERATION; /* relaxed: own */
    /* [R7 line] pairs with A7: the fields of the line are written. */
    qr_store_release(word, generation | state);
}

void qr_handle_free(struct quire *ch, uint32_t index)
{
    qr_handle_publish(ch, index, QR_HANDLE_FREE);
}

void qr_handle_holding(const struct quire *ch, uint32_t index, struct qr_holding *holding)
{
    struct qr_handle *line = qr_handle(ch, index);
    uint64_t hint = qr_load_relaxed(&ch->view.live->tail_page); /* relaxed: any tail resolves */
    /*
     * In this order. intent, then next: a run seen here with next at its end was delivered.
     * next, then stand: who delivered it stood on its page before.
     * [A17 intent] [A18 next] [A19 stand] pair with R17, R18, R19 in run.c and rx.c.
     */
    uint64_t intent = qr_load_acquire(&line->intent);
    uint64_t next = qr_load_acquire(&line->next);
    holding->stand = qr_load_acquire(&line->stand);
    uint64_t start = qr_intent_start(intent, hint);
    uint64_t end = start + qr_intent_n(intent);
    holding->start = next > start && next <= end ? next : start;
    holding->n = next >= end ? 0 : (uint32_t)(end - holding->start);
    if (qr_intent_n(intent) == 0)
        holding->n = 0;
    holding->confirmed = (intent & QR_INTENT_CONFIRMED) != 0;
}

void qr_handle_confirm(const struct quire *ch, uint64_t head)
{
    uint32_t owner = qr_head_owner(head);
    if (owner >= QR_HANDLES)
        return;
    qr_atomic_u64 *word = &qr_handle(ch, owner)->intent;
    /* [A17 intent] pairs with R17. */
    uint64_t intent = qr_load_acquire(word);
    if ((intent & QR_INTENT_CONFIRMED) == 0 && qr_intent_ends_at(intent, head))
        /* [R17 intent] pairs with A17; fails when the owner was faster. */
        (void)qr_cas_acq_rel(word, &intent, intent | QR_INTENT_CONFIRMED);
}
