/* The guide's chat server, and the HTTP server with its client, in networks where anything happens: the
 * engine's promises hold for every seed. network_storm_test [SEED] plays one alone. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The chat server as the guide shows it, but silent. */
#define main         chat_main
#define puts(text_z) ((void)(text_z))
#define printf(...)  ((void)reason)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wreturn-type"
#include "../../docs/reel/chat.c" /* NOLINT(bugprone-suspicious-include) */
#pragma GCC diagnostic pop
#undef main
#undef puts
#undef printf

enum {
    SEEDS = 150,
    STEPS = 80,
    CLIENTS = 5,
    LIVE_BYTES_MAX = 4 << 20, /* for a handful of connections, whatever the network does */
    BODY_MAX = 20000,
};

struct world {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct reel_simulation *net;
    struct reel_simulated_host *hosts[CLIENTS + 1]; /* the server is the last */
};

static uint32_t draw(struct world *w, uint32_t below)
{
    return reel_simulation_draw(w->net, below);
}

static void open_world(struct world *w, uint32_t seed)
{
    *w = (struct world){0};
    const struct reel_reactor_options options = {.allocator = counting_allocator(&w->counts)};
    w->r = reel_test_reactor_new(&options, 0);
    assert_non_null(w->r);
    w->net = reel_simulation_new(w->r, seed);
    assert_non_null(w->net);
    for (int i = 0; i <= CLIENTS; i++) {
        char address_z[32];
        snprintf(address_z, sizeof(address_z), "10.0.0.%d", i + 1);
        w->hosts[i] = reel_simulation_host(w->net, address_z);
        assert_non_null(w->hosts[i]);
    }
    reel_simulation_use(w->hosts[CLIENTS]);
}

static void close_world(struct world *w)
{
    reel_reactor_free(w->r);
    assert_int_equal(w->counts.live, 0);
}

static struct reel_simulated_host *any_host(struct world *w)
{
    return w->hosts[draw(w, CLIENTS + 1)];
}

static void change_a_path(struct world *w)
{
    const struct reel_path path = {
        .delay_ns = draw(w, 50) * REEL_MS,
        .jitter_ns = draw(w, 2) ? 0 : draw(w, 50) * REEL_MS,
        .bytes_per_second = draw(w, 2) ? 0 : 1000 + draw(w, 100000),
        .lose_ppm = draw(w, 2) ? 0 : draw(w, 200000),
        .reorder_ppm = draw(w, 2) ? 0 : draw(w, 200000),
        .buffer_max = draw(w, 2) ? 0 : 1 + draw(w, 2000),
        .chunk_max = draw(w, 2) ? 0 : 1 + draw(w, 100),
        .send_max = draw(w, 2) ? 0 : 1 + draw(w, 100),
        .reset_at = draw(w, 4) ? 0 : 1 + draw(w, 5000),
    };
    struct reel_simulated_host *from = draw(w, 3) ? any_host(w) : NULL;
    struct reel_simulated_host *to = draw(w, 3) ? any_host(w) : NULL;
    assert_int_equal(reel_simulation_set_path(w->net, from, to, &path), 0);
}

static void storm(struct world *w)
{
    struct reel_simulated_host *a = any_host(w), *b = draw(w, 3) ? any_host(w) : NULL;
    switch (draw(w, 8)) {
    case 0: assert_int_equal(reel_simulation_cut(a, b), 0); break;
    case 1:
        if (draw(w, 4) == 0)
            reel_simulation_reset(a);
        break;
    case 2:
    case 3: change_a_path(w); break;
    default: break;
    }
    if (draw(w, 2)) {
        for (int i = 0; i <= CLIENTS; i++) {
            reel_simulation_heal(w->hosts[i], a);
            reel_simulation_heal(w->hosts[i], NULL);
        }
    }
    reel_test_advance(w->r, draw(w, 300) * REEL_MS);
    assert_true(w->counts.bytes < LIVE_BYTES_MAX);
}

/* ---- Chat. ---- */

struct chatter;

struct chat_world {
    struct world w;
    struct chatter *chatters;
    size_t heard; /* lines */
};

/* Says "ID SESSION NUMBER", with numbers that count up from 1 in each session. */
struct chatter {
    struct chat_world *world;
    struct reel_factory factory;
    struct reel_transport *t; /* NULL: has none */
    unsigned id, session, said;
    int begun, made, failed, lost;
    unsigned session_of[CLIENTS], heard_of[CLIENTS]; /* the last of each, in this connection */
};

static void chatter_made(struct reel_transport *t)
{
    struct chatter *c = reel_shared(t);
    c->made++;
    memset(c->session_of, 0, sizeof(c->session_of));
}

