/* mq_open(2) and its neighbours. */
#include "kernel/machine.h"
#include "kernel/mount.h"
#include "kernel/mqueue.h"
#include "kernel/overlay.h"
#include "kernel/sys_time.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGE_COST = 56 }; /* of a place in a queue, against RLIMIT_MSGQUEUE */

struct message {
    struct message *next;
    uint32_t priority;
    size_t len;
    uint8_t bytes[];
};

struct queue {
    struct vfs *vfs;
    struct message *first; /* the highest priority first, and of one the oldest */
    uint64_t count, count_max, bytes, bytes_max; /* of one message */
    int32_t notified;                            /* the process that asked to be told; 0: none */
    struct sigevent how;
};

/* struct mq_attr of x86-64. */
struct attributes {
    int64_t flags, count_max, bytes_max, count, rest[4];
};

/* ---- The file ---- */

static struct queue *queue_of(struct file *f)
{
    return ((struct inode *)f->object)->object;
}

static int64_t queue_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)t;
    char text_z[96];
    const struct queue *q = queue_of(f);
    bool signals = q->notified != 0 && q->how.sigev_notify == SIGEV_SIGNAL;
    int n =
        snprintf(text_z, sizeof(text_z), "QSIZE:%-10llu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
                 (unsigned long long)q->bytes, q->notified != 0 ? q->how.sigev_notify : 0,
                 signals ? q->how.sigev_signo : 0, q->notified);
    struct span rest = span_of(text_z, (size_t)n);
    if (at >= n)
        return 0;
    rest = span_slice(rest, (size_t)at, (size_t)at + len);
    memcpy(out, rest.data, rest.len);
    return (int64_t)rest.len;
}

static unsigned queue_poll(struct file *f)
{
    const struct queue *q = queue_of(f);
    return (q->count > 0 ? POLLIN | POLLRDNORM : 0u) |
           (q->count < q->count_max ? POLLOUT | POLLWRNORM : 0u);
}

static const struct file_ops queue_ops = {.seekable = true, .read = queue_read, .poll = queue_poll};

void mqueue_open(struct file *f, void *object)
{
    f->ops = &queue_ops;
    f->key = object;
}

void mqueue_free(void *object)
{
    struct queue *q = object;
    q->vfs->mqueues--;
    while (q->first != NULL) {
        struct message *m = q->first;
        q->first = m->next;
        q->vfs->mqueue_bytes -= sizeof(*m) + m->len;
        free(m);
    }
    free(q);
}

/* ---- Opening ---- */

static struct fs *find_mount(const struct vfs *vfs)
{
    struct fs *fs = vfs->mounts;
    while (fs != NULL && !(fs->super == fs && overlay_is(fs) && fs->mount->type_z != NULL &&
                           strcmp(fs->mount->type_z, "mqueue") == 0))
        fs = fs->next;
    return fs;
}

/* "/NAME" in the file system of queues. 0 or -errno. */
static int path_of(struct task *t, uint64_t addr, char path_z[VFS_NAME_MAX + 3],
                   struct fs_context *fs)
{
    struct fs *queues = find_mount(t->fs->vfs);
    path_z[0] = '/';
    int64_t len = task_read_z(t, addr, path_z + 1, VFS_NAME_MAX + 2);
    if (queues == NULL)
        return -ENOSYS;
    if (len <= 0 || len > VFS_NAME_MAX)
        return len == 0 ? -ENOENT : len == -EFAULT ? -EFAULT : -ENAMETOOLONG;
    if (strchr(path_z + 1, '/') != NULL || strcmp(path_z, "/.") == 0 || strcmp(path_z, "/..") == 0)
        return -EACCES;
    *fs = *t->fs;
    fs->root = fs->cwd = (struct vnode){.fs = queues, .ino = queues->root};
    return 0;
}

static int check_attributes(const struct task *t, const struct attributes *a)
{
    bool root = creds_capable(&t->creds, CAP_SYS_RESOURCE);
    int64_t count = root ? MQUEUE_MESSAGES_MAX : MQUEUE_MESSAGES_USUAL;
    int64_t bytes = root ? MQUEUE_BYTES_MAX : MQUEUE_BYTES_USUAL;
    if (a->count_max <= 0 || a->bytes_max <= 0 || a->count_max > count || a->bytes_max > bytes)
        return -EINVAL;
    uint64_t cost = (uint64_t)a->count_max * ((uint64_t)a->bytes_max + MESSAGE_COST);
    return cost > process_limit(t->process, RLIMIT_MSGQUEUE) ? -EMFILE : 0;
}

