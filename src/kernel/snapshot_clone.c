/* Making a new program what it would have become. Its memory is mapped as its own start would have
 * mapped it; pages that depend on the inputs are made when they are touched. */
#include "kernel/snapshot.h"

#include "kernel/fs.h"
#include "kernel/syscalls.h"

#include "cpu/x86.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    NS_PER_S = 1000000000,
    NS_PER_US = 1000,
};

/* What makes the pages of one clone, and of what it forks. */
struct maker {
    struct cpu_maker base; /* first */
    struct snapshot *snapshot;
    const struct snapshot_program *program; /* of its */
    struct snapshot_inputs inputs;
    uint8_t text[]; /* of the inputs */
};

/* ---- Inputs ---- */

/* True when an address between the two has another upper half than `base`. Addresses of 32 bits have
 * none. */
static bool carries(uint64_t base, uint64_t from, uint64_t to)
{
    return base > UINT32_MAX && (((from ^ base) | (to ^ base)) >> 32) != 0;
}

bool snapshot_inputs_carry(const struct snapshot_inputs *in)
{
    bool any = false;
    for (int i = SNAPSHOT_PROGRAM; i < SNAPSHOT_ADDRESSES; i++)
        any |= carries(in->value[i], in->value[i] - SNAPSHOT_REACH, in->value[i] + SNAPSHOT_REACH);
    return any;
}

/* The same for what this program has there. */
static bool program_carries(const struct snapshot_program *p, const struct snapshot_inputs *in)
{
    bool any = carries(in->value[SNAPSHOT_FRAME],
                       in->value[SNAPSHOT_FRAME] - p->stack_bytes - SNAPSHOT_AROUND,
                       in->value[SNAPSHOT_STACK] + SNAPSHOT_AROUND);
    for (size_t i = 0; i < p->area_count && !any; i++) {
        const struct snapshot_area *a = &p->areas[i];
        uint64_t base = in->value[a->symbol], from = base + a->offset;
        any = carries(base, from - SNAPSHOT_AROUND, from + a->len + SNAPSHOT_AROUND);
    }
    return any;
}

static bool snapshot_carries(const struct snapshot *s, const struct snapshot_inputs *in)
{
    bool any = program_carries(&s->program, in);
    for (size_t i = 0; i < s->leg_count && !any; i++)
        any = program_carries(&s->legs[i].to, in);
    return any;
}

int snapshot_inputs_read(struct snapshot_inputs *in, const struct mm *mm, uint64_t sp)
{
    uint64_t random[2], at = 0;
    for (size_t i = 0; i + 1 < mm->auxv_count; i += 2)
        if (mm->auxv[i] == AT_RANDOM)
            at = mm->auxv[i + 1];
    if (cpu_space_read(mm->space, at, random, sizeof(random)) != 0)
        return -EFAULT;
    in->value[SNAPSHOT_PROGRAM] = mm->code_start;
    in->value[SNAPSHOT_MAPPINGS] = mm->mmap_top;
    in->value[SNAPSHOT_HEAP] = mm->brk_start;
    in->value[SNAPSHOT_FRAME] = sp;
    in->value[SNAPSHOT_STACK] = mm->stack_top;
    in->value[SNAPSHOT_CANARY] = random[0] & ~UINT64_C(0xff);
    in->value[SNAPSHOT_GUARD] = random[1];
    return 0;
}

/* What calls would bring in that are behind the program, and not behind `seen`. */
static void inputs_of_task(struct snapshot_inputs *in, const struct snapshot_program *p,
                           const struct snapshot_seen *seen, struct task *t)
{
    struct kernel *k = t->kernel;
    in->value[SNAPSHOT_PID] = (uint64_t)t->process->pid;
    in->value[SNAPSHOT_PPID] = (uint64_t)process_ppid(t->process);
    for (unsigned i = seen->randoms; i < p->seen.randoms; i++)
        crypto_rng_bytes(&k->rng, &in->value[SNAPSHOT_RANDOM + i], sizeof(uint64_t));
    for (unsigned i = seen->times; i < p->seen.times; i++) {
        int64_t ns = k->now_ns + p->time_after_ns[i];
        int64_t part = ns % NS_PER_S;
        in->value[SNAPSHOT_SECONDS + i] = (uint64_t)(ns / NS_PER_S);
        in->value[SNAPSHOT_PARTS + i] = (uint64_t)(p->time_in_us[i] ? part / NS_PER_US : part);
    }
}

