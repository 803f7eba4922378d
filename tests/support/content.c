/* SPDX-License-Identifier: MIT */
/* Contents of test messages. */
#include <string.h>
#include <tests/support/content.h>
#include <tests/support/random.h>

static uint64_t seed_of(size_t size, uint64_t stream, uint64_t number)
{
    return random_mix(random_mix(stream + 1) ^ number) ^ (uint64_t)size << 40;
}

/* Word i: who and which first, when the size leaves room for both; noise otherwise. */
static uint64_t word_at(size_t i, size_t size, uint64_t seed, uint64_t stream, uint64_t number)
{
    if (size >= CONTENT_NAMED_MIN && i < 2) {
        return i == 0 ? stream : number;
    }
    return (seed + i) * 0x9e3779b97f4a7c15ull ^ seed >> 29;
}

void content_fill(void *data, size_t size, uint64_t stream, uint64_t number)
{
    unsigned char *bytes = data;
    uint64_t seed = seed_of(size, stream, number);

    for (size_t i = 0; i * 8 < size; i++) {
        uint64_t word = word_at(i, size, seed, stream, number);
        size_t left = size - i * 8;

        memcpy(bytes + i * 8, &word, left < 8 ? left : 8);
    }
}

int content_matches(const void *data, size_t size, uint64_t stream, uint64_t number)
{
    const unsigned char *bytes = data;
    uint64_t seed = seed_of(size, stream, number);

    for (size_t i = 0; i * 8 < size; i++) {
        uint64_t word = word_at(i, size, seed, stream, number);
        size_t left = size - i * 8;

        if (memcmp(bytes + i * 8, &word, left < 8 ? left : 8) != 0) {
            return 0;
        }
    }
    return 1;
}

int content_read(const void *data, size_t size, uint64_t *stream, uint64_t *number)
{
    if (size < CONTENT_NAMED_MIN) {
        return 0;
    }
    memcpy(stream, data, 8);
    memcpy(number, (const unsigned char *)data + 8, 8);
    return content_matches(data, size, *stream, *number);
}

size_t content_size(uint64_t stream, uint64_t number, size_t low, size_t high)
{
    uint64_t roll = random_mix(random_mix(stream ^ 0x5eed) + number);
    size_t span = high - low + 1;
    /* One in eight over the whole span, the others in the lowest sixteenth of it. */
    size_t part = roll % 8 == 0 ? span : (span + 15) / 16;

    return low + (size_t)((roll >> 8) % part);
}
