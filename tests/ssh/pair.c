#include "pair.h"

#include "base/cursor.h"
#include "compose.h"
#include "ssh/machine.h"

#include <assert.h>
#include <string.h>

enum { PAIR_MAX_BYTES = 64 * 1024 * 1024, RANDOM_PIECE_MAX = 700 };

void pair_init(struct pair *p, const struct ssh_profile *profile,
               const struct ssh_client_options *options, enum pair_split split, uint8_t seed)
{
    struct keys_ring own;
    keys_ring_init(&own, profile);
    pair_init_on(p, &own, options, split, seed);
    p->own = own;
    p->client->suite = p->own.suite;
    p->client->hostkeys = p->own.hostkeys;
}

/* Puts the server where the first exchange has ended, with packets in the clear: what takes most of
 * a session's time is left out. */
static void skip_exchange(struct ssh *s, const struct ssh_client_options *options)
{
    ssh_sent(s, ssh_out(s).len);
    s->phase = SSH_PHASE_AUTH;
    s->kex.initial = false;
    s->kex.first_hostkey = s->server->hostkeys[SSH_HOSTKEY_ED25519];
    s->kex.session_id_len = CRYPTO_DIGEST_MAX_BYTES;
    buffer_put_z(&s->line, options->version_z);
    for (size_t side = 0; side < ARRAY_LEN(s->kex.compresses); side++)
        s->kex.compresses[side] = strcmp(options->comp_z, "none") != 0;
}

void pair_init_on(struct pair *p, const struct keys_ring *ring,
                  const struct ssh_client_options *options, enum pair_split split, uint8_t seed)
{
    uint8_t seeds[SSH_SEED_BYTES] = {seed, 's'};
    *p = (struct pair){.split = split,
                       .flip_at = SIZE_MAX,
                       .flip_back_at = SIZE_MAX,
                       .cut_at = SIZE_MAX,
                       .consume_limit = SIZE_MAX};
    struct buffer *buffers[] = {&p->messages, &p->events, &p->input, &p->output, &p->pending};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_init(buffers[i], PAIR_MAX_BYTES);
    crypto_rng_init(&p->rng, seeds);
    p->ssh = ssh_new(ring->server, seeds, p->now_us);
    assert(p->ssh);
    p->client = keys_client(ring, options, seed);
    if (options->clear_z)
        skip_exchange(p->ssh, options);
}

void pair_fini(struct pair *p)
{
    struct buffer *buffers[] = {&p->messages, &p->events, &p->input, &p->output, &p->pending};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_fini(buffers[i]);
    ssh_free(p->ssh);
    ssh_client_free(p->client);
    keys_ring_fini(&p->own);
}

/* ---- The session ---- */

#define EVENT(...)                                  \
    do {                                            \
        if (!p->silent)                             \
            buffer_printf(&p->events, __VA_ARGS__); \
    } while (0)

static void quote_event(struct pair *p, struct span text)
{
    if (!p->silent)
        compose_quote(text, &p->events);
}

static void on_auth(struct pair *p, const struct ssh_event_auth *auth)
{
    EVENT("auth %.*s ", (int)auth->method_name.len, (const char *)auth->method_name.data);
    quote_event(p, auth->user);
    EVENT(" ");
    quote_event(p, auth->method == SSH_AUTH_PUBLICKEY ? auth->key_algorithm : auth->password);
    EVENT("%s\n", auth->has_signature ? " signed" : "");
    if (span_equal_z(auth->password, "secret") && !span_equal_z(auth->user, "root"))
        ssh_auth_accept(p->ssh);
    else
        ssh_auth_refuse(p->ssh);
}

static void on_request(struct pair *p, const struct ssh_event_request *request)
{
    EVENT("request %u %.*s ", request->channel, (int)request->type.len,
          (const char *)request->type.data);
    quote_event(p, request->request == SSH_REQUEST_ENV   ? request->name
                   : request->request == SSH_REQUEST_PTY ? request->term
                                                         : request->text);
    EVENT(" %s\n", request->needs_answer ? "asks" : request->accepted ? "yes" : "no");
    if (!request->needs_answer)
        return;
    if (span_equal_z(request->text, "refused"))
        ssh_channel_request_refuse(p->ssh, request->channel);
    else
        ssh_channel_request_accept(p->ssh, request->channel);
}

