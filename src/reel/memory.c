#include "reel/loop.h"

#include <string.h>

void *reel_memory_resize(struct reel_reactor *r, void *memory, size_t size)
{
    return r->allocator.resize(r->allocator.context, memory, size);
}

void *reel_memory_new(struct reel_reactor *r, size_t size)
{
    return reel_memory_resize(r, NULL, size);
}

void *reel_memory_new_zeroed(struct reel_reactor *r, size_t size)
{
    void *memory = reel_memory_new(r, size);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

void reel_memory_free(struct reel_reactor *r, void *memory)
{
    if (memory)
        reel_memory_resize(r, memory, 0);
}
