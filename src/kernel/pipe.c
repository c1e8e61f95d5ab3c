#include "kernel/pipe.h"

#include "kernel/fs.h"
#include "kernel/lines.h"
#include "kernel/task.h"

#include "base/buffer.h"
#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct pipe {
    struct vfs *vfs;
    struct buffer bytes;
    uint64_t ino;
    size_t max; /* bytes that it holds */
    uint32_t uid, gid;
    int64_t made_ns;
    uint32_t readers, writers; /* descriptions; the outside of a door counts as one */
    uint64_t readers_ever, writers_ever;
    bool reader_comes, writer_comes; /* an open of a fifo is parked */
    bool door_reads, door_writes;    /* the outside holds that end */
    bool is_stdin;                   /* what is read may be a shell's lines */
    void **place;                    /* a fifo's inode points here */
};

/* When a machine has many, new ones are small, as Linux does it (pipe-user-pages-soft). */
static struct pipe *pipe_new(struct vfs *vfs, size_t max, uint32_t uid, uint32_t gid)
{
    struct pipe *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    if (max == PIPE_BYTES && vfs->pipe_bytes + max > PIPES_BYTES_MAX)
        max = PIPE_ATOMIC;
    p->vfs = vfs;
    p->max = max;
    vfs->pipe_bytes += max;
    buffer_init(&p->bytes, max);
    p->ino = vfs->next_object++;
    p->uid = uid;
    p->gid = gid;
    p->made_ns = vfs_now(vfs);
    return p;
}

/* An end was let go of: whoever waits looks again; the last one ends it. */
static void released(struct pipe *p)
{
    vfs_wake(p->vfs, p);
    if (p->readers > 0 || p->writers > 0 || p->reader_comes || p->writer_comes)
        return;
    if (p->place != NULL)
        *p->place = NULL;
    p->vfs->pipe_bytes -= p->max;
    buffer_fini(&p->bytes);
    free(p);
}

static int64_t pipe_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)at;
    struct pipe *p = f->object;
    struct span have = buffer_span(&p->bytes);
    if (len == 0)
        return 0;
    if (have.len == 0)
        return p->writers > 0 || p->writer_comes ? -EAGAIN : 0;
    size_t n = have.len < len ? have.len : len;
    memcpy(out, have.data, n);
    if (p->is_stdin && t != NULL)
        lines_read(t, span_of(out, n), false);
    buffer_take(&p->bytes, n);
    vfs_wake(p->vfs, p);
    return (int64_t)n;
}

static int64_t pipe_write(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    (void)at;
    struct pipe *p = f->object;
    if (p->readers == 0 && !p->reader_comes) {
        if (t != NULL)
            signal_raise_task(t, SIGPIPE);
        return -EPIPE;
    }
    if (len == 0)
        return 0;
    size_t room = buffer_room(&p->bytes);
    if (room == 0 || (len <= PIPE_ATOMIC && room < len))
        return -EAGAIN;
    size_t n = room < len ? room : len;
    if (buffer_put(&p->bytes, span_of(bytes, n)) != 0)
        return -ENOMEM;
    vfs_wake(p->vfs, p);
    return (int64_t)n;
}

static unsigned pipe_poll(struct file *f)
{
    const struct pipe *p = f->object;
    unsigned ready = 0;
    if ((f->flags & O_ACCMODE) != O_WRONLY) {
        ready |= buffer_len(&p->bytes) > 0 ? POLLIN | POLLRDNORM : 0;
        ready |= p->writers == 0 && p->writers_ever > 0 ? POLLHUP : 0;
    }
    if ((f->flags & O_ACCMODE) != O_RDONLY) {
        ready |= buffer_room(&p->bytes) >= PIPE_ATOMIC ? POLLOUT | POLLWRNORM : 0;
        ready |= p->readers == 0 ? POLLERR : 0;
    }
    return ready;
}

