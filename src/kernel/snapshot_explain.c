/* What a word is made of. Each question is asked of all runs at once: an address plus a constant, a
 * pointer hidden by glibc, a random number, the time, a piece of a text. */
#include "kernel/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL = 4, /* bytes looked at at once */
    WORD = 8,
    ROTATION = 17,   /* 2 * sizeof(void *) + 1, sysdeps/x86_64/pointer_guard.h */
    LINK_SHIFT = 12, /* PROTECT_PTR, malloc.c */
    WORD_SHIFT = 3,
    PAGE_SHIFT = 12,
    REST_PAGES = 16, /* that the half of an address that is not there may be away */
    PATCHES_FIRST = 1024,
    FAMOUS_MAX = 32, /* pages to which addresses lead */
};

static uint64_t rotate_left(uint64_t v, unsigned n)
{
    return v << n | v >> (64 - n);
}

/* ---- From inputs to bytes ---- */

static uint32_t seed_of(const struct snapshot_patch *p, const struct snapshot_inputs *in)
{
    unsigned time = (unsigned)(p->addend >> 32);
    uint64_t v = in->value[SNAPSHOT_SECONDS + time] ^ in->value[SNAPSHOT_PARTS + time] ^
                 in->value[SNAPSHOT_PID] ^ in->value[SNAPSHOT_PPID];
    return (uint32_t)v ^ ((uint32_t)in->value[p->symbol] + (uint32_t)p->addend);
}

static uint64_t value_of(const struct snapshot_patch *p, const struct snapshot_inputs *in,
                         uint64_t addr)
{
    uint64_t sum = in->value[p->symbol] + p->addend;
    switch ((enum snapshot_form)p->form) {
    case SNAPSHOT_ADD: return sum;
    case SNAPSHOT_HIGH: return sum >> 32;
    case SNAPSHOT_MANGLED: return rotate_left(sum ^ in->value[SNAPSHOT_GUARD], ROTATION);
    case SNAPSHOT_ROTATED: return rotate_left(sum, ROTATION);
    case SNAPSHOT_LINKED: return (addr + p->at - p->skip) >> LINK_SHIFT ^ sum;
    case SNAPSHOT_WORDS: return (in->value[p->symbol] >> WORD_SHIFT) + p->addend;
    case SNAPSHOT_PAGE: return (in->value[p->symbol] >> LINK_SHIFT) + p->addend;
    case SNAPSHOT_XOR: return in->value[p->symbol] ^ p->addend;
    case SNAPSHOT_SEED: return seed_of(p, in);
    case SNAPSHOT_TEXT:
    case SNAPSHOT_LEFT: break;
    }
    return 0;
}

static void patch_one(const struct snapshot_patch *p, const struct snapshot_inputs *in,
                      uint64_t addr, uint8_t *to)
{
    if (p->form == SNAPSHOT_ADD && p->len == WORD) { /* most are */
        uint64_t sum = in->value[p->symbol] + p->addend;
        memcpy(to, &sum, sizeof(sum));
        return;
    }
    if (p->form == SNAPSHOT_TEXT) {
        memcpy(to, in->text[p->symbol].data + p->addend, p->len);
        return;
    }
    if (p->form == SNAPSHOT_LEFT)
        return;
    uint64_t value = value_of(p, in, addr);
    memcpy(to, (const uint8_t *)&value + p->skip, p->len);
}

void snapshot_patch_bytes(const struct snapshot_patch *patches, size_t count,
                          const struct snapshot_inputs *inputs, uint64_t addr, uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++)
        patch_one(&patches[i], inputs, addr, bytes + patches[i].at);
}

/* ---- From bytes to inputs ---- */

struct question {
    const struct snapshot_view *views;
    size_t count, len;
    struct snapshot_patches *out;
};

/* From the last one on: the first ones are the most alike. */
static bool is_right(const struct question *q, const struct snapshot_patch *p)
{
    uint8_t made[WORD];
    for (size_t i = q->count; i-- > 0;) {
        patch_one(p, q->views[i].inputs, q->views[i].addr, made);
        if (memcmp(made, q->views[i].bytes + p->at, p->len) != 0)
            return false;
    }
    return true;
}

static bool is_same(const struct question *q, size_t at, size_t len)
{
    for (size_t i = 1; i < q->count; i++)
        if (memcmp(q->views[i].bytes + at, q->views[0].bytes + at, len) != 0)
            return false;
    return true;
}

static uint64_t word_at(const struct snapshot_view *v, size_t at)
{
    uint64_t word;
    memcpy(&word, v->bytes + at, sizeof(word));
    return word;
}

static bool is_same_word(const struct question *q, size_t at)
{
    uint64_t first = word_at(&q->views[0], at), different = 0;
    for (size_t i = 1; i < q->count; i++)
        different |= word_at(&q->views[i], at) ^ first;
    return different == 0;
}

