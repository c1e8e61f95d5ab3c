/* Comparing the runs of a lesson piece by piece: pages, stack, registers, what the kernel keeps. A turn
 * compares a few pages, or one of the other parts. */
#include "kernel/snapshot_lesson.h"

#include "kernel/fdtable.h"
#include "kernel/fs.h"

#include "persona/image.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { RED_ZONE = 128, PAGES_A_TURN = 4 };

struct lesson_comparison {
    struct lesson_run *runs;
    struct snapshot_program *out;
    struct snapshot_view views[LESSON_RUNS];
    unsigned part;               /* of parts: the next */
    uint8_t *bytes[LESSON_RUNS]; /* a page of each run; [0] is owned, with all others behind */
    /* Of the pages: */
    size_t area;      /* whose pages are compared */
    uint8_t *changed; /* owned: a byte for each page of it; NULL: not begun */
    uint64_t next;    /* of its bytes */
};

/* Explains a piece of which each run has a copy of its own, but for what is dead and what is left. */
static int explain_but(struct lesson_comparison *c, uint8_t *const bytes[LESSON_RUNS],
                       const uint64_t addr[LESSON_RUNS], size_t len, size_t dead, unsigned left,
                       uint32_t *first, uint32_t *count)
{
    for (unsigned i = 0; i < LESSON_RUNS; i++)
        c->views[i] =
            (struct snapshot_view){bytes[i], addr != NULL ? addr[i] : 0, &c->runs[i].inputs};
    *first = (uint32_t)c->out->patches.count;
    int error = snapshot_explain(c->views, LESSON_RUNS, len, dead, left, &c->out->patches);
    *count = (uint32_t)c->out->patches.count - *first;
    return error;
}

static int explain(struct lesson_comparison *c, uint8_t *const bytes[LESSON_RUNS],
                   const uint64_t addr[LESSON_RUNS], size_t len, uint32_t *first, uint32_t *count)
{
    return explain_but(c, bytes, addr, len, 0, 0, first, count);
}

/* ---- The address that something counts from ---- */

static bool is_near(uint64_t distance)
{
    return distance + SNAPSHOT_REACH < 2 * (uint64_t)SNAPSHOT_REACH;
}

/* Which symbol the addresses of all runs are equally far from. */
static int find_symbol(const struct lesson_comparison *c, const uint64_t addr[LESSON_RUNS],
                       uint8_t *symbol, uint64_t *offset)
{
    for (unsigned s = 0; s < SNAPSHOT_ADDRESSES; s++) {
        bool same = s != SNAPSHOT_FRAME;
        uint64_t distance = addr[0] - c->runs[0].inputs.value[s];
        for (unsigned i = 1; i < LESSON_RUNS && same; i++)
            same = addr[i] - c->runs[i].inputs.value[s] == distance;
        if (same && (s == SNAPSHOT_ZERO || is_near(distance))) {
            *symbol = (uint8_t)s;
            *offset = distance;
            return 0;
        }
    }
    return -EDOM;
}

/* ---- Mappings ---- */

static const struct mm *mm_of(const struct lesson_comparison *c, unsigned run)
{
    return c->runs[run].task->mm;
}

/* A clone need not look for what cannot be elsewhere. One that is watched is to be told of. */
static void note_inode(const struct lesson_comparison *c, const struct file *f,
                       struct snapshot_file *to)
{
    const struct kernel *k = c->runs[0].kernel;
    uint64_t last = persona_image_nodes(k->image);
    if (f->node.fs != k->vfs->top || f->dir.fs != k->vfs->top || f->node.ino > last ||
        f->dir.ino > last || vfs_is_watched(f))
        return;
    to->dir = f->dir.ino;
    to->ino = f->node.ino;
}

