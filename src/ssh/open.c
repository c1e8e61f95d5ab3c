/* Opening channels (RFC 4254, sections 5.1, 6.1 and 7.2). */
#include "ssh/machine.h"

#include "base/error.h"
#include "ssh/names.h"

enum { PORT_MAX = 65535 };

static void send_failure(struct ssh *s, uint32_t peer_id, uint32_t reason, const char *text_z)
{
    ssh_begin(s, SSH_MSG_CHANNEL_OPEN_FAILURE);
    ssh_put_u32(s, peer_id);
    ssh_put_u32(s, reason);
    ssh_put_string_z(s, text_z);
    ssh_put_string_z(s, ""); /* language */
    ssh_send(s);
}

static void send_confirmation(struct ssh *s, const struct ssh_channel *channel)
{
    ssh_begin(s, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
    ssh_put_u32(s, channel->peer_id);
    ssh_put_u32(s, ssh_channel_number(s, channel));
    ssh_put_u32(s, channel->window);
    ssh_put_u32(s, channel->packet_max);
    ssh_send(s);
}

static struct ssh_channel *take(struct ssh *s, enum ssh_channel_kind kind,
                                const struct ssh_opening *opening)
{
    struct ssh_channel *channel = ssh_channel_take(s, kind);
    if (channel) {
        channel->peer_id = opening->peer_id;
        channel->peer_window = opening->window;
        channel->peer_packet = opening->packet;
        channel->window_max = s->profile->window_bytes;
        channel->packet_max = s->profile->packet_bytes;
    }
    return channel;
}

static void emit_open(struct ssh *s, const struct ssh_opening *opening,
                      const struct ssh_channel *channel)
{
    ssh_emit(s, SSH_EVENT_CHANNEL_OPEN)->open = (struct ssh_event_open){
        .channel = channel ? ssh_channel_number(s, channel) : SSH_CHANNELS_MAX,
        .type = opening->type,
        .peer_id = opening->peer_id,
        .window_bytes = opening->window,
        .packet_bytes = opening->packet,
        .accepted = channel != NULL,
    };
}

int ssh_open_refuse(struct ssh *s, const struct ssh_opening *opening, uint32_t reason)
{
    send_failure(s, opening->peer_id, reason, s->profile->open_refused_z);
    emit_open(s, opening, NULL);
    return 0;
}

/* All numbers are taken, or there is no memory. */
static int no_channel(struct ssh *s, const struct ssh_opening *opening, uint32_t full_reason)
{
    return s->error ? SSH_OVER : ssh_open_refuse(s, opening, full_reason);
}

int ssh_open_session(struct ssh *s, const struct ssh_opening *opening, uint32_t full_reason)
{
    if (ssh_channel_count(s, SSH_CHANNEL_SESSION) >= s->profile->sessions_max)
        return ssh_open_refuse(s, opening, full_reason);
    struct ssh_channel *channel = take(s, SSH_CHANNEL_SESSION, opening);
    if (!channel)
        return no_channel(s, opening, full_reason);
    /* COMPAT: OpenSSH gives no window yet; it comes when a program is started. */
    channel->window = s->profile->window_at_open ? s->profile->window_bytes : 0;
    channel->step = SSH_CHANNEL_LARVAL;
    send_confirmation(s, channel);
    ssh_wait_start(s, SSH_WAIT_CHANNEL);
    emit_open(s, opening, channel);
    return 0;
}

static int open_session(struct ssh *s, struct cursor *c, const struct ssh_opening *opening)
{
    int err = ssh_demand_end(s, c);
    if (err < 0)
        return err;
    if (s->no_more_sessions)
        return ssh_fault_disconnect(s, "Possible attack: attempt to open a session after "
                                       "additional sessions disabled");
    return ssh_open_session(s, opening, SSH_OPEN_CONNECT_FAILED);
}

int ssh_open_forward(struct ssh *s, const struct ssh_opening *opening,
                     const struct ssh_event_forward *forward, uint32_t full_reason)
{
    struct ssh_channel *channel = take(s, SSH_CHANNEL_FORWARD, opening);
    if (!channel)
        return no_channel(s, opening, full_reason);
    channel->step = SSH_CHANNEL_OPENING;
    ssh_emit(s, SSH_EVENT_FORWARD)->forward = *forward;
    s->event.forward.channel = ssh_channel_number(s, channel);
    return 0;
}

static int open_forward(struct ssh *s, struct cursor *c, const struct ssh_opening *opening)
{
    struct ssh_event_forward forward = {.channel = 0};
    forward.host = ssh_names_text(c);
    forward.port = cursor_u32(c);
    forward.originator = ssh_names_text(c);
    forward.originator_port = cursor_u32(c);
    int err = ssh_demand_end(s, c);
    if (err < 0)
        return err;
    if (forward.port > PORT_MAX || forward.originator_port > PORT_MAX)
        return ssh_open_refuse(s, opening, SSH_OPEN_PROHIBITED);
    return ssh_open_forward(s, opening, &forward, SSH_OPEN_CONNECT_FAILED);
}

/* OpenSSH's PROTOCOL, section 2.3: the kind of tunnel, and its number, which it does not come to. */
static int open_tunnel(struct ssh *s, struct cursor *c, const struct ssh_opening *opening)
{
    enum { POINT_TO_POINT = 1, ETHERNET = 2 };
    uint32_t mode = cursor_u32(c);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    if (mode != POINT_TO_POINT && mode != ETHERNET) {
        ssh_send_debug(s, "Unsupported tunnel device mode.");
        return ssh_open_refuse(s, opening, SSH_OPEN_CONNECT_FAILED);
    }
    ssh_send_debug(s, "Server has rejected tunnel device forwarding");
    return ssh_open_refuse(s, opening, SSH_OPEN_CONNECT_FAILED);
}

/* OpenSSH's PROTOCOL, section 2.4. */
static int open_streamlocal(struct ssh *s, struct cursor *c, const struct ssh_opening *opening)
{
    struct ssh_event_forward forward = {.is_path = true};
    forward.host = ssh_names_text(c);
    ssh_names_text(c); /* reserved */
    cursor_u32(c);
    int err = ssh_demand_end(s, c);
    return err < 0 ? err : ssh_open_forward(s, opening, &forward, SSH_OPEN_CONNECT_FAILED);
}

int ssh_open_receive(struct ssh *s, struct cursor *c)
{
    struct ssh_opening opening;
    opening.type = ssh_names_text(c);
    opening.peer_id = cursor_u32(c);
    opening.window = cursor_u32(c);
    opening.packet = cursor_u32(c);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    if (span_equal_z(opening.type, "session"))
        return open_session(s, c, &opening);
    if (span_equal_z(opening.type, "direct-tcpip"))
        return open_forward(s, c, &opening);
    if (span_equal_z(opening.type, "tun@openssh.com"))
        return open_tunnel(s, c, &opening);
    if (span_equal_z(opening.type, "direct-streamlocal@openssh.com"))
        return open_streamlocal(s, c, &opening);
    return ssh_open_refuse(s, &opening, SSH_OPEN_CONNECT_FAILED);
}

/* ---- What we open ---- */

int ssh_channel_offer(struct ssh *s, const char *type_z, bool small, struct span rest)
{
    struct ssh_channel *channel = ssh_channel_take(s, SSH_CHANNEL_FORWARD);
    if (!channel)
        return ERR_FULL;
    const struct ssh_profile *p = s->profile;
    channel->step = SSH_CHANNEL_OFFERED;
    channel->window_max = channel->window = small ? p->small_window_bytes : p->window_bytes;
    channel->packet_max = small ? p->small_packet_bytes : p->packet_bytes;
    ssh_begin(s, SSH_MSG_CHANNEL_OPEN);
    ssh_put_string_z(s, type_z);
    ssh_put_u32(s, ssh_channel_number(s, channel));
    ssh_put_u32(s, channel->window);
    ssh_put_u32(s, channel->packet_max);
    ssh_put_bytes(s, rest);
    ssh_send(s);
    return (int)ssh_channel_number(s, channel);
}

int ssh_open_confirmed(struct ssh *s, struct ssh_channel *channel, struct cursor *c)
{
    channel->peer_id = cursor_u32(c);
    channel->peer_window = cursor_u32(c);
    channel->peer_packet = cursor_u32(c);
    if (cursor_end(c) < 0)
        return ssh_fault_disconnect(s, "Invalid open confirmation message");
    channel->step = SSH_CHANNEL_RUNNING;
    ssh_emit(s, SSH_EVENT_CHANNEL_CONFIRMED)->channel = ssh_channel_number(s, channel);
    return 0;
}

int ssh_open_failed(struct ssh *s, struct ssh_channel *channel)
{
    uint32_t number = ssh_channel_number(s, channel);
    *channel = (struct ssh_channel){.kind = SSH_CHANNEL_FREE};
    ssh_emit(s, SSH_EVENT_CHANNEL_REFUSED)->channel = number;
    return 0;
}

/* ---- Answers to a client's forward ---- */

static struct ssh_channel *find_opening(struct ssh *s, uint32_t channel)
{
    struct ssh_channel *found = ssh_channel_find(s, channel);
    bool waits = found && found->kind == SSH_CHANNEL_FORWARD && found->step == SSH_CHANNEL_OPENING;
    return waits && s->phase == SSH_PHASE_CONNECTION ? found : NULL;
}

void ssh_forward_accept(struct ssh *s, uint32_t channel)
{
    struct ssh_channel *found = find_opening(s, channel);
    if (!found)
        return;
    found->step = SSH_CHANNEL_RUNNING;
    found->window = s->profile->window_bytes;
    send_confirmation(s, found);
}

void ssh_forward_refuse(struct ssh *s, uint32_t channel, uint32_t reason, const char *text_z)
{
    struct ssh_channel *found = find_opening(s, channel);
    if (!found)
        return;
    send_failure(s, found->peer_id, reason, text_z);
    *found = (struct ssh_channel){.kind = SSH_CHANNEL_FREE};
}
