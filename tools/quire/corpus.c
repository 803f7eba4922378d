/* SPDX-License-Identifier: MIT */
/* Real text, cut into messages. */
#define _GNU_SOURCE
#include <tools/quire/corpus.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_FIRST       (64u << 10)
#define READ_MAX         (1ull << 30)
#define FOUND_BYTES_MAX  (32u << 20) /* enough text; more would only take longer to read */
#define FOUND_BYTES_GOOD (4u << 20)  /* too little text: look further */

void cli_corpus_init(struct cli_corpus *corpus)
{
    *corpus = (struct cli_corpus){0};
}

void cli_corpus_free(struct cli_corpus *corpus)
{
    for (size_t i = 0; i < corpus->texts_count; i++)
        free(corpus->texts[i]);
    free(corpus->texts);
    free(corpus->pieces);
    cli_corpus_init(corpus);
}

static int add_piece(struct cli_corpus *corpus, const char *text, size_t size)
{
    while (size > 0) {
        if (corpus->pieces_count == corpus->pieces_room) {
            size_t room = corpus->pieces_room == 0 ? 1024 : corpus->pieces_room * 2;
            struct cli_piece *pieces = realloc(corpus->pieces, room * sizeof(*pieces));
            if (pieces == NULL)
                return -ENOMEM;
            corpus->pieces = pieces;
            corpus->pieces_room = room;
        }
        size_t part = size < CLI_CORPUS_MESSAGE_MAX ? size : CLI_CORPUS_MESSAGE_MAX;
        corpus->pieces[corpus->pieces_count++] = (struct cli_piece){text, part};
        corpus->bytes += part;
        text += part;
        size -= part;
    }
    return 0;
}

static int split_text(struct cli_corpus *corpus, const char *text, size_t size,
                      enum cli_split split)
{
    const char *mark = split == CLI_EVERY_LINE ? "\n" : "\n\n";
    const size_t mark_size = strlen(mark);
    const char *end = text + size;
    while (text < end) {
        const char *stop = memmem(text, (size_t)(end - text), mark, mark_size);
        if (stop == NULL)
            stop = end;
        const char *last = stop;
        while (last > text && last[-1] == '\n')
            last--;
        int error = add_piece(corpus, text, (size_t)(last - text));
        if (error != 0)
            return error;
        text = stop == end ? end : stop + mark_size;
        while (text < end && *text == '\n')
            text++;
    }
    return 0;
}

/* Reads to the end, also of a pipe. *text is the caller's to free, also after an error. */
static int read_all(int fd, char **text, size_t *size)
{
    size_t room = 0;
    *text = NULL;
    *size = 0;
    for (;;) {
        if (*size == room) {
            room = room == 0 ? READ_FIRST : room * 2;
            char *larger = room > READ_MAX ? NULL : realloc(*text, room);
            if (larger == NULL)
                return room > READ_MAX ? -EFBIG : -ENOMEM;
            *text = larger;
        }
        ssize_t n = read(fd, *text + *size, room - *size);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        *size += n > 0 ? (size_t)n : 0;
    }
}

/* Keeps text, which then belongs to the corpus even when this fails. */
static int keep_text(struct cli_corpus *corpus, char *text)
{
    char **texts = realloc(corpus->texts, (corpus->texts_count + 1) * sizeof(*texts));
    if (texts == NULL) {
        free(text);
        return -ENOMEM;
    }
    corpus->texts = texts;
    texts[corpus->texts_count++] = text;
    return 0;
}

int cli_corpus_add(struct cli_corpus *corpus, const char *file, enum cli_split split)
{
    size_t size;
    char *text;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = read_all(fd, &text, &size);
    close(fd);
    if (error != 0) {
        free(text);
        return error;
    }
    error = keep_text(corpus, text);
    if (error == 0)
        error = split_text(corpus, text, size, split);
    if (error == 0 && corpus->texts_count == 1)
        snprintf(corpus->first_file, sizeof(corpus->first_file), "%s", file);
    return error;
}

/* Adds files of a pattern until there is enough; a file that cannot be read is passed over. */
static int add_pattern(struct cli_corpus *corpus, const char *pattern, enum cli_split split)
{
    glob_t found;
    int error = 0;
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc && corpus->bytes < FOUND_BYTES_MAX; i++) {
        error = cli_corpus_add(corpus, found.gl_pathv[i], split);
        if (error == -ENOMEM)
            break;
        error = 0;
    }
    globfree(&found);
    return error;
}

int cli_corpus_find(struct cli_corpus *corpus, enum cli_split split)
{
    static const char *const patterns[] = {"/var/lib/dpkg/status", "/var/lib/apt/lists/*_Packages",
                                           "/usr/share/doc/*/copyright", "/usr/include/*.h"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (corpus->bytes >= FOUND_BYTES_GOOD)
            break;
        int error = add_pattern(corpus, patterns[i], split);
        if (error != 0)
            return error;
    }
    return corpus->pieces_count > 0 ? 0 : -ENOENT;
}
