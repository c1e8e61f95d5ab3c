/* Moving bytes: read, write and their vectors, lseek, sendfile, copy_file_range. */
#include "kernel/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What a call reads to or writes from: pieces of the guest's memory. `at` is a place in the file,
 * or AT_POSITION. */
struct transfer {
    struct task *t;
    struct file *f;
    struct task_iov *iov;
    size_t count;
    uint64_t total;
    int64_t at;
};

static const int64_t AT_POSITION = INT64_MIN;

/* Copies up to `n` bytes between `bytes` and the pieces, from byte `from` of them all. The count up
 * to the first byte that is not there; -EFAULT when that is the first of all. */
static int64_t move(const struct transfer *m, uint64_t from, uint8_t *bytes, size_t n,
                    bool to_guest)
{
    size_t done = 0;
    for (size_t i = 0; i < m->count && done < n; i++) {
        if (from >= m->iov[i].len) {
            from -= m->iov[i].len;
            continue;
        }
        uint64_t addr = m->iov[i].base + from;
        size_t part = m->iov[i].len - from < n - done ? (size_t)(m->iov[i].len - from) : n - done;
        int error = to_guest ? task_write(m->t, addr, bytes + done, part)
                             : task_read(m->t, addr, bytes + done, part);
        if (error != 0)
            return done > 0 ? (int64_t)done : error;
        done += part;
        from = 0;
    }
    return (int64_t)done;
}

/* As Linux checks the places of a transfer first (rw_verify_area). */
static bool is_beyond(int64_t at, uint64_t len)
{
    return at >= 0 && (uint64_t)at > INT64_MAX - len;
}

static size_t chunk_of(const struct transfer *m, uint64_t done)
{
    return m->total - done < SYS_CHUNK ? (size_t)(m->total - done) : SYS_CHUNK;
}

static int64_t read_some(struct transfer *m)
{
    uint8_t chunk[SYS_CHUNK];
    const uint64_t begun = m->t->restart.done;
    uint64_t done = begun;
    int64_t n = 0;
    do {
        if (done - begun >= KERNEL_PIECE_BYTES)
            return task_go_on(m->t, done);
        size_t want = chunk_of(m, done);
        n = m->at == AT_POSITION ? file_read(m->f, m->t, chunk, want)
                                 : file_pread(m->f, m->t, chunk, want, m->at + (int64_t)done);
        if (n <= 0)
            break;
        int64_t moved = move(m, done, chunk, (size_t)n, true);
        if (moved < 0)
            return done > 0 ? (int64_t)done : moved;
        done += (uint64_t)moved;
        if (moved < n)
            break;
    } while (m->f->ops->seekable && n == SYS_CHUNK && done < m->total);
    if (done > 0)
        return (int64_t)done;
    return n == -EAGAIN ? sys_wait_file(m->t, m->f) : n;
}

/* Parked with part of the bytes written, it goes on behind them; a signal ends it with the count. */
static int64_t write_wait(struct transfer *m, uint64_t done)
{
    if ((m->f->flags & O_NONBLOCK) != 0)
        return done > 0 ? (int64_t)done : -EAGAIN;
    m->t->restart.done = done;
    int64_t result = task_wait(m->t, m->f->key);
    return result != SYS_WAIT && done > 0 ? (int64_t)done : result;
}

static int64_t write_some(struct transfer *m)
{
    uint8_t chunk[SYS_CHUNK];
    const uint64_t begun = m->t->restart.done;
    uint64_t done = begun;
    do {
        if (done - begun >= KERNEL_PIECE_BYTES)
            return task_go_on(m->t, done);
        size_t want = chunk_of(m, done);
        int64_t n = want > 0 ? move(m, done, chunk, want, false) : 0;
        if (n >= 0) {
            want = (size_t)n;
            n = m->at == AT_POSITION ? file_write(m->f, m->t, chunk, want)
                                     : file_pwrite(m->f, m->t, chunk, want, m->at + (int64_t)done);
        }
        if (n == -EAGAIN)
            return write_wait(m, done);
        if (n < 0)
            return done > 0 ? (int64_t)done : n;
        done += (uint64_t)n;
        if (n == 0 || (m->f->ops->seekable && (size_t)n < want))
            break;
    } while (done < m->total);
    return (int64_t)done;
}

