#include "lured/serve.h"

#include "kernel/kernel.h"

#include <malloc.h>
#include <netinet/in.h>
#include <reel/address.h>
#include <reel/transport.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Records of the sensor itself that may wait: a few dozen events. */
#define OWN_MAX (2 * FRAME_MAX)
/* Output that waits for a client that does not read, beside what its machine holds. */
#define QUEUE_MAX ((size_t)256 * 1024)

/* A service is looked at once a day at least. */
#define TIMER_MAX_US INT64_C(86400000000)

struct serve_connection {
    struct serve *serve;
    const struct service *service;
    void *self;
    struct reel_transport *transport; /* NULL: lost */
    struct reel_timer timer;
    struct serve_connection *all_next, *all_prev;
    struct serve_connection *run_next, *run_prev; /* in the queue of those that run */
    bool queued;                                  /* is in the queue */
    int64_t used_ns;                              /* time of the processor: its place there */
    bool held;                                    /* did not take all of its input */
    bool blocked;                                 /* the recorder did not take all of its records */
    bool marked;                                  /* its service has said how it is to travel */
};

static void pump(struct serve_connection *c);

int64_t serve_now_us(const struct serve *serve)
{
    return serve->clock_us + (reel_now_ns(serve->reactor) - serve->clock_ns) / REEL_US;
}

/* The wall clock may be set; what a connection sees must not jump. */
static void set_clock(struct serve *serve)
{
    serve->clock_us = reel_wall_us(serve->reactor);
    serve->clock_ns = reel_now_ns(serve->reactor);
}

/* ---- Those that run ---- */

static int64_t thread_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * REEL_SECOND + now.tv_nsec;
}

static void unqueue_run(struct serve_connection *c)
{
    struct serve *serve = c->serve;
    if (!c->queued)
        return;
    *(c->run_prev != NULL ? &c->run_prev->run_next : &serve->first) = c->run_next;
    *(c->run_next != NULL ? &c->run_next->run_prev : &serve->last) = c->run_prev;
    c->queued = false;
    c->run_next = c->run_prev = NULL;
}

/* In the order of what they have used. Whoever has waited comes before those that compute, but no
 * more than SERVE_CREDIT_NS before: no pause, however long, earns more. */
static void queue_run(struct serve_connection *c)
{
    struct serve *serve = c->serve;
    if (c->transport == NULL || c->queued || !c->service->has_guests(c->self))
        return;
    if (c->used_ns < serve->used_ns - SERVE_CREDIT_NS)
        c->used_ns = serve->used_ns - SERVE_CREDIT_NS;
    struct serve_connection *before = serve->last;
    while (before != NULL && before->used_ns > c->used_ns)
        before = before->run_prev;
    c->queued = true;
    c->run_prev = before;
    c->run_next = before != NULL ? before->run_next : serve->first;
    *(c->run_prev != NULL ? &c->run_prev->run_next : &serve->first) = c;
    *(c->run_next != NULL ? &c->run_next->run_prev : &serve->last) = c;
    reel_idle_start(&serve->idle);
}

static void trim_later(struct serve *serve)
{
    if (serve->trims)
        return;
    serve->trims = true;
    reel_timer_start(&serve->trim_timer, SERVE_TRIM_MS * REEL_MS);
}

/* Machines that have come to rest leave holes, which malloc would keep for their like. */
static void on_trim(struct reel_timer *timer)
{
    struct serve *serve = (struct serve *)((char *)timer - offsetof(struct serve, trim_timer));
    serve->trims = false;
    if (serve->first == NULL)
        (void)malloc_trim(0);
    else
        trim_later(serve);
}

static bool on_idle(struct reel_idle *idle)
{
    struct serve *serve = (struct serve *)((char *)idle - offsetof(struct serve, idle));
    struct serve_connection *c = serve->first;
    if (c == NULL)
        return serve->snapshots != NULL && kernel_snapshots_work(serve->snapshots, SERVE_SLICE);
    unqueue_run(c);
    trim_later(serve);
    serve->used_ns = c->used_ns;
    int64_t start_ns = serve->cpu_ns();
    bool more = c->service->run(c->self, SERVE_SLICE, serve_now_us(serve));
    pump(c);
    more |= c->queued;
    unqueue_run(c);
    c->used_ns += serve->cpu_ns() - start_ns;
    if (more)
        queue_run(c);
    if (serve->snapshots != NULL && ++serve->turns % SERVE_MODEL_TURNS == 0)
        (void)kernel_snapshots_model(serve->snapshots, SERVE_SLICE);
    return serve->first != NULL || serve->snapshots != NULL;
}

