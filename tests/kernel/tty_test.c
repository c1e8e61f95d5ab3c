/* Terminals: what a typist sees and what a program reads; and the same bytes given to a real pty of
 * the host, whose answers must be the same. tty_test SMALL_IMAGE [SEED] */
#include "fakes.h"

#include "kernel/fs.h"
#include "kernel/mount.h"
#include "kernel/tty.h"
#include "kernel/tty_line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

static const char *image_path_z;
static unsigned seed = 1;

struct fixture {
    struct fake *fake;
    struct tty *tty;
    struct file *f; /* the slave */
    bool shown;     /* the last typed byte was: the host's pty has come so far, too */
};

static int set_up(void **state)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    int error = 0;
    if (fx == NULL)
        return -1;
    fx->fake = fake_new(image_path_z, 1 << 20, 200);
    fx->tty = tty_new(fx->fake->vfs, 65536, &error);
    fx->f = fx->tty != NULL ? tty_open(fx->tty, O_RDWR | O_NONBLOCK, &error) : NULL;
    *state = fx;
    return fx->f != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fx = *state;
    tty_close_line(fx->tty);
    file_drop(fx->f);
    fake_free(fx->fake);
    free(fx);
    return 0;
}

static void type(struct fixture *fx, const char *text_z)
{
    assert_int_equal(tty_put(fx->tty, span_z(text_z)), strlen(text_z));
}

static void expect_shown(struct fixture *fx, const char *text_z)
{
    struct span out = tty_out(fx->tty);
    if (!span_equal_z(out, text_z))
        fail_msg("shown \"%.*s\", not \"%s\"", (int)out.len, (const char *)out.data, text_z);
    tty_sent(fx->tty, out.len);
}

static void expect_read(struct fixture *fx, const char *text_z)
{
    char out[TTY_INPUT_MAX];
    int64_t n = file_read(fx->f, NULL, out, sizeof(out));
    if (n != (int64_t)strlen(text_z) || memcmp(out, text_z, (size_t)n) != 0)
        fail_msg("read %lld \"%.*s\", not \"%s\"", (long long)n, n > 0 ? (int)n : 0, out, text_z);
}

static void expect_nothing(struct fixture *fx)
{
    char out[16];
    assert_int_equal(file_read(fx->f, NULL, out, sizeof(out)), -EAGAIN);
    assert_int_equal(file_poll(fx->f) & POLLIN, 0);
}

static void change(struct fixture *fx, uint32_t lflag_on, uint32_t lflag_off)
{
    struct tty_modes modes = fx->tty->modes;
    modes.lflag = (modes.lflag | lflag_on) & ~lflag_off;
    tty_set_modes(fx->tty, &modes);
}

static void a_line_is_echoed_and_read_when_it_ends(void **state)
{
    type(*state, "ls");
    expect_nothing(*state);
    type(*state, "\r");
    expect_shown(*state, "ls\r\n");
    expect_read(*state, "ls\n");
    expect_nothing(*state);
}

static void characters_words_and_lines_are_erased(void **state)
{
    type(*state, "abc\x7f");
    expect_shown(*state, "abc\b \b");
    type(*state, " two  \x17");
    expect_shown(*state, " two  \b \b\b \b\b \b\b \b\b \b");
    type(*state, "x\x15");
    expect_shown(*state, "x\b \b\b \b\b \b\b \b");
    type(*state, "\x7f\n");
    expect_shown(*state, "\r\n");
    expect_read(*state, "\n");
}

static void control_characters_and_tabs_are_erased_whole(void **state)
{
    type(*state, "a\tb\x7f\x7f");
    expect_shown(*state, "a\tb\b \b\b\b\b\b\b\b\b");
    type(*state, "\x16\x01\x7f\x7f");
    expect_shown(*state, "^\b^A\b \b\b \b\b \b");
}

static void utf8_characters_are_erased_whole(void **state)
{
    struct fixture *fx = *state;
    fx->tty->modes.iflag |= TTY_IUTF8;
    type(fx, "\xc3\xa9\xe2\x82\xac\x7f\x7f\n");
    expect_shown(fx, "\xc3\xa9\xe2\x82\xac\b \b\b \b\r\n");
    expect_read(fx, "\n");
}

static void an_end_of_file_is_read_once(void **state)
{
    char out[8];
    struct fixture *fx = *state;
    type(fx, "\x04");
    assert_int_equal(file_read(fx->f, NULL, out, sizeof(out)), 0);
    expect_nothing(fx);
    type(fx, "ab\x04");
    expect_read(fx, "ab");
    expect_nothing(fx);
}

