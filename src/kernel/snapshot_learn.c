/* Learning a snapshot: the same start is run on machines of its own, first to see how far all runs
 * do the same, then up to a point before that, where they are compared.
 *
 * The first runs have the same random numbers and different texts, times and process numbers: there
 * even the count of instructions must be the same, for no jump may depend on them. The others have
 * other random numbers as well.
 *
 * A start on a terminal is run to its prompt. Behind the first call that no snapshot can have behind
 * it, each long stretch without such calls is a leg (snapshot.h): the same runs go on from point to
 * point, and are compared where it may begin and where it may end. */
#include "kernel/snapshot_lesson.h"

#include "kernel/fdtable.h"
#include "kernel/fs.h"
#include "kernel/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRIES_MAX = 16,           /* points that are tried */
    STEP = 4,                 /* calls between two of the later ones */
    INSTRUCTIONS_MIN = 20000, /* what is cheaper is not worth a snapshot */
    SEEDS_MAX = 200,          /* random layouts that are tried for all runs */
    NS_PER_MS = 1000000,
    TIME_STEP_NS = 1234567891, /* between the clocks of two runs */
    POINTS_MAX = 64,
    LEG_LEAST = 150000, /* instructions: what is shorter is not worth a leg */
    LEG_BEGINS = 8,     /* points that are tried for a leg's beginning ... */
    LEG_ENDS = 3,       /* ... and for its end */
};

/* Where the runs are compared once more. */
struct point {
    size_t calls;
    unsigned leg;
    bool is_end;
};

struct snapshot_lesson {
    const struct snapshot_start *start;
    struct lesson_run runs[LESSON_RUNS];
    unsigned current; /* run */
    unsigned seed;
    unsigned seeds; /* tried for the current run */
    size_t target;  /* calls after which the runs stop; SNAPSHOT_CALLS_MAX: the first time */
    unsigned tries;
    size_t hint; /* calls after which it went well with the same program; 0: not known */
    struct point points[POINTS_MAX]; /* of the legs, rising */
    size_t point_count, point;       /* the one that the runs go to */
    bool is_on_legs;
    bool idle;      /* the current run waits for input */
    unsigned begun; /* number of the leg that the last of `course` is of, + 1 */
    struct lesson_comparison *comparison; /* of the runs, which stand; NULL: they run */
    struct snapshot_program compared;     /* what it leads to */
    struct snapshot_course course;
};

struct snapshot_lesson *snapshot_lesson_new(const struct snapshot_start *start, size_t hint)
{
    struct snapshot_lesson *lesson = calloc(1, sizeof(*lesson));
    if (lesson != NULL) {
        lesson->start = start;
        lesson->target = SNAPSHOT_CALLS_MAX;
        lesson->hint = hint;
    }
    return lesson;
}

static void end_machine(struct lesson_run *run)
{
    kernel_free(run->kernel);
    run->kernel = NULL;
    run->task = NULL;
    free(run->above);
    run->above = NULL;
}

void lesson_run_end(struct lesson_run *run)
{
    end_machine(run);
    lesson_watch_fini(&run->watch);
    free(run->strings);
    run->strings = NULL;
}

void snapshot_lesson_free(struct snapshot_lesson *lesson)
{
    if (lesson == NULL)
        return;
    lesson_comparison_free(lesson->comparison);
    snapshot_program_fini(&lesson->compared);
    for (unsigned i = 0; i < LESSON_RUNS; i++)
        lesson_run_end(&lesson->runs[i]);
    snapshot_program_fini(&lesson->course.program);
    snapshot_legs_free(lesson->course.legs, lesson->course.leg_count);
    free(lesson);
}

void lesson_run_drain(struct lesson_run *run)
{
    struct kernel_event event;
    struct span out = kernel_out(run->kernel, 0, KERNEL_STDOUT);
    kernel_sent(run->kernel, 0, KERNEL_STDOUT, out.len);
    while (kernel_next(run->kernel, &event))
        continue;
}

/* ---- What differs from run to run ---- */

