# SPDX-License-Identifier: MIT
# I7: who has received its last run does not say so.
/^static .*int find_last(/,/^}/s/^        qr_ends_tell(.*/        (void)0;/
