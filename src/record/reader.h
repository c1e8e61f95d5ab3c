/* Reads the log from outside: line by line, through the closed segments (compressed or not) into the
 * current one, and on as it grows and is rotated. */
#ifndef RECORD_READER_H
#define RECORD_READER_H

#include "base/span.h"

#include <stdbool.h>

struct record_reader;

/* `dir` is DATA/log, borrowed. `only_current`: begins with the current segment. NULL: *error. */
struct record_reader *record_reader_new(int dir, bool only_current, int *error);
void record_reader_free(struct record_reader *reader);

/* The next line without its line feed, borrowed until the next call. 1; 0: there is none yet; or a
 * negative error (a segment that cannot be read; the next call goes on behind it). */
int record_reader_next(struct record_reader *reader, struct span *line);

#endif