static int pipe_stat(struct file *f, struct file_stat *out)
{
    const struct pipe *p = f->object;
    if (f->node.fs != NULL)
        return vnode_stat(f->node, out);
    *out = (struct file_stat){
        .dev = FS_DEV(0, 13), /* pipefs */
        .ino = p->ino,
        .mode = S_IFIFO | 0600,
        .nlink = 1,
        .uid = p->uid,
        .gid = p->gid,
        .blksize = 4096,
        .atime_ns = p->made_ns,
        .mtime_ns = p->made_ns,
        .ctime_ns = p->made_ns,
        .btime_ns = p->made_ns,
    };
    return 0;
}

static int64_t pipe_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg)
{
    const struct pipe *p = f->object;
    if (command != 0x541b) /* FIONREAD */
        return -ENOTTY;
    int32_t n = (int32_t)buffer_len(&p->bytes);
    return task_write(t, arg, &n, sizeof(n));
}

static void count_end(struct pipe *p, uint32_t flags, int by)
{
    if ((flags & O_ACCMODE) != O_WRONLY)
        p->readers += (uint32_t)by;
    if ((flags & O_ACCMODE) != O_RDONLY)
        p->writers += (uint32_t)by;
}

static void pipe_close(struct file *f)
{
    struct pipe *p = f->object;
    count_end(p, f->flags, -1);
    released(p);
}

static int pipe_reopen(struct file *f, uint32_t flags, struct file **out);

static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .stat = pipe_stat,
    .ioctl = pipe_ioctl,
    .close = pipe_close,
    .reopen = pipe_reopen,
};

bool pipe_is(const struct file *f)
{
    return f->ops == &pipe_ops;
}

struct span pipe_peek(const struct file *f)
{
    const struct pipe *p = f->object;
    return buffer_span(&p->bytes);
}

static void opened(struct pipe *p, uint32_t flags)
{
    if ((flags & O_ACCMODE) != O_WRONLY) {
        p->readers_ever++;
        p->reader_comes = false;
    }
    if ((flags & O_ACCMODE) != O_RDONLY) {
        p->writers_ever++;
        p->writer_comes = false;
    }
    vfs_wake(p->vfs, p);
}

/* A description for an end. The end is counted first: closing it takes the count back. */
static struct file *end_new(struct pipe *p, uint32_t flags, int *error)
{
    count_end(p, flags, 1);
    opened(p, flags);
    struct file *f = file_new(p->vfs, &pipe_ops, p, flags, error);
    if (f != NULL)
        f->kind_z = "pipe";
    return f;
}

static int pipe_reopen(struct file *f, uint32_t flags, struct file **out)
{
    int error = 0;
    uint32_t kept = O_ACCMODE | O_NONBLOCK | O_APPEND;
    *out = end_new(f->object, flags & kept, &error);
    return *out != NULL ? 0 : error;
}

int pipe_pair(struct vfs *vfs, uint32_t flags, uint32_t uid, uint32_t gid, struct file **reader,
              struct file **writer)
{
    int error = -ENOMEM;
    struct pipe *p = pipe_new(vfs, PIPE_BYTES, uid, gid);
    if (p == NULL)
        return -ENOMEM;
    uint32_t status = flags & (O_NONBLOCK | O_DIRECT);
    p->writers++; /* so that a failing second end does not free it twice */
    *reader = end_new(p, O_RDONLY | status, &error);
    p->writers--;
    if (*reader == NULL) {
        released(p);
        return error;
    }
    *writer = end_new(p, O_WRONLY | status, &error);
    if (*writer == NULL) {
        file_drop(*reader);
        *reader = NULL;
        return error;
    }
    return 0;
}

/* ---- Fifos ---- */

static bool is_blocked(struct pipe *p, const struct file *f, const struct task *t)
{
    bool parked = t != NULL && t->restart.begun;
    if ((f->flags & O_ACCMODE) == O_RDONLY)
        return p->writers == 0 && !p->writer_comes &&
               (!parked || p->writers_ever == t->restart.mark);
    return p->readers == 0 && !p->reader_comes && (!parked || p->readers_ever == t->restart.mark);
}

