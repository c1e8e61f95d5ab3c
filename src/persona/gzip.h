/* gzip's format (RFC 1952), as the program writes what it reads from its standard input. */
#ifndef PERSONA_GZIP_H
#define PERSONA_GZIP_H

#include "base/buffer.h"

/* Appends the packed `text`, which was last changed at `mtime_s`. 0, ERR_FULL or ERR_NOMEM. */
int persona_gzip(struct span text, int64_t mtime_s, struct buffer *out);

#endif
