/* The two things that the strip lab does with a request: fetch and strip, or refuse. */
#ifndef LABS_STRIP_PROXY_H
#define LABS_STRIP_PROXY_H

#include <reel/reel.h>

#include "lab_hosts.h"

struct strip {
    const struct lab_hosts *hosts;
    struct reel_http_client *client; /* which connects to these hosts only */
};

/* Handlers of routes; `strip` is a struct strip. */

/* "GET http://shop.lab/...": fetched over TLS, handed on without. 403 for all other hosts. */
void strip_forward(struct reel_http_request *request, void *strip);

/* "CONNECT shop.lab:443": bytes both ways, unseen; for clients that insist on TLS. 403 for all other
 * hosts. */
void strip_tunnel(struct reel_http_request *request, void *strip);

#endif
