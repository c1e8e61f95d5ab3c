#include "session/ssh_service.h"

#include "session/connection.h"
#include "session/text.h"
#include "ssh/profile.h"

#include <stdlib.h>

enum {
    MS_US = 1000,
    RECORDS_KEEP_BYTES = 1024, /* for the next ones */
    SILENT_SLICE = 10000,      /* instructions of a guest while an answer waits for its time */
    MACHINE_PORT = 22, /* where its sshd listens; what leads from there to us is not seen in it */
};

struct event session_event(const struct session_connection *c, enum event_type type)
{
    return session_journal_event(&c->journal, type, c->now_us);
}

void session_put(struct session_connection *c, const struct event *e)
{
    session_journal_put(&c->journal, e);
}

void session_put_limit(struct session_connection *c, const char *name_z, int64_t value)
{
    struct event e = session_event(c, EVENT_SESSION_LIMIT);
    struct buffer text;
    buffer_init(&text, 32);
    event_text_z(&e, FIELD_LIMIT, name_z);
    if (buffer_printf(&text, "%lld", (long long)value) == 0)
        event_text(&e, FIELD_VALUE, buffer_span(&text));
    session_put(c, &e);
    buffer_fini(&text);
}

void session_limit(struct session_connection *c, const char *name_z, int64_t value)
{
    session_put_limit(c, name_z, value);
    ssh_disconnect(c->ssh, 0, NULL);
    c->ended = true;
}

static void starting(struct session_connection *c)
{
    struct session_host *host = c->host;
    c->starting = true;
    c->starting_next = host->starting;
    if (c->starting_next != NULL)
        c->starting_next->starting_prev = c;
    host->starting = c;
    host->startups++;
}

void session_started(struct session_connection *c)
{
    if (!c->starting)
        return;
    c->starting = false;
    c->host->startups--;
    *(c->starting_prev != NULL ? &c->starting_prev->starting_next : &c->host->starting) =
        c->starting_next;
    if (c->starting_next != NULL)
        c->starting_next->starting_prev = c->starting_prev;
}

/* Nobody asks with so many connections that it would matter: a host that counts those of one
 * address has few of all. */
static uint32_t starting_from(const struct session_host *host, struct span src_ip)
{
    uint32_t count = 0;
    for (const struct session_connection *c = host->starting; c != NULL; c = c->starting_next)
        count += span_equal(c->peer.src_ip, src_ip);
    return count;
}

static bool is_dropped(struct session_connection *c)
{
    const struct session_config *config = &c->host->config;
    bool counts = ssh_server_profile(config->ssh_server)->startups_of_one > 0;
    uint32_t of_one = counts ? starting_from(c->host, c->peer.src_ip) : 0;
    return config->startups_limited &&
           ssh_server_drops(config->ssh_server, c->host->startups, of_one, &c->rng);
}

/* ---- Life ---- */

static void connection_free(void *self)
{
    struct session_connection *c = self;
    if (c == NULL)
        return;
    session_started(c);
    for (uint32_t i = 0; i < c->channels_used; i++)
        session_channel_drop(c, i);
    session_forward_fini(c);
    session_inner_fini(c);
    (void)crypto_hash_end(c->file.hash, NULL);
    kernel_free(c->outer == NULL ? c->kernel : NULL);
    ssh_free(c->ssh);
    crypto_rng_wipe(&c->rng);
    session_visitor_fini(c);
    free(c->channels);
    session_journal_fini(&c->journal);
    arena_fini(&c->arena);
    free(c);
}

static void draw_id(struct session_connection *c)
{
    uint8_t bytes[SESSION_ID_CHARS / 2];
    crypto_rng_bytes(&c->rng, bytes, sizeof(bytes));
    session_text_hex(span_of(bytes, sizeof(bytes)), c->id_z);
}

static void set_origin(struct session_connection *c, const struct session_peer *peer)
{
    c->peer = (struct session_peer){
        .src_ip = arena_copy(&c->arena, peer->src_ip),
        .dst_ip = arena_copy(&c->arena, peer->dst_ip),
        .src_port = peer->src_port,
        .dst_port = MACHINE_PORT,
    };
    c->journal.origin = (struct event_origin){
        .session = span_z(c->id_z),
        .protocol = span_z("ssh"),
        .src_ip = c->peer.src_ip,
        .dst_ip = c->peer.dst_ip,
        .src_port = peer->src_port,
        .dst_port = peer->dst_port,
    };
}

