/* Channels (RFC 4254, section 5): the table, and what the session does with them. */
#include "ssh/machine.h"

#include "base/error.h"

#include <assert.h>
#include <stdlib.h>

/* ---- The table ---- */

struct ssh_channel *ssh_channel_find(struct ssh *s, uint32_t channel)
{
    if (channel >= s->channels_used || s->channels[channel].kind == SSH_CHANNEL_FREE)
        return NULL;
    struct ssh_channel *found = &s->channels[channel];
    return found->kind != SSH_CHANNEL_LISTENER ? found : NULL;
}

uint32_t ssh_channel_number(const struct ssh *s, const struct ssh_channel *channel)
{
    return (uint32_t)(channel - s->channels);
}

static bool make_room(struct ssh *s)
{
    uint32_t room = s->channels_room > 0 ? 2 * s->channels_room : 1;
    room = room < SSH_CHANNELS_MAX ? room : SSH_CHANNELS_MAX;
    if (s->channels_used < s->channels_room)
        return true;
    if (room == s->channels_room)
        return false;
    struct ssh_channel *channels = realloc(s->channels, room * sizeof(*channels));
    if (!channels) {
        ssh_broken(s, ERR_NOMEM);
        return false;
    }
    s->channels = channels;
    s->channels_room = room;
    return true;
}

/* Numbers are the lowest free, as in OpenSSH. */
struct ssh_channel *ssh_channel_take(struct ssh *s, enum ssh_channel_kind kind)
{
    uint32_t number = 0;
    while (number < s->channels_used && s->channels[number].kind != SSH_CHANNEL_FREE)
        number++;
    if (number == s->channels_used && !make_room(s))
        return NULL;
    if (number == s->channels_used)
        s->channels_used++;
    s->channels[number] = (struct ssh_channel){.kind = kind};
    return &s->channels[number];
}

void ssh_channel_fini(struct ssh *s)
{
    free(s->channels);
}

int ssh_channel_reserve(struct ssh *s)
{
    struct ssh_channel *channel = ssh_channel_take(s, SSH_CHANNEL_LISTENER);
    return channel ? (int)ssh_channel_number(s, channel) : ERR_FULL;
}

void ssh_channel_unreserve(struct ssh *s, uint32_t channel)
{
    assert(channel < s->channels_used && s->channels[channel].kind == SSH_CHANNEL_LISTENER);
    s->channels[channel] = (struct ssh_channel){.kind = SSH_CHANNEL_FREE};
}

uint32_t ssh_channel_count(const struct ssh *s, enum ssh_channel_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->channels_used; i++)
        count += s->channels[i].kind == kind;
    return count;
}

void ssh_channel_release_if_closed(struct ssh_channel *channel)
{
    if (channel->close_sent && channel->close_got)
        *channel = (struct ssh_channel){.kind = SSH_CHANNEL_FREE};
}

bool ssh_channel_answer_due(const struct ssh *s)
{
    for (uint32_t i = 0; i < s->channels_used; i++)
        if (s->channels[i].kind != SSH_CHANNEL_FREE && s->channels[i].answer_due)
            return true;
    return false;
}

/* The session may act on a channel that is gone by now: nothing happens then. */
static struct ssh_channel *find_open(struct ssh *s, uint32_t channel)
{
    assert(channel < SSH_CHANNELS_MAX);
    struct ssh_channel *found = ssh_channel_find(s, channel);
    return s->phase == SSH_PHASE_CONNECTION && found && !found->close_sent ? found : NULL;
}

