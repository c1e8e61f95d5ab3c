/* A load in a process of its own: ten thousand connections for each server are more than one process
 * may have descriptors. */
#ifndef BENCH_AGENT_H
#define BENCH_AGENT_H

#include "load.h"

#include <sys/types.h>

struct agent {
    pid_t pid; /* 0: not running */
    int fd;    /* slices go there, operations done come back */
};

/* Returns when all is connected. */
void agent_start(struct agent *a, const struct load_ops *ops, const struct load_shape *shape,
                 int port);

/* One slice; the operations done. */
int64_t agent_run(const struct agent *a, int64_t slice_ns);

void agent_stop(struct agent *a);

#endif
