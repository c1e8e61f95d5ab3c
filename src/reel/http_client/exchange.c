/* One request and its answer, over as many connections as redirects and a retry take. */
#include "reel/http_client/parts.h"

#include "http/token.h"

#include <errno.h>
#include <stdio.h>

void reel_hc_exchange_free(struct reel_http_exchange *x)
{
    struct reel_reactor *r = x->client->reactor;
    list_remove(&x->link);
    reel_timer_fini(&x->silence);
    reel_timer_fini(&x->total);
    reel_timer_fini(&x->soon);
    reel_hc_response_free(x->response);
    reel_hc_inflate_free(x->inflate);
    reel_memory_free(r, x->held);
    reel_memory_free(r, x->fields);
    reel_memory_free(r, x->body);
    reel_memory_free(r, x);
}

void reel_hc_exchange_fail(struct reel_http_exchange *x, int error, const char *why_z)
{
    struct hc_conn *conn = x->conn;
    if (x->deferred)
        reel_deferred_errback(x->deferred, error, why_z);
    if (conn) {
        conn->x = NULL;
        reel_hc_conn_end(conn);
    }
    reel_hc_exchange_free(x);
}

/* ---- out ---- */

void reel_hc_exchange_begin(struct reel_http_exchange *x)
{
    struct reel_reactor *r = x->client->reactor;
    char *head = reel_memory_new(r, HC_HEAD_MAX);
    int len = head ? reel_hc_compose(x, head) : -ENOMEM;
    int err = len < 0 ? len : reel_write(x->conn->t, head, (size_t)len);
    reel_memory_free(r, head);
    http1_expect(&x->conn->parser, text_z(x->method));
    x->body_at = 0;
    x->all_sent = !x->ask.read && x->body_len == 0;
    x->interim = 0;
    x->conn->keep = false;
    if (x->client->options.silence_ns > 0)
        reel_timer_start(&x->silence, x->client->options.silence_ns);
    if (err < 0) /* told from the loop: this may be inside a call of the user's */
        reel_abort_as(x->conn->t, err);
    else if (!x->all_sent)
        reel_timer_start(&x->soon, 0);
}

/* A piece of what the user makes. 1: there may be more; 0: not now, or all; -errno. */
static int speak_piece(struct reel_http_exchange *x)
{
    uint8_t piece[HC_PIECE];
    char size[24];
    struct reel_transport *t = x->conn->t;
    bool in_chunks = x->read_left < 0;
    size_t want = in_chunks || x->read_left > HC_PIECE ? sizeof(piece) : (size_t)x->read_left;
    ssize_t n = want ? x->ask.read(x->ask.context, x, piece, want) : 0;
    if (n == -EAGAIN) {
        x->waits_to_read = true;
        return 0;
    }
    if (n < 0)
        return (int)n;
    x->all_sent = n == 0;
    if (x->all_sent && !in_chunks)
        return x->read_left ? -EINVAL : 0; /* less than was announced */
    if (x->all_sent)
        return reel_write(t, "0\r\n\r\n", 5);
    if (!in_chunks) {
        x->read_left -= n;
        return reel_write(t, piece, (size_t)n) < 0 ? -EPIPE : 1;
    }
    snprintf(size, sizeof(size), "%zx\r\n", (size_t)n);
    const struct iovec parts[] = {{size, strlen(size)}, {piece, (size_t)n}, {(void *)"\r\n", 2}};
    return reel_writev(t, parts, 3) < 0 ? -EPIPE : 1;
}

static int speak_copy(struct reel_http_exchange *x)
{
    size_t len = x->body_len - x->body_at;
    len = len < HC_PIECE ? len : HC_PIECE;
    if (reel_write(x->conn->t, x->body + x->body_at, len) < 0)
        return -EPIPE;
    x->body_at += len;
    x->all_sent = x->body_at == x->body_len;
    return 1;
}

void reel_hc_exchange_speak(struct reel_http_exchange *x)
{
    x->waits_to_read = false;
    while (!x->all_sent && x->deferred && x->conn && x->conn->is_ready) {
        struct reel_transport *t = x->conn->t;
        if (reel_is_closing(t))
            return;
        if (reel_write_pending(t) > HC_PENDING)
            reel_flush(t);
        if (reel_write_pending(t) > HC_PENDING)
            return; /* until it has drained */
        int more = x->ask.read ? speak_piece(x) : speak_copy(x);
        if (more == -EPIPE)
            return; /* it will be lost, or has an early answer */
        if (more < 0) {
            reel_hc_exchange_fail(x, more, "the request's body could not be made");
            return;
        }
        if (more == 0)
            return;
    }
}

