/* SPDX-License-Identifier: MIT */
/* Where the slow half of a publish goes: to whoever raised an attention bit. */
#include <lib/pace.h>
#include <lib/wait.h>

void qr_attend(struct quire *ch)
{
    /* relaxed: the caller has ordered it. */
    uint32_t attention = qr_load_relaxed(&ch->view.live->attention);
    if (attention & QR_ATTEND_CONSUMERS)
        qr_attend_consumers(ch);
    /* The last publish of a page may be what a page to be given up was waiting for. */
    if (attention & QR_ATTEND_SPACE)
        qr_wake_space(ch);
    if ((attention & QR_ATTEND_COMMIT) && qr_attention_lower(ch, QR_ATTEND_COMMIT))
        qr_pace_attend(ch);
}