static int make_queue(struct task *t, struct inode *i, const struct attributes *a)
{
    struct vfs *vfs = t->fs->vfs;
    int error = check_attributes(t, a);
    if (error != 0)
        return error;
    if (vfs->mqueues >= MQUEUE_COUNT_MAX && !creds_capable(&t->creds, CAP_SYS_RESOURCE))
        return -ENOSPC;
    struct queue *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return -ENOMEM;
    *q = (struct queue){
        .vfs = vfs, .count_max = (uint64_t)a->count_max, .bytes_max = (uint64_t)a->bytes_max};
    vfs->mqueues++;
    i->object = q;
    i->size = 80; /* as Linux shows them */
    return 0;
}

int64_t sys_mq_open(struct task *t, const uint64_t arg[6])
{
    struct attributes a = {.count_max = MQUEUE_MESSAGES_USUAL, .bytes_max = MQUEUE_BYTES_USUAL};
    char path_z[VFS_NAME_MAX + 3];
    struct fs_context fs;
    struct file *f = NULL;
    uint32_t flags = (uint32_t)arg[1] & (O_ACCMODE | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC);
    if ((flags & O_CREAT) != 0 && arg[3] != 0 && task_read(t, arg[3], &a, sizeof(a)) != 0)
        return -EFAULT;
    int error = path_of(t, arg[0], path_z, &fs);
    const struct vfs_at at = {.fs = &fs, .cred = &t->creds};
    if (error == 0)
        error = vfs_open(&at, span_z(path_z), flags | O_NOFOLLOW, (uint32_t)arg[2] & 0777, &f);
    if (error != 0)
        return error;
    /* Something may be mounted there, or be no plain file. */
    if (f->node.fs != fs.root.fs || (f->ops != &queue_ops && overlay_seals(f) == NULL)) {
        file_drop(f);
        return -EACCES;
    }
    struct inode *i = f->object;
    if (i->object == NULL)
        error = make_queue(t, i, &a);
    if (error != 0) {
        file_drop(f);
        (void)vfs_unlink(&at, span_z(path_z));
        return error;
    }
    mqueue_open(f, i->object);
    f->flags = flags & (O_ACCMODE | O_NONBLOCK);
    return sys_install(t, f, true); /* always close-on-exec */
}

int64_t sys_mq_unlink(struct task *t, const uint64_t arg[6])
{
    char path_z[VFS_NAME_MAX + 3];
    struct fs_context fs;
    int error = path_of(t, arg[0], path_z, &fs);
    const struct vfs_at at = {.fs = &fs, .cred = &t->creds};
    return error != 0 ? error : vfs_unlink(&at, span_z(path_z));
}

/* ---- Messages ---- */

static struct queue *open_queue(struct task *t, uint64_t fd, int refused, struct file **f)
{
    *f = sys_file(t, fd);
    if (*f == NULL || (*f)->ops != &queue_ops || ((int)(*f)->flags & O_ACCMODE) == refused)
        return NULL;
    return queue_of(*f);
}

/* `addr`: until when, by the wall clock. */
static int64_t wait_for(struct task *t, const struct file *f, const struct queue *q, uint64_t addr)
{
    int64_t deadline = INT64_MAX;
    if ((f->flags & O_NONBLOCK) != 0)
        return -EAGAIN;
    int64_t error = addr != 0 ? time_read_deadline(t, addr, CLOCK_REALTIME, true, &deadline) : 0;
    if (error != 0)
        return error;
    if (deadline <= kernel_monotonic_ns(t->kernel))
        return -ETIMEDOUT;
    if (deadline != INT64_MAX)
        task_wait_until(t, deadline);
    return task_wait(t, q);
}

/* Who asked to be told and is still there; NULL: nobody. */
static struct process *asker(const struct kernel *k, const struct queue *q)
{
    struct process *p = q->notified != 0 ? process_find(k, q->notified) : NULL;
    return p != NULL && !p->zombie ? p : NULL;
}

/* It was empty and nobody waits: whoever asked for it is told, once. */
static void tell_arrival(struct task *t, struct queue *q)
{
    struct process *p = asker(t->kernel, q);
    for (const struct task *each = t->kernel->tasks; each != NULL; each = each->next)
        if (each->state == TASK_WAITING && each->wait_key == q)
            return;
    if (p == NULL)
        return;
    q->notified = 0; /* of signal 0, which is accepted, too */
    struct signal_info info = {.signo = q->how.sigev_signo,
                               .code = SI_MESGQ,
                               .pid = t->process->pid,
                               .uid = t->creds.uid,
                               .value = (uint64_t)(uintptr_t)q->how.sigev_value.sival_ptr};
    if (q->how.sigev_notify == SIGEV_SIGNAL && info.signo != 0)
        signal_send_process(p, &info);
}

static int check_time(struct task *t, uint64_t addr)
{
    int64_t ns = 0;
    return addr != 0 ? (int)time_read_ns(t, addr, &ns) : 0;
}

