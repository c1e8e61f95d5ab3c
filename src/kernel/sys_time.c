#include "kernel/sys_time.h"

#include "kernel/syscalls.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>

enum {
    NS_PER_US = 1000,
    US_PER_S = 1000000,
    NS_PER_S = 1000000000,
    TICK_NS = 10000000,  /* of times(2) and the coarse clocks: 100 a second */
    COARSE_NS = 4000000, /* CONFIG_HZ=250 */
};

/* ---- Helpers ---- */

int64_t time_of_instructions(uint64_t instructions)
{
    return (int64_t)(instructions / KERNEL_INSTRUCTIONS_US * NS_PER_US +
                     instructions % KERNEL_INSTRUCTIONS_US * NS_PER_US / KERNEL_INSTRUCTIONS_US);
}

uint64_t process_instructions(const struct process *p)
{
    uint64_t sum = p->user_instructions;
    for (const struct task *t = p->kernel->tasks; t != NULL; t = t->next)
        if (t->process == p)
            sum += t->user_instructions;
    return sum;
}

static int64_t to_ns(const struct timespec *ts)
{
    if (ts->tv_sec > INT64_MAX / NS_PER_S - 1)
        return INT64_MAX;
    return ts->tv_sec * NS_PER_S + ts->tv_nsec;
}

int64_t time_read_ns(struct task *t, uint64_t addr, int64_t *ns)
{
    struct timespec ts;
    if (task_read(t, addr, &ts, sizeof(ts)) != 0)
        return -EFAULT;
    if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NS_PER_S)
        return -EINVAL;
    *ns = to_ns(&ts);
    return 0;
}

static int64_t add_ns(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

int64_t time_read_deadline(struct task *t, uint64_t addr, int clock, bool absolute,
                           int64_t *deadline_ns)
{
    int64_t ns;
    int64_t error = time_read_ns(t, addr, &ns);
    if (error != 0)
        return error;
    if (!absolute)
        ns = add_ns(kernel_monotonic_ns(t->kernel), ns);
    else if (clock == CLOCK_REALTIME || clock == CLOCK_TAI || clock == CLOCK_REALTIME_ALARM)
        ns = add_ns(ns, -t->kernel->boot_ns);
    *deadline_ns = ns;
    return 0;
}

/* Clocks of another process or thread: clock numbers below 0 (clock_getcpuclockid). */
static int64_t other_clock(const struct task *t, int clock, int64_t *ns)
{
    int32_t id = ~(clock >> 3);
    bool is_thread = (clock & 4) != 0;
    if ((clock & 3) == 3)
        return -EINVAL;
    const struct task *task = id == 0 ? t : task_find(t->kernel, id);
    if (task == NULL)
        return -EINVAL;
    *ns = time_of_instructions(is_thread ? task->user_instructions
                                         : process_instructions(task->process));
    return 0;
}

/* A clock's time now; -EINVAL for a clock that is not there. */
static int64_t clock_ns(struct task *t, int clock, int64_t *ns)
{
    const struct kernel *k = t->kernel;
    if (clock < 0)
        return other_clock(t, clock, ns);
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI: *ns = kernel_realtime_ns(k); return 0;
    case CLOCK_REALTIME_COARSE: *ns = kernel_realtime_ns(k) / COARSE_NS * COARSE_NS; return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM: *ns = kernel_monotonic_ns(k); return 0;
    case CLOCK_MONOTONIC_COARSE: *ns = kernel_monotonic_ns(k) / COARSE_NS * COARSE_NS; return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        *ns = time_of_instructions(process_instructions(t->process));
        return 0;
    case CLOCK_THREAD_CPUTIME_ID: *ns = time_of_instructions(t->user_instructions); return 0;
    default: return -EINVAL;
    }
}

int time_write_timespec(struct task *t, uint64_t addr, int64_t ns)
{
    struct timespec ts = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    return task_write(t, addr, &ts, sizeof(ts));
}

static struct timeval to_timeval(int64_t ns)
{
    return (struct timeval){.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / NS_PER_US};
}

int time_write_rusage(struct task *t, uint64_t addr, uint64_t instructions)
{
    struct rusage usage;
    memset(&usage, 0, sizeof(usage));
    usage.ru_utime = to_timeval(time_of_instructions(instructions));
    return task_write(t, addr, &usage, sizeof(usage));
}

