/* The HTTP server from the inside: sites, their connections, their requests. */
#ifndef REEL_HTTP_SITE_H
#define REEL_HTTP_SITE_H

#include "reel/list.h"
#include "reel/part.h"

#include "http/http1.h"
#include "http/target.h"

#include <reel/http.h>
#include <reel/producer.h>
#include <reel/reactor.h>
#include <reel/timer.h>
#include <reel/transport.h>

enum {
    SPARE_MAX = 64,   /* requests kept for the next ones */
    COMMON_MAX = 256, /* the fields that all answers have */
};

struct reel_http_site {
    struct reel_factory factory;
    struct reel_reactor *reactor; /* NULL: freed already */
    struct reactor_part part;
    struct reel_allocator allocator;
    const struct reel_http_route *routes;
    struct reel_http_options options; /* with the defaults filled in */
    struct http1_limits limits;
    struct http1_field *fields; /* of a head that is read in one piece */
    struct reel_link conns;
    size_t connections;
    struct reel_link woken; /* connections to be settled at the end of the turn */
    struct reel_call call;
    bool called; /* `call` is under way */
    bool freed;  /* by its owner: goes with the last connection */
    bool lent;   /* an upgraded connection may still look at the factory: goes with the reactor */
    struct reel_http_request *spare;
    size_t spare_count;
    int64_t common_s; /* the second that `common` was made for */
    size_t common_len;
    char common[COMMON_MAX]; /* Server and Date */
};

/* What the timer waits for. */
enum phase {
    PHASE_NONE,
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_IDLE,
    PHASE_BUSY, /* a request is under way; the time-out is for an answer that does not leave */
    PHASE_LINGER,
};

/* One connection: the transport's state. */
struct conn {
    struct reel_http_site *site;
    struct reel_transport *t;
    struct reel_link link, woken_link;
    struct reel_timer timer;
    struct http1_parser parser;
    struct http1_field *fields;             /* of a head in pieces; NULL: the site's */
    struct reel_http_request *first, **end; /* under way, in order */
    struct reel_http_request *receiving;    /* whose body is coming */
    uint64_t written;                       /* bytes given to the transport */
    uint64_t seen_sent;                     /* of them with the kernel, at the last look */
    uint64_t body_since;                    /* bytes of body since the last look */
    size_t ahead;                           /* bytes of answers that wait for their turn */
    uint32_t requests;                      /* so far */
    uint32_t under_way;
    uint8_t phase;
    bool timer_is_ready : 1;
    bool in_data : 1; /* settled at its end */
    bool last : 1;    /* no request is read behind the one that is there */
    bool head_begun : 1;
    bool eof : 1;
    bool lingering : 1;     /* all is answered; what comes is dropped until the peer ends too */
    bool lingering_due : 1; /* at the end there may be unread bytes */
    bool stalled : 1;       /* reading is paused until there is room for more */
    bool full : 1;          /* the transport says so */
    bool over : 1;          /* closed or aborted by us */
};

_Static_assert(sizeof(struct conn) <= 384, "an idle HTTP connection has become dearer");

/* Bytes that wait. */
struct text_buffer {
    char *data;
    size_t len, cap;
};

enum answer_state { ANSWER_NONE, ANSWER_BEGUN, ANSWER_ENDED };

struct events;
struct sender;

struct reel_http_request {
    struct http1_head head;
    struct span path, query, host;
    struct http_match match;
    struct conn *conn;              /* from here on all is zero in a new one */
    struct reel_http_request *next; /* on the connection; or spare */
    void *kept;                  /* the head's bytes and fields, of one kept beyond its handler */
    uint8_t *path_memory;        /* a decoded path */
    uint64_t body_max, body_len; /* bytes of body so far */
    const struct reel_http_calls *calls;
    void *context;
    int64_t begun_ns;

