/* A connection of a site: bytes become requests, and answers leave in their order. */
#include "reel/http/site.h"

#include <errno.h>
#include <string.h>

#define LINGER_NS (2 * REEL_SECOND)

static bool is_http(struct reel_transport *t)
{
    return reel_protocol_of(t) == &reel_http_protocol;
}

static void on_timer(struct reel_timer *timer);

static int64_t time_of(const struct conn *c, enum phase phase)
{
    const struct reel_http_options *o = &c->site->options;
    switch (phase) {
    case PHASE_HEAD: return o->head_ns;
    case PHASE_BODY: return o->body_ns;
    case PHASE_IDLE: return o->idle_ns;
    case PHASE_BUSY: return o->send_ns;
    case PHASE_LINGER: return LINGER_NS;
    default: return -1;
    }
}

void reel_conn_arm(struct conn *c, enum phase phase)
{
    if (c->phase == (uint8_t)phase && phase != PHASE_IDLE)
        return;
    c->phase = (uint8_t)phase;
    c->body_since = 0;
    int64_t ns = time_of(c, phase);
    if (ns > 0)
        reel_timer_start(&c->timer, ns);
    else
        reel_timer_stop(&c->timer);
}

static void arm_by_state(struct conn *c)
{
    if (c->over)
        reel_conn_arm(c, PHASE_NONE);
    else if (c->lingering)
        reel_conn_arm(c, PHASE_LINGER);
    else if (c->receiving && !c->receiving->paused)
        reel_conn_arm(c, PHASE_BODY);
    else if (c->head_begun)
        reel_conn_arm(c, PHASE_HEAD);
    else
        reel_conn_arm(c, c->first ? PHASE_BUSY : PHASE_IDLE);
}

static void conn_made(struct reel_transport *t)
{
    struct conn *c = reel_state(t);
    struct reel_http_site *site = reel_shared(t);
    *c = (struct conn){.site = site, .t = t};
    c->end = &c->first;
    site->connections++;
    list_put(&site->conns, &c->link);
    http1_init(&c->parser, HTTP1_REQUEST, &site->limits, site->fields);
    c->timer_is_ready = reel_timer_init(&c->timer, site->reactor, on_timer) == 0;
    if (!c->timer_is_ready || site->freed) {
        c->over = true;
        reel_abort_as(t, c->timer_is_ready ? -ECONNABORTED : -ENOMEM);
        return;
    }
    reel_conn_arm(c, PHASE_HEAD);
}

static void give_up(struct conn *c, int reason)
{
    c->over = true;
    reel_abort_as(c->t, reason);
}

static void watch_output(struct conn *c)
{
    if (c->phase == PHASE_BUSY && !reel_timer_is_active(&c->timer) && c->site->options.send_ns > 0)
        reel_timer_start(&c->timer, c->site->options.send_ns);
}

int reel_conn_write(struct conn *c, const struct iovec *parts, int count)
{
    int err = reel_writev(c->t, parts, count);
    if (err < 0)
        return err;
    for (int i = 0; i < count; i++)
        c->written += parts[i].iov_len;
    watch_output(c);
    return 0;
}

int reel_conn_send_file(struct conn *c, struct reel_file_piece *piece, int fd, uint64_t offset,
                        uint64_t len)
{
    int err = reel_send_file(c->t, piece, fd, (off_t)offset, len);
    if (err < 0)
        return err;
    c->written += len;
    watch_output(c);
    return 0;
}

void reel_conn_wake(struct conn *c)
{
    struct reel_http_site *site = c->site;
    if (c->in_data || link_is_in_list(&c->woken_link))
        return;
    list_put(&site->woken, &c->woken_link);
    if (!site->called)
        reel_defer(site->reactor, &site->call);
    site->called = true;
}

/* ---- What comes. ---- */

/* Bytes that are no request, or no more: an answer in turn, and the end. */
static void on_fault(struct conn *c, int status)
{
    struct reel_http_request *q = c->receiving;
    c->receiving = NULL;
    c->last = c->lingering_due = true;
    c->head_begun = false;
    if (q && q->popped) { /* its answer is out already */
        reel_request_free(c->site, q);
        return;
    }
    if (q) {
        q->body_done = true;
        if (q->state == ANSWER_NONE)
            reel_request_refuse(q, status);
        else if (q->state == ANSWER_BEGUN)
            give_up(c, -EPROTO);
        return;
    }
    q = reel_request_new(c);
    if (!q) {
        give_up(c, -ENOMEM);
        return;
    }
    reel_request_forget(q);
    q->body_done = true;
    reel_request_refuse(q, status);
}