static uint32_t next_number(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static void vary_digits(uint8_t *text, size_t len, uint32_t *state)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] >= '0' && text[i] <= '9')
            text[i] = (uint8_t)('0' + (next_number(state) % 10));
}

static void vary(struct lesson_run *run, unsigned number)
{
    uint32_t state = number * 7919U + 17U;
    for (int i = SNAPSHOT_CLIENT; i <= SNAPSHOT_SESSION && number > 0; i++)
        vary_digits((uint8_t *)run->inputs.text[i].data, run->inputs.text[i].len, &state);
}

/* A process number of as many digits. */
static int32_t like_number(int32_t number, uint32_t *state)
{
    int32_t low = 1, high;
    while (low <= number / 10)
        low *= 10;
    high = low * 10 < KERNEL_PID_MAX ? low * 10 : KERNEL_PID_MAX;
    low = low < 400 ? 400 : low;
    return low + (int32_t)(next_number(state) % (uint32_t)(high - low - 2));
}

/* ---- A run ---- */

/* A copy of the strings, in which the run's own texts stand, and pointers to each. */
static int copy_strings(struct lesson_run *run, const struct snapshot_start *start)
{
    size_t bytes = start->args.len + start->env.len;
    if (run->strings == NULL)
        run->strings = malloc(bytes + 1);
    if (run->strings == NULL)
        return -ENOMEM;
    memcpy(run->strings, start->args.data, start->args.len);
    memcpy(run->strings + start->args.len, start->env.data, start->env.len);
    run->args = start->args;
    run->env = start->env;
    run->args.data = run->strings;
    run->env.data = run->strings + start->args.len;
    snapshot_texts_find(run->inputs.text, &run->env);
    return 0;
}

static struct kernel *new_machine(const struct snapshot_start *start, unsigned number,
                                  unsigned seed)
{
    int64_t now_ns = start->now_ns + (int64_t)number * TIME_STEP_NS;
    struct kernel_config config = {.image = start->image,
                                   .code = start->code,
                                   .limits = start->limits,
                                   .watched = start->watched,
                                   .watched_count = start->watched_count,
                                   .hostname = span_z(start->hostname_z),
                                   .identity = start->identity,
                                   .boot_ms = start->boot_ns / NS_PER_MS};
    config.limits.memory_pages = SNAPSHOT_MEMORY_MAX;
    memcpy(config.seed, &seed, sizeof(seed));
    struct kernel *k = kernel_new(&config, now_ns / NS_PER_MS);
    if (k != NULL)
        k->now_ns = now_ns;
    return k;
}

static int spawn(struct lesson_run *run, const struct snapshot_start *start)
{
    const bool on_terminal = start->starter == SNAPSHOT_ON_TERMINAL;
    const struct kernel_terminal terminal = {.columns = start->window.columns,
                                             .rows = start->window.rows};
    struct span *words = calloc(run->args.count + run->env.count + 1, sizeof(*words));
    const char *p = (const char *)run->strings;
    if (words == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < run->args.count + run->env.count; i++) {
        words[i] = span_z(p);
        p += words[i].len + 1;
    }
    const struct creds *c = &start->creds;
    const struct kernel_spawn spawn = {.argv = words,
                                       .argc = run->args.count,
                                       .path = span_z(start->path_z),
                                       .env = words + run->args.count,
                                       .envc = run->env.count,
                                       .cwd = span_z(start->cwd_z),
                                       .uid = c->uid,
                                       .gid = c->gid,
                                       .groups = c->groups + 1,
                                       .group_count = c->group_count > 0 ? c->group_count - 1 : 0,
                                       .terminal = on_terminal ? &terminal : NULL};
    int program = kernel_spawn(run->kernel, &spawn);
    free(words);
    if (program < 0)
        return program;
    if (on_terminal)
        *tty_modes(run->kernel->programs[program]->tty) = start->modes;
    return 0;
}

