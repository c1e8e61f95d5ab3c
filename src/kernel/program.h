/* Programs: what kernel_spawn starts, and their doors. */
#ifndef KERNEL_PROGRAM_H
#define KERNEL_PROGRAM_H

#include "kernel/task.h"

struct pipe;

struct program {
    int number;
    struct tty *tty;             /* or, when NULL: */
    struct pipe *in, *out, *err; /* a pipe that is gone is NULL */
    struct socket *socket;       /* all that a connection or a listener has (link.c) */
    bool is_private;             /* the folder of the socket's path goes with it */
    struct process *process;     /* NULL once it has ended */
    int login;                   /* whose it is (login_at) */
    int32_t monitor;             /* of a connection that was answered: sshd's process for it */
};

/* Closes the socket of a connection or a listener (link.c). */
void program_close_socket(struct program *program);

/* What the user that something is started for may do. */
void program_creds(const struct kernel_spawn *user, struct creds *out);

/* A number with the doors of a connection, which passes to it; or -EAGAIN, -ENOMEM. */
int program_of_socket(struct kernel *k, struct socket *s);
struct socket *program_socket(const struct kernel *k, int program); /* or NULL */

/* A process without program: a session of its own, nothing open, the user's rights. `pid` is its number, which
 * nobody else has; 0: the next. NULL: out of memory. */
struct task *program_new_leader(struct kernel *k, const struct kernel_spawn *spawn, int32_t pid);
/* It executes what is to be started. 0 or -errno, and then it is as before. */
int program_exec(struct task *t, const struct kernel_spawn *spawn);

/* A process became a zombie: KERNEL_DONE if it is a program's own. */
void program_process_ended(struct kernel *k, struct process *p);

/* Its resource limits are those that a program is started with. */
bool program_has_default_limits(const struct process *p);

/* The visitor is gone altogether. */
void program_free_all(struct kernel *k);

#endif
