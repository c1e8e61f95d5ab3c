/* Reaches src/lured/play_filter.c: what passes is the same however it is cut (the first byte says how),
 * is never longer, and passes again as it is. */
#include "lured/play_filter.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void filter(struct span in, size_t piece, struct buffer *out)
{
    struct play_filter f = {0};
    buffer_init(out, 1 << 20);
    for (size_t at = 0; at < in.len; at += piece) {
        size_t len = in.len - at < piece ? in.len - at : piece;
        int error = play_filter(&f, (struct span){in.data + at, len}, out);
        assert(error == 0);
    }
    assert(buffer_span(out).len <= in.len);
}

static void assert_equal(const struct buffer *a, const struct buffer *b)
{
    struct span x = buffer_span(a), y = buffer_span(b);
    assert(x.len == y.len && (x.len == 0 || memcmp(x.data, y.data, x.len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole, cut, again;
    if (size < 2 || data[0] == 0)
        return 0;
    struct span in = {data + 1, size - 1};
    filter(in, in.len, &whole);
    filter(in, data[0], &cut);
    assert_equal(&whole, &cut);
    filter(buffer_span(&whole), size, &again);
    assert_equal(&whole, &again);
    buffer_fini(&whole);
    buffer_fini(&cut);
    buffer_fini(&again);
    return 0;
}
