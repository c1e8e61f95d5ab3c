/* What is to be run, and the three kinds of rows. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct peer;

struct plan {
    int rounds;
    int64_t slice_ns;
    bool tiny;           /* only to see that it runs: fewer connections and calls */
    const char *peers_z; /* names, parted by commas; NULL: all */
    char **rows;         /* beginnings of names, NULL at the end; none: all */
};

bool plan_has_row(const struct plan *plan, const char *row_z);
bool plan_has_peer(const struct plan *plan, const struct peer *peer);

/* Whether `word_z` is one of the words of `list_z`, which are parted by `separator`. */
bool has_word(const char *list_z, const char *word_z, char separator);

/* Any order of the first `count`, each as likely. */
void shuffle(int *order, int count);

/* Tells that a program does not start. One that is not built, or whose backend the kernel has not,
 * is left out; any other ends this one. */
void plan_missing(const struct peer *peer, int err);

/* Load: CPU time an operation, against the bare loop. */
void run_contests(const struct plan *plan);

/* Connections that do nothing: memory and CPU time. */
void run_idle_rows(const struct plan *plan);

/* What programs measure in themselves: timers, calls from threads. */
void run_own_rows(const struct plan *plan);

#endif
