/* A machine's terminals: their life, their descriptions, who controls whom. */
#include "kernel/lines.h"
#include "kernel/task.h"
#include "kernel/tty_line.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t TENTH_NS = 100000000; /* VTIME's unit */

struct tty *tty_find(const struct vfs *vfs, unsigned number)
{
    struct tty *tty = vfs->ttys;
    while (tty != NULL && tty->number != number)
        tty = tty->next;
    return tty;
}

struct tty *tty_new(struct vfs *vfs, size_t out_max, int *error)
{
    struct tty **place = &vfs->ttys;
    unsigned number = 0;
    while (*place != NULL && (*place)->number == number) {
        place = &(*place)->next;
        number++;
    }
    *error = number < TTY_MAX ? -ENOMEM : -ENOSPC;
    struct tty *tty = number < TTY_MAX ? calloc(1, sizeof(*tty)) : NULL;
    if (tty == NULL)
        return NULL;
    tty->vfs = vfs;
    tty->number = number;
    tty_modes_default(&tty->modes);
    tty->gid = 5; /* tty: as devpts is mounted */
    tty->mode = 0620;
    tty->made_ns = tty->read_ns = tty->written_ns = vfs_now(vfs);
    buffer_init(&tty->echo, TTY_ECHO_MAX);
    buffer_init(&tty->out, out_max);
    tty->line_open = true;
    tty->next = *place;
    *place = tty;
    return tty;
}

void tty_release(struct tty *tty)
{
    if (tty->line_open || tty->slaves > 0)
        return;
    if (tty->session != 0)
        tty->vfs->hooks.session_lost(tty->vfs->hooks.ctx, tty->session);
    struct tty **place = &tty->vfs->ttys;
    while (*place != tty)
        place = &(*place)->next;
    *place = tty->next;
    buffer_fini(&tty->echo);
    buffer_fini(&tty->out);
    free(tty->input);
    free(tty);
}

struct tty_modes *tty_modes(struct tty *tty)
{
    return &tty->modes;
}

unsigned tty_number(const struct tty *tty)
{
    return tty->number;
}

void tty_set_owner(struct tty *tty, uint32_t uid)
{
    tty->uid = uid;
}

/* ---- The line's side ---- */

struct span tty_out(struct tty *tty)
{
    return buffer_span(&tty->out);
}

void tty_sent(struct tty *tty, size_t n)
{
    buffer_take(&tty->out, n);
    tty_echo_flush(tty);
    vfs_wake(tty->vfs, tty);
}

static void signal_group(struct tty *tty, int32_t group, int signo)
{
    if (group > 0)
        tty->vfs->hooks.signal_group(tty->vfs->hooks.ctx, group, signo);
}

int tty_set_size(struct tty *tty, struct tty_size size)
{
    if (memcmp(&size, &tty->size, sizeof(size)) == 0)
        return 0;
    tty->size = size;
    signal_group(tty, tty->foreground, SIGWINCH);
    return 1;
}

void tty_resize(struct tty *tty, uint16_t columns, uint16_t rows)
{
    struct tty_size size = tty->size;
    size.columns = columns;
    size.rows = rows;
    tty_set_size(tty, size);
}

struct tty_size tty_size(const struct tty *tty)
{
    return tty->size;
}

static void forget_session(struct tty *tty)
{
    int32_t session = tty->session;
    tty->session = tty->foreground = 0;
    if (session != 0)
        tty->vfs->hooks.session_lost(tty->vfs->hooks.ctx, session);
}

void tty_hangup(struct tty *tty)
{
    if (tty->hung_up)
        return;
    int32_t leader = tty->session, group = tty->foreground;
    tty->hung_up = true;
    tty->hangups++;
    tty->stopped = false;
    buffer_clear(&tty->echo);
    tty_flush_input(tty);
    forget_session(tty);
    signal_group(tty, leader, SIGHUP);
    signal_group(tty, leader, SIGCONT);
    if (group != leader) {
        signal_group(tty, group, SIGHUP);
        signal_group(tty, group, SIGCONT);
    }
    vfs_wake(tty->vfs, tty);
}

