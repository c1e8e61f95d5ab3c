/* Recordings of terminals: DATA/tty/SESSION-NUMBER.cast in asciicast v2: a header line, then one line
 * [seconds, "o" | "i" | "r", text] for what went out, what came in, and new sizes. Bytes that are
 * not UTF-8 cannot stand in the text, so such a line follows one [seconds, "b", base64] with the
 * exact bytes; players skip that one, `lured play` uses it. */
#ifndef RECORD_CAST_H
#define RECORD_CAST_H

#include "events/frame.h"
#include "record/file.h"

/* Recordings whose files are open at a time; the one idle longest is closed for another. */
#define RECORD_CASTS_MAX 256
/* Text of one recording that may gather before it is written. */
#define RECORD_CAST_GATHER_MAX ((size_t)1024 * 1024)
/* A recording that reaches this size ends there, and a lured.record.gap says so. */
#define RECORD_CAST_MAX ((uint64_t)64 * 1024 * 1024)
/* "SESSION-4294967295.cast" with its NUL. */
#define RECORD_CAST_NAME_SIZE (FRAME_SESSION_MAX + 24)

struct record_cast {
    char name_z[RECORD_CAST_NAME_SIZE]; /* empty: the slot is free */
    struct record_file file;
    struct buffer gathered; /* to be written at the end of the file */
    int64_t start_us;
    uint64_t used;   /* by record_casts.clock */
    bool may_repeat; /* of a recorder before this one: what comes may be there already */
    uint64_t lost_records, lost_bytes; /* beyond RECORD_CAST_MAX */
};

struct record_casts {
    int dir;
    uint64_t size_max;
    struct timespec start; /* files that changed later are of this recorder */
    uint64_t clock;
    size_t gathered_bytes; /* of all */
    struct buffer text;    /* lines being made */
    struct record_cast slots[RECORD_CASTS_MAX];
};

/* What the recording said no to because it is full: for a lured.record.gap. */
struct record_cast_gap {
    uint64_t records, bytes; /* 0: none */
    bool first;              /* it has just become full */
};

/* `dir` is borrowed. */
void record_casts_init(struct record_casts *c, int dir, uint64_t size_max);
void record_casts_fini(struct record_casts *c);

/* One frame each; its text is in the file after record_casts_flush. 0, or a negative error and the
 * frame is to be given again: what was taken is not repeated. `gap` is always set. */
int record_casts_open(struct record_casts *c, const struct frame_tty_open *open);
int record_casts_data(struct record_casts *c, const struct frame_tty_data *data,
                      struct record_cast_gap *gap);
int record_casts_close(struct record_casts *c, const struct frame_tty_close *close,
                       struct record_cast_gap *gap);

/* Writes what has gathered, each recording's in one piece. 0 or -errno: what could not be written is
 * still there. It is on the disk when the kernel brings it there: a sync for each recording would cost
 * more than all else that a session costs. */
int record_casts_flush(struct record_casts *c);

#endif
