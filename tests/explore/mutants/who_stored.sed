# SPDX-License-Identifier: MIT
# A return takes the lease away from whoever has it by now.
/^int qr_lease_return(/,/^}/s/if (qr_cas_acq_rel(at, &who, nobody))/if ((qr_store_release(at, nobody), 1))/
