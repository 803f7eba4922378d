# SPDX-License-Identifier: MIT
# I6, I8: the recycler does not look at what handles borrow.
s/qr_protected(ch, page_no);$/0;/