static void interrupts_signal_the_foreground_group_and_drop_the_line(void **state)
{
    struct fixture *fx = *state;
    tty_set_session(fx->tty, 7, 9);
    type(fx, "abc");
    expect_shown(fx, "abc");
    type(fx, "\x03");
    expect_shown(fx, "^C");
    assert_int_equal(fx->fake->signal_group, 9);
    assert_int_equal(fx->fake->signals[0], SIGINT);
    type(fx, "\n");
    expect_read(fx, "\n");
    type(fx, "\x1c\x1a");
    assert_int_equal(fx->fake->signals[1], SIGQUIT);
    assert_int_equal(fx->fake->signals[2], SIGTSTP);
    change(fx, 0, TTY_ISIG);
    type(fx, "\x03");
    assert_int_equal(fx->fake->signal_count, 3);
}

static void output_stops_and_starts(void **state)
{
    struct fixture *fx = *state;
    type(fx, "\x13");
    assert_int_equal(file_write(fx->f, NULL, "x", 1), -EAGAIN);
    assert_int_equal(file_poll(fx->f) & POLLOUT, 0);
    type(fx, "ab");
    expect_shown(fx, "");
    type(fx, "\x11");
    expect_shown(fx, "ab");
    assert_int_equal(file_write(fx->f, NULL, "x\n", 2), 2);
    expect_shown(fx, "x\r\n");
}

static void raw_mode_gives_every_byte(void **state)
{
    struct fixture *fx = *state;
    struct tty_modes modes = fx->tty->modes;
    modes.iflag = modes.oflag = modes.lflag = 0;
    tty_set_modes(fx->tty, &modes);
    char out[8];
    type(fx, "\r\x03\x04\x7f");
    expect_shown(fx, "");
    assert_int_equal(file_read(fx->f, NULL, out, 3), 3);
    assert_memory_equal(out, "\r\x03\x04", 3);
    expect_read(fx, "\x7f");
    fx->tty->modes.cc[TTY_VMIN] = 3;
    type(fx, "ab");
    assert_int_equal(file_poll(fx->f) & POLLIN, 0);
    type(fx, "c");
    assert_int_equal(file_poll(fx->f) & POLLIN, POLLIN);
    expect_read(fx, "abc");
    fx->tty->modes.cc[TTY_VMIN] = 0;
    assert_int_equal(file_read(fx->f, NULL, out, 3), 0);
    assert_int_equal(file_write(fx->f, NULL, "\n", 1), 1);
    expect_shown(fx, "\n");
}

static void leaving_lines_makes_what_is_typed_readable(void **state)
{
    type(*state, "half");
    expect_nothing(*state);
    change(*state, 0, TTY_ICANON);
    expect_read(*state, "half");
    type(*state, "more");
    change(*state, TTY_ICANON, 0);
    expect_read(*state, "more");
}

static void a_line_is_4095_characters_at_most(void **state)
{
    struct fixture *fx = *state;
    char out[TTY_INPUT_MAX + 1];
    for (int i = 0; i < 5000; i++)
        type(fx, "x");
    type(fx, "\n");
    assert_int_equal(file_read(fx->f, NULL, out, sizeof(out)), 4096);
    assert_int_equal(out[4095], '\n');
    change(fx, 0, TTY_ICANON);
    size_t taken = 0;
    while (tty_put(fx->tty, span_z("y")) == 1)
        taken++;
    assert_int_equal(taken, 4095);
    assert_int_equal(file_read(fx->f, NULL, out, 1), 1);
    assert_int_equal(tty_put(fx->tty, span_z("yy")), 1);
}

static void a_hangup_ends_reads_and_breaks_writes(void **state)
{
    struct fixture *fx = *state;
    char out[8];
    tty_set_session(fx->tty, 7, 9);
    type(fx, "x");
    tty_hangup(fx->tty);
    assert_int_equal(fx->fake->lost_session, 7);
    assert_int_equal(fx->fake->signal_count, 4); /* SIGHUP, SIGCONT; leader and group */
    assert_int_equal(file_read(fx->f, NULL, out, sizeof(out)), 0);
    assert_int_equal(file_write(fx->f, NULL, "x", 1), -EIO);
    assert_int_equal(file_poll(fx->f) & POLLHUP, POLLHUP);
    int error = 0;
    assert_null(fake_open(fx->fake, "/dev/pts/0", O_RDWR, &error));
    assert_int_equal(error, -EIO);
}

