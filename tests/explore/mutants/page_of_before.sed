# SPDX-License-Identifier: MIT
# I4: the page of a claim is read before the claim.
/^static inline .*int send_plain(/,/^}/{
s/^    uint64_t units = qr_claim_need(size);/&\n    uint64_t early = qr_load_relaxed(\&tx->header->page_no);/
s/uint64_t page_no = qr_load_relaxed(&tx->header->page_no);/uint64_t page_no = early;/
}