/* The words of all views, as what stands in them would be if the form were the one asked about. */
static uint64_t unhidden(const struct question *q, size_t i, size_t at, enum snapshot_form form)
{
    const struct snapshot_view *v = &q->views[i];
    uint64_t word = word_at(v, at);
    switch (form) {
    case SNAPSHOT_MANGLED:
        return rotate_left(word, 64 - ROTATION) ^ v->inputs->value[SNAPSHOT_GUARD];
    case SNAPSHOT_ROTATED: return rotate_left(word, 64 - ROTATION);
    case SNAPSHOT_LINKED: return (v->addr + at) >> LINK_SHIFT ^ word;
    default: return word;
    }
}

/* An address, open or hidden. */
static bool find_address(const struct question *q, size_t at, struct snapshot_patch *p)
{
    static const uint8_t forms[] = {SNAPSHOT_ADD, SNAPSHOT_MANGLED, SNAPSHOT_LINKED,
                                    SNAPSHOT_ROTATED};
    *p = (struct snapshot_patch){.at = (uint32_t)at, .len = WORD};
    for (size_t f = 0; f < ARRAY_LEN(forms); f++) {
        p->form = forms[f];
        for (p->symbol = 0; p->symbol < SNAPSHOT_ADDRESSES; p->symbol++) {
            p->addend = unhidden(q, 0, at, (enum snapshot_form)p->form) -
                        q->views[0].inputs->value[p->symbol];
            if (is_right(q, p))
                return true;
        }
    }
    return false;
}

/* What is left over when pages or words are counted. Every symbol is a multiple of 16. */
static bool find_quotient(const struct question *q, size_t at, struct snapshot_patch *p)
{
    static const struct {
        uint8_t form, shift, symbols;
    } quotients[] = {{SNAPSHOT_PAGE, LINK_SHIFT, SNAPSHOT_FRAME},
                     {SNAPSHOT_WORDS, WORD_SHIFT, SNAPSHOT_ADDRESSES}};
    *p = (struct snapshot_patch){.at = (uint32_t)at, .len = WORD};
    for (size_t i = 0; i < ARRAY_LEN(quotients); i++) {
        p->form = quotients[i].form;
        for (p->symbol = 1; p->symbol < quotients[i].symbols; p->symbol++) {
            p->addend = word_at(&q->views[0], at) -
                        (q->views[0].inputs->value[p->symbol] >> quotients[i].shift);
            if (is_right(q, p))
                return true;
        }
    }
    return false;
}

static bool find_value(const struct question *q, size_t at, unsigned len, struct snapshot_patch *p)
{
    *p = (struct snapshot_patch){.at = (uint32_t)at,
                                 .form = SNAPSHOT_XOR,
                                 .symbol = SNAPSHOT_ADDRESSES,
                                 .len = (uint8_t)len};
    for (; p->symbol < SNAPSHOT_SYMBOLS; p->symbol++)
        if (is_right(q, p))
            return true;
    if (len < WORD)
        return false;
    p->symbol = SNAPSHOT_GUARD; /* a hash of it that is a constant's */
    p->addend = word_at(&q->views[0], at) ^ q->views[0].inputs->value[SNAPSHOT_GUARD];
    return is_right(q, p);
}

/* An address of which the first two bytes are not there: its page, from how
 * the sums carry. The runs' parts begin at all sixteen pages of 64 KiB, so only one page is right. */
static bool find_carried(const struct question *q, size_t word, struct snapshot_patch *p)
{
    uint64_t low = (UINT64_C(1) << p->skip * 8) - 1;
    uint64_t base = (unhidden(q, 0, word, (enum snapshot_form)p->form) & ~low) -
                    (q->views[0].inputs->value[p->symbol] & ~low);
    for (int i = -REST_PAGES; i <= REST_PAGES; i++) {
        p->addend = base + ((uint64_t)(int64_t)i << PAGE_SHIFT);
        if (is_right(q, p))
            return true;
    }
    return false;
}

/* An address in the heap of which the first three bytes or more are not there. What is left of it is
 * never used as one; it is taken to lead to where it stands, for most links of malloc's lead to near
 * by. */
static bool find_near(const struct question *q, size_t word, struct snapshot_patch *p)
{
    p->addend = q->views[0].addr + word - q->views[0].inputs->value[SNAPSHOT_HEAP];
    return p->addend < SNAPSHOT_REACH && is_right(q, p);
}

/* The same in a mapping or the program, of which three bytes are not there: its page is taken to be that one to which most others lead, of those
 * that carry as it does: malloc's lists, mostly. */
