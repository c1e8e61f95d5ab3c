#include "cpu/pack.h"

#include "cpu/delta.h"
#include "cpu/table.h"

#include <stdlib.h>

enum { LIKE_NOTHING = INT32_MIN, ALIGN = 4 };

struct block {
    struct cpu_maker *maker; /* held */
    const uint8_t *like;
    uint32_t live; /* pages of it that are still packed */
    uint8_t bytes[] __attribute__((aligned(ALIGN)));
};

static struct block *block_of(const struct cpu_pack *pack)
{
    return (struct block *)((uint8_t *)pack - pack->at - offsetof(struct block, bytes));
}

static void predict(const struct cpu_maker *maker, const uint8_t *like,
                    uint8_t page[CPU_PAGE_BYTES])
{
    if (like)
        maker->make(maker, like, page);
    else
        memset(page, 0, CPU_PAGE_BYTES);
}

void cpu_packer_init(struct cpu_packer *packer, struct cpu_maker *maker)
{
    packer->maker = maker;
    packer->like = NULL;
    packer->pages = packer->bytes = 0;
}

bool cpu_packer_has_room(const struct cpu_packer *packer)
{
    return packer->pages < CPU_PACK_BLOCK_PAGES &&
           packer->bytes + sizeof(struct cpu_pack) + CPU_PACK_BYTES_MAX + ALIGN <=
               CPU_PACK_BLOCK_MAX;
}

/* Where `like` stands, counted from the block's. False: too far away. */
static bool place_like(struct cpu_packer *packer, const uint8_t *like, int32_t *place)
{
    *place = LIKE_NOTHING;
    if (!like)
        return true;
    if (!packer->like)
        packer->like = like;
    intptr_t far = (intptr_t)like - (intptr_t)packer->like;
    *place = (int32_t)far;
    return far > INT32_MIN && far <= INT32_MAX;
}

bool cpu_packer_put(struct cpu_packer *packer, const uint8_t *like, struct cpu_frame *frame,
                    struct cpu_entry *entry)
{
    uint8_t made[CPU_PAGE_BYTES];
    struct cpu_pack pack = {.at = (uint16_t)packer->bytes};
    uint8_t *to = packer->block + packer->bytes;
    if (!place_like(packer, like, &pack.like))
        return false;
    predict(packer->maker, like, made);
    size_t n = cpu_delta_make(made, frame->data, to + sizeof(pack), CPU_PACK_BYTES_MAX);
    if (n > CPU_PACK_BYTES_MAX)
        return false;
    pack.bytes = (uint16_t)n;
    memcpy(to, &pack, sizeof(pack));
    packer->page[packer->pages++] = (struct cpu_packed_page){frame, entry, pack.at};
    packer->bytes += (sizeof(pack) + n + ALIGN - 1) / ALIGN * ALIGN;
    return true;
}

size_t cpu_packer_flush(struct cpu_packer *packer)
{
    size_t count = packer->pages;
    struct block *block = count > 0 ? malloc(sizeof(*block) + packer->bytes) : NULL;
    if (block) {
        *block = (struct block){packer->maker, packer->like, (uint32_t)count};
        memcpy(block->bytes, packer->block, packer->bytes);
        packer->maker->refs++;
    }
    for (size_t i = 0; block && i < count; i++) {
        struct cpu_packed_page *p = &packer->page[i];
        free(p->frame->data);
        p->frame->data = NULL;
        p->frame->pack = (struct cpu_pack *)(block->bytes + p->at);
        p->entry->host = NULL;
        p->entry->access |= CPU_PACKED;
    }
    cpu_packer_init(packer, packer->maker);
    return block ? count : 0;
}

void cpu_pack_free(struct cpu_pack *pack)
{
    struct block *block = pack ? block_of(pack) : NULL;
    if (!block || --block->live > 0)
        return;
    if (--block->maker->refs == 0)
        block->maker->free(block->maker);
    free(block);
}

void cpu_pack_open(const struct cpu_pack *pack, uint8_t page[CPU_PAGE_BYTES])
{
    const struct block *block = block_of(pack);
    const uint8_t *like = pack->like == LIKE_NOTHING ? NULL : block->like + pack->like;
    predict(block->maker, like, page);
    cpu_delta_apply(span_of(pack->other, pack->bytes), page);
}
