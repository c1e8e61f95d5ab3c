/* Reaches src/reel/split.c: where lines end. The first byte says the rules, the second how the rest
 * is cut; lines found in the cut bytes are those of a simple search through the whole. */
#include "reel/split.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct split_rules all_rules[] = {
    {.end = NULL, .max = 0},
    {.end = NULL, .max = 5},
    {.end = (const uint8_t *)"\r\n", .end_size = 2, .max = 5},
    {.end = (const uint8_t *)"\n", .end_size = 1, .max = 3},
    {.end = (const uint8_t *)"aba", .end_size = 3, .max = 4},
    {.end = (const uint8_t *)"\0\0\0\0", .end_size = 4, .max = 16},
};

/* What is found, as numbers: a line's length, or of one too long 1000. */
struct found {
    size_t *lengths;
    size_t count;
};

static void by_search(const struct split_rules *rules, const uint8_t *data, size_t len,
                      struct found *out)
{
    const uint8_t *end = rules->end ? rules->end : (const uint8_t *)"\n";
    size_t end_size = rules->end ? rules->end_size : 1;
    while (len) {
        const uint8_t *at = memmem(data, len, end, end_size);
        if (!at)
            break;
        size_t line = (size_t)(at - data);
        len -= line + end_size;
        if (!rules->end && line && at[-1] == '\r')
            line--;
        out->lengths[out->count++] = line > rules->max ? 1000 : line;
        data = at + end_size;
    }
}

static void in_pieces(const struct split_rules *rules, const uint8_t *data, size_t len, size_t step,
                      struct found *out)
{
    size_t start = 0, scanned = 0;
    bool skipping = false;
    struct split split;
    for (size_t have = 0; have < len;) {
        have = have + step < len ? have + step : len;
        enum split_result result = SPLIT_LINE;
        while (result != SPLIT_MORE) {
            bool was_skipping = skipping;
            result =
                reel_split_next(rules, data + start, have - start, &scanned, &skipping, &split);
            assert(split.taken <= have - start && split.line <= split.taken);
            assert(result != SPLIT_SKIPPED || was_skipping);
            if (result == SPLIT_LINE)
                assert(split.line <= rules->max);
            if (result == SPLIT_TOO_LONG)
                assert(split.taken > rules->max);
            if (result == SPLIT_LINE)
                out->lengths[out->count++] = split.line;
            if (result == SPLIT_TOO_LONG && !skipping)
                out->lengths[out->count++] = 1000;
            if (result == SPLIT_SKIPPED)
                out->lengths[out->count++] = 1000;
            start += split.taken;
        }
        assert(have - start < reel_split_keep_max(rules));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct split_rules *rules =
        &all_rules[data[0] % (sizeof(all_rules) / sizeof(all_rules[0]))];
    size_t step = data[1] ? data[1] : size;
    size -= 2;
    uint8_t *copy = malloc(size + 1); /* of this size, so that a read past the end is seen */
    struct found whole = {malloc((size + 1) * sizeof(size_t)), 0};
    struct found cut = {malloc((size + 1) * sizeof(size_t)), 0};
    if (copy && whole.lengths && cut.lengths) {
        memcpy(copy, data + 2, size);
        by_search(rules, copy, size, &whole);
        in_pieces(rules, copy, size, step, &cut);
        assert(whole.count == cut.count);
        assert(memcmp(whole.lengths, cut.lengths, cut.count * sizeof(size_t)) == 0);
    }
    free(copy);
    free(whole.lengths);
    free(cut.lengths);
    return 0;
}
