# SPDX-License-Identifier: MIT
# Any handle at the page acknowledges what another one has.
/^int quire_rx_ack(/,/^}/s/!qr_lease_is_of(qr_load_relaxed(&who\[slot\]), tag, rx->index)/(who == NULL)/
