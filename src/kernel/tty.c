/* The line discipline's input side: what typed bytes become, and what a read takes. */
#include "kernel/tty.h"

#include "kernel/tty_line.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void forget_ends(struct tty *tty)
{
    if (tty->input != NULL)
        memset(tty->input->ends, 0, sizeof(tty->input->ends));
}

static bool is_end(const struct tty *tty, uint64_t at)
{
    size_t bit = at % TTY_INPUT_MAX;
    return (tty->input->ends[bit / 8] >> bit % 8 & 1) != 0;
}

static void set_end(struct tty *tty, uint64_t at, bool on)
{
    size_t bit = at % TTY_INPUT_MAX;
    uint8_t mask = (uint8_t)(1u << bit % 8);
    tty->input->ends[bit / 8] =
        (uint8_t)(on ? tty->input->ends[bit / 8] | mask : tty->input->ends[bit / 8] & ~mask);
}

static void put(struct tty *tty, uint8_t c)
{
    tty->input->bytes[tty->head++ % TTY_INPUT_MAX] = c;
}

/* With PARMRK a true 0xff is told from a mark by doubling it. */
static void put_marked(struct tty *tty, uint8_t c)
{
    if (c == 0xff && tty_has_i(tty, TTY_PARMRK))
        put(tty, c);
    put(tty, c);
}

static bool is_char(const struct tty *tty, uint8_t c, unsigned index)
{
    return c == tty->modes.cc[index] && c != TTY_DISABLED;
}

static void restart_by_any(struct tty *tty)
{
    if (tty->stopped && tty_has_i(tty, TTY_IXON) && tty_has_i(tty, TTY_IXANY))
        tty_start(tty);
}

static void echo_typed(struct tty *tty, uint8_t c)
{
    if (!tty_has_l(tty, TTY_ECHO))
        return;
    if (tty->canon == tty->head)
        tty_echo_mark_column(tty);
    tty_echo(tty, c);
}

static void take_plain(struct tty *tty, uint8_t c)
{
    restart_by_any(tty);
    if (tty_has_l(tty, TTY_ECHO))
        tty_finish_erasing(tty);
    echo_typed(tty, c);
    put_marked(tty, c);
}

/* ---- Signals and flow ---- */

static void raise_signal(struct tty *tty, int signo)
{
    if (tty->foreground > 0)
        tty->vfs->hooks.signal_group(tty->vfs->hooks.ctx, tty->foreground, signo);
    if (tty_has_l(tty, TTY_NOFLSH))
        return;
    buffer_clear(&tty->echo);
    tty_flush_output(tty);
    tty_flush_input(tty);
}

static bool take_signal(struct tty *tty, uint8_t c)
{
    int signo = 0;
    if (!tty_has_l(tty, TTY_ISIG))
        return false;
    if (is_char(tty, c, TTY_VINTR))
        signo = SIGINT;
    else if (is_char(tty, c, TTY_VQUIT))
        signo = SIGQUIT;
    else if (is_char(tty, c, TTY_VSUSP))
        signo = SIGTSTP;
    if (signo == 0)
        return false;
    raise_signal(tty, signo);
    if (tty_has_i(tty, TTY_IXON))
        tty_start(tty);
    if (tty_has_l(tty, TTY_ECHO))
        tty_echo(tty, c);
    return true;
}

static bool take_flow(struct tty *tty, uint8_t c)
{
    if (!tty_has_i(tty, TTY_IXON))
        return false;
    if (is_char(tty, c, TTY_VSTART)) {
        tty_start(tty);
        return true;
    }
    if (is_char(tty, c, TTY_VSTOP)) {
        tty_stop(tty);
        return true;
    }
    return false;
}

/* ---- Canonical mode ---- */

static void reprint(struct tty *tty, uint8_t c)
{
    tty_finish_erasing(tty);
    tty_echo(tty, c);
    tty_echo_raw(tty, '\n');
    for (uint64_t at = tty->canon; at != tty->head; at++)
        tty_echo(tty, tty_input_at(tty, at));
}

static void begin_literal(struct tty *tty)
{
    tty->literal = true;
    if (!tty_has_l(tty, TTY_ECHO))
        return;
    tty_finish_erasing(tty);
    if (tty_has_l(tty, TTY_ECHOCTL)) {
        tty_echo_raw(tty, '^');
        tty_echo_raw(tty, '\b');
    }
}

/* `c` is the line's last byte: TTY_DISABLED for an end of file, which is not read. */
static void end_line(struct tty *tty, uint8_t c)
{
    set_end(tty, tty->head, true);
    put(tty, c);
    tty->canon = tty->head;
    vfs_wake(tty->vfs, tty);
}

