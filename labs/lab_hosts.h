/* The lab file of `strip`: the only hosts it goes to, all of them on this machine. */
#ifndef LABS_LAB_HOSTS_H
#define LABS_LAB_HOSTS_H

#include <reel/reel.h>

enum { LAB_HOSTS_MAX = 16, LAB_HOST_NAME_MAX = 64 };

struct lab_host {
    char name[LAB_HOST_NAME_MAX];
    struct reel_address address;
};

struct lab_hosts {
    struct reel_dialer
        dialer; /* connects to these and to nothing else, whatever the port asked for */
    int count;
    struct lab_host hosts[LAB_HOSTS_MAX];
};

/* Reads lines "NAME ADDRESS:PORT". Exits with 1 and a sentence when one of them is wrong, or is not a
 * loopback address. */
void lab_hosts_read(struct lab_hosts *hosts, const char *path_z);

/* NULL: not of the lab. Case does not matter. */
const struct lab_host *lab_hosts_find(const struct lab_hosts *hosts, const char *name, size_t len);

/* Whether an address is of this machine alone. */
bool lab_is_loopback(const struct reel_address *address);

#endif
