/* What visitors have left: DATA/visits/ADDRESS-LOGIN, a file for each, named by the keys that he is known
 * by (in hex; behind them "-p" when his machine has passwords of its own, and a "-KEY" for each public key)
 * and dated by his last visit. It begins as SESSION.part and has its name when it is whole.
 *
 * Bounded: what is older than the time to keep is no longer found and is deleted, and beyond the bytes
 * for all, or RECORD_VISITS_MAX, the oldest go. */
#ifndef RECORD_VISITS_H
#define RECORD_VISITS_H

#include "events/frame.h"

#define RECORD_VISITS_MAX 65536
/* A visitor who leaves more than this is not kept, whatever the options say. */
#define RECORD_VISIT_MAX ((uint64_t)256 * 1024 * 1024)

struct record_visit {
    struct frame_visitor visitor;
    uint64_t size;
    int64_t time_s; /* of the last visit */
};

struct record_visits {
    int dir; /* borrowed */
    uint64_t bytes_max;
    int64_t keep_s;
    struct record_visit *list;
    size_t count, room;
    uint64_t bytes; /* of all */
};

/* Reads the folder, and deletes what nobody knows. Parts stay: a sensor that is still there goes on with them. 0
 * or a negative error. */
int record_visits_open(struct record_visits *v, int dir, uint64_t bytes_max, int64_t keep_s,
                       int64_t now_s);
void record_visits_close(struct record_visits *v);
/* Deletes what was never finished: the sensor that began it is gone. */
void record_visits_drop_parts(struct record_visits *v);

/* A part, in order; the last one gives the file its name. 0 or -errno. */
int record_visits_keep(struct record_visits *v, const struct frame_visit_keep *keep, int64_t now_s);

/* Who this is: the last one with the first public key, if there is one; else by the address, if that is known
 * by, else the last one with the login. NULL: nobody. */
const struct record_visit *record_visits_find(struct record_visits *v,
                                              const struct frame_visitor *visitor, int64_t now_s);

/* Appends what he left, as answers for the session that asks: at least one. 0 or a negative error, and
 * then `out` is as before. */
int record_visits_answer(struct record_visits *v, const struct frame_visit_ask *ask, int64_t now_s,
                         struct buffer *out);

/* Appends all who are remembered (FRAME_VISITORS): at least one frame. 0 or a negative error, and then
 * `out` is as before. */
int record_visits_tell(const struct record_visits *v, struct buffer *out);

/* Deletes what is too old. */
void record_visits_expire(struct record_visits *v, int64_t now_s);

#endif
