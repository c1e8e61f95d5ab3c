#include "session/text.h"

#include "base/error.h"

void session_text_hex(struct span bytes, char *out_z)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        *out_z++ = digits[bytes.data[i] >> 4];
        *out_z++ = digits[bytes.data[i] & 15];
    }
    *out_z = '\0';
}

int session_text_base64(struct span bytes, struct buffer *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t chars = (bytes.len + 2) / 3 * 4;
    if (chars == 0)
        return 0;
    uint8_t *p = buffer_reserve(out, chars);
    if (p == NULL)
        return buffer_room(out) < chars ? ERR_FULL : ERR_NOMEM;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (left > 1)
            group |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2)
            group |= bytes.data[i + 2];
        *p++ = (uint8_t)digits[group >> 18];
        *p++ = (uint8_t)digits[group >> 12 & 63];
        *p++ = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
        *p++ = left > 2 ? (uint8_t)digits[group & 63] : '=';
    }
    buffer_commit(out, chars);
    return 0;
}