static void the_window_tells_when_it_changes(void **state)
{
    struct fixture *fx = *state;
    tty_set_session(fx->tty, 7, 9);
    tty_resize(fx->tty, 80, 24);
    tty_resize(fx->tty, 80, 24);
    assert_int_equal(fx->fake->signal_count, 1);
    assert_int_equal(fx->fake->signals[0], SIGWINCH);
    assert_int_equal(fx->tty->size.rows, 24);
}

static void it_has_a_name_and_a_number(void **state)
{
    struct fixture *fx = *state;
    char path[VFS_PATH_MAX + 16];
    struct file_stat st;
    int error = 0;
    assert_int_equal(file_path(fx->f, path, sizeof(path)), 10);
    assert_string_equal(path, "/dev/pts/0");
    assert_int_equal(file_stat(fx->f, &st), 0);
    assert_int_equal(st.mode, 020620);
    assert_int_equal(st.rdev, 136 << 8);
    struct file *other = fake_open(fx->fake, "/dev/pts/0", O_RDWR, &error);
    assert_non_null(other);
    file_drop(other);
    struct tty *second = tty_new(fx->fake->vfs, 100, &error);
    assert_int_equal(tty_number(second), 1);
    tty_close_line(second);
}

static void a_master_is_opened_by_a_guest(void **state)
{
    struct fixture *fx = *state;
    int error = 0;
    char out[16];
    struct file *master = fake_open(fx->fake, "/dev/ptmx", O_RDWR, &error);
    assert_non_null(master);
    assert_null(fake_open(fx->fake, "/dev/pts/1", O_RDWR, &error)); /* locked */
    ((struct tty *)master->object)->locked = false;
    struct file *slave = fake_open(fx->fake, "/dev/pts/1", O_RDWR, &error);
    assert_non_null(slave);
    assert_int_equal(file_write(master, NULL, "hi\r", 3), 3);
    assert_int_equal(file_read(slave, NULL, out, sizeof(out)), 3);
    assert_int_equal(file_read(master, NULL, out, sizeof(out)), 4);
    assert_memory_equal(out, "hi\r\n", 4);
    assert_int_equal(file_read(master, NULL, out, sizeof(out)), -EAGAIN);
    file_drop(slave);
    assert_int_equal(file_read(master, NULL, out, sizeof(out)), -EIO);
    file_drop(master);
    assert_null(fake_open(fx->fake, "/dev/pts/1", O_RDWR, &error));
    assert_int_equal(error, -ENOENT);
}

static void a_terminal_is_opened_when_its_file_system_is_nowhere_mounted(void **state)
{
    struct fixture *fx = *state;
    struct vfs *vfs = fx->fake->vfs;
    int error = 0;
    file_drop(fx->f);
    mount_detach(vfs->devpts);
    mount_reap(vfs);
    fx->f = tty_open(fx->tty, O_RDWR | O_NONBLOCK, &error);
    assert_non_null(fx->f);
    type(fx, "a\r");
    expect_read(fx, "a\n");
}

static void modes_come_over_ssh(void **state)
{
    (void)state;
    static const uint8_t encoded[] = {129, 0, 0, 0x96, 0,   /* 38400 */
                                      3,   0, 0, 0,    8,   /* VERASE ^H */
                                      6,   0, 0, 0,    255, /* VEOL off */
                                      42,  0, 0, 0,    1,   /* IUTF8 */
                                      53,  0, 0, 0,    0,   /* no ECHO */
                                      72,  0, 0, 0,    1,   0};
    struct tty_modes modes, plain;
    tty_modes_default(&modes);
    tty_modes_default(&plain);
    tty_modes_decode(&modes, span_of(encoded, sizeof(encoded)), true);
    assert_int_equal(modes.cc[TTY_VERASE], 8);
    assert_int_equal(modes.iflag, plain.iflag | TTY_IUTF8);
    assert_int_equal(modes.lflag, plain.lflag & ~(uint32_t)TTY_ECHO);
    assert_int_equal(modes.cflag, plain.cflag);
    for (size_t n = 0; n < sizeof(encoded); n++) /* cut anywhere: what is whole counts */
        tty_modes_decode(&plain, span_of(encoded, n), true);
    assert_memory_equal(&modes, &plain, sizeof(modes));
}

/* ---- Against the host's own ptys ---- */

