# SPDX-License-Identifier: MIT
# I7: a consumer that has its descriptor rung from now on does not look once more.
s/qr_unlikely(rc == QUIRE_EAGAIN && rx->bell.fd >= 0) && qr_rx_arm(rx)/qr_unlikely(rc == QUIRE_EAGAIN \&\& rx->bell.fd >= 0) \&\& qr_rx_arm(rx) \&\& 0/
