/* The ioctls of terminals: ioctl_tty(2). */
#include "kernel/machine.h"
#include "kernel/task.h"
#include "kernel/tty_line.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>

/* Linux's numbers (asm-generic/ioctls.h). */
enum {
    IO_TCGETS = 0x5401,
    IO_TCSETS,
    IO_TCSETSW,
    IO_TCSETSF,
    IO_TCGETA,
    IO_TCSETA,
    IO_TCSETAW,
    IO_TCSETAF,
    IO_TCSBRK,
    IO_TCXONC,
    IO_TCFLSH,
    IO_TIOCEXCL,
    IO_TIOCNXCL,
    IO_TIOCSCTTY,
    IO_TIOCGPGRP,
    IO_TIOCSPGRP,
    IO_TIOCOUTQ,
    IO_TIOCSTI,
    IO_TIOCGWINSZ,
    IO_TIOCSWINSZ,
    IO_FIONREAD = 0x541b,
    IO_TIOCPKT = 0x5420,
    IO_TIOCNOTTY = 0x5422,
    IO_TIOCSETD = 0x5423,
    IO_TIOCGETD = 0x5424,
    IO_TCSBRKP = 0x5425,
    IO_TIOCSBRK = 0x5427,
    IO_TIOCCBRK = 0x5428,
    IO_TIOCGSID = 0x5429,
    IO_TIOCVHANGUP = 0x5437,
    IO_TIOCGPTPEER = 0x5441,
    IO_TCSETS2 = 0x402c542b,
    IO_TCSETSW2 = 0x402c542c,
    IO_TCSETSF2 = 0x402c542d,
};
#define IO_TCGETS2    0x802c542au
#define IO_TIOCGPTN   0x80045430u
#define IO_TIOCSPTLCK 0x40045431u
#define IO_TIOCGDEV   0x80045432u
#define IO_TIOCSIG    0x40045436u
#define IO_TIOCGPKT   0x80045438u
#define IO_TIOCGPTLCK 0x80045439u
#define IO_TIOCGEXCL  0x80045440u

struct call {
    struct tty *tty;
    struct task *t;
    uint64_t arg;
    bool master;
};

typedef int64_t (*ioctl_fn)(const struct call *c, uint32_t command);

/* ---- Modes ---- */

enum { TERMIOS_BYTES = 36, TERMIOS2_BYTES = 44 }; /* without and with the speeds */

/* struct termio of System V: four halves, the line, eight characters. */
struct termio {
    uint16_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[8], pad;
};

static int64_t get_modes(const struct call *c, uint32_t command)
{
    struct tty_modes modes = c->tty->modes;
    size_t size = command == IO_TCGETS2 ? TERMIOS2_BYTES : TERMIOS_BYTES;
    return task_write(c->t, c->arg, &modes, size);
}

static int64_t get_old_modes(const struct call *c, uint32_t command)
{
    (void)command;
    const struct tty_modes *m = &c->tty->modes;
    struct termio old = {.iflag = (uint16_t)m->iflag,
                         .oflag = (uint16_t)m->oflag,
                         .cflag = (uint16_t)m->cflag,
                         .lflag = (uint16_t)m->lflag,
                         .line = m->line};
    memcpy(old.cc, m->cc, sizeof(old.cc));
    return task_write(c->t, c->arg, &old, sizeof(old) - 1);
}

/* What a pty's driver makes of the modes it is given: 8 bits, no parity, always readable. */
static void apply_modes(struct tty *tty, struct tty_modes *modes, bool flush)
{
    modes->cflag = (modes->cflag & ~(uint32_t)(TTY_CSIZE | TTY_PARENB)) | TTY_CS8 | TTY_CREAD;
    if ((modes->cflag & TTY_CBAUD) != TTY_BOTHER)
        modes->ispeed = modes->ospeed = tty_speed_of(modes);
    if (flush)
        tty_flush_input(tty);
    tty_set_modes(tty, modes);
}

