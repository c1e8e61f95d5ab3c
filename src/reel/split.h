/* Where a line ends. Pure. */
#ifndef REEL_SPLIT_H
#define REEL_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct split_rules {
    const uint8_t *end; /* the delimiter; NULL: a line feed, with or without a carriage return */
    size_t end_size;
    size_t max; /* bytes of a line without its delimiter */
};

enum split_result {
    SPLIT_MORE,     /* not decided; `taken` bytes are of no interest any more */
    SPLIT_LINE,     /* a line of `line` bytes, `taken` with its end */
    SPLIT_TOO_LONG, /* its first `max` bytes lie there; `skipping` says if its end is yet to come */
    SPLIT_SKIPPED,  /* the rest of one too long has passed */
};

struct split {
    size_t line, taken;
};

/* Looks at the bytes from the end of the last line on. `scanned` is 0 at the start of a line, then
 * what the last call left there, `skipping` likewise: both begin as 0. The results do not depend on
 * how the bytes were cut. */
enum split_result reel_split_next(const struct split_rules *rules, const uint8_t *data, size_t len,
                                  size_t *scanned, bool *skipping, struct split *out);

/* The most bytes that can be without a decision. */
size_t reel_split_keep_max(const struct split_rules *rules);

#endif
