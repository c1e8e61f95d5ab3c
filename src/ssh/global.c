/* Global requests (RFC 4254, sections 4 and 7.1) and OpenSSH's host key rotation (its PROTOCOL,
 * section 2.5). */
#include "ssh/machine.h"

#include "base/error.h"
#include "ssh/names.h"

enum {
    PORT_MAX = INT32_MAX, /* COMPAT: of one above 65535 the low 16 bits count */
    PROOF_MAX_BYTES = 8192,
};

/* A parser fills `accepted`, may append the reply's data and returns 0 or SSH_OVER. */
typedef int (*global_parser)(struct ssh *s, struct cursor *c, struct ssh_event_global *global,
                             struct buffer *reply);

/* ---- Remote forwards: only the machine knows whether it can listen there ---- */

void ssh_global_ask(struct ssh *s, struct ssh_event_global *global)
{
    global->needs_answer = s->global_due = true;
    s->global_wanted = global->want_reply;
    s->global_told = false;
    s->global_free = global->port == 0;
}

static int parse_forward(struct ssh *s, struct cursor *c, struct ssh_event_global *global,
                         struct buffer *reply)
{
    (void)reply;
    global->address = ssh_names_text(c);
    global->port = cursor_u32(c);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    if (global->port > PORT_MAX || (global->port == 0 && !global->want_reply)) {
        /* COMPAT: nobody would learn the port, so OpenSSH refuses; this text is its own. */
        ssh_send_debug(s, "Server has disabled port forwarding.");
        return 0;
    }
    ssh_global_ask(s, global);
    return 0;
}

static int parse_cancel(struct ssh *s, struct cursor *c, struct ssh_event_global *global,
                        struct buffer *reply)
{
    (void)reply;
    global->address = ssh_names_text(c);
    global->port = cursor_u32(c);
    int err = ssh_demand_fields(s, c);
    if (err == 0)
        ssh_global_ask(s, global);
    return err;
}

/* OpenSSH's PROTOCOL, section 2.4: Unix sockets, in the machine's file system. */
static int parse_streamlocal(struct ssh *s, struct cursor *c, struct ssh_event_global *global,
                             struct buffer *reply)
{
    (void)reply;
    global->address = ssh_names_text(c);
    int err = ssh_demand_fields(s, c);
    if (err == 0)
        ssh_global_ask(s, global);
    return err;
}

/* ---- Host keys ---- */

static const struct ssh_hostkey *find_hostkey(const struct ssh *s, struct span blob)
{
    for (size_t i = 0; i < SSH_HOSTKEY_TYPES; i++) {
        const struct ssh_hostkey *key = s->server->hostkeys[i];
        if (key && span_equal(ssh_hostkey_blob(key), blob))
            return key;
    }
    return NULL;
}

/* RSA signs by what was agreed on, or else by the strongest that the client named. */
static const struct ssh_signature *signature_for(const struct ssh *s, const struct ssh_hostkey *key)
{
    switch (ssh_hostkey_type(key)) {
    case SSH_HOSTKEY_RSA: return s->kex.rsa_signature;
    case SSH_HOSTKEY_ECDSA: return ssh_signature_find(span_z("ecdsa-sha2-nistp256"));
    default: return ssh_signature_find(span_z("ssh-ed25519"));
    }
}

/* One signature over request name, session id and key. */
static int prove(struct ssh *s, const struct ssh_hostkey *key, struct buffer *reply)
{
    struct buffer message, signature;
    buffer_init(&message, PROOF_MAX_BYTES);
    buffer_init(&signature, PROOF_MAX_BYTES);
    int err = buffer_put_string(&message, span_z("hostkeys-prove-00@openssh.com"));
    if (err == 0)
        err = buffer_put_string(&message, span_of(s->kex.session_id, s->kex.session_id_len));
    if (err == 0)
        err = buffer_put_string(&message, ssh_hostkey_blob(key));
    if (err == 0)
        err = ssh_hostkey_sign(s->server->suite, key, signature_for(s, key), buffer_span(&message),
                               &signature);
    if (err == 0)
        err = buffer_put_string(reply, buffer_span(&signature));
    buffer_fini(&message);
    buffer_fini(&signature);
    return err;
}