struct span snapshot_number_text(int32_t number, char out_z[SNAPSHOT_NUMBER_BYTES])
{
    int n = snprintf(out_z, SNAPSHOT_NUMBER_BYTES, "%d", number);
    return span_of(out_z, (size_t)n);
}

/* ---- The maker ---- */

static void make_page(const struct cpu_maker *base, const uint8_t *like, uint8_t *page)
{
    const struct maker *m = (const struct maker *)base;
    const struct snapshot_program *p = m->program;
    const struct snapshot_page *of = &p->pages[(size_t)(like - p->page_bytes) / CPU_PAGE_BYTES];
    memcpy(page, like, CPU_PAGE_BYTES);
    snapshot_patch_bytes(p->patches.list + of->patch_first, of->patch_count, &m->inputs,
                         m->inputs.value[of->symbol] + of->offset, page);
}

static void free_maker(struct cpu_maker *base)
{
    struct maker *m = (struct maker *)base;
    snapshot_drop(m->snapshot);
    free(m);
}

/* One reference, the caller's. */
static struct maker *new_maker(struct snapshot *s, const struct snapshot_program *p,
                               const struct snapshot_inputs *inputs)
{
    size_t bytes = 0;
    for (int i = 0; i < SNAPSHOT_TEXTS; i++)
        bytes += inputs->text[i].len;
    struct maker *m = malloc(sizeof(*m) + bytes);
    if (m == NULL)
        return NULL;
    m->base = (struct cpu_maker){.refs = 1, .make = make_page, .free = free_maker};
    m->snapshot = s;
    m->program = p;
    s->refs++;
    m->inputs = *inputs;
    uint8_t *to = m->text;
    for (int i = 0; i < SNAPSHOT_TEXTS; i++) {
        struct span *text = &m->inputs.text[i];
        if (text->len > 0)
            memcpy(to, text->data, text->len);
        text->data = to;
        to += text->len;
    }
    return m;
}

static const struct maker *maker_of(const struct mm *mm)
{
    return (const struct maker *)cpu_space_maker(mm->space);
}

const struct snapshot_inputs *snapshot_inputs_of(const struct mm *mm)
{
    const struct maker *m = maker_of(mm);
    return m != NULL ? &m->inputs : NULL;
}

size_t snapshot_calls_of(const struct mm *mm)
{
    const struct maker *m = maker_of(mm);
    return m != NULL ? m->program->calls : 0;
}

/* ---- Memory ---- */

struct work {
    const struct snapshot_program *program;
    struct task *task;
    struct file *exe;
    struct mm *mm;
    struct maker *maker; /* with one reference of ours */
    struct file *files[SNAPSHOT_FILES_MAX];
};

static int open_one(struct task *t, const struct snapshot_file *f, struct file **out)
{
    const struct vfs_at at = {.fs = t->fs, .cred = &t->creds, .task = t};
    struct vfs *vfs = t->kernel->vfs;
    if (f->ino == 0 || vfs_changes(vfs) != t->kernel->changes_at_boot)
        return vfs_open(&at, span_z(f->path_z), O_RDONLY | O_CLOEXEC, 0, out);
    return vfs_open_node(&at, (struct vnode){.fs = vfs->top, .ino = f->ino},
                         (struct vnode){.fs = vfs->top, .ino = f->dir},
                         span_z(strrchr(f->path_z, '/') + 1), O_RDONLY | O_CLOEXEC, out);
}

