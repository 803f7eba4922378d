# SPDX-License-Identifier: MIT
# I1: a returned run that goes from one line to another is missed, and nothing is called left.
/^uint64_t qr_group_left(/,/^}/s/while (seq != .*/while (seq + 1 == 0);/
