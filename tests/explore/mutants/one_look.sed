# SPDX-License-Identifier: MIT
# I8: a run that moves between two lines of the table is missed.
/^int qr_recyclable(/,/^}/s/^        seq = qr_load_acquire(&ch->view.live->needs_seq);/        (void)seq;/
