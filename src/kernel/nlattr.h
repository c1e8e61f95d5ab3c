/* Attributes of netlink messages (struct nlattr in <linux/netlink.h>): a length, a type, a value, and zeros up to
 * the next multiple of four bytes. A nest is an attribute whose value is attributes. */
#ifndef KERNEL_NLATTR_H
#define KERNEL_NLATTR_H

#include "base/buffer.h"

enum { NLATTR_HEAD = 4, NLATTR_VALUE_MAX = UINT16_MAX - NLATTR_HEAD };

struct nlattr_item {
    uint16_t type; /* without its flags */
    struct span value;
};
/* The next of `rest`, which becomes shorter. False: there is none, or it is cut. */
bool nlattr_next(struct span *rest, struct nlattr_item *out);
/* The value of the first of a type; its data is NULL when there is none. */
struct span nlattr_find(struct span attributes, uint16_t type);
/* The same up to its NUL, as text. */
struct span nlattr_find_text(struct span attributes, uint16_t type);
/* A big-endian number of a type, as netfilter has them; false: not there, or too short. */
bool nlattr_find_be32(struct span attributes, uint16_t type, uint32_t *out);
bool nlattr_find_be64(struct span attributes, uint16_t type, uint64_t *out);

/* Appends one. 0, ERR_FULL or ERR_NOMEM, and then what is there is not whole. */
int nlattr_put(struct buffer *out, uint16_t type, struct span value);
int nlattr_put_be32(struct buffer *out, uint16_t type, uint32_t value);
int nlattr_put_be64(struct buffer *out, uint16_t type, uint64_t value);
int nlattr_put_z(struct buffer *out, uint16_t type, const char *text_z);

/* What is put between the two is the value of a nest. `at` is where it begins. */
int nlattr_begin(struct buffer *out, uint16_t type, size_t *at);
int nlattr_end(struct buffer *out, size_t at); /* ERR_FULL: longer than NLATTR_VALUE_MAX */

#endif