/* ---- redirects ---- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* 1: the answer leads elsewhere and is followed; 0: it is for the user; -errno. */
static int look_for_redirect(struct reel_http_exchange *x, const struct http1_head *head)
{
    struct hc_origin origin;
    struct reel_url url;
    ptrdiff_t i = http1_find(head, "Location", 0);
    if (!is_redirect(head->status) || i < 0 || x->client->options.redirects_max < 0)
        return 0;
    bool to_get = (head->status == 303 && strcmp(x->method, "HEAD") != 0) ||
                  (head->status < 303 && strcmp(x->method, "POST") == 0);
    if (x->ask.read && !to_get)
        return 0; /* the body is gone */
    struct span location = http1_value(head, (size_t)i);
    int err = reel_url_join(x->url, strlen(x->url), (const char *)location.data, location.len,
                            x->location, sizeof(x->location));
    if (err < 0 || reel_hc_origin_of(x->location, &origin, &url) < 0)
        return -EINVAL;
    if (x->origin.tls && !origin.tls)
        return 0; /* out of the encryption: that is the user's to decide */
    if (origin.tls && !x->client->options.tls)
        return -EINVAL;
    if (++x->redirects > x->client->options.redirects_max)
        return -ELOOP;
    if (to_get) {
        snprintf(x->method, sizeof(x->method), "GET");
        x->body_len = 0;
        x->ask.read = NULL;
        x->all_sent = true;
    }
    return 1;
}

static void next_hop(struct reel_http_exchange *x)
{
    struct hc_origin origin;
    struct reel_url url;
    if (x->conn)
        reel_hc_conn_release(x->conn, x->conn->keep && x->all_sent);
    x->redirecting = x->heard = x->retried = x->ended = false;
    x->dropped = 0;
    size_t len = strcspn(x->location, "#");
    memcpy(x->url, x->location, len);
    x->url[len] = '\0';
    reel_hc_origin_of(x->url, &origin, &url);
    x->foreign = x->foreign || !reel_hc_same_origin(&origin, &x->origin);
    x->origin = origin;
    reel_timer_stop(&x->silence);
    list_remove(&x->link);
    list_put(&x->client->waiting, &x->link);
    x->client->waiting_count++;
    reel_timer_start(&x->client->soon, 0);
}

/* ---- in ---- */

static void listen_on(struct reel_http_exchange *x)
{
    x->heard = true;
    if (x->client->options.silence_ns > 0)
        reel_timer_start(&x->silence, x->client->options.silence_ns);
}

static bool is_packed(const struct reel_http_exchange *x, const struct http1_head *head)
{
    ptrdiff_t i = http1_find(head, "Content-Encoding", 0);
    if (i < 0 || x->client->options.no_gzip || x->asked_gzip_itself ||
        head->body == HTTP1_BODY_NONE || (head->body == HTTP1_BODY_LENGTH && head->length == 0))
        return false;
    struct span coding = http1_value(head, (size_t)i);
    return http_equal(coding, "gzip") || http_equal(coding, "x-gzip");
}

static void take_head(struct reel_http_exchange *x, const struct http1_head *head)
{
    bool packed = is_packed(x, head);
    x->response = reel_hc_response_new(x, head);
    x->inflate = packed ? reel_hc_inflate_new(x->client->reactor) : NULL;
    if (!x->response || (packed && !x->inflate)) {
        reel_hc_exchange_fail(x, -ENOMEM, NULL);
        return;
    }
    if (x->deferred && x->ask.sink && x->ask.sink->head)
        x->ask.sink->head(x, &x->response->is);
}

void reel_hc_exchange_head(struct reel_http_exchange *x, const struct http1_head *head)
{
    listen_on(x);
    if (head->status < 200) {
        if (head->status == 101 || ++x->interim > HC_INTERIM_MAX)
            reel_hc_exchange_fail(x, -EPROTO, "the server answered what was not asked");
        return;
    }
    x->conn->keep = head->keep_alive && head->body != HTTP1_BODY_TO_EOF;
    int redirect = look_for_redirect(x, head);
    x->redirecting = redirect > 0;
    if (redirect < 0)
        reel_hc_exchange_fail(x, redirect,
                              redirect == -ELOOP ? "there are too many redirects"
                                                 : "the redirect leads nowhere");
    else if (redirect == 0)
        take_head(x, head);
}

/* Gives it to the user. How much was taken, or -errno. */
static ssize_t give(struct reel_http_exchange *x, const uint8_t *data, size_t len)
{
    if (!x->deferred)
        return (ssize_t)len;
    if (!x->ask.sink) {
        int err = reel_hc_response_add(x->response, data, len, x->client->options.response_max);
        return err < 0 ? err : (ssize_t)len;
    }
    if (x->paused)
        return 0;
    size_t taken = x->ask.sink->data ? x->ask.sink->data(x, data, len) : len;
    x->paused = taken < len;
    return (ssize_t)taken;
}

