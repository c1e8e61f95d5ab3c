/* Results: one value a server and row, printed as Markdown. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <math.h>
#include <stddef.h>

enum { COLUMNS_MAX = 12, ROUNDS_MAX = 101 };

/* The middle one of `count` values, which are sorted by this; NAN of none. */
double median(double *values, int count);
/* The same, and they stay as they are. At most ROUNDS_MAX. */
double median_of(const double *values, int count);

/* NAN is printed as "-". */
void print_head(const char *title_z, const char *const *columns, int count);
void print_row(const char *name_z, const double *values, const int *digits, int count);

#endif
