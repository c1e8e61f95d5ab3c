/* The engine against a bare epoll loop and other libraries:
 *
 *     reel-bench [--rounds N] [--slice MS] [--peers NAME,NAME...] [--tiny] [ROW...]
 *
 * ROW is the beginning of a row's name (echo-c64, chat, idle, timer); without one, all rows are run.
 * The figures are printed as tables in Markdown; bench/README.md says what they mean. */
#include "plan.h"
#include "server.h"
#include "sockets.h"
#include "table.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

bool plan_has_row(const struct plan *plan, const char *row_z)
{
    if (!*plan->rows)
        return true;
    for (char **row = plan->rows; *row; row++)
        if (strncmp(row_z, *row, strlen(*row)) == 0)
            return true;
    return false;
}

bool has_word(const char *list_z, const char *word_z, char separator)
{
    size_t len = strlen(word_z);
    for (const char *at_z = list_z; at_z; at_z = strchr(at_z, separator)) {
        at_z += *at_z == separator;
        if (strncmp(at_z, word_z, len) == 0 && (at_z[len] == separator || !at_z[len]))
            return true;
    }
    return false;
}

bool plan_has_peer(const struct plan *plan, const struct peer *peer)
{
    return !plan->peers_z || has_word(plan->peers_z, peer->name_z, ',');
}

void plan_missing(const struct peer *peer, int err)
{
    bool may_lack = peer->backend_z && strcmp(peer->backend_z, "epoll") != 0;
    if (err == -ENOENT || may_lack)
        return;
    fprintf(stderr, "reel-bench: %s does not start\n", peer->program_z);
    exit(1);
}

void shuffle(int *order, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int k = rand() % (i + 1), other = order[i];
        order[i] = order[k];
        order[k] = other;
    }
}

/* Each server has as many clients here as connections. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit = {200000, 200000};
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bool read_options(struct plan *plan, int argc, char **argv)
{
    static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
                                            {"slice", required_argument, NULL, 's'},
                                            {"peers", required_argument, NULL, 'p'},
                                            {"tiny", no_argument, NULL, 't'},
                                            {0}};
    for (int c = 0; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'r': plan->rounds = (int)strtol(optarg, NULL, 10); break;
        case 's': plan->slice_ns = strtol(optarg, NULL, 10) * 1000000; break;
        case 't': plan->tiny = true; break;
        case 'p': plan->peers_z = optarg; break;
        default: return false;
        }
    }
    plan->rows = argv + optind;
    return plan->rounds > 0 && plan->rounds <= ROUNDS_MAX && plan->slice_ns > 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.rounds = 15, .slice_ns = 250000000};
    if (!read_options(&plan, argc, argv)) {
        fprintf(
            stderr,
            "usage: reel-bench [--rounds N] [--slice MS] [--peers NAME,NAME...] [--tiny] [ROW...]\n"
            "       at most %d rounds\n",
            ROUNDS_MAX);
        return 2;
    }
    raise_descriptor_limit();
    pin(1);
    srand((unsigned)clock_ns(CLOCK_MONOTONIC));
    run_contests(&plan);
    run_idle_rows(&plan);
    run_own_rows(&plan);
    return 0;
}
