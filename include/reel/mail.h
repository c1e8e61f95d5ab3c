/* A mail message as text: headers and a plain text body (RFC 5322, RFC 2045 to 2047). Pure. What a
 * server may be sent with reel/smtp.h. */
#ifndef REEL_MAIL_H
#define REEL_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REEL_MAIL_ADDRESS_MAX 254 /* bytes of an address (RFC 5321, 4.5.3.1.3) */
#define REEL_MAIL_LINE_MAX    998 /* bytes of a line, without its end (RFC 5322, 2.1.1) */

/* All texts are UTF-8. Fields may be NULL or zero where it says so. */
struct reel_mail {
    const char *from_z;      /* "alerts@example.org" */
    const char *from_name_z; /* NULL: none */
    const char *const *to_z; /* the addresses shown; at least one */
    size_t to_count;
    const char *subject_z; /* NULL: none */
    const char *text_z;    /* the body; lines end with LF or CRLF. NULL: empty */
    int64_t date_s;        /* seconds since 1970, shown in UTC */
    const char *id_z; /* the left side of the Message-ID, unique; its right side is the domain of
                            * `from_z`. Letters, digits and -._ only. */
};

/* Whether this is an address that can be named to a server: local@domain in visible ASCII, no
 * brackets, no spaces, and so no way to smuggle a line. */
bool reel_mail_is_address(const char *address_z);

/* Writes the message, with CRLF line ends: ASCII lines only (what is not goes by RFC 2047 in
 * headers, by base64 in the body), none longer than the maximum. Nothing in the fields can make a
 * header of its own: one with a CR, LF or NUL, or that is not UTF-8, is refused.
 * The length, which may be larger than `size`: then nothing but a part was written and a second
 * call with so much room succeeds. -EINVAL: a field is refused. */
int64_t reel_mail_write(const struct reel_mail *mail, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
