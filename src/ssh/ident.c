/* The identification lines (RFC 4253, section 4.2), read as OpenSSH reads them. */
#include "ssh/machine.h"

#include "base/error.h"
#include "ssh/names.h"

#include <string.h>

/* What scanf's %d takes: white space, a sign, digits; glibc reads a long, which saturates, and keeps
 * its low 32 bits. */
static bool scan_number(struct cursor *c, int32_t *number)
{
    static const struct span blanks = SPAN_LIT(" \t\v\f\r");
    while (c->rest.len && span_find(blanks, c->rest.data[0], 0) >= 0)
        cursor_u8(c);
    bool negative = c->rest.len && c->rest.data[0] == '-';
    if (c->rest.len && (negative || c->rest.data[0] == '+'))
        cursor_u8(c);
    if (!c->rest.len || c->rest.data[0] < '0' || c->rest.data[0] > '9')
        return false;
    uint64_t value = 0, most = negative ? UINT64_C(1) << 63 : INT64_MAX;
    while (c->rest.len && c->rest.data[0] >= '0' && c->rest.data[0] <= '9') {
        unsigned digit = cursor_u8(c) - (unsigned)'0';
        value = value > (most - digit) / 10 ? most : value * 10 + digit;
    }
    *number = (int32_t)(uint32_t)(negative ? 0 - value : value);
    return true;
}

/* "SSH-%d.%d-%[^\n]": false when the line does not match. */
static bool scan_version(struct span line, int32_t *major, int32_t *minor, struct span *software)
{
    static const struct span magic = SPAN_LIT("SSH-");
    struct cursor c = cursor_of(line);
    if (!span_equal(cursor_bytes(&c, magic.len), magic) || !scan_number(&c, major) ||
        cursor_u8(&c) != '.' || !scan_number(&c, minor) || cursor_u8(&c) != '-')
        return false;
    *software = cursor_rest(&c);
    return software->len > 0;
}

/* Ends the connection with a line of text. COMPAT: OpenSSH writes the line's end as a second small
 * write. When bytes of the client are left unread, the kernel answers the close with a reset before
 * that write has left; so the text goes out alone and a reset follows. */
static int refuse(struct ssh *s, const char *text_z)
{
    bool unread = s->unread || buffer_len(&s->receiver.in) > 0;
    struct buffer *out = &s->sender.out;
    if (buffer_put_z(out, text_z) < 0 || (!unread && buffer_put_z(out, "\r\n") < 0))
        return ssh_broken(s, ERR_NOMEM);
    s->out_first = strlen(text_z);
    struct ssh_event_error *error = &ssh_emit(s, SSH_EVENT_ERROR)->error;
    struct span line = buffer_span(&s->line);
    *error = (struct ssh_event_error){
        .text_z = text_z,
        .sent = span_z(text_z),
        .message = -1,
        .data = span_slice(line, 0, SSH_ERROR_DATA_MAX),
        .data_len = line.len,
    };
    ssh_finish(s);
    s->aborts = unread;
    return SSH_OVER;
}

static int invalid(struct ssh *s)
{
    return refuse(s, "Invalid SSH identification string.");
}

static int accept_line(struct ssh *s)
{
    struct span line = buffer_span(&s->line), software;
    int32_t major, minor;
    if (!scan_version(line, &major, &minor, &software))
        return invalid(s);
    if (major != 2 && !(major == 1 && minor == 99))
        return refuse(s, "Protocol major versions differ.");
    s->compat = ssh_profile_compat_of(s->profile, software);
    ssh_emit(s, SSH_EVENT_VERSION)->version = line;
    if (s->compat & SSH_COMPAT_SCANNER) {
        ssh_finish(s);
        return SSH_OVER;
    }
    s->phase = SSH_PHASE_KEX;
    /* The version line is one write, what follows another. */
    ssh_kexinit_send(s);
    ssh_wait_start(s, SSH_WAIT_KEXINIT);
    return 1;
}

int ssh_ident_read_byte(struct ssh *s, uint8_t byte)
{
    if (byte == '\r') {
        s->line_cr = true;
        return 0;
    }
    if (byte == '\n')
        return accept_line(s);
    if (byte == '\0' || s->line_cr)
        return invalid(s);
    /* The longest line allowed is full: one byte more is too many. */
    if (buffer_room(&s->line) == 0)
        return invalid(s);
    int err = buffer_put_u8(&s->line, byte);
    return err < 0 ? ssh_broken(s, err) : 0;
}

int ssh_ident_read(struct ssh *s)
{
    struct buffer *in = &s->receiver.in;
    for (struct span left = buffer_span(in); left.len > 0; left = buffer_span(in)) {
        uint8_t byte = left.data[0];
        buffer_take(in, 1);
        int result = s->profile->dialect->read_byte(s, byte);
        if (result != 0)
            return result;
    }
    return 0;
}
