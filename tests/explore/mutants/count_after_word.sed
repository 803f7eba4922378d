# SPDX-License-Identifier: MIT
# What was returned is to be had before it is counted: the count is too low for a moment.
/^static int put_back(/,/^}/{
/^    if (!dead)$/{
N
d
}
s/^            return 1;/            return (dead ? (void)0 : returned_up(group, page)), 1;/
}
