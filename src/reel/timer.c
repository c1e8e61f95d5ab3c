#include "reel/heap.h"
#include "reel/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { HEAP_FIRST = 24, CACHE_LINE = 64 }; /* room for 16 timers and what they leave */

#define NO_SLOT UINT32_MAX

/* Without a branch: in a heap of any size nobody can guess how a comparison ends. */
static inline bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    return (a->key_ns < b->key_ns) | ((a->key_ns == b->key_ns) & (a->order < b->order));
}

static inline void set_node(struct timer_heap *heap, uint32_t slot, struct heap_node node)
{
    heap->nodes[slot] = node;
    if (node.timer)
        node.timer->slot = slot;
}

static inline void sift_up(struct timer_heap *heap, uint32_t slot, struct heap_node node)
{
    while (slot > 0) {
        uint32_t parent = (slot - 1) / 4;
        if (!is_before(&node, &heap->nodes[parent]))
            break;
        set_node(heap, slot, heap->nodes[parent]);
        slot = parent;
    }
    set_node(heap, slot, node);
}

/* The next step down looks at four of these 16: in a large heap, waiting for them is most of what a
 * timer's end costs. */
static inline void prefetch(const struct heap_node *grandchildren)
{
    for (size_t at = 0; at < 16 * sizeof(*grandchildren); at += CACHE_LINE)
        __builtin_prefetch((const char *)grandchildren + at);
}

static uint32_t first_child(const struct timer_heap *heap, uint32_t slot)
{
    const struct heap_node *nodes = heap->nodes;
    uint32_t best = 4 * slot + 1;
    if (best + 3 < heap->count) {
        prefetch(&nodes[4 * best + 1]);
        uint32_t left = best + is_before(&nodes[best + 1], &nodes[best]);
        uint32_t right = best + 2 + is_before(&nodes[best + 3], &nodes[best + 2]);
        return is_before(&nodes[right], &nodes[left]) ? right : left;
    }
    for (uint32_t child = best + 1; child < heap->count; child++)
        if (is_before(&nodes[child], &nodes[best]))
            best = child;
    return best;
}

static void sift_down(struct timer_heap *heap, uint32_t slot, struct heap_node node)
{
    while (4 * slot + 1 < heap->count) {
        uint32_t child = first_child(heap, slot);
        if (!is_before(&heap->nodes[child], &node))
            break;
        set_node(heap, slot, heap->nodes[child]);
        slot = child;
    }
    set_node(heap, slot, node);
}

static struct heap_node node_of(struct reel_timer *timer)
{
    return (struct heap_node){timer->deadline_ns, timer->order, timer};
}

static void drop_first(struct timer_heap *heap)
{
    heap->stopped -= !heap->nodes[0].timer;
    struct heap_node last = heap->nodes[--heap->count];
    if (heap->count)
        sift_down(heap, 0, last);
}

/* Takes out the nodes of stopped timers. */
static void compact(struct timer_heap *heap)
{
    uint32_t kept = 0;
    for (uint32_t slot = 0; slot < heap->count; slot++)
        if (heap->nodes[slot].timer)
            set_node(heap, kept++, heap->nodes[slot]);
    heap->count = kept;
    heap->stopped = 0;
    for (uint32_t slot = (kept + 2) / 4; slot-- > 0;)
        sift_down(heap, slot, heap->nodes[slot]);
}

/* Node 1, the first of four siblings, is put at the start of a cache line. */
static struct heap_node *place(void *memory)
{
    uintptr_t first = (uintptr_t)memory + sizeof(struct heap_node);
    uintptr_t line = (first + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1);
    return (struct heap_node *)((uint8_t *)memory + (line - first));
}

static int grow(struct reel_reactor *r, struct timer_heap *heap)
{
    uint32_t cap = heap->cap ? 2 * heap->cap : HEAP_FIRST;
    size_t offset = (size_t)((uint8_t *)heap->nodes - (uint8_t *)heap->memory);
    if (cap < heap->cap)
        return -ENOMEM;
    uint8_t *memory = reel_memory_resize(r, heap->memory, CACHE_LINE + cap * sizeof(*heap->nodes));
    if (!memory)
        return -ENOMEM;
    heap->memory = memory;
    heap->nodes = place(memory);
    if (heap->nodes != (void *)(memory + offset))
        memmove(heap->nodes, memory + offset, heap->count * sizeof(*heap->nodes));
    heap->cap = cap;
    return 0;
}

int reel_timer_init(struct reel_timer *timer, struct reel_reactor *r,
                    void (*fire)(struct reel_timer *timer))
{
    struct timer_heap *heap = &r->timers;
    if (heap->known + heap->known / 2 >= heap->cap) {
        int err = grow(r, heap);
        if (err < 0)
            return err;
    }
    heap->known++;
    *timer = (struct reel_timer){.fire = fire, .reactor = r, .slot = NO_SLOT};
    return 0;
}

