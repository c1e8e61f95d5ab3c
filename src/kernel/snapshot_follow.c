/* Following a clone through the calls that it makes itself, up to where it may be cloned on.
 *
 * Nothing is assumed about what it did: when it has made as many calls as the runs of the lesson, its
 * memory, registers and tables are compared with what theirs are with its inputs. Whatever is
 * different, however it came about, it just runs on. */
#include "kernel/snapshot.h"

#include "kernel/exit.h"
#include "kernel/fdtable.h"
#include "kernel/file.h"
#include "kernel/hash.h"
#include "kernel/vfs.h"

#include "cpu/x86.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum {
    NS_PER_S = 1000000000,
    NS_PER_US = 1000,
    RED_ZONE = 128,
};

struct snapshot_follower {
    struct snapshot *snapshot; /* held */
    size_t leg;                /* that may come next */
    size_t calls;              /* made, or behind a snapshot */
    struct snapshot_seen seen;
    struct snapshot_inputs inputs; /* its texts are those of what makes its pages */
    uint64_t above;                /* hash of the stack above the first frame */
};

/* ---- What calls bring in ---- */

static bool see_time(const struct task *t, struct snapshot_inputs *in, struct snapshot_seen *seen,
                     int64_t part_ns)
{
    int64_t now_ns = t->kernel->now_ns;
    if (seen->times == SNAPSHOT_TIMES)
        return false;
    in->value[SNAPSHOT_SECONDS + seen->times] = (uint64_t)(now_ns / NS_PER_S);
    in->value[SNAPSHOT_PARTS + seen->times] = (uint64_t)(now_ns % NS_PER_S / part_ns);
    seen->times++;
    return true;
}

static bool see_random(const struct task *t, struct snapshot_inputs *in, struct snapshot_seen *seen)
{
    uint64_t value;
    if (t->call_arg[1] != sizeof(value))
        return true; /* which no comparison will explain */
    if (seen->randoms == SNAPSHOT_RANDOMS ||
        cpu_space_read(t->mm->space, t->call_arg[0], &value, sizeof(value)) != 0)
        return false;
    in->value[SNAPSHOT_RANDOM + seen->randoms++] = value;
    return true;
}

static bool see_child(struct task *t, struct snapshot_inputs *in, struct snapshot_seen *seen)
{
    uint64_t pid = x86_state(x86_from_cpu(t->cpu))->reg[X86_RAX];
    if (seen->children == SNAPSHOT_CHILDREN || pid > KERNEL_PID_MAX)
        return false;
    in->value[SNAPSHOT_CHILD + seen->children++] = pid;
    return true;
}

bool snapshot_see(struct task *t, struct snapshot_inputs *in, struct snapshot_seen *seen)
{
    switch (t->call_number) {
    case SYS_gettimeofday:
    case SYS_time: return see_time(t, in, seen, NS_PER_US);
    case SYS_clock_gettime: return t->call_arg[0] != CLOCK_REALTIME || see_time(t, in, seen, 1);
    case SYS_getrandom: return see_random(t, in, seen);
    case SYS_clone:
    case SYS_fork:
    case SYS_vfork: return see_child(t, in, seen);
    default: return true;
    }
}

/* ---- What it is compared by ---- */

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return hash_bytes(hash, span_of((const uint8_t *)&number, sizeof(number)));
}

uint64_t snapshot_doors(const struct task *t)
{
    uint64_t hash = 0;
    for (int fd = fd_table_next(t->files, 0); fd >= 0; fd = fd_table_next(t->files, fd + 1)) {
        hash = hash_number(hash, (uint64_t)fd);
        hash = hash_number(hash, fd_table_is_close_on_exec(t->files, fd));
    }
    struct tty *tty = t->process->session != NULL ? t->process->session->tty : NULL;
    if (tty == NULL)
        return hash;
    const struct tty_size size = tty_size(tty);
    const bool is_in_front = tty_foreground(tty) == t->process->pid;
    hash = hash_bytes(hash, span_of((const uint8_t *)tty_modes(tty), sizeof(struct tty_modes)));
    hash = hash_bytes(hash, span_of((const uint8_t *)&size, sizeof(size)));
    return hash_number(hash, is_in_front);
}

bool snapshot_is_quiet(const struct task *t)
{
    return t->signals.stack_size == 0 && t->signals.pending.set == 0 &&
           t->process->pending.set == 0 && t->process->threads == 1;
}

void snapshot_hide_flags(struct x86_state *state, const struct x86_state *like)
{
    state->reg[X86_R11] = like->reg[X86_R11];
    state->rflags = like->rflags;
}