static struct session_connection *make(struct session_host *host, const struct session_peer *peer,
                                       const uint8_t seed[32], int64_t now_us)
{
    struct session_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    *c = (struct session_connection){
        .host = host, .now_us = now_us, .start_us = now_us, .step_us = now_us, .input_us = now_us};
    arena_init(&c->arena, SESSION_ARENA_BYTES);
    session_journal_init(&c->journal, &host->sensor);
    session_visitor_init(c);
    crypto_rng_init(&c->rng, seed);
    draw_id(c);
    set_origin(c, peer);
    return c;
}

/* Its machine; NULL: out of memory, and the connection is gone. */
static struct session_connection *begin(struct session_connection *c, bool dropped)
{
    const struct ssh_server *server = c->host->config.ssh_server;
    uint8_t ssh_seed[SSH_SEED_BYTES];
    crypto_rng_bytes(&c->rng, ssh_seed, sizeof(ssh_seed));
    c->ssh = dropped ? ssh_new_dropped(server, ssh_seed, c->now_us)
                     : ssh_new(server, ssh_seed, c->now_us);
    crypto_wipe(ssh_seed, sizeof(ssh_seed));
    if (c->ssh != NULL)
        return c;
    connection_free(c);
    return NULL;
}

static void *connection_new(struct session_host *host, const struct session_peer *peer,
                            const uint8_t seed[32], int64_t now_us)
{
    struct session_connection *c = make(host, peer, seed, now_us);
    bool dropped = c != NULL && is_dropped(c);
    c = c != NULL ? begin(c, dropped) : NULL;
    if (c == NULL)
        return NULL;
    host->counters.connections++;
    struct event e = session_event(c, EVENT_SESSION_CONNECT);
    session_put(c, &e);
    if (dropped) {
        session_put_limit(c, "MaxStartups", host->startups);
    } else {
        starting(c);
    }
    return c;
}

struct session_connection *session_new_within(struct session_connection *outer, int line,
                                              const struct session_peer *peer)
{
    uint8_t seed[CRYPTO_RNG_SEED_BYTES];
    crypto_rng_bytes(&outer->rng, seed, sizeof(seed));
    struct session_connection *c = make(outer->host, peer, seed, outer->now_us);
    crypto_wipe(seed, sizeof(seed));
    if (c == NULL)
        return NULL;
    c->outer = outer;
    c->kernel = outer->kernel;
    c->line = line;
    c = begin(c, false);
    if (c == NULL)
        return NULL;
    struct event e = session_event(c, EVENT_SESSION_CONNECT);
    session_put(c, &e);
    e = session_event(c, EVENT_SESSION_INNER);
    event_text_z(&e, FIELD_OUTER, outer->id_z);
    session_put(c, &e);
    return c;
}

/* ---- Work ---- */

static bool is_channel_event(enum ssh_event_type type)
{
    switch (type) {
    case SSH_EVENT_CHANNEL_OPEN:
    case SSH_EVENT_CHANNEL_CONFIRMED:
    case SSH_EVENT_CHANNEL_REFUSED:
    case SSH_EVENT_CHANNEL_REQUEST:
    case SSH_EVENT_CHANNEL_DATA:
    case SSH_EVENT_CHANNEL_EOF:
    case SSH_EVENT_CHANNEL_CLOSE:
    case SSH_EVENT_CHANNEL_WINDOW: return true;
    default: return false;
    }
}

static bool take_client_events(struct session_connection *c)
{
    bool moved = false;
    struct ssh_event event;
    while (!c->ended && !session_visitor_is_awaited(c) && session_journal_has_room(&c->journal) &&
           ssh_next(c->ssh, &event) == 1) {
        if (is_channel_event(event.type))
            session_channel_event(c, &event);
        else
            session_client_event(c, &event);
        moved = true;
    }
    return moved;
}

static bool take_kernel_events(struct session_connection *c)
{
    bool moved = false;
    struct kernel_event event;
    while (c->kernel != NULL && c->outer == NULL && !c->file.busy &&
           session_journal_has_room(&c->journal) && kernel_next(c->kernel, &event) == 1) {
        session_seen(c, &event);
        moved = true;
    }
    return moved;
}

void session_put_gap(struct session_connection *c, int64_t records)
{
    struct event e = session_event(c, EVENT_RECORD_GAP);
    event_number(&e, FIELD_RECORDS, records);
    event_number(&e, FIELD_BYTES, 0);
    event_text_z(&e, FIELD_ERROR, "out of memory");
    session_put(c, &e);
}

