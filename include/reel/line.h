/* Protocols of lines: Twisted's LineReceiver. A line protocol is a protocol whose `data` is
 * reel_line_data, and which has a function for a line instead:
 *
 *     struct visitor {
 *         struct reel_line_state lines;    // first in the connection's state
 *         int count;
 *     };
 *
 *     static void visitor_line(struct reel_transport *t, const uint8_t *line, size_t len)
 *     {
 *         struct visitor *v = reel_state(t);
 *         reel_print(t, "line %d had %zu bytes\n", ++v->count, len);
 *     }
 *
 *     static const struct reel_line_protocol visitors = {
 *         .protocol = {.name_z = "visitors", .state_size = sizeof(struct visitor),
 *                      .data = reel_line_data},
 *         .line = visitor_line,
 *     };
 *     static const struct reel_factory factory = {.protocol = &visitors.protocol};
 *
 * Lines are handed out where they were read, without a copy; only one that came in pieces is joined.
 * While more than the high watermark waits to be sent, no more lines are handed out. */
#ifndef REEL_LINE_H
#define REEL_LINE_H

#include <reel/protocol.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of each connection, at the very beginning of its state. The line receiver's own. */
struct reel_line_state {
    size_t scanned;    /* of an unfinished line: so many bytes hold no delimiter */
    uint64_t raw_left; /* bytes to go until there are lines again */
    bool raw;
    bool skipping; /* the rest of a line that is too long */
    bool switched; /* the mode was set inside the callback */
};

/* `protocol` comes first and has .data = reel_line_data; the rest of it is as in any protocol. Zero
 * fields take the defaults. Constant, as a protocol is. Another line protocol may be put in place by
 * reel_set_protocol: it goes on with the bytes behind the line that is being handled. */
struct reel_line_protocol {
    struct reel_protocol protocol;

    /* What ends a line. NULL: a line feed, and a carriage return before it is taken off: what people
     * and terminals send. Else exactly these bytes, "\r\n" for instance. `delimiter_size` 0: it is
     * NUL-terminated. */
    const char *delimiter;
    size_t delimiter_size;
    size_t line_max; /* longest line without its delimiter; 0: REEL_LINE_MAX_DEFAULT */
    bool keep_end;   /* lines are handed out with their delimiter, all of it */

    /* A line, borrowed for the call; `len` may be 0. Pausing, closing and switching to raw mode take
     * effect behind this line. */
    void (*line)(struct reel_transport *t, const uint8_t *line, size_t len);

    /* A line is longer than the maximum: its first line_max bytes. What follows up to its delimiter
     * is dropped; then come lines again, unless the function closes the connection. NULL: the
     * connection is lost(-EMSGSIZE). */
    void (*too_long)(struct reel_transport *t, const uint8_t *start, size_t len);

    /* Bytes in raw mode, as in a protocol's `data`: how many were taken. NULL: they are dropped. */
    size_t (*raw)(struct reel_transport *t, const uint8_t *data, size_t len);

    /* The last byte of a counted raw part has been taken; lines come next. */
    void (*raw_end)(struct reel_transport *t);
};

#define REEL_LINE_MAX_DEFAULT ((size_t)16384)
#define REEL_LINE_RAW_ENDLESS UINT64_MAX

/* For `.protocol.data`. */
size_t reel_line_data(struct reel_transport *t, const uint8_t *data, size_t len);

/* For `.protocol.eof`: what came behind the last delimiter is a line too, then the connection is
 * closed in order. Without it such bytes are dropped. */
void reel_line_eof(struct reel_transport *t);

/* From here on the bytes are raw: so many, or REEL_LINE_RAW_ENDLESS until reel_line_stop_raw. Inside
 * a callback: from the end of that line, or of what that `raw` takes. A `count` of 0 is
 * reel_line_stop_raw; there is no `raw_end` then. */
void reel_line_start_raw(struct reel_transport *t, uint64_t count);
void reel_line_stop_raw(struct reel_transport *t);

/* Writes a line and the delimiter of the connection's protocol behind it (a line feed when there is
 * none). All or nothing, as reel_write. */
int reel_line_write(struct reel_transport *t, const void *line, size_t len);

/* Writes text as printf has it, at most REEL_PRINT_MAX bytes. On any transport. As reel_write;
 * -EMSGSIZE: it is longer, and nothing was written. */
int reel_print(struct reel_transport *t, const char *format_z, ...)
    __attribute__((format(printf, 2, 3)));

#define REEL_PRINT_MAX 4096

#ifdef __cplusplus
}
#endif

#endif