/* ---- Data to the client ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t ssh_channel_room(const struct ssh *s, uint32_t channel)
{
    assert(channel < SSH_CHANNELS_MAX);
    size_t waiting = buffer_len(&s->sender.out);
    if (s->phase != SSH_PHASE_CONNECTION || channel >= s->channels_used)
        return 0;
    const struct ssh_channel *c = &s->channels[channel];
    if (c->kind == SSH_CHANNEL_FREE || c->step != SSH_CHANNEL_RUNNING || c->eof_sent ||
        c->close_sent || c->peer_packet == 0 || ssh_kex_holds_output(s) ||
        waiting >= SSH_OUT_HIGH_BYTES)
        return 0;
    return smaller(c->peer_window, SSH_OUT_HIGH_BYTES - waiting);
}

bool ssh_channel_emit_room(struct ssh *s)
{
    for (uint32_t i = 0; i < s->channels_used; i++) {
        struct ssh_channel *channel = &s->channels[i];
        if (channel->wants_room && ssh_channel_room(s, i) > 0) {
            channel->wants_room = false;
            ssh_emit(s, SSH_EVENT_CHANNEL_WINDOW)->channel = i;
            return true;
        }
    }
    return false;
}

static void send_data(struct ssh *s, const struct ssh_channel *c, enum ssh_stream stream,
                      struct span bytes)
{
    if (stream == SSH_STDERR) {
        ssh_begin(s, SSH_MSG_CHANNEL_EXTENDED_DATA);
        ssh_put_u32(s, c->peer_id);
        ssh_put_u32(s, SSH_EXTENDED_STDERR);
    } else {
        ssh_begin(s, SSH_MSG_CHANNEL_DATA);
        ssh_put_u32(s, c->peer_id);
    }
    ssh_put_string(s, bytes);
    ssh_send(s);
}

size_t ssh_channel_write(struct ssh *s, uint32_t channel, enum ssh_stream stream, struct span bytes)
{
    struct ssh_channel *c = find_open(s, channel);
    size_t done = 0;
    while (c && done < bytes.len) {
        size_t n = smaller(ssh_channel_room(s, channel), bytes.len - done);
        n = smaller(n, smaller(c->peer_packet, s->profile->data_bytes));
        if (n == 0)
            break;
        send_data(s, c, stream, span_slice(bytes, done, done + n));
        c->peer_window -= (uint32_t)n;
        done += n;
    }
    if (c && done < bytes.len)
        c->wants_room = true;
    return done;
}

/* ---- Window for the client ---- */

static void send_window(struct ssh *s, struct ssh_channel *c, uint32_t bytes)
{
    ssh_begin(s, SSH_MSG_CHANNEL_WINDOW_ADJUST);
    ssh_put_u32(s, c->peer_id);
    ssh_put_u32(s, bytes);
    ssh_send(s);
    c->window += bytes;
}

void ssh_channel_consumed(struct ssh *s, uint32_t channel, size_t n)
{
    struct ssh_channel *c = find_open(s, channel);
    if (!c)
        return;
    c->consumed += (uint32_t)smaller(n, c->window_max - c->consumed);
    /* OpenSSH: once more than three packets or half the window are used up. */
    uint32_t max = c->window_max, used = max - (uint32_t)smaller(c->window, max);
    bool due = s->profile->window_step_bytes ? c->consumed >= s->profile->window_step_bytes
                                             : used > 3 * c->packet_max || c->window < max / 2;
    if (!due || c->consumed == 0 || c->close_got)
        return;
    send_window(s, c, c->consumed);
    c->consumed = 0;
}

/* ---- Answers to requests ---- */

static struct ssh_channel *take_answer(struct ssh *s, uint32_t channel)
{
    struct ssh_channel *c = find_open(s, channel);
    if (!c || !c->answer_due)
        return NULL;
    c->answer_due = false;
    return c;
}

/* COMPAT: OpenSSH decides once, by the first program of the connection. */
static void mark_traffic(struct ssh *s, const struct ssh_channel *c)
{
    if (s->traffic < 0)
        s->traffic = c->pty || c->x11 ? s->profile->tos_interactive : s->profile->tos_bulk;
}

