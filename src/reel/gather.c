/* Many deferreds as one. */
#include <reel/deferred.h>

#include "reel/loop.h"

#include <errno.h>
#include <stdalign.h>

struct gather;

struct part {
    struct gather *gather;
    struct reel_deferred *d; /* NULL: has ended */
    size_t index;
};

/* One block: this, the results, the parts. The results may go out as a value, so it stays until
 * they are released and all parts have ended. */
struct gather {
    struct reel_reactor *r;
    struct reel_deferred *d; /* NULL: has fired */
    struct part *parts;
    size_t count, waiting;
    size_t holders; /* parts that have not ended, and the results while they are out */
    enum reel_gather_mode mode;
    alignas(max_align_t) uint8_t gathered[]; /* struct reel_gathered */
};

static struct reel_gathered *gathered(struct gather *g)
{
    return (struct reel_gathered *)g->gathered;
}

static void put(struct gather *g)
{
    if (--g->holders == 0)
        reel_memory_free(g->r, g);
}

static void release_results(struct gather *g)
{
    for (size_t i = 0; i < g->count; i++)
        reel_result_release(&gathered(g)->results[i]);
}

static void release_gathered(void *pointer)
{
    struct gather *g = CONTAINER_OF(pointer, struct gather, gathered);
    release_results(g);
    put(g);
}

static void cancel_parts(struct gather *g)
{
    for (size_t i = 0; i < g->count; i++)
        reel_deferred_cancel(g->parts[i].d);
}

static void fail(struct gather *g, int error, const char *why_z)
{
    struct reel_deferred *d = g->d;
    g->d = NULL;
    reel_deferred_errback(d, error, why_z);
    release_results(g);
    cancel_parts(g);
}

static void win(struct gather *g, struct reel_result *result)
{
    struct reel_deferred *d = g->d;
    g->d = NULL;
    void (*release)(void *pointer) = result->release;
    reel_deferred_callback(d, result->number, reel_result_take(result), release);
    cancel_parts(g);
}

static void give_all(struct gather *g)
{
    struct reel_deferred *d = g->d;
    g->d = NULL;
    g->holders++;
    reel_deferred_callback(d, (int64_t)g->count, gathered(g), release_gathered);
}

/* The result of part `index`; what is kept of it is taken out of `result`. */
static void judge(struct gather *g, struct reel_result *result, size_t index)
{
    g->waiting--;
    if (!g->d)
        return;
    if (g->mode == REEL_GATHER_ANY) {
        if (!result->error)
            win(g, result);
        else if (g->waiting == 0)
            fail(g, result->error, result->why_z);
        return;
    }
    if (g->mode == REEL_GATHER_ALL && result->error) {
        fail(g, result->error, result->why_z);
        return;
    }
    gathered(g)->results[index] = *result;
    reel_result_take(result);
    if (g->waiting == 0)
        give_all(g);
}

static void on_part(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    struct part *part = context;
    struct gather *g = part->gather;
    part->d = NULL;
    judge(g, result, part->index);
    put(g);
}

static void on_cancel(struct reel_deferred *d)
{
    struct gather **state = reel_deferred_state(d);
    fail(*state, -ECANCELED, "cancelled");
}

static struct gather *new_gather(struct reel_reactor *r, enum reel_gather_mode mode, size_t count)
{
    size_t results = sizeof(struct reel_gathered) + count * sizeof(struct reel_result);
    size_t size = sizeof(struct gather) + results + count * sizeof(struct part);
    struct gather *g = count < REEL_GATHER_MAX ? reel_memory_new_zeroed(r, size) : NULL;
    if (!g)
        return NULL;
    g->d = reel_deferred_new(r, on_cancel, sizeof(struct gather *));
    if (!g->d) {
        reel_memory_free(r, g);
        return NULL;
    }
    *(struct gather **)reel_deferred_state(g->d) = g;
    g->r = r;
    g->mode = mode;
    g->count = g->waiting = gathered(g)->count = count;
    g->parts = (struct part *)&gathered(g)->results[count];
    return g;
}

/* The gather holds on to itself while it begins: parts without memory end at once. */
static void begin(struct gather *g, struct reel_deferred *const *list)
{
    struct reel_result no_memory = {.error = -ENOMEM};
    g->holders = 1;
    for (size_t i = 0; i < g->count; i++) {
        g->parts[i] = (struct part){g, list[i], i};
        g->holders++;
        reel_deferred_done(list[i], on_part, &g->parts[i]);
    }
    for (size_t i = 0; i < g->count; i++)
        if (!list[i])
            on_part(NULL, &no_memory, &g->parts[i]);
    if (g->count == 0 && g->mode == REEL_GATHER_ANY)
        fail(g, -EINVAL, "nothing to choose from");
    else if (g->count == 0)
        give_all(g);
    put(g);
}

struct reel_deferred *reel_gather(struct reel_reactor *r, enum reel_gather_mode mode,
                                  struct reel_deferred *const *list, size_t count)
{
    struct gather *g = new_gather(r, mode, count);
    if (!g) {
        for (size_t i = 0; i < count; i++)
            reel_deferred_drop(list[i]);
        return NULL;
    }
    struct reel_deferred *d = g->d;
    begin(g, list);
    return d;
}
