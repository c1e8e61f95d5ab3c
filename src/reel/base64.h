/* Base64 (RFC 4648, section 4), with padding. Pure. */
#ifndef REEL_BASE64_H
#define REEL_BASE64_H

#include <stddef.h>
#include <stdint.h>

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LEN(len) characters, no NUL. How many. */
size_t reel_base64(char *out, const void *data, size_t len);

#endif
