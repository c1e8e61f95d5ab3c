/* Kinds of machines: what the kernel shows of one that neither its image nor its identity says. The
 * image's own shell tells the kind, by the processor that it is made for: a server of x86-64, a small
 * router of MIPS, a small board of ARM. */
#ifndef KERNEL_KIND_H
#define KERNEL_KIND_H

#include "base/span.h"

struct abi;
struct hardware;
struct mount;          /* mount.h */
struct persona_image;  /* persona/image.h */
struct service_table;  /* service.h */
struct socket_service; /* socket.h */

/* What a login brings into the process table: the SSH server's and systemd's (service.h). */
struct kind_login {
    int32_t listener; /* its parent, in the table of services */
    bool has_systemd; /* two processes of it, named after who it is, and systemd's two for the user;
                         else one that is as its parent */
};

struct kind {
    const struct abi *abi, *also;    /* whose programs it runs; NULL: no second one */
    const struct hardware *hardware; /* without an identity */
    const char *cpuinfo_z;           /* /proc/cpuinfo; NULL: made from the hardware */
    bool is_small;                   /* memory and flash of a device; no systemd */
    struct kind_login login;
    const struct service_table *services;
    const struct mount *mounts;
    const struct socket_service *listeners;
    size_t mount_count, listener_count;
};

/* Never NULL: a server where the image has no shell, or is NULL. */
const struct kind *kind_of(const struct persona_image *image);

/* A server's. */
extern const struct kind kind_server;

#endif
