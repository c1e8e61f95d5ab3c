/* Tasks and processes. A task is a thread: a processor, a signal mask, credentials, what it waits
 * for. A process is a thread group: what its threads share and what wait(2) sees of it.
 *
 * A system call is `int64_t sys_NAME(struct task *t, const uint64_t arg[6])`; it returns a result,
 * -errno, a restart code, or SYS_WAIT. */
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include "kernel/lines.h"
#include "kernel/machine.h"
#include "kernel/signal.h"

#include <sys/resource.h>

struct fd_table;   /* fdtable.h */
struct fs_context; /* vfs.h: root, working directory, umask */
struct tty;        /* tty.h */
struct mm;         /* mm.h */
struct line_keys;  /* lines.c */
struct uts_names;  /* namespace.h */
struct ipc;        /* ipc.h */
struct cpu;
struct abi;  /* abi.h */
struct unit; /* unit.h */

/* Results of a handler beside a value and -errno. */
#define SYS_WAIT INT64_MIN /* parked: execute the call again when woken */
enum {
    ERESTARTSYS = 512,    /* after a handler: again if SA_RESTART, else -EINTR */
    ERESTARTNOINTR = 513, /* always again */
    ERESTARTNOHAND = 514, /* after a handler: -EINTR; again if none ran */
};

enum {
    TASK_GROUPS_MAX = 32, /* supplementary groups */
    SYSCALL_REFUSED_WORDS = 8,
    TASK_COMM_BYTES = 16,     /* with the NUL, as Linux */
    TASK_IOV_MAX = 1024,      /* UIO_MAXIOV */
    TASK_RW_MAX = 0x7ffff000, /* MAX_RW_COUNT: no call moves more */
};

/* What a futex is: an address in one memory, or a place in shared memory. */
struct futex_key {
    const void *base;
    uint64_t offset;
};

struct creds {
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint32_t group_count;
    uint32_t groups[TASK_GROUPS_MAX];
    uint32_t securebits; /* linux/securebits.h */
    uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
};
/* True when the group is the fsgid or a supplementary one (for permission checks). */
bool creds_in_group(const struct creds *c, uint32_t gid);
/* True when capability number `cap` (linux/capability.h) is effective. */
bool creds_capable(const struct creds *c, unsigned cap);

/* A session of processes (setsid) and its controlling terminal. */
struct session {
    int32_t sid;
    unsigned refs;   /* processes of it */
    struct tty *tty; /* controlling terminal or NULL; the tty keeps its foreground group */
};

enum task_state {
    TASK_READY,   /* may run */
    TASK_WAITING, /* parked in a system call */
    TASK_STOPPED, /* by a job control signal */
    TASK_VFORKED, /* until its child executes or ends */
    TASK_DEAD,
};

/* What a parked call keeps until it ends for good. Zeroed at the start of each new call. */
struct restart {
    bool begun;          /* the handler set it on its first pass */
    int64_t deadline_ns; /* CLOCK_MONOTONIC */
    int64_t end_ns;      /* the same, of a call that does many things: recvmmsg */
    uint64_t done;       /* bytes moved so far, or whatever the handler counts */
    uint64_t mark;       /* the handler's own */
    void *object;        /* the handler's own; nothing frees it */
    bool whole;          /* it goes on to its end: no signal cuts it here (task_continue) */
};

struct task {
    struct kernel *kernel;
    struct process *process;
    struct task *next; /* in kernel.tasks */
    int32_t tid;
    char comm_z[TASK_COMM_BYTES];
    struct creds creds;

    struct cpu *cpu;
    struct mm *mm;          /* mm.h, shared by CLONE_VM */
    struct fd_table *files; /* fdtable.h, shared by CLONE_FILES; NULL once dead */
    struct fs_context *fs;  /* vfs.h, shared by CLONE_FS; NULL once dead */

    enum task_state state;
    bool in_call;     /* a system call is parked or to be restarted */
    int restart_code; /* ERESTART*: the call was cut by a signal */
    uint64_t call_number;
    uint64_t call_arg[8];       /* of a foreign call: its words as they are */
    const struct abi *call_abi; /* whose call it is */
    const void *wait_key;
    bool wait_any;
    int64_t wait_deadline_ns; /* INT64_MAX: none */
    struct restart restart;

