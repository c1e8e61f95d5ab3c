#include <reel/fiber.h>

#include "reel/loop.h"
#include "reel/switch.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#elif defined(__SANITIZE_THREAD__)
#define WITH_TSAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#elif __has_feature(thread_sanitizer)
#define WITH_TSAN
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

enum { GUARD_SIZE = 64 << 10 }; /* more than a page: large frames do not step over it */

/* An idle stack: at its own top. */
struct idle_stack {
    struct idle_stack *next;
};

/* The state of its deferred: one allocation besides the stack. */
struct reel_fiber {
    struct reel_call call; /* its first run */
    struct reel_reactor *r;
    struct reel_deferred *end;
    struct reel_deferred *awaits; /* NULL: runs, or is about to */
    struct reel_result *result;   /* of what it awaits */
    int64_t (*fn)(struct reel_reactor *r, void *argument);
    void *argument;
    uint8_t *stack; /* lowest usable byte */
    void *own, *loop;
    int64_t value;
    bool begun, over;
    bool cancelled;   /* the next await says so */
    void *fake_stack; /* the rest is the sanitizers' */
    void *own_context, *loop_context;
    const void *loop_low;
    size_t loop_size;
};

/* ---- the sanitizers ---- */

#ifdef WITH_ASAN

static void before_switch_to_fiber(void **fake_stack, struct reel_fiber *f)
{
    __sanitizer_start_switch_fiber(fake_stack, f->stack, f->r->fibers.stack_size);
}

static void before_switch_to_loop(struct reel_fiber *f)
{
    __sanitizer_start_switch_fiber(f->over ? NULL : &f->fake_stack, f->loop_low, f->loop_size);
}

static void after_switch_to_fiber(struct reel_fiber *f)
{
    __sanitizer_finish_switch_fiber(f->fake_stack, &f->loop_low, &f->loop_size);
}

static void after_switch_to_loop(void *fake_stack)
{
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}

/* The frames that were left behind say that parts of it may not be touched. */
static void clean_stack(uint8_t *stack, size_t size)
{
    __asan_unpoison_memory_region(stack, size);
}

#else

static void before_switch_to_fiber(void **fake_stack, struct reel_fiber *f)
{
    (void)fake_stack;
#ifdef WITH_TSAN
    if (!f->own_context)
        f->own_context = __tsan_create_fiber(0);
    f->loop_context = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(f->own_context, 0);
#else
    (void)f;
#endif
}

static void before_switch_to_loop(struct reel_fiber *f)
{
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(f->loop_context, 0);
#else
    (void)f;
#endif
}

static void after_switch_to_fiber(struct reel_fiber *f)
{
    (void)f;
}

static void after_switch_to_loop(void *fake_stack)
{
    (void)fake_stack;
}

static void clean_stack(uint8_t *stack, size_t size)
{
    (void)stack;
    (void)size;
}

#endif

static void forget_fiber(struct reel_fiber *f)
{
#ifdef WITH_TSAN
    if (f->own_context)
        __tsan_destroy_fiber(f->own_context);
#endif
    (void)f;
}

/* ---- stacks ---- */

static struct idle_stack *idle_of(const struct fiber_stacks *stacks, uint8_t *stack)
{
    return (struct idle_stack *)(stack + stacks->stack_size) - 1;
}

static uint8_t *stack_of(const struct fiber_stacks *stacks, struct idle_stack *idle)
{
    return (uint8_t *)(idle + 1) - stacks->stack_size;
}

static uint8_t *map_stack(size_t size)
{
    uint8_t *low = mmap(NULL, GUARD_SIZE + size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (low == MAP_FAILED)
        return NULL;
    if (mprotect(low, GUARD_SIZE, PROT_NONE) == 0)
        return low + GUARD_SIZE;
    munmap(low, GUARD_SIZE + size);
    return NULL;
}

static uint8_t *get_stack(struct fiber_stacks *stacks)
{
    struct idle_stack *idle = stacks->idle;
    if (!idle)
        return map_stack(stacks->stack_size);
    stacks->idle = idle->next;
    stacks->idle_count--;
    return stack_of(stacks, idle);
}

static void put_stack(struct fiber_stacks *stacks, uint8_t *stack)
{
    clean_stack(stack, stacks->stack_size);
    if (stacks->idle_count == REEL_FIBER_STACKS_KEPT) {
        munmap(stack - GUARD_SIZE, GUARD_SIZE + stacks->stack_size);
        return;
    }
    struct idle_stack *idle = idle_of(stacks, stack);
    idle->next = stacks->idle;
    stacks->idle = idle;
    stacks->idle_count++;
}

void reel_fibers_init(struct reel_reactor *r, const struct reel_reactor_options *options)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = options->fiber_stack_size;
    if (size == 0)
        size = REEL_FIBER_STACK_DEFAULT;
    r->fibers.stack_size = (size + page - 1) / page * page;
    r->fibers.max = options->fibers_max ? options->fibers_max : REEL_FIBERS_MAX_DEFAULT;
}

