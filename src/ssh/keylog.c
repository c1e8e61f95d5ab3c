#include "ssh/keylog.h"

#include "base/error.h"

static int put_hex(struct buffer *out, struct span bytes)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < bytes.len; i++)
        err = buffer_printf(out, "%02x", bytes.data[i]);
    return err;
}

static int put_line(struct buffer *out, struct span cookie, const char *between_z,
                    struct span secret)
{
    int err = put_hex(out, cookie);
    if (err == 0)
        err = buffer_put_z(out, between_z);
    if (err == 0)
        err = put_hex(out, secret);
    return err < 0 ? err : buffer_put_z(out, "\n");
}

int ssh_keylog_put(struct buffer *out, struct span cookie, struct span secret,
                   struct span x25519_private)
{
    buffer_wipe(out);
    buffer_init(out, SSH_KEYLOG_MAX_BYTES);
    if (!buffer_reserve(out, SSH_KEYLOG_MAX_BYTES))
        return ERR_NOMEM;
    int err = put_line(out, cookie, " SHARED_SECRET ", secret);
    if (err == 0 && x25519_private.len)
        err = put_line(out, cookie, " ", x25519_private);
    return err;
}
