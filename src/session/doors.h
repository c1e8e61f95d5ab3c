/* What of a machine's files lets its visitor in when he is back: accounts and passwords that are not the image's
 * (passwd(5), shadow(5), group(5)), and public keys in an authorized_keys. */
#ifndef SESSION_DOORS_H
#define SESSION_DOORS_H

#include "base/buffer.h"
#include "events/frame.h"

struct kernel;
struct session_account;
struct session_connection;

/* The key that a visitor is known by who has left the public key `blob` for `user`. 0 or ERR_CRYPTO. */
int session_doors_public(const struct session_connection *c, struct span user, struct span blob,
                         uint8_t out[FRAME_VISIT_KEY]);
bool session_doors_has_public(const struct frame_visitor *visitor, struct span key);

/* The text of his machine's /etc/group; `store` is made here and the caller's to free. */
struct span session_doors_group(struct session_connection *c, struct buffer *store);

/* An account of the machine; its texts are the connection's. False: there is none. */
bool session_doors_account(struct session_connection *c, struct kernel *machine, struct span user,
                           struct session_account *account);
/* Whether its line of /etc/shadow is the image's: then its password is the policy's. */
bool session_doors_has_old_password(const struct session_connection *c, struct kernel *machine,
                                    struct span user);
/* Runs PAM's own helper there, whose exit status is 0 when it is the account's password. The kernel's number of
 * the program, or a negative error. */
int session_doors_start_check(struct kernel *machine, struct span user, struct span password);

/* Whether an authorized_keys of his has the key, and is one that sshd reads. */
bool session_doors_has_key(struct session_connection *c, struct kernel *machine,
                           const struct session_account *account, struct span blob);

/* What he leaves on his machine, into the keys that he will be known by; new public keys are told. Of thousands
 * of accounts or keys only the first are looked at. */
void session_doors_note(struct session_connection *c);

#endif
