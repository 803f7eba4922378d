/* SPDX-License-Identifier: MIT */
/* Reading of dead letters. */
#include <tools/quire/letters.h>

#include <errno.h>
#include <stdlib.h>

#define AT_ONCE 1024

int cli_letters_read(quire_t *channel, const char *group, struct cli_letters *letters)
{
    uint64_t from = 0;
    long found;
    *letters = (struct cli_letters){0};
    do {
        uint64_t *grown =
            realloc(letters->positions, (letters->count + AT_ONCE) * sizeof(*letters->positions));
        if (grown == NULL) {
            cli_letters_free(letters);
            return -ENOMEM;
        }
        letters->positions = grown;
        found = quire_group_dead(channel, group, from, grown + letters->count, AT_ONCE);
        if (found < 0) {
            cli_letters_free(letters);
            return (int)found;
        }
        letters->count += (size_t)found;
        if (found > 0)
            from = letters->positions[letters->count - 1] + 1;
    } while (found == AT_ONCE);
    return 0;
}

void cli_letters_free(struct cli_letters *letters)
{
    free(letters->positions);
    *letters = (struct cli_letters){0};
}

int cli_letters_have(const struct cli_letters *letters, uint64_t position)
{
    size_t low = 0, high = letters->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (letters->positions[middle] == position)
            return 1;
        if (letters->positions[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}
