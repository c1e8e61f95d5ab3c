/* Processes that seem to run (services.def, services_router.def), and those that a login brings: they are in the process
 * table, take signals, end and start anew, but have no program. */
#ifndef KERNEL_SERVICE_H
#define KERNEL_SERVICE_H

#include "base/span.h"

struct hardware;
struct kernel;
struct task;
struct unit;

enum {
    SERVICES_MAX = 112,
    SERVICE_LISTENER = 393,        /* the number of sshd in services.def */
    SERVICE_LISTENER_SMALL = 1042, /* of dropbear in services_router.def */
};

struct service {
    int32_t pid, ppid, session;
    char state;
    uint32_t uid, gid;
    int nice;
    unsigned threads;
    uint64_t size_kib, resident_kib, cpu_s; /* no size: a kernel thread */
    int32_t tty;
    const char *name_z, *args_z;
};

struct service_table {
    const struct service *row;
    size_t count; /* at most SERVICES_MAX */
};
extern const struct service_table services_of_server, services_of_router;
/* Of its kind, and with the threads of so many processors. */
const struct service_table *service_table_of(const struct hardware *hardware);
const struct service_table *service_table(const struct kernel *k);

/* How it is on one machine; all zeros: as the table says. */
struct service_now {
    bool gone;
    int32_t pid;        /* since it was started anew; 0: the table's */
    int64_t started_ns; /* wall clock */
    struct unit *unit;  /* it is a program of the guests' (unit.h); NULL: it only seems to run */
};

/* Its process number; 0: it does not run. */
int32_t service_pid(const struct kernel *k, size_t index);
/* Since when it runs, by the wall clock. */
int64_t service_started_ns(const struct kernel *k, size_t index);
/* The one that has the number, or -1. */
int service_find(const struct kernel *k, int32_t pid);
/* False: the one with this number in the table does not run now. */
bool service_runs(const struct kernel *k, int32_t table_pid);
/* The one of that name (comm), or -1. */
int service_named(const struct kernel *k, struct span name);
void service_stop(struct kernel *k, size_t index);
/* It runs, with a new number. */
void service_start(struct kernel *k, size_t index);

/* kill(2) to one of them: 0, -EPERM, -ESRCH. */
int service_signal(struct task *t, int32_t pid, int signo);

#endif
