/* The servers that are measured, each started for it and stopped afterwards: lured, lured without a
 * machine behind it (what SSH alone costs), a bare server (what the network alone costs), and the sshd
 * of this machine. The last needs root: it runs with an account of its own in a private /etc, so
 * nothing is changed. */
#ifndef BENCH_SSH_HOST_H
#define BENCH_SSH_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tape;

struct host {
    const char *name_z, *user_z, *password_z, *command_z;
    bool forks; /* a process for each connection, which must have ended before it is counted */
    pid_t pid;
    int port;
    char folder_z[64];
};

struct host_memory {
    int64_t private_bytes, pss_bytes;
};

/* `program_z`: a lured. The machine's image is the file `image_z`. False: it does not start. */
bool host_start_lured(struct host *h, const char *name_z, const char *program_z,
                      const char *image_z, const char *extra_config_z);
/* A bare epoll server that answers as the tape says. */
void host_start_bare(struct host *h, const struct tape *tape);
/* False: there is none, or no right to start it like this. */
bool host_start_sshd(struct host *h);
void host_stop(struct host *h);

/* CPU time of all its processes since the start, those that have ended included, once it rests. */
int64_t host_cpu_ns(const struct host *h);

/* Memory of the process that holds the connections. */
struct host_memory host_memory(const struct host *h);

#endif
