/* Workers from the inside: what processes and threads have in common, and where they differ. */
#ifndef REEL_CREW_H
#define REEL_CREW_H

#include "reel/loop.h"

#include <reel/signal.h>
#include <reel/timer.h>
#include <reel/workers.h>

#include <pthread.h>
#include <signal.h>

struct crew;

struct crew_member {
    struct crew *crew;
    int index;
    bool running;
    bool due; /* to be started between two turns: a child must not be made inside of a callback */

    /* A process. */
    struct reel_timer pause;
    pid_t pid;
    int64_t since_ns, pause_ns;
    int restarts;
    bool lived; /* this is not its first life */

    /* A thread. */
    pthread_t thread;
    pthread_mutex_t lock;         /* of the two below */
    struct reel_reactor *reactor; /* NULL: not yet, or no more */
    bool stop_asked;
    struct reel_call stop, ended;
    int error;
};

struct crew_kind {
    int (*start)(struct crew_member *m);  /* 0, or -errno: there is no going on */
    void (*stop)(struct crew_member *m);  /* of one that runs: gracefully ... */
    void (*force)(struct crew_member *m); /* ... and not */
};

struct crew {
    struct reel_workers_options options; /* with the defaults filled in */
    const struct crew_kind *kind;
    struct reel_reactor *reactor; /* the parent's */
    struct reel_signal interrupt, terminate, child;
    struct sigaction child_action; /* of the program, until the end */
    struct reel_timer deadline;
    int *errors; /* of each process's `start`; shared with them */
    int result;
    bool stopping;
    int count;
    struct crew_member members[];
};

extern const struct crew_kind reel_crew_processes, reel_crew_threads;

/* Stops all that run; the first result that is not 0 stays. */
void reel_crew_stop(struct crew *crew, int result);

/* In the worker, on its reactor: from `start` to `finish`. *start_error: that of `start`. 0 or -errno
 * of reel_run. */
int reel_crew_work(const struct crew_member *m, struct reel_reactor *r, int *start_error);

/* A graceful stop, or where memory is out another one. */
void reel_crew_stop_worker(const struct crew *crew, struct reel_reactor *r);

/* SIGCHLD. */
void reel_crew_reap(struct reel_signal *signal);

#endif