static int64_t transfer_one(struct task *t, const uint64_t arg[6], int64_t at, bool writes)
{
    struct file *f = sys_file(t, arg[0]);
    if (f == NULL)
        return -EBADF;
    if ((int64_t)arg[2] < 0)
        return -EINVAL;
    struct task_iov iov = {.base = arg[1], .len = arg[2] < TASK_RW_MAX ? arg[2] : TASK_RW_MAX};
    if (is_beyond(at, iov.len))
        return -EINVAL;
    struct transfer m = {.t = t, .f = f, .iov = &iov, .count = 1, .total = iov.len, .at = at};
    return writes ? write_some(&m) : read_some(&m);
}

static int64_t transfer_many(struct task *t, const uint64_t arg[6], int64_t at, bool writes)
{
    struct task_iov iov[TASK_IOV_MAX];
    struct file *f = sys_file(t, arg[0]);
    if (f == NULL)
        return -EBADF;
    int64_t total = task_read_iov(t, arg[1], arg[2], iov);
    if (total < 0)
        return total;
    if (is_beyond(at, (uint64_t)total))
        return -EINVAL;
    struct transfer m = {
        .t = t, .f = f, .iov = iov, .count = arg[2], .total = (uint64_t)total, .at = at};
    return writes ? write_some(&m) : read_some(&m);
}

int64_t sys_read(struct task *t, const uint64_t arg[6])
{
    return transfer_one(t, arg, AT_POSITION, false);
}

int64_t sys_write(struct task *t, const uint64_t arg[6])
{
    return transfer_one(t, arg, AT_POSITION, true);
}

int64_t sys_readv(struct task *t, const uint64_t arg[6])
{
    return transfer_many(t, arg, AT_POSITION, false);
}

int64_t sys_writev(struct task *t, const uint64_t arg[6])
{
    return transfer_many(t, arg, AT_POSITION, true);
}

int64_t sys_pread64(struct task *t, const uint64_t arg[6])
{
    return (int64_t)arg[3] < 0 ? -EINVAL : transfer_one(t, arg, (int64_t)arg[3], false);
}

int64_t sys_pwrite64(struct task *t, const uint64_t arg[6])
{
    return (int64_t)arg[3] < 0 ? -EINVAL : transfer_one(t, arg, (int64_t)arg[3], true);
}

int64_t sys_preadv(struct task *t, const uint64_t arg[6])
{
    return (int64_t)arg[3] < 0 ? -EINVAL : transfer_many(t, arg, (int64_t)arg[3], false);
}

int64_t sys_pwritev(struct task *t, const uint64_t arg[6])
{
    return (int64_t)arg[3] < 0 ? -EINVAL : transfer_many(t, arg, (int64_t)arg[3], true);
}

/* The second versions: -1 means the position, and flags that are hints. */
static int64_t second_version(struct task *t, const uint64_t arg[6], bool writes)
{
    int64_t at = (int64_t)arg[3];
    if ((arg[5] & ~UINT64_C(0x1f)) != 0)
        return -EOPNOTSUPP;
    if (at < -1)
        return -EINVAL;
    return transfer_many(t, arg, at == -1 ? AT_POSITION : at, writes);
}

int64_t sys_preadv2(struct task *t, const uint64_t arg[6])
{
    return second_version(t, arg, false);
}

int64_t sys_pwritev2(struct task *t, const uint64_t arg[6])
{
    return second_version(t, arg, true);
}

/* ---- Positions ---- */

static int64_t seek_target(struct file *f, int64_t offset, uint64_t whence)
{
    struct file_stat st;
    if (whence == SEEK_SET)
        return offset;
    if (whence == SEEK_CUR)
        return __builtin_add_overflow(f->position, offset, &offset) ? -EOVERFLOW : offset;
    if (file_stat(f, &st) != 0)
        return -EINVAL;
    if (whence == SEEK_END)
        return __builtin_add_overflow(st.size, offset, &offset) ? -EOVERFLOW : offset;
    if (offset < 0 || offset >= st.size)
        return -ENXIO;
    return whence == SEEK_DATA ? offset : st.size; /* a file is all data, then a hole */
}

int64_t sys_lseek(struct task *t, const uint64_t arg[6])
{
    struct file *f = sys_file(t, arg[0]);
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    if ((uint32_t)arg[2] > SEEK_HOLE)
        return -EINVAL;
    if (f->ops->seek != NULL)
        return f->ops->seek(f, (int64_t)arg[1], (int)arg[2]);
    if (!f->ops->seekable && f->ops->readdir == NULL)
        return -ESPIPE;
    int64_t target = seek_target(f, (int64_t)arg[1], (uint32_t)arg[2]);
    if (target < 0)
        return target == -ENXIO || target == -EOVERFLOW ? target : -EINVAL;
    f->position = f->ops->rewinds ? 0 : target;
    return f->position;
}