/* The index of the file among those to be opened; its path is the same in all runs. */
static int file_index(struct lesson_comparison *c, size_t area)
{
    char path_z[VFS_PATH_MAX + 16], other_z[VFS_PATH_MAX + 16];
    struct snapshot_program *p = c->out;
    struct file *f = mm_of(c, 0)->areas[area].file;
    if (f == NULL)
        return -1;
    for (size_t i = 0; i < area; i++)
        if (mm_of(c, 0)->areas[i].file == f)
            return p->areas[i].file;
    if (f == mm_of(c, 0)->exe)
        return 0;
    if (p->file_count == SNAPSHOT_FILES_MAX || file_path(f, path_z, sizeof(path_z)) < 0)
        return -EDOM;
    for (unsigned i = 1; i < LESSON_RUNS; i++) {
        struct file *other = mm_of(c, i)->areas[area].file;
        if (other == NULL || file_path(other, other_z, sizeof(other_z)) < 0 ||
            strcmp(path_z, other_z) != 0)
            return -EDOM;
    }
    char *copy = kernel_copy_z(span_z(path_z));
    if (copy == NULL)
        return -ENOMEM;
    p->files[p->file_count].path_z = copy;
    note_inode(c, f, &p->files[p->file_count]);
    return (int)p->file_count++;
}

static bool areas_are_alike(const struct mm_area *a, const struct mm_area *b)
{
    return a->end - a->start == b->end - b->start && a->access == b->access &&
           a->access_max == b->access_max && a->kind == b->kind &&
           (a->file == NULL) == (b->file == NULL) && a->offset == b->offset &&
           a->share_id == b->share_id;
}

static int compare_area(struct lesson_comparison *c, size_t n)
{
    const struct mm_area *first = &mm_of(c, 0)->areas[n];
    struct snapshot_area *area = &c->out->areas[n];
    uint64_t starts[LESSON_RUNS];
    for (unsigned i = 0; i < LESSON_RUNS; i++) {
        if (!areas_are_alike(&mm_of(c, i)->areas[n], first))
            return -EDOM;
        starts[i] = mm_of(c, i)->areas[n].start;
    }
    if (first->share_id != 0 || first->kind == MM_STACK ||
        (first->access & (CPU_SHARED | CPU_WRITE)) == (CPU_SHARED | CPU_WRITE))
        return -EDOM;
    *area = (struct snapshot_area){.len = first->end - first->start,
                                   .access = first->access,
                                   .access_max = first->access_max,
                                   .kind = first->kind,
                                   .file_offset = first->offset};
    c->out->area_count = n + 1;
    area->file = file_index(c, n);
    if (area->file < -1)
        return area->file;
    return find_symbol(c, starts, &area->symbol, &area->offset);
}

/* All but the last one, which is the stack. */
static int compare_areas(struct lesson_comparison *c)
{
    size_t count = mm_of(c, 0)->count;
    int error = 0;
    for (unsigned i = 1; i < LESSON_RUNS; i++)
        if (mm_of(c, i)->count != count)
            return -EDOM;
    if (count < 2 || count > SNAPSHOT_AREAS_MAX || mm_of(c, 0)->areas[count - 1].kind != MM_STACK)
        return -EDOM;
    c->out->areas = calloc(count, sizeof(*c->out->areas));
    c->out->files = calloc(SNAPSHOT_FILES_MAX, sizeof(*c->out->files));
    if (c->out->areas == NULL || c->out->files == NULL)
        return -ENOMEM;
    c->out->file_count = 1;
    c->out->files[0].path_z = kernel_copy_z(c->runs[0].path);
    if (c->out->files[0].path_z == NULL)
        return -ENOMEM;
    for (size_t n = 0; n + 1 < count && error == 0; n++)
        error = compare_area(c, n);
    return error;
}

/* ---- Pages ---- */

static int read_page(const struct lesson_comparison *c, unsigned run, uint64_t addr, uint8_t *bytes)
{
    int error = cpu_space_read(mm_of(c, run)->space, addr, bytes, CPU_PAGE_BYTES);
    return error == -EFAULT ? -EDOM : error;
}

/* ld.so keeps how long its work took, by the processor's counter, among what it protects; nobody reads
 * it but LD_DEBUG=statistics. A clone has the first run's, as it has its count of instructions. */