struct real {
    int master, slave;
};

static bool real_open(struct real *r)
{
    int unlock = 0, number = 0;
    char path[32];
    r->slave = -1;
    r->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (r->master < 0 || ioctl(r->master, TIOCSPTLCK, &unlock) != 0 ||
        ioctl(r->master, TIOCGPTN, &number) != 0)
        return false;
    (void)snprintf(path, sizeof(path), "/dev/pts/%d", number);
    r->slave = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    return r->slave >= 0;
}

static void real_close(struct real *r)
{
    if (r->slave >= 0)
        (void)close(r->slave);
    if (r->master >= 0)
        (void)close(r->master);
}

static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1103515245u + 12345u;
    return (*state >> 16) % below;
}

/* Whether the host's pty shows exactly what ours did. It works in its own time: what must come is
 * waited for, what must not come is seen at the next comparison. */
static bool real_shows(struct real *r, struct span expected)
{
    uint8_t got[70000];
    size_t n = 0;
    do {
        ssize_t more = read(r->master, got + n, sizeof(got) - n);
        if (more > 0)
            n += (size_t)more;
        else if (n < expected.len) {
            struct pollfd p = {.fd = r->master, .events = POLLIN};
            if (poll(&p, 1, 5000) <= 0)
                break;
        }
    } while (n < expected.len);
    if (n == expected.len && (n == 0 || memcmp(got, expected.data, n) == 0))
        return true;
    print_message("real %zu:", n);
    for (size_t i = 0; i < n && i < 100; i++)
        print_message(" %02x", got[i]);
    print_message("\nours %zu:", expected.len);
    for (size_t i = 0; i < expected.len && i < 100; i++)
        print_message(" %02x", expected.data[i]);
    print_message("\n");
    return false;
}

static void same_shown(struct fixture *fx, struct real *r)
{
    struct span out = tty_out(fx->tty);
    fx->shown = out.len > 0;
    if (!real_shows(r, out))
        fail_msg("seed %u: the screens differ", seed);
    tty_sent(fx->tty, out.len);
}

static void same_read(struct fixture *fx, struct real *r, size_t len)
{
    uint8_t ours[256], theirs[256];
    int ready = 0;
    for (int i = 0; i < 5000; i++) {
        if (ioctl(r->slave, FIONREAD, &ready) != 0 || ready == (int)tty_input_count(fx->tty))
            break;
        struct pollfd none = {.fd = -1};
        (void)poll(&none, 1, 1);
    }
    int64_t n = file_read(fx->f, NULL, ours, len);
    ssize_t m = read(r->slave, theirs, len);
    if (m < 0)
        m = -errno;
    if (n != m || (n > 0 && memcmp(ours, theirs, (size_t)n) != 0))
        fail_msg("seed %u: read %lld, really %lld", seed, (long long)n, (long long)m);
}

static void random_modes(unsigned *rng, struct tty_modes *modes)
{
    static const uint32_t iflags[] = {TTY_ISTRIP, TTY_INLCR, TTY_IGNCR, TTY_ICRNL, TTY_IUCLC,
                                      TTY_IXON,   TTY_IXANY, TTY_IUTF8, TTY_PARMRK};
    static const uint32_t oflags[] = {TTY_OPOST, TTY_OLCUC, TTY_ONLCR,
                                      TTY_OCRNL, TTY_ONOCR, TTY_ONLRET};
    static const uint32_t lflags[] = {TTY_ISIG,   TTY_ECHO,   TTY_ECHOE,   TTY_ECHOK,
                                      TTY_ECHONL, TTY_NOFLSH, TTY_ECHOCTL, TTY_ECHOPRT,
                                      TTY_ECHOKE, TTY_IEXTEN, TTY_ICANON};
    for (unsigned turns = draw(rng, 6); turns > 0; turns--)
        modes->iflag ^= iflags[draw(rng, ARRAY_LEN(iflags))];
    for (unsigned turns = draw(rng, 3); turns > 0; turns--)
        modes->oflag ^= oflags[draw(rng, ARRAY_LEN(oflags))];
    if (draw(rng, 8) == 0)
        modes->oflag ^= TTY_XTABS;
    for (unsigned turns = draw(rng, 6); turns > 0; turns--)
        modes->lflag ^= lflags[draw(rng, ARRAY_LEN(lflags))];
    if (draw(rng, 4) == 0)
        modes->cc[TTY_VEOL] = (uint8_t)draw(rng, 256);
    if (draw(rng, 6) == 0)
        modes->cc[TTY_VEOL2] = 0xff;
    if (draw(rng, 6) == 0)
        modes->cc[draw(rng, 17)] = 0;
    modes->cc[TTY_VMIN] = (uint8_t)draw(rng, 3);
    modes->cc[TTY_VTIME] = 0;
}

