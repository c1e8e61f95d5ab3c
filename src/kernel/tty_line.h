/* Inside of a terminal: shared by tty*.c. Positions count bytes since the terminal's birth and are
 * taken modulo the buffer's size, as in Linux's n_tty. */
#ifndef KERNEL_TTY_LINE_H
#define KERNEL_TTY_LINE_H

#include "kernel/fs.h"
#include "kernel/tty.h"

#include "base/buffer.h"

enum {
    /* Flags of struct termios, Linux's numbers (asm-generic/termbits.h). */
    TTY_IGNBRK = 0000001,
    TTY_BRKINT = 0000002,
    TTY_IGNPAR = 0000004,
    TTY_PARMRK = 0000010,
    TTY_INPCK = 0000020,
    TTY_ISTRIP = 0000040,
    TTY_INLCR = 0000100,
    TTY_IGNCR = 0000200,
    TTY_ICRNL = 0000400,
    TTY_IUCLC = 0001000,
    TTY_IXON = 0002000,
    TTY_IXANY = 0004000,
    TTY_IXOFF = 0010000,
    TTY_IMAXBEL = 0020000,
    TTY_IUTF8 = 0040000,

    TTY_OPOST = 0000001,
    TTY_OLCUC = 0000002,
    TTY_ONLCR = 0000004,
    TTY_OCRNL = 0000010,
    TTY_ONOCR = 0000020,
    TTY_ONLRET = 0000040,
    TTY_TABDLY = 0014000,
    TTY_XTABS = 0014000,

    TTY_CBAUD = 0010017,
    TTY_B9600 = 0000015,
    TTY_B38400 = 0000017,
    TTY_BOTHER = 0010000,
    TTY_CSIZE = 0000060,
    TTY_CS7 = 0000040,
    TTY_CS8 = 0000060,
    TTY_CREAD = 0000200,
    TTY_PARENB = 0000400,
    TTY_PARODD = 0001000,

    TTY_ISIG = 0000001,
    TTY_ICANON = 0000002,
    TTY_XCASE = 0000004,
    TTY_ECHO = 0000010,
    TTY_ECHOE = 0000020,
    TTY_ECHOK = 0000040,
    TTY_ECHONL = 0000100,
    TTY_NOFLSH = 0000200,
    TTY_TOSTOP = 0000400,
    TTY_ECHOCTL = 0001000,
    TTY_ECHOPRT = 0002000,
    TTY_ECHOKE = 0004000,
    TTY_PENDIN = 0040000,
    TTY_IEXTEN = 0100000,
    TTY_EXTPROC = 0200000,
};

/* Indices of control characters. */
enum {
    TTY_VINTR,
    TTY_VQUIT,
    TTY_VERASE,
    TTY_VKILL,
    TTY_VEOF,
    TTY_VTIME,
    TTY_VMIN,
    TTY_VSWTC,
    TTY_VSTART,
    TTY_VSTOP,
    TTY_VSUSP,
    TTY_VEOL,
    TTY_VREPRINT,
    TTY_VDISCARD,
    TTY_VWERASE,
    TTY_VLNEXT,
    TTY_VEOL2,
};

enum {
    TTY_DISABLED = 0, /* _POSIX_VDISABLE: this character is off; in the input: end of file */
    TTY_ECHO_MAX = 4096,
};

/* What a master in packet mode reads (TIOCPKT_*). */
enum {
    TTY_PACKET_DATA = 0,
    TTY_PACKET_FLUSHREAD = 1,
    TTY_PACKET_FLUSHWRITE = 2,
    TTY_PACKET_STOP = 4,
    TTY_PACKET_START = 8,
    TTY_PACKET_NOSTOP = 16,
    TTY_PACKET_DOSTOP = 32,
    TTY_PACKET_IOCTL = 64,
};

/* What is typed and not yet read: a ring. */
struct tty_input {
    uint8_t bytes[TTY_INPUT_MAX];
    uint8_t ends[TTY_INPUT_MAX / 8];
};

struct tty {
    struct vfs *vfs;
    struct tty *next; /* in vfs.ttys, by number */
    unsigned number;
    struct tty_modes modes;
    struct tty_size size;
    uint32_t uid, gid, mode; /* of /dev/pts/N */
    int64_t made_ns, read_ns, written_ns;

    /* Input: what is typed goes in at `head`, what a program reads leaves at `tail`. Up to `canon`
     * lines are complete: a bit of `ends` marks each one's last byte. */
    uint64_t head, canon, tail;
    struct tty_input *input; /* owned; NULL: nothing is there */
    bool literal;            /* the next character is taken as it is (LNEXT) */
    bool erasing;            /* between \ and / of ECHOPRT */
    bool push;               /* the last line was made by leaving raw mode: it has no end */
    int64_t input_ns;