static void on_head(struct conn *c, const struct http1_head *head)
{
    struct reel_transport *t = c->t;
    struct reel_http_request *q = reel_request_new(c);
    c->head_begun = false;
    if (!q) {
        give_up(c, -ENOMEM);
        return;
    }
    q->head = *head;
    q->keep_alive = head->keep_alive && ++c->requests < c->site->options.requests_max;
    c->last = !q->keep_alive;
    q->body_done = head->body == HTTP1_BODY_NONE;
    if (!q->body_done)
        c->receiving = q;
    reel_request_dispatch(q);
    if (!is_http(t))
        return;
    bool pops = c->first == q && q->state == ANSWER_ENDED && !c->over;
    if (!pops && reel_request_keep(q) < 0)
        give_up(c, -ENOMEM);
    reel_conn_settle(c);
}

/* How much of the piece was taken. */
static size_t on_piece(struct conn *c, struct span piece)
{
    struct reel_http_request *q = c->receiving;
    size_t taken = reel_request_body(q, piece.data, piece.len);
    c->body_since += taken;
    q->body_len += taken;
    if (q->state != ANSWER_ENDED || q->body_len <= c->site->options.drain_max)
        return taken;
    c->receiving = NULL; /* too much of what nobody wants */
    c->last = c->lingering_due = true;
    if (q->popped)
        reel_request_free(c->site, q);
    return taken;
}

static void on_end(struct conn *c, const struct http1_head *trailers)
{
    struct reel_transport *t = c->t;
    struct reel_http_request *q = c->receiving;
    if (!q)
        return;
    c->receiving = NULL;
    if (q->popped)
        reel_request_free(c->site, q);
    else
        reel_request_body_end(q, trailers);
    if (is_http(t))
        reel_conn_settle(c);
}

/* One thing out of `in`. False: there is no more in it for now. */
static bool step(struct conn *c, struct span in, size_t *done)
{
    struct reel_transport *t = c->t;
    struct http1_event event;
    *done = http1_next(&c->parser, in, &event);
    switch (event.kind) {
    case HTTP1_HEAD: on_head(c, &event.head); break;
    case HTTP1_DATA: {
        size_t left = event.data.len - on_piece(c, event.data);
        if (left && !c->over && c->receiving) {
            http1_untake(&c->parser, left);
            *done -= left;
        }
        break;
    }
    case HTTP1_END: on_end(c, &event.head); break;
    case HTTP1_ERROR: on_fault(c, http1_error_status(event.error)); break;
    case HTTP1_MORE: return false;
    }
    return is_http(t) && !c->over;
}

/* Nothing more is wanted of this client. */
static bool is_deaf(const struct conn *c)
{
    return c->over || c->lingering || (c->last && !c->receiving);
}

static bool is_blocked(const struct conn *c)
{
    const struct reel_http_options *o = &c->site->options;
    return c->receiving ? c->receiving->paused
                        : c->under_way >= o->pipeline_max || c->ahead > o->ahead_max;
}

/* A head that has come in part keeps its fields beyond this call, until it is whole. */
static bool keep_fields(struct conn *c, bool in_part)
{
    struct reel_http_site *site = c->site;
    if (!in_part) {
        reel_site_memory(site, c->fields, 0);
        c->fields = NULL;
    } else if (!c->fields) {
        c->fields = reel_site_memory(site, NULL, site->limits.fields_max * sizeof(*c->fields));
        if (!c->fields)
            return false;
        memcpy(c->fields, site->fields, c->parser.field_count * sizeof(*c->fields));
    }
    return true;
}

/* `data` is over, with so much done. How much was taken. */
static size_t leave(struct conn *c, size_t done, size_t len, bool stopped)
{
    enum { SLACK = 64 };
    const struct reel_http_options *o = &c->site->options;
    c->in_data = false;
    reel_conn_settle(c);
    if (is_deaf(c)) {
        arm_by_state(c);
        return len;
    }
    if (stopped) {
        if (is_blocked(c)) {
            c->stalled = true;
            reel_pause_reading(c->t);
        }
    } else if (!keep_fields(c, done < len)) {
        give_up(c, -ENOMEM);
    } else if (done < len) {
        c->head_begun = !c->receiving;
        reel_need_more(c->t,
                       (o->head_max > o->trailers_max ? o->head_max : o->trailers_max) + SLACK);
    }
    arm_by_state(c);
    return done;
}