static void apply(struct fixture *fx, struct real *r, const struct tty_modes *modes)
{
    struct tty_modes copy = *modes;
    assert_int_equal(ioctl(r->slave, 0x402c542bul /* TCSETS2 */, &copy), 0);
    tty_set_modes(fx->tty, modes);
}

static uint8_t random_byte(unsigned *rng)
{
    static const uint8_t likely[] =
        "ab c_\t\r\n\x7f\x17\x15\x16\x12\x04\x03\x13\x11\x1c\x01\xc3\xa9"
        "\xe2\x82\xac\xff\x80Z";
    return draw(rng, 5) == 0 ? (uint8_t)draw(rng, 256) : likely[draw(rng, sizeof(likely) - 1)];
}

static void one_step(struct fixture *fx, struct real *r, unsigned *rng)
{
    uint8_t bytes[32];
    unsigned what = draw(rng, 20);
    if (what == 0 && fx->shown) {
        same_read(fx, r, 1 + draw(rng, 200));
        return;
    }
    if (what == 1 && !fx->tty->stopped && fx->shown) {
        size_t n = 1 + draw(rng, sizeof(bytes) - 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = random_byte(rng);
        int64_t ours = file_write(fx->f, NULL, bytes, n);
        assert_int_equal(write(r->slave, bytes, n), ours);
    } else {
        bytes[0] = random_byte(rng);
        assert_int_equal(write(r->master, bytes, 1), 1);
        assert_int_equal(tty_put(fx->tty, span_of(bytes, 1)), 1);
    }
    same_shown(fx, r);
}

static void a_real_pty_answers_the_same(void **state)
{
    struct fixture *fx = *state;
    struct real r;
    unsigned rng = seed;
    if (!real_open(&r)) {
        real_close(&r);
        skip();
    }
    struct tty_modes modes = fx->tty->modes;
    random_modes(&rng, &modes);
    apply(fx, &r, &modes);
    for (int step = 0; step < 120; step++)
        one_step(fx, &r, &rng);
    if (fx->shown)
        same_read(fx, &r, 256);
    real_close(&r);
}

static void real_ptys_answer_the_same_in_many_modes(void **state)
{
    (void)state;
    unsigned first = seed;
    for (; seed < first + 150; seed++) {
        void *fx = NULL;
        assert_int_equal(set_up(&fx), 0);
        a_real_pty_answers_the_same(&fx);
        tear_down(&fx);
    }
    seed = first;
}

static void a_new_pty_has_linuxs_modes(void **state)
{
    struct fixture *fx = *state;
    struct real r;
    struct tty_modes real_modes;
    if (!real_open(&r)) {
        real_close(&r);
        skip();
    }
    assert_int_equal(ioctl(r.slave, 0x802c542aul /* TCGETS2 */, &real_modes), 0);
    assert_memory_equal(&real_modes, &fx->tty->modes, 44);
    real_close(&r);
}

int main(int argc, char **argv)
{
    image_path_z = argc > 1 ? argv[1] : NULL;
    seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_line_is_echoed_and_read_when_it_ends),
        TEST(characters_words_and_lines_are_erased),
        TEST(control_characters_and_tabs_are_erased_whole),
        TEST(utf8_characters_are_erased_whole),
        TEST(an_end_of_file_is_read_once),
        TEST(interrupts_signal_the_foreground_group_and_drop_the_line),
        TEST(output_stops_and_starts),
        TEST(raw_mode_gives_every_byte),
        TEST(leaving_lines_makes_what_is_typed_readable),
        TEST(a_line_is_4095_characters_at_most),
        TEST(a_hangup_ends_reads_and_breaks_writes),
        TEST(the_window_tells_when_it_changes),
        TEST(it_has_a_name_and_a_number),
        TEST(a_master_is_opened_by_a_guest),
        TEST(a_new_pty_has_linuxs_modes),
        TEST(a_terminal_is_opened_when_its_file_system_is_nowhere_mounted),
        cmocka_unit_test(modes_come_over_ssh),
        cmocka_unit_test(real_ptys_answer_the_same_in_many_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
