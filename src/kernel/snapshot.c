/* The store of snapshots: what a start is known by, and whether a snapshot of it may be used. */
#include "kernel/snapshot.h"

#include "kernel/fdtable.h"
#include "kernel/fs.h"
#include "kernel/hash.h"
#include "kernel/model.h"
#include "kernel/program.h"
#include "kernel/tty.h"

#include "cpu/x86.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MISSES_BEFORE = 2, /* a start is learned when it comes again */
    STANDARD_FILES = 3,
};

struct kernel_snapshots {
    struct snapshot *all; /* newest first */
    size_t count, bytes, max_bytes;
    uint64_t clock;
    struct snapshot *pupil; /* being learned; in `all` */
    struct snapshot_lesson *lesson;
};

/* ---- Life ---- */

struct kernel_snapshots *kernel_snapshots_new(size_t max_bytes)
{
    struct kernel_snapshots *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return NULL;
    store->max_bytes = max_bytes;
    return store;
}

void snapshot_program_fini(struct snapshot_program *p)
{
    for (size_t i = 0; i < p->file_count; i++)
        free(p->files[i].path_z);
    free(p->files);
    for (size_t i = 0; i < p->check_count; i++)
        free(p->checks[i].path_z);
    free(p->checks);
    free(p->areas);
    free(p->patches.list);
    free(p->pages);
    free(p->page_bytes);
    free(p->stack);
    free(p->state);
    memset(p, 0, sizeof(*p));
}

void snapshot_legs_free(struct snapshot_leg *legs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        snapshot_program_fini(&legs[i].from);
        snapshot_program_fini(&legs[i].to);
    }
    free(legs);
}

void snapshot_start_free(struct snapshot_start *start)
{
    if (start == NULL)
        return;
    exec_strings_free(&start->args);
    exec_strings_free(&start->env);
    free(start->path_z);
    free(start->cwd_z);
    free(start);
}

void snapshot_drop(struct snapshot *s)
{
    if (--s->refs > 0)
        return;
    snapshot_program_fini(&s->program);
    snapshot_legs_free(s->legs, s->leg_count);
    model_free(s->model);
    snapshot_start_free(s->start);
    free(s->key_bytes);
    free(s);
}

static size_t bytes_of(const struct snapshot *s)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->leg_count; i++)
        bytes += s->legs[i].from.bytes + s->legs[i].to.bytes;
    return bytes + s->program.bytes +
           (s->model_state == SNAPSHOT_READY ? model_contents(s->model).len : 0);
}

static void forget(struct kernel_snapshots *store, struct snapshot *s)
{
    struct snapshot **link = &store->all;
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    store->count--;
    store->bytes -= bytes_of(s);
    snapshot_drop(s);
}

void kernel_snapshots_free(struct kernel_snapshots *store)
{
    if (store == NULL)
        return;
    snapshot_lesson_free(store->lesson);
    while (store->all != NULL)
        forget(store, store->all);
    free(store);
}

static bool is_ready(const struct snapshot *s)
{
    return s->state == SNAPSHOT_READY || s->model_state == SNAPSHOT_READY;
}

/* True when `s` is to go rather than `than`: what is not a snapshot yet first, so that many
 * different starts do not push out those that come again; then what was not used for longest. */
static bool goes_first(const struct snapshot *s, const struct snapshot *than)
{
    if (than == NULL)
        return true;
    bool ready = is_ready(s), other_ready = is_ready(than);
    return ready != other_ready ? other_ready : s->used < than->used;
}

/* Room for one more of so many bytes, which is not taken from `keep`. */
static void make_room(struct kernel_snapshots *store, size_t bytes, const struct snapshot *keep)
{
    while (store->count >= SNAPSHOT_ENTRIES_MAX || store->bytes + bytes > store->max_bytes) {
        struct snapshot *first = NULL;
        for (struct snapshot *s = store->all; s != NULL; s = s->next)
            if (s != store->pupil && s != keep && goes_first(s, first))
                first = s;
        if (first == NULL)
            return;
        forget(store, first);
    }
}

/* ---- What a start is known by ---- */

/* The value of NAME=value when it is one whose digits may be others. */
static bool is_free(struct span var, enum snapshot_text *which, struct span *value)
{
    static const struct {
        enum snapshot_text which;
        struct span name;
    } vars[] = {{SNAPSHOT_CLIENT, SPAN_LIT("SSH_CLIENT=")},
                {SNAPSHOT_CONNECTION, SPAN_LIT("SSH_CONNECTION=")},
                {SNAPSHOT_SESSION, SPAN_LIT("XDG_SESSION_ID=")}};
    for (size_t i = 0; i < ARRAY_LEN(vars); i++) {
        if (var.len > vars[i].name.len &&
            span_equal(span_slice(var, 0, vars[i].name.len), vars[i].name)) {
            *which = vars[i].which;
            *value = span_slice(var, vars[i].name.len, var.len);
            return true;
        }
    }
    return false;
}

