/* SPDX-License-Identifier: MIT */
/* Real text, cut into messages: the input of quire demo. */
#ifndef CLI_CORPUS_H
#define CLI_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#define CLI_CORPUS_MESSAGE_MAX 8192u /* longer pieces are cut */

enum cli_split {
    CLI_PARAGRAPHS = 0, /* empty lines part messages */
    CLI_EVERY_LINE = 1
};

struct cli_piece {
    const char *text;
    size_t size;
};

struct cli_corpus {
    char **texts; /* one buffer for each file */
    size_t texts_count;
    struct cli_piece *pieces;
    size_t pieces_count;
    size_t pieces_room;
    uint64_t bytes; /* of all pieces */
    char first_file[128];
};

void cli_corpus_init(struct cli_corpus *corpus);
void cli_corpus_free(struct cli_corpus *corpus);

/* Adds the messages of a file. Returns 0 or -errno. */
int cli_corpus_add(struct cli_corpus *corpus, const char *file, enum cli_split split);

/*
 * Adds text found on the machine: package descriptions, else licences of packages, else the
 * sources of the header files. Returns 0, or -ENOENT when there is none.
 */
int cli_corpus_find(struct cli_corpus *corpus, enum cli_split split);

#endif