static int open_files(struct work *w)
{
    const struct snapshot_program *p = w->program;
    int error = 0;
    w->files[0] = file_hold(w->exe);
    for (size_t i = 1; i < p->file_count && error == 0; i++)
        error = open_one(w->task, &p->files[i], &w->files[i]);
    return error;
}

static void drop_files(struct work *w)
{
    for (size_t i = 0; i < w->program->file_count; i++)
        file_drop(w->files[i]);
}

static int map_area(const struct work *w, const struct snapshot_area *a)
{
    const struct mm_request r = {.addr = w->maker->inputs.value[a->symbol] + a->offset,
                                 .len = a->len,
                                 .access = a->access,
                                 .access_max = a->access_max,
                                 .fixed = true,
                                 .kind = a->kind,
                                 .file = a->file >= 0 ? w->files[a->file] : NULL,
                                 .offset = a->file_offset};
    int64_t mapped = mm_map(w->mm, &r);
    return mapped < 0 ? (int)mapped : 0;
}

/* Everything but the stack, which stays as exec has made it. */
static int map_areas(const struct work *w)
{
    const struct snapshot_program *p = w->program;
    uint64_t stack = w->mm->areas[w->mm->count - 1].start;
    int error = mm_unmap(w->mm, MM_MIN_ADDR, stack - MM_MIN_ADDR);
    /* Nothing is there any more that another one would have to make. */
    cpu_space_set_maker(w->mm->space, &w->maker->base);
    for (size_t i = 0; i < p->area_count && error == 0; i++)
        error = map_area(w, &p->areas[i]);
    return error;
}

static int give_pages(const struct work *w)
{
    const struct snapshot_program *p = w->program;
    int error = 0;
    for (size_t i = 0; i < p->page_count && error == 0; i++) {
        const struct snapshot_page *page = &p->pages[i];
        error =
            cpu_space_give_page(w->mm->space, w->maker->inputs.value[page->symbol] + page->offset,
                                p->page_bytes + i * CPU_PAGE_BYTES, page->patch_count > 0);
    }
    return error;
}

static int write_stack(const struct work *w)
{
    const struct snapshot_program *p = w->program;
    uint8_t *bytes = malloc(p->stack_bytes + 1);
    if (bytes == NULL)
        return -ENOMEM;
    uint64_t addr = w->maker->inputs.value[SNAPSHOT_FRAME] - p->stack_bytes;
    memcpy(bytes, p->stack, p->stack_bytes);
    snapshot_patch_bytes(p->patches.list + p->stack_patch_first, p->stack_patch_count,
                         &w->maker->inputs, addr, bytes);
    int error = cpu_space_poke(w->mm->space, addr, bytes, p->stack_bytes);
    free(bytes);
    return error;
}

static int set_state(const struct work *w)
{
    const struct snapshot_program *p = w->program;
    uint8_t *state = malloc(p->state_bytes);
    if (state == NULL)
        return -ENOMEM;
    snapshot_state_of(p, &w->maker->inputs, state);
    int error = w->task->cpu->ops->load(w->task->cpu, state);
    free(state);
    return error;
}

void snapshot_state_of(const struct snapshot_program *p, const struct snapshot_inputs *inputs,
                       uint8_t *state)
{
    memcpy(state, p->state, p->state_bytes);
    snapshot_patch_bytes(p->patches.list + p->state_patch_first, p->state_patch_count, inputs, 0,
                         state);
}

void snapshot_facts_of(const struct snapshot_program *p, const struct snapshot_inputs *inputs,
                       uint64_t facts[SNAPSHOT_FACTS])
{
    memcpy(facts, p->facts, sizeof(p->facts));
    snapshot_patch_bytes(p->patches.list + p->facts_patch_first, p->facts_patch_count, inputs, 0,
                         (uint8_t *)facts);
}

void snapshot_actions_of(const struct snapshot_program *p, const struct snapshot_inputs *inputs,
                         struct signal_action actions[SIGNAL_MAX])
{
    memcpy(actions, p->actions, sizeof(p->actions));
    snapshot_patch_bytes(p->patches.list + p->actions_patch_first, p->actions_patch_count, inputs,
                         0, (uint8_t *)actions);
}

