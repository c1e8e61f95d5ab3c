/* /proc as a file system: its tree, and descriptions that make their text when they are read. */
#include "kernel/procfs.h"

#include "kernel/fdtable.h"
#include "kernel/machine.h"
#include "kernel/mm.h"

#include "persona/image.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum entry_kind { ENTRY_TEXT, ENTRY_DIR, ENTRY_LINK };

struct entry {
    const char *path_z;
    enum entry_kind kind;
    uint32_t mode;
    proc_text_fn fn;
};

/* The two tables of procfs.def. Index 0 of each is its own top directory. */
static const struct entry machine_entries[] = {
    {"", ENTRY_DIR, 0555, NULL},
    {"self", ENTRY_LINK, 0777, NULL},
    {"thread-self", ENTRY_LINK, 0777, NULL},
    {"mounts", ENTRY_LINK, 0777, NULL},
    {"net", ENTRY_LINK, 0777, NULL},
#define PROC(path, mode, fn) {path, ENTRY_TEXT, mode, proc_##fn},
#define PROC_DIR(path)       {path, ENTRY_DIR, 0555, NULL},
#define PROC_PID(path, mode, fn)
#define PROC_PID_DIR(path)
#define PROC_LINK(path)
#include "kernel/procfs.def"
#undef PROC
#undef PROC_DIR
#undef PROC_PID
#undef PROC_PID_DIR
#undef PROC_LINK
};

static const struct entry process_entries[] = {
    {"", ENTRY_DIR, 0555, NULL},
#define PROC(path, mode, fn)
#define PROC_DIR(path)
#define PROC_PID(path, mode, fn) {path, ENTRY_TEXT, mode, proc_##fn},
#define PROC_PID_DIR(path)       {path, ENTRY_DIR, 0555, NULL},
#define PROC_LINK(path)          {path, ENTRY_LINK, 0777, NULL},
#include "kernel/procfs.def"
#undef PROC
#undef PROC_DIR
#undef PROC_PID
#undef PROC_PID_DIR
#undef PROC_LINK
};

/* An inode number says all: an inode of the image's /proc, or process (0: the machine), entry, and
 * for what stands in fd/, fdinfo/ and task/ one more number plus 1. */
struct place {
    uint32_t image_ino;
    int32_t pid;
    size_t entry;
    uint32_t number;
};

static const uint64_t IMAGE_BIT = UINT64_C(1) << 62;

static uint64_t ino_of(struct place p)
{
    if (p.image_ino != 0)
        return IMAGE_BIT | p.image_ino;
    return 1 + (((uint64_t)(uint32_t)p.pid << 32) | ((uint64_t)p.entry << 24) | p.number);
}

static struct place place_of(uint64_t ino)
{
    if ((ino & IMAGE_BIT) != 0)
        return (struct place){.image_ino = (uint32_t)ino};
    ino--;
    return (struct place){.pid = (int32_t)(ino >> 32),
                          .entry = (size_t)(ino >> 24 & 0xff),
                          .number = (uint32_t)ino & 0xffffff};
}

static const struct entry *entry_of(struct place p)
{
    if (p.pid == 0)
        return p.entry < ARRAY_LEN(machine_entries) ? &machine_entries[p.entry] : NULL;
    return p.entry < ARRAY_LEN(process_entries) ? &process_entries[p.entry] : NULL;
}

static bool is_named(const struct entry *e, const char *name_z)
{
    return e != NULL && span_equal_z(span_z(name_z), e->path_z);
}

struct procfs {
    struct fs fs; /* first */
    const struct persona_image *image;
    uint32_t image_root; /* the image's /proc; 0: none */
};

/* ---- Looking up ---- */

static bool number_of(struct span name, int32_t *out)
{
    int32_t n = 0;
    if (name.len == 0 || name.len > 8 || name.data[0] == '0')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return false;
        n = n * 10 + (name.data[i] - '0');
    }
    *out = n;
    return true;
}

/* Whether `path_z` is DIR/NAME with one name; the name. */
static bool is_below(const char *dir_z, const char *path_z, struct span *name)
{
    struct span dir = span_z(dir_z), path = span_z(path_z);
    size_t from = dir.len > 0 ? dir.len + 1 : 0;
    if (path.len <= from || !span_starts_with(path, dir) || (dir.len > 0 && path_z[dir.len] != '/'))
        return false;
    *name = span_slice(path, from, path.len);
    return span_find(*name, '/', 0) < 0;
}

