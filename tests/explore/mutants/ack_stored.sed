# SPDX-License-Identifier: MIT
# Two that acknowledge in one word undo each other.
/^int qr_lease_ack(/,/^}/s/while (qr_unlikely(!qr_cas_acq_rel(at, &word, next)));/while ((qr_store_release(at, next), 0));/