static int64_t set_modes(const struct call *c, uint32_t command)
{
    struct tty_modes modes = c->tty->modes;
    bool second = command >= (uint32_t)IO_TCSETS2;
    int64_t error = tty_check_change(c->tty, c->t, SIGTTOU);
    if (error == 0)
        error = task_read(c->t, c->arg, &modes, second ? TERMIOS2_BYTES : TERMIOS_BYTES);
    if (error != 0)
        return error;
    apply_modes(c->tty, &modes, command == IO_TCSETSF || command == (uint32_t)IO_TCSETSF2);
    return 0;
}

static int64_t set_old_modes(const struct call *c, uint32_t command)
{
    struct termio old;
    struct tty_modes modes = c->tty->modes;
    int64_t error = tty_check_change(c->tty, c->t, SIGTTOU);
    if (error == 0)
        error = task_read(c->t, c->arg, &old, sizeof(old) - 1);
    if (error != 0)
        return error;
    modes.iflag = (modes.iflag & 0xffff0000u) | old.iflag;
    modes.oflag = (modes.oflag & 0xffff0000u) | old.oflag;
    modes.cflag = (modes.cflag & 0xffff0000u) | old.cflag;
    modes.lflag = (modes.lflag & 0xffff0000u) | old.lflag;
    modes.line = old.line;
    memcpy(modes.cc, old.cc, sizeof(old.cc));
    apply_modes(c->tty, &modes, command == IO_TCSETAF);
    return 0;
}

/* ---- Size ---- */

static int64_t get_size(const struct call *c, uint32_t command)
{
    (void)command;
    return task_write(c->t, c->arg, &c->tty->size, sizeof(c->tty->size));
}

static int64_t set_size(const struct call *c, uint32_t command)
{
    (void)command;
    struct tty_size size;
    int error = task_read(c->t, c->arg, &size, sizeof(size));
    if (error == 0)
        tty_set_size(c->tty, size);
    return error;
}

/* ---- Flow and queues ---- */

static int64_t flow(const struct call *c, uint32_t command)
{
    (void)command;
    int64_t error = tty_check_change(c->tty, c->t, SIGTTOU);
    if (error != 0)
        return error;
    switch (c->arg) {
    case 0: tty_stop(c->tty); return 0;  /* TCOOFF */
    case 1: tty_start(c->tty); return 0; /* TCOON */
    case 2:
    case 3: return 0; /* TCIOFF, TCION: the other side's matter */
    default: return -EINVAL;
    }
}

static int64_t flush(const struct call *c, uint32_t command)
{
    (void)command;
    int64_t error = tty_check_change(c->tty, c->t, SIGTTOU);
    if (error != 0)
        return error;
    if (c->arg > 2)
        return -EINVAL;
    if (c->arg != 1) /* TCIFLUSH, TCIOFLUSH */
        tty_flush_input(c->tty);
    if (c->arg != 0)
        tty_flush_output(c->tty);
    return 0;
}

static int64_t put_number(const struct call *c, int32_t value)
{
    return task_write(c->t, c->arg, &value, sizeof(value));
}

static int64_t count_input(const struct call *c, uint32_t command)
{
    (void)command;
    size_t n = c->master ? buffer_len(&c->tty->out) : tty_input_count(c->tty);
    return put_number(c, (int32_t)n);
}

static int64_t count_output(const struct call *c, uint32_t command)
{
    (void)command;
    return put_number(c, 0); /* a pty's driver never holds any */
}

static int64_t send_break(const struct call *c, uint32_t command)
{
    (void)command;
    return tty_check_change(c->tty, c->t, SIGTTOU);
}

