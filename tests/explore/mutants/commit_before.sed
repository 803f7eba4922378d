# SPDX-License-Identifier: MIT
# I9: a sender waits for the commit that began last, which may have begun before it published.
s/return qr_load_acquire(&ch->commit->begun) + 1;/return qr_load_acquire(\&ch->commit->begun);/
