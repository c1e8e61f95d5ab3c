#include "kernel/exec.h"

#include "cpu/cpu.h"
#include "kernel/abi.h"
#include "kernel/capability.h"
#include "kernel/exit.h"
#include "kernel/fdtable.h"
#include "kernel/fs.h"
#include "kernel/lines.h"
#include "kernel/load.h"
#include "kernel/snapshot.h"
#include "kernel/stack.h"
#include "kernel/timer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    STRINGS_FIRST = 4096,
    TOLD_STRINGS_MAX = 1024, /* arguments and variables in a KERNEL_EXEC, and their bytes */
    TOLD_ARGS_BYTES = 65536,
    TOLD_ENV_BYTES = 16384,
    STRINGS_ALWAYS = 131072, /* this much is allowed whatever the stack's limit */
};
#define STRINGS_HIGHEST (UINT64_C(6) << 20) /* three quarters of the default stack */

/* ---- Strings ---- */

void exec_strings_free(struct exec_strings *s)
{
    free(s->data);
    memset(s, 0, sizeof(*s));
}

static int strings_reserve(struct exec_strings *s, size_t more)
{
    size_t cap = s->cap != 0 ? s->cap : STRINGS_FIRST;
    while (cap < s->len + more)
        cap *= 2;
    if (cap == s->cap)
        return 0;
    uint8_t *data = realloc(s->data, cap);
    if (data == NULL)
        return -ENOMEM;
    s->data = data;
    s->cap = cap;
    return 0;
}

int exec_strings_add(struct exec_strings *s, struct span text)
{
    ptrdiff_t nul = span_find(text, '\0', 0);
    if (nul >= 0)
        text.len = (size_t)nul;
    if (strings_reserve(s, text.len + 1) != 0)
        return -ENOMEM;
    if (text.data != NULL)
        memcpy(s->data + s->len, text.data, text.len);
    s->data[s->len + text.len] = '\0';
    s->len += text.len + 1;
    s->count++;
    return 0;
}

uint64_t exec_strings_limit(const struct task *t)
{
    uint64_t limit = process_limit(t->process, RLIMIT_STACK) / 4;
    if (limit > STRINGS_HIGHEST)
        limit = STRINGS_HIGHEST;
    return limit < STRINGS_ALWAYS ? STRINGS_ALWAYS : limit;
}

/* ---- Scripts ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* `#! interpreter argument`: false when it is no such line, or its interpreter's name is cut. */
static bool script_parse(struct span head, struct span *interp, struct span *argument)
{
    if (head.len < 2 || head.data[0] != '#' || head.data[1] != '!')
        return false;
    ptrdiff_t newline = span_find(head, '\n', 0);
    bool is_cut = newline < 0 && head.len == EXEC_HEAD_BYTES;
    size_t from = 2, end = newline >= 0 ? (size_t)newline : head.len;
    ptrdiff_t nul = span_find(head, '\0', 0);
    if (nul >= 0 && (size_t)nul < end)
        end = (size_t)nul;
    while (end > from && is_blank(head.data[end - 1]))
        end--;
    while (from < end && is_blank(head.data[from]))
        from++;
    size_t stop = from;
    while (stop < end && !is_blank(head.data[stop]))
        stop++;
    *interp = span_slice(head, from, stop);
    if (interp->len == 0 || (is_cut && stop == end))
        return false;
    while (stop < end && is_blank(head.data[stop]))
        stop++;
    *argument = span_slice(head, stop, end);
    return true;
}

/* argv of the interpreter: its name, the argument, the script's path, and what followed argv[0]. */
static int script_args(struct exec_strings *args, struct span interp, struct span argument,
                       struct span path)
{
    struct exec_strings old = *args, made = {NULL, 0, 0, 0};
    int error = exec_strings_add(&made, interp);
    if (error == 0 && argument.len > 0)
        error = exec_strings_add(&made, argument);
    if (error == 0)
        error = exec_strings_add(&made, path);
    size_t first = old.count > 0 ? strlen((const char *)old.data) + 1 : 0;
    if (error == 0)
        error = strings_reserve(&made, old.len - first);
    if (error != 0) {
        exec_strings_free(&made);
        return error;
    }
    if (old.len > first)
        memcpy(made.data + made.len, old.data + first, old.len - first);
    made.len += old.len - first;
    made.count += old.count > 0 ? old.count - 1 : 0;
    exec_strings_free(&old);
    *args = made;
    return 0;
}

/* Follows `#!` lines until the file is a program. */
static int resolve(struct exec *x)
{
    uint8_t head[EXEC_HEAD_BYTES];
    char path_z[VFS_PATH_MAX];
    struct span interp, argument, path = x->path;
    struct vfs_at at = {.fs = x->task->fs, .cred = &x->task->creds, .task = x->task};
    for (int depth = 0;; depth++) {
        int64_t n = file_pread(x->file, NULL, head, sizeof(head), 0);
        if (n < 0)
            return (int)n;
        if (!script_parse(span_of(head, (size_t)n), &interp, &argument))
            return 0;
        if (depth == EXEC_SCRIPT_DEPTH)
            return -ELOOP;
        x->is_script = true;
        int error = script_args(&x->args, interp, argument, path);
        if (error != 0)
            return error;
        path = span_of(path_z, span_copy_z(interp, path_z, sizeof(path_z)));
        struct file *next = NULL;
        error = vfs_open_exec(&at, path, true, &next);
        if (error != 0)
            return error;
        file_drop(x->file);
        x->file = next;
    }
}

