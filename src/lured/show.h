/* An event as one line for people. Whatever an attacker put into it, nothing of it reaches the
 * terminal but printable text. */
#ifndef LURED_SHOW_H
#define LURED_SHOW_H

#include "base/buffer.h"

#include <jansson.h>

/* Appends the line, its line feed included; colours only when asked for. 0 or a negative error. */
int show_event(const json_t *event, bool colours, struct buffer *out);

/* Appends text with everything that is not printable as \xNN or \u{NNNN}: controls, escapes, marks that
 * turn the direction of writing. */
int show_text(struct span utf8, struct buffer *out);

#endif
