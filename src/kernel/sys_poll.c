/* Waiting for descriptors: poll, ppoll, select, pselect6. */
#include "kernel/machine.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static const int64_t SECOND_NS = 1000000000, SECOND_US = 1000000, US_TO_NS = 1000;

enum { SELECT_WORDS = FD_TABLE_MAX / 64 };

/* ---- What all of them share ---- */

/* The call's deadline, set at its first pass; INT64_MAX: none. `timeout_ns` < 0: none. */
static int64_t deadline_of(struct task *t, int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return INT64_MAX;
    if (!t->restart.begun) {
        t->restart.begun = true;
        if (__builtin_add_overflow(kernel_monotonic_ns(t->kernel), timeout_ns,
                                   &t->restart.deadline_ns))
            t->restart.deadline_ns = INT64_MAX;
    }
    return t->restart.deadline_ns;
}

int64_t sys_wait_ready(struct task *t, int64_t timeout_ns, int64_t sooner_ns)
{
    int64_t deadline = deadline_of(t, timeout_ns);
    if (timeout_ns == 0 || kernel_monotonic_ns(t->kernel) >= deadline)
        return 0;
    deadline = sooner_ns < deadline ? sooner_ns : deadline;
    if (deadline != INT64_MAX)
        task_wait_until(t, deadline);
    int64_t result = task_wait_any(t);
    /* A handler always ends these calls, whatever SA_RESTART says. */
    return result == -ERESTARTSYS ? -ERESTARTNOHAND : result;
}

unsigned sys_poll_file(struct file *f, int64_t *sooner_ns)
{
    if (f->ops->deadline != NULL) {
        int64_t at = f->ops->deadline(f);
        *sooner_ns = at < *sooner_ns ? at : *sooner_ns;
    }
    return file_poll(f);
}

int64_t sys_timespec_ns(struct task *t, uint64_t addr, int64_t *out)
{
    int64_t pair[2];
    *out = -1;
    if (addr == 0)
        return 0;
    if (task_read(t, addr, pair, sizeof(pair)) != 0)
        return -EFAULT;
    if (pair[0] < 0 || pair[1] < 0 || pair[1] >= SECOND_NS)
        return -EINVAL;
    *out = pair[0] < INT64_MAX / SECOND_NS ? pair[0] * SECOND_NS + pair[1] : INT64_MAX;
    return 0;
}

/* Linux tells how much of the time was left; `unit_ns` is that of the second number. */
static void tell_rest(struct task *t, uint64_t addr, int64_t timeout_ns, int64_t unit_ns)
{
    int64_t now = kernel_monotonic_ns(t->kernel), rest = 0;
    if (addr == 0 || timeout_ns < 0)
        return;
    if (t->restart.begun && t->restart.deadline_ns > now)
        rest = t->restart.deadline_ns - now;
    else if (!t->restart.begun)
        rest = timeout_ns;
    const int64_t pair[2] = {rest / SECOND_NS, rest % SECOND_NS / unit_ns};
    (void)task_write(t, addr, pair, sizeof(pair));
}

/* ---- poll ---- */

struct poll_entry {
    int32_t fd;
    int16_t events, revents;
};

static int64_t poll_once(struct task *t, uint64_t addr, uint64_t count, int64_t *sooner_ns)
{
    int64_t ready = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct poll_entry p;
        uint64_t at = addr + i * sizeof(p);
        if (task_read(t, at, &p, sizeof(p)) != 0)
            return -EFAULT;
        struct file *f = fd_table_find(t->files, p.fd);
        unsigned mask = (uint16_t)p.events | POLLERR | POLLHUP;
        unsigned found = f != NULL ? sys_poll_file(f, sooner_ns) & mask : POLLNVAL;
        p.revents = p.fd < 0 ? 0 : (int16_t)found;
        ready += p.revents != 0 ? 1 : 0;
        if (task_write(t, at + 6, &p.revents, sizeof(p.revents)) != 0)
            return -EFAULT;
    }
    return ready;
}

static int64_t poll_for(struct task *t, uint64_t addr, uint64_t count, int64_t timeout_ns)
{
    int64_t sooner = INT64_MAX;
    if (count > FD_TABLE_MAX || count > process_limit(t->process, RLIMIT_NOFILE))
        return -EINVAL;
    int64_t ready = poll_once(t, addr, count, &sooner);
    return ready != 0 ? ready : sys_wait_ready(t, timeout_ns, sooner);
}

int64_t sys_poll(struct task *t, const uint64_t arg[6])
{
    int32_t ms = (int32_t)arg[2];
    return poll_for(t, arg[0], (uint32_t)arg[1], ms < 0 ? -1 : (int64_t)ms * 1000000);
}

int64_t sys_mask_for_call(struct task *t, uint64_t addr, uint64_t size)
{
    uint64_t mask = 0;
    if (addr == 0)
        return 0;
    if (size != sizeof(mask))
        return -EINVAL;
    if (task_read(t, addr, &mask, sizeof(mask)) != 0)
        return -EFAULT;
    signal_mask_for_call(t, mask);
    return 0;
}