void snapshot_texts_find(struct span text[SNAPSHOT_TEXTS], const struct exec_strings *env)
{
    const char *p = (const char *)env->data;
    for (size_t i = 0; i < env->count; i++) {
        struct span var = span_z(p), value;
        enum snapshot_text which;
        if (is_free(var, &which, &value))
            text[which] = value;
        p += var.len + 1;
    }
}

/* Where digits stand matters to the start, which digits they are does not. */
static int put_digits(struct buffer *out, struct span text)
{
    int rc = 0;
    for (size_t i = 0; text.data != NULL && i < text.len && rc == 0; i++) {
        uint8_t c = text.data[i];
        rc = buffer_put_u8(out, c >= '0' && c <= '9' ? '0' : c);
    }
    return rc;
}

static int put_env(struct buffer *out, const struct exec_strings *env)
{
    const char *p = (const char *)env->data;
    struct span text[SNAPSHOT_TEXTS] = {{NULL, 0}};
    int rc = 0;
    snapshot_texts_find(text, env);
    for (size_t i = 0; i < env->count && rc == 0; i++) {
        struct span var = span_z(p), value;
        enum snapshot_text which;
        p += var.len + 1;
        /* Of several with one name only the last is an input. */
        if (is_free(var, &which, &value) && value.data == text[which].data) {
            rc = buffer_put(out, span_slice(var, 0, var.len - value.len));
            rc = rc != 0 ? rc : put_digits(out, value);
        } else {
            rc = buffer_put(out, var);
        }
        rc = rc != 0 ? rc : buffer_put_u8(out, 0);
    }
    return rc;
}

static unsigned digits(int32_t n)
{
    unsigned count = 1;
    for (; n >= 10; n /= 10)
        count++;
    return count;
}

static enum snapshot_starter starter_of(const struct exec *x)
{
    const struct process *p = x->task->process;
    if (x->task->cpu != NULL || p->session == NULL)
        return SNAPSHOT_BY_PROGRAM;
    return p->session->tty != NULL ? SNAPSHOT_ON_TERMINAL : SNAPSHOT_ON_PIPES;
}

static int put_terminal(struct buffer *out, struct tty *tty)
{
    const struct tty_size size = tty_size(tty);
    int rc = buffer_put(out, span_of((const uint8_t *)tty_modes(tty), sizeof(struct tty_modes)));
    return rc != 0 ? rc : buffer_put(out, span_of((const uint8_t *)&size, sizeof(size)));
}

/* Everything that may make a difference, one thing after another. 0, or an error: too long. */
static int put_key(struct buffer *out, const struct exec *x, struct span cwd)
{
    const struct task *t = x->task;
    const struct kernel *k = t->kernel;
    enum snapshot_starter starter = starter_of(x);
    bool spawned = starter != SNAPSHOT_BY_PROGRAM;
    const uint64_t facts[] = {
        (uint64_t)(uintptr_t)k->image,
        (uint64_t)k->boot_ns,
        starter,
        spawned ? digits(t->process->pid) : 0,
        spawned ? digits(process_ppid(t->process)) : 0,
        x->args.count,
        x->env.count,
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(facts) && rc == 0; i++)
        rc = buffer_put_u64(out, facts[i]);
    rc = rc != 0 ? rc : buffer_put(out, span_of((const uint8_t *)&t->creds, sizeof(t->creds)));
    if (starter == SNAPSHOT_ON_TERMINAL)
        rc = rc != 0 ? rc : put_terminal(out, t->process->session->tty);
    rc = rc != 0 ? rc : buffer_put_string(out, span_z(k->hostname_z));
    rc = rc != 0 ? rc : buffer_put_string(out, x->path);
    rc = rc != 0 ? rc : buffer_put_string(out, cwd);
    rc = rc != 0 ? rc : buffer_put(out, span_of(x->args.data, x->args.len));
    return rc != 0 ? rc : put_env(out, &x->env);
}

/* ---- Whether it holds here ---- */

void snapshot_look(struct task *t, struct snapshot_check *check)
{
    const struct vfs_at at = {.fs = t->fs, .cred = &t->creds, .task = t};
    memset(&check->stat, 0, sizeof(check->stat));
    check->error = vfs_stat(&at, span_z(check->path_z), check->follow, &check->stat);
    if (check->error != 0)
        memset(&check->stat, 0, sizeof(check->stat));
    check->stat.atime_ns = 0;
}

