/* Calls that need code: threads, futexes, what belongs to the processor. */
#include "kernel/abi_spec.h"
#include "kernel/abi_special.h"

#include "cpu/x86.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <string.h>

enum { ROBUST_HEAD_BYTES = 12, OUR_HEAD_BYTES = 24 };

/* ---- Descriptors of i386 ---- */

struct user_desc {
    int32_t entry;
    uint32_t base, limit, flags;
};

enum { DESC_EMPTY = 0x28 /* read_exec_only, seg_not_present */ };

static bool is_empty(const struct user_desc *d)
{
    return d->base == 0 && d->limit == 0 && (d->flags & DESC_EMPTY) != 0;
}

static int read_desc(struct task *t, uint64_t addr, struct user_desc *d)
{
    return task_read(t, addr, d, sizeof(*d));
}

/* Its place among the thread's; -EINVAL: it is none of them. */
static int place_of(const struct user_desc *d)
{
    bool there = d->entry >= X86_TLS_FIRST && d->entry < X86_TLS_FIRST + X86_TLS_ENTRIES;
    return there ? d->entry - X86_TLS_FIRST : -EINVAL;
}

static int free_entry(const struct x86_state *s)
{
    for (int i = 0; i < X86_TLS_ENTRIES; i++)
        if (!s->tls_used[i])
            return i;
    return -ESRCH;
}

static int64_t set_descriptor(struct task *t, uint64_t addr)
{
    struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    struct user_desc d;
    if (read_desc(t, addr, &d) != 0)
        return -EFAULT;
    int at = d.entry == -1 ? free_entry(s) : place_of(&d);
    if (at < 0)
        return at;
    s->tls_base[at] = d.base;
    s->tls_used[at] = !is_empty(&d);
    /* Who has it loaded sees the new one. */
    uint16_t selector = (uint16_t)((X86_TLS_FIRST + at) << 3 | 3);
    for (int segment = X86_FS; segment <= X86_GS; segment++)
        if (s->selector[segment] == selector)
            x86_load_segment(s, (enum x86_segment)segment, s->tls_used[at] ? selector : 0);
    int32_t entry = X86_TLS_FIRST + at;
    return d.entry == -1 ? task_write(t, addr, &entry, sizeof(entry)) : 0;
}

int64_t abi_set_thread_area(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    if (task_abi(t)->family == ABI_I386)
        return set_descriptor(t, raw[0]);
    if (task_abi(t)->family == ABI_X86_64)
        return -ENOSYS;
    t->cpu->ops->set_tls(t->cpu, raw[0]);
    return 0;
}

int64_t abi_get_thread_area(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    struct user_desc d;
    if (task_abi(t)->family != ABI_I386)
        return -ENOSYS;
    const struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    if (read_desc(t, raw[0], &d) != 0)
        return -EFAULT;
    int at = place_of(&d);
    if (at < 0)
        return at;
    d.base = s->tls_base[at];
    d.limit = s->tls_used[at] ? 0xfffff : 0;
    d.flags = s->tls_used[at] ? 0x51 /* seg_32bit, limit_in_pages, useable */ : DESC_EMPTY;
    return task_write(t, raw[0], &d, sizeof(d));
}

/* ---- ARM's own calls, and MIPS's cache ---- */

int64_t abi_set_tls(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    t->cpu->ops->set_tls(t->cpu, raw[0]);
    return 0;
}

int64_t abi_get_tls(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    (void)raw;
    return (int64_t)t->cpu->ops->tls(t->cpu);
}

/* Changed code is noticed without being told. */
int64_t abi_cacheflush(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    (void)t;
    (void)raw;
    return 0;
}

/* ---- clone ---- */

/* What CLONE_SETTLS gives: i386 has a descriptor in memory. */
static int read_tls(struct task *t, uint64_t flags, uint64_t *tls)
{
    struct user_desc d;
    if ((flags & CLONE_SETTLS) == 0 || t->call_abi->family != ABI_I386)
        return 0;
    if (read_desc(t, *tls, &d) != 0)
        return -EFAULT;
    if (place_of(&d) < 0)
        return -EINVAL;
    *tls = d.base;
    return 0;
}

/* Flags, stack, parent's tid, tls, child's tid. */
int64_t abi_clone(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t tls = raw[3];
    int signo = abi_signo_in(t->call_abi, (int)(raw[0] & CSIGNAL));
    int error = read_tls(t, raw[0], &tls);
    if (error != 0)
        return error;
    const uint64_t arg[6] = {(raw[0] & ~(uint64_t)CSIGNAL) | (unsigned)signo, raw[1], raw[2],
                             raw[4], tls};
    return sys_clone(t, arg);
}

int64_t abi_clone3(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    struct clone_args args;
    uint64_t addr, tls;
    uint8_t bytes[CPU_PAGE_BYTES] = {0};
    if (raw[1] < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    if (raw[1] > sizeof(bytes))
        return -E2BIG;
    if (task_read(t, raw[0], bytes, (size_t)raw[1]) != 0)
        return -EFAULT;
    abi_layout_in(t->call_abi, L_CLONE_ARGS, bytes, &args);
    tls = args.tls;
    int error = read_tls(t, args.flags, &tls);
    args.tls = tls;
    args.exit_signal = (uint64_t)abi_signo_in(t->call_abi, (int)args.exit_signal);
    struct abi_window *w = abi_window_reset(t);
    memcpy(bytes, &args, sizeof(args));
    if (error == 0)
        error = abi_window_take(w, (size_t)raw[1], &addr);
    if (error != 0)
        return error;
    abi_window_write(w, addr, bytes, (size_t)raw[1]);
    return sys_clone3(t, (const uint64_t[6]){addr, raw[1]});
}

/* ---- Futexes ---- */

static int64_t futex(struct task *t, const uint64_t raw[ABI_RAW_ARGS], enum abi_layout timeout)
{
    struct timespec span;
    uint64_t addr = raw[3];
    unsigned command = (unsigned)raw[1] & FUTEX_CMD_MASK;
    bool timed = command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET ||
                 command == FUTEX_LOCK_PI || command == FUTEX_WAIT_REQUEUE_PI;
    if (timed && addr != 0) {
        int error = abi_get(t, timeout, raw[3], &span);
        struct abi_window *w = abi_window_reset(t);
        if (error == 0)
            error = abi_window_take(w, sizeof(span), &addr);
        if (error != 0)
            return error;
        abi_window_write(w, addr, &span, sizeof(span));
    }
    return sys_futex(t, (const uint64_t[6]){raw[0], raw[1], raw[2], addr, raw[4], raw[5]});
}

int64_t abi_futex(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return futex(t, raw, L_TIMESPEC);
}

int64_t abi_futex_time64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return futex(t, raw, L_TIMESPEC64);
}

int64_t abi_set_robust_list(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    if (raw[1] != ROBUST_HEAD_BYTES)
        return -EINVAL;
    return sys_set_robust_list(t, (const uint64_t[6]){raw[0], OUR_HEAD_BYTES});
}

int64_t abi_get_robust_list(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    static const uint64_t bytes = ROBUST_HEAD_BYTES;
    const struct task *of = raw[0] == 0 ? t : task_find(t->kernel, (int32_t)raw[0]);
    if (of == NULL)
        return -ESRCH;
    if (abi_put(t, L_WORD, raw[2], &bytes) != 0)
        return -EFAULT;
    return abi_put(t, L_WORD, raw[1], &of->robust_list);
}

/* As x86-64's: not there. */
int64_t abi_rseq(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    (void)t;
    (void)raw;
    return -ENOSYS;
}
