/* How long each step takes as a client sees it, on lured and on the sshd of this machine. */
#include "modes.h"

#include "host.h"
#include "link.h"

#include <stdio.h>
#include <stdlib.h>

enum step {
    STEP_VERSION,
    STEP_KEXINIT,
    STEP_KEYS,
    STEP_SERVICE,
    STEP_NONE,
    STEP_SUCCESS,
    STEP_HOSTKEYS,
    STEP_CHANNEL,
    STEP_START,
    STEP_FINISH,
    STEPS,
};

static const char *const NAMES_Z[STEPS] = {
    [STEP_VERSION] = "connected: version line",
    [STEP_KEXINIT] = "version line: KEXINIT",
    [STEP_KEYS] = "curve25519: reply, NEWKEYS",
    [STEP_SERVICE] = "SERVICE_REQUEST: ACCEPT",
    [STEP_NONE] = "`none`: FAILURE",
    [STEP_SUCCESS] = "password: SUCCESS",
    [STEP_HOSTKEYS] = "SUCCESS: hostkeys-00",
    [STEP_CHANNEL] = "CHANNEL_OPEN: confirmation",
    [STEP_START] = "exec: CHANNEL_SUCCESS",
    [STEP_FINISH] = "CHANNEL_SUCCESS: CLOSE",
};

static void play(const struct host *h, const struct mode_options *o, double us[STEPS])
{
    struct link l;
    link_open(&l, &o->ring, h->port);
    int64_t last = now_ns();
    for (int step = 0; step < STEPS; step++) {
        switch ((enum step)step) {
        case STEP_VERSION: link_version(&l); break;
        case STEP_KEXINIT: link_kexinit(&l); break;
        case STEP_KEYS: link_keys(&l); break;
        case STEP_SERVICE: link_service(&l); break;
        case STEP_NONE: link_none(&l, h->user_z); break;
        case STEP_SUCCESS:
            link_ask_password(&l, h->user_z, h->password_z);
            if (!link_is_let_in(&l))
                fail("the login was refused");
            break;
        case STEP_HOSTKEYS: link_hostkeys(&l); break;
        case STEP_CHANNEL: link_channel(&l); break;
        case STEP_START: link_start(&l, h->command_z); break;
        default: link_finish(&l); break;
        }
        int64_t now = now_ns();
        us[step] = (double)(now - last) / 1e3;
        last = now;
    }
    link_close(&l);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_spread(const double *all, int count, int step)
{
    double *column = calloc((size_t)count, sizeof(*column));
    if (!column)
        fail("out of memory");
    for (int i = 0; i < count; i++)
        column[i] = all[i * STEPS + step];
    qsort(column, (size_t)count, sizeof(*column), by_value);
    (void)printf(" %.2f | %.2f | %.2f |", column[count / 20] / 1e3, column[count / 2] / 1e3,
                 column[count - 1 - count / 20] / 1e3);
    free(column);
}

void mode_steps(const struct mode_options *o)
{
    struct host hosts[2];
    bool there[] = {host_start_lured(&hosts[0], "lured", o->lured_z, o->image_z, ""),
                    host_start_sshd(&hosts[1])};
    double *us[2];
    for (int i = 0; i < 2; i++)
        us[i] = calloc((size_t)o->count * STEPS, sizeof(*us[i]));
    for (int n = 0; n < o->count; n++)
        for (int i = 0; i < 2; i++)
            if (there[i] && us[i])
                play(&hosts[i], o, us[i] + (ptrdiff_t)n * STEPS);
    (void)printf("| ms, %d sessions each | lured p5 | median | p95 | sshd p5 | median | p95 |\n"
                 "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
                 o->count);
    for (int step = 0; step < STEPS; step++) {
        (void)printf("| %s |", NAMES_Z[step]);
        for (int i = 0; i < 2; i++)
            if (there[i] && us[i])
                print_spread(us[i], o->count, step);
            else
                (void)printf(" - | - | - |");
        (void)printf("\n");
    }
    for (int i = 0; i < 2; i++) {
        free(us[i]);
        if (there[i])
            host_stop(&hosts[i]);
    }
}
