/* Bytes from words, as tests and golden cases write them:
 *     05 ffff      bytes in hex
 *     "text"       a string: 32-bit length and bytes; \r \n \t \0 \\ \" \xNN inside
 *     'text'       the bytes alone
 *     #N           a 32-bit number
 *     N*XX         a byte N times */
#ifndef TESTS_SSH_COMPOSE_H
#define TESTS_SSH_COMPOSE_H

#include "base/buffer.h"

/* False when a token cannot be read. */
bool compose(const char *tokens_z, struct buffer *out);

/* The text form of a message from the server, without line end. */
void compose_render(struct span message, struct buffer *out);

/* Bytes as text in quotes. */
void compose_quote(struct span bytes, struct buffer *out);

#endif