/* Told as soon as there is memory again: one that cannot be put counts too. */
static void note_lost_records(struct session_connection *c)
{
    uint64_t lost = c->journal.lost;
    if (lost == 0)
        return;
    c->journal.lost = 0;
    session_put_gap(c, (int64_t)lost);
    if (c->journal.lost > 0)
        c->journal.lost = lost;
    else
        c->host->counters.records_lost += lost;
}

static void check_limits(struct session_connection *c)
{
    const struct session_limits *limits = &c->host->config.limits;
    int64_t total_ms = (c->now_us - c->start_us) / MS_US;
    int64_t idle_ms = (c->now_us - c->input_us) / MS_US;
    if (c->ended || c->outer != NULL)
        return;
    if (total_ms >= limits->total_ms)
        session_limit(c, "total_ms", total_ms);
    else if (c->logged_in && idle_ms >= limits->idle_ms)
        session_limit(c, "idle_ms", idle_ms);
    else if (c->output_bytes > limits->output_bytes)
        session_limit(c, "output_bytes", (int64_t)c->output_bytes);
}

/* Does all that can be done now; whether there was any. Everything that could be possible again
 * comes through here. */
bool session_work(struct session_connection *c, int64_t now_us)
{
    if (now_us > c->now_us)
        c->now_us = now_us;
    bool moved = true;
    unsigned rounds = 0;
    session_visitor_tick(c);
    for (; moved && !c->ended; rounds++) {
        moved = take_client_events(c);
        moved |= take_kernel_events(c);
        moved |= c->forwards != NULL && session_forward_pump(c);
        for (uint32_t i = 0; !c->ended && i < c->channels_used; i++)
            moved |= session_channel_pump(c, i);
        moved |= !c->ended && session_inner_pump(c);
        check_limits(c);
    }
    (void)take_kernel_events(c);
    note_lost_records(c);
    return rounds > 1;
}

/* ---- The doors ---- */

static size_t connection_feed(void *self, struct span bytes, int64_t now_us)
{
    struct session_connection *c = self;
    if (c->ended || !session_journal_has_room(&c->journal))
        return 0;
    size_t n = ssh_feed(c->ssh, bytes, now_us);
    if (n > 0)
        c->input_us = now_us;
    session_work(c, now_us);
    return n;
}

static void connection_feed_end(void *self, int64_t now_us)
{
    struct session_connection *c = self;
    ssh_feed_end(c->ssh, now_us);
    session_work(c, now_us);
}

static struct span connection_out(void *self)
{
    struct session_connection *c = self;
    return ssh_out(c->ssh);
}

static void connection_sent(void *self, size_t n)
{
    struct session_connection *c = self;
    ssh_sent(c->ssh, n);
    session_work(c, c->now_us);
}

static int connection_traffic(const void *self)
{
    const struct session_connection *c = self;
    return ssh_traffic(c->ssh);
}

static enum service_state connection_state(const void *self)
{
    const struct session_connection *c = self;
    switch (ssh_state(c->ssh)) {
    case SSH_OPEN: return SERVICE_OPEN;
    case SSH_CLOSE: return SERVICE_CLOSE;
    case SSH_ABORT: break;
    }
    return SERVICE_ABORT;
}

/* What was written is kept as far as there is room for it. */
static void finish_files(struct session_connection *c)
{
    while (c->file.busy && session_journal_has_room(&c->journal)) {
        session_file_go_on(c);
        if (!c->file.busy)
            (void)take_kernel_events(c);
    }
    session_file_give_up(c);
}

static void leave_machine(struct session_connection *c)
{
    session_visitor_farewell(c);
    if (c->kernel != NULL)
        kernel_end(c->kernel); /* what is open is closed, and told */
    (void)take_kernel_events(c);
    finish_files(c);
    session_visitor_leave(c);
}

