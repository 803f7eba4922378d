# SPDX-License-Identifier: MIT
# I7: who sleeps is not told that a member has left its leases.
/^void qr_rx_return_leases(/,/^}/s/^        qr_lease_wake(.*/        (void)0;/
