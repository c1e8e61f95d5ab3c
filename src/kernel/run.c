/* The scheduler: tasks in turn, a quantum each; system calls, faults and signals between. */
#include "cpu/x86.h"
#include "kernel/abi.h"
#include "kernel/events.h"
#include "kernel/exit.h"
#include "kernel/lines.h"
#include "kernel/mm.h"
#include "kernel/records.h"
#include "kernel/rest.h"
#include "kernel/snapshot.h"
#include "kernel/sys_time.h"
#include "kernel/syscalls.h"
#include "kernel/timer.h"
#include "kernel/unit.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

enum {
    NS_PER_MS = 1000000,
    US_TO_NS = 1000,
    US_PER_S = 1000000,
    /* Trap numbers of the processor, for the frame of a fault's handler. */
    TRAP_DIVIDE = 0,
    TRAP_BREAK = 3,
    TRAP_OVERFLOW = 4,
    TRAP_BOUND = 5,
    TRAP_ILLEGAL = 6,
    TRAP_PROTECT = 13,
    TRAP_PAGE = 14,
    TRAP_FLOAT = 16,
    TRAP_ALIGN = 17,
    /* Error code of a page fault. */
    FAULT_PRESENT = 1,
    FAULT_WRITE = 2,
    FAULT_USER = 4,
    FAULT_FETCH = 16,
};

/* ---- System calls ---- */

static bool is_restart(int64_t result)
{
    return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND;
}

static void mask_back(struct task *t)
{
    if (t->signals.restore_blocked) {
        t->signals.blocked = t->signals.saved_blocked;
        t->signals.restore_blocked = false;
    }
}

void task_end_call(struct task *t, bool again)
{
    t->in_call = false;
    t->restart_code = 0;
    if (again)
        t->cpu->ops->call_again(t->cpu, t->call_number);
    else
        t->cpu->ops->set_result(t->cpu, -EINTR);
}

static int64_t run_call(struct task *t)
{
    if (abi_is_foreign(t->call_abi)) {
        const struct abi_call *call = abi_call_find(t->call_abi, t->call_number);
        return call != NULL ? abi_execute(t, call) : abi_result(t->call_abi, syscall_refuse(t));
    }
    syscall_handler handler = syscall_find(t->call_number);
    return handler != NULL ? handler(t, t->call_arg) : syscall_refuse(t);
}

/* A call is over: those are told who look at what a program does. */
static void end_call(struct task *t)
{
    struct kernel *k = t->kernel;
    if (t->follower != NULL)
        snapshot_follow(t);
    if (k->pause != NULL)
        k->paused = k->pause(t);
}

/* Executes the call that the task is in: the first time, or again. */
static void execute_call(struct task *t)
{
    kernel_charge(t->kernel, KERNEL_CALL_COST);
    t->wait_deadline_ns = INT64_MAX;
    t->restart_code = 0;
    t->restart.whole = false;
    int64_t result = run_call(t);
    if (t->kernel->trace != NULL)
        t->kernel->trace(t, result);
    if (t->state == TASK_DEAD || result == SYS_WAIT)
        return;
    if (is_restart(result)) {
        t->restart_code = (int)-result;
        return;
    }
    if (t->in_call) { /* execve and rt_sigreturn have set the registers themselves */
        t->cpu->ops->set_result(t->cpu, result);
        t->in_call = false;
        mask_back(t);
    }
    end_call(t);
}

static void begin_call(struct task *t, const struct abi *abi, const struct cpu_call *call)
{
    t->in_call = true;
    t->call_abi = abi;
    t->call_number = call->number;
    memset(t->call_arg, 0, sizeof(t->call_arg));
    memcpy(t->call_arg, call->arg, sizeof(call->arg));
    if (abi->more_args != NULL)
        abi->more_args(t, t->call_arg);
    t->restart = (struct restart){.begun = false};
    execute_call(t);
}

static void own_call(struct task *t)
{
    struct cpu_call call;
    t->cpu->ops->call(t->cpu, &call);
    begin_call(t, task_abi(t), &call);
}

