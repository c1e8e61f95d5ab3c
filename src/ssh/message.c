#include "ssh/machine.h"

#include "base/error.h"

#include <stdarg.h>

static void check(struct ssh *s, int err)
{
    if (err < 0)
        ssh_broken(s, err);
}

void ssh_begin(struct ssh *s, enum ssh_message type)
{
    buffer_clear(&s->message);
    check(s, buffer_put_u8(&s->message, (uint8_t)type));
}

void ssh_put_u8(struct ssh *s, uint8_t value)
{
    check(s, buffer_put_u8(&s->message, value));
}

void ssh_put_u32(struct ssh *s, uint32_t value)
{
    check(s, buffer_put_u32(&s->message, value));
}

void ssh_put_bytes(struct ssh *s, struct span bytes)
{
    check(s, buffer_put(&s->message, bytes));
}

void ssh_put_string(struct ssh *s, struct span bytes)
{
    check(s, buffer_put_string(&s->message, bytes));
}

void ssh_put_string_z(struct ssh *s, const char *text_z)
{
    ssh_put_string(s, span_z(text_z));
}

/* What may be sent while keys are exchanged (RFC 4253, section 7.1). */
static bool passes_kex(uint8_t type)
{
    return type == SSH_MSG_PONG ||
           (type <= SSH_MSG_TRANSPORT_LAST && type != SSH_MSG_SERVICE_REQUEST &&
            type != SSH_MSG_SERVICE_ACCEPT && type != SSH_MSG_EXT_INFO);
}

static void transmit(struct ssh *s, struct span payload)
{
    int err = s->zip.out_on ? ssh_zip_deflate(&s->zip, payload, &payload) : 0;
    check(s, err < 0 ? err : ssh_sender_put(&s->sender, &s->rng, payload));
}

void ssh_send(struct ssh *s)
{
    struct span payload = buffer_span(&s->message);
    if (s->error || payload.len == 0)
        return;
    uint8_t type = payload.data[0];
    if (passes_kex(type)) {
        transmit(s, payload);
        return;
    }
    if (!ssh_kex_holds_output(s) && !ssh_kex_is_due(s)) {
        transmit(s, payload);
        return;
    }
    check(s, buffer_put_string(&s->held, payload));
    /* The old keys have served long enough: this message waits for new ones. */
    if (!s->error && !ssh_kex_holds_output(s))
        ssh_kexinit_send(s);
}

void ssh_send_held(struct ssh *s)
{
    struct cursor c = cursor_of(buffer_span(&s->held));
    while (c.rest.len && !s->error)
        transmit(s, cursor_string(&c));
    buffer_clear(&s->held);
}

void ssh_send_u32(struct ssh *s, enum ssh_message type, uint32_t value)
{
    ssh_begin(s, type);
    ssh_put_u32(s, value);
    ssh_send(s);
}

void ssh_send_debug(struct ssh *s, const char *text_z)
{
    ssh_begin(s, SSH_MSG_DEBUG);
    ssh_put_u8(s, 0);
    ssh_put_string_z(s, text_z);
    ssh_put_string_z(s, "");
    ssh_send(s);
}

void ssh_send_disconnect(struct ssh *s, uint32_t code, struct span text)
{
    ssh_begin(s, SSH_MSG_DISCONNECT);
    ssh_put_u32(s, code);
    ssh_put_string(s, text);
    ssh_put_string_z(s, "");
    ssh_send(s);
}
