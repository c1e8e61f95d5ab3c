/* The hash of the visitor's password in /etc/shadow: of the account that he came in with, it is that of the password
 * that let him in. It is made when a program opens the file for the first time, in pieces that count as
 * instructions, and so only for those who look. */
#ifndef KERNEL_SECRET_H
#define KERNEL_SECRET_H

#include "base/span.h"

struct kernel;
struct secret;
struct task;
struct vfs_at;

enum { SECRET_PASSWORD_MAX = 512 }; /* CRYPT_MAX_PASSPHRASE_SIZE of crypt(3) */

/* `password` is copied. NULL: there is none that crypt(3) would take, or no memory. */
struct secret *secret_new(struct span password);
void secret_free(struct secret *secret); /* takes NULL */

/* The path is about to be opened: whether it is /etc/shadow, may be read, and its hash is still to be made. Then the
 * caller answers with secret_work, until it is not, and nothing has seen the file opened. */
bool secret_is_awaited(struct kernel *k, const struct vfs_at *at, struct span path);
int64_t secret_work(struct task *t);

#endif
