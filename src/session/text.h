/* Bytes as text. */
#ifndef SESSION_TEXT_H
#define SESSION_TEXT_H

#include "base/buffer.h"

enum { SESSION_SHA256_BYTES = 32, SESSION_SHASUM_SIZE = 65 };

/* Two lower-case hex digits a byte, and a NUL: `out_z` takes 2 * bytes.len + 1. */
void session_text_hex(struct span bytes, char *out_z);

/* Appends RFC 4648 base64 with padding. 0, ERR_FULL or ERR_NOMEM. */
int session_text_base64(struct span bytes, struct buffer *out);

#endif