/* ---- From file to file ---- */

/* Moves up to `len` bytes; `in_at` and `out_at` are places or AT_POSITION. */
static int64_t copy(struct task *t, struct file *in, int64_t in_at, struct file *out,
                    int64_t out_at, uint64_t len)
{
    uint8_t chunk[SYS_CHUNK];
    const uint64_t begun = t->restart.done;
    uint64_t done = begun;
    if (is_beyond(in_at, len) || is_beyond(out_at, len))
        return -EINVAL;
    while (done < len) {
        if (done - begun >= KERNEL_PIECE_BYTES)
            return task_go_on(t, done);
        kernel_charge(t->kernel, SYS_CHUNK / KERNEL_COPY_BYTES);
        size_t want = len - done < SYS_CHUNK ? (size_t)(len - done) : SYS_CHUNK;
        int64_t before = in->position;
        int64_t n = in_at == AT_POSITION ? file_read(in, t, chunk, want)
                                         : file_pread(in, t, chunk, want, in_at + (int64_t)done);
        if (n <= 0)
            return done > 0 ? (int64_t)done : n;
        int64_t put = out_at == AT_POSITION
                          ? file_write(out, t, chunk, (size_t)n)
                          : file_pwrite(out, t, chunk, (size_t)n, out_at + (int64_t)done);
        if (in_at == AT_POSITION)
            in->position = before + (put > 0 ? put : 0);
        if (put == -EAGAIN && (out->flags & O_NONBLOCK) == 0) {
            t->restart.done = done;
            int64_t result = task_wait(t, out->key);
            return result != SYS_WAIT && done > 0 ? (int64_t)done : result;
        }
        if (put <= 0)
            return done > 0 ? (int64_t)done : put;
        done += (uint64_t)put;
    }
    return (int64_t)done;
}

/* A place that the guest keeps in its memory: read before, written after. */
static int64_t place_get(struct task *t, uint64_t addr, int64_t *at)
{
    *at = AT_POSITION;
    return addr != 0 ? task_read(t, addr, at, sizeof(*at)) : 0;
}

static int64_t place_put(struct task *t, uint64_t addr, int64_t at, int64_t moved)
{
    if (addr == 0 || moved <= 0)
        return moved;
    at += moved;
    return task_write(t, addr, &at, sizeof(at)) != 0 ? -EFAULT : moved;
}

int64_t sys_sendfile(struct task *t, const uint64_t arg[6])
{
    struct file *out = sys_file(t, arg[0]), *in = sys_file(t, arg[1]);
    int64_t at = 0;
    if (in == NULL || out == NULL)
        return -EBADF;
    if (!in->ops->seekable || (out->flags & O_APPEND) != 0)
        return -EINVAL; /* the caller falls back to read and write */
    if (place_get(t, arg[2], &at) != 0)
        return -EFAULT;
    uint64_t len = arg[3] < TASK_RW_MAX ? arg[3] : TASK_RW_MAX;
    return place_put(t, arg[2], at, copy(t, in, at, out, AT_POSITION, len));
}

static bool is_regular(struct file *f)
{
    struct file_stat st;
    return file_stat(f, &st) == 0 && S_ISREG(st.mode);
}

int64_t sys_copy_file_range(struct task *t, const uint64_t arg[6])
{
    struct file *in = sys_file(t, arg[0]), *out = sys_file(t, arg[2]);
    int64_t in_at = 0, out_at = 0;
    if (in == NULL || out == NULL)
        return -EBADF;
    if (arg[5] != 0 || !is_regular(in) || !is_regular(out))
        return -EINVAL;
    if ((out->flags & O_APPEND) != 0)
        return -EBADF;
    if (place_get(t, arg[1], &in_at) != 0 || place_get(t, arg[3], &out_at) != 0)
        return -EFAULT;
    uint64_t len = arg[4] < TASK_RW_MAX ? arg[4] : TASK_RW_MAX;
    int64_t moved = copy(t, in, in_at, out, out_at, len);
    moved = place_put(t, arg[1], in_at, moved);
    return place_put(t, arg[3], out_at, moved);
}
