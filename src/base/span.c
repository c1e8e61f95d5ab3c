#include "base/span.h"

struct span span_slice(struct span s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    if (!s.data)
        return s;
    return (struct span){s.data + from, to - from};
}

bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool span_equal_z(struct span s, const char *text_z)
{
    return span_equal(s, span_z(text_z));
}

bool span_starts_with(struct span s, struct span prefix)
{
    return s.len >= prefix.len && span_equal(span_slice(s, 0, prefix.len), prefix);
}

int span_compare(struct span a, struct span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t span_find(struct span s, uint8_t byte, size_t from)
{
    if (from >= s.len)
        return -1;
    const uint8_t *hit = memchr(s.data + from, byte, s.len - from);
    return hit ? hit - s.data : -1;
}

size_t span_copy_z(struct span s, char *out_z, size_t out_size)
{
    size_t n = s.len < out_size ? s.len : out_size - 1;
    if (n)
        memcpy(out_z, s.data, n);
    out_z[n] = '\0';
    return s.len;
}