/* Whole lines, each sender's in order and without a gap. */
static void chatter_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    struct chatter *c = reel_shared(t);
    char text_z[64], again_z[64];
    unsigned id = 0, session = 0, number = 0;
    assert_true(len < sizeof(text_z));
    memcpy(text_z, line, len);
    text_z[len] = '\0';
    assert_int_equal(sscanf(text_z, "%u %u %u", &id, &session, &number), 3);
    snprintf(again_z, sizeof(again_z), "%u %u %u", id, session, number);
    assert_string_equal(text_z, again_z);
    assert_true(id < CLIENTS);
    const struct chatter *sender = &c->world->chatters[id];
    assert_true(session <= sender->session);
    assert_true(session < sender->session || number <= sender->said);
    /* A dead session may be heard beside its successor: the server has not noticed yet. */
    if (session == c->session_of[id])
        assert_int_equal(number, c->heard_of[id] + 1);
    if (session >= c->session_of[id]) {
        c->session_of[id] = session;
        c->heard_of[id] = number;
    }
    c->world->heard++;
}

static void chatter_failed(struct reel_transport *t, int reason)
{
    struct chatter *c = reel_shared(t);
    assert_int_not_equal(reason, 0);
    c->failed++;
    c->t = NULL;
}

static void chatter_lost(struct reel_transport *t, int reason)
{
    struct chatter *c = reel_shared(t);
    (void)reason;
    c->lost++;
    c->t = NULL;
}

static const struct reel_line_protocol chatter_protocol = {
    .protocol = {.name_z = "chatter",
                 .state_size = sizeof(struct reel_line_state),
                 .made = chatter_made,
                 .failed = chatter_failed,
                 .data = reel_line_data,
                 .lost = chatter_lost},
    .line = chatter_line,
};

static void join_chat(struct chatter *c)
{
    c->session++;
    c->said = 0;
    reel_simulation_use(c->world->w.hosts[c->id]);
    c->begun +=
        reel_connect(c->world->w.r, "tcp:10.0.0.6:8000:timeout=10", &c->factory, &c->t) == 0;
}

static void chatter_acts(struct chatter *c)
{
    struct world *w = &c->world->w;
    char line_z[64];
    if (!c->t) {
        join_chat(c);
        return;
    }
    switch (draw(w, 16)) {
    case 0: reel_close(c->t); break;
    case 1: reel_abort(c->t); break;
    case 2: reel_shutdown_write(c->t); break;
    case 3:
    case 4: reel_pause_reading(c->t); break;
    case 5:
    case 6: reel_resume_reading(c->t); break;
    default:
        for (uint32_t n = draw(w, 20); n > 0; n--) {
            int len =
                snprintf(line_z, sizeof(line_z), "%u %u %u\n", c->id, c->session, c->said + 1);
            if (reel_write(c->t, line_z, (size_t)len) == 0)
                c->said++;
        }
    }
}

static uint64_t chat_storm(uint32_t seed)
{
    struct chatter chatters[CLIENTS] = {0};
    struct chat_world world = {.chatters = chatters};
    struct reel_group everybody;
    open_world(&world.w, seed);
    reel_group_init(&everybody, REEL_GROUP_ABORT);
    const struct reel_factory factory = {
        .protocol = &chat.protocol, .shared = &everybody, .options = {.queue_max = 4000}};
    assert_int_equal(reel_listen(world.w.r, "tcp:8000", &factory, NULL), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        chatters[i] = (struct chatter){
            .world = &world,
            .id = i,
            .factory = {.protocol = &chatter_protocol.protocol, .shared = &chatters[i]}};
    for (int step = 0; step < STEPS; step++) {
        chatter_acts(&chatters[draw(&world.w, CLIENTS)]);
        storm(&world.w);
    }
    assert_true(world.heard > 0 || seed > 0);
    uint64_t digest = reel_simulation_digest(world.w.net);
    close_world(&world.w);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(chatters[i].made, chatters[i].lost);
        assert_int_equal(chatters[i].made + chatters[i].failed, chatters[i].begun);
    }
    assert_int_equal(everybody.count, 0);
    return digest;
}

/* ---- HTTP. ---- */

static uint8_t body_byte(size_t seed, size_t i)
{
    return (uint8_t)((seed * 31 + i) % 251);
}

