/* What a request selects of a thing: ranges, conditions, codings (RFC 9110, sections 12 to 14). */
#ifndef HTTP_SELECT_H
#define HTTP_SELECT_H

#include "base/span.h"

enum { HTTP_RANGES_MAX = 16 };

struct http_range {
    uint64_t first, last; /* included */
};

enum http_ranges {
    HTTP_RANGES_NONE, /* it is not for us, or too much: send everything */
    HTTP_RANGES_SOME,
    HTTP_RANGES_UNSATISFIABLE, /* 416 */
};

/* A Range field over something of `size` bytes. At most HTTP_RANGES_MAX; ranges that overlap, or are
 * more, are taken for none: nobody in good faith asks for them (section 14.2). */
enum http_ranges http_ranges_parse(struct span field, uint64_t size,
                                   struct http_range ranges[HTTP_RANGES_MAX], size_t *count);

/* Whether a list of entity tags ("a", W/"b", or a star) has this one: by strong comparison, or by
 * weak (section 8.8.3.2). */
bool http_etag_in(struct span list, struct span etag, bool weak);

/* The weight of a coding in Accept-Encoding, 0 to 1000: by name, else by the star; -1: it is not
 * mentioned (section 12.5.3). */
int http_coding_weight(struct span accept, const char *coding_z);

#endif
