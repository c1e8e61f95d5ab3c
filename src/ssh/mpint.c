#include "ssh/mpint.h"

#include "base/error.h"

#include <string.h>

static struct span strip(struct span number)
{
    size_t zeros = 0;
    while (zeros < number.len && number.data[zeros] == 0)
        zeros++;
    return span_slice(number, zeros, number.len);
}

int ssh_mpint_put(struct buffer *b, struct span number)
{
    number = strip(number);
    /* The top bit is the sign. */
    bool pad = number.len > 0 && number.data[0] >= 0x80;
    size_t len = number.len + pad;
    if (len > UINT32_MAX || len + 4 > buffer_room(b))
        return ERR_FULL;
    int err = buffer_put_u32(b, (uint32_t)len);
    if (err == 0 && pad)
        err = buffer_put_u8(b, 0);
    return err < 0 ? err : buffer_put(b, number);
}

struct span ssh_mpint_get(struct cursor *c)
{
    struct span number = cursor_string(c);
    if (number.len > 0 && number.data[0] >= 0x80)
        c->failed = true;
    number = strip(number);
    if (number.len > SSH_MPINT_MAX_BYTES)
        c->failed = true;
    return c->failed ? span_of(NULL, 0) : number;
}

int ssh_mpint_pad(struct span number, uint8_t *out, size_t width)
{
    number = strip(number);
    if (number.len > width)
        return ERR_MALFORMED;
    memset(out, 0, width - number.len);
    if (number.len)
        memcpy(out + width - number.len, number.data, number.len);
    return 0;
}