/* `int 0x80` of a 64-bit program: the call of an i386 one, whatever the program is. */
static void call_32(struct task *t)
{
    struct cpu_call call;
    x86_call_32(x86_state(x86_from_cpu(t->cpu)), &call);
    begin_call(t, &abi_i386, &call);
}

/* ---- Faults ---- */

static void fault(struct task *t, int signo, int code, uint64_t addr, uint64_t trap)
{
    struct signal_info info = {.signo = signo, .code = code, .value = addr};
    t->fault_trap = trap;
    t->fault_addr = addr;
    signal_force(t, &info);
}

static void page_fault(struct task *t, const struct cpu_trap *trap)
{
    uint64_t stack_limit = process_limit(t->process, RLIMIT_STACK);
    if (t->kernel->fetch_late) { /* in its next turn */
        t->kernel->fetch_late = false;
        return;
    }
    if (!trap->mapped && mm_grow_stack(t->mm, trap->addr, stack_limit))
        return;
    t->fault_error = FAULT_USER | (trap->mapped ? FAULT_PRESENT : 0);
    if (trap->access == CPU_WRITE)
        t->fault_error |= FAULT_WRITE;
    if (trap->access == CPU_EXEC)
        t->fault_error |= FAULT_FETCH;
    bool area = mm_find(t->mm, trap->addr) != NULL;
    if (mm_is_beyond(t->mm, trap->addr, trap->access)) {
        fault(t, SIGBUS, BUS_ADRERR, trap->addr, TRAP_PAGE);
        return;
    }
    fault(t, SIGSEGV, area ? SEGV_ACCERR : SEGV_MAPERR, trap->addr, TRAP_PAGE);
}

/* x86 has an interrupt for it, which is not the program's to take. */
static void overflow(struct task *t, uint64_t pc)
{
    if (t->cpu->ops->family == CPU_FAMILY_X86)
        fault(t, SIGSEGV, SI_KERNEL, 0, TRAP_OVERFLOW);
    else
        fault(t, SIGFPE, FPE_INTOVF, pc, TRAP_OVERFLOW);
}

/* Elsewhere than on x86 it is an address of the kernel's. */
static void protection(struct task *t, const struct cpu_trap *trap)
{
    if (t->cpu->ops->family == CPU_FAMILY_X86)
        fault(t, SIGSEGV, SI_KERNEL, 0, TRAP_PROTECT);
    else
        fault(t, SIGBUS, BUS_ADRERR, trap->addr, TRAP_PROTECT);
}

/* The frames are used up: what the out-of-memory killer does, to the one that asked. */
static void out_of_memory(struct task *t)
{
    kernel_emit_limit(t->kernel, t, "memory_pages");
    process_end(t->process, SIGKILL);
}

static void stopped(struct task *t, enum cpu_stop stop, const struct cpu_trap *trap)
{
    uint64_t pc = t->cpu->ops->pc(t->cpu);
    if (stop != CPU_STOP_BUDGET && stop != CPU_STOP_SYSCALL)
        kernel_charge(t->kernel, KERNEL_CALL_COST);
    t->fault_error = 0;
    switch (stop) {
    case CPU_STOP_BUDGET: break;
    case CPU_STOP_SYSCALL: own_call(t); break;
    case CPU_STOP_PROBE: lines_on_probe(t); break;
    case CPU_STOP_PAGE: page_fault(t, trap); break;
    case CPU_STOP_ILLEGAL: fault(t, SIGILL, ILL_ILLOPN, pc, TRAP_ILLEGAL); break;
    case CPU_STOP_DIVIDE: fault(t, SIGFPE, FPE_INTDIV, pc, TRAP_DIVIDE); break;
    case CPU_STOP_BREAK: fault(t, SIGTRAP, SI_KERNEL, 0, TRAP_BREAK); break;
    case CPU_STOP_PROTECT: protection(t, trap); break;
    case CPU_STOP_FLOAT: fault(t, SIGFPE, FPE_FLTINV, pc, TRAP_FLOAT); break;
    case CPU_STOP_SYSCALL32: call_32(t); break;
    case CPU_STOP_OVERFLOW: overflow(t, pc); break;
    case CPU_STOP_BOUND: fault(t, SIGSEGV, SI_KERNEL, 0, TRAP_BOUND); break;
    case CPU_STOP_ALIGN: fault(t, SIGBUS, BUS_ADRALN, trap->addr, TRAP_ALIGN); break;
    case CPU_STOP_NOMEM: out_of_memory(t); break;
    }
}

