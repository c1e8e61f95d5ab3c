/* Descriptors without a file: eventfd(2), timerfd_create(2). */
#include "kernel/abi.h"
#include "kernel/machine.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t SECOND_NS = 1000000000;

/* A number as the program has it. */
static uint64_t in_order(const struct task *t, uint64_t value)
{
    return t != NULL ? abi_swap64(task_abi(t), value) : value;
}

/* ---- eventfd ---- */

enum { EVENT_SEMAPHORE = 1 };

struct event_counter {
    uint64_t value;
    bool semaphore;
};

static int64_t event_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)at;
    struct event_counter *e = f->object;
    if (len < sizeof(e->value))
        return -EINVAL;
    if (e->value == 0)
        return -EAGAIN;
    uint64_t given = e->semaphore ? 1 : e->value;
    e->value -= given;
    given = in_order(t, given);
    memcpy(out, &given, sizeof(given));
    vfs_wake(f->vfs, f->key);
    return sizeof(given);
}

static int64_t event_write(struct file *f, struct task *t, const void *bytes, size_t len,
                           int64_t at)
{
    (void)at;
    struct event_counter *e = f->object;
    uint64_t add = 0;
    if (len < sizeof(add))
        return -EINVAL;
    memcpy(&add, bytes, sizeof(add));
    add = in_order(t, add);
    if (add == UINT64_MAX)
        return -EINVAL;
    if (add > UINT64_MAX - 1 - e->value)
        return -EAGAIN;
    e->value += add;
    vfs_wake(f->vfs, f->key);
    return sizeof(add);
}

static unsigned event_poll(struct file *f)
{
    const struct event_counter *e = f->object;
    return (e->value > 0 ? POLLIN | POLLRDNORM : 0u) |
           (e->value < UINT64_MAX - 1 ? POLLOUT | POLLWRNORM : 0u);
}

static void object_close(struct file *f)
{
    free(f->object);
}

static const struct file_ops event_ops = {.read = event_read,
                                          .write = event_write,
                                          .poll = event_poll,
                                          .stat = sys_anonymous_stat,
                                          .close = object_close};

/* `object` is given away. */
static int64_t install_new(struct task *t, const struct file_ops *ops, void *object,
                           const char *kind_z, uint64_t flags)
{
    int error = 0;
    if (object == NULL)
        return -ENOMEM;
    struct file *f =
        file_new(t->fs->vfs, ops, object, O_RDWR | ((uint32_t)flags & O_NONBLOCK), &error);
    if (f == NULL)
        return error;
    f->kind_z = kind_z;
    return sys_install(t, f, (flags & O_CLOEXEC) != 0);
}

int64_t sys_eventfd2(struct task *t, const uint64_t arg[6])
{
    if ((arg[1] & ~(uint64_t)(EVENT_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) != 0)
        return -EINVAL;
    struct event_counter *e = calloc(1, sizeof(*e));
    if (e != NULL) {
        e->value = (uint32_t)arg[0];
        e->semaphore = (arg[1] & EVENT_SEMAPHORE) != 0;
    }
    return install_new(t, &event_ops, e, "anon_inode:[eventfd]", arg[1]);
}

int64_t sys_eventfd(struct task *t, const uint64_t arg[6])
{
    const uint64_t second[6] = {arg[0], 0};
    return sys_eventfd2(t, second);
}

/* ---- timerfd ---- */

struct timer {
    bool realtime;
    int64_t next_ns, interval_ns; /* next on CLOCK_MONOTONIC; 0: off */
};

/* How often it has fired and was not read. */
static uint64_t fired(const struct timer *timer, int64_t now)
{
    if (timer->next_ns == 0 || now < timer->next_ns)
        return 0;
    return timer->interval_ns > 0 ? 1 + (uint64_t)((now - timer->next_ns) / timer->interval_ns) : 1;
}

static int64_t timer_now(const struct file *f)
{
    return vfs_now(f->vfs) - f->vfs->boot_ns;
}

static int64_t timer_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)at;
    struct timer *timer = f->object;
    uint64_t count = fired(timer, timer_now(f));
    if (len < sizeof(count))
        return -EINVAL;
    if (count == 0) {
        if (timer->next_ns != 0 && t != NULL)
            task_wait_until(t, timer->next_ns);
        return -EAGAIN;
    }
    timer->next_ns =
        timer->interval_ns > 0 ? timer->next_ns + (int64_t)count * timer->interval_ns : 0;
    count = in_order(t, count);
    memcpy(out, &count, sizeof(count));
    return sizeof(count);
}

static unsigned timer_poll(struct file *f)
{
    return fired(f->object, timer_now(f)) > 0 ? POLLIN | POLLRDNORM : 0;
}

static int64_t timer_deadline(struct file *f)
{
    const struct timer *timer = f->object;
    return timer->next_ns != 0 ? timer->next_ns : INT64_MAX;
}

static const struct file_ops timer_ops = {.read = timer_read,
                                          .poll = timer_poll,
                                          .deadline = timer_deadline,
                                          .stat = sys_anonymous_stat,
                                          .close = object_close};

int64_t sys_timerfd_create(struct task *t, const uint64_t arg[6])
{
    uint32_t clock = (uint32_t)arg[0];
    if ((arg[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK)) != 0 ||
        (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME))
        return -EINVAL;
    struct timer *timer = calloc(1, sizeof(*timer));
    if (timer != NULL)
        timer->realtime = clock == CLOCK_REALTIME;
    return install_new(t, &timer_ops, timer, "anon_inode:[timerfd]", arg[1]);
}

static int64_t tell_timer(struct task *t, const struct file *f, uint64_t addr)
{
    const struct timer *timer = f->object;
    int64_t now = timer_now(f), next = timer->next_ns;
    if (next != 0 && timer->interval_ns > 0)
        next += (int64_t)fired(timer, now) * timer->interval_ns;
    int64_t rest = next > now ? next - now : 0;
    const int64_t out[4] = {timer->interval_ns / SECOND_NS, timer->interval_ns % SECOND_NS,
                            rest / SECOND_NS, rest % SECOND_NS};
    return addr != 0 ? task_write(t, addr, out, sizeof(out)) : 0;
}

static struct file *timer_file(struct task *t, uint64_t fd, int *error)
{
    struct file *f = sys_file(t, fd);
    *error = f == NULL ? -EBADF : f->ops != &timer_ops ? -EINVAL : 0;
    return *error == 0 ? f : NULL;
}

int64_t sys_timerfd_gettime(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    const struct file *f = timer_file(t, arg[0], &error);
    return f != NULL ? tell_timer(t, f, arg[1]) : error;
}

int64_t sys_timerfd_settime(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    int64_t interval = 0, value = 0;
    struct file *f = timer_file(t, arg[0], &error);
    if (f == NULL)
        return error;
    int64_t result = sys_timespec_ns(t, arg[2], &interval);
    if (result == 0)
        result = sys_timespec_ns(t, arg[2] + 16, &value);
    if (result == 0)
        result = tell_timer(t, f, arg[3]);
    if (result != 0)
        return result;
    struct timer *timer = f->object;
    bool absolute = (arg[1] & 1) != 0; /* TFD_TIMER_ABSTIME */
    timer->interval_ns = interval > 0 ? interval : 0;
    timer->next_ns = 0;
    if (value > 0 && absolute)
        timer->next_ns = timer->realtime ? value - f->vfs->boot_ns : value;
    else if (value > 0 && __builtin_add_overflow(timer_now(f), value, &timer->next_ns))
        timer->next_ns = INT64_MAX;
    vfs_wake(f->vfs, f->key);
    return 0;
}
