#include "kernel/sys_time.h"
#include "kernel/syscalls.h"
#include "kernel/timer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct timer {
    bool used;
    int clock;
    int notify; /* SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID */
    int signo;
    int32_t tid;
    uint64_t value;      /* for the signal */
    int64_t next_ns;     /* CLOCK_MONOTONIC; 0: not armed */
    int64_t interval_ns; /* 0: once */
    uint32_t overrun;    /* of the last signal */
};

struct timers {
    struct timer all[TIMERS_MAX];
};

/* struct sigevent of the kernel's interface. */
struct user_event {
    uint64_t value;
    int32_t signo, notify, tid;
    uint8_t rest[44];
};
_Static_assert(sizeof(struct user_event) == 64, "struct sigevent");

void timers_free(struct process *p)
{
    free(p->timers);
    p->timers = NULL;
}

/* ---- Running out ---- */

static void tell(struct process *p, const struct timer *timer, int id)
{
    struct signal_info info = {.signo = timer->signo,
                               .code = SI_TIMER,
                               .pid = id,
                               .uid = timer->overrun,
                               .value = timer->value};
    struct task *t = timer->notify == SIGEV_THREAD_ID ? task_find(p->kernel, timer->tid) : NULL;
    if (t != NULL && t->process == p)
        signal_send_task(t, &info);
    else if (timer->notify == SIGEV_SIGNAL)
        signal_send_process(p, &info);
}

static void run_out(struct process *p, struct timer *timer, int id, int64_t now_ns)
{
    int64_t missed = 0;
    if (timer->interval_ns > 0) {
        missed = (now_ns - timer->next_ns) / timer->interval_ns;
        timer->next_ns += (missed + 1) * timer->interval_ns;
    } else {
        timer->next_ns = 0;
    }
    timer->overrun = missed < INT32_MAX ? (uint32_t)missed : INT32_MAX; /* DELAYTIMER_MAX */
    tell(p, timer, id);
}

void timers_check(struct process *p, int64_t now_ns)
{
    if (p->timers == NULL || p->zombie)
        return;
    for (int i = 0; i < TIMERS_MAX; i++) {
        struct timer *timer = &p->timers->all[i];
        if (timer->used && timer->next_ns != 0 && timer->next_ns <= now_ns)
            run_out(p, timer, i, now_ns);
    }
}

int64_t timers_deadline(const struct process *p)
{
    int64_t first = INT64_MAX;
    if (p->timers == NULL || p->zombie)
        return first;
    for (int i = 0; i < TIMERS_MAX; i++) {
        const struct timer *timer = &p->timers->all[i];
        if (timer->used && timer->next_ns != 0 && timer->next_ns < first)
            first = timer->next_ns;
    }
    return first;
}

/* ---- The calls ---- */

static int clock_ok(const struct task *t, int clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI: return 0;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
        return creds_capable(&t->creds, 35 /* CAP_WAKE_ALARM */) ? 0 : -EPERM;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID: return -EOPNOTSUPP;
    default: return -EINVAL;
    }
}

static int read_event(struct task *t, uint64_t addr, int id, struct timer *out)
{
    struct user_event e = {.value = (uint64_t)id, .signo = SIGALRM, .notify = SIGEV_SIGNAL};
    if (addr != 0 && task_read(t, addr, &e, sizeof(e)) != 0)
        return -EFAULT;
    if (e.notify != SIGEV_SIGNAL && e.notify != SIGEV_NONE && e.notify != SIGEV_THREAD_ID)
        return -EINVAL;
    if (e.notify != SIGEV_NONE && (e.signo < 1 || e.signo > SIGNAL_MAX))
        return -EINVAL;
    if (e.notify == SIGEV_THREAD_ID) {
        const struct task *to = task_find(t->kernel, e.tid);
        if (to == NULL || to->process != t->process)
            return -EINVAL;
    }
    out->value = e.value;
    out->signo = e.signo;
    out->notify = e.notify;
    out->tid = e.tid;
    return 0;
}

int64_t sys_timer_create(struct task *t, const uint64_t arg[6])
{
    struct process *p = t->process;
    struct timer new = {.used = true, .clock = (int)arg[0]};
    int error = clock_ok(t, new.clock);
    if (error != 0)
        return error;
    if (p->timers == NULL)
        p->timers = calloc(1, sizeof(*p->timers));
    if (p->timers == NULL)
        return -EAGAIN;
    int id = 0;
    while (id < TIMERS_MAX && p->timers->all[id].used)
        id++;
    if (id == TIMERS_MAX)
        return -EAGAIN;
    error = read_event(t, arg[1], id, &new);
    if (error == 0)
        error = task_write(t, arg[2], &id, sizeof(id));
    if (error == 0)
        p->timers->all[id] = new;
    return error;
}

static struct timer *find(const struct task *t, uint64_t id)
{
    struct timers *timers = t->process->timers;
    if (timers == NULL || id >= TIMERS_MAX || !timers->all[id].used)
        return NULL;
    return &timers->all[id];
}

/* struct itimerspec: the interval, then what is left. */
static int write_left(struct task *t, uint64_t addr, const struct timer *timer)
{
    int64_t left = 0;
    if (timer->next_ns != 0) {
        left = timer->next_ns - kernel_monotonic_ns(t->kernel);
        if (left < 1)
            left = 1;
    }
    int error = time_write_timespec(t, addr, timer->interval_ns);
    return error != 0 ? error : time_write_timespec(t, addr + sizeof(struct timespec), left);
}

int64_t sys_timer_settime(struct task *t, const uint64_t arg[6])
{
    struct timer *timer = find(t, arg[0]);
    int64_t value_ns, interval_ns, deadline_ns;
    uint64_t value_addr = arg[2] + sizeof(struct timespec);
    if (timer == NULL || arg[2] == 0)
        return -EINVAL;
    int64_t error = time_read_ns(t, arg[2], &interval_ns);
    if (error == 0)
        error = time_read_ns(t, value_addr, &value_ns);
    if (error == 0)
        error = time_read_deadline(t, value_addr, timer->clock, (arg[1] & TIMER_ABSTIME) != 0,
                                   &deadline_ns);
    if (error == 0 && arg[3] != 0)
        error = write_left(t, arg[3], timer);
    if (error != 0)
        return error;
    timer->interval_ns = interval_ns;
    timer->overrun = 0;
    timer->next_ns = value_ns == 0 ? 0 : deadline_ns > 1 ? deadline_ns : 1;
    timers_check(t->process, kernel_monotonic_ns(t->kernel)); /* it may be over already */
    return 0;
}

int64_t sys_timer_gettime(struct task *t, const uint64_t arg[6])
{
    const struct timer *timer = find(t, arg[0]);
    return timer != NULL ? write_left(t, arg[1], timer) : -EINVAL;
}

int64_t sys_timer_getoverrun(struct task *t, const uint64_t arg[6])
{
    const struct timer *timer = find(t, arg[0]);
    return timer != NULL ? (int64_t)timer->overrun : -EINVAL;
}

int64_t sys_timer_delete(struct task *t, const uint64_t arg[6])
{
    struct timer *timer = find(t, arg[0]);
    if (timer == NULL)
        return -EINVAL;
    memset(timer, 0, sizeof(*timer));
    return 0;
}