static void give_bytes(struct reel_http_request *q, void *context)
{
    static uint8_t body[BODY_MAX];
    (void)context;
    struct reel_http_text text = reel_http_param(q, "size");
    char size_z[16];
    snprintf(size_z, sizeof(size_z), "%.*s", (int)text.len, text.data);
    size_t len = strtoul(size_z, NULL, 10);
    for (size_t i = 0; i < len && i < BODY_MAX; i++)
        body[i] = body_byte(len, i);
    reel_http_answer(q, 200, "application/octet-stream", body, len);
}

static void give_back(struct reel_http_request *q, const uint8_t *body, size_t len)
{
    reel_http_answer(q, 200, "application/octet-stream", body, len);
}

static void echo_body(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_collect(q, BODY_MAX, give_back);
}

static const struct reel_http_route routes[] = {
    {REEL_HTTP_ROUTE("GET", "/bytes/:size", give_bytes)},
    {REEL_HTTP_ROUTE("POST", "/echo", echo_body)},
    {0},
};

struct fetches {
    int begun, done, good;
    size_t lens[STEPS]; /* of what each expects */
};

struct fetch {
    struct fetches *all;
    int number, done;
};

static void on_fetched(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct fetch *fetch = context;
    (void)d;
    assert_int_equal(fetch->done++, 0);
    fetch->all->done++;
    if (result->error)
        return;
    const struct reel_http_response *response = result->pointer;
    size_t len = fetch->all->lens[fetch->number];
    assert_int_equal(response->status, 200);
    assert_int_equal(response->len, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(response->body[i], body_byte(len, i));
    fetch->all->good++;
}

static void begin_fetch(struct world *w, struct reel_http_client *client, struct fetch *fetch)
{
    char url_z[64];
    uint8_t body[BODY_MAX];
    size_t len = draw(w, 3) ? draw(w, 300) : draw(w, BODY_MAX);
    bool posts = draw(w, 3) == 0;
    fetch->all->lens[fetch->number] = len;
    for (size_t i = 0; i < len; i++)
        body[i] = body_byte(len, i);
    snprintf(url_z, sizeof(url_z), "http://10.0.0.6/bytes/%zu", len);
    const struct reel_http_ask get = {.url_z = url_z};
    const struct reel_http_ask post = {
        .method_z = "POST", .url_z = "http://10.0.0.6/echo", .body = body, .len = len};
    struct reel_deferred *d = reel_http_fetch(client, posts ? &post : &get);
    fetch->all->begun++;
    assert_int_equal(reel_deferred_done(d, on_fetched, fetch), 0);
}

static uint64_t http_storm(uint32_t seed)
{
    struct world w;
    struct fetches all = {0};
    struct fetch fetches[STEPS];
    struct reel_http_site *site = NULL;
    struct reel_http_client *client = NULL;
    struct reel_listener *l = NULL;
    open_world(&w, seed);
    const struct reel_http_client_options options = {.total_ns = 30 * REEL_SECOND};
    assert_int_equal(reel_http_site_new(w.r, routes, NULL, &site), 0);
    assert_int_equal(reel_listen(w.r, "tcp:80", reel_http_factory(site), &l), 0);
    assert_int_equal(reel_http_client_new(w.r, &options, &client), 0);
    for (int step = 0; step < STEPS; step++) {
        reel_simulation_use(w.hosts[draw(&w, CLIENTS)]);
        fetches[step] = (struct fetch){&all, step, 0};
        begin_fetch(&w, client, &fetches[step]);
        storm(&w);
    }
    reel_test_advance(w.r, 60 * REEL_SECOND); /* every one has its end */
    assert_int_equal(all.done, all.begun);
    assert_true(all.good > 0 || seed > 0);
    uint64_t digest = reel_simulation_digest(w.net);
    reel_http_client_free(client);
    reel_listener_close(l);
    reel_http_site_free(site);
    close_world(&w);
    return digest;
}

static void play(const uint32_t *only, uint64_t (*play_one)(uint32_t seed))
{
    uint32_t first = only ? *only : 0;
    for (uint32_t seed = first; seed < (only ? first + 1 : SEEDS); seed++) {
        print_message("seed %u\r", seed);
        uint64_t digest = play_one(seed);
        if (seed % 16 == 0)
            assert_true(play_one(seed) == digest); /* byte for byte */
    }
}

static void chats_keep_the_promises_in_every_network(void **state)
{
    play(*state, chat_storm);
}

static void fetches_keep_the_promises_in_every_network(void **state)
{
    play(*state, http_storm);
}

int main(int argc, char **argv)
{
    uint32_t seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    uint32_t *only = argc > 1 ? &seed : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(chats_keep_the_promises_in_every_network, only),
        cmocka_unit_test_prestate(fetches_keep_the_promises_in_every_network, only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
