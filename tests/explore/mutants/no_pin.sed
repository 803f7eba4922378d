# SPDX-License-Identifier: MIT
# I1, I8: a new group does not stop a recycler that has decided already.
/^static int protect(/,/^}/s/if (!pin(ch, p))/if (0 \&\& !pin(ch, p))/
