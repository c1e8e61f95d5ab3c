#include "cpu/pack.h"

#include <stdlib.h>

enum { WORDS = CPU_PAGE_BYTES / sizeof(uint64_t) };

struct cpu_pack {
    struct cpu_maker *maker;
    const uint8_t *like;
    uint64_t count;
    uint64_t word[]; /* then where each stands: uint16_t, counted in words */
};

static void predict(const struct cpu_maker *maker, const uint8_t *like, uint64_t words[WORDS])
{
    if (like)
        maker->make(maker, like, (uint8_t *)words);
    else
        memset(words, 0, CPU_PAGE_BYTES);
}

struct cpu_pack *cpu_pack_new(struct cpu_maker *maker, const uint8_t *like,
                              const uint8_t page[CPU_PAGE_BYTES])
{
    uint64_t made[WORDS], words[WORDS];
    uint16_t at[CPU_PACK_WORDS_MAX];
    size_t count = 0;
    predict(maker, like, made);
    memcpy(words, page, CPU_PAGE_BYTES);
    for (unsigned i = 0; i < WORDS; i++) {
        if (words[i] == made[i])
            continue;
        if (count == CPU_PACK_WORDS_MAX)
            return NULL;
        at[count] = (uint16_t)i;
        words[count++] = words[i];
    }
    struct cpu_pack *pack = malloc(sizeof(*pack) + count * (sizeof(*words) + sizeof(*at)));
    if (!pack)
        return NULL;
    *pack = (struct cpu_pack){.maker = maker, .like = like, .count = count};
    maker->refs++;
    memcpy(pack->word, words, count * sizeof(*words));
    memcpy(pack->word + count, at, count * sizeof(*at));
    return pack;
}

void cpu_pack_free(struct cpu_pack *pack)
{
    if (!pack)
        return;
    if (--pack->maker->refs == 0)
        pack->maker->free(pack->maker);
    free(pack);
}

void cpu_pack_open(const struct cpu_pack *pack, uint8_t page[CPU_PAGE_BYTES])
{
    uint64_t words[WORDS];
    predict(pack->maker, pack->like, words);
    for (size_t i = 0; i < pack->count; i++) {
        uint16_t at;
        memcpy(&at, (const uint8_t *)(pack->word + pack->count) + i * sizeof(at), sizeof(at));
        words[at] = pack->word[i];
    }
    memcpy(page, words, CPU_PAGE_BYTES);
}
