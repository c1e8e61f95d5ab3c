#include "kernel/futex.h"

#include "kernel/file.h"
#include "kernel/mm.h"
#include "kernel/sys_time.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <linux/futex.h>

enum {
    ROBUST_MAX = 2048, /* ROBUST_LIST_LIMIT */
    ROBUST_HEAD_BYTES = 24,
};

/* ---- Who waits where ---- */

static struct futex_key key_of(const struct task *t, uint64_t addr)
{
    const struct mm_area *area = mm_find(t->mm, addr);
    if (area != NULL && area->share_id != 0)
        return (struct futex_key){t->kernel,
                                  area->share_id << 40 | (area->offset + (addr - area->start))};
    if (area != NULL && area->file != NULL && (area->access & CPU_SHARED) != 0)
        return (struct futex_key){area->file->object, area->offset + (addr - area->start)};
    return (struct futex_key){t->mm, addr};
}

static bool is_same(const struct futex_key *a, const struct futex_key *b)
{
    return a->base == b->base && a->offset == b->offset;
}

static bool waits_for(const struct task *t, const struct futex_key *key, uint32_t bits)
{
    return t->futex.base != NULL && is_same(&t->futex, key) && (t->futex_bits & bits) != 0;
}

static int64_t wake(struct kernel *k, const struct futex_key *key, uint32_t count, uint32_t bits)
{
    int64_t woken = 0;
    for (struct task *t = k->tasks; t != NULL && woken < count; t = t->next) {
        if (!waits_for(t, key, bits))
            continue;
        t->futex.base = NULL;
        task_wake(t);
        woken++;
    }
    return woken;
}

int64_t futex_wake(struct task *t, uint64_t addr, uint32_t count)
{
    struct futex_key key = key_of(t, addr);
    return wake(t->kernel, &key, count, FUTEX_BITSET_MATCH_ANY);
}

/* ---- The call ---- */

/* A parked wait was woken when its key was taken away. */
static int64_t wait_again(struct task *t)
{
    if (t->futex.base == NULL)
        return 0;
    if (kernel_monotonic_ns(t->kernel) >= t->restart.deadline_ns) {
        t->futex.base = NULL;
        return -ETIMEDOUT;
    }
    task_wait_until(t, t->restart.deadline_ns);
    int64_t result = task_wait(t, NULL);
    if (result != SYS_WAIT) {
        t->futex.base = NULL;
        t->restart.begun = false;
    }
    return result;
}

