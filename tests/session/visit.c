#include "visit.h"

#include "base/cursor.h"
#include "compose.h"
#include "events/frame.h"
#include "persona/image.h"
#include "ssh/message.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VISIT_MAX_BYTES = 64 * 1024 * 1024,
    RANDOM_PIECE_MAX = 300,
    RUN_BUDGET = 1000000,
    SERVER_WAIT_MS = 10000
};

static const int64_t start_us = INT64_C(1795302000000000); /* 2026-11-21T23:00:00Z */

/* ---- The host ---- */

void visit_host_init(struct visit_host *h, const struct persona_image *image,
                     const struct session_limits *limits, struct cpu_code *code)
{
    visit_host_init_as(h, &ssh_profile_openssh_9_2p1, image, limits, code);
}

void visit_host_init_as(struct visit_host *h, const struct ssh_profile *profile,
                        const struct persona_image *image, const struct session_limits *limits,
                        struct cpu_code *code)
{
    int err;
    uint32_t line;
    h->policy = session_policy_new(span_z(session_policy_default_z), &err, &line);
    keys_ring_init(&h->ring, profile);
    const struct session_config config = {
        .image = image,
        .code = code,
        .ssh_server = h->ring.server,
        .startups_limited = true,
        .policy = h->policy,
        .limits = limits != NULL ? *limits : session_limits_default,
        .sensor_name = span_z("sensor"),
        .sensor_uuid = span_z("00000000-0000-4000-8000-000000000000"),
        .hostname = span_z("srv04"),
        .boot_ms = start_us / 1000 - 1000000,
    };
    h->host = session_host_new(&config);
    assert(h->host != NULL);
}

void visit_host_fini(struct visit_host *h)
{
    session_host_free(h->host);
    keys_ring_fini(&h->ring);
    session_policy_free(h->policy);
}

/* ---- Life ---- */

void visit_init(struct visit *v, struct visit_host *h, enum visit_split split, uint8_t seed)
{
    const uint8_t seeds[32] = {seed, 'v'};
    *v = (struct visit){.service = &session_ssh_service,
                        .now_us = start_us,
                        .split = split,
                        .cut_at = SIZE_MAX,
                        .runs = 100000};
    struct buffer *buffers[] = {&v->sent,     &v->raw,    &v->records,
                                &v->messages, &v->output, &v->errors};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_init(buffers[i], VISIT_MAX_BYTES);
    crypto_rng_init(&v->rng, seeds);
    const struct session_peer peer = {
        .src_ip = span_z("192.0.2.7"),
        .dst_ip = span_z("203.0.113.87"),
        .src_port = 40000,
        .dst_port = 22,
    };
    v->self = v->service->new (h->host, &peer, seeds, v->now_us);
    assert(v->self != NULL);
    v->client = keys_client(&h->ring, &ssh_client_defaults, seed);
}

void visit_fini(struct visit *v)
{
    struct buffer *buffers[] = {&v->sent,     &v->raw,    &v->records,
                                &v->messages, &v->output, &v->errors};
    v->service->free(v->self);
    ssh_client_free(v->client);
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_fini(buffers[i]);
}

/* ---- Records as text ---- */

/* The text of an attribute of a JSON line, without its quotes. */
static struct span attribute(struct span line, const char *name_z)
{
    size_t len = strlen(name_z);
    for (size_t i = 0; i + len <= line.len; i++) {
        if (memcmp(line.data + i, name_z, len) != 0)
            continue;
        size_t to = i + len;
        while (to < line.len && line.data[to] != '"')
            to += line.data[to] == '\\' ? 2 : 1;
        return span_slice(line, i + len, to);
    }
    return span_of(NULL, 0);
}

static void put_span(struct buffer *b, struct span s)
{
    assert(buffer_put(b, s) == 0);
}

static void render_event(struct buffer *b, const struct frame_event *event)
{
    put_span(b, attribute(event->line, "\"eventid\":\""));
    put_span(b, span_z(" | "));
    put_span(b, attribute(event->line, "\"message\":\""));
}