static const struct entry *table_of(int32_t pid, size_t *count)
{
    *count = pid == 0 ? ARRAY_LEN(machine_entries) : ARRAY_LEN(process_entries);
    return pid == 0 ? machine_entries : process_entries;
}

static int find_in_table(struct place dir, const struct entry *e, struct span name, uint64_t *ino)
{
    size_t count = 0;
    const struct entry *table = table_of(dir.pid, &count);
    for (size_t i = 1; i < count; i++) {
        struct span below;
        if (is_below(e->path_z, table[i].path_z, &below) && span_equal(below, name)) {
            *ino = ino_of((struct place){.pid = dir.pid, .entry = i});
            return 0;
        }
    }
    return -ENOENT;
}

/* The image's directory that stands for a directory of ours, or 0. */
static uint32_t image_directory(const struct procfs *p, const struct entry *e)
{
    struct span path = span_z(e->path_z);
    uint32_t ino = p->image_root;
    for (size_t from = 0; ino != 0 && from < path.len;) {
        ptrdiff_t slash = span_find(path, '/', from);
        size_t to = slash >= 0 ? (size_t)slash : path.len;
        ino = persona_image_find(p->image, ino, span_slice(path, from, to));
        from = to + 1;
    }
    return ino;
}

static int find_in_image(const struct procfs *p, uint32_t dir, struct span name, uint64_t *ino)
{
    uint32_t found = dir != 0 ? persona_image_find(p->image, dir, name) : 0;
    *ino = ino_of((struct place){.image_ino = found});
    return found != 0 ? 0 : -ENOENT;
}

static struct file *open_of(const struct proc_view *view, int32_t fd)
{
    bool has = view->task != NULL && view->task->files != NULL;
    return has ? fd_table_find(view->task->files, fd) : NULL;
}

/* Numbers: processes at the top, descriptors and threads in their directories. */
static int find_number(struct fs *fs, struct place dir, const struct entry *e, int32_t n,
                       uint64_t *ino)
{
    struct proc_view view;
    struct place found = {.pid = n};
    if (dir.pid == 0) {
        *ino = ino_of(found);
        return dir.entry == 0 && proc_view_find(fs->vfs, n, &view) ? 0 : -ENOENT;
    }
    if (!proc_view_find(fs->vfs, dir.pid, &view))
        return -ENOENT;
    if (is_named(e, "task")) {
        *ino = ino_of(found);
        return n == dir.pid ? 0 : -ENOENT;
    }
    if ((!is_named(e, "fd") && !is_named(e, "fdinfo")) || open_of(&view, n) == NULL)
        return -ENOENT;
    *ino = ino_of((struct place){.pid = dir.pid, .entry = dir.entry, .number = (uint32_t)n + 1});
    return 0;
}

static int procfs_find(struct fs *fs, struct task *t, uint64_t dir_ino, struct span name,
                       uint64_t *ino)
{
    (void)t;
    const struct procfs *p = (const struct procfs *)fs;
    struct place dir = place_of(dir_ino);
    int32_t n = 0;
    if (dir.image_ino != 0)
        return find_in_image(p, dir.image_ino, name, ino);
    const struct entry *e = entry_of(dir);
    if (e == NULL)
        return -ENOENT;
    if (span_equal_z(name, "0") && (is_named(e, "fd") || is_named(e, "fdinfo")))
        return find_number(fs, dir, e, 0, ino);
    if (number_of(name, &n))
        return find_number(fs, dir, e, n, ino);
    if (find_in_table(dir, e, name, ino) == 0)
        return 0;
    return dir.pid == 0 ? find_in_image(p, image_directory(p, e), name, ino) : -ENOENT;
}

static int procfs_parent(struct fs *fs, uint64_t dir_ino, uint64_t *parent)
{
    struct place dir = place_of(dir_ino);
    const struct entry *e = entry_of(dir);
    struct persona_node node;
    const struct procfs *p = (const struct procfs *)fs;
    *parent = fs->root;
    if (dir.image_ino != 0) {
        if (persona_image_node(p->image, dir.image_ino, &node) && node.parent != p->image_root)
            *parent = ino_of((struct place){.image_ino = node.parent});
        return 0;
    }
    if (e == NULL)
        return -ENOENT;
    const char *slash = strrchr(e->path_z, '/');
    if (dir.pid != 0 && dir.entry != 0)
        *parent = ino_of((struct place){.pid = dir.pid});
    if (slash == NULL)
        return 0;
    size_t count = 0;
    const struct entry *table = table_of(dir.pid, &count);
    for (size_t i = 1; i < count; i++)
        if (span_equal_z(span_of(e->path_z, (size_t)(slash - e->path_z)), table[i].path_z))
            *parent = ino_of((struct place){.pid = dir.pid, .entry = i});
    return 0;
}