/* The other side is not there: say that this one comes. */
static int come(struct pipe *p, const struct file *f, struct task *t)
{
    bool reads = (f->flags & O_ACCMODE) == O_RDONLY;
    if (!t->restart.begun)
        t->restart.mark = reads ? p->writers_ever : p->readers_ever;
    t->restart.begun = true;
    if (reads)
        p->reader_comes = true;
    else
        p->writer_comes = true;
    vfs_wake(p->vfs, p);
    return -EAGAIN;
}

int pipe_open_fifo(struct file *f, struct task *t, void **object)
{
    if (object == NULL)
        return -ENXIO;
    if (*object == NULL) {
        struct pipe *made = pipe_new(f->vfs, PIPE_BYTES, 0, 0);
        if (made == NULL)
            return -ENOMEM;
        made->place = object;
        *object = made;
    }
    struct pipe *p = *object;
    bool writes_only = (f->flags & O_ACCMODE) == O_WRONLY;
    if ((f->flags & O_ACCMODE) != O_RDWR && is_blocked(p, f, t)) {
        if ((f->flags & O_NONBLOCK) == 0 && t != NULL)
            return come(p, f, t);
        if (writes_only) {
            released(p);
            return -ENXIO;
        }
    }
    count_end(p, f->flags, 1);
    opened(p, f->flags);
    f->ops = &pipe_ops;
    f->object = p;
    f->key = p;
    return 0;
}

void pipe_forget(void *object)
{
    struct pipe *p = object;
    p->reader_comes = p->writer_comes = false;
    p->place = NULL;
    released(p);
}

/* ---- Doors ---- */

int pipe_door_in(struct vfs *vfs, struct pipe **door, struct file **end)
{
    int error = -ENOMEM;
    struct pipe *p = pipe_new(vfs, PIPE_BYTES, 0, 0);
    if (p == NULL)
        return -ENOMEM;
    p->writers = 1;
    p->writers_ever = 1;
    p->door_writes = p->is_stdin = true;
    *end = end_new(p, O_RDONLY, &error);
    if (*end == NULL) {
        pipe_door_close(p);
        return error;
    }
    *door = p;
    return 0;
}

int pipe_door_out(struct vfs *vfs, size_t max, struct pipe **door, struct file **end)
{
    int error = -ENOMEM;
    struct pipe *p = pipe_new(vfs, max > PIPE_ATOMIC ? max : PIPE_ATOMIC, 0, 0);
    if (p == NULL)
        return -ENOMEM;
    p->readers = 1;
    p->door_reads = true;
    *end = end_new(p, O_WRONLY, &error);
    if (*end == NULL) {
        pipe_door_close(p);
        return error;
    }
    *door = p;
    return 0;
}

void pipe_door_close(struct pipe *door)
{
    if (door == NULL)
        return;
    if (door->door_reads)
        door->readers--;
    if (door->door_writes)
        door->writers--;
    door->door_reads = door->door_writes = false;
    released(door);
}

size_t pipe_put(struct pipe *door, struct span bytes)
{
    if (pipe_is_broken(door))
        return bytes.len; /* lost, as what is sent to a program that has closed it */
    struct span part = span_slice(bytes, 0, buffer_room(&door->bytes));
    if (!door->door_writes || part.len == 0 || buffer_put(&door->bytes, part) != 0)
        return 0;
    vfs_wake(door->vfs, door);
    return part.len;
}

void pipe_put_end(struct pipe *door)
{
    if (!door->door_writes)
        return;
    door->door_writes = false;
    door->writers--;
    /* The outside still knows the pipe: it counts as a reader that never reads. */
    door->door_reads = true;
    door->readers++;
    vfs_wake(door->vfs, door);
}

struct span pipe_out(struct pipe *door)
{
    return buffer_span(&door->bytes);
}

void pipe_sent(struct pipe *door, size_t n)
{
    buffer_take(&door->bytes, n);
    vfs_wake(door->vfs, door);
}

bool pipe_is_ended(const struct pipe *door)
{
    return door->writers == 0;
}

bool pipe_is_broken(const struct pipe *door)
{
    return door->readers == (door->door_reads ? 1u : 0u);
}