static void connection_lost(void *self, int64_t now_us)
{
    struct session_connection *c = self;
    if (now_us > c->now_us)
        c->now_us = now_us;
    c->ended = true;
    session_started(c);
    for (uint32_t i = 0; i < c->channels_used; i++)
        session_channel_drop(c, i);
    session_forward_fini(c);
    session_inner_fini(c);
    if (c->outer == NULL)
        leave_machine(c);
    session_tell_steps(c);
    note_lost_records(c);
    struct event e = session_event(c, EVENT_SESSION_CLOSED);
    event_duration(&e, (c->now_us - c->start_us) / MS_US);
    session_put(c, &e);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t connection_deadline_us(const void *self)
{
    const struct session_connection *c = self;
    const struct session_limits *limits = &c->host->config.limits;
    if (c->ended)
        return INT64_MAX;
    if (c->outer != NULL) /* whose limits hold for both */
        return ssh_deadline(c->ssh);
    int64_t at = c->start_us + limits->total_ms * MS_US;
    at = earlier(at, session_visitor_deadline_us(c));
    if (c->logged_in)
        at = earlier(at, c->input_us + limits->idle_ms * MS_US);
    /* Without room for records nothing could be done then. */
    if (!session_journal_has_room(&c->journal))
        return at;
    at = earlier(at, ssh_deadline(c->ssh));
    at = earlier(at, session_inner_deadline_us(c));
    int64_t kernel_ms = c->kernel != NULL ? kernel_deadline(c->kernel) : INT64_MAX;
    return kernel_ms < at / MS_US ? kernel_ms * MS_US : at;
}

static void connection_tick(void *self, int64_t now_us)
{
    struct session_connection *c = self;
    if (!c->ended)
        ssh_tick(c->ssh, now_us);
    session_inner_tick(c);
    session_work(c, now_us);
}

static bool connection_has_guests(const void *self)
{
    const struct session_connection *c = self;
    return c->kernel != NULL || c->visitor.machine != NULL;
}

/* Nobody types: room that nothing stands in goes back with the machine's. */
void session_rest(struct session_connection *c)
{
    session_inner_rest(c);
    ssh_rest(c->ssh);
    buffer_shrink(&c->journal.frames, 0);
    for (uint32_t i = 0; i < c->channels_used; i++)
        session_channel_rest(c, i);
}

static bool connection_run(void *self, uint64_t budget, int64_t now_us)
{
    struct session_connection *c = self;
    if (c->visitor.machine != NULL && !c->ended) {
        if (now_us > c->now_us)
            c->now_us = now_us;
        bool more = session_visitor_run(c, budget);
        return session_work(c, now_us) || more;
    }
    if (c->kernel == NULL || c->ended || !session_journal_has_room(&c->journal))
        return false;
    if (ssh_is_silent(c->ssh) && budget > SILENT_SLICE)
        budget = SILENT_SLICE;
    if (c->file.busy) {
        session_file_go_on(c);
        (void)session_work(c, now_us);
        return !c->ended && session_journal_has_room(&c->journal);
    }
    enum kernel_state state = kernel_run(c->kernel, budget, now_us / MS_US);
    /* What was moved may be what an idle guest waits for: input, or room for its output. */
    bool moved = session_work(c, now_us);
    if (!moved && state == KERNEL_IDLE && kernel_is_at_rest(c->kernel))
        session_rest(c);
    return (moved || state == KERNEL_BUSY) && !c->ended && session_journal_has_room(&c->journal);
}

static bool connection_answered(void *self, const struct frame_visit *visit, int64_t now_us)
{
    struct session_connection *c = self;
    if (c->ended)
        return span_equal(visit->session, c->journal.origin.session);
    if (!session_visitor_answer(c, visit))
        return false;
    session_work(c, now_us);
    return true;
}

static struct span connection_record(void *self)
{
    struct session_connection *c = self;
    session_visitor_put(c);
    return buffer_span(&c->journal.frames);
}

static void connection_recorded(void *self, size_t n)
{
    struct session_connection *c = self;
    bool was_full = !session_journal_has_room(&c->journal);
    buffer_take(&c->journal.frames, n);
    if (c->logged_in)
        buffer_shrink(&c->journal.frames, RECORDS_KEEP_BYTES);
    if ((was_full || c->inner != NULL) && session_journal_has_room(&c->journal))
        session_work(c, c->now_us);
}

const struct service session_ssh_service = {
    .name_z = "ssh",
    .new = connection_new,
    .feed = connection_feed,
    .feed_end = connection_feed_end,
    .out = connection_out,
    .sent = connection_sent,
    .traffic = connection_traffic,
    .state = connection_state,
    .lost = connection_lost,
    .deadline_us = connection_deadline_us,
    .tick = connection_tick,
    .has_guests = connection_has_guests,
    .run = connection_run,
    .answered = connection_answered,
    .record = connection_record,
    .recorded = connection_recorded,
    .free = connection_free,
};
