/* CPU time of the server for sessions of several kinds. */
#include "modes.h"

#include "host.h"
#include "link.h"

#include <stdio.h>

enum {
    WARM_UP = 20,
    TOGETHER = 9, /* below the server's limit of clients that have not logged in */
};

typedef void (*session)(const struct host *h, const struct mode_options *o, int count);

static void whole(const struct host *h, const struct mode_options *o, int count)
{
    for (int i = 0; i < count; i++) {
        struct link l;
        link_open(&l, &o->ring, h->port);
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
        link_open(&l, &o->ring, h->port);
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
            link_open(&links[i], &o->ring, h->port);
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
                         int count)
{
    play(h, o, count < WARM_UP ? count : WARM_UP);
    int64_t before = host_cpu_ns(h);
    play(h, o, count);
    return (double)(host_cpu_ns(h) - before) / 1e3 / count;
}

static const struct {
    const char *name_z;
    session play;
    int share; /* of the count: a refusal takes seconds */
} ROWS[] = {
    {"connect, key exchange, close", keys_only, 1},
    {"and a wrong password", refused, 4},
    {"whole session: login, `exec`, close", whole, 1},
};

enum { COLUMNS = 3 };

static void print_row(const char *name_z, const double *us, double crypto_us)
{
    (void)printf("| %s |", name_z);
    for (int i = 0; i < COLUMNS; i++)
        if (us[i] > 0)
            (void)printf(" %.0f |", us[i]);
        else
            (void)printf(" - |");
    (void)printf(" %.2f |", us[0] / crypto_us);
    if (us[2] > 0)
        (void)printf(" %.3f |\n", us[1] / us[2]);
    else
        (void)printf(" - |\n");
}

void mode_cpu(const struct mode_options *o)
{
    struct host hosts[COLUMNS];
    /* The time that the real server would take is no work, and only wakes us up more often. */
    static const char CONFIG_Z[] = "ssh:\n  waits: 0\n";
    bool there[COLUMNS] = {
        host_start_lured(&hosts[0], "without guests", o->bare_z, o->image_z, CONFIG_Z),
        host_start_lured(&hosts[1], "lured", o->lured_z, o->image_z, CONFIG_Z),
        host_start_sshd(&hosts[2]),
    };
    double crypto_us = bare_crypto_us(o->ring.suite);
    (void)printf("bare cryptography of a session: %.1f us\n\n", crypto_us);
    (void)printf("| server's CPU time, us a session | lured without guests | lured | sshd | "
                 "without guests / cryptography | lured / sshd |\n"
                 "| --- | ---: | ---: | ---: | ---: | ---: |\n");
    for (size_t row = 0; row < ARRAY_LEN(ROWS); row++) {
        double us[COLUMNS] = {0};
        for (int i = 0; i < COLUMNS; i++)
            if (there[i])
                us[i] = measure_us(&hosts[i], o, ROWS[row].play,
                                   (o->count + ROWS[row].share - 1) / ROWS[row].share);
        print_row(ROWS[row].name_z, us, crypto_us);
        (void)fflush(stdout);
    }
    for (int i = 0; i < COLUMNS; i++)
        if (there[i])
            host_stop(&hosts[i]);
}
