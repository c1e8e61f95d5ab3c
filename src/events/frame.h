/* Frames: what sensor and recorder say to each other over a stream socket.
 *
 *     u32  length of what follows
 *     u8   kind
 *     u64  number
 *     ...  payload
 *
 * All numbers big-endian, texts as a u32 length and bytes. A session writes frames with number 0;
 * the sensor's channel to the recorder numbers them from 1 upwards (frame_number) as it takes them. The
 * recorder answers with FRAME_ACK, whose number is the highest that is written; what is not
 * acknowledged is kept and sent again to a new recorder. An event's number is the `id` of its
 * line. */
#ifndef EVENTS_FRAME_H
#define EVENTS_FRAME_H

#include "base/buffer.h"
#include "base/span.h"
#include "events/event.h"

enum frame_kind {
    FRAME_HELLO = 1,       /* sensor: first on a socket; number 0 */
    FRAME_ACK = 2,         /* recorder: answer to HELLO, and after each write */
    FRAME_EVENT = 3,       /* a line of JSON */
    FRAME_TTY_OPEN = 4,    /* a terminal recording begins */
    FRAME_TTY_DATA = 5,    /* what went over it */
    FRAME_TTY_CLOSE = 6,   /* it ends */
    FRAME_ARTEFACT = 7,    /* a part of a file to keep */
    FRAME_KEYLOG = 8,      /* secrets of an SSH connection, when they are wanted */
    FRAME_VISIT_ASK = 9,   /* sensor: a visitor has come; what did he leave? */
    FRAME_VISIT_KEEP = 10, /* sensor: a part of what he leaves */
    FRAME_VISIT = 11,      /* recorder: a part of the answer to VISIT_ASK; number 0 */
    FRAME_VISITORS = 12, /* recorder: some of those whom it remembers, all of them before it answers
                            * HELLO; number 0 */
};

/* Length, kind and number. */
#define FRAME_HEAD_SIZE 13
/* A whole frame, its head included: an event's line at its longest, with its session. */
#define FRAME_MAX (EVENT_LINE_MAX + 4096)
/* Terminal bytes in one frame; frame_put_tty_data splits longer ones. */
#define FRAME_TTY_MAX     ((size_t)32 * 1024)
#define FRAME_SESSION_MAX 64
#define FRAME_TEXT_MAX    1024
#define FRAME_KEYLOG_MAX  ((size_t)16 * 1024)
/* Bytes of a kept machine in one frame. */
#define FRAME_VISIT_MAX ((size_t)32 * 1024)
/* Bytes of a key that visitors are known by. */
#define FRAME_VISIT_KEY ((size_t)16)
/* SSH public keys that a visitor may be known by. */
#define FRAME_VISIT_PUBLIC 4

enum frame_tty_way {
    FRAME_TTY_OUT = 'o',    /* the machine to the attacker */
    FRAME_TTY_IN = 'i',     /* the attacker to the machine */
    FRAME_TTY_RESIZE = 'r', /* bytes are "80x24" */
};

struct frame_hello {
    uint64_t boot;    /* drawn by each sensor process at its start */
    struct span name; /* "lured 0.1.0" */
};

struct frame_event {
    uint16_t type; /* enum event_type; below EVENT_TYPES */
    struct span session;
    struct span line; /* JSON object without `id`, no line feed */
};

/* Recordings are named by their session and a number within it: tty/SESSION-NUMBER.cast. */
struct frame_tty_open {
    struct span session;
    uint32_t recording;
    uint16_t width, height;
    int64_t time_us;
    struct span term;    /* "xterm-256color"; may be empty */
    struct span command; /* what was asked for by exec; empty for a shell */
};

struct frame_tty_data {
    struct span session;
    uint32_t recording;
    uint8_t way; /* enum frame_tty_way */
    int64_t time_us;
    struct span bytes;
};

struct frame_tty_close {
    struct span session;
    uint32_t recording;
    int64_t time_us;
};