int64_t sys_ppoll(struct task *t, const uint64_t arg[6])
{
    int64_t timeout = -1;
    int64_t error = sys_timespec_ns(t, arg[2], &timeout);
    if (error == 0)
        error = sys_mask_for_call(t, arg[3], arg[4]);
    if (error != 0)
        return error;
    int64_t result = poll_for(t, arg[0], (uint32_t)arg[1], timeout);
    if (result >= 0)
        tell_rest(t, arg[2], timeout, 1);
    return result;
}

/* ---- select ---- */

struct select_set {
    uint64_t addr; /* 0: not asked */
    unsigned mask;
    uint64_t asked[SELECT_WORDS], found[SELECT_WORDS];
};

static int64_t read_sets(struct task *t, struct select_set set[3], size_t words)
{
    for (int i = 0; i < 3; i++)
        if (set[i].addr != 0 && task_read(t, set[i].addr, set[i].asked, words * 8) != 0)
            return -EFAULT;
    return 0;
}

static int64_t write_sets(struct task *t, const struct select_set set[3], size_t words)
{
    for (int i = 0; i < 3; i++)
        if (set[i].addr != 0 && task_write(t, set[i].addr, set[i].found, words * 8) != 0)
            return -EFAULT;
    return 0;
}

static int64_t select_once(struct task *t, int count, struct select_set set[3], int64_t *sooner_ns)
{
    int64_t ready = 0;
    for (int fd = 0; fd < count; fd++) {
        uint64_t bit = UINT64_C(1) << fd % 64;
        size_t word = (size_t)fd / 64;
        if (((set[0].asked[word] | set[1].asked[word] | set[2].asked[word]) & bit) == 0)
            continue;
        struct file *f = fd_table_find(t->files, fd);
        if (f == NULL)
            return -EBADF;
        unsigned found = sys_poll_file(f, sooner_ns);
        for (int i = 0; i < 3; i++) {
            if ((set[i].asked[word] & bit) == 0 || (found & set[i].mask) == 0)
                continue;
            set[i].found[word] |= bit;
            ready++;
        }
    }
    return ready;
}

static int64_t select_for(struct task *t, const uint64_t arg[6], int64_t timeout_ns)
{
    struct select_set set[3] = {
        {.addr = arg[1], .mask = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR},
        {.addr = arg[2], .mask = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR},
        {.addr = arg[3], .mask = POLLPRI}};
    int count = (int32_t)arg[0];
    int64_t sooner = INT64_MAX;
    if (count < 0)
        return -EINVAL;
    count = count < FD_TABLE_MAX ? count : FD_TABLE_MAX;
    size_t words = ((size_t)count + 63) / 64;
    int64_t result = read_sets(t, set, words);
    if (result == 0)
        result = select_once(t, count, set, &sooner);
    if (result == 0)
        result = sys_wait_ready(t, timeout_ns, sooner);
    if (result < 0) /* parked, or an error: the sets stay */
        return result;
    int64_t error = write_sets(t, set, words);
    return error != 0 ? error : result;
}

/* A struct timeval of the guest in nanoseconds. Its microseconds may be more than a second's. */
static int64_t timeval_ns(struct task *t, uint64_t addr, int64_t *out)
{
    int64_t pair[2], seconds;
    if (addr == 0)
        return 0;
    if (task_read(t, addr, pair, sizeof(pair)) != 0)
        return -EFAULT;
    if (pair[0] < 0 || pair[1] < 0 ||
        __builtin_add_overflow(pair[0], pair[1] / SECOND_US, &seconds))
        return -EINVAL;
    *out = seconds < INT64_MAX / SECOND_NS / 2
               ? seconds * SECOND_NS + pair[1] % SECOND_US * US_TO_NS
               : INT64_MAX;
    return 0;
}

int64_t sys_select(struct task *t, const uint64_t arg[6])
{
    int64_t timeout = -1;
    int64_t error = timeval_ns(t, arg[4], &timeout);
    if (error != 0)
        return error;
    int64_t result = select_for(t, arg, timeout);
    if (result >= 0)
        tell_rest(t, arg[4], timeout, 1000);
    return result;
}

int64_t sys_pselect6(struct task *t, const uint64_t arg[6])
{
    int64_t timeout = -1;
    uint64_t mask[2] = {0, 0}; /* its address and size */
    int64_t error = sys_timespec_ns(t, arg[4], &timeout);
    if (error == 0 && arg[5] != 0 && task_read(t, arg[5], mask, sizeof(mask)) != 0)
        error = -EFAULT;
    if (error == 0)
        error = sys_mask_for_call(t, mask[0], mask[1]);
    if (error != 0)
        return error;
    int64_t result = select_for(t, arg, timeout);
    if (result >= 0)
        tell_rest(t, arg[4], timeout, 1);
    return result;
}
