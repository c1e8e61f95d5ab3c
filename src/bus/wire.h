/* D-Bus's wire format (D-Bus specification, "Type System" and "Message Protocol"), little-endian as
 * every client on this machine's processor writes it. */
#ifndef BUS_WIRE_H
#define BUS_WIRE_H

#include "base/buffer.h"

/* ---- Writing a body ---- */

/* The first error sticks. */
struct wire {
    struct buffer *out; /* the body alone: alignment counts from its start */
    int error;
};

/* An array: where its length stands, and where its elements begin. */
struct wire_array {
    size_t len_at, start;
};

void wire_align(struct wire *w, size_t to);
void wire_byte(struct wire *w, uint8_t value);
void wire_u32(struct wire *w, uint32_t value); /* booleans and signed ones too */
void wire_u64(struct wire *w, uint64_t value);
void wire_text(struct wire *w, const char *text_z); /* string or object path */
void wire_signature(struct wire *w, const char *text_z);
struct wire_array wire_begin(struct wire *w, size_t align); /* of the elements */
void wire_end(struct wire *w, struct wire_array array);

/* ---- Reading ---- */

struct wire_in {
    struct span bytes;
    size_t at;
    bool failed; /* once something was not there, nothing is */
};

uint8_t wire_in_byte(struct wire_in *in);
uint32_t wire_in_u32(struct wire_in *in);
struct span wire_in_text(struct wire_in *in);      /* without its NUL */
struct span wire_in_signature(struct wire_in *in); /* likewise */
/* An array of `align`ed elements: in->at is at the first; where it ends. */
size_t wire_in_array(struct wire_in *in, size_t align);

/* ---- Messages ---- */

enum { WIRE_CALL = 1, WIRE_RETURN, WIRE_ERROR, WIRE_SIGNAL };
enum {
    WIRE_MESSAGE_MAX = 1 << 20, /* of an answer */
    WIRE_REQUEST_MAX = 1 << 16, /* its fields, and its body */
    WIRE_HEADER = 16,
    WIRE_NO_REPLY = 1, /* flag */
};

struct wire_message {
    uint8_t type, flags;
    uint32_t serial, reply_serial;
    struct span path, interface, member, error, destination, sender, signature;
    struct span body;
};

/* The length of the message that `bytes` begin with, once its first 16 are there; 0: not yet;
 * ERR_MALFORMED, ERR_FULL. */
int64_t wire_message_len(struct span bytes);
/* A whole one. 0 or ERR_MALFORMED. The message borrows from the bytes. */
int wire_message_read(struct span bytes, struct wire_message *out);
/* Appends. 0, ERR_FULL, ERR_NOMEM. */
int wire_message_write(const struct wire_message *m, struct buffer *out);

#endif
