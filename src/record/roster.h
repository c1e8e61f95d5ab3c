/* The sessions that are open, each with its first event: what a recorder that starts after a crash must
 * know to end them. One file of slots, read when it is opened and written in place, so that a session
 * costs two small writes and no name in a folder.
 *
 *     slot: SESSION, a space, the line with its line feed; free: begins with a NUL */
#ifndef RECORD_ROSTER_H
#define RECORD_ROSTER_H

#include "base/buffer.h"
#include "events/frame.h"

/* A slot in the file. A line that is longer is cut, and then only the session's name is known. */
#define RECORD_ROSTER_SLOT ((size_t)1024)
/* Sessions that are open at a time: more than sockets. */
#define RECORD_ROSTER_MAX (UINT32_C(1) << 20)

struct record_roster_entry;

struct record_roster {
    int fd; /* -1: not open */
    struct record_roster_entry *entries;
    uint32_t count, room; /* slots in the file, and that there is memory for */
    uint32_t free;        /* the first of those that are free */
    uint32_t leaving;     /* and of those that are still in the file */
    uint32_t *buckets;    /* as many as `room`, a power of two */
};

/* Opens the file in the folder, made if missing. 0 or a negative error, and then it is not open. */
int record_roster_open(struct record_roster *r, int dir, const char *name_z);
void record_roster_close(struct record_roster *r);

/* The session is open from now on. One that is already gets the new line. 0, ERR_FULL, ERR_NOMEM or
 * -errno, and then it is as before. */
int record_roster_add(struct record_roster *r, struct span session, struct span line);

/* It is no more, if it ever was; in the file it is until record_roster_settle. */
void record_roster_remove(struct record_roster *r, struct span session);

/* Those that were removed go from the file. 0 or -errno: the others are still there. */
int record_roster_settle(struct record_roster *r);

/* Appends its line, without the line feed. 0, ERR_STATE when it is not open, or another error. */
int record_roster_line(const struct record_roster *r, struct span session, struct buffer *line);

/* Any one that is open, borrowed until the next change; NULL: none is. */
const char *record_roster_any_z(const struct record_roster *r);

#endif