/* ---- Reading clocks ---- */

int64_t sys_clock_gettime(struct task *t, const uint64_t arg[6])
{
    int64_t ns;
    int64_t error = clock_ns(t, (int)arg[0], &ns);
    return error != 0 ? error : time_write_timespec(t, arg[1], ns);
}

int64_t sys_clock_getres(struct task *t, const uint64_t arg[6])
{
    int64_t ns;
    int clock = (int)arg[0];
    int64_t error = clock_ns(t, clock, &ns);
    if (error != 0 || arg[1] == 0)
        return error;
    bool is_coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
    return time_write_timespec(t, arg[1], is_coarse ? COARSE_NS : 1);
}

static int64_t may_set(const struct task *t)
{
    /* The machine's clock is not the visitor's: refused as in a container. */
    (void)t;
    return -EPERM;
}

int64_t sys_clock_settime(struct task *t, const uint64_t arg[6])
{
    int64_t ns;
    if ((int)arg[0] != CLOCK_REALTIME)
        return -EINVAL;
    int64_t error = time_read_ns(t, arg[1], &ns);
    return error != 0 ? error : may_set(t);
}

int64_t sys_settimeofday(struct task *t, const uint64_t arg[6])
{
    struct timeval wanted;
    if (arg[0] != 0 && task_read(t, arg[0], &wanted, sizeof(wanted)) != 0)
        return -EFAULT;
    return may_set(t);
}

int64_t sys_gettimeofday(struct task *t, const uint64_t arg[6])
{
    struct timeval now = to_timeval(kernel_realtime_ns(t->kernel));
    struct timezone utc = {0, 0};
    if (arg[0] != 0 && task_write(t, arg[0], &now, sizeof(now)) != 0)
        return -EFAULT;
    if (arg[1] != 0 && task_write(t, arg[1], &utc, sizeof(utc)) != 0)
        return -EFAULT;
    return 0;
}

int64_t sys_time(struct task *t, const uint64_t arg[6])
{
    int64_t now = kernel_realtime_ns(t->kernel) / NS_PER_S;
    if (arg[0] != 0 && task_write(t, arg[0], &now, sizeof(now)) != 0)
        return -EFAULT;
    return now;
}

/* ---- Sleeping ---- */

/* What is left goes to `remain` when a handler cuts a relative sleep. */
static int64_t sleep_on(struct task *t, uint64_t remain, bool absolute)
{
    int64_t left = t->restart.deadline_ns - kernel_monotonic_ns(t->kernel);
    if (left <= 0)
        return 0;
    task_wait_until(t, t->restart.deadline_ns);
    int64_t result = task_wait(t, NULL);
    if (result == SYS_WAIT)
        return result;
    if (remain != 0 && !absolute && time_write_timespec(t, remain, left) != 0)
        return -EFAULT;
    return -ERESTARTNOHAND;
}

static int64_t sleep_begin(struct task *t, int clock, uint64_t request, uint64_t remain,
                           bool absolute)
{
    if (!t->restart.begun) {
        int64_t error = time_read_deadline(t, request, clock, absolute, &t->restart.deadline_ns);
        if (error != 0)
            return error;
        t->restart.begun = true;
    }
    return sleep_on(t, remain, absolute);
}

int64_t sys_nanosleep(struct task *t, const uint64_t arg[6])
{
    return sleep_begin(t, CLOCK_MONOTONIC, arg[0], arg[1], false);
}

int64_t sys_clock_nanosleep(struct task *t, const uint64_t arg[6])
{
    int clock = (int)arg[0];
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI: break;
    case CLOCK_THREAD_CPUTIME_ID: return -EINVAL;
    default: return clock >= 0 && clock <= CLOCK_TAI ? -EOPNOTSUPP : -EINVAL;
    }
    return sleep_begin(t, clock, arg[2], arg[3], (arg[1] & TIMER_ABSTIME) != 0);
}

int64_t sys_pause(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    int64_t result = task_wait(t, NULL);
    return result == SYS_WAIT ? result : -ERESTARTNOHAND;
}

/* ---- Timers ---- */

static void timer_left(const struct process *p, struct itimerval *out)
{
    int64_t left = 0;
    if (p->alarm_ns != 0) {
        left = p->alarm_ns - kernel_monotonic_ns(p->kernel);
        if (left < NS_PER_US)
            left = NS_PER_US; /* armed: never zero */
    }
    out->it_value = to_timeval(left);
    out->it_interval = to_timeval(p->alarm_interval_ns);
}

