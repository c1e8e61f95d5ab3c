/* `lured audit`: asks a machine what published detectors of honeypots ask, and says what gives it
 * away. In two halves: collecting (collect.c) talks to it, judging (judge.c, the checks) looks at what
 * it said and does nothing else.
 *
 * Sources: Vetterl and Clayton, "Bitter Harvest" (WOOT 2018), for the protocol; the public detectors of
 * Kippo and Cowrie for the answers, logins and defaults; the rest is what a real machine cannot help
 * doing: agree with itself. */
#ifndef AUDIT_H
#define AUDIT_H

#include "base/buffer.h"

enum {
    AUDIT_TEXT_MAX = 64 * 1024, /* of an answer; the rest is dropped */
    AUDIT_DETAIL_SIZE = 160,
    AUDIT_SCORE_MAX = 100,
    AUDIT_LOGINS_MAX = 64,
};

enum audit_question {
#define ASK(symbol, command) AUDIT_##symbol,
#include "audit/facts.def"
#undef ASK
    AUDIT_QUESTIONS
};

extern const char *const audit_commands_z[AUDIT_QUESTIONS];

/* What a program said. */
struct audit_answer {
    bool asked;             /* it was run to its end */
    int status;             /* its exit status; -1: none came */
    struct buffer out, err; /* standard output, standard error */
    int64_t took_us;
    int64_t now_s; /* our clock when it ended */
};

enum audit_list { AUDIT_KEX, AUDIT_HOSTKEYS, AUDIT_CIPHERS, AUDIT_MACS, AUDIT_LISTS };

/* What came back for bytes that no client sends. */
struct audit_reply {
    bool asked;
    bool closed;          /* the server ended the connection */
    struct buffer before; /* behind the version line, as text or packets */
    bool kexinit;         /* a KEXINIT was among it ... */
    struct buffer after;  /* ... and this is what followed */
};

struct audit_login {
    const char *user_z, *password_z;
};

struct audit_facts {
    struct buffer version;            /* the line */
    bool early_kexinit;               /* bytes came behind it before we had said anything */
    struct buffer lists[AUDIT_LISTS]; /* of the server's KEXINIT */
    struct audit_reply bad_version, bad_length, no_common;

    unsigned strangers;   /* logins with random passwords that were taken */
    int64_t refusal_us;   /* how long a refusal took at the least; 0: none was seen */
    char published_z[64]; /* the account of a published honeypot that works; empty: none */
    unsigned passwords;   /* known ones of the account that work; no more than two are looked for */
    bool logged_in;
    char user_z[64];
    char local_ip_z[64], peer_ip_z[64];
    uint16_t local_port, peer_port;
    struct buffer hostkey; /* that signed, as base64 */
    bool kept_asked, kept; /* a file was looked for in a second connection, and was there */

    struct audit_answer answers[AUDIT_QUESTIONS];
};

void audit_facts_init(struct audit_facts *facts);
void audit_facts_fini(struct audit_facts *facts);

struct audit_target {
    const char *host_z, *port_z;
    const struct audit_login *logins; /* tried in this order until one works */
    size_t login_count;
    bool brief; /* only what comparing needs */
    /* Told before each part, for people who wait. May be NULL. */
    void (*on_step)(const char *what_z);
};

/* Asks. 0; or a negative error and a sentence about it when the server cannot be reached at all or
 * speaks no SSH. That no login works is no error. */
int audit_collect(const struct audit_target *target, struct audit_facts *facts,
                  char why_z[AUDIT_DETAIL_SIZE]);

struct audit_check {
    const char *id_z, *group_z;
    unsigned weight; /* 0: a note */
    const char *what_z;
};
size_t audit_checks(const struct audit_check **checks); /* all of them */

struct audit_finding {
    const struct audit_check *check;
    char detail_z[AUDIT_DETAIL_SIZE]; /* what was seen; may be empty */
};

/* Looks at what was collected; `other` (may be NULL) is another machine to compare with. At most one
 * finding a check; `findings` has room for all. How many. Pure. */
size_t audit_judge(const struct audit_facts *facts, const struct audit_facts *other,
                   struct audit_finding *findings);

/* The weights together, at most AUDIT_SCORE_MAX. */
unsigned audit_score(const struct audit_finding *findings, size_t count);

#endif
