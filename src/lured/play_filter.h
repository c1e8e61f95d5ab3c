/* What of an attacker's output a terminal of the owner may get: text, colours, the cursor's ways.
 * What makes a terminal answer, set its title, its clipboard, its keyboard or its mouse is left out
 * (ECMA-48 and xterm's control sequences). Pure, and fed in pieces of any length. */
#ifndef LURED_PLAY_FILTER_H
#define LURED_PLAY_FILTER_H

#include "base/buffer.h"

/* The longest sequence that is let through; real ones are shorter. */
#define PLAY_SEQUENCE_MAX 64

struct play_filter {
    enum { PLAY_TEXT, PLAY_ESCAPE, PLAY_CONTROL, PLAY_STRING } state;
    uint8_t sequence[PLAY_SEQUENCE_MAX]; /* from its ESC on, until it is known what it does */
    size_t len;                          /* PLAY_SEQUENCE_MAX + 1: too long, left out */
    uint8_t utf8_left;                   /* bytes that the character still needs */
};

/* All zero is a filter at its start. Appends what may pass to `out`; 0 or ERR_NOMEM. */
int play_filter(struct play_filter *f, struct span in, struct buffer *out);

#endif
