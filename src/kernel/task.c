#include "kernel/task.h"
#include "kernel/abi.h"

#include "cpu/cpu.h"
#include "kernel/fdtable.h"
#include "kernel/mm.h"
#include "kernel/namespace.h"
#include "kernel/snapshot.h"
#include "kernel/timer.h"
#include "kernel/vfs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_REUSED_PID = 300 }; /* RESERVED_PIDS: where the numbers start again */

/* ---- Numbers ---- */

static bool pid_is_used(const struct kernel *k, int32_t pid)
{
    for (const struct process *p = k->processes; p != NULL; p = p->next)
        if (p->pid == pid || p->pgid == pid || p->session->sid == pid)
            return true;
    return task_find(k, pid) != NULL;
}

int32_t kernel_new_pid(struct kernel *k)
{
    do {
        k->last_pid++;
        if (k->last_pid >= k->hardware.pid_max)
            k->last_pid = FIRST_REUSED_PID;
    } while (pid_is_used(k, k->last_pid));
    return k->last_pid;
}

struct task *task_find(const struct kernel *k, int32_t tid)
{
    for (struct task *t = k->tasks; t != NULL; t = t->next)
        if (t->tid == tid && t->state != TASK_DEAD)
            return t;
    return NULL;
}

struct process *process_find(const struct kernel *k, int32_t pid)
{
    for (struct process *p = k->processes; p != NULL; p = p->next)
        if (p->pid == pid)
            return p;
    return NULL;
}

int32_t process_ppid(const struct process *p)
{
    return p->parent != NULL ? p->parent->pid : p->outer_ppid;
}

bool group_exists(const struct kernel *k, int32_t pgid, int32_t sid)
{
    for (const struct process *p = k->processes; p != NULL; p = p->next)
        if (p->pgid == pgid && (sid == 0 || p->session->sid == sid))
            return true;
    return false;
}

bool group_is_orphaned(const struct kernel *k, int32_t pgid)
{
    for (const struct process *p = k->processes; p != NULL; p = p->next) {
        if (p->pgid != pgid || p->zombie || p->parent == NULL)
            continue;
        if (p->parent->pgid != pgid && p->parent->session == p->session)
            return false;
    }
    return true;
}

uint64_t process_limit(const struct process *p, int resource)
{
    return p->limits[resource].rlim_cur;
}

/* ---- Sessions ---- */

struct session *session_new(int32_t sid)
{
    struct session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->sid = sid;
    s->refs = 1;
    return s;
}

void session_hold(struct session *s)
{
    s->refs++;
}

void session_drop(struct session *s)
{
    if (s != NULL && --s->refs == 0)
        free(s);
}

/* ---- Life ---- */

char *kernel_copy_z(struct span text)
{
    char *copy_z = malloc(text.len + 1);
    if (copy_z != NULL)
        span_copy_z(text, copy_z, text.len + 1);
    return copy_z;
}

static bool copy_args(struct process *p, const struct process *from)
{
    if (from->exe_z != NULL && (p->exe_z = kernel_copy_z(span_z(from->exe_z))) == NULL)
        return false;
    if (from->args_len == 0)
        return true;
    p->args = malloc(from->args_len);
    if (p->args == NULL)
        return false;
    memcpy(p->args, from->args, from->args_len);
    p->args_len = from->args_len;
    return true;
}

static bool inherit(struct process *p, struct process *parent)
{
    p->parent = parent;
    p->pgid = parent->pgid;
    p->session = parent->session;
    session_hold(p->session);
    p->program = parent->program;
    p->unit = parent->unit;
    p->is_shell = parent->is_shell;
    memcpy(p->limits, parent->limits, sizeof(p->limits));
    return copy_args(p, parent);
}

struct process *process_new(struct kernel *k, struct process *parent)
{
    struct process *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->kernel = k;
    p->program = -1;
    p->outer_ppid = 1;
    p->pid = kernel_new_pid(k);
    p->start_ns = kernel_monotonic_ns(k);
    if (parent != NULL && !inherit(p, parent)) {
        process_free(p);
        return NULL;
    }
    struct process **link = &k->processes;
    while (*link != NULL)
        link = &(*link)->next;
    *link = p;
    return p;
}

