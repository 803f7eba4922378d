# SPDX-License-Identifier: MIT
# A return takes the lease away from whoever has it by now.
/^static int disown(/,/^}/s/if (qr_cas_acq_rel(at, had, nobody))/if ((qr_store_release(at, nobody), 1))/
