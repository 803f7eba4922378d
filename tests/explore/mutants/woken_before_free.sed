# SPDX-License-Identifier: MIT
# I7: those who wait for a commit are woken before the next one may be made.
/^static void let_go(/,/^}/{
/^    wake_waiters(c);/d
s/^    \/\* \[R38 busy\] pairs with A38. \*\//    wake_waiters(c);\n&/
}