void process_free(struct process *p)
{
    if (p == NULL)
        return;
    assert(p->threads == 0);
    for (struct process **link = &p->kernel->processes; *link != NULL; link = &(*link)->next) {
        if (*link == p) {
            *link = p->next;
            break;
        }
    }
    session_drop(p->session);
    signal_table_drop(p->actions);
    signal_queue_fini(&p->pending);
    timers_free(p);
    free(p->exe_z);
    free(p->args);
    free(p);
}

struct task *task_new(struct process *p, int32_t tid)
{
    struct kernel *k = p->kernel;
    struct task *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->kernel = k;
    t->process = p;
    t->tid = tid;
    t->state = TASK_READY;
    t->wait_deadline_ns = INT64_MAX;
    t->start_ns = (uint64_t)kernel_monotonic_ns(k);
    p->threads++;
    if (p->leader == NULL)
        p->leader = t;
    k->process_count++;
    struct task **link = &k->tasks;
    while (*link != NULL)
        link = &(*link)->next;
    *link = t;
    return t;
}

void task_release(struct task *t)
{
    fd_table_drop(t->files);
    t->files = NULL;
    fs_context_drop(t->fs);
    t->fs = NULL;
    if (t->cpu != NULL)
        cpu_free(t->cpu);
    t->cpu = NULL;
    mm_drop(t->mm);
    t->mm = NULL;
    lines_fini(t);
    snapshot_unfollow(t);
}

void task_free(struct task *t)
{
    struct kernel *k = t->kernel;
    task_release(t);
    for (struct task **link = &k->tasks; *link != NULL; link = &(*link)->next) {
        if (*link == t) {
            *link = t->next;
            break;
        }
    }
    if (k->turn == t)
        k->turn = t->next;
    if (t->state != TASK_DEAD) {
        t->process->threads--;
        if (t->process->leader == t)
            t->process->leader = NULL;
        k->process_count--;
    }
    namespace_leave(t);
    signal_queue_fini(&t->signals.pending);
    free(t);
}

uint64_t task_count_of(const struct kernel *k, uint32_t uid)
{
    uint64_t count = 0;
    for (const struct task *t = k->tasks; t != NULL; t = t->next)
        count += t->state != TASK_DEAD && t->creds.uid == uid;
    return count;
}

void task_set_comm(struct task *t, struct span name)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.data[i - 1] == '/') {
            name = span_slice(name, i, name.len);
            break;
        }
    }
    memset(t->comm_z, 0, sizeof(t->comm_z));
    span_copy_z(name, t->comm_z, sizeof(t->comm_z));
}

/* ---- Credentials ---- */

bool creds_in_group(const struct creds *c, uint32_t gid)
{
    if (c->fsgid == gid)
        return true;
    for (uint32_t i = 0; i < c->group_count; i++)
        if (c->groups[i] == gid)
            return true;
    return false;
}

bool creds_capable(const struct creds *c, unsigned cap)
{
    return cap < 64 && (c->cap_effective >> cap & 1) != 0;
}

/* ---- Waiting ---- */

bool task_signal_pending(const struct task *t)
{
    uint64_t set = t->signals.pending.set | t->process->pending.set;
    return (set & ~t->signals.blocked) != 0;
}

static int64_t park(struct task *t, const void *key, bool any)
{
    if (task_signal_pending(t))
        return -ERESTARTSYS;
    t->wait_key = key;
    t->wait_any = any;
    t->state = TASK_WAITING;
    return SYS_WAIT;
}

int64_t task_wait(struct task *t, const void *key)
{
    return park(t, key, false);
}

int64_t task_wait_any(struct task *t)
{
    return park(t, NULL, true);
}

int64_t task_go_on(struct task *t, uint64_t done)
{
    t->restart.done = done;
    return task_signal_pending(t) ? (int64_t)done : SYS_WAIT;
}

int64_t task_continue(struct task *t, uint64_t done)
{
    t->restart.done = done;
    t->restart.whole = true;
    return SYS_WAIT;
}

void task_wait_until(struct task *t, int64_t deadline_ns)
{
    t->wait_deadline_ns = deadline_ns;
}

void task_wake(struct task *t)
{
    if (t->state == TASK_WAITING)
        t->state = TASK_READY;
}