/* ---- Time ---- */

static void clock_advance(struct kernel *k, uint64_t instructions)
{
    k->instructions += instructions;
    k->clock_rest += instructions * US_TO_NS;
    k->now_ns += (int64_t)(k->clock_rest / KERNEL_INSTRUCTIONS_US);
    k->clock_rest %= KERNEL_INSTRUCTIONS_US;
}

static void alarm_check(struct process *p, int64_t now_ns)
{
    if (p->alarm_ns == 0 || p->alarm_ns > now_ns || p->zombie)
        return;
    if (p->alarm_interval_ns > 0) {
        int64_t missed = (now_ns - p->alarm_ns) / p->alarm_interval_ns;
        p->alarm_ns += (missed + 1) * p->alarm_interval_ns;
    } else {
        p->alarm_ns = 0;
    }
    signal_raise_process(p, SIGALRM);
}

/* Sleepers whose time has come. */
static void wake_sleepers(struct kernel *k)
{
    int64_t now_ns = kernel_monotonic_ns(k);
    for (struct task *t = k->tasks; t != NULL; t = t->next)
        if (t->state == TASK_WAITING && t->wait_deadline_ns <= now_ns)
            t->state = TASK_READY;
    for (struct process *p = k->processes; p != NULL; p = p->next) {
        alarm_check(p, now_ns);
        timers_check(p, now_ns);
    }
}

int64_t kernel_deadline(const struct kernel *k)
{
    int64_t first = INT64_MAX;
    for (const struct task *t = k->tasks; t != NULL; t = t->next)
        if (t->state == TASK_WAITING && t->wait_deadline_ns < first)
            first = t->wait_deadline_ns;
    for (const struct process *p = k->processes; p != NULL; p = p->next) {
        int64_t timer_ns = timers_deadline(p);
        if (p->alarm_ns != 0 && !p->zombie && p->alarm_ns < first)
            first = p->alarm_ns;
        if (timer_ns < first)
            first = timer_ns;
    }
    int64_t unit_ns = units_deadline(k);
    if (unit_ns < first)
        first = unit_ns;
    first = first >= INT64_MAX - k->boot_ns ? INT64_MAX : first + k->boot_ns;
    if (k->end_ns != 0 && k->end_ns < first)
        first = k->end_ns;
    if (k->records_due_ns < first)
        first = k->records_due_ns;
    if (k->rest_ns < first)
        first = k->rest_ns;
    return first >= INT64_MAX - NS_PER_MS ? INT64_MAX : (first + NS_PER_MS - 1) / NS_PER_MS;
}

/* ---- Turns ---- */

static void bury(struct kernel *k)
{
    struct task *next;
    for (struct task *t = k->tasks; t != NULL; t = next) {
        next = t->next;
        if (t->state == TASK_DEAD)
            task_free(t);
    }
}

/* The next ready task after the one that ran last. */
static struct task *pick(struct kernel *k)
{
    for (struct task *t = k->turn; t != NULL; t = t->next)
        if (t->state == TASK_READY)
            return t;
    for (struct task *t = k->tasks; t != NULL; t = t->next)
        if (t->state == TASK_READY)
            return t;
    return NULL;
}

/* Guests wait until what was seen is pulled. */
static bool events_full(const struct kernel *k)
{
    return events_count(k->events) >= k->limits.events || k->told_first != NULL;
}

/* Between two stretches of instructions. False: the task cannot go on now. */
static bool settle(struct task *t)
{
    if (t->in_call && t->restart_code == 0)
        execute_call(t);
    while (t->state == TASK_READY && !t->restart.whole && task_signal_pending(t)) {
        signal_deliver(t);
        if (t->state == TASK_READY && !t->in_call)
            mask_back(t);
    }
    /* A call that a signal cut, and no handler ran, goes on. */
    t->restart_code = 0;
    return t->state == TASK_READY && !t->in_call;
}

