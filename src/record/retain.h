/* How long records are kept, and how much of them: closed segments of the log, recordings, artefacts.
 * What is too old goes, and beyond the bytes for all the oldest, whichever kind it is. Never the current
 * segment, nor what was written within the last hour. */
#ifndef RECORD_RETAIN_H
#define RECORD_RETAIN_H

#include <stddef.h>
#include <stdint.h>

/* How often the folders are looked through. */
#define RECORD_RETAIN_S INT64_C(3600)
/* Files that one look deletes at most: the oldest of all; the next one goes on. */
#define RECORD_RETAIN_FILES 65536

struct record_retention {
    int64_t keep_s;     /* 0: for ever */
    uint64_t bytes_max; /* 0: without a bound */
};

struct record_retired {
    uint64_t files, bytes; /* that were deleted */
};

/* Looks through the folders (`log`, `tty`, `artefacts`) once, and adds what it deletes to *out. 0 or a
 * negative error. */
int record_retain(const int *folders, size_t count, const struct record_retention *rules,
                  int64_t now_s, struct record_retired *out);

#endif
