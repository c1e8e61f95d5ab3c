/* Whose connection a session was, read from its first event. */
#ifndef RECORD_ORIGIN_H
#define RECORD_ORIGIN_H

#include "events/event.h"

#define RECORD_ORIGIN_TEXT 256

struct record_origin {
    struct event_origin origin; /* its spans point into `text` */
    int64_t start_us;           /* when it began; 0: unknown */
    char session_z[RECORD_ORIGIN_TEXT], protocol_z[RECORD_ORIGIN_TEXT];
    char src_ip_z[RECORD_ORIGIN_TEXT], dst_ip_z[RECORD_ORIGIN_TEXT];
};

/* Reads the event's line. 0 or ERR_MALFORMED. */
int record_origin_read(struct span line, struct record_origin *out);

#endif