static bool find_famous(const struct question *q, struct snapshot_patch *p)
{
    struct {
        uint64_t page;
        unsigned count;
    } pages[FAMOUS_MAX] = {{0, 0}};
    size_t known = 0, best = 0;
    for (size_t i = 0; i < q->out->count; i++) {
        const struct snapshot_patch *other = &q->out->list[i];
        uint64_t page = other->addend >> PAGE_SHIFT << PAGE_SHIFT;
        size_t n = 0;
        if (other->symbol != p->symbol || other->form != SNAPSHOT_ADD || other->len != WORD)
            continue;
        while (n < known && pages[n].page != page)
            n++;
        if (n == known) {
            p->addend = page;
            if (known == FAMOUS_MAX || !is_right(q, p))
                continue;
            pages[known++].page = page;
        }
        if (++pages[n].count > pages[best].count)
            best = n;
    }
    p->addend = pages[best].page;
    return known > 0;
}

/* The end of an address or a list's link, of which the first bytes were written over. */
static bool find_rest(const struct question *q, size_t at, struct snapshot_patch *p)
{
    static const uint8_t forms[] = {SNAPSHOT_LINKED, SNAPSHOT_ADD};
    static const uint8_t others[] = {SNAPSHOT_MAPPINGS, SNAPSHOT_PROGRAM};
    size_t word = at / WORD * WORD;
    *p = (struct snapshot_patch){.form = SNAPSHOT_LINKED};
    for (unsigned skip = at == word ? 1 : CELL; skip < WORD; skip++) {
        p->skip = (uint8_t)skip;
        p->at = (uint32_t)(word + skip);
        p->len = (uint8_t)(WORD - skip);
        p->form = SNAPSHOT_LINKED;
        p->symbol = SNAPSHOT_ZERO;
        p->addend = 0;
        if (word + WORD > q->len || !is_same(q, at, word + skip - at))
            return false;
        if (is_right(q, p))
            return true;
        p->symbol = SNAPSHOT_HEAP;
        for (size_t f = 0; f < ARRAY_LEN(forms) && skip <= 2; f++) {
            p->form = forms[f];
            if (find_carried(q, word, p))
                return true;
        }
        for (size_t f = 0; f < ARRAY_LEN(forms) && skip > 2; f++) {
            p->form = forms[f];
            if (find_near(q, word, p))
                return true;
        }
        p->form = SNAPSHOT_ADD;
        for (size_t s = 0; s < ARRAY_LEN(others) && skip <= 3; s++) {
            p->symbol = others[s];
            if (skip <= 2 ? find_carried(q, word, p) : find_famous(q, p))
                return true;
        }
    }
    return false;
}

/* What is left of a number between bytes that were written over: the cell's bytes that differ. To the
 * upper half of an address no carry comes (snapshot_inputs_carry); in the lower one all below must be
 * there, but for the first byte, which parts have none of. */
static bool find_piece(const struct question *q, size_t at, struct snapshot_patch *p)
{
    size_t first = 0, end = CELL;
    bool is_upper = at % WORD != 0;
    while (first < CELL && is_same(q, at + first, 1))
        first++;
    while (end > first && is_same(q, at + end - 1, 1))
        end--;
    *p = (struct snapshot_patch){.at = (uint32_t)(at + first),
                                 .form = SNAPSHOT_XOR,
                                 .symbol = SNAPSHOT_CANARY,
                                 .skip = (uint8_t)(is_upper ? CELL + first : first),
                                 .len = (uint8_t)(end - first)};
    if (p->len > 1 && is_right(q, p))
        return true;
    p->form = is_upper ? SNAPSHOT_HIGH : SNAPSHOT_ADD;
    p->skip = (uint8_t)first;
    for (p->symbol = 1; p->symbol < SNAPSHOT_ADDRESSES && (is_upper || first < 2); p->symbol++) {
        uint32_t cell;
        memcpy(&cell, q->views[0].bytes + at, sizeof(cell));
        p->addend = is_upper ? 0 : cell - (uint32_t)q->views[0].inputs->value[p->symbol];
        if (is_right(q, p))
            return true;
    }
    return false;
}

/* The beginning of an address, of which the last bytes were written over. */
static bool find_beginning(const struct question *q, size_t at, struct snapshot_patch *p)
{
    *p = (struct snapshot_patch){.at = (uint32_t)at, .form = SNAPSHOT_ADD};
    for (p->len = WORD - 1; p->len > CELL; p->len--) {
        uint64_t mask = ~UINT64_C(0) >> (WORD - p->len) * 8;
        for (p->symbol = 1; p->symbol < SNAPSHOT_ADDRESSES; p->symbol++) {
            p->addend = (word_at(&q->views[0], at) - q->views[0].inputs->value[p->symbol]) & mask;
            if (is_right(q, p) && is_same(q, at + p->len, (size_t)(WORD - p->len)))
                return true;
        }
    }
    return false;
}

