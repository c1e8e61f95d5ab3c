/* The doors, and what ends a connection. */
#include "ssh/ssh.h"

#include "base/error.h"
#include "ssh/machine.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* OpenSSH reads so much at a time before the login. */
enum { READ_BYTES = 8192 };

/* ---- Birth and death ---- */

static void init(struct ssh *s, const struct ssh_server *server, const uint8_t *seed,
                 int64_t now_us)
{
    s->server = server;
    s->profile = server->profile;
    s->now_us = s->started_us = s->heard_us = now_us;
    s->wants_input = true;
    s->traffic = -1;
    crypto_rng_init(&s->rng, seed);
    buffer_init(&s->line, SSH_VERSION_MAX_BYTES);
    ssh_receiver_init(&s->receiver);
    ssh_sender_init(&s->sender, SSH_OUT_MAX_BYTES);
    s->receiver.rules = s->sender.rules = s->profile->packets;
    ssh_zip_init(&s->zip);
    s->zip.sync_flush = s->profile->packets.sync_flush;
    buffer_init(&s->message, SSH_MESSAGE_MAX_BYTES);
    buffer_init(&s->held, SSH_HELD_MAX_BYTES);
    ssh_kex_init(s);
    ssh_auth_init(s);
}

static struct ssh *new_with(const struct ssh_server *server, const uint8_t *seed,
                            const char *text_z, const char *end_z, int64_t now_us)
{
    struct ssh *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    init(s, server, seed, now_us);
    if (buffer_put_z(&s->sender.out, text_z) < 0 || buffer_put_z(&s->sender.out, end_z) < 0) {
        ssh_free(s);
        return NULL;
    }
    s->out_first = buffer_len(&s->sender.out);
    return s;
}

struct ssh *ssh_new(const struct ssh_server *server, const uint8_t seed[SSH_SEED_BYTES],
                    int64_t now_us)
{
    struct ssh *s = new_with(server, seed, server->profile->version_z, "\r\n", now_us);
    if (s && s->profile->kexinit_at_once) {
        ssh_kexinit_send(s);
        s->out_first = 0;
    }
    if (s)
        ssh_wait_start(s, SSH_WAIT_VERSION);
    return s;
}

struct ssh *ssh_new_dropped(const struct ssh_server *server, const uint8_t seed[SSH_SEED_BYTES],
                            int64_t now_us)
{
    struct ssh *s = new_with(server, seed, server->profile->startups_text_z, "", now_us);
    if (s)
        ssh_finish(s);
    return s;
}

void ssh_free(struct ssh *s)
{
    if (!s)
        return;
    buffer_fini(&s->line);
    ssh_receiver_fini(&s->receiver);
    ssh_sender_fini(&s->sender);
    ssh_zip_fini(&s->zip);
    buffer_fini(&s->message);
    buffer_fini(&s->held);
    ssh_kex_fini(s);
    ssh_auth_fini(s);
    ssh_channel_fini(s);
    crypto_rng_wipe(&s->rng);
    free(s);
}

void ssh_rest(struct ssh *s)
{
    struct buffer *const buffers[] = {&s->line,         &s->receiver.in,  &s->sender.out, &s->held,
                                      &s->zip.inflated, &s->zip.deflated, &s->message};
    if (s->has_event)
        return;
    s->packet.payload = span_of(NULL, 0);
    ssh_receiver_release(&s->receiver);
    buffer_clear(&s->message);
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_shrink(buffers[i], 0);
}

/* ---- How it ends ---- */

void ssh_finish(struct ssh *s)
{
    /* As the kernel answers the end of a process that has not read everything. */
    s->aborts = s->aborts || s->unread;
    s->phase = SSH_PHASE_OVER;
    s->state = SSH_CLOSE;
}

int ssh_broken(struct ssh *s, int code)
{
    if (!s->error)
        s->error = code;
    ssh_finish(s);
    return SSH_OVER;
}

static struct ssh_event_error *emit_error(struct ssh *s, const char *text_z)
{
    struct ssh_event_error *error = &ssh_emit(s, SSH_EVENT_ERROR)->error;
    struct span payload = s->packet.payload;
    *error = (struct ssh_event_error){
        .text_z = text_z,
        .message = payload.len ? payload.data[0] : -1,
        .data = span_slice(payload, 0, SSH_ERROR_DATA_MAX),
        .data_len = payload.len,
    };
    return error;
}

static void bless_message(struct ssh_event_error *error)
{
    error->data = span_of(NULL, 0);
    error->data_len = 0;
}

/* COMPAT: what a dying OpenSSH has not written yet is never written. */
static void finish_silently(struct ssh *s)
{
    buffer_clear(&s->sender.out);
    s->out_first = 0;
    ssh_finish(s);
}

int ssh_fault(struct ssh *s, const char *text_z)
{
    if (s->phase == SSH_PHASE_OVER)
        return SSH_OVER;
    (void)emit_error(s, text_z);
    finish_silently(s);
    return SSH_OVER;
}