/* Keeps what the user did not take. */
static int hold(struct reel_http_exchange *x, const uint8_t *data, size_t len)
{
    if (x->held_len + len > x->client->options.response_max)
        return -EMSGSIZE;
    uint8_t *held = reel_memory_resize(x->client->reactor, x->held, x->held_len + len);
    if (!held)
        return -ENOMEM;
    memcpy(held + x->held_len, data, len);
    x->held = held;
    x->held_len += len;
    return 0;
}

static int give_or_hold(struct reel_http_exchange *x, const uint8_t *data, size_t len)
{
    ssize_t taken = x->held_len ? 0 : give(x, data, len);
    if (taken < 0)
        return (int)taken;
    return (size_t)taken < len ? hold(x, data + taken, len - (size_t)taken) : 0;
}

static int unpack(struct reel_http_exchange *x, struct span data)
{
    uint8_t out[HC_PIECE];
    for (;;) {
        ssize_t n = reel_hc_inflate(x->inflate, &data, out, sizeof(out));
        int err = n > 0 ? give_or_hold(x, out, (size_t)n) : (int)n;
        if (n <= 0 || err < 0)
            return err;
    }
}

void reel_hc_exchange_data(struct reel_http_exchange *x, struct span data)
{
    listen_on(x);
    if (x->redirecting) {
        x->dropped += data.len;
        if (x->dropped <= HC_DRAIN_MAX)
            return;
        x->conn->keep = false;
        next_hop(x);
        return;
    }
    int err = x->inflate ? unpack(x, data) : give_or_hold(x, data.data, data.len);
    if (err < 0) {
        reel_hc_exchange_fail(x, err,
                              err == -EMSGSIZE ? "the answer is too large"
                                               : "the answer could not be unpacked");
        return;
    }
    if (!x->paused)
        return;
    reel_timer_stop(&x->silence);
    reel_pause_reading(x->conn->t);
}

static void finish(struct reel_http_exchange *x)
{
    struct hc_response *response = x->response;
    if (x->redirecting) {
        next_hop(x);
        return;
    }
    if (x->inflate && !reel_hc_inflate_is_whole(x->inflate)) {
        reel_hc_exchange_fail(x, -EPROTO, "the packed answer ends in the middle");
        return;
    }
    if (x->conn)
        reel_hc_conn_release(x->conn, x->conn->keep && x->all_sent);
    x->response = NULL;
    if (x->deferred)
        reel_deferred_callback(x->deferred, response->is.status, &response->is,
                               reel_hc_response_release);
    else
        reel_hc_response_free(response);
    reel_hc_exchange_free(x);
}

void reel_hc_exchange_end(struct reel_http_exchange *x)
{
    if (!x->response && !x->redirecting)
        return; /* of an interim answer */
    x->ended = true;
    if (!x->held_len)
        finish(x);
}

static bool may_repeat(const struct reel_http_exchange *x)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(x->method, methods[i]) == 0)
            return !x->ask.read;
    return false;
}

void reel_hc_exchange_broken(struct reel_http_exchange *x, int reason, const char *why_z)
{
    bool stale = x->conn && x->conn->used && !x->heard && !x->retried;
    if (x->conn)
        x->conn->x = NULL;
    x->conn = NULL;
    if (x->ended) /* all is here; only the user is slow */
        return;
    if (!x->deferred || !stale || !may_repeat(x)) {
        reel_hc_exchange_fail(x, reason, why_z);
        return;
    }
    x->retried = true;
    reel_timer_stop(&x->silence);
    list_remove(&x->link);
    list_put(&x->client->waiting, &x->link);
    x->client->waiting_count++;
    reel_timer_start(&x->client->soon, 0);
}

/* ---- the user's calls, in the next turn ---- */

/* True: all that was held is given. */
static bool give_held(struct reel_http_exchange *x)
{
    while (x->held_len && !x->paused) {
        ssize_t taken = give(x, x->held + x->held_at, x->held_len - x->held_at);
        x->held_at += (size_t)taken;
        if (x->held_at < x->held_len)
            continue;
        reel_memory_free(x->client->reactor, x->held);
        x->held = NULL;
        x->held_at = x->held_len = 0;
    }
    return !x->held_len;
}

void reel_hc_exchange_go_on(struct reel_http_exchange *x)
{
    if (!x->deferred && !x->conn) { /* cancelled */
        reel_hc_exchange_free(x);
        return;
    }
    bool was_held = x->held_len > 0;
    if (!give_held(x))
        return;
    if (x->ended) {
        finish(x);
        return;
    }
    if (was_held && x->conn) {
        listen_on(x);
        reel_resume_reading(x->conn->t);
        reel_hc_conn_look(x->conn);
        return;
    }
    reel_hc_exchange_speak(x);
}

void reel_http_go_on(struct reel_http_exchange *x)
{
    x->paused = false;
    reel_timer_start(&x->soon, 0);
}

void *reel_http_exchange_context(const struct reel_http_exchange *x)
{
    return x->ask.context;
}
