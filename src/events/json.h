/* JSON, written straight into a buffer: ASCII only, so that a line is safe to print on any
 * terminal. An error sticks; json_end tells. Commas are the writer's care. */
#ifndef EVENTS_JSON_H
#define EVENTS_JSON_H

#include "base/buffer.h"

struct json {
    struct buffer *out;
    size_t start; /* length of the buffer before: an error goes back to it */
    int error;
    bool comma; /* a comma comes before the next member or item */
};

struct json json_begin(struct buffer *out);

/* 0, or the first error, after which the buffer is as it was at json_begin. */
int json_end(struct json *j);

/* The punctuation { } [ ]. */
void json_open(struct json *j, char bracket);
void json_close(struct json *j, char bracket);

/* "name": of the next member. Names are ours and need no escapes. */
void json_name(struct json *j, const char *name_z);

/* The same of a name that was written before, with its quotes and colon. */
void json_key(struct json *j, struct span key);
#define JSON_KEY(name) "\"" name "\":"

void json_number(struct json *j, int64_t value);
void json_seconds(struct json *j, int64_t value_ms);
void json_bool(struct json *j, bool value);
void json_text(struct json *j, struct span text);

/* A string made of parts: quote, any parts, quote. */
void json_quote_open(struct json *j);
void json_quote_close(struct json *j);

/* A number inside a string. */
void json_number_part(struct json *j, int64_t value);

/* Decimal digits of the value, zeros in front up to the width (at most JSON_DIGITS_MAX). How many. */
#define JSON_DIGITS_MAX 20
size_t json_digits(uint64_t value, size_t width, char out[JSON_DIGITS_MAX]);

/* Bytes inside a string: UTF-8 is kept (as \u escapes), any other byte becomes the four characters
 * \xNN, as Python's backslashreplace writes them. */
void json_part(struct json *j, struct span text);

/* Bytes inside a string; each byte that is not UTF-8 becomes U+FFFD. True when there was one. */
bool json_part_lossy(struct json *j, struct span text);

/* Bytes inside a string, every byte outside 0x20-0x7e as \xNN and the backslash doubled. */
void json_part_ascii(struct json *j, struct span bytes);

#endif