static bool is_loader(const struct lesson_comparison *c, size_t area)
{
    static const struct span name = SPAN_LIT("/ld-linux-x86-64.so.2");
    char path_z[VFS_PATH_MAX + 16];
    struct file *f = mm_of(c, 0)->areas[area].file;
    if (f == NULL || file_path(f, path_z, sizeof(path_z)) < 0)
        return false;
    size_t len = strlen(path_z);
    return len >= name.len && memcmp(path_z + len - name.len, name.data, name.len) == 0;
}

static void hide_durations(uint8_t *const bytes[LESSON_RUNS])
{
    for (size_t at = 0; at < CPU_PAGE_BYTES; at += sizeof(uint64_t)) {
        uint64_t first, value;
        bool all_small = true;
        for (unsigned i = 0; i < LESSON_RUNS && all_small; i++) {
            memcpy(&value, bytes[i] + at, sizeof(value));
            all_small = value >= SNAPSHOT_DURATION_LEAST && value < SNAPSHOT_DURATION_MOST;
        }
        memcpy(&first, bytes[0] + at, sizeof(first));
        for (unsigned i = 1; i < LESSON_RUNS && all_small; i++)
            memcpy(bytes[i] + at, &first, sizeof(first));
    }
}

/* The page of the area at c->next. */
static int compare_page(struct lesson_comparison *c)
{
    struct snapshot_program *p = c->out;
    uint8_t *const *bytes = c->bytes;
    uint64_t addr[LESSON_RUNS];
    int error = p->page_count < SNAPSHOT_PAGES_MAX ? 0 : -E2BIG;
    for (unsigned i = 0; i < LESSON_RUNS; i++)
        addr[i] = mm_of(c, i)->areas[c->area].start + c->next;
    for (unsigned i = 0; i < LESSON_RUNS && error == 0; i++)
        error = read_page(c, i, addr[i], bytes[i]);
    if (error != 0)
        return error;
    if (is_loader(c, c->area))
        hide_durations(bytes);
    struct snapshot_page *page = &p->pages[p->page_count];
    error = find_symbol(c, addr, &page->symbol, &page->offset);
    if (error == 0)
        error = explain(c, bytes, addr, CPU_PAGE_BYTES, &page->patch_first, &page->patch_count);
    if (error == 0)
        memcpy(p->page_bytes + p->page_count++ * CPU_PAGE_BYTES, bytes[0], CPU_PAGE_BYTES);
    return error;
}

/* Which pages of an area any run has changed, as bits. */
struct changed {
    const struct mm_area *area;
    uint8_t *pages;
};

static void mark(void *context, uint64_t addr, const uint8_t *bytes)
{
    struct changed *changed = context;
    (void)bytes;
    if (addr >= changed->area->start && addr < changed->area->end)
        changed->pages[(addr - changed->area->start) / CPU_PAGE_BYTES] = 1;
}

static int begin_area(struct lesson_comparison *c)
{
    struct changed changed;
    c->next = 0;
    c->changed = calloc(c->out->areas[c->area].len / CPU_PAGE_BYTES, 1);
    if (c->changed == NULL)
        return -ENOMEM;
    changed.pages = c->changed;
    for (unsigned i = 0; i < LESSON_RUNS; i++) {
        changed.area = &mm_of(c, i)->areas[c->area];
        cpu_space_each_own(mm_of(c, i)->space, mark, &changed);
    }
    return 0;
}

/* Some pages of an area. 0 or -errno. */
static int compare_some(struct lesson_comparison *c)
{
    uint64_t len = c->out->areas[c->area].len;
    int error = c->changed == NULL ? begin_area(c) : 0;
    for (int done = 0; c->next < len && done < PAGES_A_TURN && error == 0;
         c->next += CPU_PAGE_BYTES) {
        if (!c->changed[c->next / CPU_PAGE_BYTES])
            continue;
        error = compare_page(c);
        done++;
    }
    if (error == 0 && c->next == len) {
        free(c->changed);
        c->changed = NULL;
        c->area++;
    }
    return error;
}