/* ---- The doors ---- */

static void put_own(struct serve *serve)
{
    size_t n = record_client_put(serve->client, buffer_span(&serve->own));
    buffer_take(&serve->own, n);
}

/* Hands records on; true when any was taken. */
static bool pump_records(struct serve_connection *c)
{
    bool moved = false;
    struct span records = c->service->record(c->self);
    while (records.len > 0) {
        size_t n = record_client_put(c->serve->client, records);
        if (n == 0)
            break;
        c->service->recorded(c->self, n);
        records = c->service->record(c->self);
        moved = true;
    }
    c->blocked = records.len > 0;
    return moved;
}

static void set_traffic(struct serve_connection *c)
{
    int tos = c->marked ? -1 : c->service->traffic(c->self);
    if (tos < 0)
        return;
    struct reel_address peer;
    bool v6 = reel_peer(c->transport, &peer) == 0 && peer.storage.ss_family == AF_INET6;
    c->marked = true;
    /* What is no TCP socket has neither. */
    (void)reel_set_nodelay(c->transport, true);
    (void)setsockopt(reel_fd(c->transport), v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                     v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos));
}

/* Hands output on, each span as a write of its own; true when any was taken. */
static bool pump_output(struct serve_connection *c)
{
    bool moved = false;
    set_traffic(c);
    struct span out = c->service->out(c->self);
    while (out.len > 0) {
        size_t room = reel_write_room(c->transport);
        size_t n = out.len < room ? out.len : room;
        if (n == 0 || reel_write(c->transport, out.data, n) < 0)
            break;
        reel_flush(c->transport);
        c->service->sent(c->self, n);
        set_traffic(c);
        out = c->service->out(c->self);
        moved = true;
    }
    return moved;
}

static void set_timer(struct serve_connection *c)
{
    int64_t deadline_us = c->service->deadline_us(c->self);
    if (deadline_us == INT64_MAX) {
        reel_timer_stop(&c->timer);
        return;
    }
    int64_t now_us = serve_now_us(c->serve);
    int64_t delay_us = deadline_us > now_us ? deadline_us - now_us : 0;
    if (delay_us > TIMER_MAX_US)
        delay_us = TIMER_MAX_US;
    reel_timer_start(&c->timer, delay_us * REEL_US);
}

/* Moves all that can be moved; ends the connection when its machine says so. */
static void pump(struct serve_connection *c)
{
    bool moved = pump_records(c);
    moved |= pump_output(c);
    moved |= pump_records(c);
    /* A guest that waited for room may go on. */
    if (moved && !c->queued)
        queue_run(c);
    switch (c->service->state(c->self)) {
    case SERVICE_OPEN: break;
    case SERVICE_CLOSE:
        if (c->service->out(c->self).len == 0)
            reel_close(c->transport);
        break;
    case SERVICE_ABORT: reel_abort(c->transport); break;
    }
    set_timer(c);
    /* What held it may be over: a read tells. It comes back here only after something moved. */
    if (c->held && !reel_is_closing(c->transport)) {
        c->held = false;
        reel_resume_reading(c->transport);
    }
}

/* Something came in: the guests may have work. */
static void wake(struct serve_connection *c)
{
    queue_run(c);
    pump(c);
}

static void on_timer(struct reel_timer *timer)
{
    struct serve_connection *c =
        (struct serve_connection *)((char *)timer - offsetof(struct serve_connection, timer));
    c->service->tick(c->self, serve_now_us(c->serve));
    wake(c);
}

/* ---- Life of a connection ---- */

static struct serve_connection **slot_of(struct reel_transport *t)
{
    return reel_state(t);
}

