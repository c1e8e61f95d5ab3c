/* The letters of base64, RFC 4648, section 4. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdint.h>

/* The six bits of a letter; -1: it is none, as padding is. */
int base64_digit(uint8_t c);

#endif
