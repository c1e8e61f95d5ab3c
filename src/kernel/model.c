#include "kernel/model.h"

#include "kernel/snapshot_lesson.h"
#include "kernel/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MODEL_RUN = 1,         /* its number as a run of a lesson: the texts are made up */
    STACK_REACH = 1 << 20, /* pointers into the stack are to no place deeper */
    MAPPINGS_REACH = 64 << 20,
    LINK_SHIFT = 12, /* PROTECT_PTR, malloc.c */
    HALF = 32,
};

/* What a program's memory consists of. Parts lie anywhere; what is in one of them does not move. */
enum part { PROGRAM, HEAP, MAPPINGS, FRAMES, STRINGS, PARTS };

struct place {
    uint64_t base; /* what its addresses count from */
    uint64_t low, high;
};

struct model {
    struct lesson_run run; /* until it is ready */
    struct place place[PARTS];
    uint8_t *bytes; /* owned: the stack, with a page of zeroes before and behind, then the pages */
    uint64_t stack_low, stack_bytes;
    uint64_t *addr; /* owned: of each page, rising */
    size_t count;
};

/* How a visitor's program lies to the model's. */
struct likeness {
    struct cpu_maker base;   /* first */
    struct snapshot *known;  /* held: whose the model is; NULL: there is none */
    struct place own[PARTS]; /* where the parts are in his */
};

static void find_places(const struct mm *mm, struct place place[PARTS])
{
    uint64_t program_end = mm->code_start + SNAPSHOT_REACH;
    place[PROGRAM] = (struct place){mm->code_start, mm->code_start,
                                    program_end < mm->brk_start ? program_end : mm->brk_start};
    place[HEAP] = (struct place){mm->brk_start, mm->brk_start, mm->brk_end};
    place[MAPPINGS] = (struct place){mm->mmap_top, mm->mmap_top - MAPPINGS_REACH, mm->mmap_top};
    place[FRAMES] = (struct place){mm->frame, mm->frame - STACK_REACH, mm->arg_start};
    place[STRINGS] = (struct place){mm->stack_top, mm->arg_start, mm->stack_top};
}

static bool is_in(const struct place *place, uint64_t addr)
{
    return addr - place->low < place->high - place->low;
}

/* ---- Making a page ---- */

/* An address, or its upper half with something else below, where our parts are. */
static uint64_t moved(const struct place theirs[PARTS], const struct place own[PARTS],
                      uint64_t word)
{
    if (word >> HALF == 0)
        return word;
    for (int i = 0; i < PARTS; i++)
        if (is_in(&theirs[i], word))
            return word - theirs[i].base + own[i].base;
    for (int i = 0; i < PARTS; i++)
        if (word >> HALF == theirs[i].base >> HALF)
            return (uint32_t)word | own[i].base >> HALF << HALF;
    return word;
}

/* The same of glibc's lists of free pieces, whose links are hidden by where they stand. */
static uint64_t moved_link(const struct place theirs[PARTS], const struct place own[PARTS],
                           uint64_t addr, uint64_t word)
{
    uint64_t link = word ^ addr >> LINK_SHIFT;
    if (link != 0 && !is_in(&theirs[HEAP], link))
        return moved(theirs, own, word);
    uint64_t shift = own[HEAP].base - theirs[HEAP].base;
    return (link != 0 ? link + shift : 0) ^ (addr + shift) >> LINK_SHIFT;
}

static void make_page(const struct cpu_maker *base, const uint8_t *like, uint8_t *page)
{
    const struct likeness *l = (const struct likeness *)base;
    const struct model *m = l->known->model;
    size_t at = (size_t)(like - m->bytes);
    uint64_t addr = at < m->stack_bytes ? 0 : m->addr[(at - m->stack_bytes) / CPU_PAGE_BYTES], word;
    bool is_heap = is_in(&m->place[HEAP], addr);
    for (size_t i = 0; i < CPU_PAGE_BYTES; i += sizeof(word)) {
        memcpy(&word, like + i, sizeof(word));
        if (word != 0)
            word = is_heap ? moved_link(m->place, l->own, addr + i, word)
                           : moved(m->place, l->own, word);
        memcpy(page + i, &word, sizeof(word));
    }
}

static uint8_t *page_of(const struct model *m, size_t n)
{
    return m->bytes + m->stack_bytes + n * CPU_PAGE_BYTES;
}

static size_t page_index(const struct model *m, uint64_t addr)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->addr[middle] < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The stack's bytes need not lie at the same place of their page. */
static const uint8_t *like_stack(const struct model *m, const struct likeness *l, uint64_t addr)
{
    enum part part = addr + CPU_PAGE_BYTES <= l->own[STRINGS].low ? FRAMES : STRINGS;
    uint64_t at = addr - l->own[part].base + m->place[part].base - m->stack_low;
    return at <= m->stack_bytes - CPU_PAGE_BYTES ? m->bytes + at : NULL;
}

