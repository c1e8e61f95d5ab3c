/* Whole numbers on the wire (RFC 4251, section 5, "mpint"), as big-endian bytes here. */
#ifndef SSH_MPINT_H
#define SSH_MPINT_H

#include "base/buffer.h"
#include "base/cursor.h"

enum { SSH_MPINT_MAX_BYTES = 2048 };

/* Appends a number that is not negative; leading zeros are dropped. 0 or a buffer's error. */
int ssh_mpint_put(struct buffer *b, struct span number);

/* A number without its leading zeros. A negative one, or one longer than SSH_MPINT_MAX_BYTES, marks
 * the cursor as failed. */
struct span ssh_mpint_get(struct cursor *c);

/* Writes the number in `width` bytes. 0, or ERR_MALFORMED when it does not fit. */
int ssh_mpint_pad(struct span number, uint8_t *out, size_t width);

#endif
