# SPDX-License-Identifier: MIT
# I4, I5: a page that is open is opened again.
/^static int open_page(/,/^}/s/while (!mine && .*{/while (!mine) {/
