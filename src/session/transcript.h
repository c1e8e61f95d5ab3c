/* The recording of one program's terminal (or, without one, of what it printed): frames for the
 * recorder, and the events that say where it begins and ends. */
#ifndef SESSION_TRANSCRIPT_H
#define SESSION_TRANSCRIPT_H

#include "session/journal.h"

struct crypto_suite;

enum {
    /* Input beyond this is recorded, but the event at the end then has no shasum. */
    SESSION_TRANSCRIPT_INPUT_MAX = 256 * 1024,
    SESSION_TRANSCRIPT_NAME_SIZE = 48, /* "tty/SESSION-4294967295.cast" with its NUL */
};

struct session_transcript {
    bool open;
    uint32_t number; /* of the recording within the session */
    int64_t start_us;
    uint64_t bytes;      /* both ways */
    struct buffer input; /* as typed, for its checksum */
    bool input_cut;
};

/* What is recorded: shape of the terminal (0x0 without one), TERM and the command may be empty. */
struct session_transcript_start {
    uint32_t number;
    uint16_t columns, rows;
    struct span term, command;
};

void session_transcript_open(struct session_transcript *t, struct session_journal *j,
                             const struct session_transcript_start *start, int64_t now_us);

void session_transcript_out(struct session_transcript *t, struct session_journal *j,
                            struct span bytes, int64_t now_us);
void session_transcript_in(struct session_transcript *t, struct session_journal *j,
                           struct span bytes, int64_t now_us);
void session_transcript_resize(struct session_transcript *t, struct session_journal *j,
                               uint16_t columns, uint16_t rows, int64_t now_us);

/* Does nothing when it is not open. */
void session_transcript_close(struct session_transcript *t, struct session_journal *j,
                              const struct crypto_suite *suite, int64_t now_us);

#endif