void reel_timer_fini(struct reel_timer *timer)
{
    if (!timer->reactor)
        return;
    reel_timer_stop(timer);
    timer->reactor->timers.known--;
    timer->reactor = NULL;
}

static inline void start(struct reel_timer *timer, int64_t deadline_ns)
{
    struct timer_heap *heap = &timer->reactor->timers;
    timer->deadline_ns = deadline_ns;
    timer->order = ++heap->last_order;
    uint32_t slot = timer->slot;
    if (slot == NO_SLOT) {
        if (heap->count == heap->cap)
            compact(heap);
        slot = heap->count++;
    } else if (timer->deadline_ns >= heap->nodes[slot].key_ns) {
        return; /* later than its place says: that is set right when it comes up */
    }
    sift_up(heap, slot, node_of(timer));
}

void reel_timer_start_at(struct reel_timer *timer, int64_t deadline_ns)
{
    int64_t now_ns = timer->reactor->now_ns;
    timer->period_ns = 0;
    start(timer, deadline_ns > now_ns ? deadline_ns : now_ns);
}

static int64_t add_saturated(int64_t a, int64_t b)
{
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Before the loop and between its turns, the time of the last turn is long ago. */
static int64_t start_ns(const struct reel_timer *timer)
{
    if (!timer->reactor->in_turn)
        reel_refresh_clock(timer->reactor);
    return timer->reactor->now_ns;
}

void reel_timer_start(struct reel_timer *timer, int64_t delay_ns)
{
    timer->period_ns = 0;
    start(timer, add_saturated(start_ns(timer), delay_ns > 0 ? delay_ns : 0));
}

void reel_timer_start_every(struct reel_timer *timer, int64_t period_ns)
{
    assert(period_ns > 0);
    timer->period_ns = period_ns;
    timer->missed = 0;
    start(timer, add_saturated(start_ns(timer), period_ns));
}

uint64_t reel_timer_missed(const struct reel_timer *timer)
{
    return timer->missed;
}

void reel_timer_stop(struct reel_timer *timer)
{
    if (!timer->reactor || timer->slot == NO_SLOT)
        return;
    struct timer_heap *heap = &timer->reactor->timers;
    heap->nodes[timer->slot].timer = NULL;
    timer->slot = NO_SLOT;
    if (++heap->stopped == heap->count)
        heap->count = heap->stopped = 0;
}

bool reel_timer_is_active(const struct reel_timer *timer)
{
    return timer->reactor && timer->slot != NO_SLOT;
}

int64_t reel_timer_deadline_ns(const struct reel_timer *timer)
{
    return reel_timer_is_active(timer) ? timer->deadline_ns : INT64_MAX;
}

int64_t reel_heap_next_ns(struct timer_heap *heap)
{
    while (heap->count && !heap->nodes[0].timer)
        drop_first(heap);
    return heap->count ? heap->nodes[0].key_ns : INT64_MAX;
}

/* The next tick of the grid that lies ahead; those passed over are counted. */
static void start_next_tick(struct reel_timer *timer, int64_t now_ns)
{
    int64_t late_ns = now_ns - timer->deadline_ns;
    int64_t missed = late_ns / timer->period_ns;
    timer->missed = missed < UINT32_MAX ? (uint32_t)missed : UINT32_MAX;
    int64_t ahead_ns = add_saturated(late_ns - late_ns % timer->period_ns, timer->period_ns);
    timer->deadline_ns = add_saturated(timer->deadline_ns, ahead_ns);
    timer->order = ++timer->reactor->timers.last_order;
    sift_down(&timer->reactor->timers, timer->slot, node_of(timer));
}

/* Nothing of `timer` is touched after `fire`: it may be gone. */
static void fire(struct reel_reactor *r, struct reel_timer *timer)
{
    if (timer->period_ns) {
        start_next_tick(timer, r->now_ns);
    } else {
        timer->slot = NO_SLOT;
        drop_first(&r->timers);
    }
    timer->fire(timer);
}

void reel_heap_run(struct reel_reactor *r)
{
    struct timer_heap *heap = &r->timers;
    const uint64_t last_order = heap->last_order; /* what starts from here on waits a turn */
    while (heap->count && heap->nodes[0].key_ns <= r->now_ns) {
        struct reel_timer *timer = heap->nodes[0].timer;
        if (!timer)
            drop_first(heap); /* it was stopped */
        else if (timer->order != heap->nodes[0].order)
            sift_down(heap, 0, node_of(timer)); /* it was moved meanwhile */
        else if (timer->order <= last_order)
            fire(r, timer);
        else
            break;
    }
}

void reel_heap_fini(struct reel_reactor *r)
{
    struct timer_heap *heap = &r->timers;
    for (uint32_t i = 0; i < heap->count; i++)
        if (heap->nodes[i].timer)
            heap->nodes[i].timer->slot = NO_SLOT;
    reel_memory_free(r, heap->memory);
    *heap = (struct timer_heap){0};
}