static int64_t image_name_of(const struct procfs *p, uint32_t ino, char *out, size_t size)
{
    struct persona_node node;
    struct span text;
    uint32_t found = 0;
    if (!persona_image_node(p->image, ino, &node))
        return -ENOENT;
    for (uint32_t i = 0; (found = persona_image_entry(p->image, node.parent, i, &text)) != 0; i++)
        if (found == ino)
            return (int64_t)span_copy_z(text, out, size);
    return -ENOENT;
}

static int64_t procfs_name_of(struct fs *fs, uint64_t dir, uint64_t ino, char *out, size_t size)
{
    (void)dir;
    struct place place = place_of(ino);
    if (place.image_ino != 0)
        return image_name_of((const struct procfs *)fs, place.image_ino, out, size);
    const struct entry *e = entry_of(place);
    if (e == NULL)
        return -ENOENT;
    if (place.number != 0)
        return snprintf(out, size, "%u", place.number - 1);
    if (place.pid != 0 && place.entry == 0)
        return snprintf(out, size, "%d", place.pid);
    const char *slash = strrchr(e->path_z, '/');
    return snprintf(out, size, "%s", slash != NULL ? slash + 1 : e->path_z);
}

/* ---- stat ---- */

static int image_stat(const struct procfs *p, uint32_t ino, struct file_stat *out)
{
    struct persona_node node;
    if (!persona_image_node(p->image, ino, &node))
        return -ENOENT;
    out->mode = node.mode;
    out->nlink = node.nlink;
    return 0;
}

/* What only the process's owner may look at. */
static bool is_private(const struct entry *e, struct place place)
{
    return is_named(e, "fd") || is_named(e, "fdinfo") || place.number != 0;
}

static void stat_of_process(struct place place, const struct entry *e, const struct proc_view *view,
                            struct file_stat *out)
{
    out->uid = view->uid;
    out->gid = view->gid;
    if (place.entry == 0)
        out->nlink = 9;
    if (e->kind == ENTRY_DIR && is_private(e, place))
        out->mode = S_IFDIR | 0500;
    if (place.number == 0)
        return;
    out->nlink = 1;
    const struct file *f = open_of(view, (int32_t)place.number - 1);
    uint32_t access = f != NULL ? f->flags & O_ACCMODE : O_RDONLY;
    out->mode =
        S_IFLNK | 0100 | (access != O_WRONLY ? 0400u : 0) | (access != O_RDONLY ? 0200u : 0);
    out->size = 64;
    if (is_named(e, "fdinfo")) {
        out->mode = S_IFREG | 0444;
        out->size = 0;
    }
}

static int procfs_stat(struct fs *fs, uint64_t ino, struct file_stat *out)
{
    static const uint32_t types[] = {
        [ENTRY_TEXT] = S_IFREG, [ENTRY_DIR] = S_IFDIR, [ENTRY_LINK] = S_IFLNK};
    struct place place = place_of(ino);
    struct proc_view view;
    int64_t now = vfs_now(fs->vfs);
    *out = (struct file_stat){.dev = fs->dev, .ino = ino, .blksize = 1024};
    out->atime_ns = out->mtime_ns = out->ctime_ns = out->btime_ns = now;
    if (place.image_ino != 0)
        return image_stat((const struct procfs *)fs, place.image_ino, out);
    const struct entry *e = entry_of(place);
    if (e == NULL)
        return -ENOENT;
    out->mode = types[e->kind] | e->mode;
    out->nlink = e->kind == ENTRY_DIR ? 2 : 1;
    if (place.pid == 0) {
        if (place.entry == 0) {
            out->nlink = 4 + proc_view_count(fs->vfs, &(unsigned){0}, &(int32_t){0});
            out->atime_ns = out->mtime_ns = out->ctime_ns = fs->vfs->boot_ns;
        }
        return 0;
    }
    if (!proc_view_find(fs->vfs, place.pid, &view))
        return -ENOENT;
    stat_of_process(place, e, &view, out);
    return 0;
}