/* ---- The new memory ---- */

uint64_t exec_place(const struct kernel *k, uint64_t pages)
{
    return k->place != 0 ? (pages & ~(uint64_t)(EXEC_PLACES - 1)) + k->place - 1 : pages;
}

static struct mm *new_memory(struct kernel *k, const struct abi *abi)
{
    struct mm *mm = mm_new(k, abi);
    if (mm == NULL)
        return NULL;
    uint64_t down = (crypto_rng_u32(&k->rng) & ((1U << abi->stack_random_bits) - 1));
    uint64_t more = (crypto_rng_u32(&k->rng) & ((1U << abi->map_random_bits) - 1));
    mm->stack_top = abi->space_end - down * CPU_PAGE_BYTES;
    mm->mmap_top = abi->space_end - abi->map_gap - exec_place(k, more) * CPU_PAGE_BYTES;
    return mm;
}

/* Whom the program runs as: set-user-ID and set-group-ID files, and those with capabilities. */
static int new_creds(const struct exec *x, struct creds *c, bool *secure)
{
    struct file_stat stat;
    struct capability_file file = {.there = false};
    bool no_new_privs = x->task->process->no_new_privs;
    *c = x->task->creds;
    int error = file_stat(x->file, &stat);
    bool may =
        !no_new_privs && x->file->node.fs != NULL && (x->file->node.fs->flags & FS_NOSUID) == 0;
    if (error == 0)
        error = capability_of_file(x->file, &file);
    if (error != 0)
        return error;
    if (may && (stat.mode & S_ISUID) != 0)
        c->euid = stat.uid;
    if (may && (stat.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        c->egid = stat.gid;
    bool setid = c->euid != c->uid || c->egid != c->gid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    return capability_exec(c, &file, setid, no_new_privs, secure);
}

/* ---- The change ---- */

static void forget(struct task *t)
{
    timers_free(t->process);
    struct signal_state *s = &t->signals;
    s->stack_addr = s->stack_size = 0;
    s->stack_flags = SS_DISABLE;
    t->clear_tid = 0;
    t->robust_list = 0;
    lines_forget(t);
    snapshot_unfollow(t);
}

/* A table shared with another process (CLONE_SIGHAND) becomes the process's own. */
static int own_actions(struct process *p)
{
    if (p->actions->refs > 1) {
        struct signal_table *own = signal_table_clone(p->actions);
        if (own == NULL)
            return -ENOMEM;
        signal_table_drop(p->actions);
        p->actions = own;
    }
    signal_table_reset(p->actions);
    return 0;
}

static int own_files(struct task *t)
{
    if (!fd_table_is_shared(t->files))
        return 0;
    struct fd_table *own = fd_table_clone(t->files);
    if (own == NULL)
        return -ENOMEM;
    fd_table_drop(t->files);
    t->files = own;
    return 0;
}

static bool is_shell_name(struct span name)
{
    static const char *const shells[] = {"bash", "sh", "dash", "ash", "rbash"};
    for (size_t i = name.len; i > 0; i--) {
        if (name.data[i - 1] == '/') {
            name = span_slice(name, i, name.len);
            break;
        }
    }
    if (name.len > 0 && name.data[0] == '-')
        name = span_slice(name, 1, name.len);
    for (size_t i = 0; i < ARRAY_LEN(shells); i++)
        if (span_equal_z(name, shells[i]))
            return true;
    return false;
}

/* By its name, or busybox's first argument. */
static bool is_shell(const struct exec_strings *args)
{
    if (args->count == 0)
        return false;
    struct span name = span_z((const char *)args->data);
    bool is_box =
        name.len >= 7 && span_equal_z(span_slice(name, name.len - 7, name.len), "busybox");
    if (is_box && args->count > 1)
        name = span_z((const char *)name.data + name.len + 1);
    return is_shell_name(name);
}

/* What /proc and the events say of it. Without memory the old is kept. */
static void remember(const struct exec *x)
{
    struct process *p = x->task->process;
    char path_z[VFS_PATH_MAX + 16];
    int64_t len = file_path(x->file, path_z, sizeof(path_z));
    size_t args_len = x->args.len < KERNEL_ARGS_MAX ? x->args.len : KERNEL_ARGS_MAX;
    uint8_t *args = malloc(args_len + 1);
    char *exe_z = len >= 0 ? kernel_copy_z(span_of(path_z, (size_t)len)) : NULL;
    if (args != NULL) {
        if (args_len > 0)
            memcpy(args, x->args.data, args_len);
        free(p->args);
        p->args = args;
        p->args_len = args_len;
    }
    if (exe_z != NULL) {
        free(p->exe_z);
        p->exe_z = exe_z;
    }
    p->executed = true;
    p->is_shell = is_shell(&x->args);
    task_set_comm(x->task, x->path);
}

/* The first strings, as far as they are told. */
static size_t told_strings(const struct exec_strings *from, struct span *to, size_t bytes_max)
{
    const char *p = (const char *)from->data;
    size_t n = 0, bytes = 0;
    while (n < from->count && n < TOLD_STRINGS_MAX && bytes < bytes_max) {
        struct span text = span_z(p);
        p += text.len + 1;
        to[n++] = span_slice(text, 0, bytes_max - bytes);
        bytes += text.len;
    }
    return n;
}

static void tell(const struct exec *x)
{
    struct task *t = x->task;
    struct span args[TOLD_STRINGS_MAX], env[TOLD_STRINGS_MAX];
    struct kernel_event event = {.type = KERNEL_EXEC,
                                 .program = t->process->program,
                                 .text = x->path,
                                 .args = args,
                                 .argc = told_strings(&x->args, args, TOLD_ARGS_BYTES),
                                 .env = env,
                                 .envc = told_strings(&x->env, env, TOLD_ENV_BYTES)};
    kernel_emit(t->kernel, t, &event);
}

/* The new program goes on from a snapshot of it, if there is one. */
static int clone_start(struct exec *x)
{
    int error = x->snapshot != NULL ? snapshot_clone(x->snapshot, x) : 0;
    if (error != -EDOM)
        return error;
    x->snapshot = NULL; /* its memory lies where a clone's cannot: it runs */
    return 0;
}

/* The old program is over: nothing can fail into it any more. */
static int change(struct exec *x, struct load *load, const struct creds *creds, bool secure)
{
    struct task *t = x->task;
    const struct abi *abi = load->image.header.abi;
    struct mm *mm = new_memory(t->kernel, abi);
    int error = mm == NULL ? -ENOMEM : load_map(load, mm);
    if (error == 0 && abi->prepare != NULL)
        error = abi->prepare(mm);
    struct stack_facts facts = {.entry = load->image.header.entry + load->bias,
                                .base = load->interp_bias,
                                .phnum = load->image.header.segment_count,
                                .secure = secure,
                                .exec_stack = load->image.exec_stack,
                                .path = x->path,
                                .limit = process_limit(t->process, RLIMIT_STACK)};
    if (load->image.phdr_vaddr != 0)
        facts.phdr = load->image.phdr_vaddr + load->bias;
    t->creds = *creds;
    int64_t sp = error == 0 ? stack_build(mm, t, &x->args, &x->env, &facts) : error;
    if (sp < 0) {
        mm_drop(mm);
        return (int)sp;
    }
    if (load->image.dynamic != 0 && !abi_is_foreign(abi)) /* a shell of the machine's own */
        lines_find(mm->space, load->image.dynamic + load->bias, load->bias, mm->functions);
    mm->frame = (uint64_t)sp;
    mm->exe = file_hold(x->file);
    mm->known = x->known;
    if (mm->known != NULL)
        mm->known->refs++;
    struct cpu *cpu = cpu_new(abi->cpu, t->kernel->code, mm->space);
    if (cpu == NULL) {
        mm_drop(mm);
        return -ENOMEM;
    }
    cpu_free(t->cpu);
    t->cpu = cpu;
    mm_drop(t->mm);
    t->mm = mm;
    cpu->ops->start(cpu, load->start, (uint64_t)sp);
    lines_probe(t);
    return clone_start(x);
}

static int commit(struct exec *x, struct load *load, const struct creds *creds, bool secure)
{
    struct task *t = x->task;
    kernel_charge(t->kernel, KERNEL_EXEC_COST);
    process_end_others(t);
    process_release_vfork(t->process);
    int error = own_actions(t->process);
    if (error == 0)
        error = own_files(t);
    if (error == 0)
        error = change(x, load, creds, secure);
    if (error != 0) {
        if (t->cpu == NULL) /* a program that is only being started: its starter is told */
            return error;
        process_end(t->process, SIGSEGV);
        return 0;
    }
    fd_table_close_exec(t->files);
    forget(t);
    remember(x);
    tell(x);
    if (x->snapshot != NULL)
        snapshot_finish(x->snapshot, t);
    return 0;
}

int exec_run(struct exec *x)
{
    struct load load = {.file = NULL};
    struct creds creds = x->task->creds;
    bool secure = false;
    int error = 0;
    if (x->args.count == 0) /* Linux gives such a program one empty argument */
        error = exec_strings_add(&x->args, (struct span){NULL, 0});
    if (error == 0)
        error = resolve(x);
    if (error == 0)
        error = new_creds(x, &creds, &secure);
    load.file = x->file;
    if (error == 0)
        error = load_open(&load, x->task);
    if (error == 0)
        snapshot_find(x, secure);
    if (error == 0)
        error = commit(x, &load, &creds, secure);
    load_fini(&load);
    file_drop(x->file);
    x->file = NULL;
    return error;
}
