/* Sending an answer's bytes when its turn is there. */
#ifndef REEL_HTTP_ANSWER_H
#define REEL_HTTP_ANSWER_H

#include "reel/http/site.h"

#include <sys/uio.h>

/* To the client, or behind what waits for the request's turn; all or nothing. 0, -EPIPE, -ENOBUFS,
 * -ENOMEM. */
int reel_answer_out(struct reel_http_request *q, const struct iovec *parts, int count);

#endif
