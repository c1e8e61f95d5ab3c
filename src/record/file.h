/* Files that are only ever appended to: all of a piece of text is in the file, or none of it. */
#ifndef RECORD_FILE_H
#define RECORD_FILE_H

#include "base/buffer.h"
#include "base/span.h"

#include <sys/types.h>
#include <time.h>

/* An open file and the size that it has when the last append was whole. */
struct record_file {
    int fd; /* -1: closed */
    uint64_t size;
    bool dirty;               /* written since the last sync */
    struct timespec modified; /* before it was opened */
};

/* Opens or creates `name_z` in the folder, mode 0600. A last line without its line feed, torn by a
 * crash, is cut off; `torn` (may be NULL) hears how many bytes that were. 0 or -errno. */
int record_file_open(struct record_file *f, int dir, const char *name_z, uint64_t *torn);

/* Writes all of it at the end, or cuts back what was written of it. 0 or -errno. */
int record_file_append(struct record_file *f, struct span text);

/* Brings what was written to the disk. 0 or -errno. */
int record_file_sync(struct record_file *f);

/* Ends the file there: what came after was never appended. 0 or -errno. */
int record_file_cut(struct record_file *f, uint64_t size);

/* Closes; does not sync. A closed one is fine. */
void record_file_close(struct record_file *f);

/* The last `len` bytes of the file, or fewer when it has not so many, appended. 0 or a negative
 * error. */
int record_file_tail(const struct record_file *f, size_t len, struct buffer *out);

/* Reads a whole file of at most the room in `out`. 0 or a negative error (ERR_FULL: larger). */
int record_file_read(int dir, const char *name_z, struct buffer *out);

/* Replaces a small file: written beside it, then renamed. `durable`: on the disk before. 0 or
 * -errno. */
int record_file_replace(int dir, const char *name_z, struct span text, bool durable);

/* A folder in the folder, mode 0700, made if it is not there: its descriptor, or -errno. */
int record_dir_open(int dir, const char *name_z);

#endif
