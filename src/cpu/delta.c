#include "cpu/delta.h"

#include <assert.h>
#include <string.h>

enum {
    SAME_LEAST = 4,  /* so many bytes that are the same end a piece: a new one costs two or more */
    LONG_LEAST = 24, /* a difference as long as this may be text that has moved */
    COPY_LEAST = 8,
    SLOTS = 2048, /* a power of two */
};

/* Where eight bytes stand in the other page: the last place for each hash. */
struct places {
    bool known;
    uint16_t at[SLOTS]; /* + 1; 0: nowhere */
};

struct writer {
    const uint8_t *other, *page;
    uint8_t *out;
    size_t cap, len; /* of `out`; len: wanted */
    size_t done;     /* bytes of the page */
    struct places places;
};

static void put(struct writer *w, uint8_t byte)
{
    if (w->len < w->cap)
        w->out[w->len] = byte;
    w->len++;
}

static void put_number(struct writer *w, size_t n)
{
    for (; n >= 128; n >>= 7)
        put(w, (uint8_t)(n | 128));
    put(w, (uint8_t)n);
}

static void put_bytes(struct writer *w, size_t at, size_t n)
{
    if (n == 0)
        return;
    put_number(w, at - w->done);
    put_number(w, n * 2);
    for (size_t i = 0; i < n; i++)
        put(w, w->page[at + i]);
    w->done = at + n;
}

static void put_copy(struct writer *w, size_t at, size_t n, size_t from)
{
    put_number(w, at - w->done);
    put_number(w, n * 2 + 1);
    put_number(w, from);
    w->done = at + n;
}

static unsigned slot_of(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return (unsigned)(word * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SLOTS;
}

static void learn_places(struct places *p, const uint8_t *other)
{
    memset(p->at, 0, sizeof(p->at));
    for (size_t i = 0; i + COPY_LEAST <= CPU_PAGE_BYTES; i++)
        p->at[slot_of(other + i)] = (uint16_t)(i + 1);
    p->known = true;
}

/* How many of the page's bytes at `at` stand at *from of the other page. */
static size_t find_copy(struct writer *w, size_t at, size_t *from)
{
    size_t n = 0;
    if (at + COPY_LEAST > CPU_PAGE_BYTES)
        return 0;
    uint16_t place = w->places.at[slot_of(w->page + at)];
    if (place == 0)
        return 0;
    *from = place - 1u;
    while (at + n < CPU_PAGE_BYTES && *from + n < CPU_PAGE_BYTES &&
           w->page[at + n] == w->other[*from + n])
        n++;
    return n >= COPY_LEAST ? n : 0;
}

/* The first byte from `at` on that begins a stretch that is the same. */
static size_t end_of_difference(const struct writer *w, size_t at)
{
    for (size_t same = 0; at < CPU_PAGE_BYTES; at++) {
        same = w->page[at] == w->other[at] ? same + 1 : 0;
        if (same == SAME_LEAST)
            return at + 1 - SAME_LEAST;
    }
    return CPU_PAGE_BYTES;
}

/* What has moved is told by where it stood. How far it came. */
static size_t put_moved(struct writer *w, size_t at, size_t end)
{
    size_t first = at, from = 0;
    if (!w->places.known)
        learn_places(&w->places, w->other);
    while (at < end) {
        size_t n = find_copy(w, at, &from);
        if (n > 0) {
            put_bytes(w, first, at - first);
            put_copy(w, at, n, from);
            first = at + n;
        }
        at += n > 0 ? n : 1;
    }
    put_bytes(w, first, at - first);
    return at;
}

size_t cpu_delta_make(const uint8_t other[CPU_PAGE_BYTES], const uint8_t page[CPU_PAGE_BYTES],
                      uint8_t *out, size_t cap)
{
    struct writer w = {.other = other, .page = page, .out = out, .cap = cap};
    for (size_t at = 0; at < CPU_PAGE_BYTES && w.len <= cap;) {
        if (at % 64 == 0 && memcmp(page + at, other + at, 64) == 0) {
            at += 64;
        } else if (page[at] == other[at]) {
            at++;
        } else {
            size_t end = end_of_difference(&w, at);
            if (end - at >= LONG_LEAST)
                end = put_moved(&w, at, end);
            else
                put_bytes(&w, at, end - at);
            at = end;
        }
    }
    return w.len;
}

static size_t get_number(struct span *delta)
{
    size_t n = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert(delta->len > 0 && shift < 21);
        uint8_t byte = delta->data[0];
        *delta = span_slice(*delta, 1, delta->len);
        n |= (size_t)(byte & 127) << shift;
        if (byte < 128)
            return n;
    }
}

void cpu_delta_apply(struct span delta, uint8_t page[CPU_PAGE_BYTES])
{
    uint8_t other[CPU_PAGE_BYTES];
    memcpy(other, page, CPU_PAGE_BYTES);
    for (size_t at = 0; delta.len > 0;) {
        at += get_number(&delta);
        size_t head = get_number(&delta), n = head / 2;
        bool copy = head % 2 != 0;
        size_t from = copy ? get_number(&delta) : 0;
        assert(at + n <= CPU_PAGE_BYTES && from + n <= CPU_PAGE_BYTES && (copy || n <= delta.len));
        memcpy(page + at, copy ? other + from : delta.data, n);
        if (!copy)
            delta = span_slice(delta, n, delta.len);
        at += n;
    }
}