static size_t conn_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct conn *c = reel_state(t);
    size_t done = 0;
    bool stopped = false;
    c->in_data = true;
    c->parser.fields = c->fields ? c->fields : c->site->fields;
    for (;;) {
        if (is_deaf(c) || (done == len && http1_is_between(&c->parser)))
            break;
        stopped = is_blocked(c) || (done < len && !reel_may_go_on(t));
        if (stopped)
            break;
        size_t n = 0;
        bool more = step(c, (struct span){data + done, len - done}, &n);
        done += n;
        if (!is_http(t))
            return done; /* the rest is the new protocol's */
        if (!more)
            break;
    }
    return leave(c, done, len, stopped);
}

static void conn_eof(struct reel_transport *t)
{
    struct conn *c = reel_state(t);
    struct http1_event event;
    c->eof = true;
    if (c->lingering) {
        c->over = true;
        reel_close(t);
        return;
    }
    if (!is_deaf(c)) {
        http1_eof(&c->parser, &event);
        if (event.kind == HTTP1_ERROR)
            on_fault(c, http1_error_status(event.error));
    }
    c->lingering_due = false;
    reel_conn_settle(c);
}

/* ---- What leaves. ---- */

/* There is no room. Once the transport has told us that it is full it will tell when it has drained;
 * before that it may be both without a word. */
static void look_again(struct conn *c)
{
    if (!c->full)
        reel_conn_wake(c);
}

/* The output that waited for its turn. False: it does not fit yet. */
static bool flush_waiting(struct conn *c, struct reel_http_request *q)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (q->continue_due && q->state == ANSWER_NONE && c->receiving == q) {
        struct iovec part = {(void *)go_on, sizeof(go_on) - 1};
        if (reel_conn_write(c, &part, 1) < 0)
            return false;
        q->invited = true;
    }
    q->continue_due = false;
    if (q->waiting.len) {
        struct iovec part = {q->waiting.data, q->waiting.len};
        if (reel_conn_write(c, &part, 1) < 0)
            return false;
        c->ahead -= q->waiting.len;
        reel_text_free(c->site, &q->waiting);
    }
    return true;
}

/* The first one's answer is ended and out. */
static void pop(struct conn *c)
{
    struct reel_http_request *q = c->first;
    c->first = q->next;
    if (!c->first)
        c->end = &c->first;
    c->under_way--;
    q->popped = true;
    reel_request_over(q);
    if (c->receiving != q)
        reel_request_free(c->site, q);
}

/* If not, `drained` will come: a flush that leaves more than the high watermark sees to that. */
bool reel_conn_has_room(struct conn *c)
{
    size_t high = c->site->factory.options.queue_high;
    high = high ? high : REEL_QUEUE_HIGH_DEFAULT;
    if (reel_write_pending(c->t) > high)
        reel_flush(c->t);
    return reel_write_pending(c->t) <= high;
}

/* The request whose turn it is hears that there is room, if it asked. */
static void tell_room(struct conn *c, struct reel_http_request *q)
{
    if (q->state != ANSWER_BEGUN || (!q->sender && !q->refused))
        return;
    if (!reel_conn_has_room(c)) {
        look_again(c);
        return;
    }
    if (q->sender) {
        q->sender->more(q, q->sender);
    } else if (q->refused) {
        q->refused = false;
        if (q->calls && q->calls->drained)
            q->calls->drained(q);
    }
}

/* All is answered, and nothing more is read. */
static void finish(struct conn *c)
{
    bool unread = c->receiving || c->lingering_due;
    if (c->receiving && c->receiving->popped) {
        reel_request_free(c->site, c->receiving);
        c->receiving = NULL;
    }
    if (unread && !c->eof && reel_shutdown_write(c->t) == 0) {
        c->lingering = true; /* to close over unread bytes would be a reset, and lose the answer */
    } else {
        c->over = true;
        reel_close(c->t);
    }
}

void reel_conn_settle(struct conn *c)
{
    while (c->first && !c->over) {
        struct reel_http_request *q = c->first;
        if (!flush_waiting(c, q)) {
            look_again(c);
            break;
        }
        if (q->state != ANSWER_ENDED)
            tell_room(c, q);
        if (q->state != ANSWER_ENDED)
            break;
        pop(c);
    }
    if (c->over || c->lingering)
        return;
    if (!c->first && (c->last || c->eof))
        finish(c);
    else if (c->stalled && !is_blocked(c)) {
        c->stalled = false;
        reel_resume_reading(c->t);
    }
    if (!c->in_data)
        arm_by_state(c);
}

