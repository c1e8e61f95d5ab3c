/* Dropbear 2022.83: its identification, and which message may come when. Facts are those of its
 * sources (common-session.c, process-packet.c) and of the server on the wire. It closes without a word
 * whatever is wrong, and reads no message further than it needs to: what stands behind does not
 * matter. */
#include "ssh/machine.h"

#include "base/error.h"

#include <string.h>

enum { LINE_MAX_BYTES = 255, UNAUTH_TYPE_MAX = 60, TEXT_MAX = 9000 };

/* ---- Texts ---- */

/* A string of at most 9000 bytes; what reads it as text stops at the first NUL. `len` is its own. */
struct span ssh_dropbear_text(struct cursor *c, size_t *len)
{
    struct span text = cursor_string(c);
    ptrdiff_t nul = span_find(text, 0, 0);
    if (text.len > TEXT_MAX)
        c->failed = true;
    *len = text.len;
    return nul < 0 ? text : span_slice(text, 0, (size_t)nul);
}

/* ---- The client's line ---- */

/* It is read byte by byte: so much of `bytes` would be. */
size_t ssh_dropbear_line_room(const struct ssh *s, struct span bytes)
{
    size_t have = buffer_len(&s->line);
    for (size_t i = 0; i < bytes.len; i++) {
        have += bytes.data[i] != '\r';
        if (bytes.data[i] == '\n' || have >= LINE_MAX_BYTES)
            return i + 1;
    }
    return bytes.len;
}

static int accept_line(struct ssh *s)
{
    struct span line = buffer_span(&s->line), text = line;
    ptrdiff_t nul = span_find(line, 0, 0);
    if (nul >= 0)
        text = span_slice(line, 0, (size_t)nul);
    if (!span_starts_with(text, span_z("SSH-2.")) && !span_starts_with(text, span_z("SSH-1.99-"))) {
        struct ssh_event_error *error = &ssh_emit(s, SSH_EVENT_ERROR)->error;
        *error = (struct ssh_event_error){
            .text_z = "incompatible version",
            .message = -1,
            .data = span_slice(line, 0, SSH_ERROR_DATA_MAX),
            .data_len = line.len,
        };
        ssh_finish(s);
        return SSH_OVER;
    }
    /* As text it ends at a NUL, for the exchange hash too. */
    s->line.end -= line.len - text.len;
    ssh_emit(s, SSH_EVENT_VERSION)->version = text;
    s->phase = SSH_PHASE_KEX;
    return 1;
}

static int read_byte(struct ssh *s, uint8_t byte)
{
    if (byte == '\r')
        return 0;
    if (byte == '\n')
        return accept_line(s);
    int err = buffer_put_u8(&s->line, byte);
    if (err < 0)
        return ssh_broken(s, err);
    return buffer_len(&s->line) >= LINE_MAX_BYTES ? accept_line(s) : 0;
}

/* ---- Messages ---- */

static int receive_disconnect(struct ssh *s, struct cursor *c)
{
    uint32_t code = cursor_u32(c);
    struct span text = cursor_string(c);
    ssh_emit(s, SSH_EVENT_DISCONNECT)->disconnect = (struct ssh_event_disconnect){code, text};
    ssh_finish(s);
    return SSH_OVER;
}

static int receive_service_request(struct ssh *s, struct cursor *c)
{
    size_t len;
    struct span name = ssh_dropbear_text(c, &len);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    bool known = span_equal_z(name, "ssh-userauth") ||
                 (span_equal_z(name, "ssh-connection") && s->phase == SSH_PHASE_CONNECTION);
    if (!known || name.len != len)
        return ssh_disagree(s, "service that is not there");
    ssh_begin(s, SSH_MSG_SERVICE_ACCEPT);
    ssh_put_string(s, name);
    ssh_send(s);
    ssh_emit(s, SSH_EVENT_SERVICE)->service = name;
    return 0;
}

static int unimplemented(struct ssh *s)
{
    ssh_send_u32(s, SSH_MSG_UNIMPLEMENTED, s->packet.sequence);
    return 0;
}