static void timer_set(struct process *p, int64_t value_ns, int64_t interval_ns)
{
    p->alarm_ns = value_ns > 0 ? add_ns(kernel_monotonic_ns(p->kernel), value_ns) : 0;
    p->alarm_interval_ns = value_ns > 0 ? interval_ns : 0;
}

int64_t sys_alarm(struct task *t, const uint64_t arg[6])
{
    struct itimerval old;
    timer_left(t->process, &old);
    timer_set(t->process, (int64_t)(uint32_t)arg[0] * NS_PER_S, 0);
    /* Rounded, but never to zero while armed. */
    int64_t seconds = old.it_value.tv_sec;
    if (old.it_value.tv_usec >= US_PER_S / 2 || (seconds == 0 && old.it_value.tv_usec > 0))
        seconds++;
    return seconds;
}

int64_t sys_getitimer(struct task *t, const uint64_t arg[6])
{
    struct itimerval value;
    memset(&value, 0, sizeof(value));
    if (arg[0] > ITIMER_PROF)
        return -EINVAL;
    if (arg[0] == ITIMER_REAL)
        timer_left(t->process, &value);
    return task_write(t, arg[1], &value, sizeof(value));
}

static bool timeval_ok(const struct timeval *tv)
{
    return tv->tv_sec >= 0 && tv->tv_usec >= 0 && tv->tv_usec < US_PER_S;
}

static int64_t timeval_ns(const struct timeval *tv)
{
    struct timespec ts = {.tv_sec = tv->tv_sec, .tv_nsec = tv->tv_usec * NS_PER_US};
    return to_ns(&ts);
}

int64_t sys_setitimer(struct task *t, const uint64_t arg[6])
{
    struct itimerval value, old;
    memset(&value, 0, sizeof(value));
    memset(&old, 0, sizeof(old));
    if (arg[0] > ITIMER_PROF)
        return -EINVAL;
    if (arg[1] != 0 && task_read(t, arg[1], &value, sizeof(value)) != 0)
        return -EFAULT;
    if (!timeval_ok(&value.it_value) || !timeval_ok(&value.it_interval))
        return -EINVAL;
    if (arg[0] == ITIMER_REAL) {
        timer_left(t->process, &old);
        timer_set(t->process, timeval_ns(&value.it_value), timeval_ns(&value.it_interval));
    }
    if (arg[2] != 0 && task_write(t, arg[2], &old, sizeof(old)) != 0)
        return -EFAULT;
    return 0;
}

/* ---- Use ---- */

int64_t sys_getrusage(struct task *t, const uint64_t arg[6])
{
    const struct process *p = t->process;
    switch ((int)arg[0]) {
    case RUSAGE_SELF: return time_write_rusage(t, arg[1], process_instructions(p));
    case RUSAGE_CHILDREN: return time_write_rusage(t, arg[1], p->child_instructions);
    case RUSAGE_THREAD: return time_write_rusage(t, arg[1], t->user_instructions);
    default: return -EINVAL;
    }
}

int64_t sys_times(struct task *t, const uint64_t arg[6])
{
    const struct process *p = t->process;
    struct tms tms = {.tms_utime = time_of_instructions(process_instructions(p)) / TICK_NS,
                      .tms_cutime = time_of_instructions(p->child_instructions) / TICK_NS};
    if (arg[0] != 0 && task_write(t, arg[0], &tms, sizeof(tms)) != 0)
        return -EFAULT;
    return kernel_monotonic_ns(t->kernel) / TICK_NS;
}

int64_t sys_adjtimex(struct task *t, const uint64_t arg[6])
{
    struct timex tx;
    if (task_read(t, arg[0], &tx, sizeof(tx)) != 0)
        return -EFAULT;
    if (tx.modes != 0)
        return may_set(t);
    memset(&tx, 0, sizeof(tx));
    tx.status = STA_UNSYNC;
    tx.tick = 10000;
    tx.time = to_timeval(kernel_realtime_ns(t->kernel));
    if (task_write(t, arg[0], &tx, sizeof(tx)) != 0)
        return -EFAULT;
    return TIME_ERROR;
}
