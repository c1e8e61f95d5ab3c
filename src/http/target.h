/* Where a request goes: the parts of its target, and what %XX stands for (RFC 3986). */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "http/http1.h"

struct http_target {
    struct span host;  /* of an absolute target; else empty */
    struct span path;  /* with its slash; "/" where an absolute target has none; "*" */
    struct span query; /* behind the question mark; data NULL: there is none */
};

/* Splits a target of the form that the machine found. */
struct http_target http_target_split(struct span target, enum http1_form form);

/* A path made plain, into `out` of at least path.len bytes. False, for what hides something from
 * those who look at paths: a % without two digits; an encoded NUL, slash or backslash; a segment "."
 * or "..", encoded or not. Empty segments stay. */
bool http_path_decode(struct span path, uint8_t *out, size_t *len);

/* The first value of a name in "a=1&b=2", decoded, with a NUL, into `out` of `size` bytes. Its
 * length; -1: there is none; -2: it does not fit; -3: it cannot be decoded, or has a NUL. */
ptrdiff_t http_form_get(struct span form, struct span name, char *out_z, size_t size);

enum { HTTP_PARAMS_MAX = 8 };

struct http_match {
    struct span rest; /* what stands for a star at the end */
    size_t param_count;
    struct {
        struct span name, value;
    } params[HTTP_PARAMS_MAX];
};

/* Whether a path fits a pattern: "/a", "/a/:name/b", "/a/" and a star. */
bool http_path_match(const char *pattern_z, struct span path, struct http_match *match);

/* Whether it is a pattern at all. */
bool http_pattern_is_good(const char *pattern_z);

#endif