static bool take_editing(struct tty *tty, uint8_t c)
{
    bool extended = tty_has_l(tty, TTY_IEXTEN);
    if (is_char(tty, c, TTY_VERASE) || is_char(tty, c, TTY_VKILL) ||
        (extended && is_char(tty, c, TTY_VWERASE))) {
        tty_erase(tty, c);
        return true;
    }
    if (extended && is_char(tty, c, TTY_VLNEXT)) {
        begin_literal(tty);
        return true;
    }
    if (extended && tty_has_l(tty, TTY_ECHO) && is_char(tty, c, TTY_VREPRINT)) {
        reprint(tty, c);
        return true;
    }
    return false;
}

static bool take_end(struct tty *tty, uint8_t c)
{
    if (c == '\n') {
        if (tty_has_l(tty, TTY_ECHO) || tty_has_l(tty, TTY_ECHONL))
            tty_echo_raw(tty, '\n');
        end_line(tty, c);
        return true;
    }
    if (is_char(tty, c, TTY_VEOF)) {
        end_line(tty, TTY_DISABLED);
        return true;
    }
    if (is_char(tty, c, TTY_VEOL) || (tty_has_l(tty, TTY_IEXTEN) && is_char(tty, c, TTY_VEOL2))) {
        echo_typed(tty, c);
        if (c == 0xff && tty_has_i(tty, TTY_PARMRK))
            put(tty, c);
        end_line(tty, c);
        return true;
    }
    return false;
}

/* ---- One character ---- */

/* Whether the modes give the character a meaning of its own. */
static bool is_special(const struct tty *tty, uint8_t c)
{
    if (c == '\r')
        return tty_has_i(tty, TTY_IGNCR | TTY_ICRNL);
    if (c == '\n')
        return tty_has_i(tty, TTY_INLCR) || tty_has_l(tty, TTY_ICANON);
    return false;
}

static void take_translated(struct tty *tty, uint8_t c)
{
    restart_by_any(tty);
    if (c == '\r') {
        if (tty_has_i(tty, TTY_IGNCR))
            return;
        if (tty_has_i(tty, TTY_ICRNL))
            c = '\n';
    } else if (c == '\n' && tty_has_i(tty, TTY_INLCR)) {
        c = '\r';
    }
    if (tty_has_l(tty, TTY_ICANON) && (take_editing(tty, c) || take_end(tty, c)))
        return;
    if (tty_has_l(tty, TTY_ECHO))
        tty_finish_erasing(tty);
    if (c == '\n') {
        if (tty_has_l(tty, TTY_ECHO))
            tty_echo_raw(tty, c);
    } else {
        echo_typed(tty, c);
    }
    put_marked(tty, c);
}

/* True for the characters that n_tty treats as ordinary text. */
static bool is_plain(const struct tty *tty, uint8_t c)
{
    static const unsigned editing[] = {TTY_VERASE, TTY_VKILL, TTY_VEOF, TTY_VEOL};
    static const unsigned extended[] = {TTY_VWERASE, TTY_VLNEXT, TTY_VEOL2};
    if (is_special(tty, c))
        return false;
    if (!tty_has_l(tty, TTY_ICANON))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(editing); i++)
        if (is_char(tty, c, editing[i]))
            return false;
    if (!tty_has_l(tty, TTY_IEXTEN))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(extended); i++)
        if (is_char(tty, c, extended[i]))
            return false;
    return !(tty_has_l(tty, TTY_ECHO) && is_char(tty, c, TTY_VREPRINT));
}

static uint8_t strip(const struct tty *tty, uint8_t c)
{
    if (tty_has_i(tty, TTY_ISTRIP))
        c &= 0x7f;
    bool upper = (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7);
    if (upper && tty_has_i(tty, TTY_IUCLC) && tty_has_l(tty, TTY_IEXTEN))
        c = (uint8_t)(c + 0x20);
    return c;
}

static void take_typed(struct tty *tty, uint8_t c)
{
    c = strip(tty, c);
    if (tty->literal) {
        tty->literal = false;
        take_plain(tty, c);
    } else if (tty_has_l(tty, TTY_EXTPROC)) {
        put(tty, c);
    } else if (!take_flow(tty, c) && !take_signal(tty, c)) {
        if (is_plain(tty, c))
            take_plain(tty, c);
        else
            take_translated(tty, c);
    }
    tty_echo_flush(tty);
}

/* Whether one more character can be taken. A line that fills the buffer goes on being typed over
 * its last place, so that its end still comes through. */
static bool make_room(struct tty *tty)
{
    if (tty->input == NULL)
        tty->input = calloc(1, sizeof(*tty->input));
    if (tty->input == NULL)
        return false;
    uint64_t used = tty->head - tty->tail;
    uint64_t spare = tty_has_i(tty, TTY_PARMRK) ? 2 : 1;
    if (used + spare < TTY_INPUT_MAX)
        return true;
    if (!tty_has_l(tty, TTY_ICANON) || tty->canon != tty->tail)
        return false;
    if (used + 1 > TTY_INPUT_MAX - 1)
        tty->head = tty->tail + TTY_INPUT_MAX - 1;
    return true;
}

