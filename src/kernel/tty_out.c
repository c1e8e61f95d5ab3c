/* Output processing and echo. Echo is queued as small operations, for what it does to the column is
 * known only when it goes out: after output that was written before. */
#include "kernel/tty_line.h"

#include <string.h>

enum {
    ECHO_OP = 0xff, /* an operation follows; twice: the byte itself */
    ECHO_MOVE_BACK = 0x80,
    ECHO_MARK_COLUMN = 0x81,
    ECHO_ERASE_TAB = 0x82,
    TAB_COLUMNS = 8,
};

bool tty_is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

bool tty_is_alnum(uint8_t c)
{
    bool ascii = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return ascii || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

static uint8_t upper(uint8_t c)
{
    bool lower = (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7);
    return lower ? (uint8_t)(c - 0x20) : c;
}

bool tty_is_continuation(const struct tty *tty, uint8_t c)
{
    return tty_has_i(tty, TTY_IUTF8) && (c & 0xc0) == 0x80;
}

static bool put(struct tty *tty, const char *bytes, size_t n)
{
    return buffer_put(&tty->out, span_of(bytes, n)) == 0;
}

static bool put_newline(struct tty *tty)
{
    if (tty_has_o(tty, TTY_ONLRET))
        tty->column = 0;
    if (!tty_has_o(tty, TTY_ONLCR)) {
        if (!put(tty, "\n", 1))
            return false;
        tty->canon_column = tty->column;
        return true;
    }
    if (!put(tty, "\r\n", 2))
        return false;
    tty->canon_column = tty->column = 0;
    return true;
}

static bool put_return(struct tty *tty)
{
    if (tty_has_o(tty, TTY_ONOCR) && tty->column == 0)
        return true;
    if (tty_has_o(tty, TTY_OCRNL)) {
        if (!put(tty, "\n", 1))
            return false;
        if (tty_has_o(tty, TTY_ONLRET))
            tty->canon_column = tty->column = 0;
        return true;
    }
    if (!put(tty, "\r", 1))
        return false;
    tty->canon_column = tty->column = 0;
    return true;
}

static bool put_tab(struct tty *tty)
{
    unsigned spaces = TAB_COLUMNS - tty->column % TAB_COLUMNS;
    bool expand = (tty->modes.oflag & TTY_TABDLY) == TTY_XTABS;
    if (expand ? !put(tty, "        ", spaces) : !put(tty, "\t", 1))
        return false;
    tty->column += spaces;
    return true;
}

/* One character with OPOST. False when it does not fit: nothing was done. */
static bool put_processed(struct tty *tty, uint8_t c)
{
    switch (c) {
    case '\n': return put_newline(tty);
    case '\r': return put_return(tty);
    case '\t': return put_tab(tty);
    default: break;
    }
    uint8_t shown = tty_has_o(tty, TTY_OLCUC) && !tty_is_control(c) ? upper(c) : c;
    if (!put(tty, (const char *)&shown, 1))
        return false;
    if (c == '\b')
        tty->column -= tty->column > 0 ? 1 : 0;
    else if (!tty_is_control(c) && !tty_is_continuation(tty, shown))
        tty->column++;
    return true;
}

static bool put_one(struct tty *tty, uint8_t c)
{
    return tty_has_o(tty, TTY_OPOST) ? put_processed(tty, c) : put(tty, (const char *)&c, 1);
}

size_t tty_write_out(struct tty *tty, struct span bytes)
{
    tty_echo_flush(tty);
    if (tty->stopped || buffer_len(&tty->echo) > 0)
        return 0;
    size_t n = 0;
    if (!tty_has_o(tty, TTY_OPOST)) {
        n = buffer_room(&tty->out) < bytes.len ? buffer_room(&tty->out) : bytes.len;
        return put(tty, (const char *)bytes.data, n) ? n : 0;
    }
    while (n < bytes.len && put_processed(tty, bytes.data[n]))
        n++;
    return n;
}

/* ---- Echo ---- */

/* When the queue is full the oldest go: nobody reads what was typed that long ago. */
static void queue(struct tty *tty, const uint8_t *bytes, size_t n)
{
    if (buffer_room(&tty->echo) < n)
        buffer_take(&tty->echo, TTY_ECHO_MAX / 2);
    (void)buffer_put(&tty->echo, span_of(bytes, n));
}

void tty_echo_raw(struct tty *tty, uint8_t c)
{
    const uint8_t op[2] = {c, c};
    queue(tty, op, c == ECHO_OP ? 2 : 1);
}

void tty_echo(struct tty *tty, uint8_t c)
{
    const uint8_t op[2] = {ECHO_OP, c};
    if (tty_has_l(tty, TTY_ECHOCTL) && tty_is_control(c) && c != '\t')
        queue(tty, op, 2);
    else
        tty_echo_raw(tty, c);
}

void tty_echo_move_back(struct tty *tty)
{
    const uint8_t op[2] = {ECHO_OP, ECHO_MOVE_BACK};
    queue(tty, op, 2);
}

void tty_echo_mark_column(struct tty *tty)
{
    const uint8_t op[2] = {ECHO_OP, ECHO_MARK_COLUMN};
    queue(tty, op, 2);
}

void tty_echo_erase_tab(struct tty *tty, unsigned columns, bool after_tab)
{
    const uint8_t op[3] = {ECHO_OP, ECHO_ERASE_TAB,
                           (uint8_t)(columns % TAB_COLUMNS | (after_tab ? 0x80u : 0u))};
    queue(tty, op, 3);
}

/* How far to go back over a tab depends on what stands between it and the tab before, or the place
 * where the line began. */
static bool erase_tab(struct tty *tty, uint8_t columns)
{
    unsigned from = (columns & 0x7fu) + ((columns & 0x80) == 0 ? tty->canon_column : 0);
    unsigned back = TAB_COLUMNS - from % TAB_COLUMNS;
    if (!put(tty, "\b\b\b\b\b\b\b\b", back))
        return false;
    tty->column -= back < tty->column ? back : tty->column;
    return true;
}

/* Carries out the operation at the front. How many bytes it has, 0: it does not fit. */
static size_t run_op(struct tty *tty, struct span ops)
{
    uint8_t op = ops.data[1];
    const char shown[2] = {'^', (char)(op ^ 0100)};
    switch (op) {
    case ECHO_MOVE_BACK: tty->column -= tty->column > 0 ? 1 : 0; return 2;
    case ECHO_MARK_COLUMN: tty->canon_column = tty->column; return 2;
    case ECHO_ERASE_TAB: return erase_tab(tty, ops.data[2]) ? 3 : 0;
    case ECHO_OP:
        if (!put(tty, "\xff", 1))
            return 0;
        tty->column++;
        return 2;
    default:
        if (!put(tty, shown, 2))
            return 0;
        tty->column += 2;
        return 2;
    }
}

void tty_echo_flush(struct tty *tty)
{
    struct span ops = buffer_span(&tty->echo);
    while (ops.len > 0 && !tty->stopped) {
        size_t n = 0;
        if (ops.data[0] != ECHO_OP)
            n = put_one(tty, ops.data[0]) ? 1 : 0;
        else if (ops.len >= 2 && (ops.data[1] != ECHO_ERASE_TAB || ops.len >= 3))
            n = run_op(tty, ops);
        else
            n = ops.len; /* cut by an overflow */
        if (n == 0)
            return;
        buffer_take(&tty->echo, n);
        ops = buffer_span(&tty->echo);
    }
}

void tty_stop(struct tty *tty)
{
    if (!tty->stopped)
        tty_tell_packet(tty, TTY_PACKET_STOP, TTY_PACKET_START);
    tty->stopped = true;
}

void tty_start(struct tty *tty)
{
    if (!tty->stopped)
        return;
    tty->stopped = false;
    tty_tell_packet(tty, TTY_PACKET_START, TTY_PACKET_STOP);
    tty_echo_flush(tty);
    vfs_wake(tty->vfs, tty);
}
