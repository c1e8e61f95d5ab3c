/* Dropbear's channels (common-channel.c) and global requests (svr-tcpfwd.c). */
#include "ssh/machine.h"

enum {
    PEER_WINDOW_MAX = 500 * 1000 * 1000,
    PEER_PACKET_MAX = 16384,
    NAME_MAX_BYTES = 64,
    HOST_MAX_BYTES = 254,
    PORT_MAX = 65535,
};

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- Opening ---- */

static int open_forward(struct ssh *s, struct cursor *c, const struct ssh_opening *opening)
{
    struct ssh_event_forward forward = {.channel = 0};
    size_t host_len, originator_len;
    forward.host = ssh_dropbear_text(c, &host_len);
    if (!c->failed && host_len > HOST_MAX_BYTES)
        return ssh_open_refuse(s, opening, SSH_OPEN_PROHIBITED);
    forward.port = cursor_u32(c);
    forward.originator = ssh_dropbear_text(c, &originator_len);
    if (!c->failed && originator_len > HOST_MAX_BYTES)
        return ssh_open_refuse(s, opening, SSH_OPEN_PROHIBITED);
    forward.originator_port = cursor_u32(c);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    if (forward.port > PORT_MAX || forward.originator_port > PORT_MAX)
        return ssh_open_refuse(s, opening, SSH_OPEN_PROHIBITED);
    return ssh_open_forward(s, opening, &forward, SSH_OPEN_SHORTAGE);
}

int ssh_dropbear_open(struct ssh *s, struct cursor *c)
{
    struct ssh_opening opening;
    size_t len;
    opening.type = ssh_dropbear_text(c, &len);
    opening.peer_id = cursor_u32(c);
    opening.window = smaller(cursor_u32(c), PEER_WINDOW_MAX);
    opening.packet = smaller(cursor_u32(c), PEER_PACKET_MAX);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    if (len <= NAME_MAX_BYTES && span_equal_z(opening.type, "session"))
        return ssh_open_session(s, &opening, SSH_OPEN_SHORTAGE);
    if (len <= NAME_MAX_BYTES && span_equal_z(opening.type, "direct-tcpip"))
        return open_forward(s, c, &opening);
    return ssh_open_refuse(s, &opening, SSH_OPEN_UNKNOWN_TYPE);
}

/* ---- On a channel ---- */

void ssh_channel_abandon(struct ssh *s, uint32_t channel)
{
    struct ssh_channel *c = ssh_channel_find(s, channel);
    if (!c || c->step != SSH_CHANNEL_LARVAL || c->close_sent)
        return;
    c->eof_sent = true;
    ssh_send_u32(s, SSH_MSG_CHANNEL_EOF, c->peer_id);
    ssh_channel_close(s, channel);
}

static int receive_data(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    if (channel->eof_got)
        return ssh_fault(s, "data after the end");
    if (channel->step != SSH_CHANNEL_RUNNING || channel->close_sent)
        return 0; /* no program reads it */
    struct span bytes = cursor_string(c);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    if (bytes.len > channel->window)
        return ssh_fault(s, "more data than the window holds");
    channel->window -= (uint32_t)bytes.len;
    if (bytes.len)
        ssh_emit(s, SSH_EVENT_CHANNEL_DATA)->data =
            (struct ssh_event_data){.channel = ssh_channel_number(s, channel), .bytes = bytes};
    return 0;
}

static int receive_window_adjust(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    uint32_t bytes = smaller(cursor_u32(c), PEER_WINDOW_MAX);
    channel->peer_window = smaller(channel->peer_window + bytes, PEER_WINDOW_MAX);
    return ssh_demand_fields(s, c);
}

/* COMPAT: without a program nothing is left to wait for, and dropbear closes its side too. */
static int receive_eof(struct ssh *s, struct ssh_channel *channel)
{
    bool first = !channel->eof_got;
    uint32_t number = ssh_channel_number(s, channel);
    channel->eof_got = true;
    if (channel->close_sent || !first)
        return 0;
    ssh_emit(s, SSH_EVENT_CHANNEL_EOF)->channel = number;
    ssh_channel_abandon(s, number);
    return 0;
}

static int receive_close(struct ssh *s, struct ssh_channel *channel)
{
    uint32_t number = ssh_channel_number(s, channel);
    if (channel->close_got)
        return 0;
    channel->eof_got = channel->close_got = true;
    ssh_emit(s, SSH_EVENT_CHANNEL_CLOSE)->channel = number;
    if (channel->step == SSH_CHANNEL_LARVAL && !channel->close_sent)
        ssh_channel_close(s, number);
    else
        ssh_channel_release_if_closed(channel);
    return 0;
}

static int receive_open_answer(struct ssh *s, struct ssh_channel *channel, uint8_t type,
                               struct cursor *c)
{
    if (channel->step != SSH_CHANNEL_OFFERED)
        return ssh_fault(s, "answer to nothing that was asked");
    return type == SSH_MSG_CHANNEL_OPEN_CONFIRMATION ? ssh_open_confirmed(s, channel, c)
                                                     : ssh_open_failed(s, channel);
}

int ssh_dropbear_channel(struct ssh *s, uint8_t type, struct cursor *c)
{
    uint32_t id = cursor_u32(c);
    struct ssh_channel *channel = c->failed ? NULL : ssh_channel_find(s, id);
    if (!channel)
        return ssh_fault(s, "no such channel");
    switch (type) {
    case SSH_MSG_CHANNEL_DATA: return receive_data(s, channel, c);
    case SSH_MSG_CHANNEL_WINDOW_ADJUST: return receive_window_adjust(s, channel, c);
    case SSH_MSG_CHANNEL_EOF: return receive_eof(s, channel);
    case SSH_MSG_CHANNEL_CLOSE: return receive_close(s, channel);
    default: return receive_open_answer(s, channel, type, c);
    }
}

/* ---- Global requests ---- */

/* 1: the session is asked. 0: refused. SSH_OVER. */
static int parse_global(struct ssh *s, struct cursor *c, struct ssh_event_global *global)
{
    bool binds = span_equal_z(global->name, "tcpip-forward");
    size_t len;
    if (!binds && !span_equal_z(global->name, "cancel-tcpip-forward"))
        return 0;
    global->address = ssh_dropbear_text(c, &len);
    if (!c->failed && len > HOST_MAX_BYTES)
        return 0;
    global->port = cursor_u32(c);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    /* COMPAT: dropbear never finds what is to be cancelled. */
    if (global->port > PORT_MAX || !binds)
        return 0;
    ssh_global_ask(s, global);
    /* COMPAT: a success is told, with the port, whether an answer is wanted or not. */
    s->global_told = true;
    return 1;
}

int ssh_dropbear_global(struct ssh *s, struct cursor *c)
{
    size_t len;
    struct ssh_event_global global = {.name = ssh_dropbear_text(c, &len)};
    global.want_reply = cursor_u8(c) != 0;
    int err = ssh_demand_fields(s, c);
    int asked = err == 0 && len <= NAME_MAX_BYTES ? parse_global(s, c, &global) : err;
    if (asked < 0)
        return asked;
    if (asked == 0 && global.want_reply) {
        ssh_begin(s, SSH_MSG_REQUEST_FAILURE);
        ssh_send(s);
    }
    ssh_emit(s, SSH_EVENT_GLOBAL_REQUEST)->global = global;
    return 0;
}
