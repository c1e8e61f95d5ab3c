/* A client's connection to an SSH server: the client machine of the tests over a socket, one step at
 * a time. What goes wrong ends the program: a benchmark of something else would be no benchmark. */
#ifndef BENCH_SSH_LINK_H
#define BENCH_SSH_LINK_H

#include "keys.h"

struct tape;

struct link {
    int fd;
    struct ssh_client *client;
    struct tape *tape; /* NULL: it is not recorded */
};

/* Prints to standard error and exits. */
_Noreturn void fail(const char *format_z, ...) __attribute__((format(printf, 1, 2)));

int64_t now_ns(void);

/* Algorithms for all links: curve25519, Ed25519, chacha20-poly1305. Host keys are not checked. */
void link_set_up(struct keys_ring *ring);

/* A socket that is connected to this port of the loopback, with TCP_NODELAY. */
int connect_to(int port);

/* Connects; nothing is sent or received yet. */
void link_open(struct link *l, const struct keys_ring *ring, int port);

/* Closes at once. */
void link_close(struct link *l);

/* The steps of a session; each returns when the server's answer is there. */
void link_version(struct link *l); /* the server's line */
void link_kexinit(struct link *l); /* version line and KEXINIT are sent, its KEXINIT has come */
void link_keys(struct link *l);    /* its reply and NEWKEYS */
void link_service(struct link *l);
void link_none(struct link *l, const char *user_z);
void link_ask_password(struct link *l, const char *user_z, const char *password_z); /* sent */
bool link_is_let_in(struct link *l); /* the answer to it: SUCCESS, not FAILURE */
void link_hostkeys(struct link *l);  /* the announcement that follows a login */
void link_channel(struct link *l);
void link_shell(struct link *l);                        /* a terminal and a shell, to its prompt */
void link_start(struct link *l, const char *command_z); /* to CHANNEL_SUCCESS */
void link_finish(struct link *l);                       /* to the program's CLOSE; answers it */

/* At a shell's prompt. */
void link_type(struct link *l, const char *text_z);
void link_expect(struct link *l, const char *text_z); /* until this has come, in whole */
void link_settle(struct link *l, int quiet_ms);       /* until nothing comes for so long */

/* The first four and a password that works, or not. */
void link_log_in(struct link *l, const char *user_z, const char *password_z);

#endif
