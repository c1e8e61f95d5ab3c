/* The letters of HTTP (RFC 9110, section 5.6): tokens, lists, case. */
#ifndef HTTP_TOKEN_H
#define HTTP_TOKEN_H

#include "base/span.h"

enum http_class {
    HTTP_CLASS_TOKEN = 1,  /* tchar */
    HTTP_CLASS_VALUE = 2,  /* of a field's value: HTAB, SP, VCHAR, obs-text */
    HTTP_CLASS_TARGET = 4, /* of a request's target */
    HTTP_CLASS_HOST = 8,   /* of a Host field */
    HTTP_CLASS_HEX = 16,
};

extern const uint8_t http_class[256];

/* Whether all bytes are of this class. True for none. */
bool http_is_all(struct span text, enum http_class class);

/* A token: at least one byte, all of them tchar. */
bool http_is_token(struct span text);

/* The same bytes. */
bool http_is(struct span text, const char *word_z);

/* The same but for the case of letters. */
bool http_equal(struct span text, const char *word_z);
bool http_equal_bytes(const uint8_t *a, const uint8_t *b, size_t len);

/* Without SP and HTAB at both ends. */
struct span http_trim(struct span text);

/* Takes the next element off a list parted by commas (outside of quoted strings), trimmed; empty
 * ones are left out. False: no more. */
bool http_list_next(struct span *rest, struct span *element);

/* Whether a list of tokens has this one, any case. */
bool http_list_has(struct span list, const char *token_z);

/* A number of digits alone, at most 19 places. False: it is none, or above INT64_MAX. */
bool http_number(struct span text, uint64_t *out);

/* 0 to 15, or -1. */
int http_hex(uint8_t c);

#endif
