/* Signals: actions, masks, queues, sending, and delivery to the guest with Linux's frame.
 * Numbers, flags and structures are x86-64 Linux's (signal(7), the psABI, uapi/asm/sigcontext.h). */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include "base/span.h"

struct kernel;
struct process;
struct task;

enum {
    SIGNAL_MAX = 64,
    SIGNAL_DEFAULT = 0, /* SIG_DFL and SIG_IGN as handlers */
    SIGNAL_IGNORE = 1,
    SIGNAL_RESTORER = 0x04000000, /* SA_RESTORER: required on x86-64 */
    SIGNAL_QUEUE_MAX = 32,        /* queued real-time signals a queue; RLIMIT_SIGPENDING's part */
};

/* A set of signals: bit n-1 is signal n. */
#define SIGNAL_BIT(signo) (UINT64_C(1) << ((signo)-1))

/* What siginfo_t carries, of the fields that are used. */
struct signal_info {
    int32_t signo, error, code;
    int32_t pid;
    uint32_t uid;
    int32_t status;
    uint64_t value; /* si_value, or si_addr of a fault */
    uint32_t timer_overrun;
};

struct signal_queue {
    uint64_t set;
    struct signal_data *data; /* what came with them; owned; NULL while the set is empty, and when
                                 there was no memory: then they are told without it */
};

struct signal_action {
    uint64_t handler; /* 0 default, 1 ignore */
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

struct signal_table {
    unsigned refs;
    struct signal_action action[SIGNAL_MAX];
};

struct signal_state {
    uint64_t blocked;
    uint64_t saved_blocked; /* of sigsuspend, ppoll, pselect ...: put back after the handler */
    bool restore_blocked;
    struct signal_queue pending;
    uint64_t stack_addr, stack_size; /* sigaltstack */
    uint32_t stack_flags;
};

void signal_queue_fini(struct signal_queue *q);

/* A table of default actions with one holder; NULL: out of memory. */
struct signal_table *signal_table_new(void);
struct signal_table *signal_table_clone(const struct signal_table *table);
void signal_table_drop(struct signal_table *table); /* takes NULL */
/* execve: handlers become defaults, what is ignored stays so. */
void signal_table_reset(struct signal_table *table);

/* ---- Sending. None of these checks permissions ---- */

void signal_send_task(struct task *t, const struct signal_info *info);
void signal_send_process(struct process *p, const struct signal_info *info);
/* From the kernel itself (SI_KERNEL), such as SIGPIPE, SIGTTIN, SIGWINCH. */
void signal_raise_task(struct task *t, int signo);
void signal_raise_process(struct process *p, int signo);
/* To every process of the group. How many there were. */
unsigned signal_raise_group(struct kernel *k, int32_t pgid, int signo);

/* ---- Asking ---- */

/* Blocked by the thread, or its action is to ignore (as the terminal's checks ask). */
bool signal_is_blocked_or_ignored(const struct task *t, int signo);

/* The default action is to do nothing. */
bool signal_default_ignores(int signo);
bool signal_default_stops(int signo);
/* Drops a signal from everywhere in the process: its action is now to ignore it. */
void signal_flush(struct process *p, uint64_t set);

/* ---- Taking and delivering ---- */

/* The next signal of `set` that waits for the thread: its own first, lowest number first, faults
 * before all. False when there is none. */
bool signal_take(struct task *t, uint64_t set, struct signal_info *info);

/* Before the guest goes on: default actions, or the processor is set to run the handler. The task
 * may be dead or stopped after it. True when a handler was set up. */
bool signal_deliver(struct task *t);

/* A fault of the guest's own: delivered even when blocked or ignored (then the process dies). */
void signal_force(struct task *t, const struct signal_info *info);

/* True when `sp` lies in the thread's alternate stack. */
bool signal_is_on_stack(const struct task *t, uint64_t sp);

/* siginfo_t as Linux lays it out. */
enum { SIGNAL_INFO_BYTES = 128 };
void signal_info_encode(const struct signal_info *info, uint8_t out[SIGNAL_INFO_BYTES]);
void signal_info_decode(struct signal_info *info, const uint8_t in[SIGNAL_INFO_BYTES]);

/* The end of a handler: rt_sigreturn (`with_info`) or sigreturn. The registers are set. */
int64_t signal_return(struct task *t, bool with_info);

/* ---- For ppoll, pselect, epoll_pwait, sigsuspend ---- */

/* Puts a mask in place for this call; the old one comes back when the call ends, after a handler if
 * one runs. Calling it again while the call is parked changes nothing. */
void signal_mask_for_call(struct task *t, uint64_t mask);

#endif
