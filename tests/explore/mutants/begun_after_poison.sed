# SPDX-License-Identifier: MIT
# I9: who takes the commit after one that failed makes another, which succeeds.
/^static int lead(/,/^}/s/if (qr_poisoned(ch)) {/if (0) {/
