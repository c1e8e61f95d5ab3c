/* The messages of SOCKS 4, 4a and 5, as a server reads and writes them. Pure. */
#ifndef REEL_SOCKS_MESSAGE_H
#define REEL_SOCKS_MESSAGE_H

#include <reel/address.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum socks_stage {
    SOCKS_GREETING, /* version 5: methods (RFC 1928, section 3); version 4: the whole request */
    SOCKS_LOGIN,    /* RFC 1929, section 2 */
    SOCKS_REQUEST,  /* RFC 1928, section 4 */
};

enum {
    SOCKS_TEXT_MAX = 255,
    SOCKS_MESSAGE_MAX = 9 + 2 * SOCKS_TEXT_MAX + 1, /* the longest message */
    SOCKS_REPLY_MAX = 22,
    SOCKS_COMMAND_CONNECT = 1,
};

struct socks_message {
    int version;
    bool offers_none, offers_login; /* greeting, version 5 */
    int command;                    /* request */
    bool bad_address;               /* request: of a type that there is not */
    uint16_t port;
    char host_z[SOCKS_TEXT_MAX + 1]; /* an address as text, or a name */
    char user_z[SOCKS_TEXT_MAX + 1], password_z[SOCKS_TEXT_MAX + 1];
};

/* How many bytes the message has; 0: it is not whole; -EPROTO: it is none. `len` at least 1. */
int reel_socks_parse(enum socks_stage stage, const uint8_t *data, size_t len,
                     struct socks_message *out);

/* RFC 1928, section 6. */
enum socks_result {
    SOCKS_OK,
    SOCKS_FAILED,
    SOCKS_NOT_ALLOWED,
    SOCKS_NET_UNREACHABLE,
    SOCKS_HOST_UNREACHABLE,
    SOCKS_REFUSED,
    SOCKS_EXPIRED,
    SOCKS_NO_COMMAND,
    SOCKS_NO_ADDRESS,
    SOCKS_NO_LOGIN, /* version 4 only: told as 93 */
};

enum socks_result reel_socks_result(int err);

/* The answer to a request; `bound` is our end of the connection. Its size. */
size_t reel_socks_reply(int version, enum socks_result result, const struct reel_address *bound,
                        uint8_t out[SOCKS_REPLY_MAX]);

#endif