int ssh_disagree(struct ssh *s, const char *text_z)
{
    if (s->phase == SSH_PHASE_OVER)
        return SSH_OVER;
    bless_message(emit_error(s, text_z));
    finish_silently(s);
    return SSH_OVER;
}

static struct ssh_event_error *tell_error(struct ssh *s)
{
    ssh_send_disconnect(s, SSH_DISCONNECT_PROTOCOL_ERROR, span_z(s->text_z));
    struct ssh_event_error *error = emit_error(s, s->text_z);
    error->sent = span_z(s->text_z);
    error->code = SSH_DISCONNECT_PROTOCOL_ERROR;
    ssh_finish(s);
    return error;
}

int ssh_fault_disconnect(struct ssh *s, const char *format_z, ...)
{
    if (s->phase == SSH_PHASE_OVER)
        return SSH_OVER;
    va_list args;
    va_start(args, format_z);
    vsnprintf(s->text_z, sizeof(s->text_z), format_z, args);
    va_end(args);
    if (s->profile->silent)
        return ssh_fault(s, s->text_z);
    (void)tell_error(s);
    return SSH_OVER;
}

int ssh_refuse_disconnect(struct ssh *s, const char *text_z)
{
    if (s->phase == SSH_PHASE_OVER)
        return SSH_OVER;
    if (s->profile->silent)
        return ssh_disagree(s, text_z);
    snprintf(s->text_z, sizeof(s->text_z), "%s", text_z);
    bless_message(tell_error(s));
    return SSH_OVER;
}

int ssh_demand_end(struct ssh *s, const struct cursor *c)
{
    int err = cursor_end(c);
    return err < 0 ? ssh_fault(s, error_text(err)) : 0;
}

int ssh_demand_fields(struct ssh *s, const struct cursor *c)
{
    return c->failed ? ssh_fault(s, error_text(ERR_TRUNCATED)) : 0;
}

void ssh_disconnect(struct ssh *s, uint32_t code, const char *text_z)
{
    if (s->phase == SSH_PHASE_OVER)
        return;
    s->silent_until_us = 0;
    if (text_z && s->phase != SSH_PHASE_IDENT)
        ssh_send_disconnect(s, code, span_z(text_z));
    ssh_finish(s);
}

/* ---- The doors ---- */

/* How much of what is there the real server would read now: its identification line byte by byte,
 * then a piece whenever it has no whole packet. */
static size_t read_at_once(const struct ssh *s, struct span bytes)
{
    if (s->phase == SSH_PHASE_CONNECTION && !s->profile->packets.exact_reads)
        return bytes.len;
    if (!s->wants_input || ssh_wait_is_on(s))
        return 0;
    if (s->profile->packets.exact_reads) {
        size_t missing = s->phase == SSH_PHASE_IDENT ? ssh_dropbear_line_room(s, bytes)
                                                     : ssh_receiver_missing(&s->receiver);
        return missing < bytes.len ? missing : bytes.len;
    }
    ptrdiff_t line_end = s->phase == SSH_PHASE_IDENT ? span_find(bytes, '\n', 0) : -1;
    size_t most = line_end >= 0 ? (size_t)line_end + 1 : READ_BYTES;
    return most < bytes.len ? most : bytes.len;
}

size_t ssh_feed(struct ssh *s, struct span bytes, int64_t now_us)
{
    ssh_tick(s, now_us);
    if (s->phase == SSH_PHASE_OVER || s->fed_end)
        return 0;
    size_t most = read_at_once(s, bytes);
    int n = most ? ssh_receiver_feed(&s->receiver, span_slice(bytes, 0, most)) : 0;
    if (n < 0)
        ssh_broken(s, n);
    if (n > 0)
        s->heard_us = s->now_us;
    s->wants_input = s->wants_input && n <= 0;
    s->unread = n >= 0 && (size_t)n < bytes.len;
    return n < 0 ? 0 : (size_t)n;
}

void ssh_feed_end(struct ssh *s, int64_t now_us)
{
    ssh_tick(s, now_us);
    s->fed_end = true;
}

struct span ssh_out(const struct ssh *s)
{
    struct span out = ssh_wait_is_on(s) ? span_of(NULL, 0) : buffer_span(&s->sender.out);
    return s->out_first ? span_slice(out, 0, s->out_first) : out;
}

void ssh_sent(struct ssh *s, size_t n)
{
    buffer_take(&s->sender.out, n);
    s->out_first -= n < s->out_first ? n : s->out_first;
}

enum ssh_state ssh_state(const struct ssh *s)
{
    if (ssh_wait_is_on(s))
        return SSH_OPEN;
    if (!s->aborts)
        return s->state;
    return buffer_len(&s->sender.out) ? SSH_OPEN : SSH_ABORT;
}

int ssh_traffic(const struct ssh *s)
{
    return s->traffic;
}

