/* systemd's bus in the machine: its two sockets, and what the bus asks the kernel. */
#ifndef KERNEL_BUS_HOST_H
#define KERNEL_BUS_HOST_H

#include "base/span.h"

struct socket;
struct kernel;
struct task;

/* True when somebody seems to listen there: PID 1's private socket, or the system bus. */
bool bus_host_listens(const struct task *t, struct span path);
/* Connects a socket with it. 0 or -ENOMEM. */
int bus_host_connect(struct task *t, struct socket *s, struct span path);
/* What a client sent to the bus's end of its connection; the answers are on their way at once. */
void bus_host_feed(struct socket *end, struct span bytes);

/* A job of a unit that really runs (unit.h) is over: all who are on a bus hear of it. */
void bus_host_job_done(struct kernel *k, uint32_t job, const char *unit_z, const char *result_z);

#endif
