# SPDX-License-Identifier: MIT
# What is acknowledged while a page is given up is counted as lost, too.
/^static int freeze_word(/,/^}/s/if (qr_cas_acq_rel(at, word, \(.*\))) {$/if ((qr_store_release(at, \1), 1)) {/
