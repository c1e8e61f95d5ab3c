/* Programs that measure themselves, one for each library, and print "NAME NANOSECONDS": they run by
 * turns, in random order, and the medians are told. */
#include "plan.h"
#include "server.h"
#include "sockets.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const rows[] = {
    "timer-add-1M",        "timer-cancel-500k", "timer-rearm-10k",
    "timer-add+fire-200k", "post-from-thread",  "thread-ping-pong",
};

static const struct peer peers[] = {
    {"libuv", "libuv-calls", "", "", NULL},
    {"libevent", "libevent-calls", "", "", NULL},
    {"libev", "libev-calls", "", "", NULL},
    {"reel", "reel-calls", "", "", "epoll"},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), PEERS = sizeof(peers) / sizeof(peers[0]) };

struct figures {
    double values[ROWS][ROUNDS_MAX];
    int counts[ROWS];
};

static void note(struct figures *f, const char *line_z)
{
    for (int row = 0; row < ROWS; row++) {
        size_t len = strlen(rows[row]);
        double value = 0;
        if (strncmp(line_z, rows[row], len) == 0 && sscanf(line_z + len, " %lf", &value) == 1)
            f->values[row][f->counts[row]++] = value;
    }
}

static void run_once(struct figures *f, const struct peer *peer, bool tiny)
{
    char path_z[512], command_z[600], line_z[128];
    program_path(path_z, sizeof(path_z), peer->program_z);
    snprintf(command_z, sizeof(command_z), "'%s' %d", path_z, tiny ? 100 : 1);
    FILE *out = access(path_z, X_OK) == 0 ? popen(command_z, "r") : NULL;
    if (!out)
        return;
    while (fgets(line_z, sizeof(line_z), out))
        note(f, line_z);
    if (pclose(out) != 0)
        plan_missing(peer, -EPROTO);
}

static bool wants_any(const struct plan *plan)
{
    for (int row = 0; row < ROWS; row++)
        if (plan_has_row(plan, rows[row]))
            return true;
    return false;
}

static void print_rows(const struct plan *plan, struct figures figures[PEERS])
{
    static const int digits[PEERS] = {0};
    const char *columns[PEERS];
    double values[PEERS];
    for (int i = 0; i < PEERS; i++)
        columns[i] = peers[i].name_z;
    print_head("ns", columns, PEERS);
    for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < PEERS; i++)
            values[i] = median(figures[i].values[row], figures[i].counts[row]);
        if (plan_has_row(plan, rows[row]))
            print_row(rows[row], values, digits, PEERS);
    }
}

void run_own_rows(const struct plan *plan)
{
    static struct figures figures[PEERS];
    int order[PEERS];
    if (!wants_any(plan))
        return;
    unpin();
    for (int i = 0; i < PEERS; i++)
        order[i] = i;
    for (int round = 0; round < plan->rounds; round++) {
        shuffle(order, PEERS);
        for (int k = 0; k < PEERS; k++)
            if (plan_has_peer(plan, &peers[order[k]]))
                run_once(&figures[order[k]], &peers[order[k]], plan->tiny);
    }
    print_rows(plan, figures);
}
