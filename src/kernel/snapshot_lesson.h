/* What the files of learning share: a run, what is noted of its system calls, the comparison. */
#ifndef KERNEL_SNAPSHOT_LESSON_H
#define KERNEL_SNAPSHOT_LESSON_H

#include "kernel/snapshot.h"

#include "cpu/x86.h"

enum {
    LESSON_LIKE = 3,     /* the first ones have the same random numbers */
    LESSON_LAYOUTS = 16, /* the heaps begin at all pages of 64 KiB */
    LESSON_RUNS = LESSON_LIKE + LESSON_LAYOUTS - 1,
};

struct lesson_call {
    uint64_t number;
    uint64_t instructions; /* of the task, so far */
    bool closed;           /* no descriptor of the start is open after it */
};

struct lesson_run;

/* Notes the calls up to the first that a snapshot cannot have behind it. */
struct lesson_watch {
    struct lesson_run *run;
    size_t target;
    struct lesson_call *calls; /* owned */
    size_t count;
    struct snapshot_check *checks; /* owned */
    size_t check_count;
    unsigned times, randoms, refusal_count;
    int64_t time_after_ns[SNAPSHOT_TIMES];
    bool time_in_us[SNAPSHOT_TIMES];
    uint64_t refusals[SNAPSHOT_REFUSALS];
    int64_t start_ns;
    uint64_t start_instructions, start_objects;
};

struct lesson_run {
    struct kernel *kernel; /* owned; NULL: not begun, or over */
    struct task *task;     /* its only one */
    bool on_pipes;         /* what the start is learned for is, too */
    struct span path;      /* borrowed from the start */
    uint8_t *strings;      /* owned: arguments and environment */
    struct exec_strings args, env;
    struct snapshot_inputs inputs;
    char pid_z[SNAPSHOT_NUMBER_BYTES], ppid_z[SNAPSHOT_NUMBER_BYTES];
    uint8_t *above; /* owned: the stack above the first frame, as it was at the start */
    size_t above_bytes;
    struct lesson_watch watch;
};

/* A machine of its own with the start, with texts that come from the number and all else from the
 * seed; on a terminal or on pipes. 0 or -errno; lesson_run_end in any case. */
int lesson_run_begin(struct lesson_run *run, const struct snapshot_start *start, unsigned number,
                     unsigned seed, bool on_terminal);
void lesson_run_end(struct lesson_run *run);

/* The run's machine pauses after `target` calls, or before a call too many. */
void lesson_watch_begin(struct lesson_watch *watch, struct lesson_run *run, size_t target);
/* Notes what the name leads to, as if the start had looked it up. 0, -E2BIG, -ENOMEM. */
int lesson_watch_name(struct lesson_watch *watch, const char *path_z, bool follow);
void lesson_watch_fini(struct lesson_watch *watch);

/* Compares the runs, all of them paused at the same point. 0 and the program; -EDOM: something is
 * not explained; -errno. What is in *out then is for snapshot_program_fini. */
int lesson_compare(struct lesson_run *runs, struct snapshot_program *out);

#endif
