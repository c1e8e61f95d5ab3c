#include "reel/heap.h"
#include "reel/loop.h"

#include <assert.h>
#include <errno.h>

enum { HEAP_FIRST = 16 };

#define NO_SLOT UINT32_MAX

static bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    if (a->key_ns != b->key_ns)
        return a->key_ns < b->key_ns;
    return a->timer->heap_order < b->timer->heap_order;
}

static void set_node(struct timer_heap *heap, uint32_t slot, struct heap_node node)
{
    heap->nodes[slot] = node;
    node.timer->slot = slot;
}

static void sift_up(struct timer_heap *heap, uint32_t slot, struct heap_node node)
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

static uint32_t first_child(const struct timer_heap *heap, uint32_t slot)
{
    uint32_t begin = 4 * slot + 1;
    uint32_t end = begin + 4 < heap->count ? begin + 4 : heap->count;
    uint32_t best = begin;
    for (uint32_t child = begin + 1; child < end; child++)
        if (is_before(&heap->nodes[child], &heap->nodes[best]))
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
    timer->heap_order = timer->order;
    return (struct heap_node){timer->deadline_ns, timer};
}

static void remove_slot(struct timer_heap *heap, uint32_t slot)
{
    heap->nodes[slot].timer->slot = NO_SLOT;
    struct heap_node last = heap->nodes[--heap->count];
    if (slot == heap->count)
        return;
    if (slot > 0 && is_before(&last, &heap->nodes[(slot - 1) / 4]))
        sift_up(heap, slot, last);
    else
        sift_down(heap, slot, last);
}

int reel_timer_init(struct reel_timer *timer, struct reel_reactor *r,
                    void (*fire)(struct reel_timer *timer))
{
    struct timer_heap *heap = &r->timers;
    if (heap->known == heap->cap) {
        uint32_t cap = heap->cap ? 2 * heap->cap : HEAP_FIRST;
        if (cap < heap->cap)
            return -ENOMEM;
        void *nodes = reel_memory_resize(r, heap->nodes, cap * sizeof(*heap->nodes));
        if (!nodes)
            return -ENOMEM;
        heap->nodes = nodes;
        heap->cap = cap;
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

static void start(struct reel_timer *timer, int64_t deadline_ns)
{
    struct reel_reactor *r = timer->reactor;
    struct timer_heap *heap = &r->timers;
    timer->deadline_ns = deadline_ns > r->now_ns ? deadline_ns : r->now_ns;
    timer->order = ++heap->last_order;
    if (timer->slot == NO_SLOT)
        sift_up(heap, heap->count++, node_of(timer));
    else if (timer->deadline_ns < heap->nodes[timer->slot].key_ns)
        sift_up(heap, timer->slot, node_of(timer));
    /* else: later than its place says, which is set right when that comes up. */
}

void reel_timer_start_at(struct reel_timer *timer, int64_t deadline_ns)
{
    timer->period_ns = 0;
    start(timer, deadline_ns);
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
    reel_timer_start_at(timer, add_saturated(start_ns(timer), delay_ns > 0 ? delay_ns : 0));
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
    if (timer->reactor && timer->slot != NO_SLOT)
        remove_slot(&timer->reactor->timers, timer->slot);
}

bool reel_timer_is_active(const struct reel_timer *timer)
{
    return timer->reactor && timer->slot != NO_SLOT;
}

int64_t reel_timer_deadline_ns(const struct reel_timer *timer)
{
    return reel_timer_is_active(timer) ? timer->deadline_ns : INT64_MAX;
}

int64_t reel_heap_next_ns(const struct timer_heap *heap)
{
    return heap->count ? heap->nodes[0].key_ns : INT64_MAX;
}

/* The next tick of the grid that lies ahead; those passed over are counted. */
static void start_next_tick(struct reel_timer *timer, int64_t now_ns)
{
    int64_t late_ns = now_ns - timer->deadline_ns;
    timer->missed = (uint64_t)(late_ns / timer->period_ns);
    int64_t ahead_ns = add_saturated(late_ns - late_ns % timer->period_ns, timer->period_ns);
    timer->deadline_ns = add_saturated(timer->deadline_ns, ahead_ns);
    timer->order = ++timer->reactor->timers.last_order;
    sift_down(&timer->reactor->timers, timer->slot, node_of(timer));
}

/* Nothing of `timer` is touched after `fire`: it may be gone. */
static void fire(struct reel_reactor *r, struct reel_timer *timer)
{
    if (timer->period_ns)
        start_next_tick(timer, r->now_ns);
    else
        remove_slot(&r->timers, timer->slot);
    timer->fire(timer);
}

void reel_heap_run(struct reel_reactor *r)
{
    struct timer_heap *heap = &r->timers;
    const uint64_t last_order = heap->last_order; /* what starts from here on waits a turn */
    while (heap->count && heap->nodes[0].key_ns <= r->now_ns) {
        struct reel_timer *timer = heap->nodes[0].timer;
        if (timer->order != timer->heap_order)
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
        heap->nodes[i].timer->slot = NO_SLOT;
    reel_memory_free(r, heap->nodes);
    *heap = (struct timer_heap){0};
}
