# SPDX-License-Identifier: MIT
# Any handle acknowledges what another one has.
/^static uint32_t own_slots(/,/^}/s/^    return own;/    return mask;/
