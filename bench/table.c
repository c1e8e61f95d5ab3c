#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, int count)
{
    if (count == 0)
        return NAN;
    qsort(values, (size_t)count, sizeof(*values), compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double median_of(const double *values, int count)
{
    double copy[ROUNDS_MAX];
    memcpy(copy, values, (size_t)count * sizeof(*values));
    return median(copy, count);
}

void print_head(const char *title_z, const char *const *columns, int count)
{
    printf("\n| %s |", title_z);
    for (int i = 0; i < count; i++)
        printf(" %s |", columns[i]);
    printf("\n| --- |");
    for (int i = 0; i < count; i++)
        printf(" ---: |");
    printf("\n");
}

void print_row(const char *name_z, const double *values, const int *digits, int count)
{
    printf("| %s |", name_z);
    for (int i = 0; i < count; i++) {
        if (isnan(values[i]))
            printf(" - |");
        else
            printf(" %.*f |", digits[i], values[i]);
    }
    printf("\n");
    fflush(stdout);
}
