/* Which message may come when, and what happens to the others. The transport's own messages
 * (RFC 4253, section 11) are handled here. */
#include "ssh/machine.h"

#include "ssh/names.h"

/* The order in which OpenSSH checks: number in range, DISCONNECT, the messages that are always
 * allowed (not during a strict first exchange), a wrong guess to be dropped, the state's own. */

static int receive_disconnect(struct ssh *s, struct cursor *c)
{
    uint32_t code = cursor_u32(c);
    struct span text = cursor_string(c);
    if (c->failed)
        return ssh_fault(s, "truncated DISCONNECT");
    ssh_emit(s, SSH_EVENT_DISCONNECT)->disconnect = (struct ssh_event_disconnect){code, text};
    ssh_finish(s);
    return SSH_OVER;
}

static int receive_debug(struct ssh *s, struct cursor *c)
{
    cursor_u8(c);     /* always display */
    cursor_string(c); /* text */
    cursor_string(c); /* language */
    return ssh_demand_fields(s, c);
}

static int receive_unimplemented(struct ssh *s, struct cursor *c)
{
    cursor_u32(c);
    return ssh_demand_fields(s, c);
}

static int receive_ping(struct ssh *s, struct cursor *c)
{
    struct span data = cursor_string(c);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    ssh_begin(s, SSH_MSG_PONG);
    ssh_put_string(s, data);
    ssh_send(s);
    return 0;
}

static int receive_pong(struct ssh *s, struct cursor *c)
{
    cursor_string(c);
    return ssh_demand_fields(s, c);
}

/* True when the message was one that is always allowed. */
static bool receive_always_allowed(struct ssh *s, uint8_t type, struct cursor *c)
{
    if (s->kex.initial && s->kex.strict)
        return false;
    switch (type) {
    case SSH_MSG_IGNORE: return true; /* COMPAT: not even parsed */
    case SSH_MSG_DEBUG: receive_debug(s, c); return true;
    case SSH_MSG_UNIMPLEMENTED: receive_unimplemented(s, c); return true;
    /* Only where such numbers are allowed at all. */
    case SSH_MSG_PING: receive_ping(s, c); return true;
    case SSH_MSG_PONG: receive_pong(s, c); return true;
    default: return false;
    }
}

static int receive_service_request(struct ssh *s, struct cursor *c)
{
    struct span name = ssh_names_text(c);
    if (s->profile->service_loose && cursor_end(c) < 0)
        return 0;
    int err = ssh_demand_end(s, c);
    if (err < 0)
        return err;
    if (!span_equal_z(name, "ssh-userauth"))
        return ssh_fault_disconnect(s, "bad service request %.*s", (int)name.len,
                                    (const char *)name.data);
    s->auth.service_accepted = true;
    s->kex.takes_ext_info = false;
    ssh_begin(s, SSH_MSG_SERVICE_ACCEPT);
    ssh_put_string(s, name);
    ssh_send(s);
    ssh_emit(s, SSH_EVENT_SERVICE)->service = name;
    return 0;
}

static int receive_unexpected(struct ssh *s, uint8_t type)
{
    if (s->kex.initial) {
        if (type > SSH_MSG_TRANSPORT_LAST)
            return ssh_fault(s, "message before the keys are agreed on");
        if (s->kex.strict)
            return ssh_fault_disconnect(
                s, "strict KEX violation: unexpected packet type %u (seqnr %u)", type,
                s->packet.sequence);
    }
    ssh_send_u32(s, SSH_MSG_UNIMPLEMENTED, s->packet.sequence);
    return 0;
}

static int receive_kex(struct ssh *s, uint8_t type, struct cursor *c)
{
    switch (type) {
    case SSH_MSG_KEXINIT: return ssh_kexinit_receive(s, c);
    case SSH_MSG_NEWKEYS: return ssh_kex_receive_newkeys(s, c);
    case SSH_MSG_GEX_REQUEST: return ssh_kex_receive_sizes(s, c);
    default: return ssh_kex_receive_public(s, c);
    }
}

static int receive_auth_phase(struct ssh *s, uint8_t type, struct cursor *c)
{
    if (type == SSH_MSG_SERVICE_REQUEST)
        return receive_service_request(s, c);
    if (type == SSH_MSG_USERAUTH_REQUEST && s->auth.service_accepted)
        return ssh_auth_receive(s, c);
    if (type == SSH_MSG_EXT_INFO && s->kex.takes_ext_info)
        return ssh_kex_receive_ext_info(s, c);
    return receive_unexpected(s, type);
}

static int receive_connection_phase(struct ssh *s, uint8_t type, struct cursor *c)
{
    switch (type) {
    case SSH_MSG_GLOBAL_REQUEST: return ssh_global_receive(s, c);
    case SSH_MSG_REQUEST_SUCCESS:
    case SSH_MSG_REQUEST_FAILURE: return 0; /* nothing was asked */
    case SSH_MSG_CHANNEL_OPEN: return ssh_open_receive(s, c);
    case SSH_MSG_CHANNEL_REQUEST: return ssh_request_receive(s, c);
    case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
    case SSH_MSG_CHANNEL_OPEN_FAILURE:
    case SSH_MSG_CHANNEL_WINDOW_ADJUST:
    case SSH_MSG_CHANNEL_DATA:
    case SSH_MSG_CHANNEL_EXTENDED_DATA:
    case SSH_MSG_CHANNEL_EOF:
    case SSH_MSG_CHANNEL_CLOSE:
    case SSH_MSG_CHANNEL_SUCCESS:
    case SSH_MSG_CHANNEL_FAILURE: return ssh_channel_receive(s, type, c);
    default: return receive_unexpected(s, type);
    }
}

static int dispatch(struct ssh *s)
{
    struct cursor c = cursor_of(s->packet.payload);
    uint8_t type = cursor_u8(&c);
    if (type == 0 || (type >= SSH_MSG_LOCAL_FIRST && !s->profile->ping))
        return ssh_fault_disconnect(s, "Invalid ssh2 packet type: %d", type);
    if (type == SSH_MSG_DISCONNECT)
        return receive_disconnect(s, &c);
    if (receive_always_allowed(s, type, &c))
        return 0;
    if (s->kex.skip_guess) {
        s->kex.skip_guess = false;
        return 0;
    }
    if (ssh_kex_expects(s, type))
        return receive_kex(s, type, &c);
    if (s->phase == SSH_PHASE_AUTH)
        return receive_auth_phase(s, type, &c);
    if (s->phase == SSH_PHASE_CONNECTION)
        return receive_connection_phase(s, type, &c);
    return receive_unexpected(s, type);
}

const struct ssh_dialect ssh_dialect_openssh = {
    .read_byte = ssh_ident_read_byte,
    .dispatch = dispatch,
    .refusal_time = ssh_auth_refusal_time,
    .refuse = ssh_auth_send_refusal,
};
