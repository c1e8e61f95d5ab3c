/* What a stripping proxy does to a page: its links to TLS become links without. Pure. */
#ifndef LABS_REWRITE_H
#define LABS_REWRITE_H

#include <stddef.h>

/* Every "https://" in `len` bytes becomes "http://", in any case. Into `out`, which has `len` bytes at
 * least; how many it has then. `*count` grows by the links. */
size_t rewrite_links(const char *text, size_t len, char *out, size_t *count);

/* A Set-Cookie without the attribute Secure, in place: such a cookie would not come back over HTTP. */
void rewrite_cookie(char *value_z);

#endif