/* What the kernel has put above the first frame, to see that nobody changes it. */
static int keep_above(struct lesson_run *run)
{
    const struct mm *mm = run->task->mm;
    run->above_bytes = (size_t)(mm->stack_top - run->inputs.value[SNAPSHOT_FRAME]);
    run->above = malloc(run->above_bytes);
    if (run->above == NULL)
        return -ENOMEM;
    return cpu_space_read(mm->space, run->inputs.value[SNAPSHOT_FRAME], run->above,
                          run->above_bytes);
}

/* Parts lie anywhere: every place in the last sixteen pages comes once. */
static unsigned place_of(unsigned number)
{
    return number < LESSON_LIKE ? 0 : number - LESSON_LIKE + 1;
}

static void place_heap(struct mm *mm, uint64_t place)
{
    const uint64_t all = (uint64_t)(LESSON_LAYOUTS - 1) * CPU_PAGE_BYTES;
    mm->brk_start = (mm->brk_start & ~all) | place * CPU_PAGE_BYTES;
    mm->brk_end = mm->brk_start;
}

int lesson_run_begin(struct lesson_run *run, const struct snapshot_start *start, unsigned number,
                     unsigned seed)
{
    uint32_t state = number * 104729U + 5U;
    int error = copy_strings(run, start);
    if (error != 0)
        return error;
    vary(run, number);
    run->starter = start->starter;
    run->path = span_z(start->path_z);
    run->kernel = new_machine(start, number, seed);
    if (run->kernel == NULL)
        return -ENOMEM;
    run->kernel->place = (uint8_t)(place_of(number) + 1);
    /* Two numbers are taken: of what seems to have started it, and its own. */
    run->kernel->last_pid = like_number(start->ppid, &state);
    error = spawn(run, start);
    if (error == 0)
        run->task = run->kernel->tasks;
    return error;
}

static int begin_run(struct snapshot_lesson *lesson, unsigned number)
{
    struct lesson_run *run = &lesson->runs[number];
    const struct snapshot_start *start = lesson->start;
    int error = lesson_run_begin(run, start, number, lesson->seed);
    if (error != 0)
        return error;
    struct task *t = run->task;
    run->inputs.value[SNAPSHOT_PID] = (uint64_t)t->process->pid;
    run->inputs.value[SNAPSHOT_PPID] = (uint64_t)process_ppid(t->process);
    run->inputs.text[SNAPSHOT_PID_TEXT] = snapshot_number_text(t->process->pid, run->pid_z);
    run->inputs.text[SNAPSHOT_PPID_TEXT] =
        snapshot_number_text(process_ppid(t->process), run->ppid_z);
    place_heap(t->mm, place_of(number));
    error = snapshot_inputs_read(&run->inputs, t->mm, t->cpu->ops->sp(t->cpu));
    if (error == 0 && snapshot_inputs_carry(&run->inputs))
        error = -EDOM;
    if (error != 0)
        return error;
    /* Another user's start must not be learned as this one's. */
    if (memcmp(&t->creds, &start->creds, sizeof(t->creds)) != 0)
        return -EPERM;
    lesson_watch_begin(&run->watch, run, lesson->target);
    return keep_above(run);
}

/* Random numbers that lead to a layout which a clone may have, too: one at a time. 1 or -errno. */
static int begin(struct snapshot_lesson *lesson)
{
    int error = begin_run(lesson, lesson->current);
    if (error == 0) {
        lesson->seeds = 0;
        return 1;
    }
    end_machine(&lesson->runs[lesson->current]);
    bool may_vary = lesson->current == 0 || lesson->current >= LESSON_LIKE;
    if (error != -EDOM || !may_vary || ++lesson->seeds == SEEDS_MAX)
        return error;
    lesson->seed++;
    return 1;
}

/* ---- How far they do the same ---- */

static uint64_t cost_of(const struct lesson_watch *w, size_t call)
{
    return w->calls[call].instructions - (call > 0 ? w->calls[call - 1].instructions : 0);
}

