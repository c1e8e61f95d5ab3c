/* splice(2), tee(2), vmsplice(2): bytes between a pipe and something else. */
#include "kernel/machine.h"
#include "kernel/pipe.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

enum { FLAGS_KNOWN = 15, NONBLOCK = 2 /* SPLICE_F_NONBLOCK */ };

/* One end of the call: a description, and the place in it that the guest gave. */
struct end {
    struct file *f;
    uint64_t addr;
    int64_t at;
    bool is_pipe;
};

static int64_t end_get(struct task *t, uint64_t fd, uint64_t addr, struct end *out)
{
    *out = (struct end){.f = sys_file(t, fd), .addr = addr};
    if (out->f == NULL || (out->f->flags & O_PATH) != 0)
        return -EBADF;
    out->is_pipe = pipe_is(out->f);
    if (addr == 0)
        return 0;
    if (out->is_pipe || !out->f->ops->seekable)
        return -ESPIPE;
    if (task_read(t, addr, &out->at, sizeof(out->at)) != 0)
        return -EFAULT;
    return out->at < 0 ? -EINVAL : 0;
}

static int64_t check(const struct end *in, const struct end *out)
{
    if ((in->f->flags & O_ACCMODE) == O_WRONLY || (out->f->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (!in->is_pipe && !out->is_pipe)
        return -EINVAL;
    if (in->is_pipe && out->is_pipe && in->f->object == out->f->object)
        return -EINVAL;
    if ((out->f->flags & O_APPEND) != 0 && !out->is_pipe)
        return -EINVAL;
    return in->f->ops->read == NULL || out->f->ops->write == NULL ? -EINVAL : 0;
}

/* What a pipe has stays there until it is known how much of it was taken. */
static int64_t take(struct task *t, struct end *in, uint8_t *bytes, size_t want)
{
    if (in->addr != 0)
        return file_pread(in->f, t, bytes, want, in->at);
    struct span have = in->is_pipe ? pipe_peek(in->f) : (struct span){NULL, 0};
    if (have.len == 0)
        return file_read(in->f, t, bytes, want);
    size_t n = have.len < want ? have.len : want;
    memcpy(bytes, have.data, n);
    return (int64_t)n;
}

/* A page at a time, and only when it surely fits: nothing is taken that cannot be put. */
static int64_t move(struct task *t, struct end *in, struct end *out, uint64_t len)
{
    uint8_t bytes[PIPE_ATOMIC];
    uint64_t done = 0;
    while (done < len && done < KERNEL_PIECE_BYTES) {
        size_t want = len - done < sizeof(bytes) ? (size_t)(len - done) : sizeof(bytes);
        if ((file_poll(out->f) & (POLLOUT | POLLERR)) == 0)
            return done > 0 ? (int64_t)done : -EAGAIN;
        int64_t n = take(t, in, bytes, want);
        if (n <= 0)
            return done > 0 ? (int64_t)done : n;
        int64_t put = out->addr != 0 ? file_pwrite(out->f, t, bytes, (size_t)n, out->at)
                                     : file_write(out->f, t, bytes, (size_t)n);
        if (put <= 0)
            return done > 0 ? (int64_t)done : put;
        if (in->is_pipe)
            (void)file_read(in->f, t, bytes, (size_t)put);
        in->at += n;
        out->at += put;
        done += (uint64_t)put;
        kernel_charge(t->kernel, (uint64_t)put / KERNEL_COPY_BYTES);
        if ((size_t)n < want)
            break;
    }
    return (int64_t)done;
}

/* Parked until something happens to one of them; both are looked at again. */
static int64_t wait_or(struct task *t, const struct end *a, const struct end *b, uint64_t flags)
{
    bool now = (flags & NONBLOCK) != 0 || (a->f->flags & O_NONBLOCK) != 0 ||
               (b->f->flags & O_NONBLOCK) != 0;
    return now ? -EAGAIN : task_wait_any(t);
}

int64_t sys_splice(struct task *t, const uint64_t arg[6])
{
    struct end in, out;
    if (arg[4] == 0)
        return 0;
    if ((arg[5] & ~(uint64_t)FLAGS_KNOWN) != 0)
        return -EINVAL;
    int64_t error = end_get(t, arg[0], arg[1], &in);
    if (error == 0 || error == -ESPIPE) { /* both must be open, before anything else */
        int64_t second = end_get(t, arg[2], arg[3], &out);
        error = second == -EBADF || error == 0 ? second : error;
    }
    if (error == 0)
        error = check(&in, &out);
    if (error != 0)
        return error;
    int64_t n = move(t, &in, &out, arg[4]);
    if (n == -EAGAIN)
        return wait_or(t, &in, &out, arg[5]);
    if (n > 0 && in.addr != 0 && task_write(t, in.addr, &in.at, sizeof(in.at)) != 0)
        return -EFAULT;
    if (n > 0 && out.addr != 0 && task_write(t, out.addr, &out.at, sizeof(out.at)) != 0)
        return -EFAULT;
    return n;
}

int64_t sys_tee(struct task *t, const uint64_t arg[6])
{
    struct end in, out;
    if ((arg[3] & ~(uint64_t)FLAGS_KNOWN) != 0)
        return -EINVAL;
    if (arg[2] == 0)
        return 0;
    int64_t error = end_get(t, arg[0], 0, &in);
    if (error == 0)
        error = end_get(t, arg[1], 0, &out);
    if (error == 0 &&
        ((in.f->flags & O_ACCMODE) == O_WRONLY || (out.f->flags & O_ACCMODE) == O_RDONLY))
        error = -EBADF;
    if (error == 0 && (!in.is_pipe || !out.is_pipe || in.f->object == out.f->object))
        error = -EINVAL;
    if (error != 0)
        return error;
    struct span bytes = pipe_peek(in.f);
    bytes = span_slice(bytes, 0, arg[2] < PIPE_BYTES ? (size_t)arg[2] : PIPE_BYTES);
    if (bytes.len == 0)
        return (file_poll(in.f) & POLLHUP) != 0 ? 0 : wait_or(t, &in, &out, arg[3]);
    int64_t n = file_write(out.f, t, bytes.data, bytes.len);
    return n == -EAGAIN ? wait_or(t, &in, &out, arg[3]) : n;
}

int64_t sys_vmsplice(struct task *t, const uint64_t arg[6])
{
    const struct file *f = sys_file(t, arg[0]);
    if ((arg[3] & ~(uint64_t)FLAGS_KNOWN) != 0)
        return -EINVAL;
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    if (!pipe_is(f))
        return -EBADF;
    if (arg[2] > TASK_IOV_MAX)
        return -EINVAL;
    return (f->flags & O_ACCMODE) == O_RDONLY ? sys_readv(t, arg) : sys_writev(t, arg);
}
