/* The inside of a kernel: what all files of this folder share. Nobody outside includes this.
 *
 * How a guest waits: a system call that cannot go on returns SYS_WAIT (task.h) and is executed
 * again from its start when what it waits for was touched. So no handler keeps a stack, and nothing
 * blocks. */
#ifndef KERNEL_MACHINE_H
#define KERNEL_MACHINE_H

#include "base/buffer.h"
#include "kernel/abi_window.h"
#include "kernel/hardware.h"
#include "kernel/kernel.h"
#include "kernel/service.h"

#include "bus/bus.h"

struct task;
struct process;
struct session;
struct vfs; /* vfs.h: the tree of files, with the overlay */
struct cpu_pool;
struct program; /* program.h */
struct events;  /* events.h */
struct livelog; /* livelog.h */
struct mm;      /* mm.h */
struct ipc;     /* ipc.h */
struct kmsg;    /* kmsg.h */
struct unit;    /* unit.h */
struct secret;  /* secret.h */
struct facts;   /* facts.h */

enum {
    KERNEL_PROGRAMS_MAX = 64,       /* program numbers at once */
    KERNEL_LOGINS_MAX = 16,         /* within the machine, that are told of: the last ones */
    KERNEL_HOSTNAME_MAX = 64,       /* __NEW_UTS_LEN */
    KERNEL_USER_MAX = 32,           /* useradd(8) takes no longer names */
    KERNEL_PID_MAX = 4194304,       /* Debian's kernel.pid_max on 64 bits ... */
    KERNEL_PID_MAX_SMALL = 32768,   /* ... and Linux's on 32 */
    KERNEL_DECODE_MAX = 20000,      /* instructions decoded in a run (cpu.h, cpu_code_allow) */
    KERNEL_QUANTUM = 20000,         /* instructions a task runs before the next one's turn */
    KERNEL_INSTRUCTIONS_US = 200,   /* how many make the guest's clock go on by 1 us within a run */
    KERNEL_CALL_COST = 200,         /* instructions that a system call counts for */
    KERNEL_AREAS_MAX = 65536,       /* mappings of all processes: -ENOMEM */
    KERNEL_ARGS_MAX = 32768,        /* of a process's arguments, what /proc shows */
    KERNEL_PIECE_BYTES = 256 << 10, /* moved at once; more in the task's next turn (task_go_on) */
    KERNEL_FORK_COST = 4000,        /* of a new task */
    KERNEL_EXEC_COST = 20000,       /* of a new program */
    KERNEL_COPY_BYTES = 8,          /* bytes copied that count as one instruction */
};

/* A login, as the process table and the accounting files show it: the visitor's, or one over a connection
 * within the machine (login.c). */
struct login {
    char user_z[KERNEL_USER_MAX + 1];
    uint32_t uid, number; /* of logind's session */
    int64_t at_ns;
    int32_t monitor, worker; /* his two processes of sshd; 0: nothing was started yet */
    int32_t manager,
        own_pam; /* systemd --user and what holds its PAM session; 0: another login of his has them */

    /* Of one within the machine: */
    int connection;   /* its program number; -1: it is over ... */
    int64_t until_ns; /* ... since then */
    uint64_t ttys;    /* a bit for each terminal that it ever had */
    char from_z[KERNEL_ADDRESS_CHARS];
    uint16_t port;
};

/* Mappings of a file that are being made anew (mm.c). */
struct mm_refresh {
    const void *object;  /* the file's; NULL: none are */
    uint64_t from, to;   /* its bytes */
    const struct mm *mm; /* where it is at: a memory, for comparing alone, its areas ... */
    size_t area;
    uint64_t done; /* ... and bytes of that one */
};

struct kernel {
    const struct persona_image *image;
    const struct persona_identity *identity; /* or NULL */
    struct hardware hardware;
    struct cpu_code *code;
    struct kernel_snapshots *snapshots; /* or NULL */
    struct cpu_pool *pool;
    struct kernel_limits limits;
    const uint32_t *watched; /* as in kernel_config */
    size_t watched_count;
    struct crypto_rng rng;
    char hostname_z[KERNEL_HOSTNAME_MAX + 1];
    char domainname_z[KERNEL_HOSTNAME_MAX + 1];