/* What somebody stands in who may be where `program` was learned. */
struct place {
    const struct snapshot_program *program;
    const struct snapshot_inputs *inputs;
    struct task *task;
};

static bool has_state(const struct place *at)
{
    struct x86_state expected, state;
    if (at->program->state_bytes != sizeof(expected))
        return false;
    snapshot_state_of(at->program, at->inputs, (uint8_t *)&expected);
    at->task->cpu->ops->save(at->task->cpu, &state);
    snapshot_hide_flags(&state, &expected);
    memcpy(state.xmm, expected.xmm, sizeof(state.xmm)); /* as in a lesson: nobody uses them */
    /* Byte by byte, as lessons compare them. */
    return memcmp((const uint8_t *)&state, (const uint8_t *)&expected, sizeof(state)) == 0;
}

static bool has_facts(const struct place *at)
{
    const struct task *t = at->task;
    uint64_t facts[SNAPSHOT_FACTS];
    struct signal_action actions[SIGNAL_MAX];
    snapshot_facts_of(at->program, at->inputs, facts);
    snapshot_actions_of(at->program, at->inputs, actions);
    return t->clear_tid == facts[SNAPSHOT_CLEAR_TID] &&
           t->robust_list == facts[SNAPSHOT_ROBUST_LIST] &&
           t->signals.blocked == facts[SNAPSHOT_BLOCKED] &&
           t->mm->brk_end == facts[SNAPSHOT_BREAK] && snapshot_is_quiet(t) &&
           snapshot_doors(t) == at->program->doors &&
           memcmp(actions, t->process->actions->action, sizeof(actions)) == 0;
}

static bool has_file(const struct place *at, const struct mm_area *area, int file)
{
    char path_z[VFS_PATH_MAX + 16];
    if (file < 0)
        return area->file == NULL;
    return area->file == at->task->mm->exe ||
           (area->file != NULL && file_path(area->file, path_z, sizeof(path_z)) > 0 &&
            strcmp(path_z, at->program->files[file].path_z) == 0);
}

static bool has_areas(const struct place *at)
{
    const struct snapshot_program *p = at->program;
    const struct mm *mm = at->task->mm;
    if (mm->count != p->area_count + 1 || mm->areas[p->area_count].kind != MM_STACK)
        return false;
    for (size_t i = 0; i < p->area_count; i++) {
        const struct mm_area *area = &mm->areas[i];
        const struct snapshot_area *like = &p->areas[i];
        if (area->start != at->inputs->value[like->symbol] + like->offset ||
            area->end - area->start != like->len || area->access != like->access ||
            area->access_max != like->access_max || area->kind != like->kind ||
            area->share_id != 0 || area->offset != like->file_offset ||
            !has_file(at, area, like->file))
            return false;
    }
    return true;
}

/* What is no use to anybody is as it is. */
static void leave(const struct snapshot_program *p, uint8_t *expected, const uint8_t *own)
{
    for (size_t i = 0; i < p->stack_patch_count; i++) {
        const struct snapshot_patch *patch = &p->patches.list[p->stack_patch_first + i];
        if (patch->form == SNAPSHOT_LEFT)
            memcpy(expected + patch->at, own + patch->at, patch->len);
    }
}

/* From the red zone on: what is below it is dead. */
static bool has_stack(const struct place *at)
{
    const struct snapshot_program *p = at->program;
    uint64_t frame = at->inputs->value[SNAPSHOT_FRAME];
    uint64_t sp = at->task->cpu->ops->sp(at->task->cpu), low = frame - p->stack_bytes;
    if (sp > frame || sp - RED_ZONE < low || p->stack_bytes == 0)
        return false;
    uint8_t *bytes = malloc(2 * p->stack_bytes);
    if (bytes == NULL)
        return false;
    memcpy(bytes, p->stack, p->stack_bytes);
    snapshot_patch_bytes(p->patches.list + p->stack_patch_first, p->stack_patch_count, at->inputs,
                         low, bytes);
    size_t dead = (size_t)(sp - RED_ZONE - low), live = p->stack_bytes - dead;
    uint8_t *own = bytes + p->stack_bytes;
    bool same = cpu_space_read(at->task->mm->space, low + dead, own + dead, live) == 0;
    leave(p, bytes, own);
    same = same && memcmp(bytes + dead, own + dead, live) == 0;
    free(bytes);
    return same;
}

/* ---- Pages ---- */

struct comparison {
    const struct place *at;
    uint64_t stack_low; /* what is there was compared */
    bool *found;        /* a page of the program each */
    bool same;
};

static uint64_t page_addr(const struct place *at, size_t i)
{
    const struct snapshot_page *page = &at->program->pages[i];
    return at->inputs->value[page->symbol] + page->offset;
}