void reel_conn_run_woken(struct reel_call *call)
{
    struct reel_http_site *site = CONTAINER_OF(call, struct reel_http_site, call);
    struct reel_link round, *link = NULL;
    site->called = false;
    list_move_all(&site->woken, &round);
    while ((link = list_take(&round)))
        reel_conn_settle(CONTAINER_OF(link, struct conn, woken_link));
    reel_site_release(site);
}

static void conn_full(struct reel_transport *t)
{
    struct conn *c = reel_state(t);
    c->full = true;
}

static void conn_drained(struct reel_transport *t)
{
    struct conn *c = reel_state(t);
    c->full = false;
    reel_conn_settle(c);
}

/* ---- Time. ---- */

/* Whether some of what waits has left since the last look. */
static bool is_moving(struct conn *c)
{
    uint64_t sent = c->written - reel_write_pending(c->t);
    if (c->first && c->first->sender)
        sent -= c->first->sender->piece.len;
    bool moves = sent != c->seen_sent;
    c->seen_sent = sent;
    return moves;
}

static void on_quiet(struct conn *c)
{
    bool waits = reel_write_pending(c->t) > 0;
    int64_t ns = time_of(c, (enum phase)c->phase);
    if (waits && !is_moving(c))
        give_up(c, -ETIMEDOUT);
    else if (waits)
        reel_timer_start(&c->timer, ns);
    else if (c->phase == PHASE_IDLE) {
        c->over = true;
        reel_close(c->t);
    }
}

static void on_slow_body(struct conn *c)
{
    const struct reel_http_options *o = &c->site->options;
    uint64_t seconds = (uint64_t)(o->body_ns / REEL_SECOND);
    uint64_t least = seconds ? seconds * o->body_rate : 1;
    bool blocked = !c->receiving || c->receiving->paused || reel_write_pending(c->t) > 0;
    if (c->body_since < least && !blocked) {
        on_fault(c, 408);
        reel_conn_settle(c);
        return;
    }
    c->body_since = 0;
    reel_timer_start(&c->timer, o->body_ns);
}

static void on_timer(struct reel_timer *timer)
{
    struct conn *c = CONTAINER_OF(timer, struct conn, timer);
    switch ((enum phase)c->phase) {
    case PHASE_NONE: break;
    case PHASE_HEAD:
        if (c->head_begun) {
            on_fault(c, 408);
            reel_conn_settle(c);
        } else {
            c->over = true;
            reel_close(c->t);
        }
        break;
    case PHASE_BODY: on_slow_body(c); break;
    case PHASE_IDLE:
    case PHASE_BUSY: on_quiet(c); break;
    case PHASE_LINGER:
        c->over = true;
        reel_close(c->t);
        break;
    }
}

/* ---- The end. ---- */

static void end_requests(struct conn *c, int reason)
{
    struct reel_http_request *q = NULL;
    if (c->receiving && c->receiving->popped)
        reel_request_free(c->site, c->receiving);
    c->receiving = NULL;
    while ((q = c->first)) {
        c->first = q->next;
        q->reason = reason;
        if (q->state != ANSWER_ENDED) {
            q->broken = q->is_gone = true;
            if (q->calls && q->calls->gone)
                q->calls->gone(q, reason);
        }
        reel_request_over(q);
        reel_request_free(c->site, q);
    }
    c->end = &c->first;
}

void reel_conn_fini(struct conn *c, int reason)
{
    struct reel_http_site *site = c->site;
    c->over = true;
    end_requests(c, reason);
    if (c->timer_is_ready)
        reel_timer_fini(&c->timer);
    list_remove(&c->link);
    list_remove(&c->woken_link);
    reel_site_memory(site, c->fields, 0);
    c->fields = NULL;
    site->connections--;
}

static void conn_lost(struct reel_transport *t, int reason)
{
    struct conn *c = reel_state(t);
    struct reel_http_site *site = c->site;
    reel_conn_fini(c, reason);
    reel_site_release(site);
}

const struct reel_protocol reel_http_protocol = {
    .name_z = "http",
    .state_size = sizeof(struct conn) > REEL_HTTP_UPGRADE_STATE ? sizeof(struct conn)
                                                                : REEL_HTTP_UPGRADE_STATE,
    .made = conn_made,
    .data = conn_data,
    .eof = conn_eof,
    .full = conn_full,
    .drained = conn_drained,
    .lost = conn_lost,
};