static void on_data(struct pair *p, const struct ssh_event_data *data)
{
    EVENT("data %u ", data->channel);
    quote_event(p, data->bytes);
    EVENT("\n");
    buffer_put(&p->input, data->bytes);
    size_t n = data->bytes.len < p->consume_limit ? data->bytes.len : p->consume_limit;
    p->consume_limit -= n;
    ssh_channel_consumed(p->ssh, data->channel, n);
}

/* Of paths those in /tmp are good; of ports those above 1023, one at a time. The free one is 40000. */
static bool forward_port(struct pair *p, const struct ssh_event_global *global)
{
    bool stops = span_starts_with(global->name, span_z("cancel-"));
    bool good = stops ? global->port == p->forwarded
                      : global->port == 0 || (global->port > 1023 && global->port != p->forwarded);
    if (good && global->port > 0)
        p->forwarded = stops ? 0 : global->port;
    return good;
}

static void on_global(struct pair *p, const struct ssh_event_global *global)
{
    bool is_path = span_find(global->name, '@', 0) >= 0;
    EVENT("global %.*s %s\n", (int)global->name.len, (const char *)global->name.data,
          global->needs_answer ? "asks"
          : global->accepted   ? "yes"
                               : "no");
    if (!global->needs_answer)
        return;
    if (is_path)
        ssh_global_answer(p->ssh, span_starts_with(global->address, span_z("/tmp/")), 0);
    else
        ssh_global_answer(p->ssh, forward_port(p, global),
                          span_starts_with(global->name, span_z("cancel-")) ? 0
                          : global->port == 0                               ? 40000
                                                                            : global->port);
}

static void on_event(struct pair *p, const struct ssh_event *event)
{
    switch (event->type) {
    case SSH_EVENT_VERSION:
        EVENT("version ");
        quote_event(p, event->version);
        EVENT("\n");
        break;
    case SSH_EVENT_KEXINIT: EVENT("kexinit\n"); break;
    case SSH_EVENT_KEYS:
        EVENT("keys %s %s %s %s %s %s\n", event->keys.kex_z, event->keys.hostkey_z,
              event->keys.cipher_cs_z, event->keys.cipher_sc_z, event->keys.mac_cs_z,
              event->keys.mac_sc_z);
        break;
    case SSH_EVENT_SERVICE:
        EVENT("service ");
        quote_event(p, event->service);
        EVENT("\n");
        break;
    case SSH_EVENT_AUTH: on_auth(p, &event->auth); break;
    case SSH_EVENT_GLOBAL_REQUEST: on_global(p, &event->global); break;
    case SSH_EVENT_CHANNEL_OPEN:
        EVENT("open %.*s %s\n", (int)event->open.type.len, (const char *)event->open.type.data,
              event->open.accepted ? "yes" : "no");
        break;
    case SSH_EVENT_FORWARD:
        EVENT("forward %.*s:%u\n", (int)event->forward.host.len,
              (const char *)event->forward.host.data, event->forward.port);
        if (event->forward.port == 80)
            ssh_forward_accept(p->ssh, event->forward.channel);
        else
            ssh_forward_refuse(p->ssh, event->forward.channel, SSH_OPEN_CONNECT_FAILED,
                               "Connection refused");
        break;
    case SSH_EVENT_CHANNEL_REQUEST: on_request(p, &event->request); break;
    case SSH_EVENT_CHANNEL_DATA: on_data(p, &event->data); break;
    case SSH_EVENT_CHANNEL_EOF: EVENT("eof %u\n", event->channel); break;
    case SSH_EVENT_CHANNEL_CLOSE:
        EVENT("close %u\n", event->channel);
        ssh_channel_close(p->ssh, event->channel);
        break;
    case SSH_EVENT_CHANNEL_CONFIRMED: EVENT("confirmed %u\n", event->channel); break;
    case SSH_EVENT_CHANNEL_REFUSED: EVENT("refused %u\n", event->channel); break;
    case SSH_EVENT_CHANNEL_WINDOW: break;
    case SSH_EVENT_DISCONNECT: EVENT("disconnect %u\n", event->disconnect.code); break;
    case SSH_EVENT_ERROR: EVENT("error %d %s\n", event->error.message, event->error.text_z); break;
    case SSH_EVENT_END: EVENT("end\n"); break;
    }
}

/* ---- The pump ---- */

static size_t piece(struct pair *p, size_t len)
{
    if (p->split == PAIR_WHOLE || len == 0)
        return len;
    size_t max = p->split == PAIR_BYTES ? 1 : 1 + crypto_rng_u32(&p->rng) % RANDOM_PIECE_MAX;
    return max < len ? max : len;
}