int ssh_error(const struct ssh *s)
{
    return s->error;
}

static int64_t grace_deadline(const struct ssh *s)
{
    bool logged_in = s->phase == SSH_PHASE_CONNECTION || s->phase == SSH_PHASE_OVER;
    return logged_in ? INT64_MAX : s->started_us + (int64_t)s->profile->login_grace_ms * 1000;
}

int64_t ssh_deadline(const struct ssh *s)
{
    int64_t grace = grace_deadline(s);
    int64_t next = INT64_MAX;
    if (ssh_wait_is_on(s))
        next = s->silent_until_us;
    else if (s->phase == SSH_PHASE_AUTH && (s->auth.refusing || s->auth.accepting))
        next = s->auth.answer_at_us;
    if (ssh_channels_start(s) && s->output_from_us < next)
        next = s->output_from_us;
    int64_t alive = ssh_alive_deadline(s);
    next = next < alive ? next : alive;
    return next < grace ? next : grace;
}

void ssh_tick(struct ssh *s, int64_t now_us)
{
    if (now_us > s->now_us)
        s->now_us = now_us;
    if (s->now_us >= grace_deadline(s)) {
        ssh_emit(s, SSH_EVENT_END);
        ssh_finish(s);
    }
    ssh_auth_tick(s);
    ssh_alive_tick(s);
}

/* ---- Events ---- */

struct ssh_event *ssh_emit(struct ssh *s, enum ssh_event_type type)
{
    s->has_event = true;
    s->event = (struct ssh_event){.type = type};
    return &s->event;
}

/* Whether the next packet may be looked at. */
static bool may_go_on(const struct ssh *s)
{
    /* Before the login every answer is one write: the next packet is read when it is out. */
    size_t out_max = s->phase == SSH_PHASE_CONNECTION ? SSH_OUT_HIGH_BYTES : 0;
    return s->phase != SSH_PHASE_OVER && !ssh_wait_is_on(s) && !s->auth.answer_due &&
           !s->auth.refusing && !s->auth.accepting && !s->auth.announcing && !s->global_due &&
           !ssh_channel_answer_due(s) && buffer_len(&s->sender.out) <= out_max;
}

static int receive_fault(struct ssh *s, enum ssh_packet_result result)
{
    switch (result) {
    case SSH_PACKET_BAD_LENGTH: return ssh_fault(s, "bad packet length");
    case SSH_PACKET_BAD_MAC: return ssh_fault(s, "corrupted MAC on input");
    case SSH_PACKET_BAD_PADDING:
        return ssh_fault_disconnect(s, "Corrupted padlen %d on input.", s->packet.padding);
    case SSH_PACKET_EMPTY: return ssh_fault(s, "packet without a payload");
    default: return ssh_broken(s, ERR_CRYPTO);
    }
}

static int inflate_packet(struct ssh *s)
{
    int err = ssh_zip_inflate(&s->zip, s->packet.payload, &s->packet.payload);
    if (err == ERR_NOMEM)
        return ssh_broken(s, err);
    if (err < 0 || s->packet.payload.len == 0)
        return ssh_fault(s, "bad compressed data");
    return 0;
}

/* The client's end, once nothing whole is left of what it sent. */
static void end_of_input(struct ssh *s)
{
    if (!s->fed_end)
        return;
    ssh_emit(s, SSH_EVENT_END);
    ssh_finish(s);
}

/* One packet, or one try. True: something was done. */
static bool step(struct ssh *s)
{
    s->packet = (struct ssh_packet){.payload = {NULL, 0}};
    if (s->phase == SSH_PHASE_IDENT) {
        if (ssh_ident_read(s) != 0)
            return true;
        s->wants_input = true;
        end_of_input(s);
        return false;
    }
    enum ssh_packet_result result = ssh_receiver_next(&s->receiver, &s->packet);
    if (result == SSH_PACKET_MORE) {
        s->wants_input = true;
        end_of_input(s);
        return false;
    }
    s->unanswered = 0;
    if (result < 0)
        receive_fault(s, result);
    else if (!s->zip.in_on || inflate_packet(s) == 0)
        s->profile->dialect->dispatch(s);
    return true;
}

/* A session that waits for its user keeps no memory for what comes next. */
static void release_memory(struct ssh *s)
{
    enum { KEEP_BYTES = 1024 };
    struct buffer *buffers[] = {&s->receiver.in, &s->sender.out, &s->message, &s->held, &s->line};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_shrink(buffers[i], KEEP_BYTES);
}

int ssh_next(struct ssh *s, struct ssh_event *event)
{
    ssh_auth_announce(s);
    if (!s->has_event)
        ssh_channel_emit_room(s);
    while (!s->has_event && may_go_on(s) && step(s))
        ;
    if (!s->has_event) {
        if (s->phase == SSH_PHASE_CONNECTION)
            release_memory(s);
        return 0;
    }
    *event = s->event;
    s->has_event = false;
    return 1;
}
