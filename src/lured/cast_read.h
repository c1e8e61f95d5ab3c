/* A recording, read back: the exact bytes that went over the terminal (record/cast.h has the
 * format). Pure: works on one line at a time. */
#ifndef LURED_CAST_READ_H
#define LURED_CAST_READ_H

#include "base/buffer.h"

struct cast_line {
    double seconds; /* since the recording began */
    char code;      /* 'o', 'i', 'r'; 0: a line to skip */
};

/* Reads a line after the header. The bytes of an output, input or size are put into `bytes`, which is
 * cleared first; `exact` is the reader's own and carries the exact bytes from a "b" line to the next.
 * 0, ERR_MALFORMED or ERR_NOMEM. */
int cast_read_line(struct span line, struct cast_line *out, struct buffer *bytes,
                   struct buffer *exact);

#endif
