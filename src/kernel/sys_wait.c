/* wait4(2), waitid(2), exit(2), exit_group(2). */
#include "kernel/exit.h"
#include "kernel/fdtable.h"
#include "kernel/pidfd.h"
#include "kernel/sys_time.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum {
    STATUS_CONTINUED = 0xffff,
    STATUS_STOPPED = 0x7f,
    W_NOTHREAD = 0x20000000,
    W_ALL = 0x40000000,
    W_CLONE = (int)0x80000000,
};

/* What a caller waits for. */
struct want {
    struct process *parent;
    int type; /* P_ALL, P_PID, P_PGID */
    int32_t id;
    int options;
};

static bool is_wanted(const struct want *w, const struct process *p)
{
    if (p->parent != w->parent)
        return false;
    if ((w->type == P_PID && p->pid != w->id) || (w->type == P_PGID && p->pgid != w->id))
        return false;
    bool is_clone = p->exit_signal != SIGCHLD;
    return (w->options & W_ALL) != 0 || is_clone == ((w->options & W_CLONE) != 0);
}

/* True when the child has something to say that is asked for: its code and status. */
static bool has_news(const struct want *w, const struct process *p, int *code, int *status)
{
    if (p->zombie && (w->options & WEXITED) != 0) {
        *code = WIFSIGNALED(p->status) ? CLD_KILLED : CLD_EXITED;
        *status = p->status;
        return true;
    }
    if (p->zombie)
        return false;
    if (p->stopped && !p->stop_told && (w->options & WSTOPPED) != 0) {
        *code = CLD_STOPPED;
        *status = p->stop_signal << 8 | STATUS_STOPPED;
        return true;
    }
    if (!p->stopped && !p->continue_told && p->stop_signal != 0 && (w->options & WCONTINUED) != 0) {
        *code = CLD_CONTINUED;
        *status = STATUS_CONTINUED;
        return true;
    }
    return false;
}

static void told(struct process *p, int code)
{
    switch (code) {
    case CLD_STOPPED: p->stop_told = true; break;
    case CLD_CONTINUED: p->continue_told = true; break;
    default:
        p->parent->child_instructions += p->user_instructions + p->child_instructions;
        process_free(p);
        break;
    }
}

/* The child with news, NULL when there is none yet. *error: -ECHILD when none can come. */
static struct process *look(const struct task *t, const struct want *w, int *code, int *status,
                            int *error)
{
    *error = -ECHILD;
    for (struct process *p = t->kernel->processes; p != NULL; p = p->next) {
        if (!is_wanted(w, p))
            continue;
        *error = 0;
        if (has_news(w, p, code, status))
            return p;
    }
    return NULL;
}

static int write_rusage(struct task *t, uint64_t addr, const struct process *p)
{
    if (addr == 0)
        return 0;
    return time_write_rusage(t, addr, p->user_instructions + p->child_instructions);
}

int64_t sys_wait4(struct task *t, const uint64_t arg[6])
{
    int32_t pid = (int32_t)arg[0];
    int options = (int)arg[2], code, status, error;
    int known = WNOHANG | WUNTRACED | WCONTINUED | W_NOTHREAD | W_ALL | W_CLONE;
    if ((options & ~known) != 0)
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    struct want w = {.parent = t->process, .type = P_ALL, .options = options | WEXITED};
    if (pid > 0) {
        w.type = P_PID;
        w.id = pid;
    } else if (pid != -1) {
        w.type = P_PGID;
        w.id = pid == 0 ? t->process->pgid : -pid;
    }
    struct process *p = look(t, &w, &code, &status, &error);
    if (p == NULL && error != 0)
        return error;
    if (p == NULL)
        return (options & WNOHANG) != 0 ? 0 : task_wait(t, t->process);
    int32_t found = p->pid;
    int bad = write_rusage(t, arg[3], p);
    told(p, code);
    if (arg[1] != 0 && task_write(t, arg[1], &status, sizeof(status)) != 0)
        bad = -EFAULT;
    return bad != 0 ? bad : found;
}

static int write_info(struct task *t, uint64_t addr, const struct process *p, int code, int status)
{
    uint8_t bytes[SIGNAL_INFO_BYTES] = {0};
    struct signal_info info = {.signo = SIGCHLD, .code = code};
    if (addr == 0)
        return 0;
    if (p != NULL) {
        info.pid = p->pid;
        info.uid = p->leader != NULL ? p->leader->creds.uid : p->uid;
        switch (code) {
        case CLD_EXITED: info.status = WEXITSTATUS(status); break;
        case CLD_KILLED: info.status = WTERMSIG(status); break;
        case CLD_STOPPED: info.status = WSTOPSIG(status); break;
        default: info.status = SIGCONT; break;
        }
        signal_info_encode(&info, bytes);
    }
    return task_write(t, addr, bytes, sizeof(bytes));
}

int64_t sys_waitid(struct task *t, const uint64_t arg[6])
{
    int options = (int)arg[3], code = 0, status = 0, error;
    int known = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | W_NOTHREAD | W_ALL | W_CLONE;
    struct want w = {
        .parent = t->process, .type = (int)arg[0], .id = (int32_t)arg[1], .options = options};
    if ((options & ~known) != 0 || (options & (WEXITED | WSTOPPED | WCONTINUED)) == 0)
        return -EINVAL;
    if (w.type == P_PIDFD) {
        const struct file *f = w.id >= 0 ? fd_table_find(t->files, w.id) : NULL;
        if (f == NULL || pidfd_pid(f) < 0)
            return w.id < 0 ? -EINVAL : -EBADF;
        w.type = P_PID;
        w.id = pidfd_pid(f);
    }
    if ((w.type != P_ALL && w.type != P_PID && w.type != P_PGID) ||
        (w.type == P_PID && w.id <= 0) || (w.type == P_PGID && w.id < 0))
        return -EINVAL;
    if (w.type == P_PGID && w.id == 0)
        w.id = t->process->pgid;
    struct process *p = look(t, &w, &code, &status, &error);
    if (p == NULL && error != 0)
        return error;
    if (p == NULL && (options & WNOHANG) == 0)
        return task_wait(t, t->process);
    int bad = write_info(t, arg[2], p, code, status);
    if (p != NULL && bad == 0)
        bad = write_rusage(t, arg[4], p);
    if (p != NULL && (options & WNOWAIT) == 0)
        told(p, code);
    return bad;
}

int64_t sys_exit(struct task *t, const uint64_t arg[6])
{
    task_exit(t, (int)(arg[0] & 0xff) << 8);
    return 0;
}

int64_t sys_exit_group(struct task *t, const uint64_t arg[6])
{
    process_end(t->process, (int)(arg[0] & 0xff) << 8);
    return 0;
}
