/* gzip (RFC 1952), unpacked within bounds. */
#include "reel/http_client/parts.h"

#include <errno.h>
#include <zlib.h>

struct hc_inflate {
    struct reel_reactor *reactor;
    z_stream z;
    uint64_t in, out;
    bool is_whole; /* at the end of a member */
};

static void *on_alloc(void *context, unsigned items, unsigned size)
{
    return reel_memory_new(context, (size_t)items * size);
}

static void on_free(void *context, void *memory)
{
    reel_memory_free(context, memory);
}

struct hc_inflate *reel_hc_inflate_new(struct reel_reactor *r)
{
    struct hc_inflate *z = reel_memory_new_zeroed(r, sizeof(*z));
    if (!z)
        return NULL;
    z->reactor = r;
    z->z = (z_stream){.zalloc = on_alloc, .zfree = on_free, .opaque = r};
    if (inflateInit2(&z->z, 15 + 16) != Z_OK) {
        reel_memory_free(r, z);
        return NULL;
    }
    return z;
}

void reel_hc_inflate_free(struct hc_inflate *z)
{
    if (!z)
        return;
    inflateEnd(&z->z);
    reel_memory_free(z->reactor, z);
}

ssize_t reel_hc_inflate(struct hc_inflate *z, struct span *in, uint8_t *out, size_t size)
{
    while (in->len) {
        if (z->is_whole && inflateReset(&z->z) != Z_OK)
            return -EPROTO;
        z->is_whole = false;
        z->z.next_in = (Bytef *)in->data;
        z->z.avail_in = (uInt)(in->len < UINT32_MAX ? in->len : UINT32_MAX);
        z->z.next_out = out;
        z->z.avail_out = (uInt)size;
        size_t before = z->z.avail_in;
        int err = inflate(&z->z, Z_NO_FLUSH);
        size_t used = before - z->z.avail_in, made = size - z->z.avail_out;
        *in = (struct span){in->data + used, in->len - used};
        z->in += used;
        z->out += made;
        z->is_whole = err == Z_STREAM_END;
        if (err == Z_MEM_ERROR)
            return -ENOMEM;
        if (err != Z_OK && err != Z_STREAM_END && err != Z_BUF_ERROR)
            return -EPROTO;
        if (z->out > HC_BOMB_FREE && z->out / HC_BOMB_RATIO > z->in)
            return -EMSGSIZE;
        if (made)
            return (ssize_t)made;
        if (used == 0)
            return -EPROTO;
    }
    return 0;
}

bool reel_hc_inflate_is_whole(const struct hc_inflate *z)
{
    return z->is_whole;
}
