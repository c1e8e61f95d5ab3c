/* What the client sends on channels (RFC 4254, sections 5.2 and 5.3), answered as OpenSSH answers
 * it: some faults have a text, some end in silence, some do not matter. */
#include "ssh/machine.h"

/* ---- Finding the channel ---- */

/* The name that OpenSSH's texts give to each message. */
static const char *message_name_z(uint8_t type)
{
    switch (type) {
    case SSH_MSG_CHANNEL_OPEN_CONFIRMATION: return "open confirmation";
    case SSH_MSG_CHANNEL_OPEN_FAILURE: return "open failure";
    case SSH_MSG_CHANNEL_WINDOW_ADJUST: return "window adjust";
    case SSH_MSG_CHANNEL_DATA: return "data";
    case SSH_MSG_CHANNEL_EXTENDED_DATA: return "extended data";
    case SSH_MSG_CHANNEL_EOF: return "ieof";
    default: return "oclose";
    }
}

/* 0, or SSH_OVER; *channel is NULL when the message is to be passed over. */
static int find(struct ssh *s, uint8_t type, struct cursor *c, struct ssh_channel **channel)
{
    const char *name_z = message_name_z(type);
    uint32_t id = cursor_u32(c);
    *channel = NULL;
    if (c->failed)
        return ssh_fault_disconnect(s, "Invalid %s message", name_z);
    if (id > INT32_MAX)
        return ssh_fault_disconnect(s, "Invalid %s channel id", name_z);
    *channel = ssh_channel_find(s, id);
    if (*channel || type == SSH_MSG_CHANNEL_WINDOW_ADJUST) /* which may be late */
        return 0;
    return ssh_fault_disconnect(s, "%s packet referred to nonexistent channel %u", name_z, id);
}

/* ---- Data ---- */

/* OpenSSH lets a client overrun the window a little before it gives up. */
static int take_window(struct ssh *s, struct ssh_channel *channel, size_t len)
{
    if (len <= channel->window) {
        channel->window -= (uint32_t)len;
        return 0;
    }
    channel->exceeded += (uint32_t)len - channel->window;
    channel->window = 0;
    if (channel->exceeded > channel->window_max / 10)
        return ssh_fault_disconnect(s, "Channel %u: peer ignored channel window",
                                    ssh_channel_number(s, channel));
    return 0;
}

/* COMPAT: a terminal that does not echo would show by the missing answer that a password is typed;
 * OpenSSH sends as much nothing instead. */
static void hide_input(struct ssh *s, struct span bytes)
{
    if (bytes.len == 0 || bytes.data[0] == '\r')
        return;
    ssh_begin(s, SSH_MSG_IGNORE);
    ssh_put_u32(s, (uint32_t)bytes.len + 4);
    uint8_t *noise = buffer_reserve(&s->message, bytes.len + 4);
    if (!noise)
        return;
    crypto_rng_bytes(&s->rng, noise, bytes.len + 4);
    buffer_commit(&s->message, bytes.len + 4);
    ssh_send(s);
}

static int receive_data(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    if (channel->step != SSH_CHANNEL_RUNNING)
        return 0; /* no program reads it */
    struct span bytes = cursor_string(c);
    int err = ssh_demand_end(s, c);
    if (err < 0 || bytes.len > channel->packet_max)
        return err;
    err = take_window(s, channel, bytes.len);
    if (err < 0)
        return err;
    if (channel->eof_got || channel->close_got || channel->close_sent || bytes.len == 0)
        return 0;
    if (channel->hides_input)
        hide_input(s, bytes);
    ssh_emit(s, SSH_EVENT_CHANNEL_DATA)->data =
        (struct ssh_event_data){.channel = ssh_channel_number(s, channel), .bytes = bytes};
    return 0;
}

/* Nothing that a client sends beside the plain data is for a program. */
static int receive_extended_data(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    if (channel->step != SSH_CHANNEL_RUNNING)
        return 0;
    if (channel->eof_got)
        return ssh_fault_disconnect(s, "Received extended_data after EOF on channel %u.",
                                    ssh_channel_number(s, channel));
    cursor_u32(c);
    return ssh_demand_fields(s, c);
}

/* ---- The others ---- */

static int receive_window_adjust(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    uint32_t bytes = cursor_u32(c);
    if (cursor_end(c) < 0)
        return ssh_fault_disconnect(s, "Invalid window adjust message");
    if (channel->peer_window + bytes < channel->peer_window)
        return ssh_fault(s, "channel window overflows");
    channel->peer_window += bytes;
    return 0;
}

static int receive_eof(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    if (cursor_end(c) < 0)
        return ssh_fault_disconnect(s, "Invalid ieof message");
    if (channel->eof_got)
        return 0;
    channel->eof_got = true;
    if (!channel->close_sent)
        ssh_emit(s, SSH_EVENT_CHANNEL_EOF)->channel = ssh_channel_number(s, channel);
    return 0;
}

static int receive_close(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    uint32_t number = ssh_channel_number(s, channel);
    if (cursor_end(c) < 0)
        return ssh_fault_disconnect(s, "Invalid oclose message");
    /* COMPAT: one that the client has not taken yet is not closed either. */
    if (channel->close_got || channel->step == SSH_CHANNEL_OFFERED)
        return 0;
    channel->close_got = true;
    ssh_emit(s, SSH_EVENT_CHANNEL_CLOSE)->channel = number;
    /* Without a program nothing is waited for. */
    if (channel->step == SSH_CHANNEL_LARVAL)
        ssh_channel_close(s, number);
    else
        ssh_channel_release_if_closed(channel);
    return 0;
}

static int receive_open_failure(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    cursor_u32(c);    /* reason */
    cursor_string(c); /* text */
    cursor_string(c); /* language */
    if (cursor_end(c) < 0)
        return ssh_fault_disconnect(s, "Invalid open failure message");
    return ssh_open_failed(s, channel);
}

static int receive_open_answer(struct ssh *s, struct ssh_channel *channel, uint8_t type,
                               struct cursor *c)
{
    if (channel->step == SSH_CHANNEL_OFFERED && type == SSH_MSG_CHANNEL_OPEN_CONFIRMATION)
        return ssh_open_confirmed(s, channel, c);
    if (channel->step == SSH_CHANNEL_OFFERED)
        return receive_open_failure(s, channel, c);
    return ssh_fault_disconnect(s, "Received %s for non-opening channel %u.", message_name_z(type),
                                ssh_channel_number(s, channel));
}

int ssh_channel_receive(struct ssh *s, uint8_t type, struct cursor *c)
{
    /* COMPAT: answers to nothing we asked; OpenSSH counts them as a sign of life, unread. */
    if (type == SSH_MSG_CHANNEL_SUCCESS || type == SSH_MSG_CHANNEL_FAILURE)
        return 0;
    struct ssh_channel *channel;
    int err = find(s, type, c, &channel);
    if (err < 0 || !channel)
        return err;
    switch (type) {
    case SSH_MSG_CHANNEL_DATA: return receive_data(s, channel, c);
    case SSH_MSG_CHANNEL_EXTENDED_DATA: return receive_extended_data(s, channel, c);
    case SSH_MSG_CHANNEL_WINDOW_ADJUST: return receive_window_adjust(s, channel, c);
    case SSH_MSG_CHANNEL_EOF: return receive_eof(s, channel, c);
    case SSH_MSG_CHANNEL_CLOSE: return receive_close(s, channel, c);
    default: return receive_open_answer(s, channel, type, c);
    }
}