bool snapshot_holds(const struct snapshot_program *p, struct task *t)
{
    if (vfs_changes(t->kernel->vfs) == t->kernel->changes_at_boot)
        return true;
    for (size_t i = 0; i < p->check_count; i++) {
        struct snapshot_check now = {.path_z = p->checks[i].path_z, .follow = p->checks[i].follow};
        snapshot_look(t, &now);
        if (now.error != p->checks[i].error ||
            memcmp(&now.stat, &p->checks[i].stat, sizeof(now.stat)) != 0)
            return false;
    }
    return true;
}

/* Descriptors below three are there, no others that the start could meet: a shell's own for its
 * terminal is closed by exec. */
static bool files_are_standard(const struct task *t)
{
    for (int fd = 0; fd < STANDARD_FILES; fd++)
        if (fd_table_find(t->files, fd) == NULL)
            return false;
    int next = fd_table_next(t->files, STANDARD_FILES);
    while (next >= 0 && fd_table_is_close_on_exec(t->files, next))
        next = fd_table_next(t->files, next + 1);
    return next < 0;
}

static bool is_usual(const struct exec *x, bool secure)
{
    const struct task *t = x->task;
    const struct process *p = t->process;
    struct fs *root = t->kernel->vfs->top;
    return !secure && !x->is_script && !t->kernel->vfs->mounts_changed && x->path.len > 0 &&
           x->path.data[0] == '/' && x->file->node.fs == root && t->fs->root.fs == root &&
           t->fs->root.ino == root->root && p->personality == 0 && p->threads == 1 &&
           files_are_standard(t) && program_has_default_limits(p);
}

/* ---- Finding ---- */

static char *copy_strings(struct exec_strings *to, const struct exec_strings *from)
{
    *to = *from;
    to->cap = from->len + 1;
    to->data = malloc(to->cap);
    if (to->data != NULL && from->len > 0)
        memcpy(to->data, from->data, from->len);
    return (char *)to->data;
}

static struct snapshot_start *start_of(const struct exec *x, struct span cwd)
{
    const struct task *t = x->task;
    const struct kernel *k = t->kernel;
    struct snapshot_start *start = calloc(1, sizeof(*start));
    if (start == NULL)
        return NULL;
    start->image = k->image;
    start->code = k->code;
    start->limits = k->limits;
    start->watched = k->watched;
    start->watched_count = k->watched_count;
    memcpy(start->hostname_z, k->hostname_z, sizeof(start->hostname_z));
    start->boot_ns = k->boot_ns;
    start->identity = k->identity;
    start->now_ns = k->now_ns;
    start->creds = t->creds;
    start->starter = starter_of(x);
    if (start->starter == SNAPSHOT_ON_TERMINAL) {
        start->window = tty_size(t->process->session->tty);
        start->modes = *tty_modes(t->process->session->tty);
    }
    start->pid = t->process->pid;
    start->ppid = process_ppid(t->process);
    start->path_z = kernel_copy_z(x->path);
    start->cwd_z = kernel_copy_z(cwd);
    char *args = copy_strings(&start->args, &x->args), *env = copy_strings(&start->env, &x->env);
    if (args == NULL || env == NULL || start->path_z == NULL || start->cwd_z == NULL) {
        snapshot_start_free(start);
        return NULL;
    }
    return start;
}

static struct snapshot *add(struct kernel_snapshots *store, struct span key, uint64_t hash,
                            bool has_model)
{
    make_room(store, 0, NULL);
    if (store->count >= SNAPSHOT_ENTRIES_MAX)
        return NULL;
    struct snapshot *s = calloc(1, sizeof(*s));
    uint8_t *copy = key.len > 0 ? malloc(key.len) : NULL;
    if (s == NULL || copy == NULL) {
        free(s);
        free(copy);
        return NULL;
    }
    memcpy(copy, key.data, key.len);
    *s = (struct snapshot){.next = store->all,
                           .refs = 1,
                           .hash = hash,
                           .key = span_of(copy, key.len),
                           .key_bytes = copy,
                           .model_state = has_model ? SNAPSHOT_WANTED : SNAPSHOT_NONE};
    store->all = s;
    store->count++;
    return s;
}

static struct snapshot *lookup(struct kernel_snapshots *store, const struct exec *x,
                               struct span cwd)
{
    struct buffer key;
    buffer_init(&key, SNAPSHOT_KEY_MAX);
    struct snapshot *s = NULL;
    if (put_key(&key, x, cwd) == 0) {
        uint64_t hash = hash_bytes(0, buffer_span(&key));
        for (s = store->all; s != NULL; s = s->next)
            if (s->hash == hash && span_equal(s->key, buffer_span(&key)))
                break;
        if (s == NULL)
            s = add(store, buffer_span(&key), hash, starter_of(x) == SNAPSHOT_ON_TERMINAL);
    }
    buffer_fini(&key);
    return s;
}

