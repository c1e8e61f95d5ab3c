#include "kernel/stack.h"

#include "kernel/abi.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    STACK_ROOM = 131072,    /* mapped below the strings from the start, as Linux does */
    STACK_SHIFT_MAX = 8192, /* arch_align_stack: the pointer is moved by less than this */
    RANDOM_BYTES = 16,
    CLOCK_TICKS = 100,
    WORD_MOST = 8,
};

/* What is built, as host memory, before it goes to the guest in one piece. */
struct build {
    struct mm *mm;
    uint8_t *bytes;
    uint64_t low; /* guest address of bytes[0] */
    uint64_t top; /* of what is put next: downwards */
};

static uint64_t push(struct build *b, const void *bytes, size_t len)
{
    b->top -= len;
    assert(b->top >= b->low);
    if (len > 0)
        memcpy(b->bytes + (b->top - b->low), bytes, len);
    return b->top;
}

static void aux(struct mm *mm, uint64_t type, uint64_t value)
{
    assert(mm->auxv_count + 2 <= ARRAY_LEN(mm->auxv));
    mm->auxv[mm->auxv_count++] = type;
    mm->auxv[mm->auxv_count++] = value;
}

/* In Linux's order. There is no vDSO, so no AT_SYSINFO_EHDR. */
static void fill_auxv(struct mm *mm, const struct task *t, const struct stack_facts *f,
                      uint64_t path, uint64_t platform, uint64_t random)
{
    const struct creds *c = &t->creds;
    mm->auxv_count = 0;
    const struct abi *abi = mm->abi;
    if (abi->signal_stack_least != 0)
        aux(mm, AT_MINSIGSTKSZ, abi->signal_stack_least);
    aux(mm, AT_HWCAP, abi->hwcap);
    aux(mm, AT_PAGESZ, CPU_PAGE_BYTES);
    aux(mm, AT_CLKTCK, CLOCK_TICKS);
    aux(mm, AT_PHDR, f->phdr);
    aux(mm, AT_PHENT, abi->word_bytes == 8 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
    aux(mm, AT_PHNUM, f->phnum);
    aux(mm, AT_BASE, f->base);
    aux(mm, AT_FLAGS, 0);
    aux(mm, AT_ENTRY, f->entry);
    aux(mm, AT_UID, c->uid);
    aux(mm, AT_EUID, c->euid);
    aux(mm, AT_GID, c->gid);
    aux(mm, AT_EGID, c->egid);
    aux(mm, AT_SECURE, f->secure);
    aux(mm, AT_RANDOM, random);
    aux(mm, AT_HWCAP2, 0);
    aux(mm, AT_EXECFN, path);
    if (platform != 0)
        aux(mm, AT_PLATFORM, platform);
    aux(mm, AT_NULL, 0);
}

/* Where words go, in the program's size and byte order. */
struct words {
    uint8_t *at;
    const struct abi *abi;
};

static void put_word(struct words *out, uint64_t value)
{
    uint32_t narrow = abi_swap32(out->abi, (uint32_t)value);
    if (out->abi->word_bytes == 8)
        memcpy(out->at, &value, sizeof(value));
    else
        memcpy(out->at, &narrow, sizeof(narrow));
    out->at += out->abi->word_bytes;
}

/* Pointers to each string of a block that stands at `at`, and a NULL. */
static void pointers(struct words *out, const struct exec_strings *s, uint64_t at)
{
    const uint8_t *p = s->data;
    for (size_t i = 0; i < s->count; i++) {
        size_t len = strlen((const char *)p) + 1;
        put_word(out, at);
        at += len;
        p += len;
    }
    put_word(out, 0);
}

static uint64_t fill(struct build *b, const struct task *t, const struct exec_strings *args,
                     const struct exec_strings *env, const struct stack_facts *f)
{
    struct mm *mm = b->mm;
    const struct abi *abi = mm->abi;
    uint8_t random[RANDOM_BYTES];
    size_t words = 1 + args->count + 1 + env->count + 1 + (size_t)2 * MM_AUXV_MAX;
    push(b, "\0\0\0\0\0\0\0", abi->word_bytes);
    push(b, "", 1);
    uint64_t path = push(b, f->path.data, f->path.len);
    mm->env_end = b->top;
    mm->env_start = push(b, env->data, env->len);
    mm->arg_end = b->top;
    mm->arg_start = push(b, args->data, args->len);
    b->top -= crypto_rng_u32(&mm->kernel->rng) % STACK_SHIFT_MAX;
    b->top &= ~UINT64_C(15);
    uint64_t platform = 0;
    if (abi->platform_z != NULL)
        platform = push(b, abi->platform_z, strlen(abi->platform_z) + 1);
    crypto_rng_bytes(&mm->kernel->rng, random, sizeof(random));
    uint64_t random_at = push(b, random, sizeof(random));
    fill_auxv(mm, t, f, path, platform, random_at);

    words -= (size_t)2 * MM_AUXV_MAX - mm->auxv_count;
    b->top = (b->top - words * abi->word_bytes) & ~UINT64_C(15);
    struct words out = {b->bytes + (b->top - b->low), abi};
    put_word(&out, args->count);
    pointers(&out, args, mm->arg_start);
    pointers(&out, env, mm->env_start);
    for (size_t i = 0; i < mm->auxv_count; i++)
        put_word(&out, mm->auxv[i]);
    return b->top;
}

int64_t stack_build(struct mm *mm, const struct task *t, const struct exec_strings *args,
                    const struct exec_strings *env, const struct stack_facts *facts)
{
    const uint64_t page = CPU_PAGE_BYTES;
    size_t words = args->count + env->count + (size_t)2 * MM_AUXV_MAX + 4;
    size_t need =
        args->len + env->len + facts->path.len + words * WORD_MOST + STACK_SHIFT_MAX + 256;
    size_t size = (need + page - 1) & ~(size_t)(page - 1);
    struct build b = {.mm = mm, .low = mm->stack_top - size, .top = mm->stack_top};
    unsigned access = CPU_READ | CPU_WRITE | (facts->exec_stack ? (unsigned)CPU_EXEC : 0);
    struct mm_request r = {.addr = b.low - STACK_ROOM,
                           .len = size + STACK_ROOM,
                           .access = access,
                           .access_max = CPU_READ | CPU_WRITE | CPU_EXEC,
                           .noreplace = true,
                           .kind = MM_STACK};
    if (size > facts->limit)
        return -E2BIG;
    int64_t mapped = mm_map(mm, &r);
    if (mapped < 0)
        return mapped;
    b.bytes = calloc(1, size);
    if (b.bytes == NULL)
        return -ENOMEM;
    uint64_t sp = fill(&b, t, args, env, facts);
    int error = cpu_space_poke(mm->space, sp, b.bytes + (sp - b.low), (size_t)(mm->stack_top - sp));
    free(b.bytes);
    return error != 0 ? -ENOMEM : (int64_t)sp;
}
