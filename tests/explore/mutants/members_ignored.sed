# SPDX-License-Identifier: MIT
# I1: a member is told the end though another one may give back what it has claimed.
/^static .*int find_last(/,/^}/s/return qr_group_left(.*) == 0 ?/return 1 ?/
