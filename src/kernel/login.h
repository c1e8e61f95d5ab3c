/* Logins: the visitor's, and those of his that come over connections within the machine. The processes that
 * seem to stand above his programs, and what is told of them. */
#ifndef KERNEL_LOGIN_H
#define KERNEL_LOGIN_H

#include "kernel/machine.h"

enum { LOGIN_OWN = -1 }; /* the visitor's; the others count from 0 */

/* NULL: there is none of that number. One that is over is still there. */
struct login *login_at(const struct kernel *k, int number);
bool login_is_on(const struct kernel *k, int number);

/* The processes of a login, by their numbers. */
enum login_process { LOGIN_MONITOR, LOGIN_MANAGER, LOGIN_PAM, LOGIN_WORKER, LOGIN_PROCESSES };
/* 0: nobody has logged in, or has not such a process. */
int32_t login_pid(const struct kernel *k, const struct login *l, enum login_process which);
/* Whose process it is that has the number, and which; or NULL. */
const struct login *login_find(const struct kernel *k, int32_t pid, enum login_process *which);
/* Of which login a process is. */
const struct login *login_of(const struct kernel *k, const struct process *p);

/* A terminal was opened for it. */
void login_note_terminal(struct kernel *k, int number, unsigned tty);
/* The connection is gone: what was started goes on under the first process. */
void login_end(struct kernel *k, int connection);
/* For the machine's end: connections that nobody has answered go too. */
void login_end_all(struct kernel *k);

#endif
