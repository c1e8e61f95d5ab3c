#include "persona/packed.h"

#include "base/error.h"

#include <assert.h>
#include <string.h>
#include <zlib.h>

static uint64_t blocks_of(uint64_t size)
{
    return (size + PERSONA_BLOCK - 1) / PERSONA_BLOCK;
}

/* What block `index` holds of the file. */
static uint32_t bytes_of(uint64_t size, uint64_t index)
{
    uint64_t rest = size - index * PERSONA_BLOCK;
    return rest < PERSONA_BLOCK ? (uint32_t)rest : PERSONA_BLOCK;
}

static uint32_t end_of(struct span packed, uint64_t index)
{
    const uint8_t *p = packed.data + index * 4;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool persona_packed_is_good(struct span packed, uint64_t size)
{
    uint64_t count = blocks_of(size);
    if (count == 0 || count > packed.len / 4)
        return false;
    uint32_t start = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t end = end_of(packed, i);
        if (end <= start || end - start > bytes_of(size, i))
            return false;
        start = end;
    }
    return start == packed.len - count * 4;
}

static int inflate_block(struct span in, uint8_t *out, uint32_t n)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.data,
                  .avail_in = (uInt)in.len,
                  .next_out = out,
                  .avail_out = n};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return ERR_NOMEM;
    int rc = inflate(&z, Z_FINISH);
    bool whole = rc == Z_STREAM_END && z.avail_in == 0 && z.avail_out == 0;
    inflateEnd(&z);
    if (!whole)
        return rc == Z_MEM_ERROR ? ERR_NOMEM : ERR_MALFORMED;
    return (int)n;
}

int persona_unpack(struct span packed, uint64_t size, uint64_t index, uint8_t out[PERSONA_BLOCK])
{
    uint64_t count = blocks_of(size);
    assert(index < count);
    uint32_t start = index > 0 ? end_of(packed, index - 1) : 0, n = bytes_of(size, index);
    size_t base = (size_t)count * 4;
    struct span in = span_slice(packed, base + start, base + end_of(packed, index));
    if (in.len != n)
        return inflate_block(in, out, n);
    memcpy(out, in.data, n);
    return (int)n;
}
