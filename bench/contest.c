/* In a row all servers run at once on CPU 0, each with clients of its own, which this program plays
 * on CPU 1. They get slices in random order. What counts is the server's CPU time an operation. A
 * machine drifts by more than the differences within seconds, so each slice is compared with the
 * bare loop's slice of the same round, and of these ratios the median is told: above 1.00 is cheaper
 * than the bare loop. */
#include "agent.h"
#include "plan.h"
#include "server.h"
#include "sockets.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

/* The first one is what all are compared with. */
static const struct peer peers[] = {
    {"raw_epoll", "bench-raw", "", "echo chat", NULL},
    {"raw_epoll_co", "bench-raw", "-co", "chat", NULL},
    {"libuv", "bench-libuv", "", "echo chat", NULL},
    {"libevent_ev", "bench-libevent", "", "echo", NULL},
    {"libevent_bev", "bench-libevent", "-bev", "echo chat", NULL},
    {"libev", "bench-libev", "", "echo chat", NULL},
    {"reel", "reel-server", "", "echo chat", "epoll"},
    {"reel_uring", "reel-server", "", "echo chat", "io_uring"},
};

enum { PEERS = sizeof(peers) / sizeof(peers[0]) };

struct row {
    const char *name_z;
    const struct load_ops *load;
    struct load_shape shape;
};

#define ECHO(c, s, d)                            \
    {                                            \
        "echo-c" #c "-s" #s "-d" #d, &load_echo, \
        {                                        \
            c, s, d, 0, 0                        \
        }                                        \
    }
#define CHURN(c)                   \
    {                              \
        "churn-c" #c, &load_churn, \
        {                          \
            c, 64, 1, 0, 0         \
        }                          \
    }
#define CHAT(n, p, d)                            \
    {                                            \
        "chat-n" #n "-p" #p "-d" #d, &load_chat, \
        {                                        \
            n, 64, d, p, 0                       \
        }                                        \
    }
#define PACED(us)                             \
    {                                         \
        "paced-" #us "us", &load_paced,       \
        {                                     \
            1, 64, 1, 0, INT64_C(1000) * (us) \
        }                                     \
    }

static const struct row rows[] = {
    ECHO(1, 64, 1),     ECHO(1, 64, 16),     ECHO(1, 4096, 1),
    ECHO(1, 4096, 16),  ECHO(64, 64, 1),     ECHO(64, 64, 16),
    ECHO(64, 4096, 1),  ECHO(64, 4096, 16),  ECHO(1000, 64, 1),
    ECHO(1000, 64, 16), ECHO(1000, 4096, 1), ECHO(1000, 4096, 16),
    ECHO(10000, 64, 1), ECHO(10000, 64, 16), ECHO(10000, 4096, 1),
    CHURN(1),           CHURN(64),           CHAT(100, 1, 1),
    CHAT(100, 10, 4),   CHAT(1000, 1, 16),   CHAT(1000, 10, 4),
    PACED(0),           PACED(10),           PACED(20),
    PACED(40),          PACED(100),          PACED(1000),
};

struct contest {
    struct server servers[PEERS];
    struct agent agents[PEERS];
    int running[PEERS]; /* those that take part */
    int count;
    double cost_ns[PEERS][ROUNDS_MAX];
    double rate[ROUNDS_MAX]; /* of the bare loop */
};

static bool takes_part(const struct plan *plan, const struct row *row, int i)
{
    return (i == 0 || plan_has_peer(plan, &peers[i])) &&
           has_word(peers[i].modes_z, row->load->mode_z, ' ');
}

static void start_all(struct contest *c, const struct plan *plan, const struct row *row)
{
    for (int i = 0; i < PEERS; i++) {
        if (!takes_part(plan, row, i))
            continue;
        int err = server_start(&c->servers[i], &peers[i], row->load->mode_z);
        if (err < 0) {
            plan_missing(&peers[i], err);
            continue;
        }
        agent_start(&c->agents[i], row->load, &row->shape, c->servers[i].port);
        c->running[c->count++] = i;
    }
}

static void stop_all(struct contest *c)
{
    for (int k = 0; k < c->count; k++) {
        agent_stop(&c->agents[c->running[k]]);
        server_stop(&c->servers[c->running[k]]);
    }
}

static void run_slice(struct contest *c, int i, int round, int64_t slice_ns)
{
    int64_t begin_ns = clock_ns(CLOCK_MONOTONIC);
    int64_t cpu_begin_ns = process_cpu_ns(c->servers[i].pid);
    double done = (double)agent_run(&c->agents[i], slice_ns);
    c->cost_ns[i][round] = (double)(process_cpu_ns(c->servers[i].pid) - cpu_begin_ns) / done;
    if (i == 0)
        c->rate[round] = done * 1e9 / (double)(clock_ns(CLOCK_MONOTONIC) - begin_ns);
}

/* The first round only warms up: its figures are overwritten. */
static void run_rounds(struct contest *c, const struct plan *plan)
{
    for (int round = -1; round < plan->rounds; round++) {
        shuffle(c->running, c->count);
        for (int k = 0; k < c->count; k++)
            run_slice(c, c->running[k], round < 0 ? 0 : round, plan->slice_ns);
    }
}

/* NAN of one that did not take part. */
static double efficiency(const struct contest *c, int i, int rounds)
{
    double ratios[ROUNDS_MAX];
    if (c->cost_ns[i][0] == 0)
        return NAN;
    for (int round = 0; round < rounds; round++)
        ratios[round] = c->cost_ns[0][round] / c->cost_ns[i][round];
    return median(ratios, rounds);
}

/* Columns: the bare loop's own figures, then the others' efficiency. */
static void run_row(const struct plan *plan, const struct row *row)
{
    static struct contest c;
    double values[1 + PEERS];
    int digits[1 + PEERS] = {2, 0};
    c = (struct contest){0};
    start_all(&c, plan, row);
    run_rounds(&c, plan);
    stop_all(&c);
    for (int i = 1; i < PEERS; i++) {
        values[1 + i] = efficiency(&c, i, plan->rounds);
        digits[1 + i] = 2;
    }
    values[0] = median(c.cost_ns[0], plan->rounds) / 1000;
    values[1] = median(c.rate, plan->rounds);
    print_row(row->name_z, values, digits, 1 + PEERS);
}

void run_contests(const struct plan *plan)
{
    const char *columns[1 + PEERS] = {"raw_epoll us/op", "raw ops/s"};
    bool begun = false;
    for (int i = 1; i < PEERS; i++)
        columns[1 + i] = peers[i].name_z;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!plan_has_row(plan, rows[i].name_z))
            continue;
        if (!begun)
            print_head("row", columns, 1 + PEERS);
        begun = true;
        run_row(plan, &rows[i]);
    }
}
