/* The public keys of an authorized_keys file (sshd(8), AUTHORIZED_KEYS FILE FORMAT). */
#ifndef SESSION_AUTHORIZED_H
#define SESSION_AUTHORIZED_H

#include "base/buffer.h"

enum { SESSION_AUTHORIZED_KEY_MAX = 4096 }; /* bytes of a key's blob: larger ones are skipped */

/* Takes lines off `text` up to the first with a key. True: *type is its name, borrowed from the text, and `blob`
 * has its bytes, which begin with that name. False: there are no more, or no memory. */
bool session_authorized_next(struct span *text, struct span *type, struct buffer *blob);

#endif
