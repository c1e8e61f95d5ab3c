/* Connections of a simulated network: the ends of a wire whose course is the path between two hosts,
 * and the handshake before. */
#include "reel/simulated.h"
#include "reel/wire.h"

#include <errno.h>

enum { RESENDS_MAX = 8 }; /* then what is lost arrives after all */

/* What the end waits for before it is made. */
enum dial {
    DIAL_REST,        /* nobody answered: to be asked again */
    DIAL_ASKED,       /* the question is on its way there */
    DIAL_UNREACHABLE, /* the answers are on their way back */
    DIAL_REFUSED,
    DIAL_WELCOME,
    DIAL_CONFIRMED, /* a server's end: the client's confirmation is on its way to here */
};

struct sim_end {
    struct wire_end wire;
    struct reel_simulation *simulation;
    struct reel_link link;
    struct reel_simulated_host *there; /* NULL: nobody has the address */
    struct simulated_place own;
    struct reel_address peer;
    struct reel_timer timer;
    enum dial dial;
    int64_t retry_ns;
    int64_t free_ns;     /* the way to here has taken what was sent so far */
    int64_t last_ns;     /* arrival of the last that was sent to here */
    uint64_t reset_left; /* so many bytes go from here before a reset; UINT64_MAX: there is none */
};

static struct sim_end *sim_of(const struct reel_transport *t)
{
    return CONTAINER_OF(t, struct sim_end, wire.t);
}

static int64_t now_of(const struct sim_end *end)
{
    return end->simulation->reactor->now_ns;
}

static const struct reel_path *path_from(const struct sim_end *end)
{
    return reel_simulation_path(end->simulation, end->own.host, end->there);
}

static const struct reel_path *path_to(const struct sim_end *end)
{
    return reel_simulation_path(end->simulation, end->there, end->own.host);
}

/* A loss is a delay, for TCP sends again; and nothing overtakes. */
static int64_t arrives_ns(struct wire_end *wire, size_t len)
{
    struct sim_end *end = CONTAINER_OF(wire, struct sim_end, wire);
    struct reel_simulation *s = end->simulation;
    const struct reel_path *path = path_to(end);
    int64_t resend_ns = path->resend_ns ? path->resend_ns : REEL_SIMULATION_RESEND_NS;
    int64_t sent_ns = end->free_ns > now_of(end) ? end->free_ns : now_of(end);
    if (path->bytes_per_second)
        sent_ns += (int64_t)(len * UINT64_C(1000000000) / path->bytes_per_second);
    end->free_ns = sent_ns;
    int64_t at_ns = reel_simulation_after(s, path, sent_ns);
    for (int i = 0; i < RESENDS_MAX && reel_simulation_chance(s, path->lose_ppm); i++)
        at_ns += resend_ns << i;
    if (reel_simulation_chance(s, path->reorder_ppm))
        at_ns += path->reorder_ns ? path->reorder_ns : REEL_SIMULATION_RESEND_NS;
    end->last_ns = at_ns > end->last_ns ? at_ns : end->last_ns;
    return end->last_ns;
}

static const struct wire_course course = {arrives_ns};

/* To nobody: the reset comes back. */
static ssize_t send_to_nobody(struct sim_end *end, const struct iovec *parts, int count)
{
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    if (!end->wire.broken)
        reel_wire_break(&end->wire, -ECONNRESET,
                        arrives_ns(&end->wire, 0) + path_from(end)->delay_ns);
    return (ssize_t)len;
}

static void reset_both(struct sim_end *end)
{
    struct sim_end *other = sim_of(&end->wire.other->t);
    int64_t at_ns = other->last_ns + 1;
    reel_wire_break(&other->wire, -ECONNRESET, at_ns);
    reel_wire_break(&end->wire, -ECONNRESET, at_ns + path_to(end)->delay_ns);
}