static bool is_alike(const struct snapshot_lesson *lesson, size_t call)
{
    const struct lesson_watch *like = &lesson->runs[0].watch;
    const struct lesson_call *first = &like->calls[call];
    for (unsigned i = 1; i < LESSON_RUNS; i++) {
        const struct lesson_watch *w = &lesson->runs[i].watch;
        if (call >= w->count || w->calls[call].number != first->number ||
            w->calls[call].good != first->good || w->calls[call].closed != first->closed)
            return false;
        if (i < LESSON_LIKE && first->good && cost_of(w, call) != cost_of(like, call))
            return false;
    }
    return true;
}

/* The last point before `limit` calls at which a snapshot could be; 0: none. */
static size_t choose(const struct snapshot_lesson *lesson, size_t limit)
{
    const struct lesson_watch *w = &lesson->runs[0].watch;
    size_t best = 0;
    for (size_t i = 0; i < w->count && i + 1 < limit && w->calls[i].good && is_alike(lesson, i);
         i++)
        if (w->calls[i].closed && w->calls[i].instructions >= INSTRUCTIONS_MIN)
            best = i + 1;
    return best;
}

static void add_point(struct snapshot_lesson *lesson, size_t calls, unsigned leg, bool is_end)
{
    if (lesson->point_count < POINTS_MAX)
        lesson->points[lesson->point_count++] = (struct point){calls, leg, is_end};
}

/* The points of the stretch of calls from `first` to before `end`; before it stands one that is not
 * good. False: it is too short. */
static bool plan_leg(struct snapshot_lesson *lesson, size_t first, size_t end, unsigned leg)
{
    static const size_t before_end[LEG_ENDS] = {16, 4, 0};
    const struct lesson_watch *w = &lesson->runs[0].watch;
    size_t begins = 0, last = first;
    while (end > first && !w->calls[end - 1].closed)
        end--;
    if (end == first ||
        w->calls[end - 1].instructions - w->calls[first - 1].instructions < LEG_LEAST)
        return false;
    for (size_t i = first - 1; i < end && begins < LEG_BEGINS; i++) {
        if (w->calls[end - 1].instructions - w->calls[i].instructions < LEG_LEAST)
            break;
        if (i + 1 == first || w->calls[i].closed) {
            add_point(lesson, i + 1, leg, false);
            last = i + 1;
            begins++;
        }
    }
    for (size_t n = 0; n < LEG_ENDS; n++) {
        size_t at = end > before_end[n] ? end - before_end[n] : 0;
        while (at > last && !w->calls[at - 1].closed)
            at--;
        if (at > last) {
            add_point(lesson, at, leg, true);
            last = at;
        }
    }
    return true;
}

/* The legs, once all runs have been at their prompts. A signal may have come to some of them one call
 * later than to others: then they do the same again a little later, or are found to be different. */
static void plan(struct snapshot_lesson *lesson)
{
    const struct lesson_watch *w = &lesson->runs[0].watch;
    size_t call = 0;
    unsigned legs = 0;
    while (call < w->count && w->calls[call].good)
        call++;
    while (call < w->count && legs < SNAPSHOT_LEGS_MAX) {
        size_t first = ++call;
        while (call < w->count && w->calls[call].good && is_alike(lesson, call))
            call++;
        legs += plan_leg(lesson, first, call, legs);
    }
}

static int next_try(struct snapshot_lesson *lesson)
{
    size_t limit = lesson->target;
    /* What goes wrong at one point often does so for a while before it. */
    if (lesson->tries > 0 && lesson->hint != 0 && lesson->hint < limit)
        limit = lesson->hint + 1;
    else if (lesson->tries > 1 && limit > STEP)
        limit -= STEP - 1;
    size_t target = choose(lesson, limit);
    if (target == 0 || lesson->tries++ == TRIES_MAX)
        return -EDOM;
    for (unsigned i = 0; i < LESSON_RUNS; i++)
        end_machine(&lesson->runs[i]);
    lesson->target = target;
    lesson->current = 0;
    lesson->seed = 0;
    return 1;
}

