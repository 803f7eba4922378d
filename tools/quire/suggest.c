/* SPDX-License-Identifier: MIT */
/* The distance of words, as people mistype them. */
#include <tools/quire/suggest.h>

#include <string.h>

#define WORD_MAX 64 /* bytes of a word that is compared */
#define LETTERS  3  /* letters of a word for each one that may be wrong */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to be added, taken away, replaced, or changed over with the next, to make b of a. */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

const char *cli_suggest(const char *word, const char *const *known, size_t count)
{
    const char *nearest = NULL;
    size_t size = strlen(word), best = size / LETTERS + 1;
    if (size == 0 || size > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t known_size = known[i] != NULL ? strlen(known[i]) : 0;
        if (known_size == 0 || known_size > WORD_MAX)
            continue;
        /* A word that was not finished is meant, however much of it is missing. */
        size_t d = size >= 2 && strncmp(word, known[i], size) == 0
                       ? 0
                       : distance(word, size, known[i], known_size);
        if (d >= best || d >= known_size)
            continue;
        best = d;
        nearest = known[i];
    }
    return nearest;
}
