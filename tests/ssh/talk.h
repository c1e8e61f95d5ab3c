/* Conversations out of a fuzzer's bytes: the input is a list of messages, which the harness frames and
 * seals, and whose fields keep their shape under mutation.
 *
 *     input     = header { message }
 *     header    = a byte: how the bytes are split, and whether they are compressed (enum talk_header)
 *     message   = length { piece }      length: a byte; from 0x80 on, 16 times its low 7 bits.
 *                                       A message of no length lets the server's session act
 *     piece     = 0xf0 n byte{n}        a string: its length field is made to fit
 *               | 0xf1 i                a string: a name of the protocol (talk_names)
 *               | 0xf2 n                the number n
 *               | 0xf3 byte{4}          a number
 *               | 0xf4 i                a number at some limit (talk_limits)
 *               | 0xf5 n b              a string of 64 * n bytes b
 *               | byte                  itself
 *
 * The first byte of a message is its type: an index into the family's types, modulo their number, when
 * there is a family. The type KEXINIT stands for a whole exchange of new keys. */
#ifndef TESTS_SSH_TALK_H
#define TESTS_SSH_TALK_H

#include "pair.h"

enum talk_header {
    TALK_BYTES = 1,
    TALK_RANDOM = 2,
    TALK_COMPRESS = 4,
    TALK_PTY = 8, /* a program that runs has a terminal */
};

/* Where a conversation begins. */
enum talk_stage {
    TALK_KEYS,      /* keys are agreed on */
    TALK_LOGGED_IN, /* ... and the login is done */
    TALK_OPEN,      /* ... and a session channel is open, 0 on both sides */
    TALK_RUNNING,   /* ... and a program runs on it */
};

/* Takes the next message off the front of `input`, in its plain form. False: the input is used up. */
bool talk_next(struct span *input, struct span types, struct buffer *message);

/* A whole conversation in the clear, from `stage` on. Aborts when the server sends what does not open,
 * more data than it was given window for, or anything once it has ended. */
void talk_fuzz(struct span input, enum talk_stage stage, struct span types);

/* The same under real keys of the default algorithms. */
void talk_fuzz_sealed(struct span input, enum talk_stage stage, struct span types);

/* Ends the conversation and checks that it stays ended. */
void talk_end(struct pair *p);

#endif
