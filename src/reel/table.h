/* A table of names in place of DNS (reel_resolver_use_table), and answers that are there at once. */
#ifndef REEL_TABLE_H
#define REEL_TABLE_H

#include <reel/resolver.h>

struct reel_deferred *reel_table_resolve(struct reel_reactor *r, const char *name_z, uint16_t port,
                                         int family);
struct reel_deferred *reel_table_name_of(struct reel_reactor *r,
                                         const struct reel_address *address);

/* Those of `list` that are of the family (AF_UNSPEC: all), with the port. Freed by reel_answer_free.
 * NULL: out of memory. */
struct reel_addresses *reel_addresses_new(struct reel_reactor *r, const struct reel_address *list,
                                          size_t count, uint16_t port, int family);

/* Fired deferreds: the same (none is -ENODATA), and one name. NULL: out of memory. */
struct reel_deferred *reel_answer_addresses(struct reel_reactor *r, const struct reel_address *list,
                                            size_t count, uint16_t port, int family);
struct reel_deferred *reel_answer_name(struct reel_reactor *r, const char *name, size_t len);

#endif