static ssize_t sim_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    struct sim_end *end = sim_of(t);
    int err = reel_wire_error(t);
    if (err < 0)
        return err;
    if (!end->wire.other)
        return send_to_nobody(end, parts, count);
    if (end->reset_left == 0)
        return -EAGAIN; /* it is on its way */
    struct reel_wire *wire = &end->wire.other->wire;
    size_t send_max = wire->send_max;
    if (send_max == 0 || send_max > end->reset_left)
        wire->send_max = end->reset_left < SIZE_MAX ? (size_t)end->reset_left : 0;
    ssize_t n = reel_wire_send(t, parts, count);
    wire->send_max = send_max;
    if (n <= 0)
        return n;
    reel_simulation_note(end->simulation, &end->own.address, &end->peer, parts, (size_t)n);
    if (end->reset_left != UINT64_MAX)
        end->reset_left -= (uint64_t)n;
    if (end->reset_left == 0)
        reset_both(end);
    return n;
}

static void sim_close(struct reel_transport *t, bool reset)
{
    struct sim_end *end = sim_of(t);
    reel_wire_close(t, reset);
    reel_timer_fini(&end->timer);
    list_remove(&end->link);
}

static int sim_host(const struct reel_transport *t, struct reel_address *out)
{
    *out = sim_of(t)->own.address;
    return 0;
}

static const struct stream_io sim_io = {
    .source = {reel_wire_events},
    .size = sizeof(struct sim_end),
    .receive = reel_wire_receive,
    .send = sim_send,
    .shut = reel_wire_shut,
    .close = sim_close,
    .error = reel_wire_error,
    .host = sim_host,
};

static void on_dial(struct reel_timer *timer);

/* 0 or -ENOMEM, and then the transport can be discarded. */
static int end_init(struct sim_end *end, struct reel_simulation *s,
                    const struct simulated_place *own, const struct simulated_place *peer)
{
    end->simulation = s;
    end->own = *own;
    end->there = peer->host;
    end->peer = peer->address;
    if (reel_timer_init(&end->timer, s->reactor, on_dial) < 0)
        return -ENOMEM;
    const struct reel_path *path = path_to(end);
    const struct reel_wire wire = {
        .chunk_max = path->chunk_max, .send_max = path->send_max, .buffer_max = path->buffer_max};
    if (reel_wire_init(&end->wire, &wire) < 0) {
        reel_timer_fini(&end->timer);
        return -ENOMEM;
    }
    end->wire.course = &course;
    end->reset_left = path_from(end)->reset_at ? path_from(end)->reset_at : UINT64_MAX;
    list_put(&s->ends, &end->link);
    return 0;
}

static void expect(struct sim_end *end, enum dial dial, int64_t at_ns)
{
    end->dial = dial;
    reel_timer_start_at(&end->timer, at_ns);
}

static void rest(struct sim_end *end)
{
    end->retry_ns = end->retry_ns ? 2 * end->retry_ns : REEL_SIMULATION_RETRY_NS;
    expect(end, DIAL_REST, now_of(end) + end->retry_ns);
}

static bool is_lost(const struct sim_end *end, const struct reel_path *path)
{
    return reel_simulation_is_cut(end->simulation, end->own.host, end->there) ||
           reel_simulation_chance(end->simulation, path->lose_ppm);
}

static void ask(struct sim_end *end)
{
    const struct reel_path *path = path_from(end);
    int64_t there_ns = reel_simulation_after(end->simulation, path, now_of(end));
    if (!end->there)
        expect(end, DIAL_UNREACHABLE, there_ns);
    else if (is_lost(end, path))
        rest(end);
    else
        expect(end, DIAL_ASKED, there_ns);
}

/* The question has arrived. */
static void answer(struct sim_end *end)
{
    const struct reel_path *path = path_to(end);
    const struct reel_listener *l = reel_listener_find(end->simulation->reactor, &end->peer);
    int64_t back_ns = reel_simulation_after(end->simulation, path, now_of(end));
    if ((l && reel_listener_is_paused(l)) || is_lost(end, path))
        rest(end);
    else
        expect(end, l ? DIAL_WELCOME : DIAL_REFUSED, back_ns);
}

/* The server's end; NULL: it did not come to be. */
static struct sim_end *accept_end(struct sim_end *client)
{
    struct reel_simulation *s = client->simulation;
    struct reel_listener *l = reel_listener_find(s->reactor, &client->peer);
    struct reel_transport *t = NULL;
    if (!l || reel_listener_accept(l, &sim_io, &client->own.address, &t) < 0)
        return NULL;
    const struct simulated_place own = {client->there, client->peer};
    if (end_init(sim_of(t), s, &own, &client->own) < 0) {
        reel_stream_discard(t);
        return NULL;
    }
    return sim_of(t);
}