/* `timeout_addr` is relative for FUTEX_WAIT, absolute for FUTEX_WAIT_BITSET. */
static int64_t wait_begin(struct task *t, const uint64_t arg[6], uint32_t bits, bool absolute)
{
    uint32_t value;
    int64_t deadline = INT64_MAX;
    if (bits == 0)
        return -EINVAL;
    if (arg[3] != 0) {
        int clock = (arg[1] & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        int64_t error = time_read_deadline(t, arg[3], clock, absolute, &deadline);
        if (error != 0)
            return error;
    }
    if (task_read_u32(t, arg[0], &value) != 0)
        return -EFAULT;
    if (value != (uint32_t)arg[2])
        return -EAGAIN;
    t->restart.begun = true;
    t->restart.deadline_ns = deadline;
    t->futex = key_of(t, arg[0]);
    t->futex_bits = bits;
    return wait_again(t);
}

static int64_t requeue(struct task *t, const uint64_t arg[6], bool compare)
{
    struct futex_key from = key_of(t, arg[0]), to = key_of(t, arg[4]);
    uint32_t value;
    if ((int32_t)arg[2] < 0 || (int32_t)arg[3] < 0 || (arg[4] & 3) != 0)
        return -EINVAL;
    if (task_read_u32(t, arg[0], &value) != 0)
        return -EFAULT;
    if (compare && value != (uint32_t)arg[5])
        return -EAGAIN;
    int64_t woken = wake(t->kernel, &from, (uint32_t)arg[2], FUTEX_BITSET_MATCH_ANY);
    uint32_t moved = 0;
    for (struct task *w = t->kernel->tasks; w != NULL && moved < (uint32_t)arg[3]; w = w->next) {
        if (!waits_for(w, &from, FUTEX_BITSET_MATCH_ANY))
            continue;
        w->futex = to;
        moved++;
    }
    return compare ? woken + moved : woken;
}

/* FUTEX_WAKE_OP: changes the second word, and wakes its waiters when its old value compares. */
static int apply(struct task *t, uint64_t addr, uint32_t code, bool *compares)
{
    int32_t operand = (int32_t)(code << 8) >> 20, against = (int32_t)(code << 20) >> 20;
    uint32_t raw, result;
    if (task_read_u32(t, addr, &raw) != 0)
        return -EFAULT;
    if ((code >> 28 & FUTEX_OP_OPARG_SHIFT) != 0)
        operand = (int32_t)(UINT32_C(1) << (operand & 31));
    switch (code >> 28 & 7) {
    case FUTEX_OP_SET: result = (uint32_t)operand; break;
    case FUTEX_OP_ADD: result = raw + (uint32_t)operand; break;
    case FUTEX_OP_OR: result = raw | (uint32_t)operand; break;
    case FUTEX_OP_ANDN: result = raw & ~(uint32_t)operand; break;
    case FUTEX_OP_XOR: result = raw ^ (uint32_t)operand; break;
    default: return -ENOSYS;
    }
    int32_t old = (int32_t)raw;
    switch (code >> 24 & 15) {
    case FUTEX_OP_CMP_EQ: *compares = old == against; break;
    case FUTEX_OP_CMP_NE: *compares = old != against; break;
    case FUTEX_OP_CMP_LT: *compares = old < against; break;
    case FUTEX_OP_CMP_LE: *compares = old <= against; break;
    case FUTEX_OP_CMP_GT: *compares = old > against; break;
    case FUTEX_OP_CMP_GE: *compares = old >= against; break;
    default: return -ENOSYS;
    }
    return task_write_u32(t, addr, result);
}

static int64_t wake_op(struct task *t, const uint64_t arg[6])
{
    bool compares = false;
    if ((arg[4] & 3) != 0)
        return -EINVAL;
    int error = apply(t, arg[4], (uint32_t)arg[5], &compares);
    if (error != 0)
        return error;
    int64_t woken = futex_wake(t, arg[0], (uint32_t)arg[2]);
    if (compares)
        woken += futex_wake(t, arg[4], (uint32_t)arg[3]);
    return woken;
}

int64_t sys_futex(struct task *t, const uint64_t arg[6])
{
    struct futex_key key;
    if (t->restart.begun)
        return wait_again(t);
    if ((arg[0] & 3) != 0)
        return -EINVAL;
    switch ((int)arg[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAIT: return wait_begin(t, arg, FUTEX_BITSET_MATCH_ANY, false);
    case FUTEX_WAIT_BITSET: return wait_begin(t, arg, (uint32_t)arg[5], true);
    case FUTEX_WAKE: return futex_wake(t, arg[0], (uint32_t)arg[2]);
    case FUTEX_WAKE_BITSET:
        if ((uint32_t)arg[5] == 0)
            return -EINVAL;
        key = key_of(t, arg[0]);
        return wake(t->kernel, &key, (uint32_t)arg[2], (uint32_t)arg[5]);
    case FUTEX_REQUEUE: return requeue(t, arg, false);
    case FUTEX_CMP_REQUEUE: return requeue(t, arg, true);
    case FUTEX_WAKE_OP: return wake_op(t, arg);
    default: return -ENOSYS;
    }
}

/* ---- Robust lists ---- */

int64_t sys_set_robust_list(struct task *t, const uint64_t arg[6])
{
    if (arg[1] != ROBUST_HEAD_BYTES)
        return -EINVAL;
    t->robust_list = arg[0];
    return 0;
}

int64_t sys_get_robust_list(struct task *t, const uint64_t arg[6])
{
    static const uint64_t bytes = ROBUST_HEAD_BYTES;
    const struct task *of = arg[0] == 0 ? t : task_find(t->kernel, (int32_t)arg[0]);
    if (of == NULL)
        return -ESRCH;
    if (task_write(t, arg[2], &bytes, 8) != 0)
        return -EFAULT;
    return task_write(t, arg[1], &of->robust_list, 8);
}

/* One lock of a dead thread: marked, and one waiter woken. */
static void release_lock(struct task *t, uint64_t addr)
{
    uint32_t word;
    if ((addr & 3) != 0 || task_read_u32(t, addr, &word) != 0)
        return;
    if ((word & FUTEX_TID_MASK) != (uint32_t)t->tid)
        return;
    uint32_t marked = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    if (task_write_u32(t, addr, marked) == 0 && (word & FUTEX_WAITERS) != 0)
        futex_wake(t, addr, 1);
}

void futex_exit(struct task *t)
{
    uint64_t head[3]; /* first entry, offset of the lock word, the entry being changed */
    if (t->robust_list == 0)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(head); i++)
        if (task_read_word(t, t->robust_list + (uint64_t)i * task_word_bytes(t), &head[i]) != 0)
            return;
    if (task_word_bytes(t) == 4)
        head[1] = (uint64_t)(int32_t)head[1];
    uint64_t entry = head[0] & ~UINT64_C(1), pending = head[2] & ~UINT64_C(1);
    for (int i = 0; i < ROBUST_MAX && entry != t->robust_list; i++) {
        uint64_t next;
        int error = task_read_word(t, entry, &next);
        if (entry != pending)
            release_lock(t, entry + head[1]);
        if (error != 0)
            break;
        entry = next & ~UINT64_C(1);
    }
    if (pending != 0)
        release_lock(t, pending + head[1]);
}