/* Room for a copy of `len` bytes of each run. */
static int copies_new(uint8_t *bytes[LESSON_RUNS], size_t len)
{
    uint8_t *all = calloc(LESSON_RUNS, len + 8);
    if (all == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < LESSON_RUNS; i++)
        bytes[i] = all + i * len;
    return 0;
}

static int begin_pages(struct lesson_comparison *c)
{
    struct snapshot_program *p = c->out;
    p->pages = calloc(SNAPSHOT_PAGES_MAX, sizeof(*p->pages));
    p->page_bytes = malloc((size_t)SNAPSHOT_PAGES_MAX * CPU_PAGE_BYTES);
    return p->pages != NULL && p->page_bytes != NULL ? copies_new(c->bytes, CPU_PAGE_BYTES)
                                                     : -ENOMEM;
}

/* To what is needed: less can always be had. */
static void end_pages(struct snapshot_program *p)
{
    uint8_t *less = realloc(p->page_bytes, p->page_count * CPU_PAGE_BYTES + 1);
    struct snapshot_page *fewer = realloc(p->pages, (p->page_count + 1) * sizeof(*p->pages));
    p->page_bytes = less != NULL ? less : p->page_bytes;
    p->pages = fewer != NULL ? fewer : p->pages;
}

static int compare_pages(struct lesson_comparison *c)
{
    int error = c->out->pages == NULL ? begin_pages(c) : 0;
    if (error == 0 && c->area < c->out->area_count)
        error = compare_some(c);
    if (error != 0)
        return error;
    if (c->area < c->out->area_count)
        return 1;
    end_pages(c->out);
    return 0;
}

/* ---- Stack ---- */

static void find_low(void *context, uint64_t addr, const uint8_t *bytes)
{
    struct changed *changed = context;
    uint64_t *low = (uint64_t *)(void *)changed->pages;
    (void)bytes;
    if (addr >= changed->area->start && addr < *low)
        *low = addr;
}

/* How much of the stack below the first frame the run has touched. */
static uint64_t depth(const struct lesson_comparison *c, unsigned run)
{
    const struct mm *mm = mm_of(c, run);
    uint64_t frame = c->runs[run].inputs.value[SNAPSHOT_FRAME], low = frame;
    struct changed changed = {.area = &mm->areas[mm->count - 1], .pages = (uint8_t *)&low};
    cpu_space_each_own(mm->space, find_low, &changed);
    return frame - low;
}

/* Above the first frame everything is as exec has put it, and the stack has not grown. */
static bool above_is_untouched(const struct lesson_run *run)
{
    uint64_t frame = run->inputs.value[SNAPSHOT_FRAME];
    uint8_t *now = malloc(run->above_bytes);
    bool same = now != NULL &&
                cpu_space_read(run->task->mm->space, frame, now, run->above_bytes) == 0 &&
                memcmp(now, run->above, run->above_bytes) == 0;
    free(now);
    return same;
}

static int compare_stack(struct lesson_comparison *c)
{
    struct snapshot_program *p = c->out;
    uint8_t *bytes[LESSON_RUNS] = {NULL};
    uint64_t addr[LESSON_RUNS], len = 0;
    for (unsigned i = 0; i < LESSON_RUNS; i++) {
        uint64_t own = depth(c, i);
        len = own > len ? own : len;
        if (!above_is_untouched(&c->runs[i]))
            return -EDOM;
    }
    const struct task *t = c->runs[0].task;
    uint64_t frame = c->runs[0].inputs.value[SNAPSHOT_FRAME], sp = t->cpu->ops->sp(t->cpu);
    if (len > SNAPSHOT_STACK_MAX || sp > frame || frame - sp + RED_ZONE > len)
        return -EDOM;
    int error = copies_new(bytes, len);
    for (unsigned i = 0; i < LESSON_RUNS && error == 0; i++) {
        addr[i] = c->runs[i].inputs.value[SNAPSHOT_FRAME] - len;
        error = cpu_space_read(mm_of(c, i)->space, addr[i], bytes[i], len);
    }
    if (error == 0)
        error = explain_but(c, bytes, addr, len, (size_t)(len - (frame - sp) - RED_ZONE),
                            c->runs[0].starter == SNAPSHOT_ON_TERMINAL ? SNAPSHOT_LEFT_MAX : 0,
                            &p->stack_patch_first, &p->stack_patch_count);
    p->stack_bytes = len;
    p->stack = bytes[0]; /* with the others' behind it: cut off */
    uint8_t *less = bytes[0] != NULL ? realloc(bytes[0], len + 1) : NULL;
    p->stack = less != NULL ? less : p->stack;
    return error == -EFAULT ? -EDOM : error;
}