void tty_close_line(struct tty *tty)
{
    if (tty == NULL)
        return;
    tty_hangup(tty);
    tty->line_open = false;
    tty_release(tty);
}

bool tty_is_ended(const struct tty *tty)
{
    return tty->was_opened && tty->slaves == 0;
}

/* ---- Sessions ---- */

void tty_set_session(struct tty *tty, int32_t session, int32_t group)
{
    tty->session = session;
    tty->foreground = group;
}

int32_t tty_foreground(const struct tty *tty)
{
    return tty->foreground;
}

void tty_leave_session(struct tty *tty)
{
    if (tty == NULL)
        return;
    int32_t group = tty->foreground;
    forget_session(tty);
    signal_group(tty, group, SIGHUP);
    signal_group(tty, group, SIGCONT);
}

bool tty_controls(const struct tty *tty, const struct task *t)
{
    return t != NULL && t->process->session != NULL && t->process->session->tty == tty;
}

int64_t tty_check_change(const struct tty *tty, struct task *t, int signo)
{
    if (!tty_controls(tty, t) || tty->foreground == 0 || tty->foreground == t->process->pgid)
        return 0;
    if (signal_is_blocked_or_ignored(t, signo))
        return signo == SIGTTIN ? -EIO : 0;
    if (group_is_orphaned(t->kernel, t->process->pgid))
        return -EIO;
    tty->vfs->hooks.signal_group(tty->vfs->hooks.ctx, t->process->pgid, signo);
    return -ERESTARTSYS;
}

/* ---- A slave's description ---- */

static bool is_dead(const struct file *f)
{
    const struct tty *tty = f->object;
    return f->private != tty->hangups;
}

/* Without a line's end to wait for, MIN and TIME decide (termios(3), noncanonical mode). */
static int64_t read_raw(struct file *f, struct task *t, uint8_t *out, size_t len)
{
    struct tty *tty = f->object;
    size_t min = tty->modes.cc[TTY_VMIN], have = (size_t)(tty->head - tty->tail);
    int64_t wait = tty->modes.cc[TTY_VTIME] * TENTH_NS, now = vfs_now(tty->vfs);
    bool nonblock = (f->flags & O_NONBLOCK) != 0;
    if (have >= (min > 0 ? min : 1) || have >= len || (nonblock && have > 0) ||
        (min == 0 && wait == 0))
        return (int64_t)tty_take(tty, out, len);
    if (wait == 0 || t == NULL || nonblock || (min > 0 && have == 0))
        return -EAGAIN;
    if (!t->restart.begun) {
        t->restart.begun = true;
        t->restart.mark = (uint64_t)now;
    }
    /* From the call on; with MIN, from each character on. */
    int64_t from = (int64_t)t->restart.mark;
    if (min > 0 && tty->input_ns > from)
        from = tty->input_ns;
    if (now - from >= wait)
        return (int64_t)tty_take(tty, out, len);
    task_wait_until(t, from + wait - tty->vfs->boot_ns);
    return -EAGAIN;
}

static int64_t slave_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)at;
    struct tty *tty = f->object;
    if (is_dead(f) || len == 0)
        return 0;
    int64_t error = tty_check_change(tty, t, SIGTTIN);
    if (error != 0)
        return error;
    if (!tty_is_canonical(tty)) {
        int64_t got = read_raw(f, t, out, len);
        if (t != NULL && got > 0)
            lines_keys(t, span_of(out, (size_t)got));
        return got;
    }
    if (!tty_has_input(tty, 1))
        return -EAGAIN;
    size_t n = tty_take(tty, out, len);
    tty->read_ns = vfs_now(tty->vfs);
    if (t != NULL)
        lines_read(t, span_of(out, n), true);
    return (int64_t)n;
}

