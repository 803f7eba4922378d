# SPDX-License-Identifier: MIT
# What nobody has is acknowledged also while it is being taken, or returned.
/^int qr_lease_ack(/,/^}/s/(back & qr_lease_back(word))/(back \& (qr_lease_back(word) | qr_lease_open_slots(word)))/