/* ---- The rest ---- */

/* By the ABI no vector register outlives the call of a function, and system calls are made in such:
 * they hold what some string consisted of. Where that is not explained, it is as in the first run. */
static void hide_vectors(uint8_t *const bytes[LESSON_RUNS])
{
    const size_t at = offsetof(struct x86_state, xmm);
    for (unsigned i = 1; i < LESSON_RUNS; i++)
        memcpy(bytes[i] + at, bytes[0] + at, sizeof(((struct x86_state *)NULL)->xmm));
}

static int explain_state(struct lesson_comparison *c, uint8_t *const bytes[LESSON_RUNS])
{
    struct snapshot_program *p = c->out;
    int error =
        explain(c, bytes, NULL, p->state_bytes, &p->state_patch_first, &p->state_patch_count);
    if (error != -EDOM)
        return error;
    hide_vectors(bytes);
    return explain(c, bytes, NULL, p->state_bytes, &p->state_patch_first, &p->state_patch_count);
}

static int compare_state(struct lesson_comparison *c)
{
    struct snapshot_program *p = c->out;
    uint8_t *bytes[LESSON_RUNS] = {NULL};
    struct x86_state first, state;
    p->state_bytes = sizeof(state);
    int error = copies_new(bytes, p->state_bytes);
    for (unsigned i = 0; i < LESSON_RUNS && error == 0; i++) {
        const struct cpu *cpu = c->runs[i].task->cpu;
        if (cpu->ops != &x86_64_ops)
            return -EDOM;
        cpu->ops->save(cpu, &state);
        if (i == 0)
            first = state;
        snapshot_hide_flags(&state, &first);
        memcpy(bytes[i], &state, sizeof(state));
    }
    if (error == 0)
        error = explain_state(c, bytes);
    p->state = bytes[0];
    return error;
}

static int compare_facts(struct lesson_comparison *c)
{
    struct snapshot_program *p = c->out;
    uint64_t facts[LESSON_RUNS][SNAPSHOT_FACTS];
    uint8_t *bytes[LESSON_RUNS], *actions[LESSON_RUNS];
    for (unsigned i = 0; i < LESSON_RUNS; i++) {
        const struct task *t = c->runs[i].task;
        if (!snapshot_is_quiet(t) || snapshot_doors(t) != snapshot_doors(c->runs[0].task))
            return -EDOM;
        facts[i][SNAPSHOT_CLEAR_TID] = t->clear_tid;
        facts[i][SNAPSHOT_ROBUST_LIST] = t->robust_list;
        facts[i][SNAPSHOT_BLOCKED] = t->signals.blocked;
        facts[i][SNAPSHOT_BREAK] = t->mm->brk_end;
        bytes[i] = (uint8_t *)facts[i];
        actions[i] = (uint8_t *)t->process->actions->action;
    }
    p->doors = snapshot_doors(c->runs[0].task);
    memcpy(p->facts, facts[0], sizeof(p->facts));
    memcpy(p->actions, actions[0], sizeof(p->actions));
    int error =
        explain(c, bytes, NULL, sizeof(p->facts), &p->facts_patch_first, &p->facts_patch_count);
    return error != 0 ? error
                      : explain(c, actions, NULL, sizeof(p->actions), &p->actions_patch_first,
                                &p->actions_patch_count);
}

