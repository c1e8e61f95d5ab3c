/* The two halves of the machine: heads (http1_head.c) and bodies (http1.c). */
#ifndef HTTP_HTTP1_INSIDE_H
#define HTTP_HTTP1_INSIDE_H

#include "http/http1.h"

enum http1_state {
    STATE_FIRST_LINE,
    STATE_FIELDS,
    STATE_BODY,        /* of a length, or to the end of the connection */
    STATE_CHUNK_SIZE,  /* its digits */
    STATE_CHUNK_BLANK, /* white space behind them */
    STATE_CHUNK_EXTENSION,
    STATE_CHUNK_LF, /* of its line */
    STATE_CHUNK_DATA,
    STATE_CHUNK_CR, /* behind the data */
    STATE_CHUNK_DATA_LF,
    STATE_TRAILERS,
    STATE_END,
    STATE_ERROR,
};

/* Looks at what has come of a head, or of the trailers. 1: it is complete, and p->at its length;
 * 0: it needs more; below 0: minus an http1_error. */
int http1_head_lines(struct http1_parser *p, struct span in);
int http1_trailer_lines(struct http1_parser *p, struct span in);

/* A complete head: fills in `head` and the machine's framing. 0, or minus an http1_error. */
int http1_head_done(struct http1_parser *p, struct span in, struct http1_head *head);

#endif