    uint64_t fault_trap, fault_error, fault_addr; /* of its last processor fault, for frames */
    struct futex_key futex;                       /* waited for (futex.h); base NULL: none */
    uint32_t futex_bits;
    struct signal_state signals; /* of this thread */
    uint64_t clear_tid;          /* set_tid_address */
    uint64_t robust_list;
    uint64_t user_instructions;         /* executed, for times */
    struct snapshot_follower *follower; /* of a clone that may be cloned on (snapshot.h); or NULL */
    int nice;                           /* -20 .. 19 */
    char *line;                         /* a line being put together (lines.h); owned */
    size_t line_len;
    struct line_keys *keys; /* the same of a shell that edits it; owned */
    struct lines_call line_calls[LINES_FUNCTIONS];
    struct uts_names *uts; /* namespace.h; held; NULL: the machine's own, as the next */
    struct ipc *ipc;
    uint64_t start_ns;           /* CLOCK_BOOTTIME at its start */
    struct process *vfork_child; /* TASK_VFORKED: who must go first */
    bool too_many;               /* it became a user that has too many: execve asks once more */
};

struct process {
    struct kernel *kernel;
    struct process *next;   /* in kernel.processes */
    struct process *parent; /* NULL: nobody (init is not there) */
    int64_t start_ns;       /* CLOCK_MONOTONIC at its start */
    int32_t outer_ppid;     /* getppid when there is no parent: what seems to have started it */
    int32_t pid;            /* = tid of the first thread = tgid */
    int32_t pgid;
    struct session *session;
    int program;         /* the kernel_spawn it belongs to, or -1 */
    struct unit *unit;   /* whose control group it is in (unit.h); NULL: the visitor's session */
    unsigned threads;    /* alive */
    struct task *leader; /* the first thread, or whoever executed; NULL when reaped */

    struct signal_table *actions; /* signal.h, shared by CLONE_SIGHAND */
    struct signal_queue pending;  /* for any thread */
    int exit_signal;              /* to the parent at the end: SIGCHLD, or 0 */
    bool zombie;
    bool executed;                 /* has called execve since fork (setpgid's -EACCES) */
    bool stopped;                  /* by a job control signal */
    bool stop_told, continue_told; /* wait4: not yet reported state changes */
    int stop_signal;
    uint32_t uid;    /* real uid, once zombie */
    int status;      /* as wait(2) reports it, once zombie */
    bool group_exit; /* exit_group or a fatal signal is under way */

    struct rlimit64 limits[RLIM_NLIMITS];
    int64_t alarm_ns, alarm_interval_ns; /* ITIMER_REAL: CLOCK_MONOTONIC; 0: none */
    struct timers *timers;               /* timer.h; NULL: none; owned */
    uint32_t personality;
    uint64_t user_instructions;                    /* of its ended threads */
    uint64_t child_instructions;                   /* of its waited-for children */
    bool is_subreaper, not_dumpable, no_new_privs; /* prctl */
    bool is_traced;                                /* has said so itself (PTRACE_TRACEME) */
    int parent_death_signal;

    /* For /proc and events: set by exec, kept by fork. */
    char *exe_z;   /* the absolute path executed; owned */
    uint8_t *args; /* argv, each with its NUL; owned */
    size_t args_len;
    bool is_shell;                           /* its lines are told (lines.h) */
    const char *limit_told;                  /* kernel_emit_limit: the last name told */
    uint64_t refused[SYSCALL_REFUSED_WORDS]; /* calls that are not there, told already (+ 1) */
};

/* ---- Life ---- */

/* A new process without threads, child of `parent` (may be NULL), its inherited parts copied from
 * it. NULL: out of memory. */
struct process *process_new(struct kernel *k, struct process *parent);
/* Out of the list, and freed. It has no threads. */
void process_free(struct process *p);
/* A new thread without processor, memory and files. It counts against limits.processes. NULL: out
 * of memory. */