void ssh_channel_request_accept(struct ssh *s, uint32_t channel)
{
    struct ssh_channel *c = take_answer(s, channel);
    if (!c)
        return;
    mark_traffic(s, c);
    c->step = SSH_CHANNEL_RUNNING;
    c->subsystem = c->starting == SSH_REQUEST_SUBSYSTEM;
    if (!s->profile->window_at_open)
        send_window(s, c, s->profile->window_bytes);
    if (c->want_reply)
        ssh_send_u32(s, SSH_MSG_CHANNEL_SUCCESS, c->peer_id);
    ssh_wait_start(s, SSH_WAIT_START);
    int64_t wait_us = ssh_wait_draw_us(s, SSH_WAIT_OUTPUT);
    if (wait_us > 0)
        s->output_from_us = s->now_us + wait_us;
}

bool ssh_channels_start(const struct ssh *s)
{
    return s->now_us < s->output_from_us;
}

void ssh_channel_request_refuse(struct ssh *s, uint32_t channel)
{
    struct ssh_channel *c = take_answer(s, channel);
    if (c && c->want_reply)
        ssh_send_u32(s, SSH_MSG_CHANNEL_FAILURE, c->peer_id);
}

void ssh_channel_echo(struct ssh *s, uint32_t channel, bool echoes)
{
    struct ssh_channel *c = find_open(s, channel);
    if (c)
        c->hides_input = s->profile->hides_typing && c->pty && !echoes;
}

/* ---- The end ---- */

static void begin_request(struct ssh *s, const struct ssh_channel *c, const char *name_z)
{
    ssh_begin(s, SSH_MSG_CHANNEL_REQUEST);
    ssh_put_u32(s, c->peer_id);
    ssh_put_string_z(s, name_z);
    ssh_put_u8(s, 0); /* no reply wanted */
}

bool ssh_channel_eof(struct ssh *s, uint32_t channel)
{
    struct ssh_channel *c = find_open(s, channel);
    if (!c || c->eof_sent || c->close_got || c->step != SSH_CHANNEL_RUNNING)
        return true;
    if (c->peer_window == 0) {
        c->wants_room = true;
        return false;
    }
    c->eof_sent = true;
    ssh_send_u32(s, SSH_MSG_CHANNEL_EOF, c->peer_id);
    return true;
}

/* The program reads no more: "end of writes" (OpenSSH's PROTOCOL, 2.1). */
static void send_end_of_writes(struct ssh *s, const struct ssh_channel *c)
{
    if (!(s->compat & SSH_COMPAT_END_OF_WRITES) || c->kind != SSH_CHANNEL_SESSION || c->eof_got ||
        c->close_got)
        return;
    begin_request(s, c, "eow@openssh.com");
    ssh_send(s);
}

void ssh_channel_exit_status(struct ssh *s, uint32_t channel, uint32_t status)
{
    struct ssh_channel *c = find_open(s, channel);
    if (!c || c->exit_sent || c->step != SSH_CHANNEL_RUNNING)
        return;
    c->exit_sent = true;
    send_end_of_writes(s, c);
    begin_request(s, c, "exit-status");
    ssh_put_u32(s, status);
    ssh_send(s);
}

void ssh_channel_exit_signal(struct ssh *s, uint32_t channel, const char *signal_z,
                             bool core_dumped)
{
    struct ssh_channel *c = find_open(s, channel);
    if (!c || c->exit_sent || c->step != SSH_CHANNEL_RUNNING)
        return;
    c->exit_sent = true;
    send_end_of_writes(s, c);
    begin_request(s, c, "exit-signal");
    ssh_put_string_z(s, signal_z);
    ssh_put_u8(s, core_dumped);
    ssh_put_string_z(s, ""); /* message */
    ssh_put_string_z(s, ""); /* language */
    ssh_send(s);
}

void ssh_channel_close(struct ssh *s, uint32_t channel)
{
    struct ssh_channel *c = find_open(s, channel);
    if (!c)
        return;
    c->close_sent = true;
    c->answer_due = false;
    ssh_send_u32(s, SSH_MSG_CHANNEL_CLOSE, c->peer_id);
    ssh_channel_release_if_closed(c);
}