    struct login login;
    struct login *inner;   /* KERNEL_LOGINS_MAX of them, NULL before the first */
    bool answers;          /* as in kernel_config */
    struct secret *secret; /* secret.h; NULL: there is none, or it stands in /etc/shadow; owned */
    struct service_now services[SERVICES_MAX];
    uint64_t units_off[BUS_UNITS_MAX / 64]; /* bus/bus.h */
    struct unit *units;                     /* unit.h; owned */
    int64_t cron_ns; /* wall clock: since then cron is a program of the guests'; 0: it is not */
    uint64_t cron_looked;  /* vfs_changes when it was last looked for its work */
    int64_t boot_ns;       /* wall clock at boot; CLOCK_MONOTONIC and BOOTTIME count from it */
    int64_t now_ns;        /* wall clock of the guests; never goes back */
    uint64_t instructions; /* executed so far, by all */
    uint64_t clock_rest;   /* part of a nanosecond that instructions have made */
    int64_t
        records_due_ns; /* wall clock: open logs are looked at again (records.h); INT64_MAX: never */
    int64_t end_ns;     /* wall clock: the machine goes down, as somebody wished; 0: it stays */
    bool end_is_reboot;
    bool log_said;   /* something new stands in them */
    int64_t rest_ns; /* when to rest (rest.h) if no guest runs before; INT64_MAX: never */

    struct process *processes; /* by start, oldest first; zombies too */
    struct task *tasks;        /* every thread of every process, round robin order */
    struct task *turn;         /* who runs next; NULL: the first */
    uint32_t process_count;    /* tasks that count against limits.processes */
    int32_t last_pid;

    struct vfs *vfs;           /* everything about files, machine-wide: owned, made by vfs_new */
    uint64_t changes_at_boot;  /* vfs_changes, once the machine was made */
    uint64_t changes_at_start; /* the same, or once its files were restored */
    uint32_t files_open;       /* open descriptions, against limits.files */
    struct program *programs[KERNEL_PROGRAMS_MAX];
    struct events *events;
    struct livelog *livelog;             /* or NULL; owned */
    uint32_t bus_clients;                /* who has connected to the system bus */
    struct file *told_first, *told_last; /* written and closed, not yet read: guests wait */
    bool telling;                        /* the event of the first one was pulled */
    struct abi_window window;            /* of the foreign call that is being executed */
    uint64_t last_share_id;              /* of anonymous shared memory (mm.h) */
    uint64_t charged;                    /* the kernel's own work in this run, in instructions */
    uint64_t run_charged;                /* that before the processor began to run */
    bool in_run, fetch_late;             /* it runs; pages of files must wait (mm.c, fetch) */
    /* For debugging: told of each system call's answer. NULL: nobody. */
    void (*trace)(const struct task *t, int64_t result);
    bool foreign_programs;
    /* For snapshots: asked after each finished call whether to leave kernel_run there. NULL: no. */
    bool (*pause)(struct task *t);
    void *pauser;   /* whose it is */
    bool paused;    /* until it is cleared, kernel_run does nothing */
    uint8_t place;  /* for snapshots: on which of the 16 pages of 64 KiB mappings end and programs
                      begin, + 1; 0: any */
    bool over;      /* the instructions are used up: everything was killed */
    bool ending;    /* kernel_end: ends are not told */
    uint32_t areas; /* mappings, against KERNEL_AREAS_MAX */
    struct setting *settings; /* proc_sys.c */
    struct facts *facts;      /* facts.h; NULL: he was never here; owned */
    struct ipc *ipc;          /* ipc.h: the machine's own; NULL: nobody has asked yet */
    struct kmsg *kmsg;        /* kmsg.h; NULL: nobody has asked yet */
    struct ipc *ipcs;         /* that and those of namespaces */
    uint32_t namespaces, namespace_numbers; /* namespace.h: made, that are there and in all */
    uint64_t refreshes;                     /* mm_refresh: calls until now */
    struct mm_refresh refresh;              /* the last one, while it is under way */
    struct mm *dying; /* memories without a holder, given back before a guest runs again */
};

/* Nanoseconds since 1970, and since boot. */
int64_t kernel_realtime_ns(const struct kernel *k);
int64_t kernel_monotonic_ns(const struct kernel *k);

/* Wakes every task that waits for `key` (task_wait), and those that wait for anything. */
void kernel_wake(struct kernel *k, const void *key);

/* Tells the visitor's keeper. Everything is copied. `t` (may be NULL) fills in pid, ppid, uid and
 * program where the event leaves them 0; time and instructions always come from the kernel. False:
 * there is no memory for it. */
bool kernel_emit(struct kernel *k, const struct task *t, const struct kernel_event *event);

/* Written files whose contents were not pulled: nobody will. */
void kernel_forget_told(struct kernel *k);

/* A NUL-terminated copy on the heap. NULL: out of memory. */
char *kernel_copy_z(struct span text);

/* The kernel's own work for a guest, counted as instructions: a guest that makes the kernel work is
 * held to its slice like one that computes. */
void kernel_charge(struct kernel *k, uint64_t instructions);

/* A bound of kernel_limits was hit: KERNEL_LIMIT, once a name for each process. */
void kernel_emit_limit(struct kernel *k, struct task *t, const char *name_z);

#endif
