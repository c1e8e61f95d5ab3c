/* Terminals: the line discipline (n_tty) between a guest's descriptors (the slave, /dev/pts/N) and
 * the line (the master: the visitor's client, or a guest's /dev/ptmx). Pure: bytes one at a time or
 * many, the same result.
 *
 * Source: termios(3), ioctl_tty(2), POSIX chapter 11, and what Linux's ptys do. */
#ifndef KERNEL_TTY_H
#define KERNEL_TTY_H

#include "kernel/file.h"

enum {
    TTY_INPUT_MAX = 4096, /* bytes of input that wait, a line being typed included */
    TTY_CC_COUNT = 19,
    TTY_MAX = 64, /* terminals of one machine: -ENOSPC */
};

/* struct termios2 of the kernel's interface: the numbers are Linux's. */
struct tty_modes {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line;
    uint8_t cc[TTY_CC_COUNT];
    uint32_t ispeed, ospeed;
};

struct tty_size {
    uint16_t rows, columns, xpixel, ypixel;
};

struct tty;
struct ttys; /* all terminals of a machine */

/* What a new Linux pty has. */
void tty_modes_default(struct tty_modes *modes);
/* Applies encoded terminal modes (RFC 4254 section 8) as sshd does: speeds, characters, flags;
 * unknown opcodes are skipped, a cut list ends quietly. */
void tty_modes_decode(struct tty_modes *modes, struct span encoded, bool sets_speed);

/* A new terminal with the lowest free number, its master outside. `out_max` bounds what waits for
 * the line. NULL: -ENOSPC, -ENOMEM in *error. */
struct tty *tty_new(struct vfs *vfs, size_t out_max, int *error);
struct tty_modes *tty_modes(struct tty *tty);      /* to set up before use */
void tty_set_owner(struct tty *tty, uint32_t uid); /* else root's; its group is tty */
unsigned tty_number(const struct tty *tty);        /* N of /dev/pts/N */

/* ---- The line's side ---- */
size_t tty_put(struct tty *tty, struct span bytes); /* typed; what was taken */
struct span tty_out(struct tty *tty);               /* to be shown; borrowed */
void tty_sent(struct tty *tty, size_t n);
void tty_resize(struct tty *tty, uint16_t columns, uint16_t rows); /* SIGWINCH when it changed */
struct tty_size tty_size(const struct tty *tty);
/* The line is gone: SIGHUP and SIGCONT to the session's leader and foreground group; readers get
 * end of file, writers -EIO. */
void tty_hangup(struct tty *tty);
/* The line's owner forgets the terminal; it is freed when no descriptor is left. Hangs up first. */
void tty_close_line(struct tty *tty);
/* No guest has it open any more. */
bool tty_is_ended(const struct tty *tty);

/* ---- The guest's side ---- */

/* A description for the slave. */
struct file *tty_open(struct tty *tty, uint32_t flags, int *error);

/* Makes it the controlling terminal of the session, with that foreground group; the caller sets
 * session->tty. */
void tty_set_session(struct tty *tty, int32_t session, int32_t group);
int32_t tty_foreground(const struct tty *tty); /* 0: none */
/* The session's leader has ended or gives it up: SIGHUP and SIGCONT to the foreground group; of no
 * session any more (hooks.session_lost is called). Takes NULL. */
void tty_leave_session(struct tty *tty);

#endif
