/* Units that really run: what a visitor's unit files say (systemd.service(5)), and the machine's own cron once
 * there is something for it to do. The first process is a model; this is what it does with its children.
 *
 * A unit goes from state to state in units_tick, which runs between the guests' turns: a request only notes
 * what is wanted. */
#ifndef KERNEL_UNIT_H
#define KERNEL_UNIT_H

#include "base/buffer.h"
#include "bus/bus.h"
#include "bus/unit_text.h"
#include "kernel/kernel.h"

struct process;

enum {
    UNITS_MAX = 32, /* of a machine */
    UNIT_FILE_MAX = UNIT_TEXT_MAX,
    UNIT_LEAST_NS = 1300000, /* what a process takes that cannot even be executed */
    UNIT_START_LIMIT = 5,    /* starts within ... */
    UNIT_START_LIMIT_S =
        10, /* ... so long (DefaultStartLimitBurst=, DefaultStartLimitIntervalSec=) */
};

enum unit_state {
    UNIT_DEAD,
    UNIT_FAILED,
    UNIT_START_PRE,
    UNIT_START, /* its program runs, and the start is over when it ends: oneshot, forking */
    UNIT_START_POST,
    UNIT_RUNNING,
    UNIT_EXITED, /* RemainAfterExit= */
    UNIT_RELOAD,
    UNIT_STOP,    /* ExecStop= runs */
    UNIT_SIGTERM, /* its processes are asked to end */
    UNIT_RESTART, /* it is started again, when RestartSec= is over */
    UNIT_STATES
};

/* A process that has ended, and what became of it. */
struct unit_end {
    bool there;
    int status; /* as wait(2) has it */
};

struct unit {
    struct unit *next;
    char name_z[BUS_NAME_MAX], description_z[BUS_NAME_MAX];
    struct buffer text; /* its file, when it was last read */
    enum unit_state state;
    int32_t main, control; /* processes; 0: none */
    struct unit_end main_end, control_end;
    bool control_may_fail, main_may_fail;
    size_t step;          /* which of the commands of its state */
    const char *result_z; /* "success", "exit-code" ... */
    bool touched;         /* units_tick has something to do */
    bool stopping;        /* it was asked for: Restart= does not count */
    bool again;           /* and that it be started then */
    uint32_t job;         /* that is told of when it is over; 0: none */
    unsigned
        hushed; /* so many of its own first lines are in no log: it seems to have said them before */
    unsigned restarts;
    int64_t due_ns; /* CLOCK_MONOTONIC: something is to be done; INT64_MAX: never */
    int64_t starts_ns[UNIT_START_LIMIT];
    size_t starts;

    /* For those who ask: its last main process; wall clock. */
    int32_t main_was;
    int main_status; /* as wait(2) has it; -1: it has not ended */
    int64_t main_start_ns, main_exit_ns;
    int64_t begun_ns, active_ns, inactive_ns,
        leaving_ns;              /* InactiveExit, ActiveEnter, InactiveEnter, ActiveExit */
    uint64_t ended_instructions; /* of its ended processes */
};

/* NULL: it was never loaded. */
struct unit *unit_find(const struct kernel *k, struct span name);
/* The one of this name, which has this file from now on. NULL: out of memory, or too many. */
struct unit *unit_load(struct kernel *k, const char *name_z, struct span text);
void units_free(struct kernel *k);

enum unit_wish { UNIT_WISH_START, UNIT_WISH_STOP, UNIT_WISH_RESTART, UNIT_WISH_RELOAD };
/* 0: it is so already; 1: it will be, and then the bus tells of the job; -EINVAL: its file says no program. */
int unit_wish(struct kernel *k, struct unit *u, enum unit_wish wish, uint32_t job);
/* A signal to all its processes, or to its main one. */
void unit_signal(struct kernel *k, struct unit *u, bool only_main, int signo);

/* A child of the first process has ended. */
void unit_process_ended(const struct process *p);
/* Does what is due: a step of each unit, and more while they take less than a turn. It is charged. */
void units_tick(struct kernel *k);
bool units_are_touched(const struct kernel *k);
int64_t units_deadline(const struct kernel *k); /* CLOCK_MONOTONIC; INT64_MAX: none */

bool unit_is_active(const struct unit *u);

/* ---- The machine's cron (cron.c) ---- */

/* Starts it when a visitor has left something for it. */
void cron_look(struct kernel *k);
/* It runs as a program of the guests' from now on. */
void cron_start(struct kernel *k, bool is_quiet);

/* ---- Commands (unit_command.c) ---- */

enum unit_role { UNIT_CONTROL, UNIT_MAIN };
/* Starts the n-th command of a key. 1: it runs, as the unit's control or main process; 0: there is no such
 * command; negative: it could not be started, and that process has ended with the status that systemd
 * gives it. */
int unit_run(struct kernel *k, struct unit *u, const char *key_z, size_t n, enum unit_role role);

#endif