struct frame_artefact {
    struct span session;
    uint8_t shasum[32]; /* of the whole file */
    uint64_t size;      /* of the whole file */
    uint64_t offset;    /* of these bytes */
    struct span bytes;
};

struct frame_keylog {
    struct span lines; /* whole lines of Wireshark's SSH key log */
};

/* Who a visitor is: by his address, by his login (its first half by the user alone), by the SSH keys with
 * which he may come back (of account and key). Zeros: not by that. */
struct frame_visitor {
    uint8_t address[FRAME_VISIT_KEY], login[FRAME_VISIT_KEY];
    uint8_t publics[FRAME_VISIT_PUBLIC][FRAME_VISIT_KEY];
    uint8_t passwords; /* 1: his machine has other accounts or passwords than the image */
};

struct frame_visitors {
    struct span list; /* of struct frame_visitor, see frame_visitor_at */
};

struct frame_visit_ask {
    struct span session;
    struct frame_visitor visitor; /* with one public key: by that alone */
    bool brief;                   /* what he left is not wanted, only who he is */
};

/* Of no size: he has come, and changed nothing. */
struct frame_visit_keep {
    struct span session;
    struct frame_visitor visitor;
    uint64_t size, offset; /* of all, and of these bytes */
    struct span bytes;
};

struct frame_visit {
    struct span session;          /* that asked */
    bool known;                   /* he was here before ... */
    struct frame_visitor visitor; /* ... as this one */
    uint64_t size, offset;        /* of what he left; 0: nothing */
    struct span bytes;
};

struct frame {
    enum frame_kind kind;
    uint64_t number;
    union {
        struct frame_hello hello;
        struct frame_event event;
        struct frame_tty_open tty_open;
        struct frame_tty_data tty_data;
        struct frame_tty_close tty_close;
        struct frame_artefact artefact;
        struct frame_keylog keylog;
        struct frame_visit_ask visit_ask;
        struct frame_visit_keep visit_keep;
        struct frame_visit visit;
        struct frame_visitors visitors;
    };
};

/* Append one frame (tty_data: as many as it takes) with number 0. 0, ERR_FULL or ERR_NOMEM; on an
 * error the buffer is as before. */
int frame_put_event(struct buffer *out, const struct event *e, const struct event_sensor *sensor);
int frame_put_tty_open(struct buffer *out, const struct frame_tty_open *open);
int frame_put_tty_data(struct buffer *out, const struct frame_tty_data *data);
int frame_put_tty_close(struct buffer *out, const struct frame_tty_close *close);
int frame_put_artefact(struct buffer *out, const struct frame_artefact *artefact);
int frame_put_keylog(struct buffer *out, const struct frame_keylog *keylog);
int frame_put_visit_ask(struct buffer *out, const struct frame_visit_ask *ask);
int frame_put_visit_keep(struct buffer *out, const struct frame_visit_keep *keep);
int frame_put_visit(struct buffer *out, const struct frame_visit *visit);
int frame_put_visitors(struct buffer *out, const struct frame_visitors *visitors);
int frame_put_hello(struct buffer *out, const struct frame_hello *hello);
int frame_put_ack(struct buffer *out, uint64_t number);

/* Size in bytes of the whole frame that begins here, complete or not; 0 when more bytes are needed
 * to tell; ERR_MALFORMED when no frame begins like this. */
int64_t frame_size(struct span bytes);

/* The kind of a whole frame of our own. */
enum frame_kind frame_kind(const uint8_t *frame);

/* Writes the number into a whole frame. */
void frame_number(uint8_t *frame, uint64_t number);

/* Reads the frame at the front. Its size in bytes when it is whole and well-formed, 0 when more
 * bytes are needed, ERR_MALFORMED for anything else. Spans of the frame point into `bytes`. */
int64_t frame_read(struct span bytes, struct frame *f);

/* The visitor of this index in a list. False: there are not so many. */
bool frame_visitor_at(struct span list, size_t index, struct frame_visitor *out);

/* True for a session name that may stand in a file name: 1 to FRAME_SESSION_MAX of 0-9 a-z. */
bool frame_session_is_good(struct span session);

#endif
