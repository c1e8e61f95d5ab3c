/* Learning a snapshot: the same start is run on machines of its own, first to see how far all runs
 * do the same, then up to a point before that, where they are compared.
 *
 * The first runs have the same random numbers and different texts, times and process numbers: there
 * even the count of instructions must be the same, for no jump may depend on them. The others have
 * other random numbers as well. */
#include "kernel/snapshot_lesson.h"

#include "kernel/fdtable.h"
#include "kernel/fs.h"

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
};

struct snapshot_lesson {
    const struct snapshot_start *start;
    struct lesson_run runs[LESSON_RUNS];
    unsigned current; /* run */
    unsigned seed;
    size_t target; /* calls after which the runs stop; SNAPSHOT_CALLS_MAX: the first time */
    unsigned tries;
    size_t hint; /* calls after which it went well with the same program; 0: not known */
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
    for (unsigned i = 0; i < LESSON_RUNS; i++)
        lesson_run_end(&lesson->runs[i]);
    free(lesson);
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

static int spawn(struct lesson_run *run, const struct snapshot_start *start, bool on_terminal)
{
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
    return program < 0 ? program : 0;
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

/* The heap's place is random: every place of the last sixteen pages comes once. */
static void place_heap(struct mm *mm, uint64_t place)
{
    const uint64_t all = (uint64_t)(LESSON_LAYOUTS - 1) * CPU_PAGE_BYTES;
    mm->brk_start = (mm->brk_start & ~all) | place * CPU_PAGE_BYTES;
    mm->brk_end = mm->brk_start;
}

int lesson_run_begin(struct lesson_run *run, const struct snapshot_start *start, unsigned number,
                     unsigned seed, bool on_terminal)
{
    uint32_t state = number * 104729U + 5U;
    int error = copy_strings(run, start);
    if (error != 0)
        return error;
    vary(run, number);
    run->on_pipes = start->starter == SNAPSHOT_ON_PIPES;
    run->path = span_z(start->path_z);
    run->kernel = new_machine(start, number, seed);
    if (run->kernel == NULL)
        return -ENOMEM;
    /* Two numbers are taken: of what seems to have started it, and its own. */
    run->kernel->last_pid = like_number(start->ppid, &state);
    error = spawn(run, start, on_terminal);
    if (error == 0)
        run->task = run->kernel->tasks;
    return error;
}

static int begin_run(struct snapshot_lesson *lesson, unsigned number)
{
    struct lesson_run *run = &lesson->runs[number];
    const struct snapshot_start *start = lesson->start;
    int error = lesson_run_begin(run, start, number, lesson->seed, false);
    if (error != 0)
        return error;
    struct task *t = run->task;
    run->inputs.value[SNAPSHOT_PID] = (uint64_t)t->process->pid;
    run->inputs.value[SNAPSHOT_PPID] = (uint64_t)process_ppid(t->process);
    run->inputs.text[SNAPSHOT_PID_TEXT] = snapshot_number_text(t->process->pid, run->pid_z);
    run->inputs.text[SNAPSHOT_PPID_TEXT] =
        snapshot_number_text(process_ppid(t->process), run->ppid_z);
    place_heap(t->mm, number < LESSON_LIKE ? 0 : number - LESSON_LIKE + 1);
    error = snapshot_inputs_read(&run->inputs, t->mm, t->cpu->ops->sp(t->cpu));
    if (error != 0)
        return error;
    /* Another user's start must not be learned as this one's. */
    if (memcmp(&t->creds, &start->creds, sizeof(t->creds)) != 0)
        return -EPERM;
    lesson_watch_begin(&run->watch, run, lesson->target);
    return keep_above(run);
}

/* Random numbers that lead to a layout which a clone may have, too. */
static int begin(struct snapshot_lesson *lesson)
{
    for (unsigned i = 0; i < SEEDS_MAX; i++) {
        int error = begin_run(lesson, lesson->current);
        if (error != -EDOM)
            return error;
        end_machine(&lesson->runs[lesson->current]);
        if (lesson->current < LESSON_LIKE && lesson->current > 0)
            return -EDOM;
        lesson->seed++;
    }
    return -EDOM;
}

/* ---- How far they do the same ---- */

static bool is_alike(const struct snapshot_lesson *lesson, size_t call)
{
    const struct lesson_call *first = &lesson->runs[0].watch.calls[call];
    for (unsigned i = 1; i < LESSON_RUNS; i++) {
        const struct lesson_watch *w = &lesson->runs[i].watch;
        if (call >= w->count || w->calls[call].number != first->number ||
            w->calls[call].closed != first->closed)
            return false;
        if (i < LESSON_LIKE && w->calls[call].instructions != first->instructions)
            return false;
    }
    return true;
}

/* The last point before `limit` calls at which a snapshot could be; 0: none. */
static size_t choose(const struct snapshot_lesson *lesson, size_t limit)
{
    const struct lesson_watch *w = &lesson->runs[0].watch;
    size_t best = 0;
    for (size_t i = 0; i < w->count && i + 1 < limit && is_alike(lesson, i); i++)
        if (w->calls[i].closed && w->calls[i].instructions >= INSTRUCTIONS_MIN)
            best = i + 1;
    return best;
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

static bool is_over(const struct lesson_run *run)
{
    const struct kernel *k = run->kernel;
    return k->paused || k->tasks == NULL || k->tasks != run->task || k->tasks->next != NULL ||
           run->task->state != TASK_READY || k->instructions > SNAPSHOT_INSTRUCTIONS_MAX;
}

/* All runs stand at the point: what is there is compared. */
static int compare(struct snapshot_lesson *lesson, struct snapshot_program *out)
{
    memset(out, 0, sizeof(*out));
    out->is_spawned = lesson->start->starter == SNAPSHOT_ON_PIPES;
    int error = lesson_compare(lesson->runs, out);
    if (error != 0)
        snapshot_program_fini(out);
    return error;
}

static int end_run(struct snapshot_lesson *lesson, struct snapshot_program *out)
{
    bool first_time = lesson->target == SNAPSHOT_CALLS_MAX;
    if (first_time)
        end_machine(&lesson->runs[lesson->current]);
    else if (!lesson->runs[lesson->current].kernel->paused)
        return next_try(lesson);
    lesson->current++;
    if (lesson->current >= LESSON_LIKE)
        lesson->seed++;
    if (lesson->current < LESSON_RUNS)
        return 1;
    if (first_time)
        return next_try(lesson);
    int error = compare(lesson, out);
    out->calls = lesson->target;
    return error == -EDOM ? next_try(lesson) : error;
}

int snapshot_lesson_run(struct snapshot_lesson *lesson, uint64_t budget,
                        struct snapshot_program *out)
{
    struct lesson_run *run = &lesson->runs[lesson->current];
    struct kernel_event event;
    if (run->kernel == NULL) {
        int error = begin(lesson);
        if (error != 0)
            return error;
    }
    (void)kernel_run(run->kernel, budget, 0);
    while (kernel_next(run->kernel, &event))
        continue;
    return is_over(run) ? end_run(lesson, out) : 1;
}
