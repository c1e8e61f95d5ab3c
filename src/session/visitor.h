/* Who comes back finds the machine as he left it. At a right password the recorder is asked who this
 * is, unless it is sure that nobody knows him, and the login waits for the answer; when the connection is over, what was changed goes to the
 * recorder, part by part. What is kept: a SHA-256, and what kernel_save has written.
 *
 * A visitor is known by his address, or by the login that worked, or by either (visitors.known_by), and by an
 * SSH key that he has put into an authorized_keys of his machine: that key lets him in, from wherever he comes.
 *
 * Whose machine, by his address, has other accounts or passwords than the image: there its own files decide. An
 * account whose line of /etc/shadow is another than the image's has the password of that line, and the
 * machine's own unix_chkpwd is run, on a machine made for it, to say whether this is it. Elsewhere, and for
 * whoever is known by his login alone, the policy decides. */
#ifndef SESSION_VISITOR_H
#define SESSION_VISITOR_H

#include "base/buffer.h"
#include "events/frame.h"

struct session_account;
struct session_connection;

enum {
    SESSION_VISITOR_WAIT_MS = 10000, /* for an answer; without one nobody is remembered */
    SESSION_VISITOR_LOOK_MS = 5,     /* between two looks whether one before has gone */
    SESSION_VISITOR_DIGEST = 32,
    SESSION_VISITOR_FAREWELL = 4000000, /* instructions for programs whose line is gone */
    SESSION_VISITOR_FILE_MAX =
        65536, /* of /etc/passwd and the like: a longer one counts as the image's */
};

enum session_visitor_state {
    SESSION_VISITOR_NEW,
    SESSION_VISITOR_ASKED,    /* a login waits for the recorder */
    SESSION_VISITOR_CHECKING, /* it waits for `machine` */
    SESSION_VISITOR_HERE,
    SESSION_VISITOR_GONE, /* `left` goes to the recorder */
};

struct session_visitor {
    enum session_visitor_state state;
    struct frame_visit_ask question; /* the last one */
    bool held; /* it is not asked yet: what he left in another connection is on its way */
    int64_t asked_us, look_us;
    struct buffer user, password; /* of the login that waits; the password may be ... */
    struct buffer algorithm;      /* ... a public key of this name */
    bool with_key, is_signed;
    struct frame_visitor keys, before; /* his; and those of the one who was here before */
    bool known, same_user, same_login; /* with that one */
    bool same_address;                 /* he was found by it */
    bool
        stranger; /* no machine with passwords of its own is known by the address: no need to ask again */
    bool looked;                           /* his files were asked for, to check a password */
    struct kernel *machine;                /* one of his, that checks a password; NULL: none */
    int program;                           /* of it */
    struct buffer found;                   /* what he left before, then */
    struct buffer left;                    /* what he leaves */
    size_t told;                           /* of that */
    bool leaves;                           /* a frame at least is to be put */
    struct session_connection *going_next; /* of those whose frames the recorder has not taken */
};

void session_visitor_init(struct session_connection *c);
void session_visitor_fini(struct session_connection *c);

/* The first `bytes` of a digest over the parts, which no other parts have. 0 or ERR_CRYPTO. */
int session_visitor_key(const struct session_connection *c, const struct span *parts, size_t count,
                        uint8_t *out, size_t bytes);

/* A password: asks who gives it, if it may be that he is remembered and that matters; `right`: the policy takes it. True:
 * the login waits, and session_login_decide follows. */
bool session_visitor_ask(struct session_connection *c, struct span user, struct span password,
                         bool right);
/* A public key that is offered, or has signed. */
struct session_offer {
    struct span user, algorithm, blob;
    bool is_signed;
};
/* The same of one that `name` offers: session_login_key follows. */
bool session_visitor_ask_key(struct session_connection *c, struct span name,
                             const struct session_offer *offer);
/* After it: the account into which the key lets him. False: into none. */
bool session_visitor_account(struct session_connection *c, struct span name,
                             struct session_account *account);

enum session_visitor_check {
    SESSION_CHECK_POLICY, /* the policy decides */
    SESSION_CHECK_WRONG,  /* no such account, or not its password */
    SESSION_CHECK_RUNNING, /* the login waits: session_login_checked follows, or session_login_decide again */
};
/* Once it is known who gives a password: whether his machine has one of its own for the account. `account` is
 * that of the machine, when it has. */
enum session_visitor_check session_visitor_check(struct session_connection *c, struct span user,
                                                 struct span password,
                                                 struct session_account *account);
/* Runs the machine that checks. */
bool session_visitor_run(struct session_connection *c, uint64_t budget);
/* A login waits, for an answer or a machine. */
bool session_visitor_is_awaited(const struct session_connection *c);
/* A part of the answer. False: it is for another connection. */
bool session_visitor_answer(struct session_connection *c, const struct frame_visit *visit);
/* A question that was held is asked; an answer that does not come is given up. */
void session_visitor_tick(struct session_connection *c);
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
