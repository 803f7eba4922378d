# SPDX-License-Identifier: MIT
# I7: the last producer wakes those who sleep before it says that it has gone.
/^void quire_tx_close(/,/^}/{
s/^    int last = /    qr_wake_consumers(ch);\n&/
s/^        qr_wake_consumers(ch);.*/        (void)0;/
}