/* The program's page at the address; page_count: none. They stand in the order of their addresses. */
static size_t find_page(const struct place *at, uint64_t addr)
{
    size_t low = 0, high = at->program->page_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (page_addr(at, middle) < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low < at->program->page_count && page_addr(at, low) == addr ? low
                                                                       : at->program->page_count;
}

static bool is_like(const struct place *at, size_t i, const uint8_t *bytes)
{
    const struct snapshot_program *p = at->program;
    const struct snapshot_page *page = &p->pages[i];
    uint8_t expected[CPU_PAGE_BYTES];
    memcpy(expected, p->page_bytes + i * CPU_PAGE_BYTES, sizeof(expected));
    snapshot_patch_bytes(p->patches.list + page->patch_first, page->patch_count, at->inputs,
                         page_addr(at, i), expected);
    return memcmp(bytes, expected, sizeof(expected)) == 0;
}

static void compare_page(void *context, uint64_t addr, const uint8_t *bytes)
{
    struct comparison *c = context;
    if (!c->same || addr >= c->stack_low)
        return;
    size_t i = find_page(c->at, addr);
    c->same = i < c->at->program->page_count && bytes != NULL && is_like(c->at, i, bytes);
    if (c->same)
        c->found[i] = true;
}

/* Every page of its own is as expected, and all others are as they were made. */
static bool has_pages(const struct place *at)
{
    const struct snapshot_program *p = at->program;
    const struct mm *mm = at->task->mm;
    struct comparison c = {.at = at,
                           .stack_low = mm->areas[mm->count - 1].start,
                           .found = calloc(p->page_count + 1, sizeof(*c.found)),
                           .same = true};
    if (c.found == NULL)
        return false;
    cpu_space_each_own(mm->space, compare_page, &c);
    for (size_t i = 0; i < p->page_count && c.same; i++)
        c.same = c.found[i] || p->pages[i].is_kept;
    free(c.found);
    return c.same;
}

/* ---- Above ---- */

static uint64_t hash_above(const struct mm *mm)
{
    const struct mm_area *stack = &mm->areas[mm->count - 1];
    size_t len = (size_t)(stack->end - mm->frame);
    uint8_t *bytes = malloc(len);
    uint64_t hash = 0;
    if (bytes != NULL && cpu_space_read(mm->space, mm->frame, bytes, len) == 0)
        hash = hash_bytes(0, span_of(bytes, len));
    free(bytes);
    return hash;
}

static bool is_there(const struct snapshot_follower *f, const struct place *at)
{
    return memcmp(&f->seen, &at->program->seen, sizeof(f->seen)) == 0 && has_facts(at) &&
           has_state(at) && has_areas(at) && has_stack(at) && has_pages(at) &&
           hash_above(at->task->mm) == f->above;
}

/* ---- Following ---- */

void snapshot_follow_start(struct snapshot *s, struct task *t)
{
    struct snapshot_follower *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return; /* then it runs */
    f->snapshot = s;
    s->refs++;
    f->calls = s->program.calls;
    f->seen = s->program.seen;
    f->inputs = *snapshot_inputs_of(t->mm);
    f->above = hash_above(t->mm);
    t->follower = f;
}

void snapshot_unfollow(struct task *t)
{
    struct snapshot_follower *f = t->follower;
    if (f == NULL)
        return;
    t->follower = NULL;
    snapshot_drop(f->snapshot);
    free(f);
}

static void go_on(struct task *t)
{
    struct snapshot_follower *f = t->follower;
    const struct snapshot_leg *leg = &f->snapshot->legs[f->leg++];
    if (snapshot_go_on(f->snapshot, leg, &f->inputs, t) != 0) {
        process_end(t->process, SIGKILL); /* as for want of memory */
    } else if (f->leg == f->snapshot->leg_count) {
        snapshot_unfollow(t);
    } else {
        f->calls = leg->to.calls;
        f->seen = leg->to.seen;
        f->inputs = *snapshot_inputs_of(t->mm);
    }
}

void snapshot_follow(struct task *t)
{
    struct snapshot_follower *f = t->follower;
    const struct snapshot_leg *leg = &f->snapshot->legs[f->leg];
    const struct place at = {&leg->from, &f->inputs, t};
    if (t->cpu->ops != &x86_64_ops || !snapshot_see(t, &f->inputs, &f->seen))
        snapshot_unfollow(t);
    else if (++f->calls < leg->from.calls)
        return;
    else if (is_there(f, &at) && snapshot_holds(&leg->to, t))
        go_on(t);
    else
        snapshot_unfollow(t);
}
