/* Dates of HTTP (RFC 9110, section 5.6.7). */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "base/span.h"

#define HTTP_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Seconds since 1970, from the year 0 to 9999. With a NUL. */
void http_date_format(int64_t seconds, char out_z[HTTP_DATE_LEN + 1]);

/* Any of the three forms. False: it is none. `now` tells the century of two-digit years. */
bool http_date_parse(struct span text, int64_t now, int64_t *out);

#endif
