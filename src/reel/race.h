/* Happy Eyeballs (RFC 8305): a transport that waits for the first of several addresses to answer. */
#ifndef REEL_RACE_H
#define REEL_RACE_H

#include <reel/tcp.h>

/* See reel_connect_host, whose work it does for names. */
int reel_race_host(struct reel_reactor *r, const char *host_z, uint16_t port,
                   const struct reel_connect_options *options, const struct reel_factory *factory,
                   struct reel_transport **out);

/* To one address, in virtual time. */
int reel_race_address(struct reel_reactor *r, const struct reel_address *address,
                      const struct reel_connect_options *options,
                      const struct reel_factory *factory, struct reel_transport **out);

/* A wire's end without the other one yet, and the other one: the server that answers. Both are made
 * from the loop. 0 or -ENOMEM. */
int reel_wire_new(struct reel_reactor *r, const struct reel_factory *factory,
                  struct reel_transport **out);
int reel_wire_join(struct reel_transport *t, const struct reel_factory *server);

#endif
