/* URLs of the kind "scheme://host:port/path?query" (RFC 3986), for clients. Pure. */
#ifndef REEL_URL_H
#define REEL_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REEL_URL_MAX      8000 /* bytes of a URL */
#define REEL_URL_HOST_MAX 253  /* bytes of its host */

/* The parts of a URL: pointers into the text that was parsed, without NULs at their ends. */
struct reel_url {
    const char *scheme; /* letters as written: compare with reel_url_is */
    size_t scheme_len;
    const char *user; /* what stands before an @, undecoded; len 0: nothing */
    size_t user_len;
    const char *host; /* a name or an address, without brackets */
    size_t host_len;
    uint16_t port; /* the scheme's default filled in (http, ws 80; https, wss 443); else 0: none */
    bool port_given;
    bool is_ipv6;       /* the host stood in brackets */
    const char *target; /* path and query: what is asked for. Empty: "/" is meant */
    size_t target_len;
    const char *fragment; /* without its #; len 0: none */
    size_t fragment_len;
};

/* Takes a URL apart. Visible ASCII only, and no byte that RFC 3986 does not have; a host of letters,
 * digits, dots, dashes and underscores, or an IPv6 address in brackets. 0; -EINVAL: it is none, or
 * has no host; -ENAMETOOLONG: above REEL_URL_MAX or its host above REEL_URL_HOST_MAX. */
int reel_url_parse(const char *text, size_t len, struct reel_url *out);

/* Whether this is its scheme, any case. */
bool reel_url_is(const struct reel_url *url, const char *scheme_z);

/* What `reference` (as in Location: a URL, or a part of one) means when it is found at `base`: RFC 3986,
 * section 5.2, with the dots taken out of the path. Writes the URL and a NUL. Its length, -EINVAL or
 * -ENAMETOOLONG as above or when it does not fit. */
int reel_url_join(const char *base, size_t base_len, const char *reference, size_t reference_len,
                  char *out_z, size_t size);

#ifdef __cplusplus
}
#endif

#endif