static bool find_half(const struct question *q, size_t at, struct snapshot_patch *p)
{
    uint32_t half;
    memcpy(&half, q->views[0].bytes + at, sizeof(half));
    *p = (struct snapshot_patch){.at = (uint32_t)at, .form = SNAPSHOT_ADD, .len = CELL};
    for (; p->symbol < SNAPSHOT_ADDRESSES; p->symbol++) {
        p->addend = (uint32_t)(half - (uint32_t)q->views[0].inputs->value[p->symbol]);
        if (is_right(q, p))
            return true;
    }
    p->form = SNAPSHOT_SEED;
    p->symbol = SNAPSHOT_PROGRAM;
    for (uint64_t time = 0; time < SNAPSHOT_TIMES; time++) {
        p->addend = time << 32;
        uint32_t addend = (half ^ seed_of(p, q->views[0].inputs) ^
                           (uint32_t)q->views[0].inputs->value[SNAPSHOT_PROGRAM]) -
                          (uint32_t)q->views[0].inputs->value[SNAPSHOT_PROGRAM];
        p->addend |= addend;
        if (is_right(q, p))
            return true;
    }
    /* Pieces are never so near to 4 GiB that a carry could come (snapshot_inputs_carry). */
    p->form = SNAPSHOT_HIGH;
    p->addend = 0;
    for (p->symbol = 1; p->symbol < SNAPSHOT_ADDRESSES; p->symbol++)
        if (is_right(q, p))
            return true;
    return false;
}

/* Bytes of a text: those of the cell that it covers when it begins `shift` bytes after the cell. */
static bool find_text(const struct question *q, size_t at, struct snapshot_patch *p)
{
    for (unsigned n = 0; n < SNAPSHOT_TEXTS; n++) {
        ptrdiff_t len = (ptrdiff_t)q->views[0].inputs->text[n].len;
        for (ptrdiff_t shift = CELL - 1; len > 0 && shift > -len; shift--) {
            ptrdiff_t from = shift > 0 ? shift : 0, to = len + shift < CELL ? len + shift : CELL;
            *p = (struct snapshot_patch){.at = (uint32_t)(at + (size_t)from),
                                         .form = SNAPSHOT_TEXT,
                                         .symbol = (uint8_t)n,
                                         .len = (uint8_t)(to - from),
                                         .addend = (uint64_t)(from - shift)};
            if (is_right(q, p) && is_same(q, at, (size_t)from) &&
                is_same(q, at + (size_t)to, (size_t)(CELL - to)))
                return true;
        }
    }
    return false;
}

static bool find(const struct question *q, size_t at, struct snapshot_patch *p)
{
    bool whole = at + WORD <= q->len;
    return (whole && find_address(q, at, p)) || (whole && find_quotient(q, at, p)) ||
           (whole && find_value(q, at, WORD, p)) || (whole && find_beginning(q, at, p)) ||
           find_value(q, at, CELL, p) || find_half(q, at, p) || find_rest(q, at, p) ||
           find_text(q, at, p) || find_piece(q, at, p);
}

static int put(struct snapshot_patches *out, const struct snapshot_patch *p)
{
    if (out->count == SNAPSHOT_PATCHES_MAX)
        return -E2BIG;
    if (out->count == out->room) {
        size_t room = out->room != 0 ? out->room * 2 : PATCHES_FIRST;
        struct snapshot_patch *list = realloc(out->list, room * sizeof(*list));
        if (list == NULL)
            return -ENOMEM;
        out->list = list;
        out->room = room;
    }
    out->list[out->count++] = *p;
    return 0;
}

/* What functions leave in each other's frames may depend on whether a string crosses a page. */
static bool leave(size_t at, unsigned *left, struct snapshot_patch *p)
{
    if (*left == 0)
        return false;
    --*left;
    *p = (struct snapshot_patch){.at = (uint32_t)at, .form = SNAPSHOT_LEFT, .len = CELL};
    return true;
}

int snapshot_explain(const struct snapshot_view *views, size_t count, size_t len, size_t dead,
                     unsigned left, struct snapshot_patches *out)
{
    const struct question q = {.views = views, .count = count, .len = len, .out = out};
    struct snapshot_patch p;
    for (size_t at = 0; at < len;) {
        if (at % WORD == 0 && at + WORD <= len && is_same_word(&q, at)) {
            at += WORD;
        } else if (is_same(&q, at, CELL)) {
            at += CELL;
        } else if (find(&q, at, &p) || (at >= dead && leave(at, &left, &p))) {
            int error = put(out, &p);
            if (error != 0)
                return error;
            size_t end = at < p.at ? (size_t)p.at + p.len : at + p.len;
            at = (end + CELL - 1) / CELL * CELL;
        } else if (at + CELL <= dead) {
            at += CELL;
        } else {
            return -EDOM;
        }
    }
    return 0;
}