/* Memory and processor. Takes over the reference to the maker. */
static int become(struct work *w)
{
    struct kernel *k = w->task->kernel;
    uint64_t charged = k->charged; /* the snapshot's own cost is charged instead */
    uint64_t facts[SNAPSHOT_FACTS];
    int error = open_files(w);
    if (error == 0)
        error = map_areas(w);
    if (error == 0)
        error = give_pages(w);
    if (error == 0)
        error = write_stack(w);
    if (error == 0)
        error = set_state(w);
    snapshot_facts_of(w->program, &w->maker->inputs, facts);
    w->mm->brk_end = facts[SNAPSHOT_BREAK];
    k->charged = charged;
    drop_files(w);
    if (--w->maker->base.refs == 0)
        free_maker(&w->maker->base);
    return error;
}

int snapshot_clone(struct snapshot *s, const struct exec *x)
{
    static const struct snapshot_seen nothing = {0, 0, 0};
    struct task *t = x->task;
    struct snapshot_inputs inputs = {0};
    char pid_z[SNAPSHOT_NUMBER_BYTES], ppid_z[SNAPSHOT_NUMBER_BYTES];
    snapshot_texts_find(inputs.text, &x->env);
    int error = snapshot_inputs_read(&inputs, t->mm, t->cpu->ops->sp(t->cpu));
    if (error == 0 && snapshot_carries(s, &inputs))
        error = -EDOM;
    if (error != 0)
        return error;
    inputs_of_task(&inputs, &s->program, &nothing, t);
    inputs.text[SNAPSHOT_PID_TEXT] = snapshot_number_text(t->process->pid, pid_z);
    inputs.text[SNAPSHOT_PPID_TEXT] = snapshot_number_text(process_ppid(t->process), ppid_z);
    struct work w = {.program = &s->program,
                     .task = t,
                     .exe = x->file,
                     .mm = t->mm,
                     .maker = new_maker(s, &s->program, &inputs)};
    return w.maker != NULL ? become(&w) : -ENOMEM;
}

/* ---- The rest ---- */

/* What has no place in memory: as if the calls had been made that are behind the program. */
static void set_task(const struct snapshot_program *p, struct task *t)
{
    const struct snapshot_inputs *inputs = snapshot_inputs_of(t->mm);
    uint64_t facts[SNAPSHOT_FACTS];
    snapshot_facts_of(p, inputs, facts);
    t->clear_tid = facts[SNAPSHOT_CLEAR_TID];
    t->robust_list = facts[SNAPSHOT_ROBUST_LIST];
    if (p->is_spawned) {
        snapshot_actions_of(p, inputs, t->process->actions->action);
        t->signals.blocked = facts[SNAPSHOT_BLOCKED];
    }
    for (unsigned i = 0; i < p->refusal_count; i++)
        syscall_tell_refused(t, p->refusals[i], syscall_name(p->refusals[i]));
    t->kernel->vfs->next_object += p->objects;
    t->user_instructions += p->instructions;
    kernel_charge(t->kernel, p->instructions + p->charged);
}

void snapshot_finish(struct snapshot *s, struct task *t)
{
    set_task(&s->program, t);
    if (s->leg_count > 0)
        snapshot_follow_start(s, t);
}

int snapshot_go_on(struct snapshot *s, const struct snapshot_leg *leg,
                   const struct snapshot_inputs *inputs, struct task *t)
{
    struct snapshot_inputs all = *inputs;
    inputs_of_task(&all, &leg->to, &leg->from.seen, t);
    struct work w = {.program = &leg->to,
                     .task = t,
                     .exe = t->mm->exe,
                     .mm = t->mm,
                     .maker = new_maker(s, &leg->to, &all)};
    int error = w.maker != NULL ? become(&w) : -ENOMEM;
    if (error == 0)
        set_task(&leg->to, t);
    return error;
}
