/* What the files of learning share: a run, what is noted of its system calls, the comparison. */
#ifndef KERNEL_SNAPSHOT_LESSON_H
#define KERNEL_SNAPSHOT_LESSON_H

#include "kernel/snapshot.h"

#include "cpu/x86.h"

enum {
    LESSON_LIKE = 3,     /* the first ones have the same random numbers */
    LESSON_LAYOUTS = 16, /* heaps begin and mappings end at all pages of 64 KiB */
    LESSON_RUNS = LESSON_LIKE + LESSON_LAYOUTS - 1,
};

struct lesson_call {
    uint64_t number;
    uint64_t instructions; /* of the task, so far */
    bool good;             /* a snapshot may have it behind it */
    bool closed;           /* no descriptor that good calls have opened is open after it */
};

struct lesson_run;

/* Where a piece of the start begins: what is counted from there on is the piece's. */
struct lesson_mark {
    int64_t now_ns;
    uint64_t user_instructions, instructions, objects;
    size_t checks;
    unsigned refusals;
    struct snapshot_seen seen;
};

/* Notes the calls up to the first that a snapshot cannot have behind it; of a start on a terminal all
 * of them. */
struct lesson_watch {
    struct lesson_run *run;
    size_t target;
    struct lesson_call *calls; /* owned */
    size_t count;
    struct snapshot_check *checks; /* owned */
    size_t check_count;
    uint64_t own;       /* descriptors that good calls have opened, as bits ... */
    uint64_t terminals; /* ... and those that are the terminal */
    unsigned refusal_count;
    struct snapshot_seen seen;
    int64_t time_ns[SNAPSHOT_TIMES];
    bool time_in_us[SNAPSHOT_TIMES];
    uint64_t refusals[SNAPSHOT_REFUSALS];
    struct lesson_mark mark;
};

struct lesson_run {
    struct kernel *kernel; /* owned; NULL: not begun, or over */
    struct task *task;     /* its only one */
    enum snapshot_starter starter;
    struct span path; /* borrowed from the start */
    uint8_t *strings; /* owned: arguments and environment */
    struct exec_strings args, env;
    struct snapshot_inputs inputs;
    char pid_z[SNAPSHOT_NUMBER_BYTES], ppid_z[SNAPSHOT_NUMBER_BYTES];
    uint8_t *above; /* owned: the stack above the first frame, as it was at the start */
    size_t above_bytes;
    struct lesson_watch watch;
};

/* A machine of its own with the start, with texts that come from the number and all else from the
 * seed. 0 or -errno; lesson_run_end in any case. */
int lesson_run_begin(struct lesson_run *run, const struct snapshot_start *start, unsigned number,
                     unsigned seed);
/* What it prints and tells is nobody's. */
void lesson_run_drain(struct lesson_run *run);
void lesson_run_end(struct lesson_run *run);

/* The run's machine pauses after `target` calls, or before a call too many. */
void lesson_watch_begin(struct lesson_watch *watch, struct lesson_run *run, size_t target);
/* It goes on to another point: after `target` calls in all. */
void lesson_watch_go_on(struct lesson_watch *watch, size_t target);
/* A piece begins where the run stands. */
void lesson_watch_mark(struct lesson_watch *watch);
void lesson_watch_fini(struct lesson_watch *watch);

/* Compares the runs, all of them paused at the same point, piece by piece: the program that they have
 * become, with what it has cost and looked at since the mark. Both are borrowed, the program all zero;
 * what is in it, however it ends, is for snapshot_program_fini. NULL: no memory. */
struct lesson_comparison;
struct lesson_comparison *lesson_comparison_new(struct lesson_run *runs,
                                                struct snapshot_program *out);
void lesson_comparison_free(struct lesson_comparison *comparison); /* takes NULL */
/* A piece. 1: there is more; 0: *out is whole; -EDOM: something is not explained; -errno. */
int lesson_comparison_run(struct lesson_comparison *comparison);

#endif