/* ---- readdir: positions are 2 + place in the table; then processes; then the image ---- */

enum { AT_NUMBERS = 1 << 10, AT_IMAGE = 1 << 28 };

struct lister {
    struct fs *fs;
    struct place dir;
    const struct entry *e;
    int64_t at;
    file_entry_fn fn;
    void *ctx;
};

static bool list_table(const struct lister *l)
{
    static const unsigned types[] = {
        [ENTRY_TEXT] = DT_REG, [ENTRY_DIR] = DT_DIR, [ENTRY_LINK] = DT_LNK};
    size_t count = 0;
    const struct entry *table = table_of(l->dir.pid, &count);
    for (size_t i = 1; i < count; i++) {
        struct span name;
        if ((int64_t)i + 2 < l->at || !is_below(l->e->path_z, table[i].path_z, &name))
            continue;
        if (!l->fn(l->ctx, name, ino_of((struct place){.pid = l->dir.pid, .entry = i}),
                   types[table[i].kind], (int64_t)i + 3))
            return false;
    }
    return true;
}

static bool list_number(const struct lister *l, int32_t n, struct place place, unsigned type)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d", n);
    return l->fn(l->ctx, span_of(text, (size_t)len), ino_of(place), type, AT_NUMBERS + n + 1);
}

static bool list_numbers(const struct lister *l)
{
    struct proc_view view;
    int32_t from = l->at > AT_NUMBERS ? (int32_t)(l->at - AT_NUMBERS) : 0;
    if (l->dir.pid == 0) {
        for (int32_t pid = from - 1; l->dir.entry == 0 && proc_view_next(l->fs->vfs, pid, &view);
             pid = view.pid)
            if (!list_number(l, view.pid, (struct place){.pid = view.pid}, DT_DIR))
                return false;
        return true;
    }
    if (!proc_view_find(l->fs->vfs, l->dir.pid, &view))
        return true;
    if (is_named(l->e, "task"))
        return from > view.pid || list_number(l, view.pid, (struct place){.pid = view.pid}, DT_DIR);
    if ((!is_named(l->e, "fd") && !is_named(l->e, "fdinfo")) || view.task == NULL ||
        view.task->files == NULL)
        return true;
    for (int fd = fd_table_next(view.task->files, from); fd >= 0;
         fd = fd_table_next(view.task->files, fd + 1)) {
        struct place place = l->dir;
        place.number = (uint32_t)fd + 1;
        if (!list_number(l, fd, place, is_named(l->e, "fd") ? DT_LNK : DT_REG))
            return false;
    }
    return true;
}

static void list_image(const struct lister *l, uint32_t dir)
{
    const struct procfs *p = (const struct procfs *)l->fs;
    uint32_t index = l->at > AT_IMAGE ? (uint32_t)(l->at - AT_IMAGE) : 0, ino = 0;
    struct span name;
    uint64_t ours = 0;
    while (dir != 0 && (ino = persona_image_entry(p->image, dir, index, &name)) != 0) {
        struct file_stat st = {0};
        index++;
        if (l->e != NULL && find_in_table(l->dir, l->e, name, &ours) == 0)
            continue;
        (void)image_stat(p, ino, &st);
        if (!l->fn(l->ctx, name, ino_of((struct place){.image_ino = ino}), (st.mode & S_IFMT) >> 12,
                   AT_IMAGE + (int64_t)index))
            return;
    }
}

static int procfs_readdir(struct fs *fs, struct task *t, uint64_t dir, int64_t at, file_entry_fn fn,
                          void *ctx)
{
    (void)t;
    struct place place = place_of(dir);
    struct lister l = {.fs = fs, .dir = place, .at = at, .fn = fn, .ctx = ctx};
    if (place.image_ino != 0) {
        list_image(&l, place.image_ino);
        return 0;
    }
    l.e = entry_of(place);
    if (at < AT_NUMBERS && !list_table(&l))
        return 0;
    if (at < AT_IMAGE && !list_numbers(&l))
        return 0;
    if (place.pid == 0)
        list_image(&l, image_directory((const struct procfs *)fs, l.e));
    return 0;
}

/* ---- Links ---- */

static int64_t path_of_node(struct fs *fs, struct vnode node, char *out, size_t size)
{
    struct vnode root = {.fs = fs->vfs->mounts[0], .ino = fs->vfs->mounts[0]->root};
    return vfs_path_of(fs->vfs, root, node, out, size);
}

