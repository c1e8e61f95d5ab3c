/* The server machine and the test client, pumped against each other in virtual time, with the
 * simplest of sessions behind the server. What both sides saw is kept as lines of text. */
#ifndef TESTS_SSH_PAIR_H
#define TESTS_SSH_PAIR_H

#include "keys.h"
#include "ssh/profile.h"
#include "ssh/ssh.h"

enum pair_split { PAIR_WHOLE, PAIR_BYTES, PAIR_RANDOM };

struct pair {
    struct keys_ring own; /* used unless another was given */
    struct ssh *ssh;
    struct ssh_client *client;
    int64_t now_us;
    enum pair_split split;
    struct crypto_rng rng;
    bool eof_sent;          /* the client shut its side down */
    bool ended;             /* the server closed, and all it sent arrived */
    bool silent;            /* keep no lines (large transfers) */
    size_t flip_at;         /* the client's byte that arrives with a bit flipped; SIZE_MAX: none */
    size_t flip_back_at;    /* the same for the server's bytes */
    size_t cut_at;          /* so many of the client's bytes arrive, then its end; SIZE_MAX: all */
    size_t to_server;       /* bytes that went there */
    size_t to_client;       /* and here */
    struct buffer *record;  /* unless NULL: the client's bytes as they were sent */
    struct buffer messages; /* lines: what the client got */
    struct buffer events;   /* lines: what the session was told */
    struct buffer input;    /* channel data that the session got */
    struct buffer output;   /* channel data that the client got */
    struct buffer pending;  /* what the session still wants to write on channel 0 */
    uint32_t forwarded;     /* a port that the session listens at; 0: none */
    size_t consume_limit;   /* the session gives window back only for so many bytes */
};

/* The only login that works: any user but root with the password "secret". */
void pair_init(struct pair *p, const struct ssh_profile *profile,
               const struct ssh_client_options *options, enum pair_split split, uint8_t seed);

/* The same with a ring that outlives the pair. */
void pair_init_on(struct pair *p, const struct keys_ring *ring,
                  const struct ssh_client_options *options, enum pair_split split, uint8_t seed);
void pair_fini(struct pair *p);

/* Until nothing moves any more; waits of the server are waited for if `may_wait`. */
void pair_pump(struct pair *p, bool may_wait);

/* Sends a message composed from tokens (see compose.h) and pumps. */
void pair_say(struct pair *p, const char *tokens_z);

/* Service request, password, an open session channel (0), with their lines dropped. */
void pair_login(struct pair *p);
void pair_open(struct pair *p);

/* Whether the line is among the messages or events. */
bool pair_saw(const struct buffer *lines, const char *line_z);

#endif
