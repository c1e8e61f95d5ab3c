/* Who comes back finds the machine as he left it. At a right password the recorder is asked who this
 * is, unless it is sure that nobody knows him, and the login waits for the answer; when the connection is over, what was changed goes to the
 * recorder, part by part. What is kept: a SHA-256, and what kernel_save has written.
 *
 * A visitor is known by his address, or by the login that worked, or by either (visitors.known_by). */
#ifndef SESSION_VISITOR_H
#define SESSION_VISITOR_H

#include "base/buffer.h"
#include "events/frame.h"

struct session_connection;

enum {
    SESSION_VISITOR_WAIT_MS = 3000, /* for an answer; without one nobody is remembered */
    SESSION_VISITOR_DIGEST = 32,
    SESSION_VISITOR_FAREWELL = 4000000, /* instructions for programs whose line is gone */
};

enum session_visitor_state {
    SESSION_VISITOR_NEW,
    SESSION_VISITOR_ASKED, /* a login waits */
    SESSION_VISITOR_HERE,
    SESSION_VISITOR_GONE, /* `left` goes to the recorder */
};

struct session_visitor {
    enum session_visitor_state state;
    int64_t asked_us;
    struct buffer user, password;      /* of the login that waits */
    struct frame_visitor keys;         /* his */
    bool known, same_user, same_login; /* with the one who was here before */
    struct buffer found;               /* what he left before, then */
    struct buffer left;                /* what he leaves */
    size_t told;                       /* of that */
    bool leaves;                       /* a frame at least is to be put */
};

void session_visitor_init(struct session_connection *c);
void session_visitor_fini(struct session_connection *c);

/* A right password: asks, if it may be that he is remembered. True: the login waits, and
 * session_login_decide follows. */
bool session_visitor_ask(struct session_connection *c, struct span user, struct span password);
/* A part of the answer. False: it is for another connection. */
bool session_visitor_answer(struct session_connection *c, const struct frame_visit *visit);
/* The answer does not come. */
void session_visitor_give_up(struct session_connection *c);
int64_t session_visitor_deadline_us(const struct session_connection *c); /* INT64_MAX: none */

/* The machine was made: its files are put back. It may become NULL when there is no memory. */
void session_visitor_restore(struct session_connection *c);

/* The line is gone, before kernel_end: programs may still write what they write then. */
void session_visitor_farewell(struct session_connection *c);
/* ... and after it. */
void session_visitor_leave(struct session_connection *c);
/* Puts parts of it into the journal as long as there is room. */
void session_visitor_put(struct session_connection *c);

#endif