static bool is_over(const struct snapshot_lesson *lesson, const struct lesson_run *run)
{
    const struct kernel *k = run->kernel;
    if (k->paused || k->tasks == NULL || k->tasks != run->task)
        return true;
    if (run->starter == SNAPSHOT_ON_TERMINAL)
        return lesson->idle || k->instructions > SNAPSHOT_PROMPT_MAX;
    return k->tasks->next != NULL || run->task->state != TASK_READY ||
           k->instructions > SNAPSHOT_INSTRUCTIONS_MAX;
}

/* All runs stand at the point: what is there is compared. */
static int begin_comparison(struct snapshot_lesson *lesson)
{
    lesson->compared =
        (struct snapshot_program){.is_spawned = lesson->start->starter != SNAPSHOT_BY_PROGRAM};
    lesson->comparison = lesson_comparison_new(lesson->runs, &lesson->compared);
    return lesson->comparison != NULL ? 1 : -ENOMEM;
}

/* What was found is somebody else's from now on. */
static struct snapshot_program take_compared(struct snapshot_lesson *lesson)
{
    struct snapshot_program program = lesson->compared;
    memset(&lesson->compared, 0, sizeof(lesson->compared));
    return program;
}

/* ---- Legs ---- */

/* The runs go on to the next point that is still of use. False: there is none. */
static bool next_point(struct snapshot_lesson *lesson)
{
    for (; lesson->point < lesson->point_count; lesson->point++) {
        const struct point *p = &lesson->points[lesson->point];
        bool begun = lesson->begun == p->leg + 1;
        if (begun != p->is_end)
            continue; /* it has begun already, or has not at all */
        for (unsigned i = 0; i < LESSON_RUNS; i++)
            lesson_watch_go_on(&lesson->runs[i].watch, p->calls);
        lesson->current = 0;
        return true;
    }
    return false;
}

static bool has_same_bytes(const struct snapshot_program *a, size_t i,
                           const struct snapshot_program *b, size_t n)
{
    const struct snapshot_page *x = &a->pages[i], *y = &b->pages[n];
    return x->symbol == y->symbol && x->offset == y->offset && x->patch_count == y->patch_count &&
           memcmp(a->page_bytes + i * CPU_PAGE_BYTES, b->page_bytes + n * CPU_PAGE_BYTES,
                  CPU_PAGE_BYTES) == 0 &&
           memcmp(a->patches.list + x->patch_first, b->patches.list + y->patch_first,
                  x->patch_count * sizeof(*a->patches.list)) == 0;
}

/* Which pages a clone that stands there need not have touched. */
static void mark_kept(struct snapshot_program *from, const struct snapshot_program *before)
{
    for (size_t i = 0; i < from->page_count; i++)
        for (size_t n = 0; n < before->page_count && !from->pages[i].is_kept; n++)
            from->pages[i].is_kept = has_same_bytes(from, i, before, n);
}

static int begin_leg(struct snapshot_lesson *lesson, unsigned leg)
{
    struct snapshot_course *c = &lesson->course;
    struct snapshot_leg *legs = realloc(c->legs, (c->leg_count + 1) * sizeof(*legs));
    if (legs == NULL)
        return -ENOMEM;
    c->legs = legs;
    legs[c->leg_count] = (struct snapshot_leg){.from = take_compared(lesson)};
    mark_kept(&legs[c->leg_count].from,
              c->leg_count > 0 ? &legs[c->leg_count - 1].to : &c->program);
    c->leg_count++;
    lesson->begun = leg + 1;
    return 0;
}

static void end_leg(struct snapshot_lesson *lesson)
{
    struct snapshot_leg *leg = &lesson->course.legs[lesson->course.leg_count - 1];
    snapshot_program_fini(&leg->to);
    leg->to = take_compared(lesson);
}

/* A leg without an end is none; a leg's beginning needs what is before it. */
static void drop_leg_without_end(struct snapshot_lesson *lesson)
{
    struct snapshot_course *c = &lesson->course;
    if (c->leg_count == 0 || c->legs[c->leg_count - 1].to.calls != 0)
        return;
    snapshot_program_fini(&c->legs[--c->leg_count].from);
}