void kernel_wake(struct kernel *k, const void *key)
{
    for (struct task *t = k->tasks; t != NULL; t = t->next)
        if (t->state == TASK_WAITING && (t->wait_any || t->wait_key == key))
            t->state = TASK_READY;
}

/* ---- The guest's memory ---- */

/* The stack grows for the kernel's accesses as for the program's own. */
static bool grow(struct task *t, uint64_t addr, size_t len)
{
    uint64_t limit = process_limit(t->process, RLIMIT_STACK);
    if (addr > t->mm->space_end || len > t->mm->space_end - addr)
        return false;
    return mm_grow_stack(t->mm, addr, limit);
}

int task_read(struct task *t, uint64_t addr, void *out, size_t len)
{
    if (addr >= ABI_WINDOW)
        return abi_window_read(&t->kernel->window, addr, out, len);
    kernel_charge(t->kernel, len / KERNEL_COPY_BYTES);
    int error = cpu_space_read(t->mm->space, addr, out, len);
    if (error == -EFAULT && grow(t, addr, len))
        error = cpu_space_read(t->mm->space, addr, out, len);
    return error == 0 ? 0 : -EFAULT;
}

int task_write(struct task *t, uint64_t addr, const void *bytes, size_t len)
{
    if (addr >= ABI_WINDOW)
        return abi_window_write(&t->kernel->window, addr, bytes, len);
    kernel_charge(t->kernel, len / KERNEL_COPY_BYTES);
    int error = cpu_space_write(t->mm->space, addr, bytes, len);
    if (error == -EFAULT && grow(t, addr, len))
        error = cpu_space_write(t->mm->space, addr, bytes, len);
    return error == 0 ? 0 : -EFAULT;
}

int64_t task_read_z(struct task *t, uint64_t addr, char *out_z, size_t size)
{
    return cpu_space_read_z(t->mm->space, addr, out_z, size);
}

int task_read_u32(struct task *t, uint64_t addr, uint32_t *value)
{
    int error = task_read(t, addr, value, sizeof(*value));
    if (error == 0 && addr < ABI_WINDOW)
        *value = abi_swap32(task_abi(t), *value);
    return error;
}

int task_write_u32(struct task *t, uint64_t addr, uint32_t value)
{
    if (addr < ABI_WINDOW) /* there our own order rules */
        value = abi_swap32(task_abi(t), value);
    return task_write(t, addr, &value, sizeof(value));
}

unsigned task_word_bytes(const struct task *t)
{
    return (t->in_call ? t->call_abi : task_abi(t))->word_bytes;
}

int task_read_word(struct task *t, uint64_t addr, uint64_t *value)
{
    uint32_t narrow = 0;
    if (task_word_bytes(t) == sizeof(*value))
        return task_read(t, addr, value, sizeof(*value));
    int error = task_read_u32(t, addr, &narrow);
    *value = narrow;
    return error;
}

/* The entries as they are in our layout; those of a 32-bit program are half as long. */
static int read_iov(struct task *t, uint64_t addr, uint64_t count, struct task_iov *out)
{
    if (task_word_bytes(t) == 8 || addr >= ABI_WINDOW)
        return task_read(t, addr, out, (size_t)count * sizeof(*out));
    uint32_t *narrow = (uint32_t *)out;
    if (task_read(t, addr, narrow, (size_t)count * 8) != 0)
        return -EFAULT;
    for (uint64_t i = count; i-- > 0;) {
        uint32_t base = abi_swap32(task_abi(t), narrow[2 * i]);
        uint32_t len = abi_swap32(task_abi(t), narrow[2 * i + 1]);
        if (len > INT32_MAX)
            return -EINVAL;
        out[i] = (struct task_iov){base, len};
    }
    return 0;
}

int64_t task_read_iov(struct task *t, uint64_t addr, uint64_t count, struct task_iov *out)
{
    uint64_t total = 0;
    if (count > TASK_IOV_MAX)
        return -EINVAL;
    int error = read_iov(t, addr, count, out);
    if (error != 0)
        return error;
    for (uint64_t i = 0; i < count; i++) {
        if (out[i].len > INT64_MAX)
            return -EINVAL;
        if (out[i].len > TASK_RW_MAX - total)
            out[i].len = TASK_RW_MAX - total;
        total += out[i].len;
    }
    return (int64_t)total;
}
