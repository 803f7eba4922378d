# SPDX-License-Identifier: MIT
# A count of an earlier page of the frame replaces that of a later one.
/^static void count_up(/,/^}/s/^            return;/            (void)0;/
