/* The hosts file (hosts(5)): lines of an address and its names. Pure. */
#ifndef REEL_HOSTS_H
#define REEL_HOSTS_H

#include <reel/address.h>

#include <stdbool.h>
#include <stddef.h>

/* The addresses of a name, of any family, with port 0; at most `max` into `out`. Their number. Case
 * does not matter, nor does a dot at the end of `name_z`. Lines that make no sense are passed over. */
size_t reel_hosts_find(const char *text, size_t len, const char *name_z, struct reel_address *out,
                       size_t max);

/* The first name of an address, which lies in `text`; its length, 0: none. */
size_t reel_hosts_name_of(const char *text, size_t len, const struct reel_address *address,
                          const char **name);

#endif
