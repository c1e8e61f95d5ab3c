/* A connection to an SSH server, one step at a time, each of which waits for its answer: this program
 * has nothing else to do. Every step gives up after AUDIT_WAIT_MS without a byte, and after AUDIT_STEP_MS
 * whatever comes. */
#ifndef AUDIT_LINK_H
#define AUDIT_LINK_H

#include "audit/audit.h"
#include "ssh/client.h"

enum {
    AUDIT_WAIT_MS = 20000,  /* without a byte */
    AUDIT_STEP_MS = 120000, /* of one that always has another: no answer takes so long */
    AUDIT_QUIET_MS =
        1500, /* after which a server that says nothing is taken to have nothing to say */
    AUDIT_PACKET = 32768,
};

int64_t audit_now_us(void); /* of a clock that only goes on */

/* A connected socket, or -errno. */
int audit_connect(const char *host_z, const char *port_z);

/* Reads into `in` until the other side closes (true), or is quiet for so long, or `in` is full, or
 * AUDIT_WAIT_MS are over. */
bool audit_read(int fd, struct buffer *in, int quiet_ms);

/* All of it, or -errno. */
int audit_write(int fd, struct span bytes);

struct audit_link {
    int fd;
    struct ssh_client *client;
    int64_t until_us; /* when the step that is going on gives up */
};

/* Connects and exchanges keys. 0, or a negative error; link_close in any case. */
int audit_link_open(struct audit_link *l, const struct audit_target *target,
                    const struct crypto_suite *suite);
void audit_link_close(struct audit_link *l);

/* Asks for authentication; once, before the first login. 0 or a negative error. */
int audit_link_service(struct audit_link *l);
/* 1: let in; 0: refused; or a negative error. */
int audit_link_login(struct audit_link *l, const char *user_z, const char *password_z);
/* Runs a command. 0 or a negative error. */
int audit_link_run(struct audit_link *l, const char *command_z, struct audit_answer *answer);

#endif
