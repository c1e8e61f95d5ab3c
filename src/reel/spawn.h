/* The moment of birth of a child process: everything between clone(2) and exec(2). */
#ifndef REEL_SPAWN_H
#define REEL_SPAWN_H

#include <reel/process.h>

#include <stddef.h>
#include <sys/types.h>

struct spawn_fd {
    int number; /* in the child */
    int fd;     /* of the parent */
};

struct spawn {
    const struct reel_process_options *options;
    const char *const *arguments, *const *environment;
    struct spawn_fd fds[REEL_CHILD_FDS_MAX];
    size_t fd_count;
    bool terminal; /* descriptor 0 becomes the controlling terminal */
};

/* 0 and the child's number, or -errno of whatever failed, exec included. */
int reel_spawn(const struct spawn *spawn, pid_t *pid);

#endif