/* The one message that may come next; 0: any. */
static uint8_t wanted(const struct ssh *s)
{
    switch (s->kex.step) {
    case SSH_KEX_WANT_KEXINIT: return s->kex.initial ? SSH_MSG_KEXINIT : 0;
    case SSH_KEX_WANT_PUBLIC: return SSH_MSG_KEX_INIT;
    case SSH_KEX_WANT_NEWKEYS: return SSH_MSG_NEWKEYS;
    default: return 0;
    }
}

/* Another came than the wanted one. */
static int receive_instead(struct ssh *s, uint8_t type, bool strict)
{
    bool passes = type >= 1 && type <= SSH_MSG_TRANSPORT_LAST && type != SSH_MSG_SERVICE_REQUEST &&
                  type != SSH_MSG_SERVICE_ACCEPT && type != SSH_MSG_KEXINIT && !strict;
    return passes ? unimplemented(s) : ssh_fault(s, "message that does not belong here");
}

static int receive_kex(struct ssh *s, uint8_t type, struct cursor *c)
{
    if (type == SSH_MSG_KEXINIT)
        return ssh_kexinit_receive(s, c);
    if (type != wanted(s))
        return ssh_fault(s, "key exchange without a beginning");
    return type == SSH_MSG_NEWKEYS ? ssh_kex_receive_newkeys(s, c) : ssh_kex_receive_public(s, c);
}

static int receive_any(struct ssh *s, uint8_t type, struct cursor *c)
{
    switch (type) {
    case SSH_MSG_KEXINIT:
    case SSH_MSG_KEX_INIT:
    case SSH_MSG_NEWKEYS: return receive_kex(s, type, c);
    case SSH_MSG_SERVICE_REQUEST: return receive_service_request(s, c);
    case SSH_MSG_USERAUTH_REQUEST: return ssh_dropbear_auth(s, c);
    case SSH_MSG_GLOBAL_REQUEST: return ssh_dropbear_global(s, c);
    case SSH_MSG_REQUEST_SUCCESS:
    case SSH_MSG_REQUEST_FAILURE:
    case SSH_MSG_CHANNEL_SUCCESS:
    case SSH_MSG_CHANNEL_FAILURE: return 0; /* not even parsed */
    case SSH_MSG_CHANNEL_OPEN: return ssh_dropbear_open(s, c);
    case SSH_MSG_CHANNEL_REQUEST: return ssh_dropbear_request(s, c);
    case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
    case SSH_MSG_CHANNEL_OPEN_FAILURE:
    case SSH_MSG_CHANNEL_WINDOW_ADJUST:
    case SSH_MSG_CHANNEL_DATA:
    case SSH_MSG_CHANNEL_EOF:
    case SSH_MSG_CHANNEL_CLOSE: return ssh_dropbear_channel(s, type, c);
    default: return unimplemented(s);
    }
}

static int dispatch(struct ssh *s)
{
    struct cursor c = cursor_of(s->packet.payload);
    uint8_t type = cursor_u8(&c), next = wanted(s);
    /* For dropbear the first exchange is over when its own NEWKEYS is out. */
    bool strict = s->kex.strict && s->kex.initial && s->kex.step != SSH_KEX_WANT_NEWKEYS;
    if (type == SSH_MSG_DISCONNECT)
        return receive_disconnect(s, &c);
    if (!strict && type >= SSH_MSG_IGNORE && type <= SSH_MSG_DEBUG)
        return 0;
    if (next && type != next)
        return receive_instead(s, type, strict);
    if (s->kex.skip_guess) {
        s->kex.skip_guess = false;
        return 0;
    }
    if (s->phase != SSH_PHASE_CONNECTION && type > UNAUTH_TYPE_MAX)
        return ssh_fault(s, "message before the login");
    return receive_any(s, type, &c);
}

const struct ssh_dialect ssh_dialect_dropbear = {
    .read_byte = read_byte,
    .dispatch = dispatch,
    .refusal_time = ssh_dropbear_refusal_time,
    .refuse = ssh_dropbear_refuse,
};
