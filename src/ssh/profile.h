/* One exact SSH server, as data: what it says, in its order, and its limits. */
#ifndef SSH_PROFILE_H
#define SSH_PROFILE_H

#include "base/span.h"

struct ssh_profile;

/* OpenSSH 9.2p1 of Debian 12 ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10"). */
extern const struct ssh_profile ssh_profile_openssh_9_2p1;

/* By name ("openssh-9.2p1"); NULL when there is none. */
const struct ssh_profile *ssh_profile_find(struct span name);

#endif
