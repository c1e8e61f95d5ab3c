/* /dev/ptmx: the other side of a terminal, for a guest; and packet mode (TIOCPKT), in which each read
 * begins with a byte that says what happened on the terminal: ioctl_tty(2). */
#include "kernel/sysfile.h"
#include "kernel/tty_line.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { MASTER_OUT_MAX = 16384 };

void tty_tell_packet(struct tty *tty, uint8_t what, uint8_t instead_of)
{
    if (!tty->packet)
        return;
    tty->packet_status = (uint8_t)((tty->packet_status & ~instead_of) | what);
    vfs_wake(tty->vfs, tty);
}

void tty_set_packet(struct tty *tty, bool on)
{
    if (on && !tty->packet)
        tty->packet_status = 0;
    tty->packet = on;
}

static size_t read_status(struct tty *tty, uint8_t *out)
{
    out[0] = tty->packet_status;
    tty->packet_status = 0;
    return 1;
}

static int64_t master_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)t, (void)at;
    struct tty *tty = f->object;
    uint8_t *bytes = out;
    struct span have = buffer_span(&tty->out);
    if (len == 0)
        return 0;
    if (tty->packet && tty->packet_status != 0)
        return (int64_t)read_status(tty, bytes);
    if (have.len == 0)
        return tty_is_ended(tty) ? -EIO : -EAGAIN;
    size_t head = tty->packet;
    if (head != 0)
        bytes[0] = TTY_PACKET_DATA;
    size_t n = have.len < len - head ? have.len : len - head;
    memcpy(bytes + head, have.data, n);
    tty_sent(tty, n);
    return (int64_t)(head + n);
}

static int64_t master_write(struct file *f, struct task *t, const void *bytes, size_t len,
                            int64_t at)
{
    (void)t, (void)at;
    size_t n = tty_put(f->object, span_of(bytes, len));
    return n > 0 || len == 0 ? (int64_t)n : -EAGAIN;
}

static unsigned master_poll(struct file *f)
{
    const struct tty *tty = f->object;
    unsigned ready = POLLOUT | POLLWRNORM;
    ready |= buffer_len(&tty->out) > 0 ? POLLIN | POLLRDNORM : 0;
    ready |= tty->packet && tty->packet_status != 0 ? POLLPRI | POLLIN | POLLRDNORM : 0;
    return ready | (tty_is_ended(tty) ? POLLHUP : 0);
}

static int64_t master_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg)
{
    return tty_ioctl(f->object, t, command, arg, true);
}

static void master_close(struct file *f)
{
    tty_close_line(f->object);
}

static const struct file_ops master_ops = {
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = master_ioctl,
    .close = master_close,
};

int tty_open_master(struct task *t, struct file *f)
{
    int error = 0;
    struct tty *tty = tty_new(f->vfs, MASTER_OUT_MAX, &error);
    if (tty == NULL)
        return error;
    tty->locked = true;
    if (t != NULL)
        tty->uid = t->creds.fsuid;
    f->ops = &master_ops;
    f->object = tty;
    f->key = tty;
    return 0;
}

int64_t tty_open_peer(struct tty *tty, struct task *t, uint64_t flags)
{
    int error = 0;
    struct file *f = tty_open(tty, (uint32_t)flags, &error);
    return f != NULL ? sys_install(t, f, (flags & O_CLOEXEC) != 0) : error;
}
