/* The ioctls of interfaces, netdevice(7), with which ifconfig, route and arp work. */
#ifndef KERNEL_NET_IOCTL_H
#define KERNEL_NET_IOCTL_H

#include "kernel/socket.h"

/* 0 or -errno; -ENOTTY for what is none of them. */
int64_t net_ioctl(struct task *t, const struct socket *s, uint32_t command, uint64_t arg);

#endif