static void release(struct serve_connection *c)
{
    struct serve *serve = c->serve;
    reel_timer_fini(&c->timer);
    c->service->free(c->self);
    if (serve->all == c)
        serve->all = c->all_next;
    else
        c->all_prev->all_next = c->all_next;
    if (c->all_next != NULL)
        c->all_next->all_prev = c->all_prev;
    free(c);
    if (--serve->connections == 0 && serve->on_empty != NULL)
        serve->on_empty(serve);
}

/* A connection is refused: told soon, with those that follow. */
static void shed(struct serve *serve)
{
    serve->shed++;
    if (!reel_timer_is_active(&serve->shed_timer))
        reel_timer_start(&serve->shed_timer, SERVE_SHED_MS * REEL_MS);
}

/* Its self from the service, with the addresses as text. */
static void *new_self(const struct serve_port *port, struct reel_transport *t)
{
    char src_z[REEL_ADDRESS_TEXT_MAX] = "";
    char dst_z[REEL_ADDRESS_TEXT_MAX] = "";
    struct reel_address src = {.length = 0};
    struct reel_address dst = {.length = 0};
    uint8_t seed[CRYPTO_RNG_SEED_BYTES];
    (void)reel_peer(t, &src);
    (void)reel_host(t, &dst);
    struct session_peer peer = {.src_ip = span_z(reel_address_host(&src, src_z, sizeof(src_z))),
                                .dst_ip = span_z(reel_address_host(&dst, dst_z, sizeof(dst_z))),
                                .src_port = reel_address_port(&src),
                                .dst_port = reel_address_port(&dst)};
    crypto_rng_bytes(&port->serve->rng, seed, sizeof(seed));
    return port->service->new (port->host, &peer, seed, serve_now_us(port->serve));
}

static void on_made(struct reel_transport *t)
{
    const struct serve_port *port = reel_shared(t);
    struct serve *serve = port->serve;
    struct serve_connection *c = calloc(1, sizeof(*c));
    if (c != NULL && reel_timer_init(&c->timer, serve->reactor, on_timer) < 0) {
        free(c);
        c = NULL;
    }
    if (serve->connections == 0)
        set_clock(serve);
    void *self = c == NULL ? NULL : new_self(port, t);
    if (self == NULL) {
        if (c != NULL)
            reel_timer_fini(&c->timer);
        free(c);
        shed(serve);
        reel_abort(t);
        return;
    }
    c->serve = serve;
    c->service = port->service;
    c->self = self;
    c->transport = t;
    c->used_ns = serve->used_ns;
    c->all_next = serve->all;
    if (serve->all != NULL)
        serve->all->all_prev = c;
    serve->all = c;
    serve->connections++;
    *slot_of(t) = c;
    pump(c);
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct serve_connection *c = *slot_of(t);
    if (c == NULL)
        return len;
    size_t taken = 0;
    while (taken < len) {
        size_t n =
            c->service->feed(c->self, span_of(data + taken, len - taken), serve_now_us(c->serve));
        taken += n;
        bool moved = pump_records(c);
        moved |= pump_output(c);
        /* One that took nothing may have answered, and take more once that is out. */
        if (n == 0 && !moved)
            break;
    }
    if (taken > 0)
        wake(c);
    c->held = taken < len;
    return taken;
}

static void on_eof(struct reel_transport *t)
{
    struct serve_connection *c = *slot_of(t);
    if (c == NULL)
        return;
    c->service->feed_end(c->self, serve_now_us(c->serve));
    wake(c);
}

static void on_drained(struct reel_transport *t)
{
    struct serve_connection *c = *slot_of(t);
    if (c != NULL)
        wake(c);
}

/* The connection is gone; its last records appear. */
static void detach(struct serve_connection *c)
{
    c->service->lost(c->self, serve_now_us(c->serve));
    unqueue_run(c);
    reel_timer_stop(&c->timer);
    *slot_of(c->transport) = NULL;
    c->transport = NULL;
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct serve_connection *c = *slot_of(t);
    (void)reason;
    if (c == NULL)
        return;
    detach(c);
    (void)pump_records(c);
    if (!c->blocked)
        release(c);
}

