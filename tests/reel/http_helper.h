/* A site in virtual time, with the test as its client, and handlers that show what they saw. */
#ifndef TESTS_REEL_HTTP_HELPER_H
#define TESTS_REEL_HTTP_HELPER_H

#include "helper.h"

/* A server, and one client of it. */
struct fixture {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct reel_http_site *site;
    struct reel_test_peer *peer;
    struct reel_transport *t;
    char log[2048];
};

/* What the handlers that keep their requests have. */
extern struct seen {
    struct reel_http_request *kept[8];
    int count, gone, gone_reason, drained, ended;
    char body[256];
    size_t body_len;
    size_t take; /* of each piece; 0: all */
} seen;

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define WALL_US (INT64_C(784111777) * 1000000)

#define DATE      "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define PLAIN     "Content-Type: text/plain; charset=utf-8\r\n"
#define HELLO     "HTTP/1.1 200 OK\r\n" DATE PLAIN "Content-Length: 6\r\n\r\nhello\n"
#define HOST      "Host: a\r\n"
#define GET       "GET / HTTP/1.1\r\n" HOST "\r\n"
#define POST_BODY "POST /body HTTP/1.1\r\n" HOST

/* `options` and `wire` may be NULL. */
void open_with(struct fixture *f, const struct reel_http_options *options,
               const struct reel_wire *wire);
void open_site(struct fixture *f);
/* Nothing may be left then. */
void close_site(struct fixture *f);

/* Sends, and lets everything happen. */
void say(struct fixture *f, const char *text_z);
/* All that came, with a NUL, and drops it. */
const char *hear(struct fixture *f);
const char *body_of(const char *answer_z);

/* What the handler of /toy does. */
int upgrade(struct reel_http_request *q);

#endif
