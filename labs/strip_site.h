/* The site of the strip lab: a shop, over TLS only. */
#ifndef LABS_STRIP_SITE_H
#define LABS_STRIP_SITE_H

#include <reel/reel.h>

/* Listens at `where`. With `hsts` its answers say Strict-Transport-Security. Exits with 1 and a
 * sentence when there can be none. The site, to be freed by reel_http_site_free. */
struct reel_http_site *strip_site_start(struct reel_reactor *reactor,
                                        const struct reel_address *where, bool hsts);

#endif