    struct text_buffer fields;  /* of the answer */
    struct text_buffer waiting; /* output before its turn */
    uint64_t sent;              /* bytes of the answer's body */
    uint64_t left;              /* of the length that was announced */
    int reason;                 /* why the connection was lost */
    uint16_t status;
    uint8_t state;
    bool chunked : 1;
    bool to_eof : 1;  /* the answer ends with the connection */
    bool sized : 1;   /* `left` counts */
    bool no_body : 1; /* HEAD, 204, 304 */
    bool keep_alive : 1;
    bool body_done : 1;
    bool paused : 1;
    bool refused : 1;      /* a write was: `drained` is due when there is room */
    bool continue_due : 1; /* 100 is to be sent when its turn is there */
    bool invited : 1;      /* it was */
    bool broken : 1;       /* given up */
    bool is_gone : 1;      /* the client is: nothing can be sent any more */
    bool popped : 1;       /* out of the queue; only the rest of its body is still coming */

    /* reel_http_collect */
    void (*collected)(struct reel_http_request *q, const uint8_t *body, size_t len);
    struct text_buffer body;
    size_t collect_max;

    const struct http1_head *trailers; /* in body_end */
    struct events *events;             /* a stream of events */
    /* The server's own senders (files): asked for more when there is room; told of the end. */
    struct sender *sender;
};

struct sender {
    void (*more)(struct reel_http_request *q, struct sender *sender);
    void (*end)(struct reel_http_request *q, struct sender *sender); /* frees it */
    struct reel_file_piece piece; /* of reel_conn_send_file; its `len` is not with the kernel yet */
};

/* Memory by the site's allocator. */
void *reel_site_memory(struct reel_http_site *site, void *memory, size_t size);

/* Appends, with `max` bytes at most. 0, -ENOBUFS or -ENOMEM. */
int reel_text_put(struct reel_http_site *site, struct text_buffer *b, const void *data, size_t len,
                  size_t max);
void reel_text_free(struct reel_http_site *site, struct text_buffer *b);

/* The fields that all answers have, of this second. */
void reel_site_refresh(struct reel_http_site *site);

/* Frees it when nothing keeps it any more. */
void reel_site_release(struct reel_http_site *site);

extern const struct reel_protocol reel_http_protocol;

/* A connection that is to be looked at once the present callback is over. */
void reel_conn_wake(struct conn *c);
/* Draws the consequences: ended answers leave the queue, the next one's output goes out. */
void reel_conn_settle(struct conn *c);
void reel_conn_arm(struct conn *c, enum phase phase);
void reel_conn_run_woken(struct reel_call *call);
/* To the client, in turn. 0 or -errno of reel_writev. */
int reel_conn_write(struct conn *c, const struct iovec *parts, int count);

/* The same with a piece of a file, the sender's. Its `done` is set. */
int reel_conn_send_file(struct conn *c, struct reel_file_piece *piece, int fd, uint64_t offset,
                        uint64_t len);

/* Whether more may be given to the transport now; if not, it will say when. */
bool reel_conn_has_room(struct conn *c);

/* The connection is lost, or passes to another protocol: nothing of it is left but its bytes. */
void reel_conn_fini(struct conn *c, int reason);

/* A new request at the end of the connection's queue; NULL: out of memory. */
struct reel_http_request *reel_request_new(struct conn *c);
/* Out of the queue, or never in it. */
void reel_request_free(struct reel_http_site *site, struct reel_http_request *q);
/* Leaves it without a head. */
void reel_request_forget(struct reel_http_request *q);
/* Copies what it borrows. 0 or -ENOMEM. */
int reel_request_keep(struct reel_http_request *q);
/* Finds the route and calls the handler. */
void reel_request_dispatch(struct reel_http_request *q);
/* Whether it may send now. */
static inline bool request_is_first(const struct reel_http_request *q)
{
    return q->conn->first == q;
}
/* The log's line; the end of senders and events. */
void reel_request_over(struct reel_http_request *q);
/* A piece of its body; how many bytes were taken. */
size_t reel_request_body(struct reel_http_request *q, const uint8_t *data, size_t len);
void reel_request_body_end(struct reel_http_request *q, const struct http1_head *trailers);
/* An error page, and the connection's end behind it. */
void reel_request_refuse(struct reel_http_request *q, int status);

void reel_events_free(struct reel_http_request *q);

#endif