size_t tty_put(struct tty *tty, struct span bytes)
{
    size_t n = 0;
    if (tty->hung_up)
        return bytes.len;
    while (n < bytes.len && make_room(tty))
        take_typed(tty, bytes.data[n++]);
    if (n > 0) {
        tty->input_ns = vfs_now(tty->vfs);
        vfs_wake(tty->vfs, tty);
    }
    return n;
}

/* ---- Reading ---- */

bool tty_has_input(const struct tty *tty, size_t least)
{
    if (tty_is_canonical(tty))
        return tty->canon != tty->tail;
    return tty->head - tty->tail >= least;
}

size_t tty_input_count(const struct tty *tty)
{
    if (!tty_is_canonical(tty))
        return (size_t)(tty->head - tty->tail);
    size_t n = 0;
    for (uint64_t at = tty->tail; at != tty->canon; at++)
        n += is_end(tty, at) && tty_input_at(tty, at) == TTY_DISABLED ? 0 : 1;
    return n;
}

static size_t take_line(struct tty *tty, uint8_t *out, size_t len)
{
    size_t n = 0;
    while (tty->tail != tty->canon) {
        bool end = is_end(tty, tty->tail);
        uint8_t c = tty_input_at(tty, tty->tail);
        bool end_of_file = end && c == TTY_DISABLED && !tty->push;
        if (n == len && !end_of_file) /* an end of file behind what fitted is taken with it */
            break;
        set_end(tty, tty->tail, false);
        tty->tail++;
        if (!end_of_file)
            out[n++] = c;
        if (end) {
            tty->push = false;
            break;
        }
    }
    return n;
}

size_t tty_take(struct tty *tty, uint8_t *out, size_t len)
{
    if (tty_is_canonical(tty))
        return take_line(tty, out, len);
    size_t n = 0;
    while (n < len && tty->tail != tty->head)
        out[n++] = tty_input_at(tty, tty->tail++);
    if (tty->canon < tty->tail)
        tty->canon = tty->tail;
    return n;
}

/* ---- Modes and flushing ---- */

void tty_flush_input(struct tty *tty)
{
    tty->head = tty->canon = tty->tail = 0;
    forget_ends(tty);
    tty->erasing = tty->push = false;
    tty_tell_packet(tty, TTY_PACKET_FLUSHREAD, 0);
    vfs_wake(tty->vfs, tty);
}

void tty_rest(struct tty *tty)
{
    if (tty->head != tty->tail)
        return;
    free(tty->input);
    tty->input = NULL;
}

void tty_flush_output(struct tty *tty)
{
    buffer_clear(&tty->out);
    tty_tell_packet(tty, TTY_PACKET_FLUSHWRITE, 0);
    vfs_wake(tty->vfs, tty);
}

/* Changing between lines and characters makes what is there readable in the new way. */
static void change_canonical(struct tty *tty)
{
    forget_ends(tty);
    tty->push = tty_has_l(tty, TTY_ICANON) && tty->head != tty->tail;
    if (tty->push)
        set_end(tty, tty->head - 1, true);
    tty->canon = tty->push ? tty->head : tty->tail;
    tty->erasing = tty->literal = false;
}

/* ^S and ^Q do what a remote terminal would do by itself. */
static bool has_flow(const struct tty_modes *modes)
{
    return (modes->iflag & TTY_IXON) != 0 && modes->cc[TTY_VSTOP] == ('S' & 0x1f) &&
           modes->cc[TTY_VSTART] == ('Q' & 0x1f);
}

static void tell_modes(struct tty *tty, const struct tty_modes *modes)
{
    const uint8_t flow = TTY_PACKET_DOSTOP | TTY_PACKET_NOSTOP;
    if (has_flow(&tty->modes) != has_flow(modes))
        tty_tell_packet(tty, has_flow(modes) ? TTY_PACKET_DOSTOP : TTY_PACKET_NOSTOP, flow);
    if (((tty->modes.lflag | modes->lflag) & TTY_EXTPROC) != 0)
        tty_tell_packet(tty, TTY_PACKET_IOCTL, 0);
}

void tty_set_modes(struct tty *tty, const struct tty_modes *modes)
{
    tell_modes(tty, modes);
    uint32_t changed = tty->modes.lflag ^ modes->lflag;
    bool had_flow = tty_has_i(tty, TTY_IXON);
    tty->modes = *modes;
    if ((changed & (TTY_ICANON | TTY_EXTPROC)) != 0)
        change_canonical(tty);
    if (had_flow && !tty_has_i(tty, TTY_IXON))
        tty_start(tty);
    vfs_wake(tty->vfs, tty);
}