static int64_t read_process_link(struct fs *fs, const struct entry *e, const struct proc_view *view,
                                 char *out, size_t size)
{
    if (view->task == NULL)
        return -ENOENT;
    if (is_named(e, "exe"))
        return view->task->mm != NULL && view->task->mm->exe != NULL
                   ? file_path(view->task->mm->exe, out, size)
                   : -ENOENT;
    if (view->task->fs == NULL)
        return -ENOENT;
    return path_of_node(fs, is_named(e, "cwd") ? view->task->fs->cwd : view->task->fs->root, out,
                        size);
}

static int64_t procfs_readlink(struct fs *fs, struct task *t, uint64_t ino, char *out, size_t size)
{
    struct place place = place_of(ino);
    struct proc_view view;
    struct persona_node node;
    if (place.image_ino != 0)
        return persona_image_node(((const struct procfs *)fs)->image, place.image_ino, &node)
                   ? (int64_t)span_copy_z(node.data, out, size)
                   : -ENOENT;
    const struct entry *e = entry_of(place);
    if (place.pid == 0) {
        if (is_named(e, "mounts") || is_named(e, "net"))
            return snprintf(out, size, "self/%s", e->path_z);
        if (t == NULL)
            return -ENOENT;
        return is_named(e, "self")
                   ? snprintf(out, size, "%d", t->process->pid)
                   : snprintf(out, size, "%d/task/%d", t->process->pid, t->process->pid);
    }
    if (!proc_view_find(fs->vfs, place.pid, &view))
        return -ENOENT;
    if (place.number == 0)
        return read_process_link(fs, e, &view, out, size);
    struct file *f = open_of(&view, (int32_t)place.number - 1);
    return f != NULL ? file_path(f, out, size) : -ENOENT;
}

/* PTRACE_MODE_READ: another's descriptors, memory and directories are not shown. */
static bool may_see(const struct task *t, const struct proc_view *view)
{
    return t == NULL || (t->creds.fsuid == view->uid) || creds_capable(&t->creds, CAP_SYS_PTRACE);
}

static int procfs_follow(struct fs *fs, struct task *t, uint64_t ino, struct file **out,
                         struct vnode *node)
{
    struct place place = place_of(ino);
    struct proc_view view;
    const struct entry *e = entry_of(place);
    if (place.image_ino != 0 || place.pid == 0 || !proc_view_find(fs->vfs, place.pid, &view) ||
        view.task == NULL)
        return -ENOENT;
    if (!may_see(t, &view))
        return -EACCES;
    struct file *f = NULL;
    if (place.number != 0)
        f = open_of(&view, (int32_t)place.number - 1);
    else if (is_named(e, "exe"))
        f = view.task->mm != NULL ? view.task->mm->exe : NULL;
    else if (view.task->fs != NULL) {
        *node = is_named(e, "cwd") ? view.task->fs->cwd : view.task->fs->root;
        return 0;
    }
    if (f == NULL)
        return -ENOENT;
    *out = file_hold(f);
    return 0;
}

/* ---- Texts ---- */

struct text {
    struct place place;
    struct buffer bytes;
    bool made;
};

static int fd_info(const struct proc_call *c, uint32_t fd)
{
    const struct file *f = c->p != NULL ? open_of(c->p, (int32_t)fd) : NULL;
    if (f == NULL)
        return -ENOENT;
    bool cloexec = fd_table_is_close_on_exec(c->p->task->files, (int)fd);
    return buffer_printf(c->out, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n",
                         (long long)f->position, f->flags | (cloexec ? O_CLOEXEC : 0u), 27u,
                         (unsigned long long)f->node.ino);
}

static int make_text(struct file *f, struct task *t)
{
    struct text *text = f->object;
    const struct procfs *p = (const struct procfs *)f->node.fs;
    struct proc_view view;
    struct persona_node node;
    struct proc_call c = {
        .vfs = f->vfs, .kernel = f->vfs->kernel, .reader = t, .out = &text->bytes};
    buffer_clear(&text->bytes);
    text->made = true;
    if (text->place.image_ino != 0)
        return persona_image_node(p->image, text->place.image_ino, &node)
                   ? buffer_put(&text->bytes, node.data)
                   : -ENOENT;
    const struct entry *e = entry_of(text->place);
    if (text->place.pid != 0) {
        if (!proc_view_find(f->vfs, text->place.pid, &view))
            return -ESRCH;
        c.p = &view;
    }
    return text->place.number != 0 ? fd_info(&c, text->place.number - 1) : e->fn(&c);
}