static int keep_check(struct lesson_comparison *c, const char *path_z, bool follow)
{
    struct snapshot_program *p = c->out;
    struct snapshot_check *check = &p->checks[p->check_count];
    *check = (struct snapshot_check){.path_z = kernel_copy_z(span_z(path_z)), .follow = follow};
    if (check->path_z == NULL)
        return -ENOMEM;
    p->check_count++;
    return 0;
}

/* The names that were looked up since the mark, and the files that are mapped. */
static int keep_checks(struct lesson_comparison *c)
{
    struct snapshot_program *p = c->out;
    const struct lesson_watch *w = &c->runs[0].watch;
    int error = 0;
    p->checks = calloc(w->check_count - w->mark.checks + p->file_count, sizeof(*p->checks));
    if (p->checks == NULL)
        return -ENOMEM;
    for (size_t i = w->mark.checks; i < w->check_count && error == 0; i++) {
        const struct snapshot_check *from = &w->checks[i];
        error = keep_check(c, from->path_z, from->follow);
        if (error == 0) {
            p->checks[p->check_count - 1].error = from->error;
            p->checks[p->check_count - 1].stat = from->stat;
        }
    }
    for (size_t i = 0; i < p->file_count && error == 0; i++) {
        error = keep_check(c, p->files[i].path_z, true);
        if (error == 0)
            snapshot_look(c->runs[0].task, &p->checks[p->check_count - 1]);
    }
    return error;
}

static bool have_seen_the_same(const struct lesson_watch *a, const struct lesson_watch *b)
{
    return a->check_count == b->check_count && a->refusal_count == b->refusal_count &&
           memcmp(&a->seen, &b->seen, sizeof(a->seen)) == 0;
}

/* What it has cost, looked up and used up since the mark: as in the first run. */
static int take_notes(struct lesson_comparison *c)
{
    struct snapshot_program *p = c->out;
    const struct lesson_run *run = &c->runs[0];
    const struct lesson_watch *w = &run->watch;
    const struct lesson_mark *mark = &w->mark;
    const struct kernel *k = run->kernel;
    for (unsigned i = 1; i < LESSON_RUNS; i++)
        if (!have_seen_the_same(&c->runs[i].watch, w))
            return -EDOM;
    p->calls = w->count;
    p->seen = w->seen;
    for (unsigned i = mark->seen.times; i < w->seen.times; i++)
        p->time_after_ns[i] = w->time_ns[i] - mark->now_ns;
    memcpy(p->time_in_us, w->time_in_us, sizeof(p->time_in_us));
    p->refusal_count = w->refusal_count - mark->refusals;
    memcpy(p->refusals, w->refusals + mark->refusals, p->refusal_count * sizeof(*p->refusals));
    p->objects = k->vfs->next_object - mark->objects;
    p->instructions = run->task->user_instructions - mark->user_instructions;
    p->charged = k->instructions - mark->instructions - p->instructions;
    return keep_checks(c);
}

static size_t bytes_of(const struct snapshot_program *p)
{
    return p->patches.room * sizeof(*p->patches.list) + p->area_count * sizeof(*p->areas) +
           p->page_count * (sizeof(*p->pages) + CPU_PAGE_BYTES) + p->stack_bytes +
           p->state_bytes * LESSON_RUNS + p->check_count * sizeof(*p->checks);
}

/* What is left of addresses in the stack is known by those in pages. */
static int (*const parts[])(struct lesson_comparison *) = {
    compare_areas, compare_facts, compare_state, compare_pages, compare_stack, take_notes,
};

struct lesson_comparison *lesson_comparison_new(struct lesson_run *runs,
                                                struct snapshot_program *out)
{
    struct lesson_comparison *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->runs = runs;
    c->out = out;
    return c;
}

void lesson_comparison_free(struct lesson_comparison *c)
{
    if (c == NULL)
        return;
    free(c->bytes[0]);
    free(c->changed);
    free(c);
}

int lesson_comparison_run(struct lesson_comparison *c)
{
    int result = parts[c->part](c);
    if (result != 0)
        return result;
    if (++c->part < ARRAY_LEN(parts))
        return 1;
    c->out->bytes = bytes_of(c->out);
    return 0;
}
