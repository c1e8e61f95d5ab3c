/* Taking back what was typed: ERASE, WERASE, KILL, and how the screen shows it. */
#include "kernel/tty_line.h"

enum erasure { ERASE_CHARACTER, ERASE_WORD, ERASE_LINE };

void tty_finish_erasing(struct tty *tty)
{
    if (tty->erasing)
        tty_echo_raw(tty, '/');
    tty->erasing = false;
}

static void echo_blank(struct tty *tty)
{
    tty_echo_raw(tty, '\b');
    tty_echo_raw(tty, ' ');
    tty_echo_raw(tty, '\b');
}

/* The columns that the line uses since its start, or since the tab before. */
static void blank_tab(struct tty *tty)
{
    unsigned columns = 0;
    bool after_tab = false;
    for (uint64_t at = tty->head; at != tty->canon && !after_tab;) {
        uint8_t c = tty_input_at(tty, --at);
        if (c == '\t')
            after_tab = true;
        else if (tty_is_control(c))
            columns += tty_has_l(tty, TTY_ECHOCTL) ? 2 : 0;
        else if (!tty_is_continuation(tty, c))
            columns++;
    }
    tty_echo_erase_tab(tty, columns, after_tab);
}

/* Printers cannot take back: \ and what is erased, backwards. */
static void print_erased(struct tty *tty, uint8_t c, uint64_t from, uint64_t to)
{
    if (!tty->erasing)
        tty_echo_raw(tty, '\\');
    tty->erasing = true;
    tty_echo(tty, c);
    while (++from < to) {
        tty_echo_raw(tty, tty_input_at(tty, from));
        tty_echo_move_back(tty);
    }
}

/* Shows that the character `c`, the bytes from tty->head to `to`, is gone. */
static void show_erased(struct tty *tty, uint8_t c, uint64_t to, enum erasure how)
{
    if (!tty_has_l(tty, TTY_ECHO))
        return;
    if (tty_has_l(tty, TTY_ECHOPRT)) {
        print_erased(tty, c, tty->head, to);
    } else if (how == ERASE_CHARACTER && !tty_has_l(tty, TTY_ECHOE)) {
        tty_echo(tty, tty->modes.cc[TTY_VERASE]);
    } else if (c == '\t') {
        blank_tab(tty);
    } else if (tty_is_control(c)) {
        if (tty_has_l(tty, TTY_ECHOCTL)) { /* it was shown as two */
            echo_blank(tty);
            echo_blank(tty);
        }
    } else {
        echo_blank(tty);
    }
}

/* KILL without the means to show it in place. */
static void drop_line(struct tty *tty)
{
    tty->head = tty->canon;
    if (!tty_has_l(tty, TTY_ECHO))
        return;
    tty_finish_erasing(tty);
    tty_echo(tty, tty->modes.cc[TTY_VKILL]);
    if (tty_has_l(tty, TTY_ECHOK))
        tty_echo_raw(tty, '\n');
}

static enum erasure erasure_of(const struct tty *tty, uint8_t c)
{
    if (c == tty->modes.cc[TTY_VERASE])
        return ERASE_CHARACTER;
    return c == tty->modes.cc[TTY_VWERASE] ? ERASE_WORD : ERASE_LINE;
}

void tty_erase(struct tty *tty, uint8_t c)
{
    const uint32_t in_place = TTY_ECHO | TTY_ECHOK | TTY_ECHOKE | TTY_ECHOE;
    enum erasure how = erasure_of(tty, c);
    bool in_word = false;
    if (tty->head == tty->canon)
        return;
    if (how == ERASE_LINE && (tty->modes.lflag & in_place) != in_place) {
        drop_line(tty);
        return;
    }
    while (tty->head != tty->canon) {
        uint64_t at = tty->head, to = tty->head;
        do {
            c = tty_input_at(tty, --at);
        } while (tty_is_continuation(tty, c) && at != tty->canon);
        if (tty_is_continuation(tty, c))
            break; /* never half a character */
        if (how == ERASE_WORD) {
            bool of_word = tty_is_alnum(c) || c == '_';
            if (!of_word && in_word)
                break;
            in_word = in_word || of_word;
        }
        tty->head = at;
        show_erased(tty, c, to, how);
        if (how == ERASE_CHARACTER)
            break;
    }
    if (tty->head == tty->canon && tty_has_l(tty, TTY_ECHO))
        tty_finish_erasing(tty);
}
