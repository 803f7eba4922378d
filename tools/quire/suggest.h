/* SPDX-License-Identifier: MIT */
/* What somebody may have meant by a word that is not known. */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stddef.h>

/*
 * The known word that is nearest to word: the beginning of it, or a few letters wrong, missing, too
 * many or changed over. NULL when none is near; words that are NULL are passed over.
 */
const char *cli_suggest(const char *word, const char *const *known, size_t count);

#endif
