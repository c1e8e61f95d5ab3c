/* The log: DATA/log/events.json, one event a line, append-only. When it would pass its size it is
 * closed as events-NUMBER.json, and a new one begins; closed ones are compressed to
 * events-NUMBER.json.zst in small steps. NUMBER rises, so names sort by age. */
#ifndef RECORD_SEGMENT_H
#define RECORD_SEGMENT_H

#include "record/file.h"

#define RECORD_SEGMENT_MAX  ((uint64_t)64 * 1024 * 1024)
#define RECORD_SEGMENT_NAME "events.json"
/* Lines that may gather before they are written. */
#define RECORD_SEGMENT_GATHER_MAX ((size_t)1024 * 1024)
/* Bytes of a closed segment that one step compresses. */
#define RECORD_ZIP_STEP ((size_t)256 * 1024)

struct record_zip; /* a segment being compressed */

struct record_segment {
    struct record_file file;
    struct buffer gathered; /* lines to be written at its end */
    int dir;
    uint64_t size_max;
    uint64_t last_id; /* of the last line with an id when it was opened; 0: none */
    uint64_t torn;    /* bytes of a torn line that were cut off when it was opened */
    uint32_t number;  /* of the segment closed last */
    struct record_zip *zip;
    bool zip_wanted; /* there are closed segments to compress */
};

/* `dir` is borrowed. 0 or -errno. */
int record_segment_open(struct record_segment *s, int dir, uint64_t size_max);
void record_segment_close(struct record_segment *s);

/* Takes a line, its line feed included: it is in the file after record_segment_flush. 0 or a negative
 * error, and then it is not taken. */
int record_segment_append(struct record_segment *s, struct span line);

/* Writes what has gathered, in one piece; a new segment begins when it does not fit. 0 or -errno: then
 * nothing was written. */
int record_segment_flush(struct record_segment *s);

/* Compresses a little. True: there is more. A segment that cannot be compressed now is left as it
 * is until the next start. */
bool record_segment_zip(struct record_segment *s);

/* Numbers of the closed segments in the folder, compressed or not, in rising order. `numbers` is
 * for free(). How many, or a negative error. */
int record_segment_list(int dir, uint32_t **numbers);

#define RECORD_SEGMENT_NAME_SIZE 40
void record_segment_name(uint32_t number, bool zipped, char out_z[RECORD_SEGMENT_NAME_SIZE]);

/* The "id" that begins a line as the recorder writes it; 0: none. */
uint64_t record_line_id(struct span line);

#endif