    /* Output. Echoes wait here while the line is full or stopped. */
    struct buffer echo, out;
    unsigned column, canon_column;
    bool stopped; /* by STOP or TCXONC */

    int32_t session, foreground;
    unsigned slaves;  /* descriptions of /dev/pts/N */
    bool was_opened;  /* a slave has been */
    bool line_open;   /* the line's owner, or a description of /dev/ptmx, is there */
    bool hung_up;     /* for good */
    bool locked;      /* TIOCSPTLCK: the slave cannot be opened yet */
    uint32_t hangups; /* descriptions of before a hangup are dead */
    bool exclusive;   /* TIOCEXCL: who is not root cannot open the slave again */
    bool packet;      /* TIOCPKT */
    uint8_t packet_status;
};

static inline bool tty_has_i(const struct tty *tty, uint32_t flag)
{
    return (tty->modes.iflag & flag) != 0;
}

static inline bool tty_has_o(const struct tty *tty, uint32_t flag)
{
    return (tty->modes.oflag & flag) != 0;
}

static inline bool tty_has_l(const struct tty *tty, uint32_t flag)
{
    return (tty->modes.lflag & flag) != 0;
}

static inline bool tty_is_canonical(const struct tty *tty)
{
    return (tty->modes.lflag & (TTY_ICANON | TTY_EXTPROC)) == TTY_ICANON;
}

static inline uint8_t tty_input_at(const struct tty *tty, uint64_t at)
{
    return tty->input->bytes[at % TTY_INPUT_MAX];
}

/* As the kernel's own ctype: ISO 8859-1. */
bool tty_is_control(uint8_t c);
bool tty_is_alnum(uint8_t c);
/* A byte of a UTF-8 character that is not its first (IUTF8). */
bool tty_is_continuation(const struct tty *tty, uint8_t c);

/* ---- Output and echo (tty_out.c) ---- */

/* Writes what fits: how many of the bytes were taken. */
size_t tty_write_out(struct tty *tty, struct span bytes);
void tty_echo(struct tty *tty, uint8_t c);     /* as ECHOCTL wants it */
void tty_echo_raw(struct tty *tty, uint8_t c); /* as it is */
void tty_echo_move_back(struct tty *tty);
void tty_echo_mark_column(struct tty *tty); /* the line being typed begins here */
void tty_echo_erase_tab(struct tty *tty, unsigned columns, bool after_tab);
void tty_echo_flush(struct tty *tty); /* what waits goes out, as far as it fits */
void tty_stop(struct tty *tty);
void tty_start(struct tty *tty);

/* ---- Input (tty.c) ---- */

/* New modes, with what they do to what is already typed. */
void tty_set_modes(struct tty *tty, const struct tty_modes *modes);
void tty_flush_input(struct tty *tty);
void tty_rest(struct tty *tty); /* gives back the room of what is typed, if nothing is there */
void tty_flush_output(struct tty *tty);
bool tty_has_input(const struct tty *tty, size_t least);
size_t tty_input_count(const struct tty *tty); /* FIONREAD */
/* Takes what a read gets: a line or what is there. The count. */
size_t tty_take(struct tty *tty, uint8_t *out, size_t len);

/* ---- Erasing (tty_erase.c) ---- */
void tty_finish_erasing(struct tty *tty);
void tty_erase(struct tty *tty, uint8_t c);

/* The speed in bauds that the modes say. */
uint32_t tty_speed_of(const struct tty_modes *modes);

/* ---- Masters (tty_master.c) ---- */
/* For a master in packet mode, if it is: this has happened, and the others count no more. */
void tty_tell_packet(struct tty *tty, uint8_t what, uint8_t instead_of);
void tty_set_packet(struct tty *tty, bool on);
int tty_open_master(struct task *t, struct file *f);
/* A new descriptor of its slave, whatever the paths say (TIOCGPTPEER). */
int64_t tty_open_peer(struct tty *tty, struct task *t, uint64_t flags);

/* ---- Terminals (tty_table.c) ---- */
struct tty *tty_find(const struct vfs *vfs, unsigned number);
/* Frees it when neither the line nor a slave is there. */
void tty_release(struct tty *tty);
int tty_set_size(struct tty *tty, struct tty_size size); /* 1: it changed, SIGWINCH was sent */
int tty_open_slave(struct tty *tty, struct task *t, struct file *f);
int64_t tty_ioctl(struct tty *tty, struct task *t, uint32_t command, uint64_t arg, bool master);
/* Job control: 0, or the answer to a background process that would change the terminal. */
int64_t tty_check_change(const struct tty *tty, struct task *t, int signo);
bool tty_controls(const struct tty *tty, const struct task *t); /* it is the caller's own */

#endif
