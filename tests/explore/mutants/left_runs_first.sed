# SPDX-License-Identifier: MIT
# I1: the lines are read before the head, and what is claimed in between is missed.
/^uint64_t qr_group_left(/,/^}/{
s/^        uint64_t head = /        uint64_t runs = left_in_runs(ch, group->id, qr_load_acquire(\&group->block->head), until, most);\n&/
s/n += n < most ? left_in_runs(.*/n += runs;/
}