static const uint8_t *like(const struct cpu_maker *base, uint64_t addr)
{
    const struct likeness *l = (const struct likeness *)base;
    const struct model *m = l->known->model;
    for (int i = PROGRAM; i <= MAPPINGS; i++) {
        uint64_t theirs = addr - l->own[i].base + m->place[i].base;
        if (!is_in(&l->own[i], addr))
            continue;
        size_t n = page_index(m, theirs);
        return n < m->count && m->addr[n] == theirs ? page_of(m, n) : NULL;
    }
    return like_stack(m, l, addr);
}

/* ---- Packing ---- */

/* Without a model a page is like zeroes: much of what programs have is. */
static const uint8_t *like_nothing(const struct cpu_maker *base, uint64_t addr)
{
    (void)base;
    (void)addr;
    return NULL;
}

static void free_likeness(struct cpu_maker *base)
{
    struct likeness *l = (struct likeness *)base;
    if (l->known != NULL)
        snapshot_drop(l->known);
    free(l);
}

static struct cpu_maker *new_likeness(struct snapshot *known)
{
    struct likeness *l = malloc(sizeof(*l));
    if (l == NULL)
        return NULL;
    l->base = (struct cpu_maker){.refs = 1, .make = make_page, .free = free_likeness};
    l->known = known;
    if (known != NULL)
        known->refs++;
    return &l->base;
}

int model_pack(struct mm *mm, size_t *budget)
{
    enum snapshot_state state = mm->known != NULL ? mm->known->model_state : SNAPSHOT_NONE;
    if (state == SNAPSHOT_WANTED)
        return -EAGAIN;
    if (mm->likeness == NULL)
        mm->likeness = new_likeness(state == SNAPSHOT_READY ? mm->known : NULL);
    if (mm->likeness == NULL)
        return -ENOMEM;
    struct likeness *l = (struct likeness *)mm->likeness;
    if (l->known != NULL)
        find_places(mm, l->own);
    (void)cpu_space_pack(mm->space, mm->likeness, l->known != NULL ? like : like_nothing, budget);
    return 0;
}

/* ---- Making a model ---- */

struct model *model_new(const struct snapshot_start *start)
{
    struct model *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    if (lesson_run_begin(&m->run, start, MODEL_RUN, MODEL_RUN) != 0) {
        model_free(m);
        return NULL;
    }
    return m;
}

void model_free(struct model *m)
{
    if (m == NULL)
        return;
    lesson_run_end(&m->run);
    free(m->addr);
    free(m->bytes);
    free(m);
}

struct span model_contents(const struct model *m)
{
    return span_of(m->bytes, m->stack_bytes + m->count * CPU_PAGE_BYTES);
}

/* A page of the model's machine: of the stack, or one of the list. */
static void keep_address(void *context, uint64_t addr, const uint8_t *bytes)
{
    struct model *m = context;
    (void)bytes;
    if (addr >= m->place[FRAMES].low && addr < m->place[STRINGS].high)
        m->stack_low = addr < m->stack_low ? addr : m->stack_low;
    else if (m->count < MODEL_PAGES_MAX)
        m->addr[m->count++] = addr;
}

static int by_address(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

/* What is mapped without a right to read it reads as zeroes. */
static void keep_page(struct cpu_space *space, uint64_t addr, uint8_t *bytes)
{
    if (cpu_space_read(space, addr, bytes, CPU_PAGE_BYTES) != 0)
        memset(bytes, 0, CPU_PAGE_BYTES);
}

static int keep_pages(struct model *m, const struct mm *mm)
{
    find_places(mm, m->place);
    uint64_t top = m->place[STRINGS].high;
    m->stack_low = top;
    m->addr = calloc(MODEL_PAGES_MAX, sizeof(*m->addr));
    if (m->addr == NULL)
        return -ENOMEM;
    cpu_space_each_own(mm->space, keep_address, m);
    if (top - m->stack_low > MODEL_STACK_MAX)
        return -E2BIG;
    m->stack_low -= CPU_PAGE_BYTES;
    m->stack_bytes = top + CPU_PAGE_BYTES - m->stack_low;
    qsort(m->addr, m->count, sizeof(*m->addr), by_address);
    m->bytes = calloc(1, m->stack_bytes + m->count * CPU_PAGE_BYTES);
    if (m->bytes == NULL)
        return -ENOMEM;
    for (uint64_t at = m->stack_low + CPU_PAGE_BYTES; at < top; at += CPU_PAGE_BYTES)
        keep_page(mm->space, at, m->bytes + (at - m->stack_low));
    for (size_t i = 0; i < m->count; i++)
        keep_page(mm->space, m->addr[i], page_of(m, i));
    return 0;
}

int model_run(struct model *m, uint64_t budget)
{
    struct kernel *k = m->run.kernel;
    enum kernel_state state = kernel_run(k, budget, 0);
    struct span out = kernel_out(k, 0, KERNEL_STDOUT);
    bool more = state == KERNEL_BUSY || out.len > 0;
    lesson_run_drain(&m->run);
    if (k->tasks != m->run.task || k->instructions > MODEL_INSTRUCTIONS_MAX)
        return -EDOM;
    if (more)
        return 1;
    int error = keep_pages(m, m->run.task->mm);
    lesson_run_end(&m->run);
    return error;
}
