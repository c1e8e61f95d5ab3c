/* How long a session at its prompt waits for what it types: alone, and beside sessions that loop. */
#include "modes.h"

#include "host.h"
#include "link.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    KEYS = 200,
    COMMANDS = 100,
    KEYS_A_LINE = 20,
    QUIET_MS = 50,
    PAUSE_LEAST_US = 20000,
    PAUSE_SPREAD_US = 30000,
    BEGIN_S = 2, /* until all that loop do so */
};

/* Each session that loops runs one of them: computing, system calls, processes, programs. */
static const char *const LOOPS_Z[] = {
    "while :; do :; done",   "dd if=/dev/zero of=/dev/null bs=1",
    "while :; do (:); done", "while :; do /bin/true; done",
    "perl -e '1 while 1'",
};

struct latency {
    double key_us[KEYS], command_us[COMMANDS];
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void pause_a_little(unsigned *seed)
{
    usleep(PAUSE_LEAST_US + (unsigned)rand_r(seed) % PAUSE_SPREAD_US);
}

static double type_us(struct link *l, const char *typed_z, const char *expected_z)
{
    int64_t start = now_ns();
    link_type(l, typed_z);
    link_expect(l, expected_z);
    return (double)(now_ns() - start) / 1e3;
}

static void measure(struct link *l, struct latency *out)
{
    unsigned seed = 1;
    for (int i = 0; i < KEYS; i++) {
        out->key_us[i] = type_us(l, "x", "x");
        pause_a_little(&seed);
        if (i % KEYS_A_LINE == KEYS_A_LINE - 1) {
            link_type(l, "\x15"); /* ^U: the line is empty again */
            link_settle(l, QUIET_MS);
        }
    }
    for (int i = 0; i < COMMANDS; i++) {
        link_type(l, "echo hi");
        link_settle(l, QUIET_MS);
        out->command_us[i] = type_us(l, "\r", "\rhi\r\n");
        link_settle(l, QUIET_MS);
    }
    qsort(out->key_us, KEYS, sizeof(out->key_us[0]), by_value);
    qsort(out->command_us, COMMANDS, sizeof(out->command_us[0]), by_value);
}

static void print_row(const char *name_z, const double *alone, const double *beside, int count)
{
    int p50 = count / 2, p99 = count - 1 - count / 100;
    (void)printf("| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", name_z, alone[p50] / 1e3,
                 alone[p99] / 1e3, beside[p50] / 1e3, beside[p99] / 1e3, beside[count - 1] / 1e3,
                 beside[p50] / alone[p50]);
}

static void open_session(struct link *l, const struct host *h, const struct mode_options *o)
{
    link_open(l, &o->ring, h->port);
    link_log_in(l, h->user_z, h->password_z);
    link_channel(l);
}

void mode_fair(const struct mode_options *o)
{
    static struct latency alone, beside;
    struct host h;
    struct link typist;
    struct link *loops = calloc((size_t)o->count, sizeof(*loops));
    if (!loops || !host_start_lured(&h, "lured", o->lured_z, o->image_z,
                                    "ssh:\n  waits: 0\n  max_startups: 0\n"))
        fail("%s does not start", o->lured_z);
    open_session(&typist, &h, o);
    link_shell(&typist);
    link_settle(&typist, QUIET_MS);
    measure(&typist, &alone);
    for (int i = 0; i < o->count; i++) {
        open_session(&loops[i], &h, o);
        link_start(&loops[i], LOOPS_Z[(size_t)i % ARRAY_LEN(LOOPS_Z)]);
    }
    (void)sleep(BEGIN_S);
    measure(&typist, &beside);
    (void)printf("| ms, %d times and %d | alone p50 | p99 | beside %d that loop p50 | p99 | most | "
                 "p50 beside / alone |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
                 KEYS, COMMANDS, o->count);
    print_row("a key, echoed", alone.key_us, beside.key_us, KEYS);
    print_row("`echo hi`, Enter to `hi`", alone.command_us, beside.command_us, COMMANDS);
    for (int i = 0; i < o->count; i++)
        link_close(&loops[i]);
    free(loops);
    link_close(&typist);
    host_stop(&h);
}
