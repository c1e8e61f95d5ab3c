#include "kernel/nlattr.h"

#include "base/error.h"

#include <linux/netlink.h>

static size_t aligned(size_t n)
{
    return (n + NLA_ALIGNTO - 1) & ~(size_t)(NLA_ALIGNTO - 1);
}

bool nlattr_next(struct span *rest, struct nlattr_item *out)
{
    struct nlattr head;
    if (rest->len < sizeof(head))
        return false;
    memcpy(&head, rest->data, sizeof(head));
    if (head.nla_len < sizeof(head) || head.nla_len > rest->len)
        return false;
    out->type = head.nla_type & NLA_TYPE_MASK;
    out->value = span_slice(*rest, sizeof(head), head.nla_len);
    *rest = span_slice(*rest, aligned(head.nla_len), rest->len);
    return true;
}

struct span nlattr_find(struct span attributes, uint16_t type)
{
    struct nlattr_item item;
    while (nlattr_next(&attributes, &item))
        if (item.type == type)
            return item.value;
    return (struct span){NULL, 0};
}

struct span nlattr_find_text(struct span attributes, uint16_t type)
{
    struct span found = nlattr_find(attributes, type);
    ptrdiff_t end = span_find(found, 0, 0);
    return end >= 0 ? span_slice(found, 0, (size_t)end) : found;
}

bool nlattr_find_be32(struct span attributes, uint16_t type, uint32_t *out)
{
    struct span found = nlattr_find(attributes, type);
    uint32_t value = 0;
    if (found.len < sizeof(value))
        return false;
    memcpy(&value, found.data, sizeof(value));
    *out = __builtin_bswap32(value);
    return true;
}

bool nlattr_find_be64(struct span attributes, uint16_t type, uint64_t *out)
{
    struct span found = nlattr_find(attributes, type);
    uint64_t value = 0;
    if (found.len < sizeof(value))
        return false;
    memcpy(&value, found.data, sizeof(value));
    *out = __builtin_bswap64(value);
    return true;
}

static int put_head(struct buffer *out, uint16_t type, size_t len)
{
    const struct nlattr head = {.nla_len = (uint16_t)(sizeof(head) + len), .nla_type = type};
    return len > NLATTR_VALUE_MAX ? ERR_FULL : buffer_put(out, span_of(&head, sizeof(head)));
}

int nlattr_put(struct buffer *out, uint16_t type, struct span value)
{
    static const uint8_t zeros[NLA_ALIGNTO];
    int error = put_head(out, type, value.len);
    if (error == 0)
        error = buffer_put(out, value);
    if (error == 0)
        error = buffer_put(out, span_of(zeros, aligned(value.len) - value.len));
    return error;
}

int nlattr_put_be32(struct buffer *out, uint16_t type, uint32_t value)
{
    const uint32_t bytes = __builtin_bswap32(value);
    return nlattr_put(out, type, span_of(&bytes, sizeof(bytes)));
}

int nlattr_put_be64(struct buffer *out, uint16_t type, uint64_t value)
{
    const uint64_t bytes = __builtin_bswap64(value);
    return nlattr_put(out, type, span_of(&bytes, sizeof(bytes)));
}

int nlattr_put_z(struct buffer *out, uint16_t type, const char *text_z)
{
    return nlattr_put(out, type, span_of(text_z, strlen(text_z) + 1));
}

int nlattr_begin(struct buffer *out, uint16_t type, size_t *at)
{
    *at = buffer_len(out);
    return put_head(out, type, 0);
}

int nlattr_end(struct buffer *out, size_t at)
{
    size_t len = buffer_len(out) - at;
    if (len > UINT16_MAX)
        return ERR_FULL;
    const uint16_t whole = (uint16_t)len;
    memcpy(out->data + out->start + at, &whole, sizeof(whole));
    return 0;
}