/* All runs stand at a point. */
static int at_point(struct snapshot_lesson *lesson)
{
    if (!lesson->points[lesson->point].is_end) {
        drop_leg_without_end(lesson);
        for (unsigned i = 0; i < LESSON_RUNS; i++)
            lesson_watch_mark(&lesson->runs[i].watch);
    }
    return begin_comparison(lesson);
}

static int finish(struct snapshot_lesson *lesson, struct snapshot_course *out)
{
    drop_leg_without_end(lesson);
    *out = lesson->course;
    lesson->course = (struct snapshot_course){.leg_count = 0};
    return 0;
}

/* They were compared there, with this result. */
static int end_point(struct snapshot_lesson *lesson, int result, struct snapshot_course *out)
{
    const struct point *point = &lesson->points[lesson->point++];
    int error = result == -EDOM || result == -E2BIG ? 0 : result;
    if (result == 0 && point->is_end)
        end_leg(lesson);
    else if (result == 0)
        error = begin_leg(lesson, point->leg);
    if (error != 0)
        return error;
    return next_point(lesson) ? 1 : finish(lesson, out);
}

/* A run has come to a point, or to its end before it. */
static int end_stretch(struct snapshot_lesson *lesson, struct snapshot_course *out)
{
    if (!lesson->runs[lesson->current].kernel->paused)
        return finish(lesson, out);
    return ++lesson->current < LESSON_RUNS ? 1 : at_point(lesson);
}

/* ---- Runs in turn ---- */

/* What all runs have become: the snapshot, and the runs may go on from there. */
static int end_tries(struct snapshot_lesson *lesson, int result, struct snapshot_course *out)
{
    if (result == -EDOM)
        return next_try(lesson);
    if (result != 0)
        return result;
    lesson->course.program = take_compared(lesson);
    lesson->is_on_legs = next_point(lesson);
    return lesson->is_on_legs ? 1 : finish(lesson, out);
}

/* A piece of the comparison. */
static int compare(struct snapshot_lesson *lesson, struct snapshot_course *out)
{
    int result = lesson_comparison_run(lesson->comparison);
    if (result == 1)
        return 1;
    lesson_comparison_free(lesson->comparison);
    lesson->comparison = NULL;
    if (result != 0)
        snapshot_program_fini(&lesson->compared);
    return lesson->is_on_legs ? end_point(lesson, result, out) : end_tries(lesson, result, out);
}

static int end_run(struct snapshot_lesson *lesson, struct snapshot_course *out)
{
    bool first_time = lesson->target == SNAPSHOT_CALLS_MAX;
    if (lesson->is_on_legs)
        return end_stretch(lesson, out);
    if (first_time)
        end_machine(&lesson->runs[lesson->current]);
    else if (!lesson->runs[lesson->current].kernel->paused)
        return next_try(lesson);
    lesson->current++;
    if (lesson->current >= LESSON_LIKE)
        lesson->seed++;
    if (lesson->current < LESSON_RUNS)
        return 1;
    if (!first_time)
        return begin_comparison(lesson);
    if (lesson->start->starter == SNAPSHOT_ON_TERMINAL)
        plan(lesson);
    return next_try(lesson);
}

int snapshot_lesson_run(struct snapshot_lesson *lesson, uint64_t budget,
                        struct snapshot_course *out)
{
    struct lesson_run *run = &lesson->runs[lesson->current];
    if (lesson->comparison != NULL)
        return compare(lesson, out);
    if (run->kernel == NULL)
        return begin(lesson);
    bool waits = kernel_run(run->kernel, budget, 0) == KERNEL_IDLE;
    lesson->idle = waits && kernel_out(run->kernel, 0, KERNEL_STDOUT).len == 0;
    lesson_run_drain(run);
    return is_over(lesson, run) ? end_run(lesson, out) : 1;
}