static int64_t text_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    struct text *text = f->object;
    if (at == 0 || !text->made) {
        int error = make_text(f, t);
        if (error != 0)
            return error < -1000 ? -ENOMEM : error;
    }
    struct span rest = buffer_span(&text->bytes);
    if (at >= (int64_t)rest.len)
        return 0;
    rest = span_slice(rest, (size_t)at, (size_t)at + len);
    memcpy(out, rest.data, rest.len);
    return (int64_t)rest.len;
}

static struct span line_of(struct span bytes)
{
    while (bytes.len > 0 && (bytes.data[bytes.len - 1] == '\n' || bytes.data[bytes.len - 1] == 0))
        bytes.len--;
    return bytes;
}

/* Values that may be set are taken; a few are kept. */
static int64_t text_write(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    (void)at;
    const struct text *text = f->object;
    const struct entry *e = text->place.image_ino == 0 ? entry_of(text->place) : NULL;
    struct span value = line_of(span_of(bytes, len));
    struct kernel *k = f->vfs->kernel;
    struct proc_view view;
    if (t == NULL || k == NULL || e == NULL)
        return (int64_t)len;
    if (is_named(e, "sys/kernel/hostname"))
        span_copy_z(value, k->hostname_z, sizeof(k->hostname_z));
    else if (is_named(e, "sys/kernel/domainname"))
        span_copy_z(value, k->domainname_z, sizeof(k->domainname_z));
    else if (is_named(e, "comm") && proc_view_find(f->vfs, text->place.pid, &view) &&
             view.task != NULL && view.task->process == t->process)
        task_set_comm(view.task, value);
    return (int64_t)len;
}

static void text_close(struct file *f)
{
    struct text *text = f->object;
    if (text != NULL)
        buffer_fini(&text->bytes);
    free(text);
}

static int text_truncate(struct file *f, int64_t size)
{
    (void)f, (void)size;
    return 0;
}

static const struct file_ops text_ops = {.seekable = true,
                                         .read = text_read,
                                         .write = text_write,
                                         .truncate = text_truncate,
                                         .close = text_close};

static int procfs_open(struct fs *fs, struct task *t, uint64_t ino, struct file *f)
{
    struct place place = place_of(ino);
    struct proc_view view;
    const struct entry *e = entry_of(place);
    if (place.pid != 0 && proc_view_find(fs->vfs, place.pid, &view) && (e->mode & 0044) == 0 &&
        !may_see(t, &view))
        return -EACCES;
    struct text *text = calloc(1, sizeof(*text));
    if (text == NULL)
        return -ENOMEM;
    text->place = place;
    buffer_init(&text->bytes, PROC_TEXT_MAX);
    f->ops = &text_ops;
    f->object = text;
    f->key = text;
    return 0;
}

static void procfs_usage(struct fs *fs, struct fs_usage *out)
{
    (void)fs;
    *out = (struct fs_usage){.type = 0x9fa0, .block_size = 4096};
}

static int procfs_set_attr(struct fs *fs, uint64_t ino, const struct fs_attr *attr)
{
    (void)fs, (void)ino;
    return (attr->what & (FS_ATTR_MODE | FS_ATTR_OWNER)) != 0 ? -EPERM : 0;
}

static int procfs_truncate(struct fs *fs, uint64_t ino, int64_t size)
{
    (void)fs, (void)ino, (void)size;
    return 0;
}

static void procfs_free(struct fs *fs)
{
    free(fs);
}

static const struct fs_ops procfs_ops = {
    .stat = procfs_stat,
    .find = procfs_find,
    .parent = procfs_parent,
    .name_of = procfs_name_of,
    .readdir = procfs_readdir,
    .readlink = procfs_readlink,
    .follow = procfs_follow,
    .open = procfs_open,
    .set_attr = procfs_set_attr,
    .truncate = procfs_truncate,
    .usage = procfs_usage,
    .free = procfs_free,
};

struct fs *procfs_new(struct vfs *vfs, const struct persona_image *image, uint32_t image_root)
{
    struct procfs *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->fs = (struct fs){.ops = &procfs_ops, .vfs = vfs, .root = ino_of((struct place){0})};
    p->image = image;
    p->image_root = image != NULL ? image_root : 0;
    return &p->fs;
}