static bool pump_session(struct pair *p)
{
    struct ssh_event event;
    bool moved = false;
    while (ssh_next(p->ssh, &event)) {
        on_event(p, &event);
        moved = true;
    }
    if (buffer_len(&p->pending)) {
        size_t n = ssh_channel_write(p->ssh, 0, SSH_STDOUT, buffer_span(&p->pending));
        buffer_take(&p->pending, n);
        moved = moved || n > 0;
    }
    return moved;
}

/* The next bytes that may go in one piece: up to the one to be flipped, or that one alone, flipped. */
static struct span next_piece(struct pair *p, struct span out, size_t sent, size_t flip_at,
                              uint8_t *flipped)
{
    out = span_slice(out, 0, piece(p, out.len));
    if (flip_at < sent || flip_at >= sent + out.len)
        return out;
    if (flip_at > sent)
        return span_slice(out, 0, flip_at - sent);
    *flipped = (uint8_t)(out.data[0] ^ (1 << flip_at % 8));
    return span_of(flipped, 1);
}

static bool pump_to_client(struct pair *p)
{
    uint8_t flipped;
    struct span out = next_piece(p, ssh_out(p->ssh), p->to_client, p->flip_back_at, &flipped);
    ssh_client_feed(p->client, out);
    ssh_sent(p->ssh, out.len);
    p->to_client += out.len;
    return out.len > 0;
}

static void on_message(struct pair *p, struct span message)
{
    struct cursor c = cursor_of(message);
    uint8_t type = cursor_u8(&c);
    if (type == SSH_MSG_CHANNEL_DATA) {
        cursor_u32(&c);
        buffer_put(&p->output, cursor_string(&c));
    }
    if (p->silent)
        return;
    compose_render(message, &p->messages);
    buffer_put_u8(&p->messages, '\n');
}

static bool pump_to_server(struct pair *p)
{
    uint8_t flipped;
    struct span out = ssh_client_out(p->client);
    out = next_piece(p, out, p->to_server, p->flip_at, &flipped);
    out = span_slice(out, 0, p->cut_at - p->to_server);
    size_t n = ssh_feed(p->ssh, out, p->now_us);
    if (p->record)
        buffer_put(p->record, span_slice(out, 0, n));
    ssh_client_sent(p->client, n);
    p->to_server += n;
    p->eof_sent = p->eof_sent || p->to_server == p->cut_at;
    return n > 0;
}

void pair_pump(struct pair *p, bool may_wait)
{
    struct span message;
    for (bool moved = true; moved;) {
        moved = pump_session(p);
        moved = pump_to_server(p) || moved;
        moved = pump_to_client(p) || moved;
        while (ssh_client_next(p->client, &message)) {
            on_message(p, message);
            moved = true;
        }
        if (moved || ssh_state(p->ssh) != SSH_OPEN)
            continue;
        if (p->eof_sent) {
            ssh_feed_end(p->ssh, p->now_us);
            moved = pump_session(p);
        } else if (may_wait && ssh_deadline(p->ssh) < p->now_us + 10 * 1000 * 1000) {
            p->now_us = ssh_deadline(p->ssh);
            ssh_tick(p->ssh, p->now_us);
            moved = true;
        }
    }
    p->ended = ssh_state(p->ssh) != SSH_OPEN && ssh_out(p->ssh).len == 0;
}

void pair_say(struct pair *p, const char *tokens_z)
{
    struct buffer payload;
    buffer_init(&payload, PAIR_MAX_BYTES);
    bool good = compose(tokens_z, &payload);
    assert(good);
    ssh_client_send(p->client, buffer_span(&payload));
    pair_pump(p, true);
    buffer_fini(&payload);
}

void pair_login(struct pair *p)
{
    pair_say(p, "05 \"ssh-userauth\"");
    pair_say(p, "32 \"admin\" \"ssh-connection\" \"password\" 00 \"secret\"");
    buffer_clear(&p->messages);
    buffer_clear(&p->events);
}

void pair_open(struct pair *p)
{
    pair_say(p, "5a \"session\" #0 #2097152 #32768");
    buffer_clear(&p->messages);
    buffer_clear(&p->events);
}

bool pair_saw(const struct buffer *lines, const char *line_z)
{
    struct span text = buffer_span(lines), wanted = span_z(line_z);
    for (size_t from = 0; from < text.len;) {
        ptrdiff_t end = span_find(text, '\n', from);
        if (end < 0)
            return false;
        if (span_equal(span_slice(text, from, (size_t)end), wanted))
            return true;
        from = (size_t)end + 1;
    }
    return false;
}