void snapshot_find(struct exec *x, bool secure)
{
    struct task *t = x->task;
    struct kernel_snapshots *store = t->kernel->snapshots;
    char cwd_z[VFS_PATH_MAX];
    bool watched = t->kernel->vfs->watches.count > 0; /* a clone opens nothing: nothing is told */
    if (store == NULL || watched || !is_usual(x, secure))
        return;
    int64_t len = vfs_path_of(t->kernel->vfs, t->fs->root, t->fs->cwd, cwd_z, sizeof(cwd_z));
    if (len < 0)
        return;
    struct span cwd = span_of(cwd_z, (size_t)len);
    struct snapshot *s = lookup(store, x, cwd);
    if (s == NULL)
        return;
    s->used = ++store->clock;
    if (s->state == SNAPSHOT_WANTED && ++s->misses >= MISSES_BEFORE && s->start == NULL)
        s->start = start_of(x, cwd);
    x->known = s->model_state != SNAPSHOT_NONE ? s : NULL;
    if (s->state == SNAPSHOT_READY && snapshot_holds(&s->program, t))
        x->snapshot = s;
}

/* ---- Learning ---- */

static struct snapshot *next_pupil(const struct kernel_snapshots *store)
{
    struct snapshot *s = store->all;
    while (s != NULL && (s->state != SNAPSHOT_WANTED || s->start == NULL))
        s = s->next;
    return s;
}

/* How far it went with the same program and other arguments or users. */
static size_t hint_for(const struct kernel_snapshots *store, const struct snapshot *pupil)
{
    const struct snapshot *best = NULL;
    for (const struct snapshot *s = store->all; s != NULL; s = s->next)
        if (s->state == SNAPSHOT_READY &&
            strcmp(s->program.files[0].path_z, pupil->start->path_z) == 0 &&
            (best == NULL || s->used > best->used))
            best = s;
    return best != NULL ? best->program.calls : 0;
}

static void end_start(struct snapshot *s)
{
    snapshot_start_free(s->start);
    s->start = NULL;
}

static void end_lesson(struct kernel_snapshots *store, int result,
                       const struct snapshot_course *course)
{
    struct snapshot *s = store->pupil;
    snapshot_lesson_free(store->lesson);
    store->lesson = NULL;
    end_start(s);
    s->state = SNAPSHOT_NONE;
    if (result == 0) {
        size_t before = bytes_of(s);
        s->program = course->program;
        s->legs = course->legs;
        s->leg_count = course->leg_count;
        s->state = SNAPSHOT_READY;
        make_room(store, bytes_of(s) - before, s);
        store->bytes += bytes_of(s) - before;
    }
    store->pupil = NULL;
}

static void work_at_model(struct kernel_snapshots *store, struct snapshot *s, uint64_t budget)
{
    if (s->model == NULL)
        s->model = model_new(s->start);
    int result = s->model != NULL ? model_run(s->model, budget) : -ENOMEM;
    if (result == 1)
        return;
    size_t bytes = result == 0 ? model_contents(s->model).len : 0;
    make_room(store, bytes, s);
    s->model_state = result == 0 ? SNAPSHOT_READY : SNAPSHOT_NONE;
    store->bytes += bytes;
    if (s->state != SNAPSHOT_WANTED)
        end_start(s);
}

bool kernel_snapshots_model(struct kernel_snapshots *store, uint64_t budget)
{
    struct snapshot *s = store->all;
    while (s != NULL && (s->start == NULL || s->model_state != SNAPSHOT_WANTED))
        s = s->next;
    if (s != NULL)
        work_at_model(store, s, budget);
    return s != NULL;
}

bool kernel_snapshots_work(struct kernel_snapshots *store, uint64_t budget)
{
    struct snapshot_course course;
    if (kernel_snapshots_model(store, budget)) /* one run: before the eighteen */
        return true;
    if (store->lesson == NULL) {
        store->pupil = next_pupil(store);
        if (store->pupil == NULL)
            return false;
        store->lesson = snapshot_lesson_new(store->pupil->start, hint_for(store, store->pupil));
        if (store->lesson == NULL)
            end_lesson(store, -ENOMEM, NULL);
        return true;
    }
    int result = snapshot_lesson_run(store->lesson, budget, &course);
    if (result != 1)
        end_lesson(store, result, &course);
    return true;
}