void reel_fibers_fini(struct reel_reactor *r)
{
    struct fiber_stacks *stacks = &r->fibers;
    while (stacks->idle) {
        struct idle_stack *idle = stacks->idle;
        stacks->idle = idle->next;
        munmap(stack_of(stacks, idle) - GUARD_SIZE, GUARD_SIZE + stacks->stack_size);
    }
    stacks->idle_count = 0;
}

/* ---- fibers ---- */

static void leave(struct reel_fiber *f)
{
    before_switch_to_loop(f);
    reel_switch_stack(&f->own, f->loop);
    after_switch_to_fiber(f);
}

static void entry(void *argument)
{
    struct reel_fiber *f = argument;
    after_switch_to_fiber(f);
    f->value = f->fn(f->r, f->argument);
    f->over = true;
    leave(f);
}

static void end_fiber(struct reel_fiber *f)
{
    struct reel_deferred *end = f->end;
    forget_fiber(f);
    put_stack(&f->r->fibers, f->stack);
    f->r->fibers.live--;
    if (f->value >= 0)
        reel_deferred_callback(end, f->value, NULL, NULL);
    else
        reel_deferred_errback(end, f->value < INT_MIN ? -ERANGE : (int)f->value, NULL);
}

/* From the loop's stack, until the fiber awaits or ends. */
static void enter(struct reel_fiber *f)
{
    struct reel_reactor *r = f->r;
    void *fake_stack = NULL;
    assert(!r->fiber);
    r->fiber = f;
    before_switch_to_fiber(&fake_stack, f);
    reel_switch_stack(&f->loop, f->own);
    after_switch_to_loop(fake_stack);
    r->fiber = NULL;
    if (f->over)
        end_fiber(f);
}

static void not_begun(struct reel_fiber *f)
{
    f->value = -ECANCELED;
    end_fiber(f);
}

static void on_first_run(struct reel_call *call)
{
    struct reel_fiber *f = CONTAINER_OF(call, struct reel_fiber, call);
    f->begun = true;
    if (f->cancelled)
        not_begun(f);
    else
        enter(f);
}

/* The fiber ends by itself; what the taker hears is what it makes of this. At the reactor's end the
 * first run of one that has not begun will not come. */
static void cancel_fiber(struct reel_deferred *d)
{
    struct reel_fiber *f = reel_deferred_state(d);
    reel_deferred_fires_later(d);
    if (!f->begun && f->r->ending)
        not_begun(f);
    else if (!reel_deferred_cancel(f->awaits))
        f->cancelled = true;
}

struct reel_deferred *reel_fiber_start(struct reel_reactor *r,
                                       int64_t (*fn)(struct reel_reactor *r, void *argument),
                                       void *argument)
{
    struct fiber_stacks *stacks = &r->fibers;
    if (stacks->live >= stacks->max)
        return reel_deferred_fail(r, -EAGAIN, "too many fibers");
    struct reel_deferred *d = reel_deferred_new(r, cancel_fiber, sizeof(struct reel_fiber));
    if (!d)
        return NULL;
    struct reel_fiber *f = reel_deferred_state(d);
    f->stack = get_stack(stacks);
    if (!f->stack) {
        reel_deferred_errback(d, -ENOMEM, "no memory for a stack");
        return d;
    }
    stacks->live++;
    f->call.fn = on_first_run;
    f->r = r;
    f->end = d;
    f->fn = fn;
    f->argument = argument;
    f->own = reel_switch_prepare(f->stack, stacks->stack_size, entry, f);
    reel_defer(r, &f->call);
    return d;
}

static void on_awaited(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    struct reel_fiber *f = context;
    f->awaits = NULL;
    *f->result = *result;
    reel_result_take(result);
    enter(f);
}

static int give_up(struct reel_deferred *d, struct reel_result *result, int error)
{
    reel_deferred_drop(d);
    *result = (struct reel_result){.error = error};
    return error;
}

int reel_await(struct reel_deferred *d, struct reel_result *result)
{
    struct reel_result own;
    if (!d)
        return give_up(NULL, result ? result : &own, -ENOMEM);
    struct reel_fiber *f = reel_deferred_reactor(d)->fiber;
    assert(f);
    f->result = result ? result : &own;
    if (f->cancelled) {
        f->cancelled = false;
        return give_up(d, f->result, -ECANCELED);
    }
    f->awaits = d;
    reel_deferred_done(d, on_awaited, f);
    leave(f);
    if (!result)
        reel_result_release(&own);
    return f->result->error;
}

int reel_fiber_sleep(struct reel_reactor *r, int64_t delay_ns)
{
    if (r->ending)
        return -ECANCELED;
    return reel_await(reel_deferred_sleep(r, delay_ns), NULL);
}

bool reel_fiber_is_running(const struct reel_reactor *r)
{
    return r->fiber != NULL;
}
