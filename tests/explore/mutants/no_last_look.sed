# SPDX-License-Identifier: MIT
# I7: a sleeper does not look again after it has registered.
/^static int sleep_for_message(/,/^}/s/int rc = look_now(rx, msg);/int rc = ((void)msg, QUIRE_EAGAIN);/
