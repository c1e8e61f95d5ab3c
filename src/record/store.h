/* The data directory, as the recorder keeps it:
 *
 *     log/events.json           the log (record/segment.h)
 *     log/state                 the highest frame number that is written, and from which sensor
 *     log/sessions              the first event of each session that has not ended (record/roster.h)
 *     log/ssh.keys              secrets of SSH connections for Wireshark, if they are wanted
 *     tty/SESSION-NUMBER.cast   recordings of terminals (record/cast.h)
 *     artefacts/SHA256          files that attackers brought
 *     visits/ADDRESS-LOGIN      what visitors have left (record/visits.h)
 *
 * Frames are taken one by one, and their text gathers. What is saved is with the kernel, so it outlives
 * this process; the log is on the disk after record_store_sync, at most RECORD_SYNC_MS later. Artefacts
 * and what visitors left are on the disk before they have their names. When a recording gets there is the
 * kernel's affair (half a minute, unless told otherwise): to bring each there at once would cost a session
 * more than all the rest of its record. */
#ifndef RECORD_STORE_H
#define RECORD_STORE_H

#include "events/frame.h"
#include "record/cast.h"
#include "record/retain.h"
#include "record/segment.h"

/* How often the log is brought to the disk. */
#define RECORD_SYNC_MS 1000
/* Text that gathers before it is written without being asked to. */
#define RECORD_GATHER_MAX ((size_t)256 * 1024)
/* A file that a sensor sends is not kept beyond this. */
#define RECORD_ARTEFACT_MAX ((uint64_t)256 * 1024 * 1024)

/* How far a frame's number may be ahead of the last one that was written. Numbers follow each other, but
 * when the log was taken away; one at the end of all numbers would make every later frame an old one. */
#define RECORD_AHEAD_MAX (UINT64_C(1) << 32)

struct record_options {
    uint64_t segment_max; /* 0: RECORD_SEGMENT_MAX */
    uint64_t cast_max;    /* 0: RECORD_CAST_MAX */
    struct record_retention retention;
    uint64_t visits_max;        /* bytes of all that visitors have left; 0: none is kept */
    int64_t visits_s;           /* how long */
    struct event_sensor sensor; /* for events of the recorder's own; borrowed */
};

/* The directory's folders, each by its descriptor: all that the recorder may touch. */
#define RECORD_DIRS 4
struct record_dirs {
    int log, tty, artefacts, visits;
};

/* Opens them, and makes what is missing. 0 or -errno, and then none is open. */
int record_dirs_open(struct record_dirs *dirs, int data);
void record_dirs_close(struct record_dirs *dirs);
/* All of them, in one order. */
void record_dirs_all(const struct record_dirs *dirs, int out[RECORD_DIRS]);

struct record_store;

/* Opens the files and repairs what a crash left. The folders are borrowed. NULL: *error is a negative
 * error. */
struct record_store *record_store_open(const struct record_dirs *dirs,
                                       const struct record_options *options, int *error);
/* Syncs. NULL is fine. */
void record_store_close(struct record_store *store);

/* The highest number that is written. */
uint64_t record_store_number(const struct record_store *store);

/* A sensor says which one it is. One that was not here last means that the one before died: the
 * sessions that it left open end as lost. 0, or a negative error: to be tried again. */
int record_store_hello(struct record_store *store, uint64_t boot, int64_t now_us);

/* Ends the sessions that are open: lured.session.lost and cowrie.session.closed for each. 0, or a
 * negative error: to be tried again. */
int record_store_lose(struct record_store *store, const char *reason_z, int64_t now_us);

/* Takes what the frame holds. 0 also for one that was taken before. ERR_MALFORMED: its number cannot be.
 * Another negative error: it is not taken; to be tried again with the same frame. */
int record_store_take(struct record_store *store, const struct frame *frame, int64_t now_us);

/* Appends the answer to a question (FRAME_VISIT_ASK). 0 or a negative error. */
int record_store_answer(struct record_store *store, const struct frame_visit_ask *ask,
                        int64_t now_us, struct buffer *out);

/* Appends whom it remembers (FRAME_VISITORS). 0 or a negative error. */
int record_store_visitors(const struct record_store *store, struct buffer *out);

/* After the frames that came together: writes what was taken, which may then be acknowledged. 0, or
 * -errno (no space, say): to be tried again. */
int record_store_save(struct record_store *store);

/* So much could not be written and is given up: said by a lured.record.gap as soon as possible. */
void record_store_gap(struct record_store *store, uint64_t records, uint64_t bytes, int error);

/* Deletes what is too old or too much, if it is time to look again: once an hour. 0 or a negative
 * error. */
int record_store_retain(struct record_store *store, int64_t now_us);

/* Saves, and brings the log to the disk. 0 or -errno. */
int record_store_sync(struct record_store *store);

/* Compresses a little of the closed segments. True: there is more. Before it, whether there may be any. */
bool record_store_has_idle_work(const struct record_store *store);
bool record_store_idle(struct record_store *store);

#endif
