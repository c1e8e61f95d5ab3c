/* CPU time of the server for sessions of several kinds. */
#include "modes.h"

#include "host.h"
#include "link.h"
#include "tape.h"

#include <stdio.h>

enum {
    WARM_UP = 150,     /* until nothing more is learned of the program that is started */
    IDLE_NS = 2000000, /* of CPU time between two looks */
    TOGETHER = 9,      /* below the server's limit of clients that have not logged in */
};

typedef void (*session)(const struct host *h, const struct mode_options *o, int count);

static void begin(struct link *l, const struct host *h, const struct mode_options *o)
{
    link_open(l, &o->ring, h->port);
    l->tape = o->tape;
}

static void whole(const struct host *h, const struct mode_options *o, int count)
{
    for (int i = 0; i < count; i++) {
        struct link l;
        begin(&l, h, o);
        link_log_in(&l, h->user_z, h->password_z);
        link_channel(&l);
        link_start(&l, h->command_z);
        link_finish(&l);
        link_close(&l);
    }
}

static void keys_only(const struct host *h, const struct mode_options *o, int count)
{
    for (int i = 0; i < count; i++) {
        struct link l;
        begin(&l, h, o);
        link_version(&l);
        link_kexinit(&l);
        link_keys(&l);
        link_close(&l);
    }
}

/* A refusal takes seconds: several at a time. */
static void refused(const struct host *h, const struct mode_options *o, int count)
{
    struct link links[TOGETHER];
    for (int done = 0; done < count; done += TOGETHER) {
        int n = count - done < TOGETHER ? count - done : TOGETHER;
        for (int i = 0; i < n; i++) {
            begin(&links[i], h, o);
            link_version(&links[i]);
            link_kexinit(&links[i]);
            link_keys(&links[i]);
            link_service(&links[i]);
            link_ask_password(&links[i], h->user_z, "wrong");
        }
        for (int i = 0; i < n; i++) {
            if (link_is_let_in(&links[i]))
                fail("a wrong password was right");
            link_close(&links[i]);
        }
    }
}

static double measure_us(const struct host *h, const struct mode_options *o, session play,
                         int warm_up, int count)
{
    play(h, o, warm_up);
    int64_t before = 0, now = host_cpu_ns(h);
    do { /* what it learns of programs that were started is no session's */
        before = now;
        now = host_cpu_ns(h);
    } while (now - before > IDLE_NS);
    play(h, o, count);
    return (double)(host_cpu_ns(h) - now) / 1e3 / count;
}

static const struct {
    const char *name_z;
    session play;
    int share;             /* of the count: a refusal takes seconds */
    const char *command_z; /* NULL: the host's own, which does next to nothing */
} ROWS[] = {
    {"connect, key exchange, close", keys_only, 1, NULL},
    {"and a wrong password", refused, 4, NULL},
    {"whole session: login, `exec`, close", whole, 1, NULL},
    {"the same with `uname -a`", whole, 1, "uname -a"},
};

/* The network's part of such a session: its sizes and pauses, with a server that does nothing else. */
static void replay(const struct host *h, const struct mode_options *o, int count)
{
    for (int i = 0; i < count; i++)
        tape_play(o->tape, h->port);
}

static double bare_us(const struct host *h, const struct mode_options *o, session play, int count)
{
    struct tape tape = {.count = 0};
    struct mode_options taped = *o;
    struct host bare;
    taped.tape = &tape;
    play(h, &taped, 1);
    host_start_bare(&bare, &tape);
    double us = measure_us(&bare, &taped, replay, count, count);
    host_stop(&bare);
    return us;
}

enum { BARE_LURED, LURED, SSHD, HOSTS };

static void print_us(double us)
{
    if (us > 0)
        (void)printf(" %.0f |", us);
    else
        (void)printf(" - |");
}

static void print_row(const char *name_z, const double us[HOSTS], double network_us,
                      double crypto_us)
{
    (void)printf("| %s |", name_z);
    print_us(crypto_us);
    print_us(network_us);
    for (int i = 0; i < HOSTS; i++)
        print_us(us[i]);
    (void)printf(" %.2f | %.2f |", us[BARE_LURED] / crypto_us,
                 us[BARE_LURED] / (crypto_us + network_us));
    if (us[SSHD] > 0)
        (void)printf(" %.3f |\n", us[LURED] / us[SSHD]);
    else
        (void)printf(" - |\n");
}

void mode_cpu(const struct mode_options *o)
{
    struct host hosts[HOSTS];
    /* The time that the real server would take is no work, and only wakes us up more often. */
    static const char CONFIG_Z[] = "ssh:\n  waits: 0\n";
    bool there[HOSTS] = {
        host_start_lured(&hosts[BARE_LURED], "without guests", o->bare_z, o->image_z, CONFIG_Z),
        host_start_lured(&hosts[LURED], "lured", o->lured_z, o->image_z, CONFIG_Z),
        host_start_sshd(&hosts[SSHD]),
    };
    if (!there[BARE_LURED])
        fail("%s does not start", o->bare_z);
    double crypto_us = bare_crypto_us(o->ring.suite);
    (void)printf(
        "| server's CPU time, us a session | cryptography | network | lured without guests | "
        "lured | sshd | without guests / cryptography | / (cryptography + network) | "
        "lured / sshd |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (size_t row = 0; row < ARRAY_LEN(ROWS); row++) {
        double us[HOSTS] = {0};
        int count = (o->count + ROWS[row].share - 1) / ROWS[row].share;
        for (int i = 0; i < HOSTS; i++) {
            if (ROWS[row].command_z != NULL && i != BARE_LURED) /* no program is behind that */
                hosts[i].command_z = ROWS[row].command_z;
            if (there[i])
                us[i] = measure_us(&hosts[i], o, ROWS[row].play, WARM_UP / ROWS[row].share, count);
        }
        double network_us = bare_us(&hosts[BARE_LURED], o, ROWS[row].play, count);
        print_row(ROWS[row].name_z, us, network_us, crypto_us);
        (void)fflush(stdout);
    }
    for (int i = 0; i < HOSTS; i++)
        if (there[i])
            host_stop(&hosts[i]);
}
