/* The client's display, as a program in the machine is let in to it: what sshd has xauth(1) write into the user's
 * .Xauthority when it starts a program. */
#include "session/connection.h"

#include "kernel/kernel.h"

#include <errno.h>
#include <stdio.h>

enum {
    FAMILY_LOCAL = 256, /* Xau's FamilyLocal: the address is the host's name */
    PATH_SIZE = 512,
    COOKIE_MAX = 4096, /* bytes */
};

static int digit_of(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static int put_counted(struct buffer *out, struct span text)
{
    int err = buffer_put_u16(out, (uint16_t)text.len);
    return err == 0 ? buffer_put(out, text) : err;
}

/* The cookie comes as hex digits; the request was refused if they were others. */
static int put_cookie(struct buffer *out, struct span hex)
{
    int err = buffer_put_u16(out, (uint16_t)(hex.len / 2));
    for (size_t i = 0; err == 0 && i + 1 < hex.len; i += 2)
        err = buffer_put_u8(out, (uint8_t)(digit_of(hex.data[i]) << 4 | digit_of(hex.data[i + 1])));
    return err;
}

/* An entry as Xau(3) reads it: family, address, number of the display, protocol, cookie. */
static int put_entry(const struct session_connection *c, const struct session_channel *ch,
                     struct buffer *out)
{
    char number_z[16];
    (void)snprintf(number_z, sizeof(number_z), "%u", ch->display);
    int err = buffer_put_u16(out, FAMILY_LOCAL);
    if (err == 0)
        err = put_counted(out, c->host->config.hostname);
    if (err == 0)
        err = put_counted(out, span_z(number_z));
    if (err == 0)
        err = put_counted(out, ch->display_protocol);
    return err == 0 ? put_cookie(out, ch->display_cookie) : err;
}

void session_display_authorize(struct session_connection *c, struct session_channel *ch)
{
    char path_z[PATH_SIZE];
    struct buffer entry;
    struct kernel_owner owner;
    const struct kernel_spawn user = {.uid = c->account.uid, .gid = c->account.gid};
    struct span cookie = ch->display_cookie;
    int n = snprintf(path_z, sizeof(path_z), "%.*s/.Xauthority", (int)c->account.home.len,
                     (const char *)c->account.home.data);
    if (ch->display == 0 || n < 0 || (size_t)n >= sizeof(path_z) || cookie.len % 2 != 0 ||
        cookie.len / 2 > COOKIE_MAX || ch->display_protocol.len > COOKIE_MAX)
        return;
    buffer_init(&entry, (size_t)3 * COOKIE_MAX);
    /* At a terminal xauth is silent about it. */
    if (kernel_file_owner(c->kernel, path_z, &owner) == -ENOENT && !ch->has_terminal)
        (void)buffer_printf(&ch->complaint, "/usr/bin/xauth:  file %s does not exist\n", path_z);
    if (put_entry(c, ch, &entry) == 0)
        (void)kernel_write_file(c->kernel, &user, path_z, buffer_span(&entry));
    buffer_fini(&entry);
}
