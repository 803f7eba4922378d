# SPDX-License-Identifier: MIT
# I8: a run is claimed before its claimer has said so.
/^static inline int move_head(/,/^}/{/qr_store_release(&rx->line->intent, intent);/d}
