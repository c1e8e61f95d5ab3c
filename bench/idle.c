/* Ten thousand connections that do nothing: what each of them costs in the server's memory, and
 * what all of them cost in CPU time. */
#include "load.h"
#include "plan.h"
#include "server.h"
#include "sockets.h"
#include "table.h"

#include <stdio.h>
#include <unistd.h>

enum { CONNECTIONS = 10000, TINY = 100, FIRST = 256 };

static const struct peer peers[] = {
    {"raw_epoll", "bench-raw", "", "echo", NULL},
    {"libev", "bench-libev", "", "echo", NULL},
    {"libevent_ev", "bench-libevent", "", "echo", NULL},
    {"libevent_bev", "bench-libevent", "-bev", "echo", NULL},
    {"libuv", "bench-libuv", "", "echo", NULL},
    {"reel", "reel-server", "", "echo", "epoll"},
    {"reel_uring", "reel-server", "", "echo", "io_uring"},
};

enum { PEERS = sizeof(peers) / sizeof(peers[0]) };

enum { SILENT, AFTER_SHORT, AFTER_LONG, CPU, ROWS };

/* Until the server has done all there was to do. */
static void settle(const struct server *s)
{
    int64_t before_ns = -1, now_ns = 0;
    while ((now_ns = process_cpu_ns(s->pid)) != before_ns) {
        before_ns = now_ns;
        usleep(200000);
    }
}

static double bytes_each(const struct server *s, size_t empty, int connections)
{
    settle(s);
    return ((double)server_rss(s) - (double)empty) / connections;
}

static double idle_ms_a_second(const struct server *s)
{
    int64_t begin_ns = process_cpu_ns(s->pid);
    usleep(1000000);
    return (double)(process_cpu_ns(s->pid) - begin_ns) / 1e6;
}

/* What is made once, for the busiest turn, is made by the first connections and not counted. */
static void measure(const struct plan *plan, const struct peer *peer, double out[ROWS])
{
    const int connections = plan->tiny ? TINY : CONNECTIONS;
    const struct load_shape some = {FIRST, 4096, 1, 0, 0}, all = {connections, 64, 1, 0, 0};
    struct server s;
    int err = server_start(&s, peer, "echo");
    if (err < 0) {
        plan_missing(peer, err);
        return;
    }
    void *first = load_echo.open(&some, s.port);
    load_echo.run(first, 0);
    settle(&s);
    size_t empty = server_rss(&s);
    void *load = load_echo.open(&all, s.port);
    out[SILENT] = bytes_each(&s, empty, connections);
    load_echo.run(load, 0);
    out[AFTER_SHORT] = bytes_each(&s, empty, connections);
    load_echo_resize(load, 4096);
    load_echo.run(load, 0);
    out[AFTER_LONG] = bytes_each(&s, empty, connections);
    out[CPU] = idle_ms_a_second(&s);
    load_echo.close(load);
    load_echo.close(first);
    server_stop(&s);
}

void run_idle_rows(const struct plan *plan)
{
    static const char *const titles[ROWS] = {"bytes each, never spoke", "bytes each, after 64 B",
                                             "bytes each, after 4 KiB", "ms/s of CPU, all"};
    static const int digits[PEERS] = {0};
    double results[PEERS][ROWS], values[PEERS];
    const char *columns[PEERS];
    if (!plan_has_row(plan, "idle"))
        return;
    for (int i = 0; i < PEERS; i++) {
        for (int row = 0; row < ROWS; row++)
            results[i][row] = NAN;
        columns[i] = peers[i].name_z;
        if (plan_has_peer(plan, &peers[i]))
            measure(plan, &peers[i], results[i]);
    }
    print_head("10,000 idle connections", columns, PEERS);
    for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < PEERS; i++)
            values[i] = results[i][row];
        print_row(titles[row], values, digits, PEERS);
    }
}
