/* The HTTP client from the inside: a client has connections, and exchanges that wait for one or have
 * one. */
#ifndef REEL_HTTP_CLIENT_PARTS_H
#define REEL_HTTP_CLIENT_PARTS_H

#include "http/http1.h"
#include "reel/list.h"
#include "reel/loop.h"
#include "reel/text.h"

#include <reel/deferred.h>
#include <reel/dial.h>
#include <reel/filter.h>
#include <reel/http_client.h>
#include <reel/protocol.h>
#include <reel/timer.h>
#include <reel/tls.h>
#include <reel/transport.h>
#include <reel/url.h>

enum {
    HC_FIELDS_MAX = 100,      /* of an answer */
    HC_INTERIM_MAX = 16,      /* answers before the answer */
    HC_METHOD_MAX = 31,       /* bytes */
    HC_HEAD_MAX = 32 * 1024,  /* bytes of a request's head */
    HC_PIECE = 16 * 1024,     /* of a body on its way out, or unpacked */
    HC_PENDING = 64 * 1024,   /* of output prepared before the server takes some */
    HC_DRAIN_MAX = 64 * 1024, /* of a redirect's body, to keep the connection */
    HC_BOMB_FREE = 1 << 20,   /* unpacked bytes that nobody minds ... */
    HC_BOMB_RATIO = 200,      /* ... and above that, unpacked for each packed one */
};

struct hc_origin {
    char host[REEL_URL_HOST_MAX + 1];
    uint16_t port;
    bool tls, is_ipv6;
};

struct reel_http_client {
    struct reel_reactor *reactor;
    struct reel_http_client_options options; /* filled in */
    struct hc_origin proxy;                  /* host "": none */
    char agent[256];
    struct reel_link waiting, active; /* exchanges */
    struct reel_link idle, busy;      /* connections */
    size_t waiting_count, connection_count;
    struct reel_timer soon; /* those that wait are looked at */
    bool freed;
};

struct hc_response {
    struct reel_http_response is;
    struct reel_reactor *reactor;
    uint8_t *body;
    size_t cap;
};

struct hc_inflate; /* unpacking (inflate.c) */

struct reel_http_exchange {
    struct reel_link link;
    struct reel_http_client *client;
    struct reel_deferred *deferred; /* NULL: told, or cancelled */
    struct hc_conn *conn;           /* NULL: waits */
    struct reel_timer silence, total, soon;
    struct hc_origin origin;
    char url[REEL_URL_MAX + 1];
    char method[HC_METHOD_MAX + 1];
    struct reel_http_ask ask; /* only what stays of it */
    char *fields;             /* "Name: value\r\n" ... */
    uint8_t *body;
    size_t body_len, body_at;
    int64_t read_left;                 /* -1: in chunks */
    bool asked_gzip_itself, has_agent; /* the caller gave these fields */
    bool foreign;                      /* redirected to another origin: no credentials */
    bool all_sent, waits_to_read;
    bool retried, heard; /* a byte of the answer came */
    bool redirecting;    /* this answer's body is dropped */
    bool paused, ended;  /* all of the answer is there; it may still be on its way to the sink */
    int redirects, interim;
    size_t dropped;
    char location[REEL_URL_MAX + 1];
    struct hc_response *response;
    struct hc_inflate *inflate; /* NULL: it is not packed */
    uint8_t *held;              /* of the answer, not yet given */
    size_t held_at, held_len;
};

struct hc_conn {
    struct reel_link link;
    struct reel_http_client *client;
    struct reel_http_exchange *x; /* NULL: idle */
    struct reel_transport *t;     /* NULL: not made */
    struct hc_origin origin;
    struct reel_dial dial;
    struct reel_factory factory;
    struct reel_filter_use filters[2];
    struct reel_tls_client tls;
    struct reel_timer idle;
    struct http1_limits limits;
    struct http1_parser parser;
    struct http1_field fields[HC_FIELDS_MAX];
    bool is_ready;   /* requests may be sent */
    bool tunnelling; /* the proxy was asked */
    bool used;       /* it has answered before */
    bool keep;       /* the answer allows another */
    bool dying;
};