static int64_t slave_write(struct file *f, struct task *t, const void *bytes, size_t len,
                           int64_t at)
{
    (void)at;
    struct tty *tty = f->object;
    if (is_dead(f))
        return -EIO;
    int64_t error = tty_has_l(tty, TTY_TOSTOP) ? tty_check_change(tty, t, SIGTTOU) : 0;
    if (error != 0 || len == 0)
        return error;
    size_t n = tty_write_out(tty, span_of(bytes, len));
    if (n == 0)
        return -EAGAIN;
    tty->written_ns = vfs_now(tty->vfs);
    vfs_wake(tty->vfs, tty); /* a master may wait */
    return (int64_t)n;
}

static unsigned slave_poll(struct file *f)
{
    const struct tty *tty = f->object;
    const uint8_t *cc = tty->modes.cc;
    if (is_dead(f))
        return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
    size_t least = cc[TTY_VTIME] == 0 && cc[TTY_VMIN] > 0 ? cc[TTY_VMIN] : 1;
    unsigned ready = tty_has_input(tty, least) ? POLLIN | POLLRDNORM : 0;
    if (!tty->stopped && buffer_room(&tty->out) > 0)
        ready |= POLLOUT | POLLWRNORM;
    return ready;
}

static int64_t slave_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg)
{
    return is_dead(f) ? -EIO : tty_ioctl(f->object, t, command, arg, false);
}

static void slave_close(struct file *f)
{
    struct tty *tty = f->object;
    tty->slaves--;
    tty->exclusive &= tty->slaves > 0;
    vfs_wake(tty->vfs, tty);
    tty_release(tty);
}

static const struct file_ops slave_ops = {
    .read = slave_read,
    .write = slave_write,
    .poll = slave_poll,
    .ioctl = slave_ioctl,
    .close = slave_close,
};

/* A session's leader without a terminal gets the first one it opens. */
static void take_control(struct tty *tty, struct task *t, const struct file *f)
{
    if (t == NULL || t->process->session == NULL || (f->flags & (O_NOCTTY | O_PATH)) != 0 ||
        (f->flags & O_ACCMODE) == O_WRONLY)
        return;
    struct session *s = t->process->session;
    if (t->process->pid != s->sid || s->tty != NULL || tty->session != 0)
        return;
    s->tty = tty;
    tty_set_session(tty, s->sid, t->process->pgid);
}

int tty_open_slave(struct tty *tty, struct task *t, struct file *f)
{
    if (tty->hung_up || tty->locked || !tty->line_open)
        return -EIO;
    if (tty->exclusive && tty->slaves > 0 && t != NULL && !creds_capable(&t->creds, CAP_SYS_ADMIN))
        return -EBUSY;
    take_control(tty, t, f);
    tty->slaves++;
    tty->was_opened = true;
    f->ops = &slave_ops;
    f->object = tty;
    f->key = tty;
    f->private = tty->hangups;
    return 0;
}

struct file *tty_open(struct tty *tty, uint32_t flags, int *error)
{
    char name[16];
    struct file *f = NULL;
    const struct vfs_at at = {0};
    struct vnode dir = {.fs = tty->vfs->devpts, .ino = tty->vfs->devpts->root};
    struct vnode node = {.fs = dir.fs, .ino = DEVPTS_FIRST + tty->number};
    int n = snprintf(name, sizeof(name), "%u", tty->number);
    *error = vfs_open_node(&at, node, dir, span_of(name, (size_t)n), flags | O_NOCTTY, &f);
    if (f != NULL)
        f->flags = flags;
    return f;
}

int tty_open_number(struct task *t, unsigned number, struct file *f)
{
    struct tty *tty = tty_find(f->vfs, number);
    return tty != NULL ? tty_open_slave(tty, t, f) : -EIO;
}

enum { MINOR_TTY = 0, MINOR_PTMX = 2 };

int tty_open_device(struct task *t, unsigned minor, struct file *f)
{
    if (minor == MINOR_PTMX)
        return tty_open_master(t, f);
    if (minor != MINOR_TTY)
        return -EIO;
    bool has = t != NULL && t->process->session != NULL && t->process->session->tty != NULL;
    return has ? tty_open_slave(t->process->session->tty, t, f) : -ENXIO;
}
