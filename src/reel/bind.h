/* Binding sockets of any type. */
#ifndef REEL_BIND_H
#define REEL_BIND_H

#include <reel/address.h>

#include <stdint.h>

/* Binds. A Unix socket's file that nobody has open any more, left from a process that died, is
 * replaced; with `mode` (0: by the umask) the new one has these permissions. 0 or -errno. */
int reel_bind(int fd, const struct reel_address *address, uint32_t mode);

#endif