static int64_t type_character(const struct call *c, uint32_t command)
{
    (void)command;
    uint8_t typed = 0;
    if (!tty_controls(c->tty, c->t) && !creds_capable(&c->t->creds, CAP_SYS_ADMIN))
        return -EPERM;
    if (task_read(c->t, c->arg, &typed, 1) != 0)
        return -EFAULT;
    tty_put(c->tty, span_of(&typed, 1));
    return 0;
}

/* ---- Job control ---- */

static int64_t take_control(const struct call *c, uint32_t command)
{
    (void)command;
    struct process *p = c->t->process;
    bool leader = p->session != NULL && p->pid == p->session->sid;
    if (leader && c->tty->session == p->session->sid)
        return 0;
    if (!leader || p->session->tty != NULL)
        return -EPERM;
    if (c->tty->session != 0) {
        if (c->arg != 1 || !creds_capable(&c->t->creds, CAP_SYS_ADMIN))
            return -EPERM;
        int32_t old = c->tty->session;
        tty_set_session(c->tty, 0, 0);
        c->tty->vfs->hooks.session_lost(c->tty->vfs->hooks.ctx, old);
    }
    p->session->tty = c->tty;
    tty_set_session(c->tty, p->session->sid, p->pgid);
    return 0;
}

static int64_t give_up_control(const struct call *c, uint32_t command)
{
    (void)command;
    const struct process *p = c->t->process;
    if (!tty_controls(c->tty, c->t))
        return -ENOTTY;
    if (p->pid == p->session->sid)
        tty_leave_session(c->tty);
    return 0;
}

static int64_t get_group(const struct call *c, uint32_t command)
{
    (void)command;
    if (!c->master && !tty_controls(c->tty, c->t))
        return -ENOTTY;
    return put_number(c, c->tty->foreground);
}

static int64_t set_group(const struct call *c, uint32_t command)
{
    (void)command;
    int32_t group = 0;
    int64_t error = tty_check_change(c->tty, c->t, SIGTTOU);
    if (error != 0)
        return error == -EIO ? -ENOTTY : error;
    if (task_read(c->t, c->arg, &group, sizeof(group)) != 0)
        return -EFAULT;
    if (group < 0)
        return -EINVAL;
    if (!tty_controls(c->tty, c->t) || c->tty->session != c->t->process->session->sid)
        return -ENOTTY;
    if (!group_exists(c->t->kernel, group, 0))
        return -ESRCH;
    if (!group_exists(c->t->kernel, group, c->tty->session))
        return -EPERM;
    c->tty->foreground = group;
    return 0;
}

static int64_t get_session(const struct call *c, uint32_t command)
{
    (void)command;
    if ((!c->master && !tty_controls(c->tty, c->t)) || c->tty->session == 0)
        return -ENOTTY;
    return put_number(c, c->tty->session);
}

static int64_t hang_up(const struct call *c, uint32_t command)
{
    (void)command;
    if (!creds_capable(&c->t->creds, CAP_SYS_ADMIN))
        return -EPERM;
    tty_hangup(c->tty);
    return 0;
}

/* ---- A master's own ---- */

static int64_t get_peer_number(const struct call *c, uint32_t command)
{
    (void)command;
    return c->master ? put_number(c, (int32_t)c->tty->number) : -ENOTTY;
}

static int64_t set_master(const struct call *c, uint32_t command)
{
    int32_t on = 0;
    if (!c->master)
        return -ENOTTY;
    int error = task_read(c->t, c->arg, &on, sizeof(on));
    if (error != 0)
        return error;
    if (command == IO_TIOCSPTLCK)
        c->tty->locked = on != 0;
    else
        tty_set_packet(c->tty, on != 0);
    return 0;
}

static int64_t get_master(const struct call *c, uint32_t command)
{
    if (!c->master)
        return -ENOTTY;
    return put_number(c, command == IO_TIOCGPTLCK ? c->tty->locked : c->tty->packet);
}

static int64_t open_peer(const struct call *c, uint32_t command)
{
    (void)command;
    return c->master ? tty_open_peer(c->tty, c->t, c->arg) : -EIO;
}