static const struct reel_protocol PROTOCOL = {
    .name_z = "session",
    .state_size = sizeof(struct serve_connection *),
    .made = on_made,
    .data = on_data,
    .eof = on_eof,
    .drained = on_drained,
    .lost = on_lost,
};

static bool on_accept(const struct reel_factory *factory, const struct reel_address *peer)
{
    const struct serve_port *port = factory->shared;
    struct serve *serve = port->serve;
    (void)peer;
    if (serve->connections < serve->connections_max)
        return true;
    shed(serve);
    return false;
}

/* ---- All of them ---- */

static void on_shed(struct reel_timer *timer)
{
    struct serve *serve = (struct serve *)((char *)timer - offsetof(struct serve, shed_timer));
    struct event e = event_make(EVENT_OVERLOAD, NULL, reel_wall_us(serve->reactor));
    event_text_z(&e, FIELD_REASON, "limits.sessions");
    event_number(&e, FIELD_RECORDS, (int64_t)serve->shed);
    serve->shed = 0;
    serve_tell(serve, &e);
}

void serve_tell(struct serve *serve, const struct event *e)
{
    if (frame_put_event(&serve->own, e, &serve->sensor) < 0)
        serve->shed++; /* counted at least; the buffer holds dozens */
    put_own(serve);
}

void serve_on_visit(struct serve *serve, const struct frame_visit *visit)
{
    struct serve_connection *c = serve->all;
    while (c != NULL &&
           (c->transport == NULL || !c->service->answered(c->self, visit, serve_now_us(serve))))
        c = c->all_next;
    if (c != NULL)
        wake(c);
}

void serve_on_room(struct serve *serve)
{
    put_own(serve);
    for (struct serve_connection *c = serve->all; c != NULL;) {
        struct serve_connection *next = c->all_next;
        if (c->blocked && c->transport == NULL) {
            (void)pump_records(c);
            if (!c->blocked)
                release(c);
        } else if (c->blocked) {
            wake(c);
        }
        c = next;
    }
}

void serve_stop(struct serve *serve)
{
    for (struct serve_connection *c = serve->all; c != NULL; c = c->all_next)
        if (c->transport != NULL)
            reel_abort(c->transport);
    if (serve->connections == 0 && serve->on_empty != NULL)
        serve->on_empty(serve);
}

int serve_init(struct serve *serve, struct reel_reactor *r, struct record_client *client,
               const struct event_sensor *sensor, const uint8_t seed[CRYPTO_RNG_SEED_BYTES])
{
    memset(serve, 0, sizeof(*serve));
    serve->reactor = r;
    serve->client = client;
    serve->sensor = *sensor;
    serve->cpu_ns = thread_cpu_ns;
    serve->connections_max = SIZE_MAX;
    crypto_rng_init(&serve->rng, seed);
    buffer_init(&serve->own, OWN_MAX);
    reel_idle_init(&serve->idle, r, on_idle);
    set_clock(serve);
    int rc = reel_timer_init(&serve->shed_timer, r, on_shed);
    return rc != 0 ? rc : reel_timer_init(&serve->trim_timer, r, on_trim);
}

void serve_fini(struct serve *serve)
{
    serve->on_empty = NULL;
    for (struct serve_connection *c = serve->all; c != NULL;) {
        struct serve_connection *next = c->all_next;
        if (c->transport != NULL)
            detach(c);
        (void)pump_records(c);
        release(c);
        c = next;
    }
    reel_timer_fini(&serve->shed_timer);
    reel_timer_fini(&serve->trim_timer);
    reel_idle_stop(&serve->idle);
    buffer_fini(&serve->own);
    crypto_rng_wipe(&serve->rng);
}

void serve_port_init(struct serve_port *port, struct serve *serve, const struct service *service,
                     struct session_host *host)
{
    *port = (struct serve_port){.serve = serve, .service = service, .host = host};
    port->factory = (struct reel_factory){
        .protocol = &PROTOCOL,
        .shared = port,
        .accepts = on_accept,
        /* Real servers read on while a client does not; the machines bound what waits. They leave
         * Nagle's algorithm on and ask for probes of connections that are silent. */
        .options = {
            .queue_max = QUEUE_MAX, .read_while_full = true, .delay = true, .keep_alive = true}};
}