/* ---- exchange.c ---- */

/* It has a connection that is ready: the request goes out. */
void reel_hc_exchange_begin(struct reel_http_exchange *x);
/* More of its body, as there is room. */
void reel_hc_exchange_speak(struct reel_http_exchange *x);
/* What the user asked for by reel_http_go_on, or had to wait for the loop. */
void reel_hc_exchange_go_on(struct reel_http_exchange *x);
/* Events of its answer. */
void reel_hc_exchange_head(struct reel_http_exchange *x, const struct http1_head *head);
void reel_hc_exchange_data(struct reel_http_exchange *x, struct span data);
void reel_hc_exchange_end(struct reel_http_exchange *x);
/* Its connection is gone, or of no use. */
void reel_hc_exchange_broken(struct reel_http_exchange *x, int reason, const char *why_z);
/* The end of it: tells, and frees. */
void reel_hc_exchange_fail(struct reel_http_exchange *x, int error, const char *why_z);
void reel_hc_exchange_free(struct reel_http_exchange *x);

/* ---- request.c ---- */

/* The head of a request; `out` is of HC_HEAD_MAX bytes. Its length or -EINVAL. */
int reel_hc_compose(const struct reel_http_exchange *x, char *out);
/* Copies the fields that the caller gave. 0, -EINVAL or -ENOMEM. */
int reel_hc_take_fields(struct reel_http_exchange *x, const struct reel_http_client_field *fields);
/* Where a URL leads. 0 or -EINVAL. */
int reel_hc_origin_of(const char *url_z, struct hc_origin *out, struct reel_url *url);
bool reel_hc_same_origin(const struct hc_origin *a, const struct hc_origin *b);

/* ---- client.c ---- */

/* The exchange wants a connection: it has one, or waits. 0, -ENOBUFS or -errno of the dialer. */
int reel_hc_pool_put(struct reel_http_exchange *x);
void reel_hc_client_gone(struct reel_http_client *client); /* frees it when nothing is left */

/* ---- conn.c ---- */

/* Its exchange does not want it any more: it is idle, or closed. */
void reel_hc_conn_release(struct hc_conn *conn, bool keep);
/* Has a look at what was read already. */
void reel_hc_conn_look(struct hc_conn *conn);

int reel_hc_conn_open(struct reel_http_client *client, struct reel_http_exchange *x);
void reel_hc_conn_give(struct hc_conn *conn, struct reel_http_exchange *x);
void reel_hc_conn_end(struct hc_conn *conn); /* aborts */
/* In order, unless something of an answer is still under way. */
void reel_hc_conn_close(struct hc_conn *conn);

/* ---- response.c ---- */

struct hc_response *reel_hc_response_new(struct reel_http_exchange *x,
                                         const struct http1_head *head);
int reel_hc_response_add(struct hc_response *response, const uint8_t *data, size_t len, size_t max);
void reel_hc_response_free(struct hc_response *response); /* NULL is fine */
void reel_hc_response_release(void *is);

/* ---- inflate.c ---- */

struct hc_inflate *reel_hc_inflate_new(struct reel_reactor *r);
void reel_hc_inflate_free(struct hc_inflate *z); /* NULL is fine */
/* Unpacks `in` (which shrinks) into `out`. How many bytes, 0: all of `in` was used up; -EPROTO: it is
 * not gzip; -EMSGSIZE: a bomb; -ENOMEM. */
ssize_t reel_hc_inflate(struct hc_inflate *z, struct span *in, uint8_t *out, size_t size);
/* Whether what came so far is whole. */
bool reel_hc_inflate_is_whole(const struct hc_inflate *z);

#endif