static void render_frame(struct buffer *b, const struct frame *f)
{
    switch (f->kind) {
    case FRAME_EVENT: render_event(b, &f->event); break;
    case FRAME_TTY_OPEN:
        (void)buffer_printf(b, "tty %u open %ux%u ", f->tty_open.recording, f->tty_open.width,
                            f->tty_open.height);
        compose_quote(f->tty_open.command, b);
        break;
    case FRAME_TTY_DATA:
        (void)buffer_printf(b, "tty %u %c ", f->tty_data.recording, f->tty_data.way);
        compose_quote(f->tty_data.bytes, b);
        break;
    case FRAME_VISIT_ASK: (void)buffer_printf(b, "visit ask"); break;
    case FRAME_VISIT_KEEP:
        (void)buffer_printf(b, "visit keep %u at %u", (unsigned)f->visit_keep.size,
                            (unsigned)f->visit_keep.offset);
        break;
    case FRAME_TTY_CLOSE: (void)buffer_printf(b, "tty %u close", f->tty_close.recording); break;
    case FRAME_KEYLOG:
    case FRAME_ARTEFACT:
        (void)buffer_printf(b, "artefact %u at %u: ", (unsigned)f->artefact.size,
                            (unsigned)f->artefact.offset);
        compose_quote(f->artefact.bytes, b);
        break;
    default: assert(false);
    }
    put_span(b, span_z("\n"));
}

static bool take_records(struct visit *v)
{
    if (v->hold_records)
        return false;
    struct span frames = v->service->record(v->self);
    size_t n = frames.len;
    put_span(&v->raw, frames);
    v->service->recorded(v->self, n);
    v->wants_run |= n > 0;
    for (;;) {
        struct frame f;
        struct span rest = span_slice(buffer_span(&v->raw), v->parsed, SIZE_MAX);
        int64_t size = frame_read(rest, &f);
        assert(size >= 0);
        if (size == 0)
            return n > 0;
        render_frame(&v->records, &f);
        v->parsed += (size_t)size;
    }
}

/* ---- The pump ---- */

static size_t piece(struct visit *v, size_t len)
{
    if (v->split == VISIT_WHOLE || len == 0)
        return len;
    size_t max = v->split == VISIT_BYTES ? 1 : 1 + crypto_rng_u32(&v->rng) % RANDOM_PIECE_MAX;
    return max < len ? max : len;
}

static bool pump_to_server(struct visit *v)
{
    struct span out = ssh_client_out(v->client);
    size_t n = piece(v, out.len);
    if (n > v->cut_at - v->to_server)
        n = v->cut_at - v->to_server;
    if (n > 0) {
        n = v->service->feed(v->self, span_slice(out, 0, n), v->now_us);
        v->wants_run = true;
    }
    ssh_client_sent(v->client, n);
    v->to_server += n;
    return n > 0;
}

static bool pump_to_client(struct visit *v)
{
    struct span out = v->service->out(v->self);
    size_t n = piece(v, out.len);
    put_span(&v->sent, span_slice(out, 0, n));
    ssh_client_feed(v->client, span_slice(out, 0, n));
    if (n > 0) {
        v->service->sent(v->self, n);
        v->wants_run = true;
    }
    return n > 0;
}

/* How a program ended, which compose_render leaves out. */
static void render_end(struct visit *v, struct cursor *c)
{
    struct span name = cursor_string(c);
    (void)cursor_u8(c);
    if (span_equal_z(name, "exit-status")) {
        (void)buffer_printf(&v->messages, "STATUS %u\n", cursor_u32(c));
    } else if (span_equal_z(name, "exit-signal")) {
        put_span(&v->messages, span_z("SIGNAL "));
        put_span(&v->messages, cursor_string(c));
        put_span(&v->messages, span_z("\n"));
    }
}