struct task *task_new(struct process *p, int32_t tid);
/* Gives back its processor, memory and files. */
void task_release(struct task *t);
/* Frees it with whatever it still has, and takes it out of the list. */
void task_free(struct task *t);
/* The next process number. */
int32_t kernel_new_pid(struct kernel *k);
void session_hold(struct session *s);
void session_drop(struct session *s);
struct session *session_new(int32_t sid); /* one holder; NULL: out of memory */
void task_set_comm(struct task *t, struct span name);

/* Tasks of a real user, of all processes: what RLIMIT_NPROC counts. */
uint64_t task_count_of(const struct kernel *k, uint32_t uid);

/* ---- Waiting ---- */

/* Parks the task: `return task_wait(t, key);`. Returns SYS_WAIT; or -ERESTARTSYS at once when a
 * signal is there to be handled. The call is executed again after kernel_wake(k, key), a signal, or
 * the deadline set with task_wait_until. `key` is the address of the object waited for. */
int64_t task_wait(struct task *t, const void *key);
/* The same, woken by every kernel_wake: for poll, select, epoll. */
int64_t task_wait_any(struct task *t);
/* A long call has moved a piece: `done` bytes in all. Parks nothing: SYS_WAIT, and the call goes on
 * in the task's next turn with t->restart.done; or `done`, its answer, when a signal is there to be
 * handled. */
int64_t task_go_on(struct task *t, uint64_t done);
/* The same for a call that cannot answer with a part: signals wait until it has ended. */
int64_t task_continue(struct task *t, uint64_t done);
/* Call before task_wait: the latest time to be woken (CLOCK_MONOTONIC nanoseconds). The handler
 * itself compares with kernel_monotonic_ns: there is no "timed out" flag. */
void task_wait_until(struct task *t, int64_t deadline_ns);
/* Ready again, if it is parked. */
void task_wake(struct task *t);
/* A call that a signal cut ends: with -EINTR, or so that it is made again after the handler. */
void task_end_call(struct task *t, bool again);
/* A signal waits that is neither blocked nor ignored. */
bool task_signal_pending(const struct task *t);

/* Its stack pointer. */
uint64_t task_stack_pointer(struct task *t);

/* ---- The guest's memory. 0 or -EFAULT ---- */

int task_read(struct task *t, uint64_t addr, void *out, size_t len);
int task_write(struct task *t, uint64_t addr, const void *bytes, size_t len);
/* A NUL-terminated string: its length, -EFAULT, or -ENAMETOOLONG (no NUL in `size` bytes). */
int64_t task_read_z(struct task *t, uint64_t addr, char *out_z, size_t size);

/* A number of 32 bits, and one of the size of an address, in the guest's byte order. */
int task_read_u32(struct task *t, uint64_t addr, uint32_t *value);
int task_write_u32(struct task *t, uint64_t addr, uint32_t value);
int task_read_word(struct task *t, uint64_t addr, uint64_t *value);
/* Bytes of such a word: of the call that it is in, or of its program. */
unsigned task_word_bytes(const struct task *t);

struct task_iov {
    uint64_t base;
    uint64_t len;
};
/* An array of struct iovec, at most TASK_IOV_MAX. The sum of lengths (cut to TASK_RW_MAX, and the
 * entries with it), -EINVAL or -EFAULT. */
int64_t task_read_iov(struct task *t, uint64_t addr, uint64_t count, struct task_iov *out);

/* ---- Finding. Numbers of processes are those the guests see ---- */

struct task *task_find(const struct kernel *k, int32_t tid);
struct process *process_find(const struct kernel *k, int32_t pid); /* zombies too */
int32_t process_ppid(const struct process *p);
/* True when some process of the group is there, in that session (0: any). */
bool group_exists(const struct kernel *k, int32_t pgid, int32_t sid);
/* POSIX: no member has a parent in another group of the same session. */
bool group_is_orphaned(const struct kernel *k, int32_t pgid);
/* The soft limit RLIMIT_x, RLIM64_INFINITY when none. */
uint64_t process_limit(const struct process *p, int resource);

#endif
