/* Starting what a client asked for, as sshd starts it: the account's shell, with the environment
 * that sshd and its PAM modules leave (session.c do_setup_env, pam_systemd, pam_env, pam_motd), or
 * dropbear (svr-chansession.c execchild). */
#ifndef SESSION_START_H
#define SESSION_START_H

#include "base/buffer.h"
#include "kernel/kernel.h"
#include "session/account.h"
#include "session/service.h"

enum session_start_kind {
    SESSION_START_SHELL,   /* argv[0] is "-bash" */
    SESSION_START_COMMAND, /* "bash -c COMMAND" */
};

enum {
    SESSION_START_ENV_MAX = 128,         /* variables, the client's included */
    SESSION_START_ARENA_BYTES = 1 << 20, /* of all strings */
};

/* When and whence an account last logged in at a terminal, since the machine began. */
struct session_last {
    uint32_t uid;
    int64_t at_ms; /* 0: nobody has */
    char from_z[KERNEL_ADDRESS_CHARS];
};

struct session_start {
    enum session_start_kind kind;
    struct span command;
    const struct persona_image *image;
    const struct session_account *account;
    struct span group;                 /* text of group(5) */
    const struct ssh_profile *profile; /* of the server: what it gives a user's program */
    const struct session_peer *peer;
    const struct kernel_terminal *terminal;  /* NULL: pipes */
    uint32_t terminal_number;                /* /dev/pts/N */
    uint32_t login_number;                   /* XDG_SESSION_ID */
    int login;                               /* as in kernel_spawn */
    const struct persona_identity *identity; /* or NULL: no last login */
    const struct session_last *last;         /* a later one than the identity's, or NULL */
    uint32_t display, screen;                /* of X11, forwarded; 0: none */
    struct span agent;                       /* path of the agent's socket; empty: none */
    int64_t now_ms;
    const struct span *client_env; /* NAME=value, accepted */
    size_t client_envc;
};

/* The program number, or -errno of the shell's exec, or ERR_NOMEM. */
int session_start(struct kernel *k, const struct session_start *start);

/* What a login shell is greeted with: /run/motd.dynamic (its second word is the host's name) and
 * /etc/motd, and when the account last logged in; or, without PAM, /etc/motd at a terminal; nothing when the home has a .hushlogin. Lines
 * end in CR LF where there is a terminal, as it shows them. Appends; 0, ERR_FULL or ERR_NOMEM. */
int session_start_greeting(const struct session_start *start, struct span hostname,
                           struct buffer *out);

#endif