/* RLIMIT_CPU: SIGXCPU at the soft limit and every second from there, SIGKILL at the hard one. */
static void processor_limit_check(struct task *t)
{
    struct process *p = t->process;
    if (p == NULL || p->zombie || p->limits[RLIMIT_CPU].rlim_cur == RLIM64_INFINITY)
        return;
    struct rlimit64 *limit = &p->limits[RLIMIT_CPU];
    uint64_t used_s = process_instructions(p) / KERNEL_INSTRUCTIONS_US / US_PER_S;
    if (limit->rlim_max != RLIM64_INFINITY && used_s >= limit->rlim_max) {
        signal_raise_process(p, SIGKILL);
    } else if (used_s >= limit->rlim_cur) {
        limit->rlim_cur++;
        signal_raise_process(p, SIGXCPU);
    }
}

static void run_task(struct task *t, uint64_t quantum)
{
    struct kernel *k = t->kernel;
    uint64_t done = 0;
    while (done < quantum && !k->paused && k->refresh.object == NULL && !events_full(k) &&
           !cpu_code_is_tired(k->code)) {
        uint64_t used = 0, charged = k->charged;
        struct cpu_trap trap = {0, 0, false};
        if (settle(t)) {
            k->in_run = true;
            k->run_charged = k->charged;
            enum cpu_stop stop = cpu_run(t->cpu, quantum - done, &used, &trap);
            k->in_run = false;
            t->user_instructions += used;
            clock_advance(k, used);
            kernel_stir(k);
            stopped(t, stop, &trap);
        }
        done += used + (k->charged - charged);
        clock_advance(k, k->charged - charged);
        if (t->state != TASK_READY)
            break;
    }
    processor_limit_check(t);
}

static struct process *first_alive(const struct kernel *k)
{
    struct process *p = k->processes;
    while (p != NULL && p->zombie)
        p = p->next;
    return p;
}

static void kill_all(struct kernel *k)
{
    struct process *p;
    k->over = true;
    while ((p = first_alive(k)) != NULL)
        process_end(p, SIGKILL);
    bury(k);
}

void kernel_end(struct kernel *k)
{
    k->ending = true;
    kill_all(k);
}

/* The last instruction of the machine was executed. */
static void give_up(struct kernel *k)
{
    kernel_emit_limit(k, NULL, "instructions");
    kill_all(k);
}

/* The time of a shutdown has come: everybody is out. */
static void go_down(struct kernel *k)
{
    if (k->end_ns == 0 || k->now_ns < k->end_ns)
        return;
    k->end_ns = 0;
    for (int i = 0; i < KERNEL_PROGRAMS_MAX; i++)
        kernel_hangup(k, i);
}

/* Something that comes before guests run, or makes them. */
static bool has_work(const struct kernel *k)
{
    return k->dying != NULL || k->refresh.object != NULL || units_are_touched(k);
}

enum kernel_state kernel_run(struct kernel *k, uint64_t budget, int64_t now_ms)
{
    uint64_t end = k->instructions + budget;
    if (now_ms > k->now_ns / NS_PER_MS)
        k->now_ns = now_ms * NS_PER_MS;
    cpu_code_allow(k->code, KERNEL_DECODE_MAX);
    while (!k->over && !k->paused && k->instructions < end && !cpu_code_is_tired(k->code)) {
        if (events_full(k))
            break;
        uint64_t charged = k->charged;
        bool has_time = mm_bury(k) && mm_refresh_work(k);
        if (has_time && k->units != NULL)
            units_tick(k);
        clock_advance(k, k->charged - charged);
        if (!has_time)
            continue;
        wake_sleepers(k);
        struct task *t = pick(k);
        if (t == NULL)
            break;
        uint64_t left = end - k->instructions;
        k->turn = t->next;
        run_task(t, left < KERNEL_QUANTUM ? left : KERNEL_QUANTUM);
        bury(k);
        if (k->instructions >= k->limits.instructions)
            give_up(k);
    }
    go_down(k);
    if (!k->over) {
        cron_look(k);
        records_tick(k, k->log_said);
        k->log_said = false;
    }
    if (!k->over && (pick(k) != NULL || has_work(k)))
        return KERNEL_BUSY;
    kernel_rest(k);
    return KERNEL_IDLE;
}
