#include "persona/gzip.h"

#include "base/error.h"

#include <zlib.h>

enum { HEAD_BYTES = 10, TAIL_BYTES = 8, UNIX = 3, MEMORY = 8 };

static void put32(uint8_t *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

int persona_gzip(struct span text, int64_t mtime_s, struct buffer *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text.data, .avail_in = (uInt)text.len};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NOMEM;
    size_t room = deflateBound(&z, (uLong)text.len);
    uint8_t *to = buffer_reserve(out, HEAD_BYTES + room + TAIL_BYTES);
    if (to == NULL) {
        deflateEnd(&z);
        return ERR_FULL;
    }
    const uint8_t head[HEAD_BYTES] = {0x1f, 0x8b, Z_DEFLATED, 0, 0, 0, 0, 0, 0, UNIX};
    for (size_t i = 0; i < HEAD_BYTES; i++)
        to[i] = head[i];
    put32(to + 4, (uint32_t)mtime_s);
    z.next_out = to + HEAD_BYTES;
    z.avail_out = (uInt)room;
    int rc = deflate(&z, Z_FINISH);
    size_t packed = room - z.avail_out;
    deflateEnd(&z);
    if (rc != Z_STREAM_END)
        return ERR_NOMEM;
    put32(to + HEAD_BYTES + packed, (uint32_t)crc32(0, text.data, (uInt)text.len));
    put32(to + HEAD_BYTES + packed + 4, (uint32_t)text.len);
    buffer_commit(out, HEAD_BYTES + packed + TAIL_BYTES);
    return 0;
}