static bool take_messages(struct visit *v)
{
    bool moved = false;
    struct span message;
    while (ssh_client_next(v->client, &message)) {
        struct cursor c = cursor_of(message);
        uint8_t type = cursor_u8(&c);
        cursor_u32(&c);
        if (type == SSH_MSG_CHANNEL_DATA)
            put_span(&v->output, cursor_string(&c));
        if (type == SSH_MSG_CHANNEL_EXTENDED_DATA) {
            cursor_u32(&c);
            put_span(&v->errors, cursor_string(&c));
        }
        if (type == SSH_MSG_CHANNEL_REQUEST)
            render_end(v, &c);
        compose_render(message, &v->messages);
        put_span(&v->messages, span_z("\n"));
        moved = true;
    }
    return moved;
}

/* Waits of the server: a refusal's delay, not the bounds of a session. */
static bool wait_for_server(struct visit *v)
{
    int64_t at_us = v->service->deadline_us(v->self);
    if (at_us > v->now_us + SERVER_WAIT_MS * 1000)
        return false;
    v->now_us = at_us > v->now_us ? at_us : v->now_us + 1;
    v->service->tick(v->self, v->now_us);
    v->wants_run = true;
    return true;
}

void visit_pump(struct visit *v)
{
    uint32_t runs = 0;
    for (bool moved = true; moved && !v->lost;) {
        moved = pump_to_server(v);
        moved |= pump_to_client(v);
        moved |= take_messages(v);
        if (v->wants_run && runs++ < v->runs) {
            v->wants_run = v->service->run(v->self, RUN_BUDGET, v->now_us);
            moved = true;
        }
        moved |= take_records(v);
        if (v->to_server == v->cut_at)
            visit_lose(v);
        else if (!moved && v->service->state(v->self) == SERVICE_OPEN)
            moved = wait_for_server(v);
    }
}

void visit_say(struct visit *v, const char *tokens_z)
{
    struct buffer payload;
    buffer_init(&payload, VISIT_MAX_BYTES);
    bool good = compose(tokens_z, &payload);
    assert(good);
    ssh_client_send(v->client, buffer_span(&payload));
    visit_pump(v);
    buffer_fini(&payload);
}

void visit_login(struct visit *v, const char *user_z, const char *password_z)
{
    struct buffer tokens;
    buffer_init(&tokens, 4096);
    visit_say(v, "05 \"ssh-userauth\"");
    (void)buffer_printf(&tokens, "32 \"%s\" \"ssh-connection\" \"password\" 00 \"%s\"%c", user_z,
                        password_z, 0);
    visit_say(v, (const char *)buffer_span(&tokens).data);
    buffer_fini(&tokens);
}

void visit_exec(struct visit *v, const char *command_z)
{
    struct buffer tokens;
    buffer_init(&tokens, 4096);
    visit_say(v, "5a \"session\" #0 #2097152 #32768");
    (void)buffer_printf(&tokens, "62 #0 \"exec\" 01 \"%s\"%c", command_z, 0);
    visit_say(v, (const char *)buffer_span(&tokens).data);
    buffer_fini(&tokens);
}

void visit_wait(struct visit *v, int64_t us)
{
    v->now_us += us;
    v->service->tick(v->self, v->now_us);
    v->wants_run = true;
    visit_pump(v);
}

void visit_lose(struct visit *v)
{
    v->lost = true;
    v->service->lost(v->self, v->now_us);
    v->hold_records = false;
    (void)take_records(v);
}

size_t visit_count(const struct buffer *lines, const char *prefix_z)
{
    struct span text = buffer_span(lines), prefix = span_z(prefix_z);
    size_t count = 0;
    while (text.len > 0) {
        ptrdiff_t end = span_find(text, '\n', 0);
        assert(end >= 0);
        count += span_starts_with(text, prefix);
        text = span_slice(text, (size_t)end + 1, text.len);
    }
    return count;
}

/* ---- The image ---- */

struct persona_image *visit_load_image(const char *path_z, void **bytes)
{
    FILE *f = fopen(path_z, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        abort();
    size_t len = (size_t)ftell(f);
    rewind(f);
    struct persona_image *image;
    if (posix_memalign(bytes, PERSONA_PAGE, len) != 0 || fread(*bytes, 1, len, f) != len ||
        persona_image_open(span_of(*bytes, len), &image) < 0)
        abort();
    (void)fclose(f);
    return image;
}