static void hold_cut(struct sim_end *end)
{
    bool cut = end->there && reel_simulation_is_cut(end->simulation, end->own.host, end->there);
    if (cut != end->wire.held)
        reel_wire_hold(&end->wire, cut);
}

/* The client is through, and the server will be when he hears of it. */
static void meet(struct sim_end *client)
{
    struct sim_end *server = accept_end(client);
    if (server) {
        server->wire.other = &client->wire;
        client->wire.other = &server->wire;
        server->wire.t.readable = true;
        expect(server, DIAL_CONFIRMED, arrives_ns(&server->wire, 0));
        hold_cut(server);
        hold_cut(client);
    } else {
        reel_wire_break(&client->wire, -ECONNRESET,
                        arrives_ns(&client->wire, 0) + path_from(client)->delay_ns);
    }
    client->wire.t.writable = client->wire.t.readable = true;
    reel_stream_make(&client->wire.t);
}

static void on_dial(struct reel_timer *timer)
{
    struct sim_end *end = CONTAINER_OF(timer, struct sim_end, timer);
    if (end->wire.t.dying)
        return;
    switch (end->dial) {
    case DIAL_REST: ask(end); break;
    case DIAL_ASKED: answer(end); break;
    case DIAL_UNREACHABLE: reel_stream_die(&end->wire.t, -EHOSTUNREACH); break;
    case DIAL_REFUSED: reel_stream_die(&end->wire.t, -ECONNREFUSED); break;
    case DIAL_WELCOME: meet(end); break;
    case DIAL_CONFIRMED: reel_stream_make(&end->wire.t); break;
    }
}

static int begin(struct reel_simulation *s, const struct simulated_place *own,
                 const struct fd_birth *birth, int64_t timeout_ns, struct reel_transport **out)
{
    struct reel_transport *t = NULL;
    int err = reel_stream_born(s->reactor, &sim_io, birth, &t);
    if (err < 0)
        return err;
    const struct simulated_place peer = {reel_simulation_find(s, birth->peer), *birth->peer};
    err = end_init(sim_of(t), s, own, &peer);
    if (err < 0) {
        reel_stream_discard(t);
        return err;
    }
    err = reel_stream_expect(t, timeout_ns > 0 ? timeout_ns : REEL_CONNECT_TIMEOUT_NS);
    if (err < 0) {
        sim_close(t, false);
        reel_stream_discard(t);
        return err;
    }
    ask(sim_of(t));
    *out = t;
    return 0;
}

int reel_simulation_connect(struct network *network, const struct reel_address *address,
                            const struct reel_connect_options *options,
                            const struct reel_factory *factory, struct reel_transport **out)
{
    struct reel_simulation *s = CONTAINER_OF(network, struct reel_simulation, network);
    if (*options->device_z)
        return -ENODEV;
    struct simulated_place own;
    int err = reel_simulation_place(s, &options->local, address->storage.ss_family, &own);
    if (err < 0)
        return err;
    const struct fd_birth birth = {.fd = -1,
                                   .connecting = true,
                                   .peer = address,
                                   .filters = options->filters,
                                   .factory = factory};
    struct reel_transport *t = NULL;
    err = begin(s, &own, &birth, options->timeout_ns, &t);
    if (err == 0 && out)
        *out = t;
    return err;
}

void reel_simulation_hold_cut(struct reel_simulation *s)
{
    for (struct reel_link *link = s->ends.next; link != &s->ends; link = link->next)
        hold_cut(CONTAINER_OF(link, struct sim_end, link));
}

void reel_simulation_reset(struct reel_simulated_host *host)
{
    struct reel_simulation *s = host->simulation;
    for (struct reel_link *link = s->ends.next; link != &s->ends; link = link->next) {
        struct sim_end *end = CONTAINER_OF(link, struct sim_end, link);
        if (end->wire.t.connecting)
            continue;
        if (end->own.host == host)
            reel_wire_break(&end->wire, -ECONNRESET, s->reactor->now_ns);
        else if (end->there == host)
            reel_wire_break(&end->wire, -ECONNRESET, arrives_ns(&end->wire, 0));
    }
}