static int parse_prove(struct ssh *s, struct cursor *c, struct ssh_event_global *global,
                       struct buffer *reply)
{
    while (c->rest.len) {
        const struct ssh_hostkey *key = find_hostkey(s, cursor_string(c));
        /* A key too many is refused like one that is not ours. */
        if (c->failed || !key || prove(s, key, reply) < 0)
            return 0;
    }
    global->accepted = true;
    return 0;
}

void ssh_global_announce_hostkeys(struct ssh *s)
{
    if (!s->profile->announces_hostkeys || s->compat & SSH_COMPAT_NO_HOSTKEYS)
        return;
    ssh_begin(s, SSH_MSG_GLOBAL_REQUEST);
    ssh_put_string_z(s, "hostkeys-00@openssh.com");
    ssh_put_u8(s, 0); /* no reply wanted */
    for (size_t i = 0; i < SSH_HOSTKEY_TYPES; i++)
        if (s->server->hostkeys[i])
            ssh_put_string(s, ssh_hostkey_blob(s->server->hostkeys[i]));
    ssh_send(s);
}

/* ---- */

static int parse_no_more_sessions(struct ssh *s, struct cursor *c, struct ssh_event_global *global,
                                  struct buffer *reply)
{
    (void)c;
    (void)reply;
    s->no_more_sessions = true;
    global->accepted = true;
    return 0;
}

static const struct {
    const char *name_z;
    global_parser parse;
} globals[] = {
    {"tcpip-forward", parse_forward},
    {"cancel-tcpip-forward", parse_cancel},
    {"streamlocal-forward@openssh.com", parse_streamlocal},
    {"cancel-streamlocal-forward@openssh.com", parse_streamlocal},
    {"no-more-sessions@openssh.com", parse_no_more_sessions},
    {"hostkeys-prove-00@openssh.com", parse_prove},
};

static void send_answer(struct ssh *s, bool accepted, struct span reply)
{
    ssh_begin(s, accepted ? SSH_MSG_REQUEST_SUCCESS : SSH_MSG_REQUEST_FAILURE);
    if (accepted)
        ssh_put_bytes(s, reply);
    ssh_send(s);
}

void ssh_global_answer(struct ssh *s, bool accepted, uint32_t port)
{
    const uint8_t bytes[] = {(uint8_t)(port >> 24), (uint8_t)(port >> 16), (uint8_t)(port >> 8),
                             (uint8_t)port};
    if (!s->global_due || s->phase != SSH_PHASE_CONNECTION)
        return;
    s->global_due = false;
    bool tells_port = port > 0 && (s->global_free || s->global_told);
    if (s->global_wanted || (accepted && s->global_told))
        send_answer(s, accepted, span_of(bytes, tells_port ? sizeof(bytes) : 0));
}

int ssh_global_receive(struct ssh *s, struct cursor *c)
{
    struct ssh_event_global global = {.name = ssh_names_text(c)};
    global.want_reply = cursor_u8(c) != 0;
    int err = ssh_demand_fields(s, c);
    struct buffer reply;
    buffer_init(&reply, PROOF_MAX_BYTES);
    for (size_t i = 0; err == 0 && i < ARRAY_LEN(globals); i++)
        if (span_equal_z(global.name, globals[i].name_z))
            err = globals[i].parse(s, c, &global, &reply);
    if (err == 0 && global.want_reply && !global.needs_answer)
        send_answer(s, global.accepted, buffer_span(&reply));
    if (err == 0)
        ssh_emit(s, SSH_EVENT_GLOBAL_REQUEST)->global = global;
    buffer_fini(&reply);
    return err;
}
