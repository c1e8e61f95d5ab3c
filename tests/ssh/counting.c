#include "counting.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* At the end of every block, so that its beginning stays where the leak checker looks for it. */
struct tail {
    size_t size;
    size_t counted_bytes; /* 0: made while counting was off */
};

static struct {
    bool on, has_failed;
    size_t live_bytes, peak_bytes;
    uint64_t calls, fail_at;
} counting;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
int __real_inflateInit_(z_streamp stream, const char *version_z, int stream_size);
int __real_deflateInit_(z_streamp stream, int level, const char *version_z, int stream_size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);
int __wrap_inflateInit_(z_streamp stream, const char *version_z, int stream_size);
int __wrap_deflateInit_(z_streamp stream, int level, const char *version_z, int stream_size);

static char *tail_of(void *block)
{
    return (char *)block + malloc_usable_size(block) - sizeof(struct tail);
}

static void *give(size_t size, bool may_fail)
{
    if (counting.on && may_fail && ++counting.calls == counting.fail_at) {
        counting.has_failed = true;
        return NULL;
    }
    void *block = __real_malloc(size + sizeof(struct tail));
    if (!block)
        return NULL;
    struct tail tail = {.size = size, .counted_bytes = counting.on ? size + sizeof(tail) : 0};
    memcpy(tail_of(block), &tail, sizeof(tail));
    counting.live_bytes += tail.counted_bytes;
    if (counting.live_bytes > counting.peak_bytes)
        counting.peak_bytes = counting.live_bytes;
    return block;
}

static void take(void *block)
{
    struct tail tail;
    if (!block)
        return;
    memcpy(&tail, tail_of(block), sizeof(tail));
    counting.live_bytes -= tail.counted_bytes;
    __real_free(block);
}

static void *move(void *block, size_t size, bool may_fail)
{
    void *moved = give(size, may_fail);
    if (moved && block) {
        struct tail tail;
        memcpy(&tail, tail_of(block), sizeof(tail));
        memcpy(moved, block, tail.size < size ? tail.size : size);
        take(block);
    }
    return moved;
}

/* ---- The inside ---- */

void *__wrap_malloc(size_t size)
{
    return give(size, true);
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *block = give(count * size, true);
    return block ? memset(block, 0, count * size) : NULL;
}

void *__wrap_realloc(void *block, size_t size)
{
    return move(block, size, true);
}

void __wrap_free(void *block)
{
    take(block);
}

/* ---- libcrypto and zlib ---- */

static void *crypto_malloc(size_t size, const char *file_z, int line)
{
    (void)file_z;
    (void)line;
    return give(size, false);
}

static void *crypto_realloc(void *block, size_t size, const char *file_z, int line)
{
    (void)file_z;
    (void)line;
    return move(block, size, false);
}

static void crypto_free(void *block, const char *file_z, int line)
{
    (void)file_z;
    (void)line;
    take(block);
}

static void *zip_alloc(void *opaque, uInt items, uInt size)
{
    (void)opaque;
    return give((size_t)items * size, true);
}

static void zip_free(void *opaque, void *block)
{
    (void)opaque;
    take(block);
}

int __wrap_inflateInit_(z_streamp stream, const char *version_z, int stream_size)
{
    stream->zalloc = zip_alloc;
    stream->zfree = zip_free;
    return __real_inflateInit_(stream, version_z, stream_size);
}

int __wrap_deflateInit_(z_streamp stream, int level, const char *version_z, int stream_size)
{
    stream->zalloc = zip_alloc;
    stream->zfree = zip_free;
    return __real_deflateInit_(stream, level, version_z, stream_size);
}

/* ---- What a test asks ---- */

void counting_init(void)
{
    if (!CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free))
        abort();
}

void counting_on(bool on)
{
    counting.on = on;
}

void counting_reset(void)
{
    counting.peak_bytes = counting.live_bytes;
    counting.calls = 0;
    counting.has_failed = false;
}

size_t counting_live_bytes(void)
{
    return counting.live_bytes;
}

size_t counting_peak_bytes(void)
{
    return counting.peak_bytes;
}

uint64_t counting_calls(void)
{
    return counting.calls;
}

void counting_fail_at(uint64_t call)
{
    counting.fail_at = call;
}

bool counting_has_failed(void)
{
    return counting.has_failed;
}
