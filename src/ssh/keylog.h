/* The secrets of an exchange as lines of Wireshark's SSH key log, for whoever wants to read a
 * captured connection. Pure. */
#ifndef SSH_KEYLOG_H
#define SSH_KEYLOG_H

#include "base/buffer.h"

enum {
    SSH_COOKIE_BYTES = 16,
    SSH_KEYLOG_MAX_BYTES =
        8192, /* of one exchange: the largest group's secret, and X25519's line */
};

/* The lines of one exchange into `out`, which is emptied first and holds a secret from then on (to be
 * wiped): "COOKIE SHARED_SECRET K", and, when there is an X25519 private key, "COOKIE KEY", which is
 * what Wireshark before 4.2 reads. All in hex; K as it is hashed, without its length field. 0,
 * ERR_FULL or ERR_NOMEM. */
int ssh_keylog_put(struct buffer *out, struct span cookie, struct span secret,
                   struct span x25519_private);

#endif