static struct message *read_message(struct task *t, const struct queue *q, const uint64_t arg[6],
                                    int *error)
{
    struct vfs *vfs = t->fs->vfs;
    size_t len = (size_t)arg[2];
    *error = arg[2] > q->bytes_max ? -EMSGSIZE : 0;
    if (*error != 0)
        return NULL;
    struct message *m = NULL;
    if (vfs->mqueue_bytes + sizeof(*m) + len <= MQUEUE_WAITING_MAX)
        m = malloc(sizeof(*m) + len);
    *error = m == NULL ? -ENOMEM : task_read(t, arg[1], m->bytes, len);
    if (*error != 0) {
        free(m);
        return NULL;
    }
    m->len = len;
    m->priority = (uint32_t)arg[3];
    return m;
}

int64_t sys_mq_timedsend(struct task *t, const uint64_t arg[6])
{
    struct file *f = NULL;
    int error = (uint32_t)arg[3] >= MQUEUE_PRIORITIES ? -EINVAL : check_time(t, arg[4]);
    if (error != 0)
        return error;
    struct queue *q = open_queue(t, arg[0], O_RDONLY, &f);
    if (q == NULL)
        return -EBADF;
    struct message *m = read_message(t, q, arg, &error);
    if (m == NULL)
        return error;
    if (q->count == q->count_max) {
        free(m);
        return wait_for(t, f, q, arg[4]);
    }
    struct message **place = &q->first;
    while (*place != NULL && (*place)->priority >= m->priority)
        place = &(*place)->next;
    m->next = *place;
    *place = m;
    q->bytes += m->len;
    t->fs->vfs->mqueue_bytes += sizeof(*m) + m->len;
    if (q->count++ == 0)
        tell_arrival(t, q);
    kernel_wake(t->kernel, q);
    return 0;
}

int64_t sys_mq_timedreceive(struct task *t, const uint64_t arg[6])
{
    struct file *f = NULL;
    int error = check_time(t, arg[4]);
    if (error != 0)
        return error;
    struct queue *q = open_queue(t, arg[0], O_WRONLY, &f);
    if (q == NULL)
        return -EBADF;
    if (arg[2] < q->bytes_max)
        return -EMSGSIZE;
    struct message *m = q->first;
    if (m == NULL)
        return wait_for(t, f, q, arg[4]);
    q->first = m->next;
    q->count--;
    q->bytes -= m->len;
    t->fs->vfs->mqueue_bytes -= sizeof(*m) + m->len;
    int64_t result = (int64_t)m->len;
    if (task_write(t, arg[1], m->bytes, m->len) != 0 ||
        (arg[3] != 0 && task_write_u32(t, arg[3], m->priority) != 0))
        result = -EFAULT;
    free(m);
    kernel_wake(t->kernel, q);
    return result;
}

/* ---- Being told, and attributes ---- */

int64_t sys_mq_notify(struct task *t, const uint64_t arg[6])
{
    struct sigevent how;
    struct file *f = NULL;
    if (arg[1] != 0 && task_read(t, arg[1], &how, sizeof(how)) != 0)
        return -EFAULT;
    /* A thread is started by the C library, over a socket of the kernel's that is not there. */
    if (arg[1] != 0 && how.sigev_notify != SIGEV_NONE &&
        (how.sigev_notify != SIGEV_SIGNAL || how.sigev_signo < 0 || how.sigev_signo > SIGNAL_MAX))
        return -EINVAL;
    struct queue *q = open_queue(t, arg[0], -1, &f);
    if (q == NULL)
        return -EBADF;
    if (arg[1] == 0) {
        if (q->notified == t->process->pid)
            q->notified = 0;
        return 0;
    }
    if (asker(t->kernel, q) != NULL)
        return -EBUSY;
    q->notified = t->process->pid;
    q->how = how;
    return 0;
}

int64_t sys_mq_getsetattr(struct task *t, const uint64_t arg[6])
{
    struct attributes a, new = {0};
    struct file *f = NULL;
    if (arg[1] != 0 && task_read(t, arg[1], &new, sizeof(new)) != 0)
        return -EFAULT;
    if (arg[1] != 0 && (new.flags & ~(int64_t)O_NONBLOCK) != 0)
        return -EINVAL;
    const struct queue *q = open_queue(t, arg[0], -1, &f);
    if (q == NULL)
        return -EBADF;
    a = (struct attributes){.flags = f->flags & O_NONBLOCK,
                            .count_max = (int64_t)q->count_max,
                            .bytes_max = (int64_t)q->bytes_max,
                            .count = (int64_t)q->count};
    if (arg[1] != 0)
        f->flags = (f->flags & ~(uint32_t)O_NONBLOCK) | (uint32_t) new.flags;
    return arg[2] != 0 ? task_write(t, arg[2], &a, sizeof(a)) : 0;
}