/* What the keys of the terminal would raise. */
static int64_t raise_signal(const struct call *c, uint32_t command)
{
    (void)command;
    int signo = (int)c->arg;
    if (!c->master)
        return -ENOTTY;
    if (signo != SIGINT && signo != SIGQUIT && signo != SIGTSTP)
        return -EINVAL;
    if (c->tty->foreground > 0)
        c->tty->vfs->hooks.signal_group(c->tty->vfs->hooks.ctx, c->tty->foreground, signo);
    return 0;
}

/* ---- What else there is ---- */

static int64_t set_exclusive(const struct call *c, uint32_t command)
{
    c->tty->exclusive = command == IO_TIOCEXCL;
    return 0;
}

static int64_t get_exclusive(const struct call *c, uint32_t command)
{
    (void)command;
    return put_number(c, c->tty->exclusive);
}

static int64_t nothing(const struct call *c, uint32_t command)
{
    (void)c, (void)command;
    return 0;
}

static int64_t get_discipline(const struct call *c, uint32_t command)
{
    (void)command;
    return put_number(c, 0); /* N_TTY */
}

static int64_t get_device(const struct call *c, uint32_t command)
{
    (void)command;
    return put_number(c, (int32_t)FS_DEV(c->master ? 128 : 136, c->tty->number));
}

static const struct {
    uint32_t command;
    ioctl_fn fn;
} ioctls[] = {
    {IO_TCGETS, get_modes},
    {IO_TCSETS, set_modes},
    {IO_TCSETSW, set_modes},
    {IO_TCSETSF, set_modes},
    {IO_TCGETS2, get_modes},
    {IO_TCSETS2, set_modes},
    {IO_TCSETSW2, set_modes},
    {IO_TCSETSF2, set_modes},
    {IO_TCGETA, get_old_modes},
    {IO_TCSETA, set_old_modes},
    {IO_TCSETAW, set_old_modes},
    {IO_TCSETAF, set_old_modes},
    {IO_TCSBRK, send_break},
    {IO_TCSBRKP, send_break},
    {IO_TIOCSBRK, send_break},
    {IO_TIOCCBRK, send_break},
    {IO_TCXONC, flow},
    {IO_TCFLSH, flush},
    {IO_TIOCEXCL, set_exclusive},
    {IO_TIOCNXCL, set_exclusive},
    {IO_TIOCSCTTY, take_control},
    {IO_TIOCNOTTY, give_up_control},
    {IO_TIOCGPGRP, get_group},
    {IO_TIOCSPGRP, set_group},
    {IO_TIOCGSID, get_session},
    {IO_TIOCOUTQ, count_output},
    {IO_FIONREAD, count_input},
    {IO_TIOCSTI, type_character},
    {IO_TIOCGWINSZ, get_size},
    {IO_TIOCSWINSZ, set_size},
    {IO_TIOCSETD, nothing},
    {IO_TIOCGETD, get_discipline},
    {IO_TIOCVHANGUP, hang_up},
    {IO_TIOCGPTN, get_peer_number},
    {IO_TIOCSPTLCK, set_master},
    {IO_TIOCPKT, set_master},
    {IO_TIOCGPTLCK, get_master},
    {IO_TIOCGPKT, get_master},
    {IO_TIOCGEXCL, get_exclusive},
    {IO_TIOCGPTPEER, open_peer},
    {IO_TIOCSIG, raise_signal},
    {IO_TIOCGDEV, get_device},
};

int64_t tty_ioctl(struct tty *tty, struct task *t, uint32_t command, uint64_t arg, bool master)
{
    const struct call c = {.tty = tty, .t = t, .arg = arg, .master = master};
    for (size_t i = 0; i < ARRAY_LEN(ioctls); i++)
        if (ioctls[i].command == command)
            return ioctls[i].fn(&c, command);
    return -ENOTTY;
}
